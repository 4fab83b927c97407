/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Events and the cursor that says they are in the store become durable together or not at all
 *     (synchronous=FULL): after store_commit() the spool may let go of them.
 *  2. After a commit that failed nothing in memory is believed: store_open() folds the log into the
 * file anew (what a failed sync left in the log may be in the page cache only) before the cursor is
 * read.
 *  3. One process of ours writes at a time (store_lock.h). Should another program have written all
 * the same, nothing remembered of the file is believed from the next transaction on. */
#include "db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "page_sums.h"
#include "retention.h"
#include "store_lock.h"
#include "times.h"

#define WAL_MAX_PAGES 4096
#define LOCK_WAIT_MS 200 /* callers try again */

ol_status store_db_error(struct store *store, int code, const char *what, struct ol_error *err)
{
    ol_status status = OL_IO;
    switch (code & 0xff) {
    case SQLITE_FULL:
        status = OL_FULL;
        break;
    case SQLITE_NOMEM:
        status = OL_NOMEM;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* our own code keeps them: the file cannot be what it should be */
        status = OL_CORRUPT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = OL_BUSY;
        break;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        status = OL_DENIED;
        break;
    default:
        break;
    }
    if (code == SQLITE_IOERR_NOMEM)
        status = OL_NOMEM;
    if (code == PAGE_SUM_WRONG)
        return ol__error_set(err, OL_CORRUPT,
                             "store '%s': %s: page %lld of the file is damaged: it has not the "
                             "checksum that it was written with",
                             store->path, what, (long long)page_sums_wrong(store->db));
    /* Of the index of the log it says no more than "I/O error". */
    if ((code & 0xff) == SQLITE_IOERR && store->db != NULL &&
        sqlite3_system_errno(store->db) == ENOSPC)
        status = OL_FULL;
    ol__error_set(err, status, "store '%s': %s: %s (SQLite %d)", store->path, what,
                  store->db != NULL ? sqlite3_errmsg(store->db) : sqlite3_errstr(code), code);
    if (err != NULL && store->db != NULL)
        err->sys_errno = sqlite3_system_errno(store->db);
    if (err != NULL && status == OL_IO)
        err->is_retryable = true;
    return status;
}

/* ---- Statements ---- */

static int bind_one(sqlite3_stmt *stmt, int at, char type, va_list *args)
{
    if (type == 'i' || type == 'n') {
        int64_t value = va_arg(*args, int64_t);
        return type == 'n' && value == 0 ? sqlite3_bind_null(stmt, at)
                                         : sqlite3_bind_int64(stmt, at, value);
    }
    struct ol__span span = va_arg(*args, struct ol__span);
    if (span.size == 0)
        return type == 't' ? sqlite3_bind_text(stmt, at, "", 0, SQLITE_STATIC)
                           : sqlite3_bind_null(stmt, at);
    return type != 'b'
               ? sqlite3_bind_text64(stmt, at, span.data, span.size, SQLITE_STATIC, SQLITE_UTF8)
               : sqlite3_bind_blob64(stmt, at, span.data, span.size, SQLITE_STATIC);
}

static sqlite3_stmt *bind_list(struct store *store, enum store_sql sql, struct ol_error *err,
                               const char *types, va_list *args)
{
    int code = SQLITE_OK;
    if (store->statements[sql] == NULL)
        code = sqlite3_prepare_v3(store->db, store_sql_texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                  &store->statements[sql], NULL);
    else
        sqlite3_reset(store->statements[sql]);
    sqlite3_stmt *stmt = store->statements[sql];
    if (types[0] == 'i') {
        va_list copy;
        va_copy(copy, *args);
        store->first[sql] = va_arg(copy, int64_t);
        va_end(copy);
    }
    for (int i = 0; code == SQLITE_OK && types[i] != '\0'; i++)
        code = bind_one(stmt, i + 1, types[i], args);
    if (code == SQLITE_OK)
        return stmt;
    store_db_error(store, code, "prepare", err);
    return NULL;
}

sqlite3_stmt *store_bind(struct store *store, enum store_sql sql, struct ol_error *err,
                         const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *stmt = bind_list(store, sql, err, types, &args);
    va_end(args);
    return stmt;
}

/* store_bind() gave NULL and filled err; find out why again for those without err. */
static ol_status bind_failure(struct store *store, struct ol_error *err)
{
    int code = sqlite3_errcode(store->db);
    return store_db_error(store, code == SQLITE_OK ? SQLITE_NOMEM : code, "prepare", err);
}

ol_status store_step(struct store *store, sqlite3_stmt *stmt, struct ol_error *err)
{
    if (stmt == NULL)
        return bind_failure(store, err);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return OL_OK;
    if (code == SQLITE_DONE) {
        damage_note_missing(store, stmt);
        sqlite3_reset(stmt);
        return OL_END;
    }
    if (code == PAGE_SUM_WRONG && store->damage.is_noted) { /* what is on it is left out */
        damage_note(store, "pages", page_sums_wrong(store->db));
        sqlite3_reset(stmt);
        return OL_END;
    }
    ol_status status =
        store_db_error(store, code, store->mode == STORE_WRITE ? "write" : "read", err);
    sqlite3_reset(stmt);
    return status;
}

ol_status store_run(struct store *store, enum store_sql sql, struct ol_error *err,
                    const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *stmt = bind_list(store, sql, err, types, &args);
    va_end(args);
    ol_status status;
    do
        status = store_step(store, stmt, err);
    while (status == OL_OK);
    return status == OL_END ? OL_OK : status;
}

struct ol__span store_column(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column); /* of TEXT: its bytes */
    return (struct ol__span){.data = data, .size = (size_t)sqlite3_column_bytes(stmt, column)};
}

/* ---- Open and close ---- */

static ol_status open_store(const char *path, enum store_mode mode, bool is_held,
                            struct store **ret, struct ol_error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return ol__error_set(err, OL_NOMEM, "store '%s': out of memory", path);
    store->mode = mode;
    store->lock_fd = -1;
    store->path = strdup(path);
    if (mode == STORE_WRITE)
        store->cache = calloc(CACHE_SLOTS, sizeof *store->cache);
    ol_status status = OL_OK;
    if (store->path == NULL || (mode == STORE_WRITE && store->cache == NULL))
        status = ol__error_set(err, OL_NOMEM, "store '%s': out of memory", path);
    if (status == OL_OK && !is_held) /* promise 3 */
        status = store_lock(path, mode == STORE_WRITE ? STORE_HOLD_WRITE : STORE_HOLD_READ,
                            LOCK_WAIT_MS, &store->lock_fd, err);
    if (status == OL_OK)
        status = schema_open(store, err);
    if (status == OL_OK && mode == STORE_WRITE)
        status = ol__event_reader_new(&store->reader, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&store->json, err);
    if (status == OL_OK &&
        mode == STORE_WRITE) { /* promise 2; readers of another process may be in it */
        int code =
            sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
            status = store_db_error(store, code, "fold the log in", err);
    }
    if (status != OL_OK) {
        store_close(store);
        return status;
    }
    *ret = store;
    return OL_OK;
}

ol_status store_open(const char *path, enum store_mode mode, struct store **ret,
                     struct ol_error *err)
{
    return open_store(path, mode, false, ret, err);
}

ol_status store_open_held(const char *path, enum store_mode mode, struct store **ret,
                          struct ol_error *err)
{
    return open_store(path, mode, true, ret, err);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->in_transaction)
        store_rollback(store);
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    if (store->db != NULL)
        OL_IGNORE(sqlite3_close(store->db), "all statements are finalized");
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    ol__event_reader_free(store->reader);
    ol__json_reader_free(store->json);
    gather_free(store->gather);
    facet_index_free(store);
    sweep_free(store->sweep);
    pins_free(store->pins);
    expiry_free(store->expiry);
    free(store->cache);
    free(store->path);
    free(store);
}

/* ---- Transactions ---- */

static struct ol__span uuid_span(const struct ol__uuid *uuid)
{
    return (struct ol__span){.data = (const char *)uuid->bytes, .size = sizeof uuid->bytes};
}

ol_status store_cursor(struct store *store, const struct ol__uuid *uuid, uint64_t *ret_seq,
                       struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, SQL_CURSOR_GET, err, "b", uuid_span(uuid));
    ol_status status = store_step(store, stmt, err);
    if (status < 0)
        return status;
    *ret_seq = status == OL_OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return OL_OK;
}

/* Promise 3. */
static ol_status forget_if_changed(struct store *store, struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, SQL_DATA_VERSION, err, "");
    ol_status status = store_step(store, stmt, err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    int64_t version = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (store->data_version != 0 && store->data_version != version) {
        dict_forget(store);
        facet_index_free(store);
        pins_free(store->pins);
        store->pins = NULL;
        sweep_free(store->sweep);
        store->sweep = NULL;
        store_expire_restart(store);
    }
    store->data_version = version;
    return OL_OK;
}

ol_status store_begin(struct store *store, struct ol_error *err)
{
    assert(!store->in_transaction);
    ol_status status = store_run(store, SQL_BEGIN, err, "");
    store->in_transaction = status == OL_OK;
    if (status == OL_OK)
        status = forget_if_changed(store, err);
    if (status != OL_OK)
        store_rollback(store);
    return status;
}

ol_status store_gap(struct store *store, const struct ol__uuid *uuid, uint64_t first, uint64_t last,
                    struct ol_error *err)
{
    return store_run(store, SQL_GAP_ADD, err, "biii", uuid_span(uuid), (int64_t)first,
                     (int64_t)last, ol__time_now_ms());
}

/* What SQLite would do by itself at 1,000 pages, but looking at the result. */
static ol_status checkpoint(struct store *store, struct ol_error *err)
{
    int pages = 0, done = 0;
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        return OL_OK; /* a reader holds the rest: next time */
    return store_db_error(store, code, "fold the log in", err);
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    *(int *)arg = pages;
    return SQLITE_OK;
}

ol_status store_commit(struct store *store, const struct ol__uuid *uuid, uint64_t seq,
                       struct ol_error *err)
{
    assert(store->in_transaction);
    int wal_pages = 0;
    ol_status status = OL_OK;
    if (uuid != NULL)
        status = store_run(store, SQL_CURSOR_SET, err, "bii", uuid_span(uuid), (int64_t)seq,
                           ol__time_now_ms());
    OL_CRASHPOINT("store.before_commit");
    sqlite3_wal_hook(store->db, on_wal, &wal_pages);
    if (status == OL_OK)
        status = store_run(store, SQL_COMMIT, err, "");
    sqlite3_wal_hook(store->db, NULL, NULL);
    if (status != OL_OK) {
        store_rollback(store);
        return status;
    }
    store->in_transaction = false;
    OL_CRASHPOINT("store.committed");
    status = wal_pages > WAL_MAX_PAGES ? checkpoint(store, err) : OL_OK;
    OL_CRASHPOINT("store.folded");
    return status;
}

void store_rollback(struct store *store)
{
    if (!store->in_transaction)
        return;
    store->in_transaction = false;
    OL_IGNORE(store_run(store, SQL_ROLLBACK, NULL, ""),
              "SQLite rolls back by itself on some errors; then there is nothing to do");
    dict_forget(store);
    facet_index_free(store);
}
