/* SPDX-License-Identifier: Apache-2.0 */
/* S10, S11, P4: whatever a crash leaves of the last group, all before it is kept, nothing of it
 * comes back once it was cut, and what is appended later stands. Tried for every byte of the group.
 */
#include "spool_support.h"

#define EVENT_SIZE                                                                                 \
    120 /* all records of one size: a torn one could be mistaken for its successor                 \
         */

enum damage { CUT, ZEROS, GARBAGE, STALE, FLIPPED, DAMAGES };
static const char *const damage_names[DAMAGES] = {"cut", "zeros", "garbage", "stale", "flipped"};

struct template
{
    uint8_t *bytes; /* of the newest segment, with the last group whole */
    uint8_t *older; /* the same file at an older use: other salt, records of equal size at equal
                       places */
    size_t size;
    uint64_t group, end; /* offsets of the last group */
    uint64_t number;
    char path[512];
};

/* A log whose newest segment ends with a group of three; the rest of its file is full of records
 * that an older use left, of the same size and at the same places. @p is_first: nothing but the
 * snapshot's own group is before it. */
static void build(struct template *t, bool is_first)
{
    struct spool *spool = open_small();
    put_events(spool, 1, 20, EVENT_SIZE);
    spool_close(spool);
    spool = open_small();
    put_events(spool, 21, is_first ? 21 : 30, EVENT_SIZE);
    uint64_t n = spool_synced(spool);
    for (uint64_t i = 1; i <= 3; i++)
        add_event(spool, n + i, EVENT_SIZE);
    commit(spool);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, n + 2, &reader, NULL), OL_OK);
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_OK);
    t->number = record.segment;
    t->end = record.offset + segment_record_size(EVENT_SIZE);
    t->group = t->end - 3 * segment_record_size(EVENT_SIZE);
    spool_reader_close(reader);
    spool_close(spool);
    segment_path(t->number, t->path);
    uint8_t *bytes = NULL;
    size_t size = read_bytes(t->path, &bytes);
    assert_int_equal(size, t->end);
    t->size = 64 * 1024;
    t->bytes = calloc(1, t->size);
    memcpy(t->bytes, bytes, size);
    free(bytes);
    uint64_t seq = n + 4;
    for (uint64_t at = t->end; at + segment_record_size(EVENT_SIZE) <= t->size;
         at += segment_record_size(EVENT_SIZE), seq++) {
        memcpy(t->bytes + at, t->bytes + t->group, segment_record_size(EVENT_SIZE));
        ol__put_le64(t->bytes + at + 16, seq);
        segment_record_seal(t->bytes + at, SEGMENT_STARTS_GROUP, 0x1234);
    }
}

static uint64_t first_left(struct spool *spool)
{
    return spool_oldest(spool);
}

static uint8_t damaged(const struct template *t, enum damage kind, uint64_t i)
{
    if (kind == ZEROS)
        return 0;
    return kind == GARBAGE ? (uint8_t)(i * 167 + 13) : t->older[i];
}

static void damage_file(const struct template *t, enum damage kind, uint64_t at)
{
    uint8_t *bytes = malloc(t->size);
    size_t size = t->size;
    memcpy(bytes, t->bytes, size);
    for (uint64_t i = at; i < t->end && kind != CUT && kind != FLIPPED; i++) {
        bytes[i] = damaged(t, kind, i);
    }
    if (kind == FLIPPED) /* only a single byte is not what was written */
        bytes[at] ^= 0x40;
    if (kind == CUT)
        size = at;
    write_bytes(t->path, bytes, size);
    free(bytes);
}

static void make_older(struct template *t)
{
    t->older = malloc(t->size);
    memcpy(t->older, t->bytes, t->size);
    for (uint64_t at = t->group; at < t->end; at += segment_record_size(EVENT_SIZE)) {
        fill_event((char *)t->older + at + SEGMENT_RECORD_HEADER, EVENT_SIZE, 999000 + at);
        segment_record_seal(t->older + at, at == t->group ? SEGMENT_STARTS_GROUP : 0, 0x1234);
    }
}

/* Whether the record that byte @p at belongs to is other than it was. */
static bool is_record_changed(const struct template *t, enum damage kind, uint64_t at,
                              uint64_t whole)
{
    uint64_t end = OL_MIN(t->group + (whole + 1) * segment_record_size(EVENT_SIZE), t->end);
    for (uint64_t i = at; i < end && kind != FLIPPED; i++)
        if (damaged(t, kind, i) != t->bytes[i])
            return true;
    return kind == FLIPPED;
}

/* Open, see what survived, append records of equal size, open again: all in place, nothing else. */
static void check_one(const struct template *t, enum damage kind, uint64_t at,
                      uint64_t acknowledged)
{
    damage_file(t, kind, at);
    struct spool *spool = open_small();
    uint64_t survived = spool_synced(spool);
    uint64_t whole = (OL_MAX(at, t->group) - t->group) / segment_record_size(EVENT_SIZE);
    /* A byte may happen to be replaced by itself: then the record is whole. */
    bool is_changed = kind == CUT || is_record_changed(t, kind, at, whole);
    if (is_changed ? survived != acknowledged + whole : survived < acknowledged + whole)
        fail_msg("%s at %" PRIu64 ": the log ends at %" PRIu64 ", not %" PRIu64, damage_names[kind],
                 at - t->group, survived, acknowledged + whole);
    expect_events(spool, first_left(spool), survived);
    for (uint64_t i = 1; i <= 3; i++) {
        add_event(spool, 500000 + i, EVENT_SIZE);
        commit(spool);
    }
    spool_close(spool);
    spool = open_small();
    assert_int_equal(spool_synced(spool), survived + 3);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, first_left(spool) - 1, &reader, NULL), OL_OK);
    for (uint64_t seq = first_left(spool); seq <= survived + 3; seq++) {
        assert_int_equal(spool_reader_next(reader, &record, NULL), OL_OK);
        assert_int_equal(record.seq, seq);
        assert_true(is_event(record.data, seq <= survived ? seq : 500000 + seq - survived));
    }
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_END);
    struct spool_stats stats;
    spool_stats_get(spool, &stats);
    assert_int_equal(stats.quarantined_records, 0);
    spool_reader_close(reader);
    spool_close(spool);
    /* Away with what this one added. */
    char path[512];
    for (uint64_t number = t->number + 1; number < t->number + 4; number++) {
        segment_path(number, path);
        unlink(path);
    }
}

static void try_all(bool is_first)
{
    struct template t = {0};
    build(&t, is_first);
    make_older(&t);
    struct spool *spool = open_small();
    uint64_t acknowledged = spool_synced(spool) - 3;
    spool_close(spool);
    for (int kind = 0; kind < DAMAGES; kind++)
        for (uint64_t at = t.group; at <= t.end - (kind == CUT ? 0 : 1); at += is_first ? 7 : 1)
            check_one(&t, (enum damage)kind, at, acknowledged);
    free(t.bytes);
    free(t.older);
}

static void test_last_group(void **state)
{
    (void)state;
    try_all(false);
}

static void test_group_behind_the_first(void **state)
{
    (void)state;
    try_all(true);
}

/* Any subset of the sectors of the last group reached the disk: the holes end the log (P4). */
static void test_holes(void **state)
{
    (void)state;
    struct template t = {0};
    build(&t, false);
    struct spool *spool = open_small();
    uint64_t acknowledged = spool_synced(spool) - 3;
    spool_close(spool);
    size_t units = (size_t)(t.end - t.group) / 40;
    assert_true(units == 15);
    for (unsigned mask = 0; mask < 1u << units; mask += 1 + mask % 37) {
        uint8_t *bytes = malloc(t.size);
        memcpy(bytes, t.bytes, t.size);
        uint64_t whole = 3;
        for (unsigned unit = (unsigned)units; unit-- > 0;)
            if ((mask >> unit & 1) != 0) {
                memset(bytes + t.group + unit * 40, 0, 40);
                whole = unit / 5;
            }
        write_bytes(t.path, bytes, t.size);
        free(bytes);
        spool = open_small();
        assert_int_equal(spool_synced(spool), acknowledged + whole);
        expect_events(spool, first_left(spool), acknowledged + whole);
        spool_close(spool);
    }
    free(t.bytes);
}

/* S13: a newest file without header never came to life; the log goes on with the one before. S9: a
 * numbered file that the chain passes over is not of the log. */
static void test_stray_files(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_events(spool, 1, 5, 100);
    spool_close(spool);
    spool = open_small();
    put_events(spool, 6, 9, 100); /* segment 2, naming 1 */
    spool_close(spool);
    char one[512], two[512], three[512];
    segment_path(1, one);
    segment_path(2, two);
    segment_path(3, three);
    uint8_t *bytes = NULL;
    size_t size = read_bytes(two, &bytes);
    bytes[50] ^= 1;
    write_bytes(three, bytes, size);
    spool = open_small();
    expect_events(spool, 1, 9);
    assert_int_equal(count_files("quarantine", "0000000000000003-0", ".bin"), 1);
    put_events(spool, 10, 12, 100);
    spool_close(spool);
    spool = open_small();
    expect_events(spool, 1, 12);
    spool_close(spool);
    /* What is segment 2 on disk failed, as it turns out: 4 names 1 as the one before. */
    free(bytes);
    size = read_bytes(two, &bytes);
    struct segment_header header;
    uint32_t format = 0;
    assert_int_equal(segment_header_decode(bytes, size, &header, &format), OL_OK);
    assert_int_equal(header.previous, 1);
    header.number = 9;
    uint8_t head[SEGMENT_HEADER_SIZE];
    segment_header_encode(&header, head);
    memcpy(bytes, head, sizeof head);
    char nine[512];
    segment_path(9, nine);
    write_bytes(nine, bytes, size);
    free(bytes);
    spool = open_small();
    expect_events(spool, 1, 9);
    assert_int_equal(access(two, F_OK), -1);
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_last_group), TEST(test_group_behind_the_first),
                                       TEST(test_holes), TEST(test_stray_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
