/* SPDX-License-Identifier: Apache-2.0 */
#include "backup.h"
#include "db.h"
#include "page_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define CHECK_LINES 100 /* of SQLite's own check */

static ol_status sync_file(const char *path, struct ol_error *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchmod(fd, 0600) != 0 || fsync(fd) != 0) {
        ol_status status = ol__error_set_errno(err, errno, "store '%s': sync", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    return OL_OK;
}

ol_status store_backup(const char *path, const char *to, struct ol_error *err)
{
    struct store *store = NULL;
    sqlite3_stmt *stmt = NULL;
    ol_status status = store_open(path, STORE_READ, &store, err);
    if (status != OL_OK)
        return status;
    mode_t mask = umask(0077); /* SQLite makes the file */
    int code = sqlite3_exec(store->db, "PRAGMA query_only = OFF", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(store->db, "VACUUM INTO ?1", -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    umask(mask);
    sqlite3_finalize(stmt);
    if (code != SQLITE_DONE)
        status = store_db_error(store, code, "copy", err);
    store_close(store);
    return status == OL_OK ? sync_file(to, err) : status;
}

/* ---- Checking ---- */

struct check {
    struct store *store;
    store_problem *tell;
    void *arg;
    struct store_found *found;
    struct ol_error *err;
    struct state state;
    bool is_unswept; /* a sweep was not finished */
};

OL_PRINTF(2, 3)
static void tell(struct check *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->found->problems++;
    c->tell(c->arg, text);
}

/* Each row of @p sql; what cannot be read any further is told. */
static ol_status each(struct check *c, const char *sql,
                      void (*look)(struct check *, sqlite3_stmt *))
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->store->db, sql, -1, &stmt, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW)
            look(c, stmt);
    }
    sqlite3_finalize(stmt);
    if (code == SQLITE_NOMEM)
        return ol__error_set(c->err, OL_NOMEM, "store: out of memory");
    if (code != SQLITE_DONE)
        tell(c, "%s (in: %s)", sqlite3_errmsg(c->store->db), sql);
    return OL_OK;
}

static void look_at_line(struct check *c, sqlite3_stmt *stmt)
{
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text == NULL || strcmp(text, "ok") != 0)
        tell(c, "SQLite: %s", text != NULL ? text : "no text");
}

/* id, hash, text */
static void look_at_text(struct check *c, sqlite3_stmt *stmt)
{
    c->found->texts++;
    if (dict_text_hash(c->store, store_column(stmt, 2)) != sqlite3_column_int64(stmt, 1))
        tell(c, "text %lld is not what it was", (long long)sqlite3_column_int64(stmt, 0));
}

/* id, hash, data: a raw event */
static void look_at_event(struct check *c, sqlite3_stmt *stmt)
{
    struct ol__span data = store_column(stmt, 2);
    if ((int64_t)XXH3_64bits_withSeed(data.data, data.size, c->store->hash_seed) !=
        sqlite3_column_int64(stmt, 1))
        tell(c, "event %lld is not what it was", (long long)sqlite3_column_int64(stmt, 0));
}

/* id, hash, whole text, body */
static void look_at_facet(struct check *c, sqlite3_stmt *stmt)
{
    c->found->facets++;
    if (dict_facet_hash(c->store, store_column(stmt, 2), store_column(stmt, 3)) !=
        sqlite3_column_int64(stmt, 1))
        tell(c, "facet %lld is not what it was", (long long)sqlite3_column_int64(stmt, 0));
}

static bool exists(struct check *c, const char *table, int64_t id)
{
    char sql[96];
    sqlite3_stmt *stmt = NULL;
    sqlite3_snprintf(sizeof sql, sql, "SELECT 1 FROM %s WHERE id = %lld", table, (long long)id);
    bool is_there = sqlite3_prepare_v2(c->store->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
                    sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return is_there;
}

/* id, uuid, state, status */
static void look_at_run(struct check *c, sqlite3_stmt *stmt)
{
    long long id = (long long)sqlite3_column_int64(stmt, 0);
    int64_t status = sqlite3_column_int64(stmt, 3);
    c->found->runs++;
    if (sqlite3_column_bytes(stmt, 1) != 16)
        tell(c, "run %lld: its id is damaged", id);
    if (status < RUN_NEW || status > RUN_ABORT)
        tell(c, "run %lld: state %lld is none", id, (long long)status);
    if (state_read(&c->state, store_column(stmt, 2), NULL) != OL_OK) {
        tell(c, "run %lld: what its events said cannot be read", id);
        return;
    }
    for (size_t i = 0; i < c->state.count; i++) {
        const struct state_entry *e = &c->state.entries[i];
        bool is_edge = e->kind == STATE_INPUT || e->kind == STATE_OUTPUT;
        if (is_edge && !exists(c, "datasets", e->object))
            tell(c, "run %lld: names dataset %lld, which is not there", id, (long long)e->object);
        if (is_edge && e->key != 0 && !exists(c, "versions", e->key))
            tell(c, "run %lld: names version %lld, which is not there", id, (long long)e->key);
        if (state_is_facet(e->kind) && e->value != 0 && !exists(c, "facets", e->value))
            tell(c, "run %lld: names facet %lld, which is not there", id, (long long)e->value);
    }
}

/* dataset, job, run */
static void look_at_edge(struct check *c, sqlite3_stmt *stmt)
{
    tell(c, "an edge of dataset %lld, job %lld, run %lld leads nowhere",
         (long long)sqlite3_column_int64(stmt, 0), (long long)sqlite3_column_int64(stmt, 1),
         (long long)sqlite3_column_int64(stmt, 2));
}

/* table, rowid, table that it names, number of the key */
static void look_at_key(struct check *c, sqlite3_stmt *stmt)
{
    if (c->is_unswept) /* nobody names the row itself: the next sweep goes on with it */
        return;
    tell(c, "row %lld of %s names one of %s that is not there",
         (long long)sqlite3_column_int64(stmt, 1), (const char *)sqlite3_column_text(stmt, 0),
         (const char *)sqlite3_column_text(stmt, 2));
}

static void note_unswept(struct check *c, sqlite3_stmt *stmt)
{
    c->is_unswept = sqlite3_column_int64(stmt, 0) > 0;
}

static void count_edges(struct check *c, sqlite3_stmt *stmt)
{
    c->found->edges = sqlite3_column_int64(stmt, 0);
}

static void tell_page(void *arg, int64_t page)
{
    tell(arg, "page %lld of the file is damaged: it has not the checksum that it was written with",
         (long long)page);
}

ol_status store_check(const char *path, store_problem *tell_one, void *arg, struct store_found *ret,
                      struct ol_error *err)
{
    static const struct {
        const char *sql;
        void (*look)(struct check *, sqlite3_stmt *);
    } parts[] = {
        {"PRAGMA integrity_check(100)", look_at_line},
        {"SELECT id, hash, text FROM texts", look_at_text},
        {"SELECT f.id, f.hash, t.text, f.body FROM facets f LEFT JOIN texts t ON t.id = f.head",
         look_at_facet},
        {"SELECT id, hash, data FROM events", look_at_event},
        {"SELECT id, uuid, state, status FROM runs", look_at_run},
        {"SELECT value FROM meta WHERE key = 'unswept'", note_unswept},
        {"PRAGMA foreign_key_check", look_at_key},
        {"SELECT count(*) FROM io", count_edges},
        {"SELECT dataset, job, run FROM io WHERE NOT EXISTS(SELECT 1 FROM datasets WHERE "
         "datasets.id = io.dataset) OR NOT EXISTS(SELECT 1 FROM jobs WHERE jobs.id = io.job) OR "
         "(run <> 0 AND NOT EXISTS(SELECT 1 FROM runs WHERE runs.id = io.run)) OR "
         "(version <> 0 AND NOT EXISTS(SELECT 1 FROM versions WHERE versions.id = io.version)) "
         "LIMIT 100",
         look_at_edge},
    };
    struct store *store = NULL;
    struct page_sums_found pages;
    *ret = (struct store_found){0};
    struct check c = {.tell = tell_one, .arg = arg, .found = ret, .err = err};
    /* Before SQLite has it open: closing the file once more would end its locks. */
    ol_status status = page_sums_check(path, tell_page, &c, &pages, err);
    if (status == OL_OK)
        status = store_open(path, STORE_READ, &store, err);
    if (status != OL_OK)
        return status;
    ret->pages = pages.pages;
    ret->unsummed = pages.unsummed;
    c.store = store;
    OL_IGNORE(sqlite3_exec(store->db, "BEGIN", NULL, NULL, NULL), "of one moment, where it can be");
    for (size_t i = 0; i < OL_COUNT(parts) && status == OL_OK; i++)
        status = each(&c, parts[i].sql, parts[i].look);
    int64_t lists = 0;
    if (status == OL_OK && store->schema >= 3) {
        struct ol_error why = {0};
        ol_status members = store_members_check(store, &lists, &why);
        if (members == OL_NOMEM)
            status = ol__error_set(err, OL_NOMEM, "store: out of memory");
        else if (members != OL_OK)
            tell(&c, "%s", why.message);
    }
    OL_IGNORE(sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL), "it only read");
    state_release(&c.state);
    store_close(store);
    return status;
}
