/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CALL_SCAN_H
#define OL_CALL_SCAN_H
/** @file
 * Find values in JSON that comes in pieces, in fixed memory: json_read.h needs the whole text at
 * once. It is no check: what is not JSON ends in silence. Threads: one at a time per object. Blocks
 * on nothing, allocates nothing.
 */
#include <openlineage/call.h>
#include "ol_base.h"

#define OL_SCAN_DEPTH_MAX 128 /* of nesting; deeper: not read any further */
#define OL_SCAN_PATH_DEPTH 10 /* of what is reported */
#define OL_SCAN_PATH_MAX 120  /* bytes of a path that is reported */

enum ol__scan_type {
    OL_SCAN_TEXT,
    OL_SCAN_NUMBER,
    OL_SCAN_TRUE,
    OL_SCAN_FALSE,
    OL_SCAN_NULL,
    OL_SCAN_OBJECT, /* begins */
    OL_SCAN_ARRAY   /* begins */
};

/** @p path is "/key/key", with "*" for each array; "" is the root. @p text is a text's (decoded) or
 * number's; its data is NULL where it is longer than OL_CALL_TEXT_MAX. Borrowed for the call. */
typedef void ol__scan_handler(void *arg, const char *path, enum ol__scan_type type,
                              struct ol__span text);

enum ol__scan_state {
    OL_SCAN_VALUE,        /* one is due */
    OL_SCAN_VALUE_OR_END, /* behind [ */
    OL_SCAN_KEY_OR_END,   /* behind { */
    OL_SCAN_KEY,          /* behind a comma in an object */
    OL_SCAN_COLON,
    OL_SCAN_COMMA_OR_END,
    OL_SCAN_STRING,
    OL_SCAN_ESCAPE,
    OL_SCAN_UNICODE,
    OL_SCAN_WORD, /* a number or a literal */
    OL_SCAN_BROKEN
};

struct ol__scan {
    ol__scan_handler *handler;
    void *arg;
    enum ol__scan_state state;
    bool is_key;         /* the string is a key */
    bool is_long;        /* it has no room */
    unsigned digits;     /* of \u so far */
    uint32_t unit, half; /* code unit; high half of a pair, 0: none */
    unsigned depth;      /* containers that are open */
    uint8_t is_array[OL_SCAN_DEPTH_MAX / 8];
    uint8_t path_end[OL_SCAN_PATH_DEPTH +
                     1]; /* of the container at that depth; behind it: its member */
    char path[OL_SCAN_PATH_MAX + 4];
    size_t text_size;
    char text[OL_CALL_TEXT_MAX + 1];
    uint64_t roots; /* values at the root that are whole */
};

/** The next byte begins a text. */
void ol__scan_begin(struct ol__scan *s, ol__scan_handler *handler, void *arg);
void ol__scan_add(struct ol__scan *s, const char *data, size_t size);
#endif
