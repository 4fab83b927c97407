/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of members, put in. Promises:
 *  1. A list is there whole or not at all: its row comes with its last piece, once the bytes that
 * were put in had the hash they were to have. Pieces of what was never finished are swept.
 *  2. The same list again, or one that shares pieces with another, costs no second copy: where a
 * piece ends is decided by its members alone.
 *  3. Memory is one batch of members and the numbers of a list's pieces, whatever the list's
 * length; a batch is one transaction, and events may be added between two.
 *  4. A batch's look-up rows go in sorted: each page of the index is changed once a batch. */
#include "members.h"

#include <stdlib.h>
#include <xxhash.h>
#include "artifact_lines.h"

#define BATCH_MEMBERS 65536
#define BATCH_BYTES ((size_t)32 << 20)
#define LINE_MAX ((size_t)5 << 20) /* a name of a manifest has 4 MiB at most */
#define PIECE_MEMBERS 64
#define PIECE_BYTES 16384
#define PIECE_ENDS 16 /* about as many members a piece has */
#define LIST_FORMAT 1
#define KEYS_MAX (2 * (BATCH_MEMBERS + PIECE_MEMBERS))

struct key {
    int64_t key, piece;
};
struct store_members {
    struct store *store; /* borrowed */
    struct ol__sha256 *hash;
    uint8_t sha256[OL_SHA256_SIZE]; /* as it is to be */
    int64_t uid, seen;
    struct ol__buf rest;  /* the beginning of a line whose end has not come */
    struct ol__buf space; /* an unescaped name */
    struct ol__buf data;  /* pieces of this batch, one behind the other; the last may be open */
    size_t *ends;         /* owned; of the pieces in data */
    size_t end_count, end_cap;
    size_t open_at, open_members; /* of the piece that goes on */
    int64_t batch_members, count;
    struct ol__buf ids; /* of all pieces so far */
    int64_t *pieces;    /* owned; the same, as numbers, for list_pieces */
    size_t piece_count, piece_cap;
    struct key *keys; /* owned */
    size_t key_count;
    bool is_counted; /* in store->members_open */
};

/* ---- What a piece is ---- */

struct ol__span member_plain_name(struct ol__span name)
{
    if (name.size > 2 && name.data[0] == '.' && name.data[1] == '/')
        return (struct ol__span){name.data + 2, name.size - 2};
    return name;
}

int64_t member_name_key(const struct store *store, struct ol__span name)
{
    struct ol__span plain = member_plain_name(name);
    return (int64_t)XXH3_64bits_withSeed(plain.data, plain.size, store->hash_seed);
}

int64_t member_content_key(const struct store *store, const uint8_t sha256[OL_SHA256_SIZE])
{
    return (int64_t)XXH3_64bits_withSeed(sha256, OL_SHA256_SIZE, store->hash_seed ^ 1);
}

bool member_is_empty(const uint8_t sha256[OL_SHA256_SIZE])
{
    static const uint8_t nothing[OL_SHA256_SIZE] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                                    0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                                    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                                    0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    return memcmp(sha256, nothing, sizeof nothing) == 0;
}

static void add_number(struct ol__buf *out, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)(value & 127);
        value >>= 7;
        ol__buf_add_char(out, (char)(byte | (value > 0 ? 128 : 0)));
    } while (value > 0);
}

static bool take_number(struct ol__span text, size_t *at, uint64_t *ret)
{
    *ret = 0;
    for (int shift = 0; shift < 63 && *at < text.size; shift += 7) {
        uint8_t byte = (uint8_t)text.data[(*at)++];
        *ret |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static void add_member(struct ol__buf *out, const struct member *m)
{
    ol__buf_add_char(out, m->is_link ? 'l' : 'f');
    if (!m->is_link)
        ol__buf_add(out, m->sha256, sizeof m->sha256);
    add_number(out, m->name.size);
    ol__buf_add(out, m->name.data, m->name.size);
}

ol_status member_next(struct ol__span *rest, struct member *ret)
{
    size_t at = 1;
    uint64_t size;
    if (rest->size == 0)
        return OL_END;
    *ret = (struct member){.is_link = rest->data[0] == 'l'};
    if (!ret->is_link) {
        if (rest->data[0] != 'f' || rest->size < 1 + OL_SHA256_SIZE)
            return OL_CORRUPT;
        memcpy(ret->sha256, rest->data + 1, OL_SHA256_SIZE);
        at += OL_SHA256_SIZE;
    }
    if (!take_number(*rest, &at, &size) || size == 0 || size > rest->size - at)
        return OL_CORRUPT;
    ret->name = (struct ol__span){rest->data + at, (size_t)size};
    at += (size_t)size;
    *rest = (struct ol__span){rest->data + at, rest->size - at};
    return OL_OK;
}

ol_status members_next_piece(struct ol__span column, size_t *at, int64_t *ret)
{
    uint64_t id;
    if (*at == 0 && (column.size == 0 || column.data[(*at)++] != LIST_FORMAT))
        return OL_CORRUPT;
    if (*at == column.size)
        return OL_END;
    if (!take_number(column, at, &id) || id == 0 || id > INT64_MAX)
        return OL_CORRUPT;
    *ret = (int64_t)id;
    return OL_OK;
}

ol_status members_piece(struct store *store, int64_t piece, struct ol__buf *out,
                        struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, SQL_PIECE_GET, err, "i", piece);
    ol_status status = store_step(store, stmt, err);
    if (status == OL_END)
        return ol__error_set(err, OL_CORRUPT, "store '%s': piece %lld of a list is gone",
                             store->path, (long long)piece);
    if (status != OL_OK)
        return status;
    struct ol__span data = store_column(stmt, 0);
    ol__buf_reset(out);
    ol__buf_add(out, data.data, data.size);
    sqlite3_reset(stmt);
    return out->status == OL_OK ? OL_OK : ol__error_set(err, out->status, "store: a list's piece");
}

/* ---- A batch ---- */

static ol_status nomem(struct ol_error *err)
{
    return ol__error_set(err, OL_NOMEM, "store: out of memory");
}

static struct ol__span as_blob(const uint8_t sha256[OL_SHA256_SIZE])
{
    return (struct ol__span){(const char *)sha256, OL_SHA256_SIZE};
}

static void add_keys(struct store_members *m, struct ol__span piece, int64_t id)
{
    struct member member;
    while (member_next(&piece, &member) == OL_OK) {
        if (member.is_link || m->key_count + 2 > KEYS_MAX)
            continue;
        m->keys[m->key_count++] = (struct key){member_name_key(m->store, member.name), id};
        if (!member_is_empty(member.sha256))
            m->keys[m->key_count++] = (struct key){member_content_key(m->store, member.sha256), id};
    }
}

static ol_status remember(struct store_members *m, int64_t id, struct ol_error *err)
{
    if (m->piece_count == m->piece_cap) {
        size_t cap = OL_MAX(m->piece_cap * 2, (size_t)256);
        int64_t *more = realloc(m->pieces, cap * sizeof *more);
        if (more == NULL)
            return nomem(err);
        m->pieces = more;
        m->piece_cap = cap;
    }
    m->pieces[m->piece_count++] = id;
    add_number(&m->ids, (uint64_t)id);
    return m->ids.status == OL_OK ? OL_OK : nomem(err);
}

static ol_status put_piece(struct store_members *m, struct ol__span data, struct ol_error *err)
{
    int64_t sum = (int64_t)XXH3_64bits_withSeed(data.data, data.size, m->store->hash_seed), id = 0;
    sqlite3_stmt *stmt = store_bind(m->store, SQL_PIECE_FIND, err, "ib", sum, data);
    ol_status status = store_step(m->store, stmt, err);
    if (status == OL_OK) { /* its look-up rows came with it */
        id = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        return remember(m, id, err);
    }
    if (status == OL_END)
        status = store_run(m->store, SQL_PIECE_ADD, err, "ib", sum, data);
    if (status != OL_OK)
        return status;
    id = sqlite3_last_insert_rowid(m->store->db);
    add_keys(m, data, id);
    return remember(m, id, err);
}

static int by_key(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1)
                            : (x->piece > y->piece) - (x->piece < y->piece);
}

/* What is complete of this batch; inside a transaction. */
static ol_status put_batch(struct store_members *m, struct ol_error *err)
{
    size_t from = 0;
    ol_status status = OL_OK;
    m->key_count = 0;
    for (size_t i = 0; i < m->end_count && status == OL_OK; i++) {
        status = put_piece(m, (struct ol__span){m->data.data + from, m->ends[i] - from}, err);
        from = m->ends[i];
    }
    qsort(m->keys, m->key_count, sizeof *m->keys, by_key); /* promise 4 */
    for (size_t i = 0; i < m->key_count && status == OL_OK; i++)
        if (i == 0 || by_key(&m->keys[i - 1], &m->keys[i]) != 0)
            status = store_run(m->store, SQL_MEMBER_KEY_ADD, err, "ii", m->keys[i].key,
                               m->keys[i].piece);
    return status;
}

/* The open piece becomes the first of the next batch. */
static void next_batch(struct store_members *m)
{
    size_t left = m->data.size - m->open_at;
    memmove(m->data.data, m->data.data + m->open_at, left);
    m->data.size = left;
    m->open_at = 0;
    m->end_count = 0;
    m->batch_members = (int64_t)m->open_members;
}

static ol_status flush(struct store_members *m, struct ol_error *err)
{
    size_t before = m->piece_count, ids = m->ids.size;
    ol_status status = store_begin(m->store, err);
    if (status != OL_OK)
        return status;
    status = put_batch(m, err);
    if (status == OL_OK)
        status = store_commit(m->store, NULL, 0, err);
    if (status == OL_OK) {
        next_batch(m);
        return OL_OK;
    }
    store_rollback(m->store);
    m->piece_count = before;
    m->ids.size = ids;
    return status;
}

/* ---- Members ---- */

static ol_status end_piece(struct store_members *m, struct ol_error *err)
{
    if (m->open_members == 0)
        return OL_OK;
    if (m->end_count == m->end_cap) {
        size_t cap = OL_MAX(m->end_cap * 2, (size_t)1024);
        size_t *more = realloc(m->ends, cap * sizeof *more);
        if (more == NULL)
            return nomem(err);
        m->ends = more;
        m->end_cap = cap;
    }
    m->ends[m->end_count++] = m->open_at = m->data.size;
    m->open_members = 0;
    return OL_OK;
}

static ol_status take_member(struct store_members *m, const struct artifact_line *line,
                             struct ol_error *err)
{
    struct member member = {.is_link = line->is_link, .name = line->name};
    if (!line->is_link && !ol__hex_read(line->sha256, member.sha256, sizeof member.sha256))
        return ol__error_set(err, OL_INVALID, "a member's SHA-256 is not 64 hexadecimal digits");
    if (m->count == STORE_MEMBERS_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "a list of more than %d members",
                             STORE_MEMBERS_MAX);
    add_member(&m->data, &member);
    if (m->data.status != OL_OK)
        return nomem(err);
    m->open_members++;
    m->batch_members++;
    m->count++;
    /* By the name alone: a piece ends there as well when the content is another (promise 2). */
    bool is_end = (uint64_t)member_name_key(m->store, member.name) % PIECE_ENDS == 0;
    if (is_end || m->open_members == PIECE_MEMBERS || m->data.size - m->open_at >= PIECE_BYTES)
        return end_piece(m, err);
    return OL_OK;
}

/* All whole lines of @p text. *ret_used: bytes of them. */
static ol_status take_lines(struct store_members *m, struct ol__span text, size_t *ret_used,
                            struct ol_error *err)
{
    struct ol__span rest = text;
    ol_status status = OL_OK;
    while (status == OL_OK && rest.size > 0 && memchr(rest.data, '\n', rest.size) != NULL) {
        struct artifact_line line;
        status = artifact_line_read(&rest, &m->space, &line);
        if (status == OL_INVALID)
            return ol__error_set(err, OL_INVALID,
                                 "line %lld of a list is no line of sha256sum or 'link'",
                                 (long long)m->count + 1);
        if (status == OL_OK)
            status = take_member(m, &line, err);
        if (status == OL_OK &&
            (m->batch_members >= BATCH_MEMBERS || m->data.size >= BATCH_BYTES - LINE_MAX))
            status = flush(m, err);
    }
    *ret_used = text.size - rest.size;
    return status;
}

/* A line that came in two parts. @p used of @p text belong to it. */
static ol_status join(struct store_members *m, struct ol__span text, size_t *ret_used,
                      struct ol_error *err)
{
    const char *newline = text.size > 0 ? memchr(text.data, '\n', text.size) : NULL;
    size_t used = newline != NULL ? (size_t)(newline - text.data) + 1 : text.size, ignored;
    *ret_used = used;
    ol__buf_add(&m->rest, text.data, used);
    if (m->rest.status != OL_OK)
        return ol__error_set(err, m->rest.status, "a line of a list: more than %zu bytes",
                             LINE_MAX);
    if (newline == NULL)
        return OL_OK;
    ol_status status = take_lines(m, (struct ol__span){m->rest.data, m->rest.size}, &ignored, err);
    ol__buf_reset(&m->rest);
    return status;
}

ol_status store_members_add(struct store_members *m, struct ol__span text, struct ol_error *err)
{
    size_t used = 0;
    ol_status status = OL_OK;
    ol__sha256_add(m->hash, text.data, text.size);
    while (status == OL_OK && text.size > 0) {
        bool is_joining = m->rest.size > 0 || memchr(text.data, '\n', text.size) == NULL;
        status = is_joining ? join(m, text, &used, err) : take_lines(m, text, &used, err);
        text = (struct ol__span){text.data + used, text.size - used};
    }
    return status;
}

/* ---- A list ---- */

static ol_status find_list(struct store *store, const uint8_t sha256[OL_SHA256_SIZE], int64_t *ret,
                           bool *ret_whole, struct ol_error *err)
{
    *ret = 0;
    *ret_whole = false;
    sqlite3_stmt *stmt = store_bind(store, SQL_LIST_FIND, err, "b", as_blob(sha256));
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK) {
        *ret = sqlite3_column_int64(stmt, 0);
        *ret_whole = sqlite3_column_int64(stmt, 1) != 0;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status members_have_list(struct store *store, const uint8_t sha256[OL_SHA256_SIZE],
                            int64_t count, int64_t seen, int64_t *ret, struct ol_error *err)
{
    bool is_whole;
    ol_status status = find_list(store, sha256, ret, &is_whole, err);
    if (status == OL_OK && *ret != 0)
        return store_run(store, SQL_LIST_TOUCH, err, "ii", *ret, seen);
    if (status == OL_OK)
        status = store_run(store, SQL_LIST_ADD, err, "bii", as_blob(sha256), count, seen);
    if (status == OL_OK)
        *ret = sqlite3_last_insert_rowid(store->db);
    return status;
}

/* Inside a transaction. */
static ol_status own_list(struct store_members *m, int64_t list, struct ol_error *err)
{
    return store_run(m->store, SQL_ARTIFACT_ADD, err, "biii", as_blob(m->sha256), list, m->uid,
                     (int64_t)1);
}

static ol_status put_list(struct store_members *m, struct ol_error *err)
{
    int64_t list = 0;
    ol_status status = put_batch(m, err);
    if (status == OL_OK)
        status = members_have_list(m->store, m->sha256, m->count, m->seen, &list, err);
    if (status == OL_OK)
        status = store_run(m->store, SQL_LIST_FILL, err, "iib", list, m->count,
                           (struct ol__span){m->ids.data, m->ids.size});
    for (size_t i = 0; i < m->piece_count && status == OL_OK; i++)
        status = store_run(m->store, SQL_LIST_PIECE_ADD, err, "ii", m->pieces[i], list);
    return status == OL_OK ? own_list(m, list, err) : status;
}

/* It is there already: one more has it. */
static ol_status put_owner(struct store_members *m, int64_t list, struct ol_error *err)
{
    ol_status status = store_begin(m->store, err);
    if (status != OL_OK)
        return status;
    status = own_list(m, list, err);
    if (status == OL_OK)
        status = store_run(m->store, SQL_LIST_TOUCH, err, "ii", list, m->seen);
    if (status == OL_OK)
        return store_commit(m->store, NULL, 0, err);
    store_rollback(m->store);
    return status;
}

ol_status store_members_begin(struct store *store, const uint8_t sha256[OL_SHA256_SIZE],
                              int64_t uid, int64_t seen_ms, struct store_members **ret,
                              struct ol_error *err)
{
    struct store_members *m = calloc(1, sizeof *m);
    if (m == NULL)
        return nomem(err);
    *m = (struct store_members){.store = store, .uid = uid, .seen = seen_ms};
    memcpy(m->sha256, sha256, sizeof m->sha256);
    ol__buf_init(&m->rest, LINE_MAX);
    ol__buf_init(&m->space, LINE_MAX);
    ol__buf_init(&m->data, BATCH_BYTES + LINE_MAX);
    ol__buf_init(&m->ids, (size_t)10 * STORE_MEMBERS_MAX);
    ol__buf_add_char(&m->ids, LIST_FORMAT);
    m->keys = malloc(KEYS_MAX * sizeof *m->keys);
    ol_status status =
        m->keys != NULL && m->ids.status == OL_OK ? ol__sha256_new(&m->hash, err) : nomem(err);
    int64_t list = 0;
    bool is_whole = false;
    if (status == OL_OK)
        status = find_list(store, sha256, &list, &is_whole, err);
    if (status == OL_OK && is_whole) {
        status = put_owner(m, list, err);
        status = status == OL_OK ? OL_END : status;
    }
    if (status != OL_OK) {
        store_members_close(m);
        return status;
    }
    store->members_open++;
    m->is_counted = true;
    *ret = m;
    return OL_OK;
}

ol_status store_members_end(struct store_members *m, struct ol_error *err)
{
    uint8_t found[OL_SHA256_SIZE];
    char hex[OL_SHA256_TEXT + 1], wanted[OL_SHA256_TEXT + 1];
    ol__sha256_finish(m->hash, found);
    if (memcmp(found, m->sha256, sizeof found) != 0) {
        ol__hex(found, sizeof found, hex);
        ol__hex(m->sha256, sizeof m->sha256, wanted);
        return ol__error_set(err, OL_INVALID, "a list said to be %s has the hash %s", wanted, hex);
    }
    if (m->rest.size > 0)
        return ol__error_set(err, OL_INVALID, "the last line of a list has no end");
    ol_status status = end_piece(m, err);
    if (status == OL_OK)
        status = store_begin(m->store, err);
    if (status != OL_OK)
        return status;
    status = put_list(m, err);
    if (status == OL_OK)
        return store_commit(m->store, NULL, 0, err);
    store_rollback(m->store);
    return status;
}

void store_members_close(struct store_members *m)
{
    if (m == NULL)
        return;
    if (m->is_counted)
        m->store->members_open--;
    ol__sha256_free(m->hash);
    ol__buf_release(&m->rest);
    ol__buf_release(&m->space);
    ol__buf_release(&m->data);
    ol__buf_release(&m->ids);
    free(m->ends);
    free(m->pieces);
    free(m->keys);
    free(m);
}

ol_status store_members_put(struct store *store, const uint8_t sha256[OL_SHA256_SIZE], int64_t uid,
                            int64_t seen_ms, struct ol__span text, struct ol_error *err)
{
    struct store_members *m = NULL;
    ol_status status = store_members_begin(store, sha256, uid, seen_ms, &m, err);
    if (status != OL_OK)
        return status;
    status = store_members_add(m, text, err);
    if (status == OL_OK)
        status = store_members_end(m, err);
    store_members_close(m);
    return status;
}
