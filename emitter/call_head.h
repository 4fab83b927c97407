/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CALL_HEAD_H
#define OL_CALL_HEAD_H
/** @file The head of an answer, in pieces. Threads: one at a time per object. Allocates nothing. */
#include "call_facts.h"

#define OL_HEAD_LINE_MAX 8192
#define OL_HEAD_IDS 11 /**< headers that may hold a request id */

struct ol__head {
    const char *wanted;   /**< borrowed; a header that wins over all, lower case; NULL: none */
    const char *not_this; /**< borrowed; an id that is only an echo of what was sent */
    int http_status;      /**< 0: no status line yet */
    enum ol__stream_form form;
    struct ol__call_text wanted_id, ids[2][OL_HEAD_IDS]; /**< [1]: passed on */
    struct ol__call_text error_type;
    struct ol_int input_tokens, output_tokens;
    int64_t retry_after_ms, processing_ms; /**< -1: not said */
    /* the header that is not whole yet: its line may be folded */
    size_t size;
    bool is_long;      /* it has no room: ignored */
    bool is_line_over; /* its line end came; the next byte says whether it goes on */
    char line[OL_HEAD_LINE_MAX + 1];
};

void ol__head_init(struct ol__head *h);
/** @return whether a new answer begins with it. */
bool ol__head_add(struct ol__head *h, const char *data, size_t size);
/** Nothing more comes: what is there of a line is one. */
void ol__head_finish(struct ol__head *h);
/** The header of h->ids[from][i], lower case; static. */
const char *ol__head_id_name(int from, size_t i);
/** @param ret_name  The header, lower case; static, or h->wanted. @return NULL: none. */
const char *ol__head_id(const struct ol__head *h, const char **ret_name);
#endif
