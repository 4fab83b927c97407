/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DB_H
#define STORE_DB_H
/** @file
 * What the files of this room share: the open database, its prepared statements, and the
 * dictionaries that turn names, texts and facets into small numbers. Nothing here leaves the room.
 * Threads: one per store.
 */
#include <sqlite3.h>
#include "damage.h"
#include "sql.h"
#include "state.h"
#include "store.h"

#define STORE_APPLICATION_ID 0x6c6e6167 /* "lnag": the file is a store of ours */
#define STORE_UID_UNKNOWN ((int64_t)-1) /* runs.uid, jobs.uid, datasets.uid */

/* Slots of the cache of ids; 2 MiB that stay untouched, hence not resident, in a small store. */
#define CACHE_SLOTS (1u << 16)

struct cache_slot {
    uint64_t low, high; /* 128 bits of seeded XXH3: equal means the same thing */
    int64_t id;         /* 0: empty */
};

struct sweep;       /* sweep.c */
struct facet_index; /* facet_index.c */
struct pins;        /* pins.c */
struct expiry;      /* expire.c */

struct store {
    sqlite3 *db;
    char *path;
    enum store_mode mode;
    int lock_fd; /* -1: none, or it is the caller's */
    bool in_transaction;
    int64_t data_version; /* as SQLite counts what other connections commit; 0: not known */
    int64_t schema;       /* of the file; a reader may have an older one before it */
    uint64_t hash_seed;   /* drawn when the file was made: nobody outside can craft equal hashes */
    sqlite3_stmt *statements[SQL_COUNT];
    int64_t first[SQL_COUNT]; /* the first value bound to each, if it is a number */
    struct damage damage;
    struct cache_slot *cache;        /* writers only */
    struct facet_index *facet_index; /* NULL: no facet was looked for yet */
    struct ol__event_reader *reader;
    struct ol__json_reader *json;
    struct gather *gather; /* scratch of ingest.c */
    struct sweep *sweep;   /* NULL: none is under way */
    int members_open;      /* lists on their way in: their pieces have no list yet */
    struct pins *pins;     /* NULL: not known what is pinned */
    struct expiry *expiry; /* NULL: nothing expired yet */
};

/** Make or check the schema (schema.c). @return as store_open(). */
OL_NODISCARD ol_status schema_open(struct store *store, struct ol_error *err);

/** What SQLite said, as an outcome, with its text and @p what in @p err. */
ol_status store_db_error(struct store *store, int code, const char *what, struct ol_error *err);

/** The statement, reset, with values bound: each letter of @p types takes one argument: i int64_t;
 * n int64_t, 0 is NULL; t struct ol__span as text; u the same, empty is NULL; b struct ol__span as
 * bytes, empty is NULL. Spans are borrowed until the statement is reset. NULL on failure, with @p
 * err. */
sqlite3_stmt *store_bind(struct store *store, enum store_sql sql, struct ol_error *err,
                         const char *types, ...);
/** Step. @return OL_OK: a row; OL_END: none, and the statement is reset; or a failure, likewise
 * reset. */
OL_NODISCARD ol_status store_step(struct store *store, sqlite3_stmt *stmt, struct ol_error *err);
/** Bind as store_bind(), step to the end. */
OL_NODISCARD ol_status store_run(struct store *store, enum store_sql sql, struct ol_error *err,
                                 const char *types, ...);
/** A column as a span, borrowed until the statement moves. */
struct ol__span store_column(sqlite3_stmt *stmt, int column);

/* ---- Dictionaries (dict.c): the id of a thing, adding it if it is new. Only inside a transaction.
 * ---- */
OL_NODISCARD ol_status dict_text(struct store *store, struct ol__span text, int64_t *ret,
                                 struct ol_error *err);
OL_NODISCARD ol_status dict_job(struct store *store, struct ol__span name_space,
                                struct ol__span name, int64_t *ret, struct ol_error *err);
OL_NODISCARD ol_status dict_dataset(struct store *store, struct ol__span name_space,
                                    struct ol__span name, int64_t *ret, struct ol_error *err);
OL_NODISCARD ol_status dict_version(struct store *store, int64_t dataset, struct ol__span value,
                                    int64_t born, int64_t *ret, struct ol_error *err);
/** The type of a job, as its last event said. */
OL_NODISCARD ol_status dict_job_type(struct store *store, int64_t job, struct ol__span text,
                                     struct ol_error *err);
OL_NODISCARD ol_status dict_facet(struct store *store, struct ol__span json, int64_t *ret,
                                  struct ol_error *err);
/** Bytes of a facet's head, `_producer` and `_schemaURL`, which thousands of facets share. */
size_t dict_facet_head(struct ol__span json);
/** The hash that a facet of these parts is found by; a check. */
int64_t dict_facet_hash(const struct store *store, struct ol__span head, struct ol__span body);
/** Forget all cached ids: after a rollback they may never have been. */
void dict_forget(struct store *store);
/** The hash that texts are found by. */
int64_t dict_text_hash(const struct store *store, struct ol__span text);

/** "sha256:" and 64 lower-case digits become 32 bytes in @p bytes, true; anything else stays text,
 * false. */
bool version_pack(struct ol__span value, uint8_t bytes[32]);
/** The text of a version column back, into @p out. */
ol_status version_unpack(sqlite3_stmt *stmt, int column, struct ol__buf *out);

/* ---- A row of runs ---- */
enum run_status { RUN_NEW, RUN_RUNNING, RUN_COMPLETE, RUN_FAIL, RUN_ABORT };
enum run_flag { RUN_INFERRED = 1, RUN_HAS_START = 2 };
/* marks.kind: the run has such a facet */
enum run_mark { MARK_APPROVAL = 1, MARK_DEPLOYMENT = 2, MARK_CALL = 3 };
struct run_row {
    int64_t id; /* 0: not in the table */
    struct ol__uuid uuid;
    int64_t job, status, flags;
    int64_t born; /* time of the first event taken of it; edges are filed under it; never changes */
    int64_t started, ended, last; /* event times; ended 0: has none */
    int64_t seen_day, seen;       /* when its last event was taken */
    int64_t uid;
    int64_t parent, root, producer, engine, error; /* 0: none */
    int64_t events;
};
/** Fill @p ret from a statement with all columns of runs. @p ret_text, @p ret_state (may be NULL):
 * borrowed. */
void run_row_read(sqlite3_stmt *stmt, struct run_row *ret, struct ol__span *ret_text,
                  struct ol__span *ret_state);
const char *run_status_name(int64_t status);
/** The 16 bytes a run is found by: the UUID, or what stands for another id. */
struct ol__uuid run_uuid(struct ol__span run_id);

/* ---- By which content a facet is found (facet_index.c) ---- */
/** Forget what is in memory: after a rollback it may never have been, after a sweep it may be gone.
 */
void facet_index_free(struct store *store);

/* ---- Scratch of an ingest (ingest.c) ---- */
void gather_free(struct gather *gather);
void pins_free(struct pins *pins);
void expiry_free(struct expiry *expiry);
/* ---- Sweeping (sweep.c) ---- */
void sweep_free(struct sweep *sweep);
/** While a sweep is under way, what @p state names must not go. */
void sweep_mark_state(struct sweep *sweep, const struct state *state);
void sweep_mark_id(struct sweep *sweep, enum store_sql kind, int64_t id);
#endif
