/* SPDX-License-Identifier: Apache-2.0 */
#include "sql.h"

#define RUN_COLUMNS                                                                                \
    "id, uuid, text, job, status, flags, born, started, ended, last, seen_day, seen, uid, "        \
    "parent, root, producer, engine, error, events, state"
#define LEAST "-9223372036854775808"
#define IO_ORDER " ORDER BY at DESC, run DESC"

const char *const store_sql_texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_CURSOR_GET] = "SELECT seq FROM cursors WHERE spool = ?1",
    [SQL_CURSOR_SET] =
        "INSERT INTO cursors(spool, seq, moved) VALUES(?1, ?2, ?3) ON CONFLICT(spool) "
        "DO UPDATE SET seq = max(seq, excluded.seq), moved = excluded.moved",
    [SQL_GAP_ADD] = "INSERT INTO gaps(spool, first, last, found) VALUES(?1, ?2, ?3, ?4) "
                    "ON CONFLICT(spool, first) DO UPDATE SET last = max(last, excluded.last)",
    [SQL_META_GET] = "SELECT value FROM meta WHERE key = ?1",
    [SQL_META_SET] = "INSERT INTO meta(key, value) VALUES(?1, ?2) "
                     "ON CONFLICT(key) DO UPDATE SET value = excluded.value",

    [SQL_TEXT_FIND] = "SELECT id FROM texts WHERE hash = ?1 AND text = ?2",
    [SQL_TEXT_ADD] = "INSERT INTO texts(hash, text) VALUES(?1, ?2)",
    [SQL_TEXT_GET] = "SELECT text FROM texts WHERE id = ?1 AND is_text(id, hash, text)",
    [SQL_JOB_FIND] = "SELECT id FROM jobs WHERE name = ?1 AND namespace = ?2",
    [SQL_JOB_ADD] = "INSERT INTO jobs(name, namespace) VALUES(?1, ?2)",
    [SQL_JOB_GET] = "SELECT type, uid, seen, state FROM jobs WHERE id = ?1",
    [SQL_JOB_TYPE] = "UPDATE jobs SET type = ?2 WHERE id = ?1 AND type IS NOT ?2",
    [SQL_JOB_STATE] = "UPDATE jobs SET uid = ?2, seen = ?3, state = ?4 WHERE id = ?1",
    [SQL_DATASET_FIND] = "SELECT id FROM datasets WHERE name = ?1 AND namespace = ?2",
    [SQL_DATASET_ADD] = "INSERT INTO datasets(name, namespace) VALUES(?1, ?2)",
    [SQL_DATASET_GET] = "SELECT type, uid, seen, state FROM datasets WHERE id = ?1",
    [SQL_DATASET_TYPE] = "UPDATE datasets SET type = ?2 WHERE id = ?1 AND type IS NOT ?2",
    [SQL_DATASET_STATE] = "UPDATE datasets SET uid = ?2, seen = ?3, state = ?4 WHERE id = ?1",
    [SQL_VERSION_FIND] =
        "SELECT id FROM versions WHERE " VERSION_KEY(value) " = " VERSION_KEY(?1)
        " AND dataset = ?2 AND value = ?1",
    [SQL_VERSION_ADD] = "INSERT INTO versions(dataset, value, born) VALUES(?1, ?2, ?3)",
    [SQL_VERSION_GET] = "SELECT dataset, value, born FROM versions WHERE id = ?1",
    [SQL_FACET_FIND] =
        "SELECT facets.id FROM facet_keys CROSS JOIN facets ON facets.id = facet_keys.facet "
        "WHERE facet_keys.key = ?1 AND facets.hash = ?2 AND facets.head = ?3 AND facets.body = ?4",
    [SQL_FACET_IS] = "SELECT 1 FROM facets WHERE id = ?1 AND hash = ?2 AND head = ?3 AND body = ?4",
    [SQL_FACET_KEYS] = "SELECT key FROM facet_keys WHERE key >= " LEAST,
    [SQL_FACET_KEY_ADD] = "INSERT OR IGNORE INTO facet_keys(key, facet) VALUES(?1, ?2)",
    [SQL_FACETS_LATE] = "SELECT id, hash FROM facets WHERE id > ?1 AND id <= ?2",
    [SQL_FACET_ADD] = "INSERT INTO facets(hash, head, body) VALUES(?1, ?2, ?3)",
    [SQL_FACET_GET] = "SELECT texts.text, facets.body FROM facets LEFT JOIN texts "
                      "ON texts.id = facets.head WHERE facets.id = ?1 "
                      "AND is_facet(facets.id, facets.hash, texts.text, facets.body)",

    [SQL_RUN_FIND] = "SELECT " RUN_COLUMNS " FROM runs WHERE uuid = ?1",
    [SQL_RUN_ADD] = "INSERT INTO runs(uuid, text, job, status, flags, born, started, ended, last, "
                    "seen_day, seen, uid, parent, root, producer, engine, error, events, state) "
                    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
                    "?17, ?18, ?19)",
    /* Without the columns that an index holds: most events change none of them, or the status
     * only, and an index is written anew for each of its columns named here. */
    [SQL_RUN_UPDATE] =
        "UPDATE runs SET flags = ?2, started = ?3, ended = ?4, last = ?5, seen = ?6, "
        "uid = ?7, producer = ?8, engine = ?9, error = ?10, events = ?11, "
        "state = ?12 WHERE id = ?1",
    [SQL_RUN_UPDATE_STATUS] =
        "UPDATE runs SET flags = ?2, started = ?3, ended = ?4, last = ?5, seen = ?6, "
        "uid = ?7, producer = ?8, engine = ?9, error = ?10, events = ?11, "
        "state = ?12, status = ?13 WHERE id = ?1",
    [SQL_RUN_UPDATE_ALL] =
        "UPDATE runs SET flags = ?2, started = ?3, ended = ?4, last = ?5, seen = ?6, uid = ?7, "
        "producer = ?8, engine = ?9, error = ?10, events = ?11, state = ?12, job = ?13, "
        "status = ?14, seen_day = ?15, parent = ?16, root = ?17, born = ?18 WHERE id = ?1",
    [SQL_RUN_NAMED] = "UPDATE runs SET started = ?2, last = ?2 WHERE id = ?1",
    [SQL_IO_ADD] = "INSERT OR IGNORE INTO io(dataset, side, job, at, run, version) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_IO_REMOVE] = "DELETE FROM io WHERE dataset = ?1 AND side = ?2 AND job = ?3 AND at = ?4 "
                      "AND run = ?5 AND version = ?6",
    [SQL_ID_ADD] = "INSERT OR IGNORE INTO ids(value, key, run) VALUES(?1, ?2, ?3)",
    [SQL_ID_REMOVE] = "DELETE FROM ids WHERE value = ?1 AND key = ?2 AND run = ?3",
    [SQL_MARK_ADD] = "INSERT OR IGNORE INTO marks(kind, run) VALUES(?1, ?2)",
    [SQL_MARK_REMOVE] = "DELETE FROM marks WHERE kind IN (1, 2, 3) AND run = ?1",
    [SQL_EVENT_FIND] = "SELECT 1 FROM events WHERE +run = ?1 AND hash = ?2 AND data = ?3",
    [SQL_EVENT_ADD] = "INSERT INTO events(run, hash, data) VALUES(?1, ?2, ?3)",

    [SQL_ANSWER_FIND] =
        "SELECT 1 FROM answers WHERE request = ?1 AND +run = ?2 AND at = ?3 AND body = ?4",
    [SQL_ANSWER_ADD] = "INSERT INTO answers(run, at, seen, request, provider, trace, provider_id, "
                       "ids, head, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_ANSWER_GET] =
        "SELECT answers.run, answers.at, answers.provider_id, ids.text, head.text, answers.body "
        "FROM answers LEFT JOIN texts AS ids ON ids.id = answers.ids "
        "AND is_text(ids.id, ids.hash, ids.text) "
        "LEFT JOIN texts AS head ON head.id = answers.head "
        "AND is_text(head.id, head.hash, head.text) WHERE answers.id = ?1",
    [SQL_ANSWER_OLDEST] = "SELECT seen FROM answers WHERE id > 0 ORDER BY id LIMIT 1",
    [SQL_ANSWER_REMOVE_RUN] = "DELETE FROM answers WHERE id IN "
                              "(SELECT id FROM answers WHERE run = ?1 LIMIT ?2)",
    [SQL_ANSWER_REMOVE_OLD] = "DELETE FROM answers WHERE id IN (SELECT id FROM answers "
                              "WHERE id > 0 ORDER BY id LIMIT ?2) AND seen < ?1",
    [SQL_RUN_TOUCH] = "UPDATE runs SET started = ?2, last = ?3, seen = ?4, events = events + 1 "
                      "WHERE id = ?1",
    [SQL_RUN_TOUCH_DAY] = "UPDATE runs SET started = ?2, last = ?3, seen = ?4, "
                          "events = events + 1, seen_day = ?5, status = ?6 WHERE id = ?1",

    [SQL_LIST_FIND] = "SELECT id, pieces IS NOT NULL FROM lists WHERE sha256 = ?1",
    [SQL_LIST_ADD] = "INSERT INTO lists(sha256, count, seen) VALUES(?1, ?2, ?3)",
    [SQL_LIST_FILL] = "UPDATE lists SET count = ?2, pieces = ?3 WHERE id = ?1",
    [SQL_LIST_TOUCH] = "UPDATE lists SET seen = ?2 WHERE id = ?1 AND seen < ?2 - 3600000",
    [SQL_LIST_GET] = "SELECT sha256, count, seen, pieces FROM lists WHERE id = ?1",
    [SQL_LIST_REMOVE] = "DELETE FROM lists WHERE id = ?1",
    [SQL_LIST_PIECE_ADD] = "INSERT OR IGNORE INTO list_pieces(piece, list) VALUES(?1, ?2)",
    [SQL_LIST_PIECE_REMOVE] = "DELETE FROM list_pieces WHERE piece = ?1 AND list = ?2",
    [SQL_ARTIFACT_ADD] = "INSERT INTO artifacts(sha256, list, uid, has_list) "
                         "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(sha256, list, uid) "
                         "DO UPDATE SET has_list = 1 WHERE excluded.has_list > has_list",
    [SQL_ARTIFACTS_OF_LIST] = "SELECT sha256, uid, has_list FROM artifacts WHERE list = ?1",
    [SQL_ARTIFACTS_REMOVE] = "DELETE FROM artifacts WHERE list = ?1",
    [SQL_PIECE_FIND] = "SELECT id FROM pieces WHERE sum = ?1 AND data = ?2",
    [SQL_PIECE_ADD] = "INSERT INTO pieces(sum, data) VALUES(?1, ?2)",
    [SQL_PIECE_GET] = "SELECT data FROM pieces WHERE id = ?1",
    [SQL_PIECE_REMOVE] = "DELETE FROM pieces WHERE id = ?1",
    [SQL_MEMBER_KEY_ADD] = "INSERT OR IGNORE INTO member_keys(key, piece) VALUES(?1, ?2)",
    [SQL_MEMBER_KEY_REMOVE] = "DELETE FROM member_keys WHERE key = ?1 AND piece = ?2",
    [SQL_SWEEP_LISTS] = "SELECT id, seen FROM lists WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SWEEP_PIECES] = "SELECT id, EXISTS(SELECT 1 FROM list_pieces WHERE piece = pieces.id) "
                         "FROM pieces WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_ANSWER_DOC_ADD] = "INSERT OR IGNORE INTO answer_docs(doc, answer) VALUES(?1, ?2)",

    [SQL_EXPIRE_SCAN] = "SELECT id, job, status, seen, seen_day, born FROM runs "
                        "WHERE (seen_day, id) > (?1, ?2) ORDER BY seen_day, id LIMIT ?3",
    [SQL_EXPIRE_NEWER] = "SELECT id, job, status, seen, seen_day, born FROM runs "
                         "WHERE job = ?1 AND (born, id) > (?2, ?3)",
    [SQL_EXPIRE_ANSWER] = "SELECT 1 FROM answers WHERE run = ?1 LIMIT 1",
    [SQL_ID_HAS] = "SELECT 1 FROM ids WHERE value = ?1 AND run = ?2 AND key = ?3",
    /* A row of about 100 bytes; each entry of the state has about as many in io or ids. */
    [SQL_PLAN_RUN_BYTES] = "SELECT 100 + 2 * ifnull(length(state), 0) FROM runs WHERE id = ?1",
    [SQL_PLAN_EVENT_BYTES] = "SELECT ifnull(sum(length(CAST(data AS BLOB))), 0) FROM events "
                             "WHERE run = ?1",
    [SQL_PLAN_ANSWER_BYTES] = "SELECT ifnull(sum(length(CAST(body AS BLOB)) + 80), 0), count(*) "
                              "FROM answers WHERE run = ?1",
    [SQL_PLAN_OLD_ANSWERS] = "SELECT count(*) FROM answers WHERE id > 0 AND seen < ?1",
    [SQL_PIN_ADD] = "INSERT OR IGNORE INTO pins(dataset) VALUES(?1)",
    [SQL_PIN_HAS] = "SELECT 1 FROM pins WHERE dataset = ?1",
    [SQL_PIN_ANY] = "SELECT 1 FROM pins WHERE dataset > 0 LIMIT 1",
    [SQL_PIN_NEXT] = "SELECT dataset FROM pins WHERE dataset > max(?1, ?2) "
                     "ORDER BY dataset LIMIT 1",
    [SQL_MARK_ANY] = "SELECT 1 FROM marks WHERE kind IN (1, 2) LIMIT 1",
    [SQL_RUN_MAX] = "SELECT max(id) FROM runs",
    [SQL_JOB_MAX] = "SELECT max(id) FROM jobs",
    [SQL_RUN_REMOVE] = "DELETE FROM runs WHERE id = ?1",
    [SQL_RUN_ORPHAN_PARENT] = "UPDATE runs SET parent = NULL WHERE parent = ?1",
    [SQL_RUN_ORPHAN_ROOT] = "UPDATE runs SET root = NULL WHERE root = ?1",
    [SQL_EVENT_REMOVE] = "DELETE FROM events WHERE run = ?1",
    [SQL_SWEEP_RUNS] = "SELECT id, text, job, producer, engine, error, state FROM runs "
                       "WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SWEEP_ANSWERS] = "SELECT id, ids, head FROM answers WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SWEEP_JOBS] = "SELECT id, namespace, type, seen, state FROM jobs WHERE id > ?1 "
                       "ORDER BY id LIMIT ?2",
    [SQL_SWEEP_DATASETS] = "SELECT id, namespace, type, seen, state FROM datasets WHERE id > ?1 "
                           "ORDER BY id LIMIT ?2",
    [SQL_SWEEP_VERSIONS] = "SELECT id, dataset FROM versions WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SWEEP_FACETS] = "SELECT id, head FROM facets WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_SWEEP_TEXTS] = "SELECT id FROM texts WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_JOB_REMOVE] = "DELETE FROM jobs WHERE id = ?1",
    [SQL_DATASET_REMOVE] = "DELETE FROM datasets WHERE id = ?1",
    [SQL_VERSION_REMOVE] = "DELETE FROM versions WHERE id = ?1",
    [SQL_FACET_REMOVE] = "DELETE FROM facets WHERE id = ?1",
    [SQL_TEXT_REMOVE] = "DELETE FROM texts WHERE id = ?1",
    [SQL_JOB_HAS_RUN] = "SELECT 1 FROM runs WHERE job = ?1 LIMIT 1",

    [SQL_ASK_READ_BY_ROOT] = "SELECT 1 FROM io CROSS JOIN runs ON runs.root = io.run "
                             "WHERE io.dataset = ?1 AND io.side = 0 LIMIT 1",
    [SQL_ASK_RUNS_BEFORE] = "SELECT id, uid FROM runs WHERE id < ?1 ORDER BY id DESC",
    [SQL_ASK_DATASETS] = "SELECT id FROM datasets WHERE id > ?1 ORDER BY id",
    [SQL_ASK_RUN_MARKED] = "SELECT 1 FROM marks WHERE kind = ?1 AND run = ?2",
/* `stats`: each reads one index from its one end to the other, and never a table. */
    [SQL_STATS_DAYS] = "SELECT seen_day, count(*) FROM runs WHERE seen_day >= ?1 GROUP BY seen_day",
    [SQL_STATS_STATE] = "SELECT count(*) FROM runs WHERE status = ?1 AND status <> 2",
    [SQL_STATS_JOBS] = "SELECT job, count(*) FROM runs WHERE job > ?1 GROUP BY job",
    [SQL_STATS_DATASET_NAMES] = "SELECT namespace FROM datasets WHERE name >= ''",
    [SQL_STATS_JOB_NAMES] = "SELECT namespace FROM jobs WHERE name >= ''",
    [SQL_STATS_SAMPLE] =
        "SELECT uid, status, job, producer FROM runs WHERE id < ?1 ORDER BY id DESC",
    [SQL_STATS_JOB_RUNS] = "SELECT uid, status, started, ended FROM runs WHERE job = ?1 "
                           "ORDER BY born DESC, id DESC",
    [SQL_STATS_VERSIONS] = "SELECT count(*) FROM versions WHERE " VERSION_KEY(value) " >= ''",
    [SQL_STATS_EDGES] = "SELECT count(*) FROM io WHERE dataset > 0",
    [SQL_STATS_FACETS] =
        "SELECT count(*) + (SELECT count(*) FROM facets WHERE id > ifnull((SELECT value FROM meta "
        "WHERE key = 'facet_keys'), 0)) FROM facet_keys WHERE key >= " LEAST,
    [SQL_STATS_TEXTS] = "SELECT count(*) FROM texts WHERE hash >= " LEAST,
    [SQL_STATS_ANSWERS] = "SELECT count(*) FROM answers WHERE request >= " LEAST,
    [SQL_STATS_TAKEN] = "SELECT coalesce(sum(seq), 0) FROM cursors WHERE spool >= x''",
    [SQL_STATS_PAGES] = "PRAGMA page_count",
    [SQL_STATS_FREE] = "PRAGMA freelist_count",
    [SQL_STATS_PAGE] = "PRAGMA page_size",

    [SQL_ASK_DATASET_NAME] =
        "SELECT datasets.id, texts.text FROM datasets LEFT JOIN texts "
        "ON texts.id = datasets.namespace AND is_text(texts.id, texts.hash, texts.text) "
        "WHERE datasets.name = ?1",
    [SQL_ASK_DATASET] = "SELECT d.namespace, d.name, d.type, v.value FROM datasets d "
                        "LEFT JOIN versions v ON v.id = ?2 WHERE d.id = ?1",
    [SQL_ASK_JOB_NAME] =
        "SELECT jobs.id, texts.text FROM jobs LEFT JOIN texts "
        "ON texts.id = jobs.namespace AND is_text(texts.id, texts.hash, texts.text) "
        "WHERE jobs.name = ?1",
    [SQL_ASK_JOB] = "SELECT namespace, name, type FROM jobs WHERE id = ?1",
    /* In this order: a text that is damaged is noted, not passed over. */
    [SQL_ASK_TEXT] = "SELECT id FROM texts WHERE hash = ?1 "
                     "AND CASE WHEN is_text(id, hash, text) THEN text = ?2 END",
    [SQL_ASK_TEXT_RANGE] = "SELECT id FROM texts WHERE id > ?1 AND id <= ?2 AND text >= ?3 "
                           "AND text < ?4 AND is_text(id, hash, text) ORDER BY id",
    [SQL_ASK_TEXT_MAX] = "SELECT max(id) FROM texts",
    /* What static events told: rows in their order, as long as there is time. */
    [SQL_ASK_STATIC_JOBS] = "SELECT id, uid, state FROM jobs WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_ASK_STATIC_DATASETS] =
        "SELECT id, uid, state FROM datasets WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_ASK_VERSION] =
        "SELECT id, born FROM versions WHERE " VERSION_KEY(value) " = " VERSION_KEY(?1)
        " AND dataset = ?2 AND value = ?1",
    [SQL_ASK_VERSION_VALUE] =
        "SELECT id, dataset FROM versions WHERE " VERSION_KEY(value) " = " VERSION_KEY(?1)
        " AND value = ?1 ORDER BY dataset LIMIT 64",
    /* Everything of a hash that begins so; names in their order: an index is read, no table. */
    [SQL_ASK_VERSION_RANGE] =
        "SELECT id, dataset FROM versions WHERE " VERSION_KEY(value) " >= " VERSION_KEY(?1) " AND "
        VERSION_KEY(value) " <= " VERSION_KEY(?2) " AND value >= ?1 AND value <= ?2 "
        "ORDER BY " VERSION_KEY(value) ", dataset LIMIT 65",
    [SQL_ASK_DATASET_NAMES] = "SELECT id, name FROM datasets WHERE name >= ?1 AND name < ?2 "
                              "ORDER BY name, namespace",
    [SQL_ASK_JOB_NAMES] = "SELECT id, name FROM jobs WHERE name >= ?1 AND name < ?2 "
                          "ORDER BY name, namespace",
    [SQL_ASK_ID_WITH_KEY] =
        "SELECT run, key FROM ids WHERE value = ?1 ORDER BY run DESC, key DESC LIMIT ?2",
    [SQL_ASK_RUN] = "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?1",
    [SQL_ASK_RUN_RANGE] = "SELECT id, uid, text FROM runs WHERE uuid >= ?1 AND uuid <= ?2 "
                          "ORDER BY uuid LIMIT 1000",
#define LIST "SELECT id, uid, status, job, started, last FROM runs WHERE "
    [SQL_ASK_RUNS] = LIST "id < ?1 ORDER BY id DESC",
    [SQL_ASK_RUNS_JOB] = LIST "job = ?1 ORDER BY born DESC, id DESC",
    [SQL_ASK_RUNS_JOB_UNTIL] = "SELECT id, uid, status, job, ended, parent FROM runs "
                               "WHERE job = ?1 AND born <= ?2 ORDER BY born DESC, id DESC",
    [SQL_ASK_RUNS_JOB_SINCE] = "SELECT id, uid, status, job, ended, parent FROM runs "
                               "WHERE job = ?1 AND born > ?2 ORDER BY born, id",
    [SQL_ASK_RUNS_STATUS] = LIST "status = ?1 AND status <> 2 ORDER BY id DESC",
    /* By time: `born` is what is indexed; a run's START may be earlier, if it came late. */
    [SQL_ASK_RUNS_TIME] = LIST "born >= ?1 AND born <= ?2 ORDER BY born DESC, id DESC",
    [SQL_ASK_RUNS_FAILED] =
        LIST "status IN (3, 4) AND born >= ?1 AND born <= ?2 ORDER BY born DESC, id DESC",
    [SQL_ASK_RUNS_JOB_TIME] =
        LIST "job = ?1 AND born >= ?2 AND born <= ?3 ORDER BY born DESC, id DESC",
    [SQL_ASK_RUNS_PARENT] = LIST "parent = ?1 ORDER BY id DESC",
    [SQL_ASK_RUNS_ROOT] = LIST "root = ?1 ORDER BY id DESC",
    [SQL_ASK_CHILDREN] = "SELECT id, uid FROM runs WHERE parent = ?1 ORDER BY id",
    [SQL_ASK_ID] = "SELECT run FROM ids WHERE value = ?1 ORDER BY run DESC LIMIT ?2",
    [SQL_ASK_ID_KEY] =
        "SELECT run FROM ids WHERE value = ?1 AND key = ?2 ORDER BY run DESC LIMIT ?3",
    [SQL_ASK_ID_HAS] = "SELECT 1 FROM ids WHERE value = ?1 AND run = ?2 AND key = ?3",
    [SQL_ASK_ID_PAIRS] = "SELECT run, key FROM ids WHERE value = ?1 ORDER BY run DESC LIMIT ?2",
    [SQL_ASK_DATASET_UID] = "SELECT 1 FROM io CROSS JOIN runs ON runs.id = io.run "
                            "WHERE io.dataset = ?1 AND runs.uid = ?2 LIMIT 1",
    /* One job after the other, and of each the runs from the newest: never all runs of a dataset.
     */
    [SQL_ASK_IO_JOB] = "SELECT job FROM io WHERE dataset = ?1 AND side = ?2 AND job > ?3 "
                       "ORDER BY job LIMIT 1",
    [SQL_ASK_IO_HAS] = "SELECT dataset, side FROM io WHERE version = ?1 "
                       "AND (dataset, side) >= (?2, ?3) ORDER BY dataset, side LIMIT 1",
    [SQL_ASK_IO_LATEST] = "SELECT at, run, version FROM io WHERE dataset = ?1 AND side = ?2 "
                          "AND job = ?3 AND at >= ?4 AND at <= ?5" IO_ORDER,
#define IO_SCAN                                                                                    \
    "SELECT io.job, io.at, io.run, io.version, runs.uid, runs.status FROM io LEFT JOIN runs "      \
    "ON runs.id = io.run WHERE "
#define IO_SCAN_END                                                                                \
    "io.dataset = ?1 AND io.side = ?2 AND io.job <= ?3 "                                           \
    "ORDER BY io.job DESC, io.at DESC, io.run DESC"
    [SQL_ASK_IO] = IO_SCAN IO_SCAN_END,
    [SQL_ASK_IO_VERSION] = IO_SCAN "io.version = ?4 AND " IO_SCAN_END,
    [SQL_ASK_IO_LATEST_VERSION] =
        "SELECT at, run, version FROM io WHERE version = ?6 AND dataset = ?1 "
        "AND side = ?2 AND job = ?3 AND at >= ?4 AND at <= ?5" IO_ORDER,
    [SQL_ASK_IO_FIRST] =
        "SELECT at, run, version FROM io WHERE dataset = ?1 AND side = ?2 AND job = ?3 "
        "AND at > ?4 ORDER BY at, run",
    [SQL_ASK_ANSWER_REQUEST] =
        "SELECT id FROM answers WHERE request = ?1 ORDER BY id DESC LIMIT ?2",
    [SQL_ASK_ANSWER_PROVIDER] =
        "SELECT id FROM answers WHERE provider = ?1 ORDER BY id DESC LIMIT ?2",
    [SQL_ASK_ANSWER_TRACE] = "SELECT id FROM answers WHERE trace = ?1 ORDER BY id DESC LIMIT ?2",
    [SQL_ASK_ANSWER_COUNT] = "SELECT count(*) FROM answers WHERE run = ?1",
    /* Runs with answers, and the ids that those of one run carry: a seek for each that is there. */
    [SQL_ASK_ANSWER_RUN] = "SELECT run FROM answers WHERE run > ?1 ORDER BY run LIMIT 1",
    [SQL_ASK_ANSWER_IDS] = "SELECT answers.ids, texts.text FROM answers JOIN texts "
                           "ON texts.id = answers.ids WHERE answers.run = ?1 AND answers.ids > ?2 "
                           "AND is_text(texts.id, texts.hash, texts.text) "
                           "ORDER BY answers.ids LIMIT 1",
    [SQL_ASK_ANSWER_OF_IDS] = "SELECT at FROM answers WHERE run = ?1 AND ids IS ?2 "
                              "ORDER BY answers.id LIMIT 1",
    [SQL_ASK_ANSWER_LAST_OF_IDS] = "SELECT at FROM answers WHERE run = ?1 AND ids IS ?2 "
                                   "ORDER BY answers.id DESC LIMIT 1",
    [SQL_ASK_ANSWER_COUNT_OF_IDS] = "SELECT count(*) FROM answers WHERE run = ?1 AND ids IS ?2",
    [SQL_ASK_ANSWER_COUNT_OF_IDS_UNTIL] =
        "SELECT count(*) FROM answers WHERE run = ?1 AND ids IS ?2 AND at <= ?3",
    [SQL_ASK_MARKS] = "SELECT run FROM marks WHERE kind = ?1 AND run < ?2 ORDER BY run DESC",
    [SQL_ASK_IO_MARKED] = "SELECT io.run FROM io CROSS JOIN marks ON marks.kind = ?3 "
                          "AND marks.run = io.run WHERE io.version = ?2 AND io.dataset = ?1 "
                          "AND io.side = ?4",
    [SQL_ASK_ID_KEYED] = "SELECT run FROM ids WHERE value = ?1 AND key = ?2 ORDER BY run",
    [SQL_ASK_ID_MARKED] = "SELECT ids.run FROM ids CROSS JOIN marks ON marks.kind = ?2 "
                          "AND marks.run = ids.run WHERE ids.value = ?1",
    [SQL_ASK_MEMBER_PIECES] = "SELECT piece FROM member_keys WHERE key = ?1 AND piece > ?2 "
                              "ORDER BY piece",
    [SQL_ASK_PIECE_LISTS] = "SELECT list FROM list_pieces WHERE piece = ?1 ORDER BY list",
    [SQL_ASK_ARTIFACT_LISTS] = "SELECT list, uid FROM artifacts WHERE sha256 = ?1",
    [SQL_ASK_IO_READ_BY] = "SELECT 1 FROM io WHERE version = ?2 AND dataset = ?1 AND side = 0 "
                           "AND job = ?3 AND run = ?4 LIMIT 1",
    [SQL_ASK_LIST_ANY] = "SELECT 1 FROM lists WHERE id > 0 LIMIT 1",
    [SQL_ASK_LISTS_NOT_HERE] = "SELECT count(*) FROM lists WHERE pieces IS NULL AND id > 0",
    [SQL_ASK_LISTS_NOT_HERE_UID] =
        "SELECT count(*) FROM lists WHERE pieces IS NULL AND id > 0 AND EXISTS("
        "SELECT 1 FROM artifacts WHERE list = lists.id AND uid = ?1)",
    [SQL_ASK_VERSION_RUN_UID] = "SELECT 1 FROM io CROSS JOIN runs ON runs.id = io.run "
                                "WHERE io.version = ?1 AND runs.uid = ?2 LIMIT 1",
    [SQL_ASK_DOC_ANSWERS] = "SELECT answer FROM answer_docs WHERE doc = ?1 AND answer < ?2 "
                            "ORDER BY answer DESC",
    [SQL_ASK_ANSWER_COUNT_UNTIL] = "SELECT count(*) FROM answers WHERE run = ?1 AND at <= ?2",
    [SQL_ASK_ANSWER_ANY] = "SELECT id FROM answers WHERE id > 0 LIMIT 1",
    [SQL_ASK_EVENTS] =
        "SELECT data FROM events WHERE run = ?1 AND is_event(id, hash, data) ORDER BY id",

    [SQL_EXPORT_RUNS] = "SELECT " RUN_COLUMNS " FROM runs WHERE id > ?1 ORDER BY id LIMIT 1",
    [SQL_EXPORT_JOBS] = "SELECT id, uid, seen, state FROM jobs WHERE id > ?1 ORDER BY id",
    [SQL_EXPORT_DATASETS] = "SELECT id, uid, seen, state FROM datasets WHERE id > ?1 ORDER BY id",
    /* In the order of their index: by the ids that they carry, then as they came. */
    [SQL_EXPORT_ANSWERS] = "SELECT id FROM answers WHERE run = ?1 AND ids IS ?2 AND id > ?3 "
                           "ORDER BY id LIMIT ?4",
    [SQL_EXPORT_ANSWER_IDS] =
        "SELECT ids FROM answers WHERE run = ?1 AND ids > ?2 ORDER BY ids LIMIT 1",
    [SQL_EXPORT_ANSWER] = "SELECT ids FROM answers WHERE id = ?1",
    [SQL_EXPORT_LAST_ANSWER] =
        "SELECT at FROM answers WHERE run = ?1 ORDER BY ids DESC, id DESC LIMIT 1",
    [SQL_EXPORT_RAW_COUNT] = "SELECT count(*) FROM events WHERE run = ?1",
    [SQL_EXPORT_RAW_FIRST] = "SELECT data FROM events WHERE run = ?1 ORDER BY id LIMIT 1",
    [SQL_EXPORT_RAW] = "SELECT id, data FROM events WHERE run = ?1 AND id > ?2 "
                       "AND is_event(id, hash, data) ORDER BY id",
};
