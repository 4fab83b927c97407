/* SPDX-License-Identifier: Apache-2.0 */
/* S10, S11, S13: bits that flip on disk cost the records they hit and no others, counted, with a
 * copy in quarantine, and every sequence is accounted for: given, or named in a gap. */
#include "spool_support.h"

#define EVENTS 300u

struct place {
    uint64_t segment, offset;
    size_t size;
};
static struct place places[EVENTS + 1];
static uint64_t newest;

static void build(void)
{
    struct spool *spool = open_small();
    for (uint64_t n = 1; n <= EVENTS; n++) {
        add_event(spool, n, 200 + n * 53 % 1500);
        if (n % 4 == 0)
            commit(spool);
    }
    commit(spool);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    for (uint64_t n = 1; n <= EVENTS; n++) {
        assert_int_equal(spool_reader_next(reader, &record, NULL), OL_OK);
        places[n] = (struct place){.segment = record.segment,
                                   .offset = record.offset,
                                   .size = SEGMENT_RECORD_HEADER + record.data.size};
    }
    newest = record.segment;
    spool_reader_close(reader);
    spool_close(spool);
}

static void flip(uint64_t segment, uint64_t offset)
{
    char path[512];
    uint8_t *bytes = NULL;
    segment_path(segment, path);
    size_t size = read_bytes(path, &bytes);
    assert_true(offset < size);
    bytes[offset] ^= (uint8_t)(1u << (offset % 8));
    patch_bytes(path, offset, bytes + offset, 1);
    free(bytes);
}

/* Read all with two readers; @p lost: the sequences that are gone. */
static void check_lost(const bool *lost, uint64_t last)
{
    struct spool *spool = open_small();
    assert_int_equal(spool_synced(spool), last);
    uint64_t count = 0;
    for (int round = 0; round < 2; round++) { /* the second one's finds are not counted again */
        struct spool_reader *reader = NULL;
        struct spool_record record;
        uint64_t at = 1;
        assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
        for (count = 0;;) {
            ol_status status = spool_reader_next(reader, &record, NULL);
            if (status == OL_END)
                break;
            if (status == OL_GAP) {
                assert_int_equal(record.seq, at);
                for (; at <= record.offset; at++, count++)
                    if (!lost[at])
                        fail_msg("%" PRIu64 " was lost for nothing", at);
                continue;
            }
            assert_int_equal(status, OL_OK);
            assert_int_equal(record.seq, at);
            assert_false(lost[at]);
            assert_true(is_event(record.data, at));
            at++;
        }
        assert_int_equal(at, last + 1);
        spool_reader_close(reader);
    }
    struct spool_stats stats;
    spool_stats_get(spool, &stats);
    assert_int_equal(stats.quarantined_records, count);
    assert_true(count == 0 || stats.quarantined_bytes > 0);
    assert_true(count == 0 || count_files("quarantine", "", ".bin") > 0);
    spool_close(spool);
}

/* One bit of one record, header or payload, in sealed segments and in the newest. */
static void test_one_record(void **state)
{
    (void)state;
    build();
    for (uint64_t n = 2; n + 8 < EVENTS; n += 7) {
        static const size_t spots[] = {0, 3, 4, 7, 8, 16, 30, 79, 80, 150};
        uint64_t offset = places[n].offset + spots[n % OL_COUNT(spots)];
        bool lost[EVENTS + 1] = {false};
        lost[n] = true;
        flip(places[n].segment, offset);
        check_lost(lost, EVENTS);
        flip(places[n].segment, offset);
    }
}

/* A whole block of the device. */
static void test_block(void **state)
{
    (void)state;
    static const uint8_t zeros[4096], noise[4096] = {1, 2, 3};
    build();
    for (uint64_t at = SEGMENT_HEADER_SIZE; at < 60000; at += 5 * 4096) {
        bool lost[EVENTS + 1] = {false};
        char path[512];
        uint8_t *bytes = NULL;
        segment_path(2, path);
        size_t size = read_bytes(path, &bytes);
        assert_true(size > at + 4096);
        for (uint64_t n = 1; n <= EVENTS; n++)
            lost[n] = places[n].segment == 2 && places[n].offset < at + 4096 &&
                      places[n].offset + places[n].size > at;
        patch_bytes(path, at, at % 8192 == 0 ? zeros : noise, 4096);
        check_lost(lost, EVENTS);
        write_bytes(path, bytes, size);
        free(bytes);
    }
}

/* In the newest segment the last group has no group behind it: a bad record there ends the log
 * (S11). */
static void test_end_of_newest(void **state)
{
    (void)state;
    build();
    bool lost[EVENTS + 1] = {false};
    flip(newest, places[EVENTS - 1].offset + 90);
    check_lost(lost, EVENTS - 2);
    flip(newest, places[EVENTS - 1].offset + 90);
    check_lost(lost, EVENTS);
}

/* A header that is lost costs its segment (S13), wherever it is; the others stay. */
static void test_header(void **state)
{
    (void)state;
    for (uint64_t victim = 1; victim <= 3; victim++) {
        remove_dir();
        build();
        bool lost[EVENTS + 1] = {false};
        uint64_t missing = 0, first = 0;
        for (uint64_t n = 1; n <= EVENTS; n++) {
            lost[n] = places[n].segment == victim;
            missing += lost[n];
            if (lost[n] && first == 0)
                first = n;
        }
        flip(victim, 24);
        struct spool *spool = open_small();
        struct spool_reader *reader = NULL;
        struct spool_record record;
        assert_int_equal(spool_synced(spool), EVENTS);
        struct spool_stats stats;
        spool_stats_get(spool, &stats);
        assert_int_equal(stats.quarantined_records,
                         victim == 1 ? 0 : missing); /* 1: nobody knows */
        assert_int_equal(count_files("quarantine", "000000000000000", "-0.bin"), 1);
        assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
        for (uint64_t n = 1; n <= EVENTS; n++) {
            ol_status status = spool_reader_next(reader, &record, NULL);
            assert_int_equal(record.seq, n);
            assert_int_equal(status, lost[n] ? OL_GAP : OL_OK);
            if (status == OL_GAP) {
                assert_int_equal(record.offset, first + missing - 1);
                n = record.offset;
            }
        }
        assert_int_equal(spool_reader_next(reader, &record, NULL), OL_END);
        spool_reader_close(reader);
        put_events(spool, EVENTS + 1, EVENTS + 1, 100);
        spool_close(spool);
    }
}

/* A sealed file that was cut short; one that is gone. */
static void test_short_and_gone(void **state)
{
    (void)state;
    build();
    char path[512];
    bool lost[EVENTS + 1] = {false};
    segment_path(2, path);
    assert_int_equal(truncate(path, 20000), 0);
    for (uint64_t n = 1; n <= EVENTS; n++)
        lost[n] = places[n].segment == 2 && places[n].offset + places[n].size > 20000;
    struct spool *spool = open_small();
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    for (uint64_t n = 1; n <= EVENTS; n++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        assert_int_equal(status, lost[n] ? OL_GAP : OL_OK);
        assert_int_equal(record.seq, n);
        n = status == OL_GAP ? record.offset : n;
    }
    spool_reader_close(reader);
    spool_close(spool);
    unlink(path);
    spool = open_small();
    assert_int_equal(spool_synced(spool), EVENTS);
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    ol_status status = OL_OK;
    uint64_t gaps = 0, given = 0;
    while ((status = spool_reader_next(reader, &record, NULL)) != OL_END) {
        assert_true(status == OL_OK || status == OL_GAP);
        gaps += status == OL_GAP ? record.offset - record.seq + 1 : 0;
        given += status == OL_OK;
    }
    assert_int_equal(gaps + given, EVENTS);
    for (uint64_t n = 1; n <= EVENTS; n++)
        gaps -= places[n].segment == 2;
    assert_int_equal(gaps, 0);
    spool_reader_close(reader);
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_one_record), TEST(test_block),
                                       TEST(test_end_of_newest), TEST(test_header),
                                       TEST(test_short_and_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
