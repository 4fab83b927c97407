/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export --format openlineage.
 * Promises:
 *  1. Memory stays flat: a page at a time (agent/store/export.c).
 *  2. A page whose last line is missing is an error, never a shorter export.
 *  3. Of X come its graph backward, the runs that runs there name as parent or root, and what
 * static events say of the jobs and datasets there; each once, in the order of the graph. */
#include "export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 2000000 /* that an export of X remembers */

struct events {
    struct export *ex;
    char **seen; /* owned texts, hashed by place; open addressing */
    size_t slots, count;
};

/* ---- Pages ---- */

/* The last line of a page, which is no event: its place is *ret_size, `next` is owned (NULL: done).
 */
static ol_status read_end(struct export *ex, const struct ol__buf *page, size_t *ret_size,
                          char **ret_next, struct ol_error *err)
{
    struct json_doc doc;
    const char *begin = page->size > 1 ? memrchr(page->data, '\n', page->size - 1) : NULL;
    begin = begin != NULL ? begin + 1 : page->data;
    size_t size = page->size > 0 ? page->size - (size_t)(begin - page->data) : 0;
    ol_status st = size > 0 && page->data[page->size - 1] == '\n'
                       ? json_doc_read(&doc, (struct ol__span){begin, size}, err)
                       : OL_INVALID;
    if (st == OL_NOMEM)
        return st;
    const struct json_node *end = st == OL_OK ? json_get(doc.root, "export") : NULL;
    bool is_end = end != NULL;
    if (is_end) {
        const char *next = json_get_text(end, "next");
        *ret_next = next != NULL ? strdup(next) : NULL;
        *ret_size = (size_t)(begin - page->data);
        ex->is_damaged = ex->is_damaged || json_get(doc.root, "damaged") != NULL;
        if (next != NULL && *ret_next == NULL)
            st = ol__error_set(err, OL_NOMEM, "export: out of memory");
    }
    if (st == OL_OK)
        json_doc_release(&doc);
    return is_end
               ? st
               : ol__error_set(err, OL_IO, "export: a page of the answer was cut"); /* promise 2 */
}

/* All pages about @p subject, NULL: the whole store. @return OL_NOT_FOUND: nothing is told of it.
 */
static ol_status write_pages(struct export *ex, const char *subject, struct ol_error *err)
{
    char *next = NULL;
    ol_status st;
    do {
        struct ol__buf page;
        struct question q;
        size_t size = 0;
        int status = 0;
        char *after = next;
        next = NULL;
        ol__buf_init(&page, CLIENT_ANSWER_MAX);
        question_init(&q, "export");
        question_add(&q, "subject", subject);
        question_add(&q, "after", after);
        st = question_ask(ex->place, &q, &status, &page, err);
        if (st == OL_OK && status == 404)
            st = OL_NOT_FOUND;
        else if (st == OL_OK && status != 200) {
            char *message = cli_answer_message((struct ol__span){page.data, page.size},
                                               "the agent answers with an error");
            st = ol__error_set(err, OL_IO, "export: %s", message != NULL ? message : "");
            free(message);
        } else if (st == OL_OK) {
            st = read_end(ex, &page, &size, &next, err);
        }
        if (st == OL_OK)
            st = out_file_write(ex->out, page.data, size, err);
        question_release(&q);
        ol__buf_release(&page);
        free(after);
    } while (st == OL_OK && next != NULL);
    free(next);
    return st;
}

/* ---- X and what leads to it ---- */

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211u;
    return h;
}

/* Whether @p text is new; it is taken. */
static ol_status remember(struct events *e, char *text, bool *ret_is_new, struct ol_error *err)
{
    *ret_is_new = false;
    if (text == NULL || e->count == NAMES_MAX) {
        free(text);
        return ol__error_set(err, OL_NOMEM, "export: out of memory, or more than %d names",
                             NAMES_MAX);
    }
    if (e->count * 2 >= e->slots) {
        struct events bigger = {.slots = e->slots == 0 ? 1024 : e->slots * 2};
        bigger.seen = calloc(bigger.slots, sizeof *bigger.seen);
        if (bigger.seen == NULL) {
            free(text);
            return ol__error_set(err, OL_NOMEM, "export: out of memory");
        }
        for (size_t i = 0; i < e->slots; i++) {
            if (e->seen[i] == NULL)
                continue;
            size_t at = hash(e->seen[i]) & (bigger.slots - 1);
            while (bigger.seen[at] != NULL)
                at = (at + 1) & (bigger.slots - 1);
            bigger.seen[at] = e->seen[i];
        }
        free(e->seen);
        e->seen = bigger.seen;
        e->slots = bigger.slots;
    }
    size_t at = hash(text) & (e->slots - 1);
    while (e->seen[at] != NULL && strcmp(e->seen[at], text) != 0)
        at = (at + 1) & (e->slots - 1);
    if (e->seen[at] != NULL) {
        free(text);
        return OL_OK;
    }
    e->seen[at] = text;
    e->count++;
    *ret_is_new = true;
    return OL_OK;
}

static ol_status write_one(struct events *e, struct ol__buf *subject, struct ol_error *err)
{
    bool is_new = false;
    char *text = subject->status == OL_OK ? strdup(subject->data) : NULL;
    ol_status st = remember(e, text, &is_new, err);
    if (st != OL_OK || !is_new)
        return st;
    st = write_pages(e->ex, subject->data, err);
    return st == OL_NOT_FOUND ? OL_OK : st; /* nothing of its own is recorded */
}

static ol_status write_named(struct events *e, const char *kind, const struct json_node *node,
                             struct ol_error *err)
{
    const char *name_space = json_get_text(node, "namespace"), *name = json_get_text(node, "name");
    struct ol__buf subject;
    if (name_space == NULL || name == NULL)
        return OL_OK;
    ol__buf_init(&subject, 65536);
    ol__buf_add_format(&subject, "%s\x1f%s\x1f%s", kind, name_space, name);
    ol_status st = write_one(e, &subject, err);
    ol__buf_release(&subject);
    return st;
}

static ol_status write_run(struct events *e, const char *id, struct ol_error *err)
{
    struct ol__buf subject;
    if (id == NULL)
        return OL_OK;
    ol__buf_init(&subject, 65536);
    ol__buf_add_format(&subject, "run\x1f%s", id);
    ol_status st = write_one(e, &subject, err);
    ol__buf_release(&subject);
    return st;
}

static ol_status write_node(struct events *e, const struct json_node *node, struct ol_error *err)
{
    const char *kind = json_get_text(node, "kind");
    ol_status st = OL_OK;
    if (kind != NULL && strcmp(kind, "run") == 0) {
        st = write_run(e, json_get_text(node, "root"), err);
        if (st == OL_OK)
            st = write_run(e, json_get_text(node, "parent"), err);
        if (st == OL_OK)
            st = write_run(e, json_get_text(node, "run_id"), err);
        return st == OL_OK ? write_named(e, "job", json_get(node, "job"), err) : st;
    }
    return kind != NULL ? write_named(e, kind, node, err) : OL_OK;
}

static ol_status write_graph(struct export *ex, struct ol_error *err)
{
    struct events e = {.ex = ex};
    struct json_doc doc;
    ol_status st = export_graph(ex, "why", &doc, err);
    if (st != OL_OK)
        return st;
    for (const struct json_node *node = json_get_items(doc.root, "nodes");
         node != NULL && st == OL_OK; node = node->next)
        st = write_node(&e, node, err);
    if (st == OL_OK && json_get_bool(doc.root, "truncated"))
        st = ol__error_set(
            err, OL_PARTIAL,
            "what leads to '%.200s' is more than this: cut by --%s; give a larger one", ex->x,
            json_get_text(doc.root, "cut_by"));
    for (size_t i = 0; i < e.slots; i++)
        free(e.seen[i]);
    free(e.seen);
    json_doc_release(&doc);
    return st;
}

ol_status export_events(struct export *ex, struct ol_error *err)
{
    if (ex->x != NULL)
        return write_graph(ex, err);
    ol_status st = write_pages(ex, NULL, err);
    return st == OL_NOT_FOUND ? ol__error_set(err, OL_NOT_FOUND, "nothing was recorded yet") : st;
}
