/* SPDX-License-Identifier: Apache-2.0 */
/* S23, S24: from outside, every record is seen once and every damaged place is told, whatever bit
 * is flipped; what an agent does meanwhile is not damage; repair keeps all that verifies. S22: a
 * mark that goes back stays back, and what it needs stays on disk. */
#include "spool_support.h"

#include "cursor_bytes.h"
#include "spool_look.h"
#include "spool_repair.h"

#define EVENTS 600u

struct seen {
    uint64_t records, events, last;
    bool is_there[EVENTS + 1]; /* by number, which is the sequence */
    struct look_problem problems[64];
    size_t problem_count;
    uint64_t missing, gone;
    void (*at)(uint64_t seq); /* what the agent does when this one was read */
};

static ol_status see_record(void *arg, const struct spool_record *record, bool is_snapshot,
                            struct ol_error *err)
{
    struct seen *s = arg;
    (void)is_snapshot;
    (void)err;
    s->records++;
    if (record->type != SPOOL_EVENT)
        return OL_OK;
    assert_true(record->seq > s->last);
    assert_true(is_event(record->data, record->source_position));
    s->last = record->seq;
    s->events++;
    if (record->seq <= EVENTS)
        s->is_there[record->seq] = true;
    if (s->at != NULL)
        s->at(record->seq);
    return OL_OK;
}

static ol_status see_problem(void *arg, const struct look_problem *problem, struct ol_error *err)
{
    struct seen *s = arg;
    (void)err;
    s->missing += problem->kind == LOOK_MISSING ? problem->count : 0;
    s->gone += problem->kind == LOOK_GONE;
    if (problem->kind != LOOK_MISSING && problem->kind != LOOK_GONE) {
        assert_true(s->problem_count < OL_COUNT(s->problems));
        s->problems[s->problem_count++] = *problem;
    }
    return OL_OK;
}

static struct spool_look *open_look(void)
{
    struct spool_look *look = NULL;
    struct ol_error err = {0};
    if (spool_look_open(test_dir, &look, &err) != OL_OK)
        fail_msg("spool_look_open: %s", err.message);
    return look;
}

static void walk(struct spool_look *look, struct seen *seen)
{
    struct ol_error err = {0};
    const struct look_sink sink = {.record = see_record, .problem = see_problem, .arg = seen};
    if (spool_look_walk(look, 0, UINT64_MAX, &sink, &err) != OL_OK)
        fail_msg("spool_look_walk: %s", err.message);
}

static void look_at_all(struct seen *seen)
{
    struct spool_look *look = open_look();
    walk(look, seen);
    spool_look_close(look);
}

/* Segments in their order are told with the sequences they have; ranges are kept to. */
static void test_plain(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_events(spool, 1, EVENTS, 500);
    for (int is_open = 1; is_open >= 0; is_open--) { /* beside a writer, and without */
        struct seen seen = {0};
        struct spool_look *look = open_look();
        size_t count = 0;
        const struct look_segment *segments = spool_look_segments(look, &count);
        uint64_t first = 1;
        for (size_t i = 0; i < count && segments[i].state <= LOOK_NEWEST; i++) {
            assert_int_equal(segments[i].first_seq, first);
            first = segments[i].last_seq + 1;
        }
        assert_true(count >= 4);
        assert_int_equal(first, 0); /* behind the newest, whose end only reading tells */
        walk(look, &seen);
        assert_int_equal(seen.events, EVENTS);
        assert_int_equal(seen.problem_count + seen.missing + seen.gone, 0);
        static const uint64_t ranges[][2] = {{1, 1}, {EVENTS, UINT64_MAX}, {100, 399}, {0, 0}};
        for (size_t i = 0; i < OL_COUNT(ranges); i++) {
            struct seen part = {0};
            const struct look_sink sink = {
                .record = see_record, .problem = see_problem, .arg = &part};
            assert_int_equal(spool_look_walk(look, ranges[i][0], ranges[i][1], &sink, NULL), OL_OK);
            uint64_t to = OL_MIN(ranges[i][1], (uint64_t)EVENTS);
            assert_int_equal(part.events, ranges[i][0] == 0 ? 0 : to - ranges[i][0] + 1);
        }
        spool_look_close(look);
        if (is_open)
            spool_close(spool);
    }
}

/* One bit anywhere: either it stands where no byte counts, or it is told, with the file, and at
 * most the record it hits is not seen. After a repair nothing is told any more, the same records
 * are there, and an agent reads them. */
static void test_flipped_bits(void **state)
{
    (void)state;
    uint32_t random = 12345;
    for (int round = 0; round < 60; round++) {
        remove_dir();
        struct spool *spool = open_small();
        put_events(spool, 1, 200, 700);
        spool_close(spool);
        char path[512];
        uint8_t *bytes = NULL;
        random = random * 1664525u + 1013904223u;
        uint64_t number = 1 + random % 3;
        segment_path(number, path);
        size_t size = read_bytes(path, &bytes);
        random = random * 1664525u + 1013904223u;
        /* often in a header, where one byte costs most */
        size_t at = round % 4 == 0 ? random % 96 : random % size;
        bytes[at] ^= (uint8_t)(1u << (random % 8));
        write_bytes(path, bytes, size);
        free(bytes);
        struct seen before = {0}, after = {0}, dry = {0};
        look_at_all(&before);
        uint64_t lost = 200 - before.events;
        if (before.problem_count == 0)
            assert_int_equal(lost, 0);
        else
            assert_int_equal(before.problems[0].segment, number);
        if (at >= SEGMENT_HEADER_SIZE)
            assert_true(lost <= 1);
        struct spool_options options = small_options();
        options.fs = NULL;
        struct ol_error err = {0};
        const struct repair_sink none = {.found = see_problem, .arg = &dry};
        struct repair_sink sink = none;
        struct seen repaired = {0};
        sink.arg = &repaired;
        sink.packed = NULL;
        assert_int_equal(spool_repair(&options, true, &none, &err), OL_OK);
        assert_int_equal(dry.problem_count, before.problem_count);
        if (spool_repair(&options, false, &sink, &err) != OL_OK)
            fail_msg("repair after byte %zu of segment %d: %s", at, (int)number, err.message);
        look_at_all(&after);
        if (after.problem_count != 0)
            fail_msg("byte %zu of segment %d: still damaged", at, (int)number);
        for (uint64_t seq = 1; seq <= 200; seq++)
            assert_int_equal(after.is_there[seq], before.is_there[seq]);
        spool = open_small();
        assert_int_equal(add_event(spool, 201, 100), spool_synced(spool) + 1);
        commit(spool);
        struct spool_reader *reader = NULL;
        struct spool_record record;
        assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
        uint64_t read = 0;
        for (ol_status st = OL_OK; st != OL_END;) {
            st = spool_reader_next(reader, &record, NULL);
            assert_true(st == OL_OK || st == OL_GAP || st == OL_END);
            read += st == OL_OK && record.type == SPOOL_EVENT && record.source_position <= 200;
        }
        assert_int_equal(read, after.events);
        spool_reader_close(reader);
        spool_close(spool);
    }
}

/* ---- What the agent does meanwhile ---- */

static struct spool *agent;

/* Put the second segment to another use while the first one is read, and the third while it itself
 * is: rename, then other bytes. */
static void recycle(uint64_t seq)
{
    static bool has_gone[4];
    char from[512], to[512];
    uint64_t number = seq == 1 ? 2 : seq == 300 ? 3 : 0;
    if (seq == 1)
        memset(has_gone, 0, sizeof has_gone);
    if (number == 0 || has_gone[number])
        return;
    has_gone[number] = true;
    segment_path(number, from);
    path_of(number == 2 ? "free-0000000000000abc.seg" : "free-0000000000000abd.seg", to);
    assert_int_equal(rename(from, to), 0);
    uint8_t *bytes = NULL;
    size_t size = read_bytes(to, &bytes);
    memset(bytes, 0x5a, size);
    int fd = open(to, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ol__fs_write_at(&ol__fs_real, fd, bytes, size, 0, NULL), OL_OK);
    close(fd);
    free(bytes);
}

static void test_recycled(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_events(spool, 1, EVENTS, 500);
    spool_close(spool);
    struct seen seen = {.at = recycle};
    struct spool_look *look = open_look();
    spool_look_set_chunk(look, 4096); /* so that a file is still being read when it goes */
    walk(look, &seen);
    spool_look_close(look);
    assert_int_equal(seen.problem_count, 0);
    assert_int_equal(seen.gone, 2);
    assert_true(seen.is_there[1] && seen.is_there[300] && seen.is_there[EVENTS]);
}

/* The end of the newest is read, then the agent writes there and behind, then the search for what
 * may follow reads on: what it finds proves only that the first look came too early. */
static int preads_left;
static ssize_t late_pread(int fd, void *data, size_t size, off_t offset)
{
    if (--preads_left == 0)
        put_events(agent, EVENTS + 1, EVENTS + 40, 500);
    return ol__fs_real.pread(fd, data, size, offset);
}

static void test_appended_meanwhile(void **state)
{
    (void)state;
    int told = 0;
    for (int n = 1; n < 60; n++) {
        remove_dir();
        struct spool_options options = small_options();
        options.segment_bytes = 1024 * 1024;
        agent = open_with(&options);
        put_events(agent, 1, EVENTS, 500);
        char path[512];
        segment_path(1, path);
        assert_int_equal(truncate(path, 1024 * 1024), 0); /* as one that was filled ahead */
        struct ol__fs fs = ol__fs_real;
        fs.pread = late_pread;
        struct seen seen = {0};
        struct spool_look *look = open_look();
        spool_look_set_chunk(look, 8192);
        spool_look_set_fs(look, &fs);
        preads_left = n;
        walk(look, &seen);
        spool_look_close(look);
        spool_close(agent);
        if (seen.problem_count != 0)
            fail_msg("append at read %d: told as damage", n);
        for (uint64_t seq = 1; seq <= EVENTS; seq++)
            assert_true(seen.is_there[seq]);
        told += seen.events > EVENTS;
    }
    assert_true(told > 0); /* it was seen growing */
}

/* ---- Cursors ---- */

static void test_cursor_looked_at(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    struct spool_cursor *cursor = NULL;
    put_events(spool, 1, 50, 100);
    assert_int_equal(spool_cursor_open(spool, "r", true, &cursor, NULL), OL_OK);
    for (uint64_t seq = 1; seq <= 20; seq++)
        spool_cursor_done(cursor, seq);
    spool_cursor_done(cursor, 25);
    struct spool_look *look = open_look();
    struct look_cursor c;
    assert_int_equal(spool_look_cursor(look, "r", &c, NULL), OL_OK);
    assert_true(c.has_place && c.is_live);
    assert_int_equal(c.low, 20);
    assert_int_equal(c.ahead, 1);
    for (uint64_t seq = 1; seq <= 50; seq++)
        assert_int_equal(spool_look_cursor_is_done(&c, seq), seq <= 20 || seq == 25);
    spool_look_cursor_release(&c);
    assert_int_equal(spool_look_cursor(look, "none", &c, NULL), OL_NOT_FOUND);
    assert_int_equal(spool_look_cursor(look, "../r", &c, NULL), OL_NOT_FOUND);
    spool_cursor_close(cursor);
    char path[512];
    path_of("cursor/r.live", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(spool_look_cursor(look, "r", &c, NULL), OL_OK);
    assert_true(c.has_place && !c.is_live);
    assert_int_equal(c.low, 20);
    assert_int_equal(c.ahead, 1);
    spool_look_cursor_release(&c);
    spool_look_close(look);
    spool_close(spool);
}

static void test_rewind(void **state)
{
    (void)state;
    for (int by_kill = 0; by_kill < 2; by_kill++) {
        remove_dir();
        struct spool *spool = open_small();
        struct spool_cursor *cursor = NULL;
        put_events(spool, 1, EVENTS, 500);
        assert_int_equal(spool_cursor_open(spool, "r", true, &cursor, NULL), OL_OK);
        for (uint64_t seq = 1; seq <= 400; seq++)
            spool_cursor_done(cursor, seq);
        for (uint64_t seq = 410; seq <= 450; seq++)
            spool_cursor_done(cursor, seq);
        assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
        assert_int_equal(spool_cursor_rewind(cursor, 402), 401); /* never forward */
        assert_int_equal(spool_cursor_low(cursor), 400);
        assert_int_equal(spool_cursor_rewind(cursor, 301), 301);
        assert_int_equal(spool_cursor_low(cursor), 300);
        assert_int_equal(spool_cursor_done_count(cursor), 300);
        for (uint64_t seq = 301; seq <= EVENTS; seq++)
            assert_false(spool_cursor_is_done(cursor, seq));
        assert_int_equal(spool_reap(spool, NULL), OL_OK); /* what is needed again stays */
        assert_true(spool_oldest(spool) <= 301);
        assert_true(spool_oldest(spool) > 1);
        uint64_t oldest = spool_oldest(spool);
        if (!by_kill)
            assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
        spool_cursor_close(cursor); /* the mapping has it, as after a kill */
        spool_close(spool);
        spool = open_small();
        assert_int_equal(spool_cursor_open(spool, "r", true, &cursor, NULL), OL_OK);
        assert_int_equal(spool_cursor_low(cursor), 300);
        assert_false(spool_cursor_is_done(cursor, 420));
        spool_cursor_done(cursor, 301);
        assert_int_equal(spool_cursor_low(cursor), 301);
        assert_int_equal(spool_cursor_rewind(cursor, 1), oldest); /* as far as there is something */
        assert_int_equal(spool_cursor_low(cursor), oldest - 1);
        spool_cursor_close(cursor);
        spool_close(spool);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_plain),
                                       TEST(test_flipped_bits),
                                       TEST(test_recycled),
                                       TEST(test_appended_meanwhile),
                                       TEST(test_cursor_looked_at),
                                       TEST(test_rewind)};
    return cmocka_run_group_tests_name("spool_look", tests, NULL, NULL);
}
