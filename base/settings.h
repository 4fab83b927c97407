/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SETTINGS_H
#define OL_SETTINGS_H
/** @file
 * One table describes each setting; the YAML reader, `--print-config` and the manual page are made
 * from it (base_agent). A setting lives in a struct of the program, named by offset. Errors carry
 * file, line, key, what is allowed, and a suggestion for a misspelt key. Threads: set-up only.
 */
#include "buf.h"

enum ol__setting_type {
    OL_SETTING_TEXT, /**< char *, owned by the struct */
    OL_SETTING_BOOL, /**< bool: true, false, yes, no, on, off */
    OL_SETTING_INT,  /**< int64_t between min and max */
    OL_SETTING_SIZE, /**< int64_t bytes: 512, 64KiB, 2GiB (also K, M, G, T: powers of 1024; kB, MB,
                        GB: 1000) */
    OL_SETTING_TIME, /**< int64_t ms: 500ms, 10s, 5m, 24h, 7d */
    OL_SETTING_ENUM, /**< int: position in `choices` */
    OL_SETTING_TEXT_LIST, /**< struct ol__text_list */
    OL_SETTING_LIST       /**< struct ol__setting_items of sub-structs read with `table` */
};

struct ol__text_list {
    char **items; /**< owned */
    size_t count;
};
struct ol__setting_items {
    void *items; /**< owned array of `item_size` structs */
    size_t count;
};

struct ol__setting {
    const char *key; /**< dotted within its table: "spool.max_bytes" */
    enum ol__setting_type type;
    size_t offset;             /**< in the struct */
    const char *default_value; /**< as one would write it; NULL: none (TEXT: NULL, list: empty) */
    int64_t min, max; /**< INT, SIZE, TIME; both 0: any; TEXT_LIST and LIST: elements at most max */
    const char *choices;             /**< ENUM: "pin|detach" */
    const char *help;                /**< one or two sentences for the manual */
    const struct ol__setting *table; /**< LIST: the element's table, ended by key NULL */
    size_t item_size;                /**< LIST */
    bool is_secret;                  /**< printed as "(set)" */
    bool is_required;                /**< inside a LIST element */
    const char *reserved;            /**< not for use yet: the reason, which refuses it by name */
};

/** Set every setting of @p table (ended by key NULL) in @p target (zeroed) to its default.
 *  @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__settings_defaults(const struct ol__setting *table, void *target,
                                             struct ol_error *err);
/** Read YAML text over the defaults. @p file names it in errors, e.g. "lineaged.yaml:7:
 * routes[0].on_lag: 'pinn' is not one of pin, detach (did you mean 'pin'?)". Sections are mappings;
 * an empty one is fine. A list replaces its default. An unknown or double key, a wrong type, a
 * value out of range, a missing required one, an anchor, alias, tag or directive, a second
 * document: OL_CONFIG. On failure some settings may be set; release the struct as ever. @return
 * OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__settings_read(const struct ol__setting *table, void *target,
                                         const char *file, struct ol__span yaml,
                                         struct ol_error *err);
/** Set one by its dotted key, from the command line; a TEXT_LIST as "a, b"; a LIST is refused. On
 * failure it keeps its value. @return OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__settings_set(const struct ol__setting *table, void *target,
                                        const char *key, const char *value, struct ol_error *err);
/** Write YAML that reads back to the same values (secrets, and what has no value, as comments;
 * users, passwords and queries of URLs are secrets too, and so is password=... in a TEXT_LIST).
 *  @return out->status. */
ol_status ol__settings_print(const struct ol__setting *table, const void *target,
                             struct ol__buf *out);
/** Whether a pair's name (`sasl.password`) is one whose value ol__settings_print() does not show. A
 * value file:PATH or env:NAME is none, and is shown. */
bool ol__setting_names_secret(const char *name, size_t size);
/** Write the settings as man(7) source: key, type, default, range, help. @return out->status. */
ol_status ol__settings_manual(const struct ol__setting *table, struct ol__buf *out);
/** Free what the struct owns. */
void ol__settings_release(const struct ol__setting *table, void *target);
/** A LIST element's table may hold a setting with the key "(line)", type INT: it gets the line
 * where the element begins, 0 if it came from elsewhere, so that a program's own checks can name
 * it. */
#endif
