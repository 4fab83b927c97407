/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
/** @file
 * The options of a verb, as one table: what each is called, what it takes, and where that goes.
 * Whatever several verbs take (a size, a duration, KEY=VALUE, files) is read here once, with one
 * text for what is wrong. Threads: main only.
 */
#include <stddef.h>
#include <stdint.h>
#include "ol_base.h"

enum option_kind {
    OPTION_FLAG,     /**< bool: no argument, sets it */
    OPTION_WORD,     /**< const char *: no argument, sets it to `word` */
    OPTION_TEXT,     /**< const char *: borrowed from argv; not empty */
    OPTION_ANY_TEXT, /**< the same, may be empty */
    OPTION_NUMBER,   /**< int64_t from `least` to `most` */
    OPTION_SIZE,     /**< uint64_t: "64MiB"; bytes */
    OPTION_DURATION, /**< int64_t: "200ms", "60s", "5m", "1h", "30d", "2w"; ms, `least` to `most` */
    OPTION_TIME,     /**< int64_t: RFC 3339 with its zone; ms since 1970 */
    OPTION_PAIR,     /**< struct run_pairs: KEY=VALUE, again for each; argv is changed */
    OPTION_INPUT,    /**< struct run_files: a file, again for each */
    OPTION_OUTPUT,   /**< the same */
    OPTION_CALL,     /**< `call` reads it */
    OPTION_CALL_FLAG /**< the same, without an argument */
};

struct cli_option {
    const char *name; /**< NULL: the end of the table */
    char letter;      /**< 0: none */
    enum option_kind kind;
    size_t offset;        /**< in what is filled in */
    int64_t least, most;  /**< NUMBER, DURATION */
    const char *word;     /**< WORD */
    const char *expected; /**< NUMBER, DURATION: what is said of another value; NULL: by itself */
    /** CALL: @p into is the whole of it. @return NULL, or what is wrong: static text. */
    const char *(*call)(void *into, char *text);
};
#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, 0, OPTION_FLAG, 0, 0, 0, NULL, NULL, NULL                                            \
    }

/** What a verb is, to the reader of its options. */
struct cli_options {
    const char *verb;
    const struct cli_option *table; /**< without --help and -h, which every verb has */
    void (*help)(void);             /**< prints it */
    bool stops_at_words;            /**< a command follows: its options are not ours */
};
#define OPTIONS_MAX 64

/** Read the options of @p argv into @p into. @return 0: what is left begins at argv[optind]; below
 * 0: help was printed; else what to exit with, said. */
int cli_options_read(const struct cli_options *options, int argc, char **argv, void *into);

/** "200ms", "60s", "5m", "1h", "30d", "2w", of @p least to @p most ms. @return whether it is one.
 */
bool cli_duration_read(const char *text, int64_t least, int64_t most, int64_t *ret_ms);
#endif
