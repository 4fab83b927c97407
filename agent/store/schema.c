/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A file that is no store of ours, or one of a newer schema, is not changed by opening it.
 *  2. Making the schema, and each step of a migration, is one transaction: a crash leaves the old
 * or the new.
 *  3. The file is readable by its owner only, from its first moment. */
#include "db.h"
#include "page_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Schema 2: answers. */
#define ANSWERS                                                                                    \
    "CREATE TABLE answers(id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, "          \
    "at INTEGER NOT NULL, seen INTEGER NOT NULL, request INTEGER NOT NULL, provider INTEGER, "     \
    "trace INTEGER, provider_id TEXT, ids INTEGER REFERENCES texts, "                              \
    "head INTEGER REFERENCES texts, body TEXT NOT NULL);"                                          \
    "CREATE INDEX answers_run ON answers(run);"                                                    \
    "CREATE INDEX answers_request ON answers(request);"                                            \
    "CREATE INDEX answers_provider ON answers(provider) WHERE provider IS NOT NULL;"               \
    "CREATE INDEX answers_trace ON answers(trace) WHERE trace IS NOT NULL;"

/* Schema 3: what a run tells of itself that questions look for, whatever its job is called; and the
 * kinds of answers a run gave, without reading each. */
#define MARKS                                                                                      \
    "CREATE TABLE marks(kind INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES runs, "             \
    "PRIMARY KEY(kind, run)) WITHOUT ROWID;"                                                       \
    "DROP INDEX answers_run; CREATE INDEX answers_run ON answers(run, ids);"

/* And members of artifacts, and documents of answers. */
#define MEMBERS                                                                                    \
    "CREATE TABLE lists(id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, count INTEGER NOT NULL, "    \
    "seen INTEGER NOT NULL, pieces BLOB);"                                                         \
    "CREATE UNIQUE INDEX lists_sha256 ON lists(sha256);"                                           \
    "CREATE INDEX lists_missing ON lists(id) WHERE pieces IS NULL;"                                \
    "CREATE TABLE artifacts(sha256 BLOB NOT NULL, list INTEGER NOT NULL REFERENCES lists, "        \
    "uid INTEGER NOT NULL, has_list INTEGER NOT NULL, PRIMARY KEY(sha256, list, uid)) "            \
    "WITHOUT ROWID;"                                                                               \
    "CREATE INDEX artifacts_list ON artifacts(list);"                                              \
    "CREATE TABLE pieces(id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, data BLOB NOT NULL);"       \
    "CREATE INDEX pieces_sum ON pieces(sum);"                                                      \
    "CREATE TABLE list_pieces(piece INTEGER NOT NULL REFERENCES pieces, "                          \
    "list INTEGER NOT NULL REFERENCES lists, PRIMARY KEY(piece, list)) WITHOUT ROWID;"             \
    "CREATE TABLE member_keys(key INTEGER NOT NULL, piece INTEGER NOT NULL REFERENCES pieces, "    \
    "PRIMARY KEY(key, piece)) WITHOUT ROWID;"                                                      \
    "CREATE TABLE answer_docs(doc INTEGER NOT NULL, answer INTEGER NOT NULL REFERENCES answers, "  \
    "PRIMARY KEY(doc, answer)) WITHOUT ROWID;"                                                     \
    "CREATE INDEX answer_docs_answer ON answer_docs(answer);"                                      \
    "CREATE TRIGGER answers_gone AFTER DELETE ON answers BEGIN "                                   \
    "DELETE FROM answer_docs WHERE answer = old.id; END;"
/* Answers of schema 2 have their documents in their facet only. */
#define ANSWER_JSON "coalesce(t.text, '') || a.body"
#define FILL_DOCS_OF(member)                                                                       \
    "INSERT OR IGNORE INTO answer_docs SELECT text_hash(doc.value), a.id FROM answers a "          \
    "LEFT JOIN texts t ON t.id = a.head, json_each(CASE WHEN json_valid(" ANSWER_JSON              \
    ") THEN " ANSWER_JSON " ELSE '{}' END, '$." member "') doc WHERE doc.type = 'text';"
#define FILL_DOCS FILL_DOCS_OF("retrieved") FILL_DOCS_OF("cited")

/* Runs by time, and of those the failed ones by themselves. */
#define TIMES                                                                                      \
    "CREATE INDEX runs_born ON runs(born);"                                                        \
    "CREATE INDEX runs_failed ON runs(born) WHERE status IN (3, 4);"
/* Datasets that their own events say are approved or deployed (pins.c). */
#define PINS "CREATE TABLE pins(dataset INTEGER PRIMARY KEY REFERENCES datasets);"
#define SCHEMA_3 MARKS MEMBERS TIMES PINS

/* Schema 4: facets and versions are found by less, and facets by many at a time (facet_index.c). */
#define SCHEMA_4                                                                                   \
    "CREATE TABLE facet_keys(key INTEGER NOT NULL, facet INTEGER NOT NULL REFERENCES facets, "     \
    "PRIMARY KEY(key, facet)) WITHOUT ROWID;"                                                      \
    "CREATE TRIGGER facets_gone AFTER DELETE ON facets BEGIN "                                     \
    "DELETE FROM facet_keys WHERE key = old.hash >> 32 AND facet = old.id; END;"                   \
    "CREATE INDEX versions_key ON versions(" VERSION_KEY(value) ", dataset);"
#define FILL_KEYS                                                                                  \
    "INSERT INTO facet_keys SELECT hash >> 32, id FROM facets ORDER BY hash, id;"                  \
    "INSERT INTO meta SELECT 'facet_keys', ifnull(max(id), 0) FROM facets;"                        \
    "DROP INDEX facets_hash; DROP INDEX versions_value;"

/* From schema n to n + 1, at [n]. */
static const char *const steps[STORE_SCHEMA_VERSION] = {
    [1] = ANSWERS, [2] = SCHEMA_3 FILL_DOCS, [3] = SCHEMA_4 FILL_KEYS};

/* What every table is for: SCHEMA.md. */
static const char ddl[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE cursors(spool BLOB PRIMARY KEY, seq INTEGER NOT NULL, moved INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "CREATE TABLE gaps(spool BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
    "found INTEGER NOT NULL, PRIMARY KEY(spool, first)) WITHOUT ROWID;"
    "CREATE TABLE texts(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX texts_hash ON texts(hash);"
    "CREATE TABLE facets(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, "
    "head INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE TABLE jobs(id INTEGER PRIMARY KEY, name TEXT NOT NULL, "
    "namespace INTEGER NOT NULL REFERENCES texts, type INTEGER REFERENCES texts, uid INTEGER, "
    "seen INTEGER, state BLOB);"
    "CREATE UNIQUE INDEX jobs_name ON jobs(name, namespace);"
    "CREATE TABLE datasets(id INTEGER PRIMARY KEY, name TEXT NOT NULL, "
    "namespace INTEGER NOT NULL REFERENCES texts, type INTEGER REFERENCES texts, uid INTEGER, "
    "seen INTEGER, state BLOB);"
    "CREATE UNIQUE INDEX datasets_name ON datasets(name, namespace);"
    "CREATE TABLE versions(id INTEGER PRIMARY KEY, dataset INTEGER NOT NULL REFERENCES datasets, "
    "value NOT NULL, born INTEGER NOT NULL);"
    "CREATE TABLE runs(id INTEGER PRIMARY KEY, uuid BLOB NOT NULL, text TEXT, "
    "job INTEGER NOT NULL REFERENCES jobs, status INTEGER NOT NULL, flags INTEGER NOT NULL, "
    "born INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER, last INTEGER NOT NULL, "
    "seen_day INTEGER NOT NULL, seen INTEGER NOT NULL, uid INTEGER NOT NULL, "
    "parent INTEGER REFERENCES runs, root INTEGER REFERENCES runs, "
    "producer INTEGER REFERENCES texts, engine INTEGER REFERENCES texts, "
    "error INTEGER REFERENCES texts, events INTEGER NOT NULL, state BLOB);"
    "CREATE UNIQUE INDEX runs_uuid ON runs(uuid);"
    "CREATE INDEX runs_job ON runs(job, born);"
    "CREATE INDEX runs_seen ON runs(seen_day);"
    "CREATE INDEX runs_status ON runs(status) WHERE status <> 2;"
    "CREATE INDEX runs_parent ON runs(parent) WHERE parent IS NOT NULL;"
    "CREATE INDEX runs_root ON runs(root) WHERE root IS NOT NULL;"
    "CREATE TABLE io(dataset INTEGER NOT NULL REFERENCES datasets, side INTEGER NOT NULL, "
    "job INTEGER NOT NULL REFERENCES jobs, at INTEGER NOT NULL, run INTEGER NOT NULL, "
    "version INTEGER NOT NULL, PRIMARY KEY(dataset, side, job, at, run, version)) WITHOUT ROWID;"
    "CREATE INDEX io_version ON io(version, dataset, side, job, at, run);"
    "CREATE TABLE ids(value INTEGER NOT NULL REFERENCES texts, key INTEGER NOT NULL REFERENCES "
    "texts, run INTEGER NOT NULL REFERENCES runs, PRIMARY KEY(value, run, key)) WITHOUT ROWID;"
    "CREATE TABLE events(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, hash INTEGER NOT NULL, "
    "data TEXT NOT NULL);"
    "CREATE INDEX events_run ON events(run);"
    "CREATE INDEX events_hash ON events(hash);" ANSWERS SCHEMA_3 SCHEMA_4;

static ol_status execute(struct store *store, const char *sql, struct ol_error *err)
{
    int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? OL_OK : store_db_error(store, code, "set up", err);
}

static ol_status query_int(struct store *store, const char *sql, int64_t *ret, struct ol_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    ol_status status = OL_OK;
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    else
        status = store_db_error(store, code, "look at the file", err);
    sqlite3_finalize(stmt);
    return status;
}

static ol_status make(struct store *store, struct ol_error *err)
{
    char sql[256];
    uint64_t seed = 0;
    ol__random(&seed, sizeof seed);
    ol_status status = execute(store,
                               "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                               "BEGIN IMMEDIATE;",
                               err);
    if (status != OL_OK)
        return status;
    int64_t tables = 0; /* another process may have made it since we looked */
    status = query_int(store, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (status == OL_OK && tables > 0)
        return execute(store, "ROLLBACK", err);
    sqlite3_snprintf(sizeof sql, sql,
                     "PRAGMA application_id = %d; PRAGMA user_version = %d;"
                     "INSERT INTO meta VALUES('writer', 'lineaged ' || '%q'), ('hash_seed', %lld);"
                     "COMMIT;",
                     STORE_APPLICATION_ID, STORE_SCHEMA_VERSION, OL_VERSION, (long long)seed);
    if (status == OL_OK)
        status = execute(store, ddl, err);
    if (status == OL_OK)
        status = execute(store, sql, err); /* promise 2 */
    if (status != OL_OK)
        OL_IGNORE(sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL), "the first error counts");
    return status;
}

static ol_status refuse_newer(struct store *store, int64_t version, struct ol_error *err)
{
    char writer[64] = "an unknown version";
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE key = 'writer'", -1, &stmt,
                           NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
        sqlite3_snprintf(sizeof writer, writer, "%s", sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return ol__error_set(err, OL_VERSION_NEWER,
                         "store '%s': schema %lld, written by %s; this is lineaged %s, which knows "
                         "schemas up to %d",
                         store->path, (long long)version, writer, OL_VERSION, STORE_SCHEMA_VERSION);
}

static ol_status check(struct store *store, struct ol_error *err)
{
    int64_t version = 0, application = 0, seed = 0;
    ol_status status = query_int(store, "PRAGMA user_version", &version, err);
    if (status == OL_OK)
        status = query_int(store, "PRAGMA application_id", &application, err);
    if (status != OL_OK)
        return status;
    if (application != STORE_APPLICATION_ID)
        return ol__error_set(err, OL_CORRUPT, "'%s' is a database, but no store of lineaged",
                             store->path);
    if (version > STORE_SCHEMA_VERSION)
        return refuse_newer(store, version, err);
    if (version < 1)
        return ol__error_set(err, OL_CORRUPT, "store '%s': schema version %lld", store->path,
                             (long long)version);
    store->schema = version;
    status = query_int(store, "SELECT value FROM meta WHERE key = 'hash_seed'", &seed, err);
    if (status == OL_OK)
        store->hash_seed = (uint64_t)seed;
    return status;
}

/* text_hash(TEXT): what texts are found by, for steps that fill tables. */
static void text_hash(sqlite3_context *context, int count OL_UNUSED, sqlite3_value **values)
{
    const void *data = sqlite3_value_blob(values[0]);
    size_t size = (size_t)sqlite3_value_bytes(values[0]);
    sqlite3_result_int64(context,
                         dict_text_hash(sqlite3_user_data(context), (struct ol__span){data, size}));
}

/* Promise 2. A reader takes an older file as it is. */
static ol_status migrate(struct store *store, struct ol_error *err)
{
    char sql[256];
    ol_status status = OL_OK;
    if (store->mode == STORE_WRITE && store->schema < STORE_SCHEMA_VERSION &&
        sqlite3_create_function(store->db, "text_hash", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, store,
                                text_hash, NULL, NULL) != SQLITE_OK)
        return ol__error_set(err, OL_NOMEM, "store '%s': out of memory", store->path);
    while (store->mode == STORE_WRITE && store->schema < STORE_SCHEMA_VERSION && status == OL_OK) {
        int64_t there = 0;
        status = execute(store, "BEGIN IMMEDIATE", err);
        if (status != OL_OK)
            return status;
        status = query_int(store, "PRAGMA user_version", &there, err);
        sqlite3_snprintf(sizeof sql, sql,
                         "PRAGMA user_version = %lld;"
                         "UPDATE meta SET value = 'lineaged ' || '%q' WHERE key = 'writer';",
                         (long long)there + 1, OL_VERSION);
        if (status == OL_OK && there == store->schema) { /* else another process was here */
            status = execute(store, steps[there], err);
            if (status == OL_OK)
                status = execute(store, sql, err);
            there++;
        }
        if (status == OL_OK)
            status = execute(store, "COMMIT", err);
        if (status == OL_OK)
            store->schema = there;
        else
            OL_IGNORE(sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL),
                      "the first error counts");
    }
    return status;
}

/* Promise 3; SQLite gives its -wal and -shm files the mode of the database. */
static ol_status touch(struct store *store, struct ol_error *err)
{
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "store '%s': open", store->path);
    close(fd);
    return OL_OK;
}

/* Nobody asks SQLite how much memory it has; to count costs a lock at each allocation. Refused
 * where something of this process has used SQLite before: then it counts. */
static void configure(void)
{
    OL_IGNORE(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0), "it works either way");
}

static ol_status open_file(struct store *store, struct ol_error *err)
{
    static pthread_once_t is_configured = PTHREAD_ONCE_INIT;
    struct stat st;
    OL_IGNORE(pthread_once(&is_configured, configure), "it works either way");
    if (store->mode == STORE_WRITE) {
        ol_status status = touch(store, err);
        if (status != OL_OK)
            return status;
    } else if (stat(store->path, &st) != 0) {
        return ol__error_set_errno(err, errno, "store '%s'", store->path);
    }
    int flags = store->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if (!page_sums_register())
        return ol__error_set(err, OL_NOMEM, "store '%s': out of memory", store->path);
    int code = sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_NOMUTEX, PAGE_SUMS_VFS);
    if (store->db == NULL)
        return ol__error_set(err, OL_NOMEM, "store '%s': out of memory", store->path);
    OL_IGNORE(sqlite3_extended_result_codes(store->db, 1), "cannot fail on an open handle");
    if (code != SQLITE_OK)
        return store_db_error(store, code, "open", err);
    OL_IGNORE(sqlite3_busy_timeout(store->db, 5000), "cannot fail on an open handle");
    page_sums_want(store->db);
    return OL_OK;
}

ol_status schema_open(struct store *store, struct ol_error *err)
{
    int64_t tables = 0;
    ol_status status = open_file(store, err);
    if (status == OL_OK)
        status = query_int(store, "SELECT count(*) FROM sqlite_master", &tables, err);
    if (status != OL_OK)
        return status;
    if (tables == 0 && store->mode == STORE_READ)
        return ol__error_set(err, OL_NOT_FOUND, "store '%s': empty", store->path);
    if (tables == 0)
        status = make(store, err);
    if (status == OL_OK)
        status = check(store, err); /* promise 1: before any setting that writes */
    if (status == OL_OK)
        status = migrate(store, err);
    if (status == OL_OK)
        status = damage_open(store, err);
    if (status != OL_OK)
        return status;
    /* FULL: SCHEMA.md "Durability". Foreign keys are kept by the code and checked by the tests. */
    return execute(store,
                   store->mode == STORE_WRITE
                       ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "PRAGMA cache_size = -6000; PRAGMA cell_size_check = ON;"
                         "PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY;"
                       : "PRAGMA cache_size = -8000; PRAGMA cell_size_check = ON;"
                         "PRAGMA temp_store = MEMORY; PRAGMA query_only = ON;",
                   err);
}
