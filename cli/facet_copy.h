/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FACET_COPY_H
#define FACET_COPY_H
/** @file Facets on their way between events and receipts: what an event says beyond the members of
 * a receipt (spec/RECEIPT.md, `facets`), and back. Threads: plain functions. */
#include "entity.h"
#include "json_doc.h"
#include "json_write.h"

struct ol_run;

/** A value of a document as it stands there. */
void json_copy(struct ol__json_writer *w, const struct json_node *node);
/** The members of an object, keys included. @p node NULL: none. */
void json_copy_members(struct ol__json_writer *w, const struct json_node *node);

/** The key of a facet, and its object with what each has; open. */
void facet_begin(struct ol__json_writer *w, enum ol__entity entity, const char *key,
                 const char *producer);
/** A facet as a receipt holds it: without what facet_begin() writes, unless it has its own. */
void facet_copy(struct ol__json_writer *w, enum ol__entity entity, const struct json_node *facet,
                const char *producer);

/** What facets_write() is for. */
enum facets_of {
    FACETS_OF_START, /**< with all datasets, and versions as far as they are known */
    FACETS_OF_END,   /**< datasets with facets that no member of an artifact says; `whole` where
                        that is all of them */
};
/** What the next event of @p run says that receipts have no member for: an object on one line,
 * redacted (R12), added to @p out; nothing where that cannot be, or @p run is NULL. */
void facets_write(const struct ol_run *run, enum facets_of what, struct ol__buf *out);
#endif
