/* SPDX-License-Identifier: Apache-2.0 */
/* S16..S19: what a cursor remembers after kills, power loss, torn slots, and where its window ends.
 */
#include "spool_support.h"

#include <sys/wait.h>
#include "fail_alloc.h"
#include "spool_internal.h"

#define LIVE_SIZE 12288
#define SLOT_STEP 8192

static struct spool_cursor *open_cursor(struct spool *spool)
{
    struct spool_cursor *cursor = NULL;
    struct ol_error err;
    ol_status status = spool_cursor_open(spool, "route", true, &cursor, &err);
    if (status != OL_OK)
        fail_msg("cursor: %s", err.message);
    return cursor;
}

/* As a kill leaves it: nothing that closing does reaches a file; the mapping stays. */
static void kill_both(struct spool *spool, struct spool_cursor *cursor)
{
    fault_fs_fail_from(FAULT_ANY_CHANGE, 1, EIO);
    spool_cursor_close(cursor);
    spool_close(spool);
    fault_fs_stop();
}

static void change_boot_id(void)
{
    char path[512];
    path_of("cursor/route.live", path);
    if (access(path, F_OK) == 0)
        patch_bytes(path, 32, "another boot id!", 16);
}

static void put_many(struct spool *spool, uint64_t count)
{
    for (uint64_t n = 1; n <= count; n++) {
        add_event(spool, n, 8);
        if (n % 400 == 0 || n == count)
            commit(spool);
    }
}

/* Out of order, with holes: the mark moves over what is done, and all of it outlives a kill without
 * a sync. */
static void test_kill(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 200);
    struct spool_cursor *cursor = open_cursor(spool);
    assert_int_equal(spool_cursor_low(cursor), 0);
    static const uint64_t order[] = {3, 2, 5, 1, 9, 8, 150, 4, 7};
    static const uint64_t lows[] = {0, 0, 0, 3, 3, 3, 3, 5, 5};
    for (size_t i = 0; i < OL_COUNT(order); i++) {
        spool_cursor_done(cursor, order[i]);
        assert_int_equal(spool_cursor_low(cursor), lows[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (uint64_t seq = 1; seq <= 200; seq++) {
            bool expected = seq <= 5 || (seq >= 7 && seq <= 9) || seq == 150;
            assert_int_equal(spool_cursor_is_done(cursor, seq), expected);
        }
        assert_int_equal(spool_cursor_done_count(cursor), 5 + 3 + 1);
        spool_cursor_done(cursor, 150); /* again: counted once */
        assert_int_equal(spool_cursor_done_count(cursor), 5 + 3 + 1);
        kill_both(spool, cursor);
        spool = open_small();
        cursor = open_cursor(spool);
    }
    spool_cursor_done(cursor, 6);
    assert_int_equal(spool_cursor_low(cursor), 9);
    assert_int_equal(spool_cursor_done_count(cursor), 10);
    assert_int_equal(spool_cursor_done_through(cursor, 140, 160), 160);
    assert_int_equal(spool_cursor_done_count(cursor), 9 + 21);
    assert_int_equal(spool_cursor_done_through(cursor, 10, 145), 145);
    assert_int_equal(spool_cursor_low(cursor), 160);
    assert_int_equal(spool_cursor_done_count(cursor), 160);
    spool_cursor_close(cursor);
    spool_close(spool);
}

/* S18: another boot id, and the mapping is not believed, whatever it says: the last sync counts. */
static void test_power_loss(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 100);
    struct spool_cursor *cursor = open_cursor(spool);
    for (uint64_t seq = 1; seq <= 10; seq++)
        spool_cursor_done(cursor, seq);
    spool_cursor_done(cursor, 20);
    assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
    unsigned long writes = fault_fs_calls(FAULT_PWRITE);
    assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK); /* nothing changed: nothing written */
    assert_int_equal(fault_fs_calls(FAULT_PWRITE), writes);
    spool_cursor_done(cursor, 11);
    spool_cursor_done(cursor, 30);
    kill_both(spool, cursor);
    change_boot_id();
    spool = open_small();
    cursor = open_cursor(spool);
    assert_int_equal(spool_cursor_low(cursor), 10);
    assert_true(spool_cursor_is_done(cursor, 20));
    assert_false(spool_cursor_is_done(cursor, 11));
    assert_false(spool_cursor_is_done(cursor, 30));
    /* The slots are written in turn; each torn one leaves the other. */
    assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
    for (uint64_t seq = 11; seq <= 15; seq++) {
        spool_cursor_done(cursor, seq);
        assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
    }
    kill_both(spool, cursor);
    char path[512];
    uint8_t *bytes = NULL;
    path_of("cursor/route.saved", path);
    size_t size = read_bytes(path, &bytes);
    static const struct {
        uint64_t spoil[2];
        uint64_t low;
    } cases[] = {{{0, 0}, 15},
                 {{100, 100}, 0},
                 {{SLOT_STEP + 100, SLOT_STEP + 100}, 0},
                 {{100, SLOT_STEP + 100}, 0}};
    uint64_t lows[2] = {0, 0};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        write_bytes(path, bytes, size);
        if (i > 0) {
            patch_bytes(path, cases[i].spoil[0], "torn", 4);
            patch_bytes(path, cases[i].spoil[1], "torn", 4);
        }
        change_boot_id();
        spool = open_small();
        cursor = open_cursor(spool);
        uint64_t low = spool_cursor_low(cursor);
        if (i == 0)
            assert_int_equal(low, 15);
        else if (i < 3)
            lows[i - 1] = low;
        else
            assert_int_equal(low, 0); /* neither: from the oldest record */
        kill_both(spool, cursor);
    }
    assert_int_equal(lows[0] + lows[1], 14 + 15);
    free(bytes);
}

/* S17: killed between the mark and the bits it passed: stale bits must not speak for what comes
 * later. */
static void test_stale_bits(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 60);
    struct spool_cursor *cursor = open_cursor(spool);
    for (uint64_t seq = 1; seq <= 50; seq++)
        spool_cursor_done(cursor, seq);
    kill_both(spool, cursor);
    char path[512];
    path_of("cursor/route.live", path);
    uint8_t ring[8192];
    memset(ring, 0xff, sizeof ring); /* every bit is stale */
    patch_bytes(path, 4096, ring, sizeof ring);
    spool = open_small();
    cursor = open_cursor(spool);
    /* 51..60 could be done, for all one can tell; beyond the log nothing can. */
    assert_int_equal(spool_cursor_low(cursor), 60);
    put_many(spool, 100);
    for (uint64_t seq = 61; seq <= 160; seq++)
        assert_false(spool_cursor_is_done(cursor, seq));
    kill_both(spool, cursor);
#ifdef OL_CRASHPOINTS
    for (int point = 0; point < 2; point++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            setenv("LINEAGED_CRASH", point == 0 ? "cursor.low_stored" : "cursor.cleared", 1);
            spool = open_small();
            cursor = open_cursor(spool);
            uint64_t low = spool_cursor_low(cursor);
            for (uint64_t seq = low + 9; seq > low;
                 seq--) /* the last one moves the mark over all */
                spool_cursor_done(cursor, seq);
            _exit(1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        spool = open_small();
        cursor = open_cursor(spool);
        assert_int_equal(spool_cursor_low(cursor), 69 + 9 * point);
        for (uint64_t seq = 70 + 9 * (uint64_t)point; seq <= 160; seq++)
            assert_false(spool_cursor_is_done(cursor, seq));
        kill_both(spool, cursor);
    }
#endif
}

/* The ring goes round: sequences far above its size; nothing ever counts as done that was not
 * marked. */
static void test_window(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 70000);
    struct spool_cursor *cursor = open_cursor(spool);
    spool_cursor_done(cursor, SPOOL_CURSOR_AHEAD);
    assert_true(spool_cursor_is_done(cursor, SPOOL_CURSOR_AHEAD));
    assert_false(spool_cursor_is_done(cursor, SPOOL_CURSOR_AHEAD + 1));
    assert_false(spool_cursor_is_done(cursor, 65536 + 100));
    for (uint64_t seq = 1; seq <= 69990; seq++)
        spool_cursor_done(cursor, seq);
    assert_int_equal(spool_cursor_low(cursor), 69990);
    for (uint64_t seq = 69991; seq <= 70000; seq++)
        assert_false(spool_cursor_is_done(cursor, seq));
    spool_cursor_done(cursor, 69990); /* late: ignored */
    assert_int_equal(spool_cursor_low(cursor), 69990);
    kill_both(spool, cursor);
    spool = open_small();
    cursor = open_cursor(spool);
    assert_int_equal(spool_cursor_low(cursor), 69990);
    spool_cursor_close(cursor);
    spool_close(spool);
}

/* A long gap is passed in pieces while something before it is still out, and at once when nothing
 * is. */
static void test_gap(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 70000);
    struct spool_cursor *cursor = open_cursor(spool);
    spool_cursor_done(cursor, 2);
    uint64_t done = spool_cursor_done_through(cursor, 3, 60000);
    assert_int_equal(done, SPOOL_CURSOR_AHEAD);
    assert_int_equal(spool_cursor_low(cursor), 0);
    assert_false(spool_cursor_is_done(cursor, 1));
    spool_cursor_done(cursor, 1);
    assert_int_equal(spool_cursor_low(cursor), done);
    spool_cursor_done(cursor, 60005);
    assert_int_equal(spool_cursor_done_through(cursor, done + 1, 60000), 60000);
    assert_int_equal(spool_cursor_low(cursor), 60000);
    assert_true(spool_cursor_is_done(cursor, 60005));
    for (uint64_t seq = 60001; seq <= 60004; seq++)
        assert_false(spool_cursor_is_done(cursor, seq));
    assert_int_equal(spool_cursor_done_through(cursor, 60001, 60004), 60004);
    assert_int_equal(spool_cursor_low(cursor), 60005);
    spool_cursor_close(cursor);
    spool_close(spool);
}

/* A foreign spool's cursor, a mark of the future, files that are something else: none loses an
 * event. */
static void test_foreign(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 50);
    struct spool_cursor *cursor = open_cursor(spool);
    for (uint64_t seq = 1; seq <= 50; seq++)
        spool_cursor_done(cursor, seq);
    spool_cursor_close(cursor);
    spool_close(spool);
    char live[512], saved[512], path[512];
    path_of("cursor/route.live", live);
    path_of("cursor/route.saved", saved);
    /* The log loses its end: the mark goes back with it, or what takes these numbers next would be
     * lost. */
    segment_path(1, path);
    assert_int_equal(truncate(path, 4096 + 128 + 88), 0);
    spool = open_small();
    uint64_t synced = spool_synced(spool);
    assert_true(synced < 50);
    cursor = open_cursor(spool);
    assert_int_equal(spool_cursor_low(cursor), synced);
    struct spool_cursor *outside = NULL;
    assert_int_equal(spool_cursor_open_external(spool, "store", true, 50, &outside, NULL), OL_OK);
    assert_int_equal(spool_cursor_low(outside), synced);
    spool_cursor_close(outside);
    put_many(spool, 5);
    for (uint64_t seq = synced + 1; seq <= synced + 5; seq++)
        assert_false(spool_cursor_is_done(cursor, seq));
    spool_cursor_close(cursor);
    spool_close(spool);
    uint8_t *bytes = NULL;
    size_t size = read_bytes(live, &bytes);
    assert_int_equal(size, LIVE_SIZE);
    static const size_t spots[] = {0, 8, 12, 16, 32};
    for (size_t i = 0; i < OL_COUNT(spots); i++) {
        bytes[spots[i]] ^= 1;
        write_bytes(live, bytes, size);
        bytes[spots[i]] ^= 1;
        unlink(saved);
        spool = open_small();
        cursor = open_cursor(spool);
        assert_int_equal(spool_cursor_low(cursor), spool_oldest(spool) - 1);
        spool_cursor_close(cursor);
        spool_close(spool);
    }
    free(bytes);
    write_bytes(live, "short", 5);
    write_bytes(saved, "short", 5);
    spool = open_small();
    cursor = open_cursor(spool);
    assert_int_equal(spool_cursor_low(cursor), spool_oldest(spool) - 1);
    spool_cursor_close(cursor);
    static const char *const names[] = {"", "A", "a b", "../x", "x.live"};
    for (size_t i = 0; i < OL_COUNT(names); i++)
        assert_int_equal(spool_cursor_open(spool, names[i], true, &cursor, NULL), OL_INVALID);
    spool_close(spool);
}

/* Every call and every allocation fails once. Whatever is answered, no event that was not done
 * counts as done. */
static void test_failures(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 300);
    for (unsigned long n = 1;; n++) {
        struct spool_cursor *cursor = NULL;
        struct ol_error err = {0};
        bool by_call = n % 2 == 0;
        if (by_call)
            fault_fs_fail(FAULT_ANY, n / 2, EIO);
        else
            fail_alloc_at(n / 2 + 1);
        ol_status status = spool_cursor_open(spool, "route", true, &cursor, &err);
        uint64_t low = status == OL_OK ? spool_cursor_low(cursor) : 0;
        if (status == OL_OK) {
            spool_cursor_done(cursor, low + 2);
            spool_cursor_done(cursor, low + 1);
            OL_IGNORE(spool_cursor_sync(cursor, &err), "that may be what fails");
        }
        bool struck = by_call ? fault_fs_stop() : fail_alloc_stop();
        assert_true(status == OL_OK || struck);
        if (status == OL_OK) {
            assert_int_equal(spool_cursor_sync(cursor, &err),
                             OL_OK); /* the next one comes through */
            spool_cursor_close(cursor);
        }
        change_boot_id();
        if (n == 1)
            continue;
        cursor = open_cursor(spool);
        assert_true(status != OL_OK || spool_cursor_low(cursor) == low + 2);
        assert_false(spool_cursor_is_done(cursor, spool_cursor_low(cursor) + 1));
        spool_cursor_close(cursor);
        if (n > 60)
            break;
    }
    spool_close(spool);
}

/* A disk without any room at open: the route starts where it stood, marks in memory; as after power
 * loss for whoever is killed now; and on disk with the first sync that finds room. */
static void test_full_disk(void **state)
{
    (void)state;
    struct spool *spool = open_small();
    put_many(spool, 100);
    struct spool_cursor *cursor = open_cursor(spool);
    for (uint64_t seq = 1; seq <= 10; seq++)
        spool_cursor_done(cursor, seq);
    assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
    kill_both(spool, cursor);
    for (int round = 0; round < 2; round++) {
        struct ol_error err = {0};
        uint64_t low = round == 0 ? 10 : 13;
        change_boot_id();
        spool = open_small();
        fault_fs_fail_from(FAULT_PWRITE, 1, ENOSPC);
        cursor = open_cursor(spool);
        assert_int_equal(spool_cursor_low(cursor), low);
        spool_cursor_done(cursor, low + 3);
        spool_cursor_done(cursor, low + 1);
        assert_int_equal(spool_cursor_sync(cursor, &err), OL_FULL);
        assert_non_null(strstr(err.message, "cursor 'route'"));
        assert_int_equal(spool_cursor_low(cursor), low + 1);
        assert_true(spool_cursor_saved(cursor) <= low);
        if (round == 1) { /* killed on the full disk */
            kill_both(spool, cursor);
            spool = open_small();
            cursor = open_cursor(spool);
            assert_int_equal(spool_cursor_low(cursor), low);
            assert_false(spool_cursor_is_done(cursor, low + 3));
            kill_both(spool, cursor);
            break;
        }
        fault_fs_stop();
        assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
        assert_int_equal(spool_cursor_saved(cursor), low + 1);
        spool_cursor_done(cursor, low + 2); /* in the file by now: a kill keeps it */
        assert_int_equal(spool_cursor_low(cursor), low + 3);
        kill_both(spool, cursor);
        spool = open_small();
        cursor = open_cursor(spool);
        assert_int_equal(spool_cursor_low(cursor), low + 3);
        assert_int_equal(spool_cursor_sync(cursor, NULL), OL_OK);
        kill_both(spool, cursor);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kill), TEST(test_power_loss), TEST(test_stale_bits), TEST(test_window),
        TEST(test_gap),  TEST(test_foreign),    TEST(test_failures),   TEST(test_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
