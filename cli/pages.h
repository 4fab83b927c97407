/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H
/** @file
 * A question whose answer says `next` where it did not come to the end: asked again and again, and
 * the pages made into one document. Threads: main only.
 */
#include "json_doc.h"
#include "question.h"

#define PAGES_LISTS 2
struct pages {
    const char *lists[PAGES_LISTS];    /**< members that are appended; NULL: none */
    struct ol__buf items[PAGES_LISTS]; /**< owned */
    struct {
        char key[24];
        int64_t sum;
    } numbers[8]; /**< members that are added up */
    size_t number_count, item_count;
    struct ol__buf subject; /**< owned; of the first page, empty: it has none */
    bool is_truncated;
};
#define PAGES_ITEMS_MAX 20000

/** Ask; with @p is_all until the end, or PAGES_ITEMS_MAX items of the first list. @p ret_status is
 * as question_ask() has it; if it is not 200, @p answer is that of the agent. @return OL_OK, or a
 * failure. pages_release() in any case. */
OL_NODISCARD ol_status pages_ask(struct place *place, struct question *q, bool is_all,
                                 struct pages *pages, int *ret_status, struct ol__buf *answer,
                                 struct ol_error *err);
/** Add an item to the first list, and 1 to a number. */
OL_NODISCARD ol_status pages_add(struct pages *pages, struct ol__span json, const char *number);
int64_t pages_number(const struct pages *pages, const char *key);
/** All pages as one document, on one line. */
ol_status pages_write(const struct pages *pages, struct ol__buf *out);
void pages_release(struct pages *pages);
#endif
