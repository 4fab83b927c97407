/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_READER_FIXTURE_H
#define JSON_READER_FIXTURE_H
/** @file A JSON reader as the state of a test. */
#include "json_read.h"

static inline int json_reader_set_up(void **state)
{
    struct ol__json_reader *reader = NULL;
    if (ol__json_reader_new(&reader, NULL) != OL_OK)
        return -1;
    *state = reader;
    return 0;
}

static inline int json_reader_tear_down(void **state)
{
    ol__json_reader_free(*state);
    return 0;
}
#endif
