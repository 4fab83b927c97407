/* SPDX-License-Identifier: Apache-2.0 */
/* A child appends, follows, moves cursors, parks dead letters and reaps, until it is killed at a
 * named point; then the parent opens what is left. All rounds share one directory. Checked after
 * each kill, by what the child put into shared memory before and after each step: P1 every
 * acknowledged event is there unless all routes had it; every letter that was answered OL_OK is
 * open; P2 sequences are without gaps and in order; P4 an event that was not acknowledged is this
 * round's, in its own place; a cursor knows what was marked, and nothing that was not. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dead_letters.h"
#include "spool.h"

#define SEQS 60000
#define STEPS 3000 /* of a child; it is killed long before */

struct ledger {
    uint64_t acknowledged[SEQS]; /* the event, by sequence */
    uint8_t wanted_done[SEQS], is_done[SEQS], is_parked[SEQS];
};

static struct ledger *ledger; /* shared with the child */
static char directory[256];
static uint64_t current_round;

#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "round %" PRIu64 ": ", current_round);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct spool *open_spool(void)
{
    struct spool_options options = {.directory = directory,
                                    .max_bytes = 20 * 64 * 1024,
                                    .segment_bytes = 64 * 1024,
                                    .min_free_bytes = -1,
                                    .retry_ms = -1};
    struct spool *spool = NULL;
    struct ol_error err = {0};
    check(spool_open(&options, &spool, &err) == OL_OK, "P3: %s", err.message);
    return spool;
}

static struct spool_cursor *open_cursor(struct spool *spool, const char *name, bool is_pinned)
{
    struct spool_cursor *cursor = NULL;
    struct ol_error err = {0};
    check(spool_cursor_open(spool, name, is_pinned, &cursor, &err) == OL_OK, "%s", err.message);
    return cursor;
}

static struct dead_letters *open_letters(void)
{
    struct dead_letters *letters = NULL;
    struct ol_error err = {0};
    check(dead_letters_open(directory, "route", 0, NULL, &letters, &err) == OL_OK, "%s",
          err.message);
    return letters;
}

/* ---- the child ---- */

static void append(struct spool *spool, int step)
{
    uint64_t first = spool_synced(spool) + 1, count = 1 + (uint64_t)step % 3;
    for (uint64_t seq = first; seq < first + count; seq++) {
        static char data[3000];
        uint64_t event = current_round << 32 | seq;
        memcpy(data, &event, sizeof event);
        struct spool_record record = {
            .type = SPOOL_EVENT,
            .source = SPOOL_FROM_HTTP,
            .data = {.data = data, .size = 100 + (size_t)(step * 131 % 2900)}};
        if (spool_group_add(spool, &record, NULL) != OL_OK)
            break; /* full: reaping makes room */
        check(record.seq == seq, "sequence %" PRIu64, record.seq);
    }
    if (spool_group_commit(spool, NULL) != OL_OK)
        return;
    for (uint64_t seq = first; seq <= spool_synced(spool); seq++)
        ledger->acknowledged[seq] = current_round << 32 | seq;
}

static void deliver(struct spool *spool, struct spool_cursor *cursor, struct dead_letters *letters)
{
    uint64_t synced = spool_synced(spool), low = spool_cursor_low(cursor);
    for (uint64_t seq = OL_MIN(synced, low + 9); seq > low; seq--) { /* backwards: holes */
        if (seq % 11 == 0 && !dead_letters_has(letters, seq)) {
            struct dead_letter letter = {.seq = seq, .event = OL_SPAN_LIT("{\"parked\":true}")};
            check(dead_letters_add(letters, &letter, NULL) == OL_OK, "a letter");
            ledger->is_parked[seq] = 1;
        }
        ledger->wanted_done[seq] = 1;
        spool_cursor_done(cursor, seq);
        ledger->is_done[seq] = 1;
    }
}

static void child(const char *point)
{
    setenv("LINEAGED_CRASH", point, 1);
    struct spool *spool = open_spool();
    struct spool_cursor *cursor = open_cursor(spool, "route", true);
    struct spool_cursor *slow = open_cursor(spool, "slow", false);
    struct dead_letters *letters = open_letters();
    for (int step = 0; step < STEPS && spool_synced(spool) + 8 < SEQS; step++) {
        append(spool, step);
        if (step % 5 != 0)
            deliver(spool, cursor, letters);
        if (step % 10 == 0) {
            check(spool_cursor_sync(cursor, NULL) == OL_OK, "sync");
            check(spool_cursor_sync(slow, NULL) == OL_OK, "sync");
            check(spool_reap(spool, NULL) == OL_OK, "reap");
        }
    }
    _exit(7); /* the point was never passed */
}

/* ---- what is left ---- */

static void look(void)
{
    struct spool *spool = open_spool();
    struct spool_cursor *cursor = open_cursor(spool, "route", true);
    struct dead_letters *letters = open_letters();
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t synced = spool_synced(spool), oldest = spool_oldest(spool);
    check(spool_reader_open(spool, oldest - 1, &reader, NULL) == OL_OK, "reader");
    for (uint64_t seq = oldest; seq <= synced; seq++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        check(status == OL_OK && record.seq == seq,
              "P2: status %d, %" PRIu64 " instead of %" PRIu64, (int)status, record.seq, seq);
        uint64_t event = 0;
        memcpy(&event, record.data.data, sizeof event);
        uint64_t expected =
            ledger->acknowledged[seq] != 0 ? ledger->acknowledged[seq] : current_round << 32 | seq;
        check(event == expected, "P4: %" PRIu64 " is %" PRIx64 ", not %" PRIx64, seq, event,
              expected);
        ledger->acknowledged[seq] = event; /* what was seen stays */
    }
    check(spool_reader_next(reader, &record, NULL) == OL_END, "more than the end");
    for (uint64_t seq = synced + 1; seq < SEQS; seq++)
        check(ledger->acknowledged[seq] == 0, "P1: acknowledged %" PRIu64 " is behind the end",
              seq);
    for (uint64_t seq = 1; seq < oldest; seq++)
        check(ledger->wanted_done[seq], "P1: %" PRIu64 " was reaped and not delivered", seq);
    for (uint64_t seq = 1; seq <= synced; seq++) {
        bool is_done = spool_cursor_is_done(cursor, seq);
        check(is_done || !ledger->is_done[seq], "%" PRIu64 " would be sent again", seq);
        check(!is_done || ledger->wanted_done[seq], "P1: %" PRIu64 " counts as done", seq);
        check(!ledger->is_parked[seq] || dead_letters_has(letters, seq), "P1: letter %" PRIu64,
              seq);
        ledger->is_done[seq] = is_done;
    }
    struct spool_stats stats;
    spool_stats_get(spool, &stats);
    check(stats.quarantined_bytes == 0, "%" PRIu64 " bytes in quarantine", stats.quarantined_bytes);
    spool_reader_close(reader);
    dead_letters_close(letters);
    spool_cursor_close(cursor);
    spool_close(spool);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int main(void)
{
    static const char *const points[] = {
        "spool.group.written", "spool.group.synced", "spool.roll.written",   "spool.roll.synced",
        "spool.roll.renamed",  "spool.roll.durable", "spool.prepare.filled", "spool.gap.recorded",
        "spool.reap.renamed",  "cursor.low_stored",  "cursor.cleared",       "cursor.saved",
        "dead.written",        "dead.synced"};
    static const int passages[] = {1, 2, 5};
    /* Memory, where there is some: a kill does not need a device. */
    snprintf(directory, sizeof directory, "%s/spool-crash-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(directory) != NULL, "mkdtemp");
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(ledger != MAP_FAILED, "mmap");
    for (size_t p = 0; p < OL_COUNT(points); p++) {
        for (size_t n = 0; n < OL_COUNT(passages); n++) {
            char point[64];
            snprintf(point, sizeof point, "%s:%d", points[p], passages[n]);
            current_round++;
            pid_t pid = fork();
            if (pid == 0)
                child(point);
            int status = 0;
            check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
            check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "%s: the child ended by itself: %d", point, status);
            look();
        }
    }
    printf("%" PRIu64 " kills, nothing lost\n", current_round);
    OL_IGNORE(nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), "left for a look");
    return 0;
}
