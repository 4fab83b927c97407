/* SPDX-License-Identifier: Apache-2.0 */
/* The power fails at every single call that changes the disk, in a life of a spool that has all:
 * groups, rolls, positions, a cursor with holes, a route that is given up, dead letters, a start
 * with other limits. What each cut leaves is drawn several times: all that was not synced is lost,
 * nothing is, or any mixture of sectors and names. Then P1 to P4 must hold, for cursors, positions
 * and letters likewise. SPOOL_POWER_SEEDS: mixtures a call (default 1); SPOOL_POWER_CALL=N and
 * SPOOL_POWER_SEED=N repeat one. */
#include "spool_support.h"

#include "dead_letters.h"

#define SEQS 1200u
#define STEPS 70
#define JOURNALS 3

enum fate { NEVER, TRIED, SURE }; /* of an event, a letter, an end */

struct world {
    struct spool *spool;
    struct spool_cursor *cursor, *late;
    struct dead_letters *letters;
    bool has_segments_of_128k;
    uint8_t event[SEQS]; /* enum fate; the number of an event is its sequence */
    bool is_done[SEQS];  /* marked */
    bool is_saved[SEQS]; /* marked before a save that succeeded */
    uint8_t letter[SEQS], ended[SEQS];
    uint64_t position[JOURNALS], tried_position[JOURNALS]; /* acknowledged; the last one tried */
    uint64_t top;                                          /* highest sequence tried */
};

static struct world w;
static unsigned long at_call, cut_seed;

#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "SPOOL_POWER_CALL=%lu SPOOL_POWER_SEED=%lu: ", at_call, cut_seed);     \
            fail_msg(__VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

/* ---- the life ---- */

static ol_status begin(void)
{
    struct spool_options options = small_options();
    options.max_bytes = 14 * 64 * 1024;
    options.segment_bytes = w.has_segments_of_128k ? 128 * 1024 : 64 * 1024;
    ol_status status = spool_open(&options, &w.spool, NULL);
    if (status == OL_OK)
        status = spool_cursor_open(w.spool, "route", true, &w.cursor, NULL);
    if (status == OL_OK)
        status = spool_cursor_open(w.spool, "late", false, &w.late, NULL);
    if (status == OL_OK)
        status = dead_letters_open(test_dir, "route", 24 * 1024, &fault_fs, &w.letters, NULL);
    return status;
}

static void end(void)
{
    dead_letters_close(w.letters);
    spool_cursor_close(w.cursor);
    spool_cursor_close(w.late);
    spool_close(w.spool);
    w.letters = NULL;
    w.cursor = w.late = NULL;
    w.spool = NULL;
}

static void append(int step)
{
    uint64_t first = spool_synced(w.spool) + 1, count = 0;
    int j = step % JOURNALS;
    for (uint64_t i = 0; i < (uint64_t)(1 + step % 4); i++) {
        char data[8192];
        size_t size = 100 + (size_t)(step * 997 + (int)i * 331) % 8000;
        fill_event(data, size, first + i);
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_JOURNAL,
                                      .source_position = (first + i) * 10,
                                      .data = {.data = data, .size = size}};
        record.source_id[0] = (uint8_t)(j + 1);
        if (spool_group_add(w.spool, &record, NULL) != OL_OK)
            break; /* full: reaping makes room */
        w.event[first + i] = OL_MAX(w.event[first + i], TRIED);
        w.tried_position[j] = record.source_position;
        count++;
    }
    w.top = OL_MAX(w.top, first + count - 1);
    if (count == 0 || spool_group_commit(w.spool, NULL) != OL_OK)
        return;
    for (uint64_t seq = first; seq < first + count; seq++)
        w.event[seq] = SURE;
    w.position[j] = w.tried_position[j];
}

static void deliver(void)
{
    uint64_t low = spool_cursor_low(w.cursor), synced = spool_synced(w.spool);
    for (uint64_t seq = OL_MIN(synced, low + 7); seq > low; seq--) {
        if (seq % 5 == 4 && seq + 3 > synced)
            continue; /* a hole, for a while */
        if (seq % 9 == 0 && w.letter[seq] != SURE) {
            char event[400];
            fill_event(event, sizeof event, seq);
            struct dead_letter letter = {.seq = seq,
                                         .event = {.data = event, .size = sizeof event}};
            w.letter[seq] = TRIED;
            if (dead_letters_add(w.letters, &letter, NULL) != OL_OK)
                continue;
            w.letter[seq] = SURE;
        }
        spool_cursor_done(w.cursor, seq);
        w.is_done[seq] = true;
    }
}

static void end_letter(uint64_t seq)
{
    char id[32];
    if (w.letter[seq] != SURE || w.ended[seq] == SURE)
        return;
    snprintf(id, sizeof id, "route-%" PRIu64, seq);
    w.ended[seq] = TRIED;
    if (dead_letters_end(w.letters, id, "dropped", NULL) == OL_OK)
        w.ended[seq] = SURE;
}

static void step(int number)
{
    append(number);
    if (number % 3 != 0)
        deliver();
    if (number % 4 == 1 && spool_cursor_sync(w.cursor, NULL) == OL_OK)
        memcpy(w.is_saved, w.is_done, sizeof w.is_saved);
    if (number % 5 == 2)
        OL_IGNORE(spool_cursor_sync(w.late, NULL), "it is behind anyway");
    if (number % 6 == 5)
        OL_IGNORE(spool_reap(w.spool, NULL), "tried again");
    if (number % 11 == 10)
        end_letter(9 * (uint64_t)(1 + number / 11));
    if (number == STEPS / 2) { /* a start with other limits */
        end();
        w.has_segments_of_128k = true;
        OL_IGNORE(begin(), "looked at by the caller");
    }
}

/* Until call @p n, which fails as all do after it: nothing reaches the disk any more. @return
 * whether it came to that. */
static bool live(unsigned long n)
{
    memset(&w, 0, sizeof w);
    fault_fs_reset();
    remove_dir();
    assert_int_equal(begin(), OL_OK); /* the directory itself is there: power is lost later */
    end();
    fault_disk_record();
    fault_fs_fail_from(FAULT_ANY_CHANGE, n, EIO);
    unsigned long before = fault_fs_calls(FAULT_ANY_CHANGE);
    ol_status status = begin();
    for (int i = 1; i < STEPS && status == OL_OK && w.letters != NULL; i++) {
        if (fault_fs_calls(FAULT_ANY_CHANGE) - before >= n)
            break;
        step(i);
    }
    end();
    return fault_fs_stop();
}

/* ---- what is left ---- */

static bool is_given_up(uint64_t seq)
{
    char path[512], line[512];
    bool found = false;
    path_of("cursor/late.gaps", path);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *first = strstr(line, "\"first\":"), *last = strstr(line, "\"last\":");
        check(first != NULL && last != NULL && strchr(line, '\n') != NULL, "a torn gap: %s", line);
        found =
            found || (seq >= strtoull(first + 8, NULL, 10) && seq <= strtoull(last + 7, NULL, 10));
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static ol_status see_letter(void *arg, const struct dead_letter *letter)
{
    bool *seen = arg;
    check(letter->seq < SEQS && w.letter[letter->seq] != NEVER, "a letter of nobody: %s",
          letter->id);
    check(is_event(letter->event, letter->seq), "letter %s is another", letter->id);
    seen[letter->seq] = true;
    return OL_OK;
}

static void look_at_log(void)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t oldest = spool_oldest(w.spool), at = oldest;
    check(spool_reader_open(w.spool, oldest - 1, &reader, NULL) == OL_OK, "no reader");
    for (;; at++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        if (status == OL_END)
            break;
        check(status == OL_OK && record.seq == at, "P2: %s, %" PRIu64 " where %" PRIu64 " was due",
              ol__status_name(status), record.seq, at);
        if (record.type != SPOOL_EVENT)
            continue;
        check(at < SEQS && w.event[at] != NEVER, "P4: an event at %" PRIu64, at);
        check(is_event(record.data, at), "P4: another event at %" PRIu64, at);
    }
    spool_reader_close(reader);
    for (uint64_t seq = at; seq < SEQS; seq++)
        check(w.event[seq] != SURE, "P1: %" PRIu64 " was acknowledged, the log ends at %" PRIu64,
              seq, at - 1);
    for (uint64_t seq = 1; seq < oldest; seq++)
        check(w.event[seq] != SURE || w.is_saved[seq], "P1: %" PRIu64 " was reaped", seq);
}

static void look(void)
{
    bool letters[SEQS] = {false};
    ol_status status = begin();
    check(status == OL_OK, "P3: %s", ol__status_name(status));
    look_at_log();
    for (uint64_t seq = 1; seq <= spool_synced(w.spool); seq++) {
        bool is_done = spool_cursor_is_done(w.cursor, seq);
        check(!is_done || w.is_done[seq] || w.event[seq] != SURE, "P1: %" PRIu64 " counts as done",
              seq);
        check(is_done || !w.is_saved[seq], "%" PRIu64 " was saved as done", seq);
        check(!spool_cursor_is_done(w.late, seq) || is_given_up(seq) || seq < spool_oldest(w.spool),
              "%" PRIu64 " was given up without a word", seq);
    }
    for (int j = 0; j < JOURNALS; j++) {
        struct ol__uuid journal = {{(uint8_t)(j + 1)}};
        uint64_t value = 0;
        OL_IGNORE(spool_position(w.spool, &journal, &value), "unknown: 0");
        check(value >= w.position[j] && value <= OL_MAX(w.tried_position[j], w.position[j]),
              "journal %d is at %" PRIu64 ", not %" PRIu64, j, value, w.position[j]);
    }
    check(dead_letters_each(test_dir, "route", see_letter, letters, NULL) == OL_OK, "no letters");
    for (uint64_t seq = 1; seq < SEQS; seq++) {
        check(w.letter[seq] != SURE || w.ended[seq] != NEVER || letters[seq],
              "P1: letter %" PRIu64 " is gone", seq);
        check(w.ended[seq] != SURE || !letters[seq], "letter %" PRIu64 " is back", seq);
    }
    uint64_t next = spool_synced(w.spool) + 1;
    put_events(w.spool, next, next + 1, 100);
    end();
}

static void forget_boot(const char *name)
{
    char path[512];
    path_of(name, path);
    if (access(path, F_OK) == 0)
        patch_bytes(path, 32, "another boot id!", 16);
}

static bool try_call(unsigned long call, unsigned long seed)
{
    at_call = call;
    cut_seed = seed;
    bool struck = live(call);
    check(fault_disk_power_cut(seed), "the test's own disk");
    forget_boot("cursor/route.live");
    forget_boot("cursor/late.live");
    look();
    return struck;
}

static void test_every_call(void **state)
{
    (void)state;
    const char *call = getenv("SPOOL_POWER_CALL"), *seed = getenv("SPOOL_POWER_SEED");
    const char *seeds = getenv("SPOOL_POWER_SEEDS");
    unsigned long mixtures = seeds != NULL ? strtoul(seeds, NULL, 10) : 1;
    if (call != NULL && seed != NULL) {
        try_call(strtoul(call, NULL, 10), strtoul(seed, NULL, 10));
        return;
    }
    unsigned long n = 1;
    for (bool struck = true; struck; n++) {
        struck = try_call(n, 0);
        for (unsigned long i = 0; i < mixtures; i++)
            try_call(n, 2 + n * 1000 + i);
    }
    printf("%lu calls, %lu cuts at each\n", n - 1, 1 + mixtures);
    assert_true(n > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_call, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
