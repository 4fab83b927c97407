/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CALL_FACTS_H
#define OL_CALL_FACTS_H
/** @file What the bodies of a call say, in the words of each provider (docs/ai.md). Threads: one at
 * a time per object. Allocates nothing. */
#include "call_stream.h"

/** A text that was read; "" is none. */
struct ol__call_text {
    char text[OL_CALL_TEXT_MAX + 1];
};
/** @return false: it is empty, too long, or has a control character; @p ret is as it was. */
bool ol__call_text_set(struct ol__call_text *ret, struct ol__span text);

enum ol__call_count {
    OL_CALL_INPUT,
    OL_CALL_OUTPUT,
    OL_CALL_CACHE_READ,
    OL_CALL_CACHE_CREATION,
    OL_CALL_REASONING,
    OL_CALL_TOTAL,
    OL_CALL_COUNTS
};

/** Of an answer. */
struct ol__answer_facts {
    struct ol__call_text id, model, fingerprint, tier, error_type;
    struct ol__call_text finish_reasons; /* joined by commas */
    struct ol_int counts[OL_CALL_COUNTS];
    int64_t tool_calls;
    int error_rank; /* of the word in error_type */
    bool is_error;
};

enum ol__call_parameter {
    OL_CALL_TEMPERATURE,
    OL_CALL_TOP_P,
    OL_CALL_TOP_K,
    OL_CALL_MAX_TOKENS,
    OL_CALL_SEED,
    OL_CALL_FREQUENCY_PENALTY,
    OL_CALL_PRESENCE_PENALTY,
    OL_CALL_CHOICE_COUNT,
    OL_CALL_DIMENSIONS,
    OL_CALL_PARAMETERS
};

/** Of a request. */
struct ol__request_facts {
    struct ol__call_text model;
    struct ol_real parameters[OL_CALL_PARAMETERS];
    struct ol_int seed; /* in full; the other whole numbers are small */
    enum ol_bool stream;
};

/** ol__scan_handlers; @p arg is the struct. */
void ol__answer_fact(void *arg, const char *path, enum ol__scan_type type, struct ol__span text);
void ol__request_fact(void *arg, const char *path, enum ol__scan_type type, struct ol__span text);

/** A whole number without a sign in JSON's spelling, at most 2^53 and all that is exact. */
bool ol__call_number(struct ol__span text, int64_t *ret);
/** A word of letters, digits, `_`, `-`, `.`, `:`; what error types are. */
bool ol__call_is_word(struct ol__span text);
#endif
