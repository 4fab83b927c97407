/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAFKA_ERROR_H
#define KAFKA_ERROR_H
/** @file What librdkafka's error codes mean to a route: pure tables and sentences. */
#include "kafka_settings.h"
#include "metrics.h"

/** Whether no waiting helps, but somebody who puts a topic, a right, a login or a certificate
 * right. */
bool kafka_error_is_setting(rd_kafka_resp_err_t code);
/** Whether the broker will never take what was sent, as it is. */
bool kafka_error_is_bad_event(rd_kafka_resp_err_t code);
enum route_cause kafka_error_cause(rd_kafka_resp_err_t code);
/** A sentence that says whose turn it is; @p text is what librdkafka says. */
void kafka_error_tell(const struct kafka_settings *settings, rd_kafka_resp_err_t code,
                      const char *text, char *out, size_t size);
#endif
