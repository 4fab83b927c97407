/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H
/* A store in a directory of its own, events written with ' for ", and its rows as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ids.h"
#include "page_sums.h"
#include "store.h"

#define NOW INT64_C(1795251600000) /* 2026-11-21T09:00:00Z */
static const struct ol__uuid spool_a = {{0xaa, 1}};
static const struct ol__uuid spool_b = {{0xbb, 2}};

static char fixture_directory[64], fixture_path[96];

static inline int fixture_setup(void **state)
{
    (void)state;
    /* Thousands of syncs: in memory where that is possible. */
    snprintf(fixture_directory, sizeof fixture_directory, "%s/store-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(fixture_directory) == NULL)
        return -1;
    snprintf(fixture_path, sizeof fixture_path, "%s/lineage.db", fixture_directory);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", "-lock"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", fixture_path, ends[i]);
        unlink(name);
    }
    return rmdir(fixture_directory);
}

static inline struct store *fixture_open(enum store_mode mode)
{
    struct store *store = NULL;
    struct ol_error err = {0};
    if (store_open(fixture_path, mode, &store, &err) != OL_OK)
        fail_msg("%s", err.message);
    return store;
}

static inline char *fixture_quoted(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

/* Add one event inside a transaction. */
static inline ol_status fixture_add(struct store *store, const char *quoted, uint32_t uid,
                                    bool is_inferred, struct ol_error *err)
{
    char *text = fixture_quoted(quoted);
    struct store_event event = {
        .taken_ms = NOW, .uid = uid, .is_inferred = is_inferred, .data = ol__span_text(text)};
    ol_status status = store_add(store, &event, false, err);
    free(text);
    return status;
}

/* The file, for SQL beside the store; what is changed by it has the checksums of the store's own.
 */
static inline sqlite3 *fixture_database(void)
{
    sqlite3 *db = NULL;
    assert_true(page_sums_register());
    assert_int_equal(sqlite3_open_v2(fixture_path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                     PAGE_SUMS_VFS),
                     SQLITE_OK);
    return db;
}

/* All rows of a query: columns joined by |, rows by newline; "-" for NULL. Caller frees. */
static inline char *fixture_rows(const char *sql)
{
    sqlite3 *db = fixture_database();
    sqlite3_stmt *stmt = NULL;
    struct ol__buf out;
    ol__buf_init(&out, 1 << 24);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (out.size > 0)
            ol__buf_add_char(&out, '\n');
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            ol__buf_add_text(&out, i > 0 ? "|" : "");
            ol__buf_add_text(&out, text != NULL ? text : "-");
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    char *rows = ol__buf_take(&out);
    assert_non_null(rows);
    return rows;
}

static inline void fixture_expect(const char *sql, const char *expected)
{
    char *rows = fixture_rows(sql);
    assert_string_equal(rows, expected);
    free(rows);
}

/* The database as text that two ways of getting there can be compared by: names, not numbers. */
static inline char *fixture_graph(void)
{
    return fixture_rows(
        "SELECT 'run', hex(r.uuid), j.name, r.status, r.flags, r.started, r.ended, r.last, r.uid, "
        "hex(p.uuid), e.text FROM runs r JOIN jobs j ON j.id = r.job "
        "LEFT JOIN runs p ON p.id = r.parent LEFT JOIN texts e ON e.id = r.error UNION ALL "
        "SELECT 'io', hex(r.uuid), d.name, io.side, hex(v.value), j.name, n.text, '', '', '', '' "
        "FROM io JOIN datasets d ON d.id = io.dataset JOIN texts n ON n.id = d.namespace "
        "JOIN jobs j ON j.id = io.job LEFT JOIN runs r ON r.id = io.run "
        "LEFT JOIN versions v ON v.id = io.version UNION ALL "
        "SELECT 'id', hex(r.uuid), k.text, v.text, '', '', '', '', '', '', '' FROM ids "
        "JOIN texts k ON k.id = ids.key JOIN texts v ON v.id = ids.value "
        "JOIN runs r ON r.id = ids.run ORDER BY 1, 2, 3, 4, 5, 6");
}
#endif
