/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAFKA_SETTINGS_H
#define KAFKA_SETTINGS_H
/** @file
 * The settings of a route's producer: ours, then `properties`, each name=value. A value file:PATH
 * is what that file holds (without white space at its end), env:NAME what that variable does; both
 * are read anew for each producer, and never told to anybody. Threads: one.
 */
#include "agent.h"
#include "kafka_library.h"

/** librdkafka's own batch.size. */
#define KAFKA_BATCH_BYTES 1000000

struct kafka_settings {
    const struct kafka_library *lib;
    const struct route_config *config;
    int64_t batch_bytes; /**< most in one batch; from KAFKA_BATCH_BYTES up: what properties say */
    uint64_t seen;       /**< what the files looked like when they were read last */
};

/** @param ret  Owned by the caller, or by the producer that takes it.
 *  @return OL_OK; OL_CONFIG: librdkafka knows no such setting or value, or the route sets it
 * itself; OL_NOT_FOUND, OL_IO, OL_DENIED, OL_FULL: a file or variable cannot be read, err says
 * which; OL_NOMEM. */
OL_NODISCARD ol_status kafka_settings_make(struct kafka_settings *settings, rd_kafka_conf_t **ret,
                                           struct ol_error *err);
/** Whether a file that a property names (file:PATH, and librdkafka's own *.location) is another, or
 * has other contents, than at the last kafka_settings_make(). Looks at each. */
bool kafka_settings_changed(const struct kafka_settings *settings);
/** Whether the login is by SCRAM and the library is older than 2.6.1, whose SCRAM newer brokers
 * refuse as wrong credentials. */
bool kafka_settings_have_old_scram(const struct kafka_settings *settings);
/** Whether any property names a file. */
bool kafka_settings_have_files(const struct kafka_settings *settings);
#endif
