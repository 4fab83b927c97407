/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's interface, one rule of spec/SPOOL.md a test. Crashes, rot and cursors have tests of
 * their own. */
#include "spool_support.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <xxhash.h>
#include "times.h"

static struct spool_stats stats_of(const struct spool *spool)
{
    struct spool_stats stats;
    spool_stats_get(spool, &stats);
    return stats;
}

/* What goes in comes out, every field, over a reopening too; sequences rise by one from 1 (S1). */
static void test_round_trip(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    assert_int_equal(spool_synced(spool), 0);
    assert_int_equal(spool_oldest(spool), 1);
    struct spool_record in = {.type = SPOOL_EVENT,
                              .source = SPOOL_FROM_KAFKA,
                              .lane_kind = 3,
                              .source_position = 77,
                              .uid = SPOOL_UID_UNKNOWN,
                              .warnings = 5,
                              .time_ms = 1234567890123,
                              .data = OL_SPAN_LIT("{\"a\":1}")};
    memset(in.lane, 0x5a, 16);
    memset(in.source_id, 0xa5, 16);
    assert_int_equal(spool_group_add(spool, &in, NULL), OL_OK);
    assert_int_equal(in.seq, 1);
    assert_true(spool_group_size(spool) >= 87);
    struct spool_reader *reader = NULL;
    struct spool_record out;
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    assert_int_equal(spool_reader_next(reader, &out, NULL), OL_END); /* not committed */
    commit(spool);
    assert_int_equal(spool_group_size(spool), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(spool_reader_next(reader, &out, NULL), OL_OK);
        assert_int_equal(out.type, in.type);
        assert_int_equal(out.source, in.source);
        assert_int_equal(out.lane_kind, in.lane_kind);
        assert_memory_equal(out.lane, in.lane, 16);
        assert_memory_equal(out.source_id, in.source_id, 16);
        assert_int_equal(out.source_position, 77);
        assert_int_equal(out.uid, SPOOL_UID_UNKNOWN);
        assert_int_equal(out.warnings, 5);
        assert_int_equal(out.time_ms, in.time_ms);
        assert_int_equal(out.seq, 1);
        assert_true(ol__span_equal(out.data, in.data));
        struct spool_record again;
        assert_int_equal(spool_read_again(reader, out.segment, out.offset, 1, &again, NULL), OL_OK);
        assert_true(ol__span_equal(again.data, in.data));
        assert_int_equal(spool_read_again(reader, out.segment, out.offset, 2, &again, NULL),
                         OL_CORRUPT);
        assert_int_equal(spool_read_again(reader, out.segment, out.offset + 8, 1, &again, NULL),
                         OL_CORRUPT);
        assert_int_equal(spool_read_again(reader, 99, out.offset, 1, &again, NULL), OL_NOT_FOUND);
        assert_int_equal(spool_reader_next(reader, &out, NULL), OL_END);
        spool_reader_close(reader);
        struct ol__uuid uuid = *spool_uuid(spool);
        spool_close(spool);
        spool = open_small();
        assert_memory_equal(uuid.bytes, spool_uuid(spool)->bytes, 16);
        assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    }
    spool_reader_close(reader);
    spool_close(spool);
}

/* Many groups over many segments and starts: nothing missing, nothing twice; each start begins a
 * segment (S6). */
static void test_roll(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    uint64_t n = 0;
    for (int start = 0; start < 4; start++) {
        struct spool_reader *reader = NULL; /* follows while it is written */
        struct spool_record record;
        uint64_t from = n;
        assert_int_equal(spool_reader_open(spool, n, &reader, NULL), OL_OK);
        for (int group = 0; group < 60; group++) {
            for (int i = 0; i <= group % 7; i++, n++)
                add_event(spool, n + 1, 1 + (n * 977) % 3000);
            commit(spool);
            if (group % 3 == 0)
                while (spool_reader_next(reader, &record, NULL) == OL_OK)
                    assert_int_equal(record.seq, ++from);
        }
        while (spool_reader_next(reader, &record, NULL) == OL_OK)
            assert_int_equal(record.seq, ++from);
        assert_int_equal(from, n);
        assert_int_equal(spool_synced(spool), n);
        spool_reader_close(reader);
        uint64_t segments = stats_of(spool).segments;
        assert_true(segments >= 5);
        spool_close(spool);
        spool = open_small();
        assert_int_equal(spool_synced(spool), n);
        assert_int_equal(stats_of(spool).segments, segments);
        expect_events(spool, 1, n);
        for (uint64_t at = 1; at < n; at += 97)
            expect_events(spool, at, n);
    }
    assert_int_equal(stats_of(spool).quarantined_bytes, 0);
    assert_int_equal(stats_of(spool).torn_bytes, 0);
    spool_close(spool);
}

/* A record has limits, and a group; what is refused changes nothing. */
static void test_limits(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    struct ol_error err;
    assert_int_equal(try_add(spool, 1, SPOOL_PAYLOAD_MAX + 1, NULL, &err), OL_TOO_LARGE);
    assert_int_equal(try_add(spool, 1, 64 * 1024, NULL, &err), OL_TOO_LARGE);
    assert_int_equal(try_add(spool, 1, 0, NULL, &err), OL_INVALID);
    assert_int_equal(add_event(spool, 1, 50000), 1);
    assert_int_equal(try_add(spool, 2, 50000, NULL, &err), OL_FULL); /* commit first */
    commit(spool);
    assert_int_equal(add_event(spool, 2, 50000), 2);
    commit(spool);
    expect_events(spool, 1, 2);
    commit(spool); /* an empty group needs no sync */
    assert_int_equal(stats_of(spool).syncs, 2);
    spool_close(spool);
    struct spool_options options = small_options();
    options.segment_bytes = 0; /* 64 MiB */
    options.max_bytes = 0;
    spool = open_with(&options);
    add_event(spool, 3, SPOOL_PAYLOAD_MAX);
    commit(spool);
    expect_events(spool, 1, 3);
    spool_close(spool);
    options.max_bytes = 1024 * 1024;
    assert_int_equal(spool_open(&options, &spool, &err), OL_INVALID);
    options.segment_bytes = 1000;
    assert_int_equal(spool_open(&options, &spool, &err), OL_INVALID);
}

/* S7: full by max_bytes and by the filesystem's floor; reaping makes room, and files are used again
 * (S8). */
static void test_full(void **state)
{
    (void)state;
    struct spool_options options = small_options();
    options.max_bytes = 6 * 64 * 1024;
    uint8_t *stale = malloc(64 * 1024);
    memset(stale, 0x5a, 64 * 1024);
    char path[512];
    assert_int_equal(mkdir(test_dir, 0700), 0);
    for (int i = 1; i <= 3; i++) { /* files that an earlier start filled */
        char name[SEGMENT_NAME_SIZE];
        segment_name((uint64_t)i, true, name);
        path_of(name, path);
        write_bytes(path, stale, 64 * 1024);
    }
    free(stale);
    struct spool *spool = open_with(&options);
    assert_int_equal(count_files("", "free-", ".seg"), 2);
    struct spool_cursor *cursor = NULL;
    assert_int_equal(spool_cursor_open(spool, "first", true, &cursor, NULL), OL_OK);
    uint64_t n = 0;
    bool was_kept = false;
    ol_status status = OL_OK;
    while (status == OL_OK && n < 1000) {
        status = try_add(spool, n + 1, 10000, NULL, NULL);
        if (status == OL_OK) {
            commit(spool);
            n++;
        }
    }
    assert_int_equal(status, OL_FULL);
    assert_true(n >= 20);
    assert_true(stats_of(spool).is_full);
    assert_true(stats_of(spool).bytes_used <= (uint64_t)options.max_bytes);
    assert_int_equal(spool_reap(spool, NULL), OL_OK); /* nothing was done: nothing goes */
    assert_int_equal(try_add(spool, n + 1, 10000, NULL, NULL), OL_FULL);
    expect_events(spool, 1, n);
    for (int round = 0; round < 30;
         round++) { /* recycled files hold stale records of the same size */
        for (uint64_t seq = spool_cursor_low(cursor) + 1; seq <= n; seq++)
            spool_cursor_done(cursor, seq);
        assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
        assert_int_equal(spool_reap(spool, NULL), OL_OK);
        assert_false(stats_of(spool).is_full);
        assert_true(count_files("", "free-", ".seg") <= 2);
        was_kept = was_kept || count_files("", "free-", ".seg") > 0;
        uint64_t oldest = spool_oldest(spool);
        put_events(spool, n + 1, n + 7, 10000);
        n += 7;
        expect_events(spool, oldest, n);
    }
    assert_true(stats_of(spool).bytes_used <= (uint64_t)options.max_bytes);
    assert_true(was_kept);
    spool_cursor_close(cursor);
    spool_close(spool);
    options.min_free_bytes = INT64_MAX / 2;
    spool = open_with(&options); /* it always opens (P3) */
    struct ol_error err;
    if (try_add(spool, n + 1, 100, NULL, &err) == OL_OK) { /* into a file that was kept */
        commit(spool);
        while (try_add(spool, n + 1, 10000, NULL, &err) == OL_OK)
            commit(spool);
    }
    assert_int_equal(err.status, OL_FULL);
    spool_close(spool);
}

/* S8: every cursor holds back, a pinned one for ever; a detached one is given up past half, on
 * record. */
static void test_detach(void **state)
{
    (void)state;
    struct spool_options options = small_options();
    options.max_bytes = 10 * 64 * 1024;
    struct spool *spool = open_with(&options);
    struct spool_cursor *pinned = NULL, *slow = NULL, *outside = NULL;
    assert_int_equal(spool_cursor_open(spool, "pinned", true, &pinned, NULL), OL_OK);
    assert_int_equal(spool_cursor_open(spool, "slow", false, &slow, NULL), OL_OK);
    assert_int_equal(spool_cursor_open_external(spool, "store", true, 0, &outside, NULL), OL_OK);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    uint64_t n = 0;
    for (; n < 18; n++)
        put_events(spool, n + 1, n + 1, 10000);
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_OK);
    for (uint64_t seq = 1; seq <= n; seq++)
        spool_cursor_done(pinned, seq);
    assert_int_equal(spool_cursor_sync(pinned, NULL), OL_OK);
    assert_int_equal(spool_reap(spool, NULL), OL_OK);
    assert_int_equal(spool_oldest(spool), 1); /* slow and outside hold it */
    spool_cursor_set_external(outside, n);
    assert_int_equal(spool_reap(spool, NULL), OL_OK);
    assert_int_equal(spool_oldest(spool), 1);
    assert_int_equal(stats_of(spool).gap_records, 0);
    for (; n < 35; n++)
        put_events(spool, n + 1, n + 1, 10000);
    assert_int_equal(spool_reap(spool, NULL), OL_OK); /* more than half: slow is given up */
    uint64_t gap = stats_of(spool).gap_records;
    assert_true(gap > 18);
    assert_int_equal(spool_cursor_low(slow), gap);
    assert_true(spool_cursor_is_done(slow, gap));
    assert_int_equal(spool_cursor_low(pinned), 18);
    assert_int_equal(spool_oldest(spool), 19); /* the others hold the segment with 19 */
    assert_int_equal(count_files("cursor", "slow.", "gaps"), 1);
    /* Its reader stood in the first segment: it goes on behind the gap. */
    uint64_t first_gap = 0, last_gap = 0, last_seq = 1;
    for (ol_status status = OL_OK; status != OL_END;) {
        status = spool_reader_next(reader, &record, NULL);
        if (status == OL_GAP) {
            first_gap = record.seq;
            last_gap = record.offset;
            assert_int_equal(first_gap, last_seq + 1);
            last_seq = last_gap;
        } else if (status == OL_OK) {
            assert_int_equal(record.seq, ++last_seq);
            assert_true(is_event(record.data, record.seq));
        }
    }
    assert_int_equal(last_seq, n);
    assert_int_equal(last_gap, 18);
    spool_cursor_done(slow, 3); /* an answer that comes late */
    assert_int_equal(spool_cursor_low(slow), gap);
    spool_cursor_done(slow, gap + 1);
    assert_int_equal(spool_cursor_low(slow), gap + 1);
    spool_reader_close(reader);
    spool_cursor_close(pinned);
    spool_cursor_close(slow);
    spool_cursor_close(outside);
    assert_int_equal(spool_reap(spool, NULL), OL_OK); /* no cursor open: nothing may go */
    assert_int_equal(spool_oldest(spool), 19);
    /* A reader that comes from before is told what it missed. */
    assert_int_equal(spool_reader_open(spool, 4, &reader, NULL), OL_OK);
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_GAP);
    assert_int_equal(record.seq, 5);
    assert_int_equal(record.offset, 18);
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_OK);
    assert_int_equal(record.seq, 19);
    spool_reader_close(reader);
    spool_close(spool);
}

static void patch_json(const char *text)
{
    char path[512];
    path_of("spool.json", path);
    write_bytes(path, text, strlen(text));
}

/* A newer version is refused by name, untouched; a foreign segment too (S14); a lost spool.json is
 * no loss (P3). */
static void test_versions(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_events(spool, 1, 3, 100);
    struct ol__uuid uuid = *spool_uuid(spool);
    spool_close(spool);
    struct spool_options options = small_options();
    struct ol_error err;
    patch_json("{\"lineaged_spool\":7,\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"writer\":"
               "\"lineaged/9.9\"}");
    unsigned long before = fault_fs_calls(FAULT_ANY_CHANGE);
    assert_int_equal(spool_open(&options, &spool, &err), OL_VERSION_NEWER);
    assert_int_equal(fault_fs_calls(FAULT_ANY_CHANGE), before);
    assert_non_null(strstr(err.message, "lineaged/9.9"));
    assert_non_null(strstr(err.message, "7"));
    patch_json("{\"lineaged_spool\":1,\"uuid\":\"00000000-0000-4000-8000-000000000001\"}");
    assert_int_equal(spool_open(&options, &spool, &err), OL_CORRUPT);
    char text[OL_UUID_TEXT + 1];
    ol__uuid_format(&uuid, text);
    assert_non_null(strstr(err.message, text));
    assert_non_null(strstr(err.message, "0000000000000001.seg"));
    patch_json("{\"lineaged_sp");
    spool = open_small();
    assert_memory_equal(spool_uuid(spool)->bytes, uuid.bytes, 16);
    expect_events(spool, 1, 3);
    spool_close(spool);
    /* A segment of a later format, its sum right. */
    char path[512];
    uint8_t *bytes = NULL;
    segment_path(1, path);
    size_t size = read_bytes(path, &bytes);
    /* ... or of an earlier one: neither is taken for damage. */
    for (unsigned format = 0; format <= 2; format += 2) {
        char expected[32];
        ol__put_le32(bytes + 8, format);
        ol__put_le64(bytes + 88, XXH3_64bits(bytes, 88));
        write_bytes(path, bytes, size);
        assert_int_equal(spool_open(&options, &spool, &err), OL_VERSION_NEWER);
        snprintf(expected, sizeof expected, "format %u", format);
        assert_non_null(strstr(err.message, expected));
        assert_int_equal(access(path, F_OK), 0);
    }
    free(bytes);
}

/* A second one is refused and told who holds it; looking only is always possible and changes
 * nothing. */
static void test_second(void **state)
{
    (void)state;
    struct spool *spool = open_small(), *second = NULL;
    put_events(spool, 1, 3, 100);
    struct spool_options options = small_options();
    struct ol_error err;
    assert_int_equal(spool_open(&options, &second, &err), OL_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    options.is_read_only = true;
    unsigned long before = fault_fs_calls(FAULT_ANY_CHANGE);
    second = open_with(&options);
    expect_events(second, 1, 3);
    assert_int_equal(try_add(second, 4, 10, NULL, &err), OL_DENIED);
    struct spool_cursor *cursor = NULL;
    assert_int_equal(spool_cursor_open(second, "x", true, &cursor, &err), OL_DENIED);
    assert_int_equal(spool_reap(second, NULL), OL_OK);
    spool_close(second);
    assert_int_equal(fault_fs_calls(FAULT_ANY_CHANGE), before);
    put_events(spool, 4, 4, 100);
    spool_close(spool);
    options.directory = "/nonexistent/spool";
    assert_int_equal(spool_open(&options, &second, &err), OL_NOT_FOUND);
}

static int positions_seen;
static void see_position(void *arg, const struct ol__uuid *journal, uint64_t position)
{
    uint64_t *by_id = arg;
    by_id[journal->bytes[0]] = position;
    positions_seen++;
}

static void expect_positions(const struct spool *spool, const uint64_t *expected, int count)
{
    uint64_t found[16] = {0};
    positions_seen = 0;
    spool_positions(spool, see_position, found);
    assert_int_equal(positions_seen, count);
    for (int i = 0; i < 16; i++)
        assert_int_equal(found[i], expected[i]);
}

/* Positions of journals: with events and without, forgotten, undone with a failed group, kept over
 * rolls and starts (S15), when the newest snapshot is bad too. */
static void test_positions(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    struct ol__uuid a = {{1}}, b = {{2}}, c = {{3}};
    uint64_t expected[16] = {0}, position = 0;
    struct spool_record record = {.type = SPOOL_EVENT,
                                  .source = SPOOL_FROM_JOURNAL,
                                  .source_position = 100,
                                  .data = OL_SPAN_LIT("{}")};
    memcpy(record.source_id, a.bytes, 16);
    assert_int_equal(spool_group_position(spool, &a, 50, NULL),
                     OL_OK); /* then overtaken by the event */
    assert_int_equal(spool_group_add(spool, &record, NULL), OL_OK);
    assert_int_equal(spool_group_position(spool, &b, 20, NULL), OL_OK);
    assert_int_equal(spool_position(spool, &a, &position), OL_NOT_FOUND); /* not yet synced */
    commit(spool);
    expected[1] = 100;
    expected[2] = 20;
    expect_positions(spool, expected, 2);
    assert_int_equal(spool_group_position(spool, &c, 7, NULL), OL_OK);
    commit(spool); /* a position alone makes a group */
    expected[3] = 7;
    expect_positions(spool, expected, 3);
    uint64_t synced = spool_synced(spool);
    assert_int_equal(spool_group_forget(spool, &c), OL_OK);
    commit(spool); /* forgetting alone does not */
    assert_int_equal(spool_synced(spool), synced);
    assert_int_equal(spool_position(spool, &c, &position), OL_NOT_FOUND);
    fault_fs_fail_from(FAULT_ANY_SYNC, 1, EIO);
    assert_int_equal(spool_group_position(spool, &a, 500, NULL), OL_OK);
    assert_int_equal(spool_group_commit(spool, NULL), OL_IO);
    fault_fs_stop();
    assert_int_equal(spool_position(spool, &a, &position), OL_OK);
    assert_int_equal(position, 100);
    assert_int_equal(spool_group_position(spool, &b, 21, NULL), OL_OK);
    commit(spool); /* takes the forgotten one along */
    expected[2] = 21;
    expected[3] = 0;
    expect_positions(spool, expected, 2);
    for (int round = 0; round < 3; round++) {
        spool_close(spool);
        spool = open_small();
        expect_positions(spool, expected, 2);
        put_events(spool, 1, 15, 20000); /* several segments */
        record.source_position += 10;
        assert_int_equal(spool_group_add(spool, &record, NULL), OL_OK);
        commit(spool);
        expected[1] = record.source_position;
        expect_positions(spool, expected, 2);
    }
    uint64_t newest = stats_of(spool).segments; /* numbers rise by one but for the failed ones */
    spool_close(spool);
    char path[512];
    do
        segment_path(++newest, path);
    while (access(path, F_OK) == 0 || newest < 10);
    segment_path(newest - 1, path);
    patch_bytes(path, SEGMENT_HEADER_SIZE + 90, "rot", 3);
    spool = open_small();
    expect_positions(spool, expected, 2);
    spool_close(spool);
}

struct seen_keys {
    uint64_t first, count;
};
static void see_key(void *arg, const uint8_t key[16], uint64_t position, uint64_t seq,
                    int64_t time_ms)
{
    struct seen_keys *seen = arg;
    assert_int_equal(ol__get_le64(key), position);
    assert_int_equal(seq, position);
    assert_int_equal(time_ms, 1000 + (int64_t)position);
    if (seen->count++ == 0)
        seen->first = seq;
    assert_int_equal(seq, seen->first + seen->count - 1);
}

/* The keys of recent requests, oldest first, by time and by number. */
static void test_keys(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_events(spool, 1, 200, 3000);
    static const struct {
        int64_t since_ms;
        size_t max;
        uint64_t first, count;
    } cases[] = {{0, 1000, 1, 200}, {0, 200, 1, 200},      {0, 10, 191, 10},  {0, 31, 170, 31},
                 {0, 150, 51, 150}, {1151, 1000, 151, 50}, {1151, 7, 194, 7}, {5000, 10, 0, 0}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct seen_keys seen = {0};
        assert_int_equal(
            spool_recent_keys(spool, cases[i].since_ms, cases[i].max, see_key, &seen, NULL), OL_OK);
        assert_int_equal(seen.count, cases[i].count);
        assert_int_equal(seen.first, cases[i].first);
    }
    spool_close(spool);
}

/* S5: the first failure moves the group to a new segment, the second answers and leaves no trace.
 */
static void test_failed_sync(void **state)
{
    (void)state;
    struct spool_options options = small_options();
    options.retry_ms = 60000;
    struct spool *spool = open_with(&options);
    put_events(spool, 1, 2, 500);
    static const enum fault_call calls[] = {FAULT_FDATASYNC, FAULT_PWRITE};
    uint64_t n = 2;
    for (size_t i = 0; i < OL_COUNT(calls); i++) {
        uint64_t segments = stats_of(spool).segments;
        fault_fs_fail(calls[i], 1, EIO);
        put_events(spool, n + 1, n + 1, 500);
        n++;
        assert_true(fault_fs_stop());
        assert_int_equal(stats_of(spool).segments, segments + 1);
        assert_false(stats_of(spool).is_failing);
        put_events(spool, n + 1, n + 3, 500);
        n += 3;
        expect_events(spool, 1, n);
    }
    assert_int_equal(stats_of(spool).sync_failures, 1);
    fault_fs_fail_from(FAULT_FDATASYNC, 1, EIO);
    assert_int_equal(add_event(spool, n + 1, 500), n + 1);
    assert_int_equal(spool_group_commit(spool, NULL), OL_IO);
    assert_true(stats_of(spool).is_failing);
    fault_fs_stop();
    assert_int_equal(spool_synced(spool), n);
    unsigned long writes = fault_fs_calls(FAULT_PWRITE);
    assert_int_equal(add_event(spool, n + 1, 500), n + 1); /* the same sequence again */
    assert_int_equal(spool_group_commit(spool, NULL), OL_IO);
    assert_int_equal(fault_fs_calls(FAULT_PWRITE), writes); /* not before its time */
    spool_close(spool);
    spool = open_small();
    /* The group stood whole in the file whose sync failed: refused, it may be there, and in its own
     * place (P4). */
    assert_in_range(spool_synced(spool), n, n + 1);
    n = spool_synced(spool);
    expect_events(spool, 1, n);
    put_events(spool, n + 1, n + 2, 500);
    expect_events(spool, 1, n + 2);
    spool_close(spool);
}

/* A commit wakes those who subscribed. */
static void test_subscribe(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    uint64_t value = 0;
    assert_int_equal(spool_subscribe(spool, fd), OL_OK);
    put_events(spool, 1, 2, 10);
    assert_int_equal(read(fd, &value, sizeof value), sizeof value);
    assert_int_equal(value, 2);
    spool_unsubscribe(spool, fd);
    put_events(spool, 3, 3, 10);
    assert_int_equal(read(fd, &value, sizeof value), -1);
    close(fd);
    spool_close(spool);
}

struct follower {
    struct spool *spool;
    uint64_t until, seen;
};

static void *follow(void *arg)
{
    struct follower *f = arg;
    struct spool_reader *reader = NULL;
    struct spool_cursor *cursor = NULL;
    struct spool_record record;
    int fd = eventfd(0, EFD_CLOEXEC);
    bool is_good =
        spool_reader_open(f->spool, 0, &reader, NULL) == OL_OK &&
        spool_subscribe(f->spool, fd) == OL_OK &&
        spool_cursor_open_external(f->spool, "follower", true, 0, &cursor, NULL) == OL_OK;
    while (is_good && f->seen < f->until) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        if (status == OL_OK && record.seq == f->seen + 1 && is_event(record.data, record.seq)) {
            spool_cursor_set_external(cursor, ++f->seen);
        } else if (status == OL_END) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            uint64_t value;
            is_good = poll(&p, 1, 30000) == 1 && read(fd, &value, sizeof value) == sizeof value;
        } else {
            is_good = false;
        }
    }
    spool_cursor_close(cursor);
    spool_unsubscribe(f->spool, fd);
    close(fd);
    spool_reader_close(reader);
    return NULL;
}

/* The threads of an agent at once: one appends, two follow, one reaps, one prepares. */
static void test_threads(void **state)
{
    (void)state;
    struct spool_options options = small_options();
    options.no_prepare = false;
    struct spool *spool = open_with(&options);
    struct spool_cursor *anchor = NULL; /* holds all back until the followers have their cursors */
    assert_int_equal(spool_cursor_open(spool, "anchor", true, &anchor, NULL), OL_OK);
    struct follower followers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        followers[i] = (struct follower){.spool = spool, .until = 1500};
        assert_int_equal(pthread_create(&threads[i], NULL, follow, &followers[i]), 0);
    }
    for (uint64_t n = 1; n <= 1500; n++) {
        add_event(spool, n, 1 + n * 37 % 2000);
        if (n % 5 == 0 || n == 1500)
            commit(spool);
        if (n % 100 == 0) {
            struct spool_stats stats = stats_of(spool);
            assert_true(stats.bytes_used <= stats.bytes_max);
            for (uint64_t seq = spool_cursor_low(anchor) + 1; seq + 500 < n; seq++)
                spool_cursor_done(anchor, seq);
            assert_int_equal(spool_cursor_sync(anchor, NULL), OL_OK);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(followers[i].seen, 1500);
    }
    assert_int_equal(spool_reap(spool, NULL), OL_OK);
    assert_true(spool_oldest(spool) > 1);
    spool_cursor_close(anchor);
    spool_close(spool);
}

/* Bar 4: bytes handed to the device for each byte taken, in groups of 128 KB. */
static void test_written_bytes(void **state)
{
    (void)state;
    struct spool_options options = small_options();
    options.segment_bytes = 8 * 1024 * 1024;
    options.max_bytes = 64 * 1024 * 1024;
    struct spool *spool = open_with(&options);
    uint64_t taken = 0;
    for (uint64_t n = 1; n <= 64 * 100; n++) {
        add_event(spool, n, 2048);
        taken += 2048;
        if (n % 64 == 0)
            commit(spool);
    }
    double ratio = (double)stats_of(spool).written_bytes / (double)taken;
    if (ratio > 1.15)
        fail_msg("%.3f bytes written for each byte taken", ratio);
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),    TEST(test_roll),      TEST(test_limits),
        TEST(test_full),          TEST(test_detach),    TEST(test_versions),
        TEST(test_second),        TEST(test_positions), TEST(test_keys),
        TEST(test_failed_sync),   TEST(test_subscribe), TEST(test_threads),
        TEST(test_written_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
