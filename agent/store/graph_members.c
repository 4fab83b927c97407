/* SPDX-License-Identifier: Apache-2.0 */
/* A walk across members: from a file, record or document to the artifacts that hold it, and from an
 * artifact to what it holds. Promises:
 *  1. What holds a part is affected by it, and is a part's holder only (is_part): from there the
 * walk does not go on to its other members.
 *  2. From a whole artifact forward, its members lead to datasets of the same bytes that nobody is
 * known to have written: then they came from it, as far as is known. Backward, to those that
 * another run wrote.
 *  3. Bytes of size 0 join nothing.
 *  4. No more than MEMBERS_LOOKED members are looked at; the document says that it was cut.
 *  5. Bytes that a run wrote are not in what was there before it began, or what it read itself. */
#include "graph.h"

#include <stdlib.h>
#include "answers.h"
#include "ask_members.h"

#define MEMBERS_LOOKED 100000
#define LISTS 64
#define OVERLAPS 256
#define ROOTS 10000

struct overlap {
    int64_t list, piece, index, count;
};
struct from {
    struct walk *w;
    size_t index;    /* of the node */
    int64_t version; /* of it that is meant */
    int64_t own_list;
    struct overlap *overlaps; /* OVERLAPS of them; NULL: not wanted */
    size_t overlap_count;
};

static bool has_writer(const struct ask_edge *writer)
{
    return writer->run != 0 || writer->job != 0;
}

/* ---- One step ---- */

/* An edge from the node over a member to a version of a dataset; from a member itself, straight. */
static ol_status put_link(struct walk *w, size_t index, const struct ask_held *held,
                          const struct graph_node *member, const struct ask_edge *writer,
                          bool is_part)
{
    const struct graph_node from = w->nodes[index];
    struct graph_node next = graph_dataset(held->dataset, held->version, writer, from.depth + 1);
    size_t at = index;
    ol_status status = OL_OK;
    if (from.kind == GRAPH_DATASET && from.id == held->dataset && from.version == held->version)
        return OL_OK;
    if (from.depth >= w->depth) {
        w->is_cut_by_depth = true;
        w->nodes[index].beyond++;
        return OL_OK;
    }
    next.is_part = is_part;
    next.has_holders = !is_part; /* the bytes are those it was reached by */
    if (from.kind == GRAPH_DATASET) {
        struct graph_node between = *member;
        between.kind = GRAPH_MEMBER;
        between.id = from.version;
        between.version = held->version;
        between.depth = from.depth + 1;
        status = graph_put_edge(w, index, &between, false, &at);
    }
    return status == OL_OK && at != GRAPH_NONE ? graph_put_edge(w, at, &next, false, NULL) : status;
}

enum wanted { WANT_ALL, WANT_WRITTEN, WANT_UNWRITTEN };

static ol_status version_born(struct walk *w, int64_t version, int64_t *ret)
{
    sqlite3_stmt *stmt = store_bind(w->ask->store, SQL_VERSION_GET, w->ask->err, "i", version);
    ol_status status = store_step(w->ask->store, stmt, w->ask->err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 2) : INT64_MAX;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Promise 5. @p maker wrote one end; @p held is the other. */
static ol_status is_later(struct walk *w, const struct ask_edge *maker, const struct ask_held *held,
                          bool *ret)
{
    int64_t born = 0;
    *ret = false;
    if (maker->run <= 0)
        return OL_OK;
    ol_status status = version_born(w, held->version, &born);
    *ret = maker->at > born;
    if (status != OL_OK || *ret)
        return status;
    sqlite3_stmt *stmt = store_bind(w->ask->store, SQL_ASK_IO_READ_BY, w->ask->err, "iiii",
                                    held->dataset, held->version, maker->job, maker->run);
    status = store_step(w->ask->store, stmt, w->ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* Whether what is at the end of the link, upstream, was made after what is at its beginning. */
static ol_status is_against_time(struct walk *w, size_t index, const struct ask_held *held,
                                 const struct ask_edge *writer, bool *ret)
{
    const struct graph_node *node = &w->nodes[index];
    struct ask_run run;
    *ret = false;
    if (node->kind != GRAPH_DATASET)
        return OL_OK;
    const struct ask_held self = {.dataset = node->id, .version = node->version};
    if (w->is_upstream)
        return self.version > 0 ? is_later(w, writer, &self, ret) : OL_OK;
    if (node->run <= 0)
        return OL_OK;
    ol_status status = ask_run(w->ask, node->run, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    const struct ask_edge maker = {.job = run.row.job, .run = node->run, .at = node->at};
    return is_later(w, &maker, held, ret);
}

static ol_status put_versions(struct walk *w, size_t index, const struct ask_held *held,
                              size_t count, const struct graph_node *member, enum wanted wanted,
                              bool is_part)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        struct ask_edge writer = {0};
        struct graph_node between = *member;
        status = ask_writer(w->ask, held[i].dataset, held[i].version, INT64_MAX, 0, &writer);
        if (status != OL_OK || (wanted == WANT_WRITTEN && !has_writer(&writer)) ||
            (wanted == WANT_UNWRITTEN && has_writer(&writer)))
            continue;
        if (wanted == WANT_WRITTEN && writer.run != 0 && writer.run == w->nodes[index].run)
            continue; /* promise 2: its own run's */
        bool is_against = false;
        status = is_against_time(w, index, &held[i], &writer, &is_against);
        if (status != OL_OK || is_against)
            continue;
        if (between.holder == 0)
            between.holder = held[i].version;
        status = put_link(w, index, &held[i], &between, &writer, is_part);
    }
    return status;
}

/* ---- Up: what holds these bytes ---- */

static ol_status put_holders(struct walk *w, size_t index, const struct ask_member *m,
                             enum wanted wanted)
{
    int64_t lists[LISTS];
    struct ask_held held[ASK_MEMBER_VERSIONS];
    size_t count = 0, versions = 0;
    const struct graph_node member = {.piece = m->piece, .member = m->index, .held = 1};
    ol_status status = ask_piece_lists(w->ask, m->piece, lists, OL_COUNT(lists), &count);
    w->is_cut_by_members = w->is_cut_by_members || count == OL_COUNT(lists);
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        status = ask_list_versions(w->ask, lists[i], held, OL_COUNT(held), &versions);
        if (status == OL_OK)
            status = put_versions(w, index, held, versions, &member, wanted, true);
    }
    return status;
}

static ol_status each_holder(void *arg, const struct ask_member *m, struct ol__span name OL_UNUSED)
{
    const struct from *from = arg;
    bool is_root = from->w->nodes[from->index].kind == GRAPH_MEMBER;
    return put_holders(from->w, from->index, m,
                       from->w->is_upstream && !is_root ? WANT_WRITTEN : WANT_ALL);
}

/* ---- Down and across: what a whole artifact has in common with others ---- */

static ol_status note_overlap(struct from *from, int64_t list, const struct ask_member *m)
{
    if (list == from->own_list)
        return OL_OK;
    for (size_t i = 0; i < from->overlap_count; i++)
        if (from->overlaps[i].list == list) {
            from->overlaps[i].count++;
            return OL_OK;
        }
    if (from->overlap_count == OVERLAPS)
        from->w->is_cut_by_members = true;
    else
        from->overlaps[from->overlap_count++] =
            (struct overlap){.list = list, .piece = m->piece, .index = m->index, .count = 1};
    return OL_OK;
}

static ol_status each_overlap(void *arg, const struct ask_member *m, struct ol__span name OL_UNUSED)
{
    struct from *from = arg;
    int64_t lists[LISTS];
    size_t count = 0;
    ol_status status = ask_piece_lists(from->w->ask, m->piece, lists, OL_COUNT(lists), &count);
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = note_overlap(from, lists[i], m);
    return status;
}

static ol_status one_member(struct from *from, int64_t piece, int64_t index, const struct member *m)
{
    struct walk *w = from->w;
    struct ask_held held[ASK_MEMBER_VERSIONS];
    size_t count = 0;
    const struct graph_node member = {
        .piece = piece, .member = index, .held = 1, .holder = from->version};
    if (m->is_link || member_is_empty(m->sha256))
        return OL_OK; /* promise 3 */
    ol_status status = ask_versions_of(w->ask, m->sha256, held, OL_COUNT(held), &count);
    if (status == OL_OK)
        status = put_versions(w, from->index, held, count, &member,
                              w->is_upstream ? WANT_WRITTEN : WANT_UNWRITTEN, false);
    return status == OL_OK && from->overlaps != NULL
               ? ask_members_of_content(w->ask, m->sha256, each_overlap, from)
               : status;
}

static ol_status one_piece(struct from *from, int64_t piece, struct ol__buf *space)
{
    struct member m;
    ol_status status = members_piece(from->w->ask->store, piece, space, from->w->ask->err);
    struct ol__span rest = {space->data, space->size};
    for (int64_t i = 0; status == OL_OK && (status = member_next(&rest, &m)) == OL_OK; i++) {
        if (from->w->members_looked++ >= MEMBERS_LOOKED) {
            from->w->is_cut_by_members = true; /* promise 4 */
            return OL_END;
        }
        status = one_member(from, piece, i, &m);
    }
    return status == OL_END ? OL_OK : status;
}

static ol_status put_overlaps(struct from *from)
{
    struct walk *w = from->w;
    ol_status status = OL_OK;
    for (size_t i = 0; i < from->overlap_count && status == OL_OK; i++) {
        const struct overlap *o = &from->overlaps[i];
        struct ask_held held[ASK_MEMBER_VERSIONS];
        size_t count = 0;
        const struct graph_node member = {.piece = o->piece, .member = o->index, .held = o->count};
        status = ask_list_versions(w->ask, o->list, held, OL_COUNT(held), &count);
        if (status == OL_OK)
            status = put_versions(w, from->index, held, count, &member,
                                  w->is_upstream ? WANT_WRITTEN : WANT_UNWRITTEN, false);
    }
    return status;
}

static ol_status across_list(struct from *from, int64_t list)
{
    struct ol__buf column, space;
    struct ask *ask = from->w->ask;
    size_t at = 0;
    int64_t piece;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_LIST_GET, ask->err, "i", list);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return status < 0 ? status : OL_OK;
    ol__buf_init(&column, (size_t)10 * STORE_MEMBERS_MAX);
    ol__buf_init(&space, (size_t)64 << 20);
    struct ol__span pieces = store_column(stmt, 3);
    if (ol__buf_add(&column, pieces.data, pieces.size) != OL_OK)
        status = graph_nomem(from->w);
    sqlite3_reset(stmt);
    from->own_list = list;
    from->overlap_count = 0;
    while (status == OL_OK && column.size > 0 &&
           members_next_piece((struct ol__span){column.data, column.size}, &at, &piece) == OL_OK)
        status = one_piece(from, piece, &space);
    ol__buf_release(&column);
    ol__buf_release(&space);
    status = status == OL_END ? OL_OK : status;
    return status == OL_OK ? put_overlaps(from) : status;
}

static ol_status across(struct from *from, const uint8_t sha256[OL_SHA256_SIZE])
{
    struct walk *w = from->w;
    int64_t lists[8];
    size_t count = 0;
    ol_status status = ask_artifact_lists(w->ask, sha256, lists, OL_COUNT(lists), &count);
    if (status != OL_OK || count == 0)
        return status;
    if (!w->is_upstream || w->nodes[from->index].run == 0) {
        from->overlaps = calloc(OVERLAPS, sizeof *from->overlaps);
        if (from->overlaps == NULL)
            return graph_nomem(w);
    }
    for (size_t i = 0; i < count && status == OL_OK; i++)
        status = across_list(from, lists[i]);
    free(from->overlaps);
    from->overlaps = NULL;
    return status;
}

/* ---- What the walk calls ---- */

/* Of a subject that was named without a version the last one is meant. */
static ol_status version_meant(struct walk *w, size_t index, int64_t *ret)
{
    const struct graph_node *node = &w->nodes[index];
    struct ask_edge writer = {0};
    *ret = node->version;
    if (node->version != 0 || index >= w->root_count)
        return OL_OK;
    ol_status status = ask_writer(w->ask, node->id, 0, INT64_MAX, 0, &writer);
    *ret = writer.version;
    return status;
}

ol_status graph_follow_members(struct walk *w, size_t index)
{
    struct graph_node node = w->nodes[index];
    uint8_t sha256[OL_SHA256_SIZE];
    bool is_hash = false;
    struct from from = {.w = w, .index = index};
    if (!w->has_lists || node.kind != GRAPH_DATASET)
        return OL_OK;
    ol_status status = version_meant(w, index, &from.version);
    if (status == OL_OK && from.version > 0)
        status = ask_version_hash(w->ask, from.version, sha256, &is_hash);
    if (status != OL_OK || !is_hash)
        return status;
    if (!node.was_part && !node.has_holders && (!w->is_upstream || node.run == 0))
        status = ask_members_of_content(w->ask, sha256, each_holder, &from);
    if (status == OL_OK && !node.is_part)
        status = across(&from, sha256);
    w->nodes[index].was_part = node.is_part;
    return status;
}

ol_status graph_follow_wholes(struct walk *w)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < w->count && status == OL_OK; i++)
        if (w->nodes[i].was_part && !w->nodes[i].is_part)
            status = graph_follow_members(w, i);
    return status;
}

ol_status graph_prepare_members(struct walk *w)
{
    if (w->ask->store->schema < 3)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(w->ask->store, SQL_ASK_LIST_ANY, w->ask->err, "");
    ol_status status = store_step(w->ask->store, stmt, w->ask->err);
    w->has_lists = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* ---- Where it begins with a member ---- */

static ol_status put_answer(void *arg, int64_t answer, int64_t run)
{
    struct from *from = arg;
    struct graph_node node = {.kind = GRAPH_ANSWER,
                              .id = answer,
                              .run = run,
                              .depth = from->w->nodes[from->index].depth + 1};
    size_t at;
    ol_status status = graph_put_edge(from->w, from->index, &node, false, &at);
    return status == OL_OK && at == GRAPH_NONE ? OL_END : status;
}

static ol_status put_member_root(void *arg, const struct ask_member *m,
                                 struct ol__span name OL_UNUSED)
{
    struct walk *w = arg;
    int64_t lists[LISTS];
    size_t at, count = 0;
    ol_status status = ask_piece_lists(w->ask, m->piece, lists, OL_COUNT(lists), &count);
    if (status != OL_OK || count == 0)
        return status;
    const struct graph_node node = {.kind = GRAPH_MEMBER,
                                    .id = member_content_key(w->ask->store, m->sha256),
                                    .run = -1,
                                    .piece = m->piece,
                                    .member = m->index};
    status = graph_put_node(w, &node, &at);
    return status == OL_OK && w->count >= ROOTS ? OL_END : status;
}

ol_status graph_put_member_roots(struct walk *w)
{
    struct ask *ask = w->ask;
    struct from from = {.w = w};
    struct ol__buf space;
    ol_status status = OL_OK;
    ol__buf_init(&space, (size_t)64 << 20);
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        struct member m;
        struct ask_member at = {.piece = ask->ids[i], .index = ask->versions[i]};
        status = ask_member_get(ask, at.piece, at.index, &space, &m);
        if (status != OL_OK)
            break;
        memcpy(at.sha256, m.sha256, sizeof at.sha256);
        status = put_member_root(w, &at, m.name);
    }
    ol__buf_release(&space);
    if (status == OL_OK && ask->is_cut) /* more of that name than matches are shown */
        status = ask_members_named(ask, ask->raw, put_member_root, w);
    if (status == OL_OK && w->count == 0) {
        const struct graph_node node = {.kind = GRAPH_MEMBER, .run = -1};
        status = graph_put_node(w, &node, &from.index);
    }
    status = status == OL_END ? OL_OK : status;
    w->root_count = w->count;
    if (status == OL_OK && !w->is_upstream)
        status = ask_doc_answers(ask, ask->raw, put_answer, &from);
    return status;
}

ol_status graph_from_member(struct walk *w, size_t index)
{
    const struct graph_node node = w->nodes[index];
    struct from from = {.w = w, .index = index};
    struct ol__buf space;
    struct member m;
    struct ask_held held[ASK_MEMBER_VERSIONS];
    size_t count = 0;
    if (node.run != -1 || node.piece == 0)
        return OL_OK; /* only on the way to something else; a document that no list has */
    struct ask_member at = {.piece = node.piece, .index = node.member};
    ol__buf_init(&space, (size_t)64 << 20);
    ol_status status = ask_member_get(w->ask, at.piece, at.index, &space, &m);
    if (status == OL_OK)
        memcpy(at.sha256, m.sha256, sizeof at.sha256);
    ol__buf_release(&space);
    if (status == OL_OK)
        status = put_holders(w, index, &at, WANT_ALL);
    if (status == OL_OK)
        status = ask_members_of_content(w->ask, at.sha256, each_holder, &from);
    if (status == OL_OK && !member_is_empty(at.sha256))
        status = ask_versions_of(w->ask, at.sha256, held, OL_COUNT(held), &count);
    const struct graph_node nothing = {.held = 1};
    return status == OL_OK ? put_versions(w, index, held, count, &nothing, WANT_ALL, false)
                           : status;
}

/* ---- Writing ---- */

ol_status graph_write_member(struct walk *w, const struct graph_node *node)
{
    struct ask *ask = w->ask;
    ol_status status = OL_OK;
    if (node->piece == 0)
        ol__json_member_span(&ask->json, "name", ask->raw);
    else
        status = ask_write_member(ask, node->piece, node->member);
    if (status == OL_OK && node->holder != 0)
        status = ask_write_version_as(ask, "artifact", node->holder);
    if (node->held > 0)
        ol__json_member_int(&ask->json, "count", node->held);
    return status;
}
