/* SPDX-License-Identifier: Apache-2.0 */
/* The power fails at every single call that changes the disk, in a life of a spool that has all:
 * groups, rolls, positions, a cursor with holes, a route that is given up, dead letters, a start
 * with other limits. What each cut leaves is drawn several times: all that was not synced is lost,
 * nothing is, or any mixture of sectors and names. Then P1 to P4 must hold, for cursors, positions
 * and letters likewise. After that, lives whose steps are drawn, cut at a call that is drawn.
 *
 * SPOOL_POWER_SEEDS: mixtures a call (default 1); SPOOL_POWER_LIVES: drawn lives at most, for
 * SPOOL_POWER_SECONDS at most (default 3). SPOOL_POWER_ONE=LIFE:CALL:SEED repeats one. */
#include "spool_support.h"

#include "dead_letters.h"
#include "times.h"

#define SEQS 1200u
#define STEPS 70
#define JOURNALS 3

enum fate { NEVER, TRIED, SURE }; /* of an event, a letter, an end */

struct world {
    struct spool *spool;
    struct spool_cursor *cursor, *late;
    struct dead_letters *letters;
    int64_t segment_bytes, max_bytes;
    uint8_t event[SEQS]; /* enum fate; the number of an event is its sequence */
    bool is_done[SEQS];  /* marked */
    bool is_saved[SEQS]; /* marked before a save that succeeded */
    uint8_t letter[SEQS], ended[SEQS];
    uint64_t position[JOURNALS], tried_position[JOURNALS]; /* acknowledged; the last one tried */
    uint64_t top;                                          /* highest sequence tried */
};

static struct world w;
static unsigned long life, at_call, cut_seed; /* life 0: the one whose steps are fixed */
static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = (random_state ^ random_state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

/* Every so many steps; in a drawn life as often, but nobody knows when. */
static bool is_due(int step, int every, int at)
{
    return life == 0 ? step % every == at : draw((uint64_t)every) == 0;
}

#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "SPOOL_POWER_ONE=%lu:%lu:%lu: ", life, at_call, cut_seed);             \
            fail_msg(__VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

/* ---- the life ---- */

static ol_status begin(void)
{
    struct spool_options options = small_options();
    options.max_bytes = w.max_bytes;
    options.segment_bytes = w.segment_bytes;
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
    if (!is_due(number, 3, 0))
        deliver();
    if (is_due(number, 4, 1) && spool_cursor_sync(w.cursor, NULL) == OL_OK)
        memcpy(w.is_saved, w.is_done, sizeof w.is_saved);
    if (is_due(number, 5, 2))
        OL_IGNORE(spool_cursor_sync(w.late, NULL), "it is behind anyway");
    if (is_due(number, 6, 5))
        OL_IGNORE(spool_reap(w.spool, NULL), "tried again");
    if (is_due(number, 11, 10))
        end_letter(9 * (uint64_t)(1 + number / 11));
    if (life == 0 ? number == STEPS / 2 : draw(30) == 0) { /* a start with other limits */
        end();
        w.segment_bytes = life == 0 || draw(2) == 0 ? 128 * 1024 : 64 * 1024;
        w.max_bytes = life == 0 ? w.max_bytes : (int64_t)(8 + draw(20)) * 64 * 1024;
        OL_IGNORE(begin(), "looked at by the caller");
    }
}

/* Until call @p n, which fails as all do after it: nothing reaches the disk any more. @return
 * whether it came to that. */
static bool live(unsigned long n)
{
    memset(&w, 0, sizeof w);
    w.segment_bytes = 64 * 1024;
    w.max_bytes = 14 * 64 * 1024;
    random_state = life;
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
    w.max_bytes = 256 * 1024 * 1024; /* there is room for what comes next */
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

static unsigned long setting(const char *name, unsigned long unset)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : unset;
}

static bool is_one_asked_for(void)
{
    const char *one = getenv("SPOOL_POWER_ONE");
    unsigned long call = 0, seed = 0;
    char *at = NULL;
    if (one == NULL)
        return false;
    life = strtoul(one, &at, 10);
    call = strtoul(at + (*at == ':'), &at, 10);
    seed = strtoul(at + (*at == ':'), &at, 10);
    try_call(call, seed);
    return true;
}

static void test_every_call(void **state)
{
    (void)state;
    unsigned long mixtures = setting("SPOOL_POWER_SEEDS", 1), n = 1;
    if (is_one_asked_for())
        return;
    life = 0;
    for (bool struck = true; struck; n++) {
        struck = try_call(n, 0);
        for (unsigned long i = 0; i < mixtures; i++)
            try_call(n, 2 + n * 1000 + i);
    }
    printf("%lu calls, %lu cuts at each\n", n - 1, 1 + mixtures);
    assert_true(n > 200);
}

static void test_drawn_lives(void **state)
{
    (void)state;
    unsigned long lives = setting("SPOOL_POWER_LIVES", 400);
    int64_t until = ol__time_monotonic_ms() + 1000 * (int64_t)setting("SPOOL_POWER_SECONDS", 3);
    if (getenv("SPOOL_POWER_ONE") != NULL)
        return;
    for (life = 1; life <= lives && ol__time_monotonic_ms() < until; life++) {
        random_state = life * 31;
        try_call(1 + draw(380), draw(8) == 0 ? 0 : 2 + draw(1000000));
    }
    printf("%lu lives\n", life - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_call, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(test_drawn_lives, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
