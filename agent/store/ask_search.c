/* SPDX-License-Identifier: Apache-2.0 */
/* `search`: a text, and everything it may be the id of. Promises:
 *  1. Ids, the beginnings of names, run ids and hashes are found through indexes.
 *  2. Only then names that have the text within them: names are read in their index until NAMES_MAX
 *     of them, or NAMES_MS, are over; the document says if that cut it, and how many it read.
 *  3. A thing is listed once, by the best reason there is. */
#include "answers.h"
#include "ask_members.h"

#include <stdlib.h>
#include "times.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 10000
#define NAMES_MAX 2000000
#define NAMES_MS 400
#define CLOCK_EVERY 4096
#define PREFIX_MIN 6 /* digits of a hash */
#define PART_MIN 2   /* bytes of a name's part */
#define END_OF_TEXT "\xf4\x8f\xbf\xbf"

struct found {
    enum ask_kind kind;
    int64_t id, version;
    int64_t key;    /* of an id that was found, as a text; 0 */
    const char *by; /* "id", "run id", "request", "version", "member", "document", "name"... */
};
struct search {
    struct ask *ask;
    struct ol__span text;
    struct found *items; /* owned, `max` */
    size_t count, max;
    int64_t read; /* names, promise 2 */
    bool is_cut_by_limit, is_cut_by_time;
    bool (*is_name_of)(const struct search *search, struct ol__span name);
};

/* Promise 3. @return OL_END: there is no room. */
static ol_status add(struct search *s, const struct found *f)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].kind == f->kind && s->items[i].id == f->id &&
            (s->items[i].version == f->version || (f->version == 0 && f->kind != ASK_MEMBER)))
            return OL_OK;
    if (s->count == s->max) {
        s->is_cut_by_limit = true;
        return OL_END;
    }
    s->items[s->count++] = *f;
    return OL_OK;
}

/* ---- Through indexes ---- */

static ol_status find_ids(struct search *s)
{
    struct ask *ask = s->ask;
    int64_t value = 0;
    ol_status status = ask_text_id(ask, s->text, &value);
    if (status != OL_OK || value == 0)
        return status;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_ID_WITH_KEY, ask->err, "ii", value, (int64_t)LIMIT_MAX);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        struct ask_run run;
        struct found f = {.kind = ASK_RUN, .id = sqlite3_column_int64(stmt, 0), .by = "id"};
        f.key = sqlite3_column_int64(stmt, 1);
        status = ask_run(ask, f.id, false, &run);
        if (status == OL_OK)
            status = add(s, &f);
        else if (status == OL_NOT_FOUND)
            status = OL_OK;
        if (status != OL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* What ask_find_...() has put into ask->ids. */
static ol_status take_matches(struct search *s, const char *by)
{
    ol_status status = OL_OK;
    for (int i = 0; i < s->ask->count && status == OL_OK; i++) {
        struct found f = {.kind = s->ask->kind, .id = s->ask->ids[i], .by = by};
        f.version = s->ask->versions[i];
        status = add(s, &f);
    }
    s->is_cut_by_limit = s->is_cut_by_limit || s->ask->count == ASK_MATCHES;
    s->ask->count = 0;
    return status == OL_END ? OL_OK : status;
}

static ol_status find_answers(struct search *s)
{
    int64_t answers[ASK_MATCHES], runs[ASK_MATCHES];
    int count = 0;
    ol_status status = ask_find_answers(s->ask, s->text, answers, runs, ASK_MATCHES, &count);
    for (int i = 0; i < count && status == OL_OK; i++) {
        struct found f = {.kind = ASK_ANSWER, .id = answers[i], .by = "request"};
        status = add(s, &f);
    }
    return status == OL_END ? OL_OK : status;
}

/* The bytes between which hashes lie that begin with these digits, in upper or lower case. */
static bool hash_range(struct ol__span text, uint8_t low[32], uint8_t high[32])
{
    static const char mark[] = "sha256:";
    if (text.size > sizeof mark - 1 && memcmp(text.data, mark, sizeof mark - 1) == 0) {
        text.data += sizeof mark - 1;
        text.size -= sizeof mark - 1;
    }
    if (text.size < PREFIX_MIN || text.size > 64)
        return false;
    memset(low, 0, 32);
    memset(high, 0xff, 32);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0)
            return false;
        int shift = i % 2 == 0 ? 4 : 0;
        low[i / 2] = (uint8_t)(low[i / 2] | v << shift);
        high[i / 2] = (uint8_t)((high[i / 2] & ~(0xf << shift)) | v << shift);
    }
    return true;
}

/* Rows (version, dataset) of a statement. */
static ol_status take_versions(struct search *s, sqlite3_stmt *stmt)
{
    int64_t versions[ASK_MATCHES * 4], datasets[ASK_MATCHES * 4];
    size_t count = 0;
    ol_status status = OL_OK;
    while (count < OL_COUNT(versions) &&
           (status = store_step(s->ask->store, stmt, s->ask->err)) == OL_OK) {
        versions[count] = sqlite3_column_int64(stmt, 0);
        datasets[count++] = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    s->is_cut_by_limit = s->is_cut_by_limit || count == OL_COUNT(versions);
    status = status < 0 ? status : OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        bool is_visible = false;
        struct found f = {
            .kind = ASK_DATASET, .id = datasets[i], .version = versions[i], .by = "version"};
        status = ask_is_visible(s->ask, ASK_DATASET, datasets[i], &is_visible);
        if (status == OL_OK && is_visible)
            status = add(s, &f);
    }
    return status == OL_END ? OL_OK : status;
}

static ol_status find_versions(struct search *s)
{
    struct ask *ask = s->ask;
    uint8_t low[32], high[32];
    ol_status status = OL_OK;
    if (hash_range(s->text, low, high))
        status = take_versions(
            s, store_bind(ask->store, SQL_ASK_VERSION_RANGE, ask->err, "bb",
                          (struct ol__span){.data = (const char *)low, .size = sizeof low},
                          (struct ol__span){.data = (const char *)high, .size = sizeof high}));
    if (status == OL_OK)
        status =
            take_versions(s, store_bind(ask->store, SQL_ASK_VERSION_VALUE, ask->err, "t", s->text));
    return status;
}

static ol_status take_document(void *arg, int64_t answer, int64_t run OL_UNUSED)
{
    struct found f = {.kind = ASK_ANSWER, .id = answer, .by = "document"};
    return add(arg, &f);
}

/* Members of recorded directories, lists and manifests; answers that retrieved or cited it. */
static ol_status find_members(struct search *s)
{
    struct ask *ask = s->ask;
    ask->raw = ask->name = s->text;
    ask->kind = ASK_NONE;
    ol_status status = ask_find_members(ask);
    bool is_member = ask->kind == ASK_MEMBER && ask->count > 0;
    if (status == OL_OK && is_member)
        status = take_matches(s, "member");
    ask->kind = ASK_NONE;
    ask->count = 0;
    if (status == OL_OK && !s->is_cut_by_limit)
        status = ask_doc_answers(ask, s->text, take_document, s);
    return status == OL_END ? OL_OK : status;
}

/* ---- Names ---- */

static bool begins_with(const struct search *s, struct ol__span name)
{
    return name.size >= s->text.size && memcmp(name.data, s->text.data, s->text.size) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Whatever the case of ASCII letters. */
static bool has_within(const struct search *s, struct ol__span name)
{
    char first = lower(s->text.data[0]);
    for (size_t i = 0; i + s->text.size <= name.size; i++) {
        if (lower(name.data[i]) != first)
            continue;
        size_t k = 1;
        while (k < s->text.size && lower(name.data[i + k]) == lower(s->text.data[k]))
            k++;
        if (k == s->text.size)
            return true;
    }
    return false;
}

/* The names of a statement (id, name) that are right, as long as the limits of promise 2 hold. */
static ol_status take_names(struct search *s, enum ask_kind kind, sqlite3_stmt *stmt,
                            const char *by, int64_t deadline)
{
    ol_status status;
    while ((status = store_step(s->ask->store, stmt, s->ask->err)) == OL_OK) {
        struct found f = {.kind = kind, .id = sqlite3_column_int64(stmt, 0), .by = by};
        bool is_visible = false;
        if (++s->read % CLOCK_EVERY == 0 &&
            (s->read >= NAMES_MAX || ol__time_monotonic_ms() > deadline)) {
            s->is_cut_by_time = true;
            break;
        }
        if (!s->is_name_of(s, store_column(stmt, 1)))
            continue;
        status = ask_is_visible(s->ask, kind, f.id, &is_visible);
        if (status == OL_OK && is_visible)
            status = add(s, &f);
        if (status != OL_OK)
            break;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status find_beginnings(struct search *s)
{
    static const enum store_sql ranges[] = {SQL_ASK_DATASET_NAMES, SQL_ASK_JOB_NAMES};
    struct ol__buf end;
    ol_status status = OL_OK;
    ol__buf_init(&end, 1 << 20);
    ol__buf_add(&end, s->text.data, s->text.size);
    if (ol__buf_add_text(&end, END_OF_TEXT) != OL_OK)
        status = ol__error_set(s->ask->err, end.status, "search: the text is too long");
    s->is_name_of = begins_with;
    for (size_t i = 0; i < OL_COUNT(ranges) && status == OL_OK; i++)
        status = take_names(s, i == 0 ? ASK_DATASET : ASK_JOB,
                            store_bind(s->ask->store, ranges[i], s->ask->err, "tt", s->text,
                                       (struct ol__span){.data = end.data, .size = end.size}),
                            "beginning", INT64_MAX);
    ol__buf_release(&end);
    return status;
}

static ol_status find_parts(struct search *s)
{
    static const enum store_sql ranges[] = {SQL_ASK_DATASET_NAMES, SQL_ASK_JOB_NAMES};
    int64_t deadline = ol__time_monotonic_ms() + NAMES_MS;
    ol_status status = OL_OK;
    if (s->text.size < PART_MIN)
        return OL_OK;
    s->is_name_of = has_within;
    for (size_t i = 0; i < OL_COUNT(ranges) && status == OL_OK && !s->is_cut_by_limit; i++)
        status = take_names(s, i == 0 ? ASK_DATASET : ASK_JOB,
                            store_bind(s->ask->store, ranges[i], s->ask->err, "tt",
                                       ol__span_text(""), ol__span_text(END_OF_TEXT)),
                            "part", deadline);
    return status;
}

static ol_status find_all(struct search *s)
{
    struct ask *ask = s->ask;
    ol_status status = ask_find_runs(ask, s->text);
    if (status == OL_OK)
        status = take_matches(s, "run id");
    if (status == OL_OK)
        status = find_ids(s);
    if (status == OL_OK)
        status = find_answers(s);
    if (status == OL_OK)
        status = find_versions(s);
    if (status == OL_OK)
        status = find_members(s);
    if (status == OL_OK)
        status = ask_find_datasets(ask, s->text);
    if (status == OL_OK)
        status = take_matches(s, "name");
    if (status == OL_OK)
        status = ask_find_jobs(ask, s->text);
    if (status == OL_OK)
        status = take_matches(s, "name");
    if (status == OL_OK && !s->is_cut_by_limit)
        status = find_beginnings(s);
    if (status == OL_OK && !s->is_cut_by_limit)
        status = find_parts(s);
    return status;
}

/* ---- Writing ---- */

static ol_status write_key(struct ask *ask, int64_t key)
{
    if (key == 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_TEXT_GET, ask->err, "i", key);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        ol__json_member_span(&ask->json, "key", store_column(stmt, 0));
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status write_found(struct ask *ask, const struct found *f)
{
    static const char *const types[] = {"none", "dataset", "job", "run", "answer", "member"};
    struct ask_run run;
    ol__json_begin_object(&ask->json);
    ol__json_member_text(&ask->json, "kind", types[f->kind]);
    ol__json_member_text(&ask->json, "by", f->by);
    ol_status status = write_key(ask, f->key);
    if (status == OL_OK && f->kind == ASK_RUN) {
        status = ask_run(ask, f->id, false, &run);
        if (status == OL_OK)
            status = ask_write_run(ask, &run);
    } else if (status == OL_OK && f->kind == ASK_ANSWER)
        status = ask_write_answer(ask, f->id);
    else if (status == OL_OK && f->kind == ASK_MEMBER)
        status = ask_write_member(ask, f->id, f->version);
    else if (status == OL_OK && f->kind == ASK_DATASET)
        status = ask_write_dataset(ask, f->id, f->version);
    else if (status == OL_OK)
        status = ask_write_name(ask, f->kind, f->id);
    ol__json_end_object(&ask->json);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

static ol_status write_results(struct search *s)
{
    struct ol__json_writer *w = &s->ask->json;
    ol_status status = OL_OK;
    bool is_cut = s->is_cut_by_limit || s->is_cut_by_time;
    ol__json_begin_object(w);
    ol__json_member_span(w, "query", s->text);
    ol__json_key(w, "results");
    ol__json_begin_array(w);
    for (size_t i = 0; i < s->count && status == OL_OK; i++)
        status = write_found(s->ask, &s->items[i]);
    ol__json_end_array(w);
    ol__json_member_int(w, "names_read", s->read);
    ol__json_member_bool(w, "truncated", is_cut);
    if (is_cut)
        ol__json_member_text(w, "cut_by", s->is_cut_by_limit ? "limit" : "time");
    ol__json_end_object(w);
    return status;
}

ol_status store_search(struct store *store, const struct store_question *question,
                       struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct search s = {.ask = &ask};
    if (question->subject == NULL || question->subject[0] == '\0' || question->limit < 0)
        return ol__error_set(err, OL_INVALID, "search: expected a text, and no number below 0");
    s.text = ol__span_text(question->subject);
    s.max = question->limit == 0 ? LIMIT_DEFAULT : (size_t)OL_MIN(question->limit, LIMIT_MAX);
    s.items = calloc(s.max, sizeof *s.items);
    if (s.items == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    ol_status status = ask_begin(&ask, store, question, 0, out, err);
    if (status != OL_OK) {
        free(s.items);
        return status;
    }
    status = find_all(&s);
    if (status == OL_OK)
        status = write_results(&s);
    bool is_any = s.count > 0;
    free(s.items);
    status = ask_end(&ask, status);
    if (status == OL_OK && !is_any)
        return ol__error_set(err, OL_NOT_FOUND, "nothing is recorded that has '%.*s' in it",
                             (int)OL_MIN(s.text.size, 150u), s.text.data);
    return status;
}
