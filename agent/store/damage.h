/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DAMAGE_H
#define STORE_DAMAGE_H
/** @file
 * What a question finds damaged while it reads: texts and facets against their hashes, rows that
 * are named and not there. Threads: one per store.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include "ol_base.h"
#include "json_write.h"

#define DAMAGE_MAX 32 /* that are named; more are only there */
struct store;
struct damage {
    struct damage_item {
        const char *table;
        int64_t id;
    } items[DAMAGE_MAX];
    size_t count;
    bool is_noted; /* a question is under way */
    bool is_told;  /* in the answer */
};

/** Make is_text(), is_facet() and is_event() for the statements of @p store. */
OL_NODISCARD ol_status damage_open(struct store *store, struct ol_error *err);
/** A question begins: nothing is known to be damaged. */
void damage_begin(struct store *store);
/** Row @p id of @p table (a literal) is damaged, or is named and not there. Once each; only inside
 * a question. */
void damage_note(struct store *store, const char *table, int64_t id);
/** A statement found nothing: note it if it looked for one row by its id. */
void damage_note_missing(struct store *store, const sqlite3_stmt *stmt);
/** For an answer of lines: `,"damaged":[...]` into its last line, which is no event. Nothing where
 * nothing was found. */
void damage_tell(struct store *store, struct ol__buf *out);
/** OL_CORRUPT, for an answer that has no place to say what was left out. */
ol_status damage_refuse(const struct store *store, struct ol_error *err);
/** The question ends. What was found, and not told yet, becomes the last member `damaged` of the
 * document that @p out has since @p from. @return @p status; OL_CORRUPT: there is none. */
ol_status damage_end(struct store *store, struct ol__buf *out, size_t from, ol_status status,
                     struct ol_error *err);
#endif
