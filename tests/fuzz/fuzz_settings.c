/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes of a configuration: no crash, what is refused is refused with file and line,
 * and what is taken reads back from its own print to the same values, secrets apart. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define PRINT_MAX (16u << 20)

static ol_status read_settings(struct agent_config *config, struct ol__span yaml,
                               struct ol_error *err)
{
    *config = (struct agent_config){0};
    CHECK(ol__settings_defaults(agent_settings, config, NULL) == OL_OK);
    return ol__settings_read(agent_settings, config, "fuzz.yaml", yaml, err);
}

/** Print, then read that over the defaults in place of what was there.
 *  @param out  Initialised here. */
static void print_and_read_back(struct agent_config *config, struct ol__buf *out)
{
    struct ol_error err = {0};
    ol__buf_init(out, PRINT_MAX);
    CHECK(ol__settings_print(agent_settings, config, out) == OL_OK);
    ol__settings_release(agent_settings, config);
    struct ol__span text = {.data = out->data, .size = out->size};
    if (read_settings(config, text, &err) != OL_OK) {
        fprintf(stderr, "%s\n%.*s\n", err.message, (int)out->size, out->data);
        CHECK(!"it reads back");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_config config;
    struct ol__buf first, second, third;
    struct ol_error err = {0};
    ol_status status =
        read_settings(&config, (struct ol__span){.data = (const char *)data, .size = size}, &err);
    if (status == OL_OK) {
        print_and_read_back(&config, &first); /* which leaves out the secrets */
        print_and_read_back(&config, &second);
        print_and_read_back(&config, &third);
        CHECK(second.size == third.size && memcmp(second.data, third.data, second.size) == 0);
        if (memmem(first.data, first.size, "(set)", 5) == NULL)
            CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
        ol__buf_release(&first);
        ol__buf_release(&second);
        ol__buf_release(&third);
    } else {
        CHECK(status == OL_CONFIG && err.status == OL_CONFIG);
        CHECK(strncmp(err.message, "fuzz.yaml:", 10) == 0);
    }
    ol__settings_release(agent_settings, &config);
    return 0;
}
