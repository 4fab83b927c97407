/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_library.h"

#include <dlfcn.h>

ol_status kafka_library_load(const struct kafka_library **ret, struct ol_error *err)
{
    static struct kafka_library library; /* written once, before any route exists */
    static void *handle;
    if (handle != NULL) {
        *ret = &library;
        return OL_OK;
    }
    void *opened = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
    if (opened == NULL) {
        const char *why = dlerror();
        return ol__error_set(err, OL_CONFIG, "a kafka route needs librdkafka: %s",
                             why != NULL ? why : "cannot be loaded");
    }
    /* POSIX lets a void pointer from dlsym hold a function; ISO C wants it copied. */
#define X(name)                                                                                    \
    do {                                                                                           \
        void *symbol = dlsym(opened, "rd_kafka_" #name);                                           \
        if (symbol == NULL) {                                                                      \
            dlclose(opened);                                                                       \
            return ol__error_set(err, OL_CONFIG, "librdkafka lacks rd_kafka_" #name ": too old");  \
        }                                                                                          \
        memcpy(&library.name, &symbol, sizeof symbol);                                             \
    } while (0);
    KAFKA_FUNCTIONS(X)
#undef X
    handle = opened;
    *ret = &library;
    return OL_OK;
}
