/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects in short: the first digits of a commit or of a content's hash. Promises:
 *  1. Only what is the beginning of exactly one is found; of several, none: they are the candidates
 * that the answer names.
 *  2. Hashes are found by their index. Texts are read from the first to the last, for LOOK_MS at
 * most; then nothing is found, and `truncated` says that not all were looked at. */
#include "ask.h"

#include <stdio.h>
#include "hash.h"
#include "times.h"

#define DIGITS_MIN 7
#define HASH_DIGITS 64
#define LOOK_MS 300
#define TEXTS_STEP 8192
#define RUNS_LOOKED 1000 /* of one commit, until one is found that may be seen */

/* Lower case digits; false: it is nothing short. */
static bool digits(struct ol__span text, char out[HASH_DIGITS + 1])
{
    if (text.size < DIGITS_MIN || text.size >= HASH_DIGITS)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (ol__hex_value(c) < 0)
            return false;
        out[i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
    }
    out[text.size] = '\0';
    return true;
}

bool ask_add_candidate(struct ask *ask, const char *kind, struct ol__span text)
{
    struct ask_candidates *c = &ask->candidates;
    for (int i = 0; i < c->count; i++)
        if (strlen(c->texts[i]) == text.size && memcmp(c->texts[i], text.data, text.size) == 0)
            return true;
    if (c->count == ASK_CANDIDATES) {
        c->is_cut = true;
        return false;
    }
    c->kind = kind;
    snprintf(c->texts[c->count++], sizeof c->texts[0], "%.*s", (int)OL_MIN(text.size, 99u),
             text.data);
    return true;
}

/* ---- Contents ---- */

static ol_status take_hashes(struct ask *ask, const uint8_t low[32], const uint8_t high[32])
{
    int64_t versions[65], datasets[65];
    size_t count = 0;
    ol_status status = OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_VERSION_RANGE, ask->err, "bb",
                                    (struct ol__span){(const char *)low, 32},
                                    (struct ol__span){(const char *)high, 32});
    while (count < OL_COUNT(versions) &&
           (status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        versions[count] = sqlite3_column_int64(stmt, 0);
        datasets[count++] = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        bool is_visible = false;
        struct ol__buf text;
        ol__buf_init(&text, 1 << 20);
        status = ask_is_visible(ask, ASK_DATASET, datasets[i], &is_visible);
        if (status == OL_OK && is_visible)
            status = ask_version_text(ask, versions[i], &text);
        if (status == OL_OK && text.size > 0 &&
            ask_add_candidate(ask, "content", (struct ol__span){text.data, text.size}))
            status = ask_add_match(ask, ASK_DATASET, datasets[i], versions[i], ASK_MATCHES);
        ol__buf_release(&text);
    }
    return status;
}

static ol_status find_hash(struct ask *ask, struct ol__span text)
{
    static const char mark[] = "sha256:";
    char hex[HASH_DIGITS + 1], low[HASH_DIGITS + 1], high[HASH_DIGITS + 1];
    uint8_t from[32], to[32];
    if (text.size > sizeof mark - 1 && memcmp(text.data, mark, sizeof mark - 1) == 0) {
        text.data += sizeof mark - 1;
        text.size -= sizeof mark - 1;
    }
    if (!digits(text, hex))
        return OL_OK;
    memset(low, '0', HASH_DIGITS);
    memset(high, 'f', HASH_DIGITS);
    memcpy(low, hex, text.size);
    memcpy(high, hex, text.size);
    return ol__hex_read(low, from, sizeof from) && ol__hex_read(high, to, sizeof to)
               ? take_hashes(ask, from, to)
               : OL_OK;
}

/* ---- Commits ---- */

/* Whether a run that may be seen has this text as its commit. */
static ol_status is_commit(struct ask *ask, int64_t text, int64_t key, bool *ret)
{
    int64_t runs[RUNS_LOOKED];
    size_t count = 0;
    ol_status status = OL_OK;
    *ret = false;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_ID_KEY, ask->err, "iii", text, key, (int64_t)RUNS_LOOKED);
    while (count < RUNS_LOOKED && (status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        runs[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK && !*ret; i++) {
        struct ask_run run;
        status = ask_run(ask, runs[i], false, &run);
        *ret = status == OL_OK;
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    return status;
}

static ol_status one_commit(struct ask *ask, int64_t id, int64_t key)
{
    struct ol__buf text;
    bool is_one = false;
    ol_status status = is_commit(ask, id, key, &is_one);
    if (status != OL_OK || !is_one)
        return status;
    ol__buf_init(&text, 1 << 20);
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", id);
    status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK) {
        struct ol__span column = store_column(stmt, 0);
        status = ol__buf_add(&text, column.data, column.size);
    }
    sqlite3_reset(stmt);
    if (status == OL_OK)
        ask_add_candidate(ask, "commit", (struct ol__span){text.data, text.size});
    ol__buf_release(&text);
    return status < 0 ? status : OL_OK;
}

static ol_status find_commits(struct ask *ask, struct ol__span text)
{
    char low[HASH_DIGITS + 1], high[HASH_DIGITS + 2];
    int64_t key = 0, found[64], last = 0, deadline = ol__time_monotonic_ms() + LOOK_MS;
    ol_status status = ask_text_id(ask, ol__span_text(STATE_ID_COMMIT), &key);
    if (status != OL_OK || key == 0 || !digits(text, low))
        return status;
    snprintf(high, sizeof high, "%sg", low); /* behind every digit */
    for (int64_t from = 0; status == OL_OK; from += TEXTS_STEP) {
        size_t count = 0;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_TEXT_RANGE, ask->err, "iitt", from,
                                        from + TEXTS_STEP, ol__span_text(low), ol__span_text(high));
        while (count < OL_COUNT(found) &&
               (status = store_step(ask->store, stmt, ask->err)) == OL_OK)
            found[count++] = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = status < 0 ? status : OL_OK;
        for (size_t i = 0; i < count && status == OL_OK; i++)
            status = one_commit(ask, found[i], key);
        if (status == OL_OK && last == 0) {
            stmt = store_bind(ask->store, SQL_ASK_TEXT_MAX, ask->err, "");
            status = store_step(ask->store, stmt, ask->err);
            last = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
            sqlite3_reset(stmt);
        }
        if (from + TEXTS_STEP >= last)
            break;
        if (ol__time_monotonic_ms() > deadline) {
            ask->candidates.is_cut = true;
            break;
        }
    }
    return status < 0 ? status : OL_OK;
}

/* ---- Both ---- */

ol_status ask_find_short(struct ask *ask, struct ol__span text)
{
    ol_status status = find_hash(ask, text);
    if (status == OL_OK && ask_wants(ask, "code"))
        status = find_commits(ask, text);
    if (status != OL_OK)
        return status;
    if (ask->candidates.count != 1 || ask->candidates.is_cut) { /* promise 1 */
        ask->count = 0;
        ask->kind = ASK_NONE;
        return OL_OK;
    }
    if (ask->count > 0) {
        ask->by = "content";
        ask->candidates.count = 0;
        return OL_OK;
    }
    status = ask_find_tagged(ask, ol__span_text(ask->candidates.texts[0]));
    ask->candidates.count = 0;
    return status;
}

ol_status ask_write_candidates(struct ask *ask)
{
    struct ol__json_writer *w = &ask->json;
    const struct ask_candidates *c = &ask->candidates;
    if (c->count > 0) {
        ol__json_member_text(w, "candidate_kind", c->kind);
        ol__json_key(w, "candidates");
        ol__json_begin_array(w);
        for (int i = 0; i < c->count; i++)
            ol__json_text(w, c->texts[i]);
        ol__json_end_array(w);
    }
    if (c->is_cut)
        ol__json_member_bool(w, "truncated", true);
    return OL_OK;
}
