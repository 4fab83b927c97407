/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KAFKA_LIBRARY_H
#define KAFKA_LIBRARY_H
/** @file
 * librdkafka, loaded when the first Kafka route is opened: without one its memory is not paid for.
 * Threads: set-up only; the table is constant once loaded.
 */
#include <librdkafka/rdkafka.h>
#include "ol_base.h"

#define KAFKA_FUNCTIONS(X)                                                                         \
    X(conf_new)                                                                                    \
    X(conf_destroy)                                                                                \
    X(conf_set)                                                                                    \
    X(conf_set_opaque)                                                                             \
    X(conf_set_dr_msg_cb)                                                                          \
    X(conf_set_error_cb)                                                                           \
    X(conf_set_log_cb)                                                                             \
    X(new)                                                                                         \
    X(destroy)                                                                                     \
    X(topic_new)                                                                                   \
    X(topic_destroy)                                                                               \
    X(produce)                                                                                     \
    X(last_error)                                                                                  \
    X(poll)                                                                                        \
    X(purge)                                                                                       \
    X(flush)                                                                                       \
    X(fatal_error)                                                                                 \
    X(err2str)                                                                                     \
    X(opaque)                                                                                      \
    X(version)                                                                                     \
    X(version_str)                                                                                 \
    X(queue_get_main)                                                                              \
    X(queue_io_event_enable)                                                                       \
    X(queue_destroy)

struct kafka_library {
#define X(name) __typeof__ (&rd_kafka_##name)(name);
    KAFKA_FUNCTIONS(X)
#undef X
};

/** @return OL_OK; OL_CONFIG: not installed, or too old. The library stays loaded. */
OL_NODISCARD ol_status kafka_library_load(const struct kafka_library **ret, struct ol_error *err);
#endif
