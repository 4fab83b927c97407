/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of a spool against a model in memory: commits that fail, kills, power cuts that
 * keep any mixture of sectors, names taken back, cursors moved out of order, reaping. After each
 * start, and all along: P1 every acknowledged event that no cursor passed is there; P2 in its
 * order; P3 it opens; P4 what was refused may come back only before the next success, in its own
 * place; positions and cursors likewise. SPOOL_MODEL_SEED=N runs one seed only; SPOOL_MODEL_SECONDS
 * bounds the time (default 6). */
#include "spool_support.h"
#include "times.h"

#define EVENTS_MAX 4000
#define JOURNALS 5
#define SEED_STEPS 250
#define CANDIDATES 64

struct model {
    uint64_t random;
    struct spool *spool;
    struct spool_cursor *cursor;
    struct spool_reader *reader;
    uint64_t reader_after;
    /* by sequence: the number of the event, 0: a positions record; is_known: it was acknowledged or
     * seen after a start */
    uint64_t number[EVENTS_MAX];
    bool is_known[EVENTS_MAX];
    bool is_done[EVENTS_MAX], was_saved_done[EVENTS_MAX];
    uint64_t synced, next_number;
    uint64_t positions[JOURNALS], pending[JOURNALS];
    /* What was refused since the last success: it may stand in the file that failed, whole or in
     * part. */
    struct {
        uint64_t seq, number, position;
        int journal; /* -1: moves none */
    } refused[CANDIDATES];
    size_t refused_count;
};

static struct model m;
static unsigned long seed;

static uint64_t draw(uint64_t below)
{
    m.random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (m.random ^ m.random >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "SPOOL_MODEL_SEED=%lu: ", seed);                                       \
            fail_msg(__VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

static void see(const struct spool_record *record)
{
    uint64_t seq = record->seq;
    uint64_t number = record->type == SPOOL_EVENT ? record->source_position : 0;
    if (record->type == SPOOL_EVENT)
        check(is_event(record->data, ol__get_le64(record->lane)), "bytes of %" PRIu64, seq);
    if (record->type == SPOOL_EVENT)
        number = ol__get_le64(record->lane);
    if (m.is_known[seq]) {
        check(m.number[seq] == number, "sequence %" PRIu64 " is event %" PRIu64 ", not %" PRIu64,
              seq, number, m.number[seq]);
        return;
    }
    bool was_refused = false;
    for (size_t i = 0; i < m.refused_count; i++)
        was_refused = was_refused || (m.refused[i].seq == seq && m.refused[i].number == number);
    check(was_refused, "P4: sequence %" PRIu64 " came back as event %" PRIu64, seq, number);
    m.is_known[seq] = true;
    m.number[seq] = number;
}

/* Everything on disk, from the oldest on. */
static void read_all(void)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t oldest = spool_oldest(m.spool), at = oldest;
    check(spool_reader_open(m.spool, oldest - 1, &reader, NULL) == OL_OK, "reader");
    for (;; at++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        if (status == OL_END)
            break;
        check(status == OL_OK, "reading %" PRIu64 ": %s, %" PRIu64 " to %" PRIu64, at,
              ol__status_name(status), record.seq, record.offset);
        check(record.seq == at, "P2: %" PRIu64 " where %" PRIu64 " was due", record.seq, at);
        see(&record);
    }
    spool_reader_close(reader);
    check(at == spool_synced(m.spool) + 1, "the log ends at %" PRIu64, at);
    check(at > m.synced, "P1: acknowledged up to %" PRIu64 ", the log ends before %" PRIu64,
          m.synced, at);
    for (uint64_t seq = 1; seq < oldest; seq++)
        check(!m.is_known[seq] || m.is_done[seq], "P1: %" PRIu64 " was reaped and not done", seq);
    m.synced = at - 1;
}

static void check_positions(bool is_start)
{
    for (int j = 0; j < JOURNALS; j++) {
        struct ol__uuid journal = {{(uint8_t)(j + 1)}};
        uint64_t value = 0;
        OL_IGNORE(spool_position(m.spool, &journal, &value), "unknown: 0");
        bool is_right = value == m.positions[j];
        for (size_t i = 0; is_start && i < m.refused_count; i++)
            is_right = is_right || (m.refused[i].journal == j && m.refused[i].position == value);
        check(is_right, "journal %d is at %" PRIu64 ", not %" PRIu64, j, value, m.positions[j]);
        m.positions[j] = value;
    }
}

static void start(bool lost_power)
{
    struct spool_options options = small_options();
    struct ol_error err = {0};
    options.max_bytes = 24 * 64 * 1024;
    ol_status status = spool_open(&options, &m.spool, &err);
    check(status == OL_OK, "P3: %s: %s", ol__status_name(status), err.message);
    read_all();
    check_positions(true);
    m.refused_count = 0;
    status = spool_cursor_open(m.spool, "route", true, &m.cursor, &err);
    check(status == OL_OK, "cursor: %s", err.message);
    for (uint64_t seq = 1; seq <= m.synced; seq++) {
        bool is_done = spool_cursor_is_done(m.cursor, seq);
        check(!is_done || m.is_done[seq] || seq < spool_oldest(m.spool),
              "P1: %" PRIu64 " counts as done and is not", seq);
        check(is_done || !(lost_power ? m.was_saved_done[seq] : m.is_done[seq]),
              "%" PRIu64 " was done and is not any more", seq);
        m.is_done[seq] = is_done;
    }
    if (lost_power)
        memcpy(m.was_saved_done, m.is_done, sizeof m.is_done);
    m.reader_after = spool_cursor_low(m.cursor);
    check(spool_reader_open(m.spool, m.reader_after, &m.reader, NULL) == OL_OK, "reader");
}

static void stop(void)
{
    spool_reader_close(m.reader);
    spool_cursor_close(m.cursor);
    spool_close(m.spool);
}

static void group(void)
{
    uint64_t count = draw(6), first = m.synced + 1, added = 0;
    uint64_t numbers[8], moved_to[8];
    int moved[8];
    memcpy(m.pending, m.positions, sizeof m.pending);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = m.next_number++;
        size_t size = draw(8) == 0 ? 1 + draw(20000) : 96 + 8 * draw(3);
        char *data = malloc(size);
        fill_event(data, size, number);
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = draw(2) == 0 ? SPOOL_FROM_JOURNAL : SPOOL_FROM_HTTP,
                                      .lane_kind = 3,
                                      .source_position = number * 10,
                                      .data = {.data = data, .size = size}};
        int j = (int)draw(JOURNALS);
        record.source_id[0] = (uint8_t)(j + 1);
        ol__put_le64(record.lane, number);
        ol_status status = spool_group_add(m.spool, &record, NULL);
        free(data);
        if (status == OL_FULL)
            break;
        check(status == OL_OK, "add: %s", ol__status_name(status));
        check(record.seq == first + added, "S1: sequence %" PRIu64, record.seq);
        moved[added] = record.source == SPOOL_FROM_JOURNAL ? j : -1;
        moved_to[added] = record.source_position;
        numbers[added++] = number;
        if (record.source == SPOOL_FROM_JOURNAL)
            m.pending[j] = record.source_position;
    }
    if (draw(5) == 0) {
        int j = (int)draw(JOURNALS);
        struct ol__uuid journal = {{(uint8_t)(j + 1)}};
        uint64_t value = m.next_number * 10 + 1;
        if (spool_group_position(m.spool, &journal, value, NULL) == OL_OK) {
            m.pending[j] = value;
            moved[added] = j;
            moved_to[added] = value;
            numbers[added++] = 0;
        }
    }
    static const enum fault_call calls[] = {FAULT_ANY_WRITE, FAULT_ANY_SYNC, FAULT_ANY_CHANGE,
                                            FAULT_ANY, FAULT_RENAMEAT};
    uint64_t kind = draw(12);
    if (kind == 0)
        fault_fs_fail(calls[draw(OL_COUNT(calls))], 1 + draw(6), draw(2) == 0 ? EIO : ENOSPC);
    else if (kind == 1)
        fault_fs_fail_from(calls[draw(OL_COUNT(calls))], 1 + draw(6), EIO);
    else if (kind == 2)
        fault_fs_short_write(1, draw(300), EIO);
    ol_status status = spool_group_commit(m.spool, NULL);
    fault_fs_stop();
    if (status == OL_OK && added > 0) {
        m.refused_count = 0;
        for (uint64_t i = 0; i < added; i++) {
            m.is_known[first + i] = true;
            m.number[first + i] = numbers[i];
        }
        m.synced += added;
        memcpy(m.positions, m.pending, sizeof m.pending);
    } else if (added > 0) {
        for (uint64_t i = 0; i < added && m.refused_count < CANDIDATES; i++) {
            size_t at = m.refused_count++;
            m.refused[at].seq = first + i;
            m.refused[at].number = numbers[i];
            m.refused[at].journal = moved[i];
            m.refused[at].position = moved_to[i];
        }
    }
    check(spool_synced(m.spool) == m.synced, "synced %" PRIu64 ", not %" PRIu64,
          spool_synced(m.spool), m.synced);
    check_positions(false);
}

static void move_reader(void)
{
    for (uint64_t i = draw(30); i > 0; i--) {
        struct spool_record record;
        ol_status status = spool_reader_next(m.reader, &record, NULL);
        if (status == OL_END) {
            check(m.reader_after == m.synced, "the reader ends at %" PRIu64, m.reader_after);
            return;
        }
        if (status == OL_GAP) { /* reaped before the reader came: only what was done */
            check(record.seq == m.reader_after + 1 && record.offset < spool_oldest(m.spool),
                  "a gap from %" PRIu64 " to %" PRIu64, record.seq, record.offset);
            m.reader_after = record.offset;
            continue;
        }
        check(status == OL_OK && record.seq == ++m.reader_after, "reader: %s at %" PRIu64,
              ol__status_name(status), record.seq);
        see(&record);
    }
}

static void move_cursor(void)
{
    uint64_t low = spool_cursor_low(m.cursor);
    for (uint64_t i = draw(20); i > 0 && m.synced > low; i--) {
        uint64_t seq = low + 1 + draw(OL_MIN(m.synced - low, (uint64_t)(1 + draw(40))));
        if (seq > m.synced || m.is_done[seq])
            continue;
        spool_cursor_done(m.cursor, seq);
        m.is_done[seq] = true;
        check(spool_cursor_is_done(m.cursor, seq), "%" PRIu64 " is not done", seq);
    }
    low = spool_cursor_low(m.cursor);
    check(low == m.synced || !m.is_done[low + 1], "the mark stands at %" PRIu64, low);
}

static void save_cursor(void)
{
    if (draw(4) == 0)
        fault_fs_fail(FAULT_ANY_CHANGE, 1 + draw(3), EIO);
    ol_status status = spool_cursor_sync(m.cursor, NULL);
    fault_fs_stop();
    if (status == OL_OK)
        memcpy(m.was_saved_done, m.is_done, sizeof m.is_done);
}

/* End without a word: nothing that closing does may reach the disk. */
static void die(bool loses_power)
{
    fault_fs_fail_from(FAULT_ANY_CHANGE, 1, EIO);
    stop();
    fault_fs_stop();
    if (loses_power) {
        check(fault_disk_power_cut(draw(5) == 0 ? 0 : 2 + draw(1000000)), "the test's own disk");
        char path[512];
        path_of("cursor/route.live", path);
        if (access(path, F_OK) == 0)
            patch_bytes(path, 32, "another boot id!", 16);
        fault_disk_record();
    }
    start(loses_power);
}

static void run_seed(void)
{
    memset(&m, 0, sizeof m);
    m.random = seed;
    m.next_number = 1;
    fault_fs_reset();
    remove_dir();
    struct spool *spool = open_small(); /* the directory itself is there: power is lost later */
    spool_close(spool);
    fault_disk_record();
    start(false);
    for (int step = 0; step < SEED_STEPS && m.synced + 16 < EVENTS_MAX; step++) {
        switch (draw(16)) {
        case 0:
            die(true);
            break;
        case 1:
            die(false);
            break;
        case 2:
            stop();
            start(false);
            break;
        case 3:
            OL_IGNORE(spool_reap(m.spool, NULL), "it says what it could not remove");
            break;
        case 4:
            if (draw(3) == 0)
                fault_fs_fail(FAULT_ANY, 1 + draw(4), EIO);
            OL_IGNORE(spool_reap(m.spool, NULL), "as above");
            fault_fs_stop();
            break;
        case 5:
            save_cursor();
            break;
        case 6:
        case 7:
            move_cursor();
            break;
        case 8:
            move_reader();
            break;
        default:
            group();
        }
    }
    read_all();
    stop();
}

static void test_model(void **state)
{
    (void)state;
    const char *one = getenv("SPOOL_MODEL_SEED"), *seconds = getenv("SPOOL_MODEL_SECONDS");
    int64_t until = ol__time_monotonic_ms() + 1000 * (seconds != NULL ? atol(seconds) : 6);
    seed = one != NULL ? strtoul(one, NULL, 10) : 1;
    do {
        run_seed();
        seed++;
    } while (one == NULL && seed <= 3000 && ol__time_monotonic_ms() < until);
    printf("%lu seeds\n", seed - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
