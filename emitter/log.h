/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_LOG_H
#define OL_LOG_H
/** @file The host's log function, as it came with struct ol_client_options. Call it under no lock.
 */
#include "ol_base.h"

struct ol__log {
    void (*function)(void *arg, ol_status status, const char *message); /**< NULL: silence */
    void *arg;
};
void ol__log(const struct ol__log *log, ol_status status, const char *format, ...) OL_PRINTF(3, 4);
#endif
