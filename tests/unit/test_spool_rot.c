/* SPDX-License-Identifier: Apache-2.0 */
/* S10, S11, S13: bits that flip on disk cost the records they hit and no others, counted, with a
 * copy in quarantine, and every sequence is accounted for: given, or named in a gap. */
#include "spool_support.h"

#include "dead_letters.h"

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

/* ---- one bit, anywhere ---- */

#define FILES_MAX 64
#define LETTERS 12u
#define DONE_TO 40u

struct kept { /* a file of the whole spool, as it was before anything flipped */
    char path[512];
    uint8_t *bytes;
    size_t size;
};
static struct kept kept[FILES_MAX];
static size_t kept_count;
static uint64_t kept_bytes;

static int keep_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)ftw;
    const char *name = strrchr(path, '/') + 1;
    if (flag != FTW_F || st->st_size == 0 || strcmp(name, "lock") == 0)
        return 0;
    assert_true(kept_count < FILES_MAX);
    struct kept *k = &kept[kept_count++];
    snprintf(k->path, sizeof k->path, "%s", path);
    k->size = read_bytes(path, &k->bytes);
    kept_bytes += k->size;
    return 0;
}

static void restore_all(void)
{
    remove_dir();
    char path[512];
    static const char *const subs[] = {"", "/cursor", "/dead", "/quarantine"};
    for (size_t i = 0; i < OL_COUNT(subs); i++) {
        snprintf(path, sizeof path, "%s%s", test_dir, subs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < kept_count; i++)
        write_bytes(kept[i].path, kept[i].bytes, kept[i].size);
}

static bool is_done_in_build(uint64_t seq)
{
    return seq <= DONE_TO || (seq <= DONE_TO + 60 && seq % 3 == 0);
}

static void fill_letter(char out[300], uint64_t seq)
{
    fill_event(out, 300, 7000 + seq);
}

/* The log, a cursor with holes, positions, dead letters. */
static void build_whole(void)
{
    build();
    struct spool *spool = open_small();
    struct spool_cursor *cursor = NULL;
    struct dead_letters *letters = NULL;
    assert_int_equal(spool_cursor_open(spool, "route", true, &cursor, NULL), OL_OK);
    for (uint64_t seq = 1; seq <= DONE_TO + 60; seq++)
        if (is_done_in_build(seq))
            spool_cursor_done(cursor, seq);
    assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
    assert_int_equal(dead_letters_open(test_dir, "route", 0, NULL, &letters, NULL), OL_OK);
    for (uint64_t seq = 1; seq <= LETTERS; seq++) {
        char event[300];
        fill_letter(event, seq);
        struct dead_letter letter = {.seq = seq, .event = {.data = event, .size = sizeof event}};
        assert_int_equal(dead_letters_add(letters, &letter, NULL), OL_OK);
    }
    assert_int_equal(dead_letters_end(letters, "route-5", "dropped", NULL), OL_OK);
    dead_letters_close(letters);
    spool_cursor_close(cursor);
    spool_close(spool);
    assert_int_equal(nftw(test_dir, keep_file, 16, FTW_PHYS), 0);
}

struct letters_seen {
    bool has[LETTERS + 1];
};

static ol_status see_letter(void *arg, const struct dead_letter *letter)
{
    struct letters_seen *seen = arg;
    char event[300];
    assert_in_range(letter->seq, 1, LETTERS);
    fill_letter(event, letter->seq);
    assert_true(letter->event.size == sizeof event &&
                memcmp(letter->event.data, event, sizeof event) == 0);
    seen->has[letter->seq] = true;
    return OL_OK;
}

/* @return how many letters are gone; an ended one that is back is not lost. */
static unsigned lost_letters(void)
{
    struct letters_seen seen = {{false}};
    unsigned lost = 0;
    assert_int_equal(dead_letters_each(test_dir, "route", see_letter, &seen, NULL), OL_OK);
    for (uint64_t seq = 1; seq <= LETTERS; seq++)
        lost += seq != 5 && !seen.has[seq];
    return lost;
}

/* How many records a flip at @p offset of the file may cost; what S11 cuts at the end included. */
static uint64_t allowed(const struct kept *file, uint64_t offset)
{
    if (strstr(file->path, ".seg") == NULL)
        return strstr(file->path, ".live") != NULL ? 1 : 0;
    uint64_t number = strtoull(strrchr(file->path, '/') + 1, NULL, 16), in_file = 0, behind = 0;
    for (uint64_t n = 1; n <= EVENTS; n++) {
        if (places[n].segment != number)
            continue;
        in_file++;
        behind += number == newest && places[n].offset + places[n].size > offset;
    }
    if (offset < SEGMENT_HEADER_SIZE)
        return in_file;
    return number == newest && behind <= 4 ? behind : 1;
}

/* Each event is given as it was, or named in a gap, or cut off at the end. @return how many are
 * not given. */
static uint64_t lost_records(struct spool *spool, uint64_t *ret_told)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t given = 0, told = 0, last = 0;
    ol_status status;
    assert_int_equal(spool_reader_open(spool, 0, &reader, NULL), OL_OK);
    while ((status = spool_reader_next(reader, &record, NULL)) != OL_END) {
        assert_true(record.seq > last);
        if (status == OL_GAP) {
            told += record.offset - record.seq + 1;
            last = record.offset;
            continue;
        }
        assert_int_equal(status, OL_OK);
        last = record.seq;
        if (record.type != SPOOL_EVENT)
            continue;
        assert_true(is_event(record.data, record.seq)); /* never a wrong one */
        given++;
    }
    spool_reader_close(reader);
    *ret_told = told + (EVENTS - last);
    return EVENTS - given;
}

static void check_flip(const struct kept *file, uint64_t offset, unsigned bit)
{
    struct spool_options options = small_options();
    struct spool *spool = NULL;
    struct ol_error err = {0};
    uint64_t may_lose = allowed(file, offset), told = 0;
    bool is_about = strstr(file->path, "spool.json") != NULL;
    ol_status status = spool_open(&options, &spool, &err);
    if (status != OL_OK) { /* of its name and version only: refused, and nothing is touched */
        assert_true(is_about && (status == OL_CORRUPT || status == OL_VERSION_NEWER));
        assert_true(err.message[0] != '\0');
        write_bytes(file->path, file->bytes, file->size);
        spool = open_small();
    }
    uint64_t lost = lost_records(spool, &told);
    if (lost > may_lose || lost != told)
        fail_msg("%s, byte %" PRIu64 ", bit %u: %" PRIu64 " lost, %" PRIu64 " told, %" PRIu64
                 " touched",
                 file->path, offset, bit, lost, told, may_lose);
    struct spool_stats stats;
    spool_stats_get(spool, &stats);
    /* Counted, but for what a torn end may look like, and what only the first header could tell. */
    if (lost > 0 && offset >= SEGMENT_HEADER_SIZE && strstr(file->path, ".seg") != NULL)
        assert_true(stats.quarantined_records + stats.torn_bytes > 0);
    struct spool_cursor *cursor = NULL;
    assert_int_equal(spool_cursor_open(spool, "route", true, &cursor, NULL), OL_OK);
    uint64_t wrongly_done = 0;
    for (uint64_t seq = 1; seq <= spool_synced(spool); seq++)
        wrongly_done += spool_cursor_is_done(cursor, seq) && !is_done_in_build(seq);
    spool_cursor_close(cursor);
    bool is_cursor = strstr(file->path, ".live") != NULL;
    if (wrongly_done > (is_cursor ? 1 : 0))
        fail_msg("%s, byte %" PRIu64 ", bit %u: %" PRIu64 " count as done and are not", file->path,
                 offset, bit, wrongly_done);
    bool is_letters = strstr(file->path, "/dead/") != NULL;
    unsigned letters = lost_letters();
    bool is_newline = is_letters && file->bytes[offset] == '\n';
    if (letters > (is_newline ? 2 : is_letters ? 1 : 0))
        fail_msg("%s, byte %" PRIu64 ", bit %u: %u letters lost", file->path, offset, bit, letters);
    /* It goes on. */
    uint64_t next = spool_synced(spool) + 1;
    put_events(spool, next, next, 100);
    spool_close(spool);
}

/* SPOOL_ROT_PLACES: how many; SPOOL_ROT_SEED: which. */
static void test_anywhere(void **state)
{
    (void)state;
    const char *places_text = getenv("SPOOL_ROT_PLACES"), *seed_text = getenv("SPOOL_ROT_SEED");
    unsigned long count = places_text != NULL ? strtoul(places_text, NULL, 10) : 600;
    uint64_t random = seed_text != NULL ? strtoul(seed_text, NULL, 10) : 1;
    build_whole();
    for (unsigned long i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t at = (random >> 20) % kept_bytes;
        const struct kept *file = kept;
        /* Half of them anywhere, half in the small files, which the first half hardly meets. */
        if (i % 2 == 1) {
            file = &kept[(random >> 40) % kept_count];
            at %= file->size;
        }
        while (at >= file->size)
            at -= (file++)->size;
        unsigned bit = (unsigned)(random >> 60) % 8;
        restore_all();
        uint8_t flipped = file->bytes[at] ^ (uint8_t)(1u << bit);
        patch_bytes(file->path, at, &flipped, 1);
        check_flip(file, at, bit);
    }
    printf("%lu places in %" PRIu64 " bytes of %zu files\n", count, kept_bytes, kept_count);
    for (size_t i = 0; i < kept_count; i++)
        free(kept[i].bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_one_record),     TEST(test_block),
                                       TEST(test_end_of_newest),  TEST(test_header),
                                       TEST(test_short_and_gone), TEST(test_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
