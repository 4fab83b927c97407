/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMPORT_MLMD_H
#define IMPORT_MLMD_H
/** @file What the reader of ML Metadata's database and the writer of its events share.
 * Threads: main only. */
#include <sqlite3.h>
#include "ids.h"
#include "import.h"
#include "json_write.h"

#define MLMD_TEXT_MAX 1024   /* of names */
#define MLMD_CONTEXTS_MAX 64 /* of one execution or artifact */

enum mlmd_query {
    MLMD_EXECUTIONS,
    MLMD_ARTIFACTS, /* that no event names */
    MLMD_INPUTS,
    MLMD_OUTPUTS,
    MLMD_OTHER_EVENTS,
    MLMD_EXECUTION_PROPERTIES,
    MLMD_ARTIFACT_PROPERTIES,
    MLMD_CONTEXT_PROPERTIES,
    MLMD_EXECUTION_CONTEXTS,
    MLMD_ARTIFACT_CONTEXTS,
    MLMD_PARENT_CONTEXTS,
    MLMD_QUERY_COUNT,
};

enum mlmd_context_kind { MLMD_OTHER, MLMD_PIPELINE, MLMD_RUN, MLMD_NODE };
struct mlmd_context {
    int64_t id, created;
    enum mlmd_context_kind kind;
    char name[MLMD_TEXT_MAX], type[MLMD_TEXT_MAX];
};
struct mlmd {
    struct import *im;
    const char *path;
    sqlite3 *db;
    sqlite3_stmt *queries[MLMD_QUERY_COUNT];
    bool has_booleans;               /* the schema has bool_value */
    char identity[OL_UUID_TEXT + 1]; /* of the database */
    char job_namespace[MLMD_TEXT_MAX];
    char producer[96];
    struct ol__buf line, value;
    struct ol__json_writer w;
    struct mlmd_context contexts[MLMD_CONTEXTS_MAX];
    size_t context_count;
};
struct mlmd_execution {
    int64_t id, state, created, updated;
    char name[MLMD_TEXT_MAX], type[MLMD_TEXT_MAX];
};
struct mlmd_artifact {
    int64_t id, created;
    const char *uri, *name, *type, *base; /* borrowed from the row; NULL: none */
};

/** Begin a query for @p id (0: of all), then a row at a time.
 *  @return OL_OK: a row; OL_END; OL_CORRUPT, OL_IO: err names the table. */
sqlite3_stmt *mlmd_begin(struct mlmd *m, enum mlmd_query query, int64_t id);
OL_NODISCARD ol_status mlmd_next(struct mlmd *m, enum mlmd_query query, struct ol_error *err);
/** A whole number, or a text of at most @p max bytes; what is none is said, with table, @p id and
 * column. NULL where @p is_optional: 0, or NULL. @return whether it is one. */
bool mlmd_int(struct mlmd *m, enum mlmd_query query, int column, int64_t id, bool is_optional,
              int64_t *ret);
bool mlmd_text(struct mlmd *m, enum mlmd_query query, int column, int64_t id, size_t max,
               bool is_optional, const char **ret);
/** An event is finished in m->line: hand it over; one that is too large is said. */
OL_NODISCARD ol_status mlmd_hand_over(struct mlmd *m, const char *table, int64_t id,
                                      struct ol_error *err);
/** An artifact from the row of a query that has its columns from @p column on. @return whether it
 * is whole; if not, that was said. */
bool mlmd_read_artifact(struct mlmd *m, enum mlmd_query query, int column,
                        struct mlmd_artifact *ret);
/** m->contexts: those of an execution or an artifact. */
OL_NODISCARD ol_status mlmd_read_contexts(struct mlmd *m, enum mlmd_query query, int64_t id,
                                          struct ol_error *err);
/** The lowest parent of @p kind. @return OL_OK, OL_END: none; as mlmd_next(). */
OL_NODISCARD ol_status mlmd_parent(struct mlmd *m, int64_t id, enum mlmd_context_kind kind,
                                   struct mlmd_context *ret, struct ol_error *err);

/** The events of an execution, whose contexts are read. @return as import_event(). */
OL_NODISCARD ol_status mlmd_emit_execution(struct mlmd *m, const struct mlmd_execution *e,
                                           struct ol_error *err);
/** An artifact that no execution read or wrote. @return as import_event(). */
OL_NODISCARD ol_status mlmd_emit_artifact(struct mlmd *m, const struct mlmd_artifact *a,
                                          struct ol_error *err);
#endif
