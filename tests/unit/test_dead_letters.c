/* SPDX-License-Identifier: Apache-2.0 */
/* S20: a letter that was answered OL_OK is there after every crash, with the exact bytes; ended
 * ones are not. */
#include "spool_support.h"

#include "dead_letters.h"
#include "fail_alloc.h"

static int make_spool_dir(void **state)
{
    return make_dir(state) == 0 ? mkdir(test_dir, 0700) : -1;
}

static struct dead_letter letter_of(uint64_t seq, struct ol__span event)
{
    return (struct dead_letter){.seq = seq,
                                .taken_ms = 1000 + (int64_t)seq,
                                .parked_ms = 2000 + (int64_t)seq,
                                .reason = "status 422",
                                .status = 422,
                                .answer = OL_SPAN_LIT("{\"code\":422}"),
                                .tries = 3,
                                .lane = "run \"x\"",
                                .uid = 1000,
                                .event = event};
}

static struct dead_letters *open_letters(int64_t max_bytes)
{
    struct dead_letters *letters = NULL;
    struct ol_error err;
    ol_status status = dead_letters_open(test_dir, "http-1", max_bytes, &fault_fs, &letters, &err);
    if (status != OL_OK)
        fail_msg("dead letters: %s", err.message);
    return letters;
}

struct listed {
    uint64_t seqs[64];
    size_t count;
    struct ol__span event; /* expected of each, if set */
};

static ol_status list(void *arg, const struct dead_letter *letter)
{
    struct listed *listed = arg;
    char id[64];
    snprintf(id, sizeof id, "%s-%" PRIu64, letter->route, letter->seq);
    assert_string_equal(letter->id, id);
    assert_int_equal(letter->taken_ms, 1000 + (int64_t)letter->seq);
    assert_int_equal(letter->parked_ms, 2000 + (int64_t)letter->seq);
    assert_string_equal(letter->reason, "status 422");
    assert_int_equal(letter->status, 422);
    assert_true(ol__span_equal(letter->answer, OL_SPAN_LIT("{\"code\":422}")));
    assert_int_equal(letter->tries, 3);
    assert_string_equal(letter->lane, "run \"x\"");
    assert_int_equal(letter->uid, 1000);
    if (listed->event.data != NULL)
        assert_true(ol__span_equal(letter->event, listed->event));
    assert_true(listed->count < OL_COUNT(listed->seqs));
    listed->seqs[listed->count++] = letter->seq;
    return OL_OK;
}

static void expect(const char *route, const uint64_t *seqs, size_t count)
{
    struct listed listed = {0};
    assert_int_equal(dead_letters_each(test_dir, route, list, &listed, NULL), OL_OK);
    assert_int_equal(listed.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(listed.seqs[i], seqs[i]);
}

static void letters_path(char out[512])
{
    path_of("dead/http-1.jsonl", out);
}

/* Every field, and bytes that are awkward in JSON, come back as they went in. */
static void test_round_trip(void **state)
{
    (void)state;
    assert_int_equal(dead_letters_each(test_dir, NULL, list, NULL, NULL), OL_OK); /* none yet */
    static const char *const events[] = {
        "{}", "{\"a\":\"q\\\"uo\\\\te\\u0001\\n\"}",
        "{ \"t\" :\t1,\n \"u\": \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\" }"};
    for (size_t i = 0; i < OL_COUNT(events); i++) {
        struct dead_letters *letters = open_letters(0);
        struct dead_letter letter = letter_of(i + 1, ol__span_text(events[i]));
        assert_false(dead_letters_has(letters, i + 1));
        assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
        assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK); /* once is enough */
        assert_true(dead_letters_has(letters, i + 1));
        assert_int_equal(dead_letters_count(letters), 1);
        struct listed listed = {.event = ol__span_text(events[i])};
        assert_int_equal(dead_letters_each(test_dir, "http-1", list, &listed, NULL), OL_OK);
        assert_int_equal(listed.count, 1);
        char id[32];
        snprintf(id, sizeof id, "http-1-%zu", i + 1);
        assert_int_equal(dead_letters_end(letters, id, "dropped", NULL), OL_OK);
        assert_int_equal(dead_letters_end(letters, id, "dropped", NULL), OL_NOT_FOUND);
        assert_int_equal(dead_letters_end(letters, "http-1-x", "dropped", NULL), OL_NOT_FOUND);
        assert_int_equal(dead_letters_end(letters, "http-2-1", "dropped", NULL), OL_NOT_FOUND);
        expect("http-1", NULL, 0);
        dead_letters_close(letters);
    }
    struct dead_letters *letters = NULL;
    assert_int_equal(dead_letters_open(test_dir, "../x", 0, &fault_fs, &letters, NULL), OL_INVALID);
}

/* A letter that was ended and is parked again is open again, for the owner and for those who list.
 */
static void test_again(void **state)
{
    (void)state;
    static const uint64_t first[] = {1, 2, 3}, last[] = {1, 3, 2};
    struct dead_letters *letters = open_letters(0);
    struct dead_letter letter;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        letter = letter_of(seq, OL_SPAN_LIT("{}"));
        assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    }
    expect(NULL, first, 3);
    assert_int_equal(dead_letters_end(letters, "http-1-2", "retried", NULL), OL_OK);
    letter = letter_of(2, OL_SPAN_LIT("{}"));
    assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    expect("http-1", last, 3);
    dead_letters_close(letters);
    letters = open_letters(0);
    assert_int_equal(dead_letters_count(letters), 3);
    dead_letters_close(letters);
}

/* The file cut at each byte of its last line: that line is gone, those before stay, the next one
 * stands alone. */
static void test_torn(void **state)
{
    (void)state;
    static const uint64_t before[] = {1}, after[] = {1, 3}, whole[] = {1, 2, 3};
    struct dead_letters *letters = open_letters(0);
    char path[512];
    uint8_t *bytes = NULL;
    letters_path(path);
    struct dead_letter letter = letter_of(1, OL_SPAN_LIT("{\"n\":1}"));
    assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    letter = letter_of(2, OL_SPAN_LIT("{\"n\":2}"));
    assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    dead_letters_close(letters);
    size_t size = read_bytes(path, &bytes);
    for (size_t at = (size_t)st.st_size; at <= size; at++) {
        write_bytes(path, bytes, at);
        expect("http-1", at == size ? whole : before, at == size ? 2 : 1);
        letters = open_letters(0);
        assert_int_equal(dead_letters_has(letters, 2), at == size);
        letter = letter_of(3, OL_SPAN_LIT("{\"n\":3}"));
        assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
        dead_letters_close(letters);
        expect("http-1", at == size ? whole : after, at == size ? 3 : 2);
    }
    free(bytes);
    /* Lines that are none are passed over and kept. */
    static const char junk[] =
        "not "
        "json\n{\"done\":\"http-1-77\"}\n{\"id\":\"http-1-5\",\"seq\":6,\"event\":\"{}\"}\n\n[]\n";
    write_bytes(path, junk, sizeof junk - 1);
    expect("http-1", NULL, 0);
    letters = open_letters(0);
    assert_int_equal(dead_letters_count(letters), 0);
    dead_letters_close(letters);
}

/* At the limit the lane waits; what ended makes room. */
static void test_limit(void **state)
{
    (void)state;
    struct dead_letters *letters = open_letters(2000);
    uint64_t seq = 0;
    ol_status status = OL_OK;
    while (status == OL_OK && seq < 100) {
        struct dead_letter letter = letter_of(seq + 1, OL_SPAN_LIT("{}"));
        status = dead_letters_add(letters, &letter, NULL);
        seq += status == OL_OK;
    }
    assert_int_equal(status, OL_FULL);
    assert_true(seq >= 3);
    assert_int_equal(dead_letters_count(letters), seq);
    assert_int_equal(dead_letters_end(letters, "http-1-1", "dropped", NULL), OL_OK);
    struct dead_letter letter = letter_of(50, OL_SPAN_LIT("{}"));
    assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    assert_int_equal(dead_letters_count(letters), seq);
    assert_false(dead_letters_has(letters, 1));
    char path[512];
    struct stat st;
    letters_path(path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 2000);
    dead_letters_close(letters);
}

/* Every call and allocation fails once, then power fails: what was answered OL_OK is there, ended
 * ones stay ended. */
static void test_failures(void **state)
{
    (void)state;
    for (unsigned long n = 1; n < 120; n++) {
        remove_dir();
        assert_int_equal(mkdir(test_dir, 0700), 0);
        fault_fs_reset();
        struct dead_letters *letters = open_letters(0);
        bool by_call = n % 3 != 0;
        bool is_there[12] = {false}, has_ended[12] = {false};
        if (by_call) /* the recording disk allocates as well */
            fault_disk_record();
        if (by_call)
            fault_fs_fail(FAULT_ANY, 1 + n / 3, n % 2 == 0 ? EIO : ENOSPC);
        else
            fail_alloc_at(n / 3);
        for (uint64_t seq = 1; seq <= 10; seq++) {
            struct dead_letter letter = letter_of(seq, OL_SPAN_LIT("{\"a\":\"some bytes\"}"));
            is_there[seq] = dead_letters_add(letters, &letter, NULL) == OL_OK;
            if (seq % 4 == 0 && is_there[seq - 1]) {
                char id[32];
                snprintf(id, sizeof id, "http-1-%" PRIu64, seq - 1);
                has_ended[seq - 1] = dead_letters_end(letters, id, "dropped", NULL) == OL_OK;
                assert_int_equal(dead_letters_has(letters, seq - 1), !has_ended[seq - 1]);
            }
        }
        fault_fs_stop();
        fail_alloc_stop();
        dead_letters_close(letters);
        assert_true(fault_disk_power_cut(n % 4 == 0 ? 0 : n));
        letters = open_letters(0);
        for (uint64_t seq = 1; seq <= 10; seq++) {
            if (is_there[seq] && !has_ended[seq])
                if (seq % 4 != 3 && !dead_letters_has(letters, seq))
                    fail_msg("fault %lu: letter %" PRIu64 " is lost", n, seq);
            if (has_ended[seq] && dead_letters_has(letters, seq))
                fail_msg("fault %lu: letter %" PRIu64 " is back", n, seq);
        }
        dead_letters_close(letters);
    }
}

/* Many at once: all end or none, whether the file has room for their ends or not; with one sync. */
static void test_many(void **state)
{
    (void)state;
    for (int is_full = 0; is_full < 2; is_full++) {
        remove_dir();
        assert_int_equal(mkdir(test_dir, 0700), 0);
        struct dead_letters *letters = open_letters(is_full ? 2000 : 0);
        uint64_t seqs[8] = {99}; /* one that is not open is passed over */
        size_t count = 1, ended = 0;
        for (uint64_t seq = 1; seq <= 7; seq++) {
            struct dead_letter letter = letter_of(seq, OL_SPAN_LIT("{\"a\":1}"));
            assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
            if (seq != 4)
                seqs[count++] = seq;
        }
        fault_fs_fail(FAULT_ANY, 1, EIO);
        assert_true(dead_letters_end_many(letters, seqs, count, "retried", &ended, NULL) < 0);
        fault_fs_stop();
        assert_int_equal(dead_letters_count(letters), 7);
        fault_fs_fail(FAULT_ANY, 1000, EIO);
        assert_int_equal(dead_letters_end_many(letters, seqs, count, "retried", &ended, NULL),
                         OL_OK);
        fault_fs_stop();
        assert_int_equal(ended, 6);
        assert_int_equal(dead_letters_count(letters), 1);
        dead_letters_close(letters);
        static const uint64_t left[] = {4};
        expect("http-1", left, 1);
        letters = open_letters(0);
        assert_true(dead_letters_has(letters, 4));
        assert_int_equal(dead_letters_count(letters), 1);
        dead_letters_close(letters);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_spool_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_round_trip), TEST(test_again),    TEST(test_torn),
                                       TEST(test_limit),      TEST(test_failures), TEST(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
