/* SPDX-License-Identifier: Apache-2.0 */
/* lineage import mlmd.db: the SQLite file of ML Metadata (TFX, Kubeflow Pipelines).
 * Promises:
 *  1. The file is only read, in one transaction; nothing of one that is damaged, incomplete or of
 *     a schema that is not known is imported.
 *  2. Ids of runs follow from the database (its first execution) and the execution, not from where
 *     the file is: the same again, or a copy, or a later state of it, speaks of the same runs.
 *  3. A row that does not hold what its column is for is said with table, id and column, and left
 *     out; the others go on. */
#include "import_mlmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "receipt/redact.h"
#include "spool_line.h"

#define OLDEST 6
#define NEWEST 10
#define URI_MAX 8192

static const struct ol__uuid name_space = {{0x24, 0x91, 0x57, 0x94, 0xa2, 0xb0, 0x47, 0x4b, 0x8a,
                                            0x45, 0x39, 0xfe, 0xb7, 0x5b, 0x30, 0xce}};

/* What is needed, as version 6 has it. */
static const char *const columns[][2] = {
    {"Type", "id"},
    {"Type", "name"},
    {"ParentType", "type_id"},
    {"ParentType", "parent_type_id"},
    {"Artifact", "id"},
    {"Artifact", "type_id"},
    {"Artifact", "uri"},
    {"Artifact", "name"},
    {"Artifact", "create_time_since_epoch"},
    {"Execution", "id"},
    {"Execution", "type_id"},
    {"Execution", "last_known_state"},
    {"Execution", "name"},
    {"Execution", "create_time_since_epoch"},
    {"Execution", "last_update_time_since_epoch"},
    {"Event", "id"},
    {"Event", "artifact_id"},
    {"Event", "execution_id"},
    {"Event", "type"},
    {"Context", "id"},
    {"Context", "type_id"},
    {"Context", "name"},
    {"Context", "create_time_since_epoch"},
    {"ParentContext", "context_id"},
    {"ParentContext", "parent_context_id"},
    {"Association", "context_id"},
    {"Association", "execution_id"},
    {"Attribution", "context_id"},
    {"Attribution", "artifact_id"},
    {"ArtifactProperty", "artifact_id"},
    {"ArtifactProperty", "name"},
    {"ArtifactProperty", "is_custom_property"},
    {"ArtifactProperty", "int_value"},
    {"ArtifactProperty", "double_value"},
    {"ArtifactProperty", "string_value"},
    {"ExecutionProperty", "execution_id"},
    {"ExecutionProperty", "name"},
    {"ExecutionProperty", "is_custom_property"},
    {"ExecutionProperty", "int_value"},
    {"ExecutionProperty", "double_value"},
    {"ExecutionProperty", "string_value"},
    {"ContextProperty", "context_id"},
    {"ContextProperty", "name"},
    {"ContextProperty", "is_custom_property"},
    {"ContextProperty", "int_value"},
    {"ContextProperty", "double_value"},
    {"ContextProperty", "string_value"},
};

#define ARTIFACT                                                                                   \
    "a.id, a.uri, a.name, a.create_time_since_epoch, t.name, (SELECT b.name FROM ParentType p "    \
    "JOIN Type b ON b.id = p.parent_type_id WHERE p.type_id = a.type_id ORDER BY b.id LIMIT 1)"
#define EVENTS(TYPES)                                                                              \
    "SELECT v.id, v.artifact_id, " ARTIFACT " FROM Event v LEFT JOIN Artifact a ON "               \
    "a.id = v.artifact_id LEFT JOIN Type t ON t.id = a.type_id WHERE v.execution_id = ?1 AND "     \
    "v.type IN " TYPES " ORDER BY v.artifact_id, v.type"
#define PROPERTIES(OF, KEY)                                                                        \
    "SELECT name, int_value, double_value, string_value, %s FROM " OF "Property WHERE " KEY        \
    " = ?1 ORDER BY name, is_custom_property"
#define CONTEXT "c.id, c.name, c.create_time_since_epoch, t.name"

static const struct {
    const char *table, *sql; /* %s: bool_value, where there is one */
} queries[MLMD_QUERY_COUNT] = {
    [MLMD_EXECUTIONS] = {"Execution",
                         "SELECT e.id, e.last_known_state, e.name, e.create_time_since_epoch, "
                         "e.last_update_time_since_epoch, t.name FROM Execution e LEFT JOIN Type t "
                         "ON t.id = e.type_id ORDER BY e.id"},
    [MLMD_ARTIFACTS] = {"Artifact", "SELECT a.id, " ARTIFACT " FROM Artifact a LEFT JOIN Type t ON "
                                    "t.id = a.type_id WHERE NOT EXISTS (SELECT 1 FROM Event v "
                                    "WHERE v.artifact_id = a.id) ORDER BY a.id"},
    [MLMD_INPUTS] = {"Event", EVENTS("(2, 3, 5)")},
    [MLMD_OUTPUTS] = {"Event", EVENTS("(1, 4, 6)")},
    [MLMD_OTHER_EVENTS] = {"Event", "SELECT id, type FROM Event WHERE execution_id = ?1 AND type "
                                    "NOT IN (1, 2, 3, 4, 5, 6, 7) ORDER BY id"},
    [MLMD_EXECUTION_PROPERTIES] = {"ExecutionProperty", PROPERTIES("Execution", "execution_id")},
    [MLMD_ARTIFACT_PROPERTIES] = {"ArtifactProperty", PROPERTIES("Artifact", "artifact_id")},
    [MLMD_CONTEXT_PROPERTIES] = {"ContextProperty", PROPERTIES("Context", "context_id")},
    [MLMD_EXECUTION_CONTEXTS] = {"Context",
                                 "SELECT " CONTEXT " FROM temp.execution_contexts x JOIN "
                                 "Context c ON c.id = x.context LEFT JOIN Type t ON "
                                 "t.id = c.type_id WHERE x.of = ?1 ORDER BY c.id"},
    [MLMD_ARTIFACT_CONTEXTS] = {"Context", "SELECT " CONTEXT " FROM temp.artifact_contexts x JOIN "
                                           "Context c ON c.id = x.context LEFT JOIN Type t ON "
                                           "t.id = c.type_id WHERE x.of = ?1 ORDER BY c.id"},
    [MLMD_PARENT_CONTEXTS] = {"ParentContext",
                              "SELECT " CONTEXT " FROM ParentContext p JOIN Context c ON "
                              "c.id = p.parent_context_id LEFT JOIN Type t ON t.id = c.type_id "
                              "WHERE p.context_id = ?1 ORDER BY c.id"},
};

/* The other way round there is no index: made beside the file, not in it. */
static const char beside[] =
    "CREATE TEMP TABLE execution_contexts(of, context, PRIMARY KEY(of, context)) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO temp.execution_contexts SELECT execution_id, context_id FROM Association"
    " WHERE execution_id IS NOT NULL AND context_id IS NOT NULL;"
    "CREATE TEMP TABLE artifact_contexts(of, context, PRIMARY KEY(of, context)) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO temp.artifact_contexts SELECT artifact_id, context_id FROM Attribution"
    " WHERE artifact_id IS NOT NULL AND context_id IS NOT NULL;";

static ol_status fail(struct mlmd *m, const char *table, struct ol_error *err)
{
    int code = sqlite3_errcode(m->db);
    ol_status st = code == SQLITE_NOMEM                              ? OL_NOMEM
                   : code == SQLITE_BUSY || code == SQLITE_LOCKED    ? OL_BUSY
                   : code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? OL_IO
                                                                     : OL_CORRUPT;
    return ol__error_set(err, st, "'%s': table %s: %s", m->path, table, sqlite3_errmsg(m->db));
}

/* ---- Rows ---- */

sqlite3_stmt *mlmd_begin(struct mlmd *m, enum mlmd_query query, int64_t id)
{
    sqlite3_stmt *s = m->queries[query];
    sqlite3_reset(s);
    if (sqlite3_bind_parameter_count(s) > 0)
        sqlite3_bind_int64(s, 1, id);
    return s;
}

ol_status mlmd_next(struct mlmd *m, enum mlmd_query query, struct ol_error *err)
{
    int code = sqlite3_step(m->queries[query]);
    if (code == SQLITE_ROW)
        return OL_OK;
    ol_status st = code == SQLITE_DONE ? OL_END : fail(m, queries[query].table, err);
    sqlite3_reset(m->queries[query]);
    return st;
}

static const char *type_name(int type)
{
    return type == SQLITE_INTEGER ? "a whole number"
           : type == SQLITE_FLOAT ? "a real number"
           : type == SQLITE_TEXT  ? "text"
           : type == SQLITE_BLOB  ? "bytes"
                                  : "nothing";
}

bool mlmd_int(struct mlmd *m, enum mlmd_query query, int column, int64_t id, bool is_optional,
              int64_t *ret)
{
    sqlite3_stmt *s = m->queries[query];
    int type = sqlite3_column_type(s, column);
    *ret = sqlite3_column_int64(s, column);
    if (type == SQLITE_INTEGER || (is_optional && type == SQLITE_NULL))
        return true;
    import_say(m->im, "'%s': %s %" PRId64 ": %s: expected a whole number, found %s", m->path,
               queries[query].table, id, sqlite3_column_name(s, column), type_name(type));
    return false;
}

bool mlmd_text(struct mlmd *m, enum mlmd_query query, int column, int64_t id, size_t max,
               bool is_optional, const char **ret)
{
    sqlite3_stmt *s = m->queries[query];
    int type = sqlite3_column_type(s, column);
    *ret = NULL;
    if (is_optional && type == SQLITE_NULL)
        return true;
    const char *text = type == SQLITE_TEXT ? (const char *)sqlite3_column_text(s, column) : NULL;
    size_t size = text != NULL ? (size_t)sqlite3_column_bytes(s, column) : 0;
    if (text != NULL && size <= max && redact_is_text((struct ol__span){text, size})) {
        *ret = text;
        return true;
    }
    if (text == NULL)
        import_say(m->im, "'%s': %s %" PRId64 ": %s: expected text, found %s", m->path,
                   queries[query].table, id, sqlite3_column_name(s, column), type_name(type));
    else
        import_say(m->im,
                   "'%s': %s %" PRId64 ": %s: expected UTF-8 of at most %zu bytes, found %zu "
                   "bytes",
                   m->path, queries[query].table, id, sqlite3_column_name(s, column), max, size);
    return false;
}

bool mlmd_read_artifact(struct mlmd *m, enum mlmd_query query, int column,
                        struct mlmd_artifact *ret)
{
    sqlite3_stmt *s = m->queries[query];
    int64_t id = sqlite3_column_int64(s, 0);
    if (sqlite3_column_type(s, column) == SQLITE_NULL) {
        import_say(m->im, "'%s': Event %" PRId64 ": artifact_id %" PRId64 " is not in Artifact",
                   m->path, id, (int64_t)sqlite3_column_int64(s, 1));
        return false;
    }
    return mlmd_int(m, query, column, id, false, &ret->id) &&
           mlmd_text(m, query, column + 1, id, URI_MAX, true, &ret->uri) &&
           mlmd_text(m, query, column + 2, id, MLMD_TEXT_MAX - 1, true, &ret->name) &&
           mlmd_int(m, query, column + 3, id, true, &ret->created) &&
           mlmd_text(m, query, column + 4, id, MLMD_TEXT_MAX - 1, false, &ret->type) &&
           mlmd_text(m, query, column + 5, id, MLMD_TEXT_MAX - 1, true, &ret->base);
}

static enum mlmd_context_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum mlmd_context_kind kind;
    } known[] = {
        {"pipeline", MLMD_PIPELINE}, {"system.Pipeline", MLMD_PIPELINE}, {"pipeline_run", MLMD_RUN},
        {"run", MLMD_RUN},           {"system.PipelineRun", MLMD_RUN},   {"KfpRun", MLMD_RUN},
        {"node", MLMD_NODE}};
    for (size_t i = 0; i < OL_COUNT(known); i++)
        if (strcmp(known[i].type, type) == 0)
            return known[i].kind;
    return MLMD_OTHER;
}

static bool read_context(struct mlmd *m, enum mlmd_query query, struct mlmd_context *ret)
{
    const char *name, *type;
    int64_t id = sqlite3_column_int64(m->queries[query], 0);
    if (!mlmd_text(m, query, 1, id, sizeof ret->name - 1, false, &name) ||
        !mlmd_int(m, query, 2, id, true, &ret->created) ||
        !mlmd_text(m, query, 3, id, sizeof ret->type - 1, false, &type))
        return false;
    ret->id = id;
    snprintf(ret->name, sizeof ret->name, "%s", name);
    snprintf(ret->type, sizeof ret->type, "%s", type);
    ret->kind = kind_of(type);
    return true;
}

ol_status mlmd_read_contexts(struct mlmd *m, enum mlmd_query query, int64_t id,
                             struct ol_error *err)
{
    ol_status st;
    m->context_count = 0;
    mlmd_begin(m, query, id);
    while ((st = mlmd_next(m, query, err)) == OL_OK) {
        if (m->context_count == MLMD_CONTEXTS_MAX) {
            import_say(m->im, "'%s': %s %" PRId64 ": more than %d contexts: the rest is left out",
                       m->path, query == MLMD_EXECUTION_CONTEXTS ? "Execution" : "Artifact", id,
                       MLMD_CONTEXTS_MAX);
            return OL_OK;
        }
        m->context_count += read_context(m, query, &m->contexts[m->context_count]);
    }
    return st == OL_END ? OL_OK : st;
}

ol_status mlmd_parent(struct mlmd *m, int64_t id, enum mlmd_context_kind kind,
                      struct mlmd_context *ret, struct ol_error *err)
{
    ol_status st;
    mlmd_begin(m, MLMD_PARENT_CONTEXTS, id);
    while ((st = mlmd_next(m, MLMD_PARENT_CONTEXTS, err)) == OL_OK)
        if (read_context(m, MLMD_PARENT_CONTEXTS, ret) && ret->kind == kind)
            return OL_OK;
    return st;
}

ol_status mlmd_hand_over(struct mlmd *m, const char *table, int64_t id, struct ol_error *err)
{
    if (m->line.status == OL_TOO_LARGE) {
        import_say(m->im, "'%s': %s %" PRId64 ": its event is larger than %zu bytes", m->path,
                   table, id, m->line.max);
        return OL_OK;
    }
    if (m->line.status != OL_OK)
        return ol__error_set(err, m->line.status, "'%s': %s %" PRId64 ": out of memory", m->path,
                             table, id);
    return import_event(m->im, (struct ol__span){m->line.data, m->line.size},
                        m->im->result.events + 1, err);
}

/* ---- Is it one that we can read (promise 1) ---- */

/* @p sql gives one text or none, which is copied. @return OL_OK, OL_END, or a failure. */
static ol_status ask(struct mlmd *m, const char *table, const char *sql, char *ret, size_t size,
                     struct ol_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(m->db, sql, -1, &s, NULL) != SQLITE_OK)
        return fail(m, table, err);
    int code = sqlite3_step(s);
    ol_status st = code == SQLITE_ROW ? OL_OK : code == SQLITE_DONE ? OL_END : fail(m, table, err);
    if (st == OL_OK) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        snprintf(ret, size, "%s", text != NULL ? text : "");
    }
    sqlite3_finalize(s);
    return st;
}

static ol_status check_table(struct mlmd *m, const char *table, const char *column,
                             struct ol_error *err)
{
    char sql[128], type[16];
    snprintf(sql, sizeof sql, "SELECT type FROM sqlite_master WHERE name = '%s'", table);
    ol_status st = ask(m, table, sql, type, sizeof type, err);
    if (st == OL_END || (st == OL_OK && strcmp(type, "table") != 0))
        return ol__error_set(err, OL_CORRUPT,
                             "'%s': expected a database of ML Metadata: it has no table %s",
                             m->path, table);
    if (st == OL_OK && sqlite3_table_column_metadata(m->db, "main", table, column, NULL, NULL, NULL,
                                                     NULL, NULL) != SQLITE_OK)
        return ol__error_set(err, OL_CORRUPT,
                             "'%s': expected a database of ML Metadata: table %s has no column %s",
                             m->path, table, column);
    return st;
}

static ol_status check_version(struct mlmd *m, struct ol_error *err)
{
    char text[64], *end;
    ol_status st = check_table(m, "MLMDEnv", "schema_version", err);
    if (st == OL_OK)
        st = ask(m, "MLMDEnv", "SELECT schema_version FROM MLMDEnv", text, sizeof text, err);
    if (st == OL_END)
        return ol__error_set(err, OL_CORRUPT, "'%s': MLMDEnv has no schema_version", m->path);
    if (st != OL_OK)
        return st;
    long version = strtol(text, &end, 10);
    if (end == text || *end != '\0')
        return ol__error_set(err, OL_CORRUPT,
                             "'%s': MLMDEnv.schema_version: expected a number, found '%.40s'",
                             m->path, text);
    if (version < OLDEST || version > NEWEST)
        return ol__error_set(
            err, OL_CORRUPT,
            "'%s': schema version %ld of ML Metadata: versions %d to %d are known%s", m->path,
            version, OLDEST, NEWEST,
            version < OLDEST ? "; a newer ml-metadata can upgrade the file" : "");
    return OL_OK;
}

/* A last page that is cut reads as one that ends with zeros. */
static ol_status check_size(struct mlmd *m, struct ol_error *err)
{
    char mode[16], size[32], pages[32];
    struct stat file;
    ol_status st = ask(m, "sqlite_master", "PRAGMA journal_mode", mode, sizeof mode, err);
    if (st == OL_OK)
        st = ask(m, "sqlite_master", "PRAGMA page_size", size, sizeof size, err);
    if (st == OL_OK)
        st = ask(m, "sqlite_master", "PRAGMA page_count", pages, sizeof pages, err);
    if (st != OL_OK || strcmp(mode, "wal") == 0) /* whose pages may be beside it */
        return st;
    if (stat(m->path, &file) != 0)
        return ol__error_set_errno(err, errno, "'%s'", m->path);
    int64_t expected = strtoll(size, NULL, 10) * strtoll(pages, NULL, 10);
    if (file.st_size < expected)
        return ol__error_set(err, OL_CORRUPT,
                             "'%s': the database is damaged: expected %" PRId64
                             " bytes, found %" PRId64,
                             m->path, expected, (int64_t)file.st_size);
    return OL_OK;
}

static ol_status check(struct mlmd *m, struct ol_error *err)
{
    char text[512];
    ol_status st = ask(m, "sqlite_master", "PRAGMA quick_check(1)", text, sizeof text, err);
    if (st == OL_OK && strcmp(text, "ok") != 0)
        st = ol__error_set(err, OL_CORRUPT, "'%s': the database is damaged: %s", m->path, text);
    if (st == OL_OK)
        st = check_size(m, err);
    if (st == OL_OK)
        st = check_version(m, err);
    for (size_t i = 0; i < OL_COUNT(columns) && st == OL_OK; i++)
        st = check_table(m, columns[i][0], columns[i][1], err);
    return st;
}

/* Promise 2. */
static ol_status identify(struct mlmd *m, struct ol_error *err)
{
    char text[512];
    ol_status st = ask(m, "Execution",
                       "SELECT 'execution ' || e.id || ' ' || e.create_time_since_epoch || ' ' || "
                       "coalesce(substr(t.name, 1, 200), '') FROM Execution e LEFT JOIN Type t ON "
                       "t.id = e.type_id ORDER BY e.id LIMIT 1",
                       text, sizeof text, err);
    if (st == OL_END)
        st = ask(m, "Artifact",
                 "SELECT 'artifact ' || id || ' ' || create_time_since_epoch || ' ' || "
                 "coalesce(substr(uri, 1, 200), '') FROM Artifact ORDER BY id LIMIT 1",
                 text, sizeof text, err);
    if (st == OL_OK) {
        struct ol__uuid id = ol__uuid_v5(&name_space, ol__span_text(text));
        ol__uuid_format(&id, m->identity);
    }
    return st == OL_END ? OL_OK : st;
}

static ol_status open_database(struct mlmd *m, struct ol_error *err)
{
    char *problem = NULL;
    if (sqlite3_open_v2(m->path, &m->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return m->db != NULL ? fail(m, "sqlite_master", err)
                             : ol__error_set(err, OL_NOMEM, "'%s': out of memory", m->path);
    sqlite3_db_config(m->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(m->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(m->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(m->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(m->db, SQLITE_LIMIT_LENGTH, 64 << 20);
    sqlite3_busy_timeout(m->db, 5000);
    ol_status st =
        sqlite3_exec(m->db, "PRAGMA cell_size_check = 1; BEGIN", NULL, NULL, &problem) == SQLITE_OK
            ? check(m, err)
            : fail(m, "sqlite_master", err);
    sqlite3_free(problem);
    if (st == OL_OK && sqlite3_exec(m->db, beside, NULL, NULL, NULL) != SQLITE_OK)
        st = fail(m, "Association", err);
    m->has_booleans = sqlite3_table_column_metadata(m->db, "main", "ArtifactProperty", "bool_value",
                                                    NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
    return st;
}

static ol_status prepare(struct mlmd *m, struct ol_error *err)
{
    for (size_t i = 0; i < MLMD_QUERY_COUNT; i++) {
        char sql[1024];
        const char *at = strstr(queries[i].sql, "%s");
        size_t head = at != NULL ? (size_t)(at - queries[i].sql) : strlen(queries[i].sql);
        snprintf(sql, sizeof sql, "%.*s%s%s", (int)head, queries[i].sql,
                 at == NULL        ? ""
                 : m->has_booleans ? "bool_value"
                                   : "NULL",
                 at != NULL ? at + 2 : "");
        if (sqlite3_prepare_v2(m->db, sql, -1, &m->queries[i], NULL) != SQLITE_OK)
            return fail(m, queries[i].table, err);
    }
    return OL_OK;
}

/* ---- All of it ---- */

static bool read_execution(struct mlmd *m, struct mlmd_execution *ret)
{
    const enum mlmd_query q = MLMD_EXECUTIONS;
    const char *name, *type;
    ret->id = sqlite3_column_int64(m->queries[q], 0);
    if (sqlite3_column_type(m->queries[q], 5) == SQLITE_NULL) {
        import_say(m->im, "'%s': Execution %" PRId64 ": its type_id is not in Type", m->path,
                   ret->id);
        return false;
    }
    if (!mlmd_int(m, q, 1, ret->id, true, &ret->state) ||
        !mlmd_text(m, q, 2, ret->id, sizeof ret->name - 1, true, &name) ||
        !mlmd_int(m, q, 3, ret->id, true, &ret->created) ||
        !mlmd_int(m, q, 4, ret->id, true, &ret->updated) ||
        !mlmd_text(m, q, 5, ret->id, sizeof ret->type - 1, false, &type))
        return false;
    snprintf(ret->name, sizeof ret->name, "%s", name != NULL ? name : "");
    snprintf(ret->type, sizeof ret->type, "%s", type);
    if (ret->created <= 0)
        ret->created = ret->updated;
    if (ret->created > 0 && ret->state >= 0 && ret->state <= 6)
        return true;
    if (ret->created <= 0)
        import_say(m->im, "'%s': Execution %" PRId64 ": create_time_since_epoch: it has no time",
                   m->path, ret->id);
    else
        import_say(m->im,
                   "'%s': Execution %" PRId64 ": last_known_state: expected 0 to 6, found %" PRId64,
                   m->path, ret->id, ret->state);
    return false;
}

static ol_status import_executions(struct mlmd *m, struct ol_error *err)
{
    ol_status st;
    mlmd_begin(m, MLMD_EXECUTIONS, 0);
    while ((st = mlmd_next(m, MLMD_EXECUTIONS, err)) == OL_OK) {
        struct mlmd_execution e;
        if (!read_execution(m, &e))
            continue;
        st = mlmd_read_contexts(m, MLMD_EXECUTION_CONTEXTS, e.id, err);
        if (st == OL_OK)
            st = mlmd_emit_execution(m, &e, err);
        if (st != OL_OK)
            return st;
        m->im->result.runs++;
    }
    return st == OL_END ? OL_OK : st;
}

static ol_status import_artifacts(struct mlmd *m, struct ol_error *err)
{
    ol_status st;
    mlmd_begin(m, MLMD_ARTIFACTS, 0);
    while ((st = mlmd_next(m, MLMD_ARTIFACTS, err)) == OL_OK) {
        struct mlmd_artifact a;
        if (!mlmd_read_artifact(m, MLMD_ARTIFACTS, 1, &a))
            continue;
        st = mlmd_emit_artifact(m, &a, err);
        if (st != OL_OK)
            return st;
    }
    return st == OL_END ? OL_OK : st;
}

ol_status import_mlmd(struct import *im, const char *path, struct ol_error *err)
{
    struct mlmd *m = calloc(1, sizeof *m);
    const char *named = getenv("OPENLINEAGE_NAMESPACE");
    if (m == NULL)
        return ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    im->result.kind = "ML Metadata";
    m->im = im;
    m->path = path;
    snprintf(m->job_namespace, sizeof m->job_namespace, "%s",
             named != NULL && named[0] != '\0' ? named : "mlmd");
    snprintf(m->producer, sizeof m->producer,
             "https://github.com/lineaged/lineaged/tree/v%.30s/cli", OL_VERSION);
    ol__buf_init(&m->line, SPOOL_LINE_MAX);
    ol__buf_init(&m->value, SPOOL_LINE_MAX);
    ol_status st = open_database(m, err);
    if (st == OL_OK)
        st = prepare(m, err);
    if (st == OL_OK)
        st = identify(m, err);
    if (st == OL_OK)
        st = import_executions(m, err);
    if (st == OL_OK)
        st = import_artifacts(m, err);
    for (size_t i = 0; i < MLMD_QUERY_COUNT; i++)
        sqlite3_finalize(m->queries[i]);
    sqlite3_close(m->db);
    ol__buf_release(&m->line);
    ol__buf_release(&m->value);
    free(m);
    return st;
}
