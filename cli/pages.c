/* SPDX-License-Identifier: Apache-2.0 */
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "when.h"

#define ITEMS_BYTES ((size_t)256 << 20)

/* The depth is that of the document, which its reader bounds. */
static void write_node(struct ol__json_writer *w, // NOLINT(misc-no-recursion)
                       const struct json_node *node)
{
    const char *text = node->text != NULL ? node->text : "";
    switch (node->type) {
    case OL_JSON_OBJECT:
    case OL_JSON_ARRAY:
        if (node->type == OL_JSON_OBJECT)
            ol__json_begin_object(w);
        else
            ol__json_begin_array(w);
        for (const struct json_node *n = node->first; n != NULL; n = n->next) {
            if (n->key != NULL)
                ol__json_key(w, n->key);
            write_node(w, n);
        }
        if (node->type == OL_JSON_OBJECT)
            ol__json_end_object(w);
        else
            ol__json_end_array(w);
        break;
    case OL_JSON_STRING:
        ol__json_text(w, text);
        break;
    case OL_JSON_NUMBER:
        ol__json_raw(w, ol__span_text(text));
        break;
    case OL_JSON_BOOL:
        ol__json_bool(w, node->boolean);
        break;
    default:
        ol__json_null(w);
        break;
    }
}

/* Append to @p out, with a comma where something stands. */
static ol_status append(struct ol__buf *out, const struct json_node *node)
{
    struct ol__json_writer w;
    if (out->size > 0)
        ol__buf_add_char(out, ',');
    ol__json_writer_init(&w, out);
    write_node(&w, node);
    return out->status;
}

static void add_number(struct pages *p, const char *key, int64_t value)
{
    size_t i = 0;
    while (i < p->number_count && strcmp(p->numbers[i].key, key) != 0)
        i++;
    if (i == p->number_count) {
        if (i == OL_COUNT(p->numbers))
            return;
        snprintf(p->numbers[i].key, sizeof p->numbers[i].key, "%s", key);
        p->numbers[i].sum = 0;
        p->number_count++;
    }
    p->numbers[i].sum += value;
}

static ol_status take_page(struct pages *p, const struct json_node *root, int64_t *ret_next)
{
    ol_status st = OL_OK;
    *ret_next = json_get_int(root, "next", 0);
    p->is_truncated = json_get_bool(root, "truncated");
    for (size_t i = 0; i < PAGES_LISTS && p->lists[i] != NULL; i++)
        for (const struct json_node *n = json_get_items(root, p->lists[i]);
             n != NULL && st == OL_OK; n = n->next) {
            p->item_count += i == 0;
            st = append(&p->items[i], n);
        }
    for (const struct json_node *n = root->first; n != NULL && st == OL_OK; n = n->next) {
        if (n->type == OL_JSON_NUMBER && strcmp(n->key, "next") != 0)
            add_number(p, n->key, json_get_int(root, n->key, 0));
        if (strcmp(n->key, "subject") == 0 && p->subject.size == 0)
            st = append(&p->subject, n);
    }
    return st;
}

ol_status pages_ask(struct place *place, struct question *q, bool is_all, struct pages *pages,
                    int *ret_status, struct ol__buf *answer, struct ol_error *err)
{
    char from[WHEN_TEXT];
    size_t count = q->count;
    int64_t next = 0;
    ol_status st;
    for (size_t i = 0; i < PAGES_LISTS; i++)
        ol__buf_init(&pages->items[i], ITEMS_BYTES);
    ol__buf_init(&pages->subject, ITEMS_BYTES);
    do {
        struct json_doc doc;
        q->count = count; /* in place of that of the page before */
        if (next != 0) {
            when_number(next, from);
            question_add(q, "from", from);
        }
        ol__buf_reset(answer);
        st = question_ask(place, q, ret_status, answer, err);
        if (st != OL_OK || *ret_status != 200)
            return st;
        st = json_doc_read(&doc, (struct ol__span){answer->data, answer->size}, err);
        if (st != OL_OK)
            return st;
        int64_t before = next;
        st = take_page(pages, doc.root, &next);
        json_doc_release(&doc);
        if (st != OL_OK)
            return ol__error_set(err, st, "the answer: %s", ol__status_name(st));
        if (next == before) /* it would never end */
            break;
    } while (is_all && next != 0 && pages->item_count < PAGES_ITEMS_MAX);
    return OL_OK;
}

ol_status pages_add(struct pages *p, struct ol__span json, const char *number)
{
    if (p->items[0].size > 0)
        ol__buf_add_char(&p->items[0], ',');
    p->item_count++;
    add_number(p, number, 1);
    return ol__buf_add(&p->items[0], json.data, json.size);
}

int64_t pages_number(const struct pages *p, const char *key)
{
    for (size_t i = 0; i < p->number_count; i++)
        if (strcmp(p->numbers[i].key, key) == 0)
            return p->numbers[i].sum;
    return 0;
}

ol_status pages_write(const struct pages *p, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    if (p->subject.size > 0) {
        ol__json_key(&w, "subject");
        ol__json_raw(&w, (struct ol__span){p->subject.data, p->subject.size});
    }
    ol__json_key(&w, p->lists[0]);
    ol__json_begin_array(&w);
    if (p->items[0].size > 0)
        ol__json_raw(&w, (struct ol__span){p->items[0].data, p->items[0].size});
    ol__json_end_array(&w);
    for (size_t i = 0; i < p->number_count; i++)
        ol__json_member_int(&w, p->numbers[i].key, p->numbers[i].sum);
    ol__json_member_bool(&w, "truncated", p->is_truncated);
    ol__json_end_object(&w);
    return out->status;
}

void pages_release(struct pages *p)
{
    for (size_t i = 0; i < PAGES_LISTS; i++)
        ol__buf_release(&p->items[i]);
    ol__buf_release(&p->subject);
}
