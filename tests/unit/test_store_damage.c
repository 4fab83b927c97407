/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: whichever text or facet of a store is changed behind its back, every question is answered
 * but for that, and names it; rows that are gone are named; bytes flipped anywhere in the file
 * crash nothing; and 10,000 single bits flipped anywhere in it: each answer is the right one, or
 * names damage. */
#include "store_fixture.h"

#include <fcntl.h>
#include "db.h"
#include "json_doc.h"

#define FACET "'_producer':'https://p.example','_schemaURL':'https://s.example'"
#define CANARY "QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"
#define RUN(digit) "01941f29-7c00-7837-a31d-00000000000" digit
#define HEAD(type, second, digit, facets)                                                          \
    "{'eventTime':'2026-11-21T09:00:0" second "Z','producer':'p:x','eventType':'" type             \
    "','run':{'runId':'" RUN(digit) "','facets':{" facets                                          \
                                    "}},'job':{'namespace':'jobs','name':'train','facets':{"       \
                                    "'documentation':{" FACET ",'description':'" CANARY "'}}}"
#define VERSION(v) "'version':{" FACET ",'datasetVersion':'" v "'}"

static const char *const events[] = {
    HEAD("START", "1", "1",
         "'tags':{" FACET ",'tags':[{'key':'team','value':'blue'}]},"
         "'lineaged_run':{" FACET ",'order_id':'order-7'}") "}",
    HEAD("COMPLETE", "2", "1",
         "'lineaged_environment':{" FACET ",'canary':'" CANARY "','seed':7},"
         "'processing_engine':{" FACET
         ",'version':'3.5','name':'Spark'}") ",'inputs':[{"
                                             "'namespace':'n','name':'raw','facets':{" VERSION(
                                                 "v1") ",'schema':{" FACET
                                                       ",'fields':[{'name':'x','type':'int','"
                                                       "description':'" CANARY "'}]}}}],"
                                                       "'outputs':[{'namespace':'n','name':'"
                                                       "model','facets':{" VERSION(
                                                           "v2") ",'columnLineage':{" FACET
                                                                 ",'fields':{'y':{'inputFields'"
                                                                 ":[{'namespace':'n','name':'"
                                                                 "raw','field':'x'}]}}}}}]}",
    HEAD("FAIL", "4", "2",
         "'parent':{" FACET ",'run':{'runId':'" RUN(
             "1") "'},'job':{'namespace':'jobs',"
                  "'name':'train'}},'errorMessage':{" FACET ",'message':'" CANARY
                  "','programmingLanguage':'C'}") ",'inputs':[{'namespace':'n','name':'model',"
                                                  "'facets':{" VERSION(
                                                      "v2") "}}],'outputs':[{'namespace':'n','"
                                                            "name':'out'}]}",
    HEAD("COMPLETE", "5", "3",
         "'lineaged_approval':{" FACET ",'approvals':[{'by':'ann','reason':'" CANARY
         "'}]}") ",'inputs':[{'namespace':'n','name':'model','facets':{" VERSION("v2") "}}]}",
    HEAD("COMPLETE", "6", "4",
         "'lineaged_deployment':{" FACET ",'deployment_id':'d1','endpoint':'https://e.example',"
         "'model_version':'v2'}") ",'inputs':[{'namespace':'n','name':'model','facets':"
                                  "{" VERSION("v2") "}}]}",
    HEAD("OTHER", "7", "5",
         "'lineaged_answer':{" FACET
         ",'request_id':'req-1','trace_id':'tr-1'},'lineaged_run':{" FACET
         ",'model_version':'v2'}") "}",
};
static const char *const subjects[][2] = {
    {"raw", "model"},     {"model", "out"},      {"train", "train"},
    {RUN("1"), RUN("2")}, {"order-7", RUN("1")}, {"req-1", RUN("1")},
};
#define VERBS_MAX 32
struct answers {
    char *text[OL_COUNT(subjects)][VERBS_MAX];
    ol_status status[OL_COUNT(subjects)][VERBS_MAX];
};

static void answers_release(struct answers *a)
{
    for (size_t s = 0; s < OL_COUNT(subjects); s++)
        for (size_t v = 0; v < VERBS_MAX; v++)
            free(a->text[s][v]);
}

/* Ask everything about everything; what fails has no text. false: the file cannot be opened. */
static bool ask_all(struct answers *ret)
{
    struct store *store = NULL;
    struct ol_error err = {0};
    *ret = (struct answers){0};
    if (store_open(fixture_path, STORE_READ, &store, &err) != OL_OK)
        return false;
    for (size_t s = 0; s < OL_COUNT(subjects); s++)
        for (size_t v = 0; store_verb_at(v) != NULL; v++) {
            struct store_question question = {
                .uid = STORE_ANY_UID, .subject = subjects[s][0], .other = subjects[s][1]};
            struct ol__buf out;
            assert_true(v < VERBS_MAX);
            if (strcmp(store_verb_at(v)->name, "export") == 0)
                question.subject = NULL;
            ol__buf_init(&out, 1 << 24);
            ret->status[s][v] = store_verb_at(v)->ask(store, &question, &out, &err);
            ol__buf_add_char(&out, '\0');
            ret->text[s][v] = ol__buf_take(&out);
        }
    store_close(store);
    return true;
}

static void make(void)
{
    struct store *store = fixture_open(STORE_WRITE);
    struct ol_error err = {0};
    assert_int_equal(store_begin(store, &err), OL_OK);
    for (size_t i = 0; i < OL_COUNT(events); i++)
        if (fixture_add(store, events[i], 1000, false, &err) != OL_OK)
            fail_msg("%zu: %s", i, err.message);
    assert_int_equal(store_commit(store, &spool_a, 1, &err), OL_OK);
    store_close(store);
}

static void execute(const char *sql)
{
    sqlite3 *db = fixture_database();
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static void *load(size_t *ret_size)
{
    FILE *file = fopen(fixture_path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *ret_size = (size_t)ftell(file);
    rewind(file);
    void *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *ret_size, file), *ret_size);
    fclose(file);
    return bytes;
}

static void save(const void *bytes, size_t size)
{
    static const char *const ends[] = {"-wal", "-shm"};
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", fixture_path, ends[i]);
        unlink(name);
    }
    FILE *file = fopen(fixture_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Of two subjects one is not found: there is no document to name damage in, so the question fails.
 */
static bool has_no_place(size_t verb)
{
    const char *name = store_verb_at(verb)->name;
    return strcmp(name, "depends") == 0 || strcmp(name, "diff") == 0;
}

/* A document, or lines of them. */
static void must_be_json(const char *text)
{
    const char *end = strchr(text, '\n');
    if (end != NULL && end[1] != '\0') {
        must_be_json(end + 1);
        char *line = strndup(text, (size_t)(end - text));
        must_be_json(line);
        free(line);
        return;
    }
    struct json_doc doc;
    struct ol_error err = {0};
    if (json_doc_read(&doc, ol__span_text(text), &err) != OL_OK)
        fail_msg("%s: %s", err.message, text);
    json_doc_release(&doc);
}

/* A text may be the head of facets: then those are named. */
static bool is_named(const char *text, const char *table, const char *name)
{
    return strstr(text, name) != NULL ||
           (strcmp(table, "texts") == 0 && strstr(text, "{\"table\":\"facets\",\"id\":") != NULL);
}

/* Row @p id of @p table was changed: each answer is as it was, or names the row. @return how many
 * name it. */
static int compare(const struct answers *was, const struct answers *is, const char *table,
                   long long id, bool is_gone)
{
    char name[100];
    int named = 0;
    snprintf(name, sizeof name, "{\"table\":\"%s\",\"id\":%lld}", table, id);
    for (size_t s = 0; s < OL_COUNT(subjects); s++)
        for (size_t v = 0; store_verb_at(v) != NULL; v++) {
            const char *text = is->text[s][v];
            if (is->status[s][v] == was->status[s][v] && strcmp(text, was->text[s][v]) == 0)
                continue;
            if (is_gone && strcmp(store_verb_at(v)->name, "stats") == 0)
                continue; /* rows are counted, those that are gone are not */
            if (is->status[s][v] != OL_OK && text[0] == '\0' &&
                (is->status[s][v] != OL_CORRUPT || has_no_place(v)))
                continue; /* the subject is not found: no answer at all */
            if ((is->status[s][v] != OL_OK && is->status[s][v] != OL_NOT_FOUND) || text == NULL ||
                !is_named(text, table, name))
                fail_msg("%s %lld, %s %s: status %d:\n%s\nwas:\n%s", table, id,
                         store_verb_at(v)->name, subjects[s][0], is->status[s][v],
                         text != NULL ? text : "-", was->text[s][v]);
            must_be_json(text);
            named++;
        }
    return named;
}

static void each_row(void **state OL_UNUSED)
{
    static const struct {
        const char *table, *change; /* with the id */
    } cases[] = {
        {"texts",
         "UPDATE texts SET text = char(unicode(text) + 1) || substr(text, 2) WHERE id = %lld"},
        {"facets", "UPDATE facets SET body = substr(body, 1, length(body) - 2) || '!' || "
                   "substr(body, -1) WHERE id = %lld"},
        {"facets", "UPDATE facets SET body = replace(body, 'Q', 'R') || ' ' WHERE id = %lld"},
        {"facets", "DELETE FROM facets WHERE id = %lld"},
    };
    struct answers was, is;
    size_t size;
    make();
    void *bytes = load(&size);
    assert_true(ask_all(&was));
    for (size_t c = 0; c < OL_COUNT(cases); c++) {
        char sql[300];
        int named = 0;
        snprintf(sql, sizeof sql, "SELECT id FROM %s", cases[c].table);
        char *ids = fixture_rows(sql), *save_to = NULL;
        for (char *id = strtok_r(ids, "\n", &save_to); id; id = strtok_r(NULL, "\n", &save_to)) {
            long long row = strtoll(id, NULL, 10);
            sqlite3_snprintf(sizeof sql, sql, cases[c].change, row);
            execute(sql);
            assert_true(ask_all(&is));
            named +=
                compare(&was, &is, cases[c].table, row, strncmp(cases[c].change, "DELETE", 6) == 0);
            answers_release(&is);
            save(bytes, size);
        }
        free(ids);
        assert_true(named > 20);
    }
    answers_release(&was);
    free(bytes);
}

/* A state that does not decode, an edge that leads nowhere: the rest is answered. */
static void states_and_edges(void **state OL_UNUSED)
{
    static const struct {
        const char *change, *named;
    } cases[] = {
        {"UPDATE runs SET state = x'01ff' WHERE id = 1", "{\"table\":\"runs\",\"id\":1}"},
        {"UPDATE runs SET state = substr(state, 1, 9) WHERE id = 1",
         "{\"table\":\"runs\",\"id\":1}"},
        {"DELETE FROM datasets WHERE name = 'model'", "{\"table\":\"datasets\",\"id\":"},
        {"DELETE FROM texts WHERE text IN ('p:x', 'n', 'order_id', 'schema')",
         "{\"table\":\"texts\",\"id\":"},
        {"DELETE FROM versions WHERE value = 'v2'", "{\"table\":\"versions\",\"id\":"},
        {"UPDATE answers SET body = substr(body, 3)", "{\"table\":\"answers\",\"id\":"},
    };
    size_t size;
    make();
    void *bytes = load(&size);
    for (size_t c = 0; c < OL_COUNT(cases); c++) {
        struct answers is;
        int named = 0;
        execute(cases[c].change);
        assert_true(ask_all(&is));
        for (size_t s = 0; s < OL_COUNT(subjects); s++)
            for (size_t v = 0; store_verb_at(v) != NULL; v++) {
                if (has_no_place(v) && is.text[s][v][0] == '\0')
                    continue;
                if (is.status[s][v] == OL_CORRUPT)
                    fail_msg("%s: %s %s fails", cases[c].change, store_verb_at(v)->name,
                             subjects[s][0]);
                if (is.status[s][v] == OL_OK && is.text[s][v][0] != '\0')
                    must_be_json(is.text[s][v]);
                named += strstr(is.text[s][v], cases[c].named) != NULL;
            }
        if (named == 0)
            fail_msg("%s: nobody says so", cases[c].change);
        answers_release(&is);
        save(bytes, size);
    }
    free(bytes);
}

/* Every run of Q is as long as it was told. */
static void look_at_canaries(const char *text)
{
    for (const char *p = text; (p = strstr(p, "\"QQ")) != NULL; p += 2)
        if (strncmp(p + 1, CANARY "\"", sizeof CANARY) != 0)
            fail_msg("%s", text);
}

static void anywhere(void **state OL_UNUSED)
{
    size_t size;
    uint32_t random = 7;
    int answered = 0, opened = 0;
    make();
    uint8_t *bytes = load(&size), *copy = malloc(size);
    assert_non_null(copy);
    for (int i = 0; i < 400; i++) {
        struct answers is;
        memcpy(copy, bytes, size);
        for (int flips = i % 3 == 0 ? 1 : i % 3 == 1 ? 8 : 200; flips > 0; flips--) {
            size_t at = 0;
            do { /* most of a small store is free space: flip what is there */
                random = random * 1664525u + 1013904223u;
                at = (size_t)(random % (uint32_t)size);
            } while (bytes[at] == 0 || at < 100);
            copy[at] ^= (uint8_t)(1u << (random >> 29));
        }
        save(copy, size);
        if (ask_all(&is)) {
            opened++;
            for (size_t s = 0; s < OL_COUNT(subjects); s++)
                for (size_t v = 0; store_verb_at(v) != NULL; v++) {
                    if (is.status[s][v] != OL_OK || is.text[s][v][0] == '\0')
                        continue;
                    answered++;
                    must_be_json(is.text[s][v]);
                    look_at_canaries(is.text[s][v]);
                }
        }
        answers_release(&is);
    }
    assert_true(opened > 10 && answered > 100); /* most are refused for the checksum of a page */
    save(bytes, size);
    free(bytes);
    free(copy);
}

/* ---- Single bits, anywhere in the file ---- */

#define FLIPS 10000
#define QUESTIONS 2 /* of each */

/* Change the bit in the file, as a disk does, and change it back. */
static void flip(size_t at, int bit)
{
    uint8_t byte = 0;
    int fd = open(fixture_path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* The answer is the right one, or says what is damaged. @return whether it says so. */
static bool is_named_or_right(const struct answers *was, struct store *store, size_t s, size_t v,
                              const char *where)
{
    struct ol_error err = {0};
    struct ol__buf out;
    struct store_question question = {
        .uid = STORE_ANY_UID, .subject = subjects[s][0], .other = subjects[s][1]};
    if (strcmp(store_verb_at(v)->name, "export") == 0)
        question.subject = NULL;
    ol__buf_init(&out, 1 << 24);
    ol_status status = store_verb_at(v)->ask(store, &question, &out, &err);
    ol__buf_add_char(&out, '\0');
    char *text = ol__buf_take(&out);
    bool is_named = status == OL_CORRUPT || ((status == OL_OK || status == OL_NOT_FOUND) &&
                                             strstr(text, "\"damaged\":[") != NULL);
    if (is_named && status != OL_CORRUPT)
        must_be_json(text);
    if (status == OL_CORRUPT && strstr(err.message, "damaged") == NULL &&
        strstr(err.message, "is gone") == NULL)
        fail_msg("%s: %s: %s", where, store_verb_at(v)->name, err.message);
    if (!is_named && (status != was->status[s][v] || strcmp(text, was->text[s][v]) != 0))
        fail_msg("%s: %s %s: status %d (%s)\n%s\nwas %d:\n%s", where, store_verb_at(v)->name,
                 subjects[s][0], status, err.message, text, was->status[s][v], was->text[s][v]);
    free(text);
    return is_named;
}

static void flipped(void **state OL_UNUSED)
{
    struct answers was;
    size_t size, verbs = 0;
    uint32_t random = 11;
    int refused = 0, named = 0, right = 0;
    make();
    free(load(&size));
    assert_true(ask_all(&was));
    while (store_verb_at(verbs) != NULL)
        verbs++;
    for (int i = 0; i < FLIPS; i++) {
        struct store *store = NULL;
        struct ol_error err = {0};
        char where[64];
        random = random * 1664525u + 1013904223u;
        size_t at = i < 4096 ? (size_t)i : (size_t)(random >> 3) % size; /* page 1 whole */
        int bit = (int)(random >> 29);
        snprintf(where, sizeof where, "bit %d of byte %zu", bit, at);
        flip(at, bit);
        if (store_open(fixture_path, STORE_READ, &store, &err) != OL_OK) {
            if (err.status != OL_CORRUPT)
                fail_msg("%s: %s", where, err.message);
            refused++;
        }
        for (size_t q = 0; q < QUESTIONS && store != NULL; q++) {
            random = random * 1664525u + 1013904223u;
            bool is_named = is_named_or_right(&was, store, (random >> 8) % OL_COUNT(subjects),
                                              (random >> 16) % verbs, where);
            named += is_named;
            right += !is_named;
        }
        store_close(store);
        flip(at, bit);
    }
    print_message(
        "%d flips: %d stores refused; of the others' answers %d name damage, %d are right\n", FLIPS,
        refused, named, right);
    assert_true(refused > 4000 && named > 500 && right > 500);
    struct answers is;
    assert_true(ask_all(&is)); /* as it was again */
    for (size_t s = 0; s < OL_COUNT(subjects); s++)
        for (size_t v = 0; v < verbs; v++)
            assert_string_equal(is.text[s][v], was.text[s][v]);
    answers_release(&is);
    answers_release(&was);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_row, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(states_and_edges, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(anywhere, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(flipped, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
