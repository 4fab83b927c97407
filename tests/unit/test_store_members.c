/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of members in the store: whole or not there, however their text is cut; what is shared is
 * there once; a wrong hash is refused; who says which artifact has which list; a file of schema 2,
 * as lineaged wrote it, becomes one of schema 3; what is swept; who sees what. */
#include "store_fixture.h"

#include "artifact_lines.h"
#include "hash.h"
#include "members.h"

#define OURS 1000
#define THEIRS 1001

static void hash_text(struct ol__span text, uint8_t out[32])
{
    struct ol__sha256 *hash;
    assert_int_equal(ol__sha256_new(&hash, NULL), OL_OK);
    ol__sha256_add(hash, text.data, text.size);
    ol__sha256_finish(hash, out);
    ol__sha256_free(hash);
}

/* A list of @p count members, as sha256sum prints them; member @p changed has other bytes. */
static void make_list(struct ol__buf *out, int count, int changed)
{
    ol__buf_init(out, (size_t)64 << 20);
    for (int i = 0; i < count; i++) {
        char content[32], name[64], hex[65];
        uint8_t sum[32];
        snprintf(content, sizeof content, "%d%s", i, i == changed ? "!" : "");
        hash_text(ol__span_text(content), sum);
        ol__hex(sum, sizeof sum, hex);
        snprintf(name, sizeof name, i % 50 == 7 ? "./line\nbreak \\%05d" : "./docs/%05d.txt", i);
        artifact_line_add(out, hex, name);
    }
    artifact_link_add(out, "./latest", "docs/00001.txt");
    artifact_link_add(out, "./odd\nlink", "x");
    assert_int_equal(out->status, OL_OK);
}

static struct ol__span span_of(const struct ol__buf *buf)
{
    return (struct ol__span){buf->data, buf->size};
}

static ol_status put(struct store *store, const struct ol__buf *text, int64_t uid,
                     struct ol_error *err)
{
    uint8_t sum[32];
    hash_text(span_of(text), sum);
    return store_members_put(store, sum, uid, NOW, span_of(text), err);
}

static int64_t check(struct store *store)
{
    int64_t lists = -1;
    struct ol_error err = {0};
    if (store_members_check(store, &lists, &err) != OL_OK)
        fail_msg("%s", err.message);
    return lists;
}

static void execute(const char *sql)
{
    sqlite3 *db = fixture_database();
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- Putting in ---- */

static void test_any_cut(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 7, 66, 100, 4096, 1 << 20};
    struct ol__buf text;
    uint8_t sum[32];
    make_list(&text, 500, -1);
    hash_text(span_of(&text), sum);
    char *first = NULL;
    for (size_t i = 0; i < OL_COUNT(cuts); i++) {
        struct store *store = fixture_open(STORE_WRITE);
        struct store_members *members = NULL;
        assert_int_equal(store_members_begin(store, sum, OURS, NOW, &members, NULL), OL_OK);
        for (size_t at = 0; at < text.size; at += cuts[i])
            assert_int_equal(store_members_add(
                                 members,
                                 (struct ol__span){text.data + at, OL_MIN(cuts[i], text.size - at)},
                                 NULL),
                             OL_OK);
        fixture_expect("SELECT count(*) FROM lists", "0"); /* promise 1 of members.c */
        assert_int_equal(store_members_end(members, NULL), OL_OK);
        store_members_close(members);
        assert_int_equal(check(store), 1);
        char *rows = fixture_rows("SELECT count(*), max(id), sum(length(data)) FROM pieces");
        if (first == NULL)
            first = strdup(rows);
        assert_string_equal(rows, first); /* how it was cut is nothing to the pieces */
        free(rows);
        fixture_expect("SELECT count FROM lists", "502");
        /* two look-up rows for each file, none for a link */
        fixture_expect("SELECT count(*) FROM member_keys", "1000");
        assert_int_equal(put(store, &text, OURS, NULL), OL_END);
        assert_int_equal(put(store, &text, THEIRS, NULL), OL_END);
        fixture_expect("SELECT uid, has_list FROM artifacts ORDER BY uid", "1000|1\n1001|1");
        store_close(store);
        execute("DELETE FROM lists; DELETE FROM artifacts; DELETE FROM list_pieces");
    }
    free(first);
    ol__buf_release(&text);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"no hash  name\n", "line 1"},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n\n", "line 2"},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a", "has no end"},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *a\n", "line 1"},
    };
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    uint8_t sum[32];
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        hash_text(ol__span_text(rows[i].text), sum);
        assert_int_equal(
            store_members_put(store, sum, OURS, NOW, ol__span_text(rows[i].text), &err),
            OL_INVALID);
        if (strstr(err.message, rows[i].expected) == NULL)
            fail_msg("'%s' says '%s'", rows[i].text, err.message);
    }
    struct ol__buf text;
    make_list(&text, 100, -1);
    hash_text(span_of(&text), sum);
    sum[31] ^= 1; /* a list that is not what it is said to be */
    assert_int_equal(store_members_put(store, sum, OURS, NOW, span_of(&text), &err), OL_INVALID);
    assert_non_null(strstr(err.message, "has the hash"));
    fixture_expect("SELECT (SELECT count(*) FROM lists), (SELECT count(*) FROM artifacts)", "0|0");
    assert_int_equal(put(store, &text, OURS, NULL), OL_OK); /* and the right one is taken */
    assert_int_equal(check(store), 1);
    store_close(store);
    ol__buf_release(&text);
}

static void test_shared(void **state)
{
    (void)state;
    struct ol__buf one, other;
    struct store *store = fixture_open(STORE_WRITE);
    make_list(&one, 3000, -1);
    make_list(&other, 3000, 1500);
    assert_int_equal(put(store, &one, OURS, NULL), OL_OK);
    char *before = fixture_rows("SELECT count(*) FROM pieces");
    assert_int_equal(put(store, &other, OURS, NULL), OL_OK);
    char expected[32];
    snprintf(expected, sizeof expected, "%d", atoi(before) + 1); /* the piece that changed */
    fixture_expect("SELECT count(*) FROM pieces", expected);
    assert_true(atoi(before) > 100 && atoi(before) < 400);
    assert_int_equal(check(store), 2);
    free(before);
    /* one byte of a piece: it is found, and the list is named */
    store_close(store);
    execute("UPDATE pieces SET data = CAST(replace(data, CAST('docs/0' AS BLOB), "
            "CAST('docs/1' AS BLOB)) AS BLOB) WHERE id = 3");
    store = fixture_open(STORE_READ);
    struct ol_error err = {0};
    int64_t lists;
    assert_int_equal(store_members_check(store, &lists, &err), OL_CORRUPT);
    assert_non_null(strstr(err.message, "list of members"));
    store_close(store);
    ol__buf_release(&one);
    ol__buf_release(&other);
}

/* ---- Events ---- */

#define LIST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LIST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LIST_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define EVENT(run, artifact)                                                                       \
    "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p:x',"                 \
    "'run':{'runId':'01941f29-7c00-7837-a31d-d79a7fb36a0" run "'},"                                \
    "'job':{'namespace':'n','name':'j'},'outputs':[{'namespace':'file','name':'/d/" run            \
    "','facets':{'lineaged_artifact':{'_producer':'p','_schemaURL':'s'," artifact "}}}]}"

static void test_claims(void **state)
{
    (void)state;
    static const char *const events[] = {
        EVENT("1",
              "'artifact_id':'" LIST_A "','kind':'directory','basis':'computed','member_count':3"),
        EVENT("2", "'artifact_id':'" LIST_B "','kind':'manifest','basis':'computed',"
                   "'member_count':2,'members_sha256':'" LIST_C "'"),
        EVENT("3", "'artifact_id':'" LIST_A "','kind':'file','basis':'computed'"),
        EVENT("4", "'artifact_id':'short','kind':'directory','basis':'computed','member_count':3"),
        EVENT("5", "'kind':'directory','basis':'unknown','member_count':3"),
        EVENT("1",
              "'artifact_id':'" LIST_A "','kind':'directory','basis':'computed','member_count':3"),
    };
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(events); i++)
        if (fixture_add(store, events[i], OURS, false, &err) != OL_OK)
            fail_msg("%s", err.message);
    assert_int_equal(fixture_add(store, events[1], UINT32_MAX, false, &err), OL_OK);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    fixture_expect("SELECT substr(hex(a.sha256), 1, 2), substr(hex(l.sha256), 1, 2), a.uid, "
                   "a.has_list, l.count, l.pieces IS NULL FROM artifacts a JOIN lists l "
                   "ON l.id = a.list ORDER BY 1, 3",
                   "AA|AA|1000|0|3|1\nBB|CC|-1|0|2|1\nBB|CC|1000|0|2|1");
    store_close(store);
}

/* ---- Migration ---- */

static void test_migration(void **state)
{
    (void)state;
    const char *name = getenv("STORE_SCHEMA_2");
    assert_non_null(name);
    store_close(fixture_open(STORE_WRITE));
    char *fresh = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    unlink(fixture_path);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    char *sql = calloc(1, 1 << 16);
    assert_true(fread(sql, 1, (1 << 16) - 1, file) > 1000);
    fclose(file);
    execute(sql);
    free(sql);
    struct store *store = fixture_open(STORE_READ); /* a reader takes it as it is */
    assert_int_equal(check(store), 0);
    store_close(store);
    fixture_expect("PRAGMA user_version", "2");
    store = fixture_open(STORE_WRITE);
    fixture_expect("PRAGMA user_version", "4");
    char *made = fixture_rows("SELECT type, name, sql FROM sqlite_master ORDER BY name");
    assert_string_equal(made, fresh);
    free(made);
    free(fresh);
    /* each answer retrieved a document of its own and doc-9 */
    fixture_expect("SELECT count(*), count(DISTINCT doc), count(DISTINCT answer) FROM answer_docs",
                   "6|4|3");
    char expected[64];
    snprintf(expected, sizeof expected, "%lld",
             (long long)dict_text_hash(store, ol__span_text("doc-9")));
    fixture_expect("SELECT doc FROM answer_docs GROUP BY doc HAVING count(*) = 3", expected);
    store_close(store);
    fixture_expect("PRAGMA integrity_check", "ok");
    fixture_expect("SELECT count(*) FROM pragma_foreign_key_check", "0");
}

/* ---- Retention ---- */

static void sweep(struct store *store, int64_t before_ms)
{
    int64_t at = 0;
    for (bool is_done = false; !is_done;) {
        assert_int_equal(store_begin(store, NULL), OL_OK);
        assert_int_equal(members_sweep(store, &at, before_ms, &is_done, NULL), OL_OK);
        assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    }
}

static void test_sweep(void **state)
{
    (void)state;
    struct ol__buf one, other;
    uint8_t sum[32];
    char hex[65], event[2048];
    struct store *store = fixture_open(STORE_WRITE);
    make_list(&one, 3000, -1);
    make_list(&other, 3000, 1500);
    assert_int_equal(put(store, &one, OURS, NULL), OL_OK);
    assert_int_equal(put(store, &other, OURS, NULL), OL_OK);
    hash_text(span_of(&one), sum);
    ol__hex(sum, sizeof sum, hex);
    snprintf(event, sizeof event,
             "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:00Z','producer':'p:x',"
             "'run':{'runId':'01941f29-7c00-7837-a31d-d79a7fb36a01'},'job':{'namespace':'n',"
             "'name':'j'},'outputs':[{'namespace':'file','name':'/d','facets':{'version':{"
             "'_producer':'p','_schemaURL':'s','datasetVersion':'sha256:%s'}}}]}",
             hex);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(fixture_add(store, event, OURS, false, NULL), OL_OK);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    sweep(store, NOW); /* both came just now */
    assert_int_equal(check(store), 2);
    sweep(store, NOW + 1);
    assert_int_equal(check(store), 1); /* the version is one of the first */
    fixture_expect("SELECT count(*) FROM pieces WHERE id NOT IN (SELECT piece FROM list_pieces)",
                   "0");
    fixture_expect("SELECT count(*) FROM member_keys", "6000");
    /* pieces of a list on its way are nobody's, and stay */
    struct store_members *members = NULL;
    hash_text(span_of(&other), sum);
    assert_int_equal(store_members_begin(store, sum, OURS, NOW, &members, NULL), OL_OK);
    assert_int_equal(store_members_add(members, span_of(&other), NULL), OL_OK);
    sweep(store, NOW + 1);
    assert_int_equal(store_members_end(members, NULL), OL_OK);
    store_members_close(members);
    assert_int_equal(check(store), 2);
    fixture_expect("SELECT count(*) FROM pragma_foreign_key_check", "0");
    store_close(store);
    ol__buf_release(&one);
    ol__buf_release(&other);
}

/* ---- Who sees what ---- */

#define RUN_OF(run, side, name, sha256)                                                            \
    "{'eventType':'COMPLETE','eventTime':'2026-11-21T09:00:0" run "Z','producer':'p:x',"           \
    "'run':{'runId':'01941f29-7c00-7837-a31d-d79a7fb36a0" run "'},'job':{'namespace':'n',"         \
    "'name':'j" run "'},'" side "':[{'namespace':'file','name':'" name "','facets':{'version':{"   \
    "'_producer':'p','_schemaURL':'s','datasetVersion':'sha256:" sha256 "'}}}]}"

static void expect_impact(struct store *store, const char *subject, int64_t uid, ol_status wanted,
                          const char *needed, const char *absent)
{
    const struct store_question question = {.subject = subject, .uid = uid};
    struct ol__buf out;
    struct ol_error err = {.message = ""};
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(store_impact(store, &question, &out, &err), wanted);
    if (strstr(out.data, needed) == NULL || strstr(out.data, absent) != NULL)
        fail_msg("'%s' for uid %lld: %s", subject, (long long)uid, out.data);
    ol__buf_release(&out);
}

static void test_visible(void **state)
{
    (void)state;
    struct ol__buf text;
    uint8_t sum[32];
    char hex[65], event[2048];
    struct store *store = fixture_open(STORE_WRITE);
    make_list(&text, 100, -1);
    hash_text(span_of(&text), sum);
    ol__hex(sum, sizeof sum, hex);
    assert_int_equal(put(store, &text, OURS, NULL), OL_OK);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    snprintf(event, sizeof event, RUN_OF("1", "outputs", "/ours", "%s"), hex);
    assert_int_equal(fixture_add(store, event, OURS, false, NULL), OL_OK);
    snprintf(event, sizeof event, RUN_OF("2", "inputs", "/theirs", "%s"), hex);
    assert_int_equal(fixture_add(store, event, THEIRS, false, NULL), OL_OK);
    assert_int_equal(store_commit(store, NULL, 0, NULL), OL_OK);
    static const char member[] = "docs/00003.txt";
    expect_impact(store, member, STORE_ANY_UID, OL_OK, "\"/theirs\"", "no such thing");
    expect_impact(store, member, OURS, OL_OK, "\"/ours\"", "\"/theirs\"");
    /* a run that read it is not the list: knowing a hash gives nobody the names behind it */
    expect_impact(store, member, THEIRS, OL_NOT_FOUND, "\"none\"", "\"/ours\"");
    assert_int_equal(put(store, &text, THEIRS, NULL), OL_END); /* now they have it, too */
    expect_impact(store, member, THEIRS, OL_OK, "\"/theirs\"", "\"/ours\"");
    store_close(store);
    ol__buf_release(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_any_cut),   TEST(test_refused), TEST(test_shared),  TEST(test_claims),
        TEST(test_migration), TEST(test_sweep),   TEST(test_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
