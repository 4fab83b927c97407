/* SPDX-License-Identifier: Apache-2.0 */
/* The spool where memory and the disk fail: each allocation, each system call, at work and while it
 * opens. */
#include "spool_support.h"

#include "fail_alloc.h"

/* One round of everything that allocates or calls the system. */
static ol_status work(struct ol_error *err)
{
    struct spool_options options = small_options();
    struct spool *spool = NULL;
    struct spool_reader *reader = NULL;
    struct spool_cursor *cursor = NULL;
    struct ol__uuid journal = {{9}};
    struct spool_record record;
    ol_status status = spool_open(&options, &spool, err);
    if (status != OL_OK)
        return status;
    uint64_t synced = spool_synced(spool);
    status = spool_cursor_open(spool, "r", true, &cursor, err);
    if (status == OL_OK)
        status = spool_reader_open(spool, synced, &reader, err);
    if (status == OL_OK)
        status = try_add(spool, synced + 1, 30000, NULL, err);
    if (status == OL_OK)
        status = spool_group_position(spool, &journal, synced, err);
    if (status == OL_OK)
        status = spool_group_commit(spool, err);
    while (status == OL_OK)
        status = spool_reader_next(reader, &record, err);
    status = status == OL_END ? OL_OK : status;
    for (uint64_t seq = 1; status == OL_OK && seq <= spool_synced(spool); seq++)
        spool_cursor_done(cursor, OL_MAX(seq, 1));
    if (status == OL_OK)
        status = spool_cursor_sync(cursor, err);
    if (status == OL_OK)
        status = spool_reap(spool, err);
    spool_reader_close(reader);
    spool_cursor_close(cursor);
    spool_close(spool);
    return status;
}

/* Every allocation fails once: the answer is OL_NOMEM or it does not matter, and all goes on
 * afterwards. */
static void test_allocations(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct ol_error err = {0};
        fail_alloc_at(n);
        ol_status status = work(&err);
        if (!fail_alloc_stop())
            break;
        if (status != OL_OK && status != OL_NOMEM)
            fail_msg("allocation %lu: %s: %s", n, ol__status_name(status), err.message);
        assert_int_equal(work(&err), OL_OK);
        assert_true(n < 1000);
    }
}

/* Every system call fails once, with errors of the disk and for good: an answer, no loss, and all
 * goes on. */
static void test_system_calls(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct ol_error err = {0};
        fault_fs_fail(FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC);
        ol_status status = work(&err);
        if (!fault_fs_stop())
            break;
        assert_true(status == OL_OK || status < 0);
        assert_true(status == OL_OK || err.message[0] != '\0');
        fault_fs_fail_from(FAULT_ANY_CHANGE, n, ENOSPC);
        OL_IGNORE(work(&err), "a disk that stays full");
        fault_fs_stop();
        status = work(&err);
        if (status != OL_OK)
            fail_msg("after call %lu: %s: %s", n, ol__status_name(status), err.message);
        struct spool *spool = open_small();
        struct spool_reader *reader = NULL;
        struct spool_record record;
        assert_int_equal(spool_reader_open(spool, spool_oldest(spool) - 1, &reader, NULL), OL_OK);
        while ((status = spool_reader_next(reader, &record, NULL)) == OL_OK)
            assert_true(record.type != SPOOL_EVENT ||
                        is_event(record.data, record.source_position));
        assert_int_equal(status, OL_END); /* no gap */
        spool_reader_close(reader);
        spool_close(spool);
        assert_true(n < 1000);
    }
}

/* P3: whatever call fails while it opens, the next open finds all that was acknowledged, in its
 * order, and takes more. */
static void test_open_on_a_bad_disk(void **state)
{
    (void)state;
    static const int reasons[] = {EIO, ENOSPC};
    struct spool_options options = small_options();
    options.max_bytes = 256 * 1024 * 1024;
    struct spool *spool = open_with(&options);
    uint64_t count = 0;
    unsigned long refused = 0;
    for (unsigned long n = 1;; n++) {
        struct ol_error err = {0};
        for (int i = 0; i < 3; i++)
            add_event(spool, ++count, 100);
        commit(spool);
        fault_fs_fail_from(FAULT_ANY_CHANGE, 1, EIO); /* as a kill leaves it: nothing is cut */
        spool_close(spool);
        fault_fs_stop();
        fault_fs_fail_from(n % 4 < 2 ? FAULT_ANY : FAULT_ANY_CHANGE, 1 + n / 4, reasons[n % 2]);
        spool = NULL;
        ol_status opened = spool_open(&options, &spool, &err);
        bool struck = fault_fs_stop();
        assert_true(opened == OL_OK || struck);
        if (opened != OL_OK) {
            assert_true(err.message[0] != '\0');
            refused++;
            spool = open_with(&options);
        }
        struct spool_reader *reader = NULL;
        struct spool_record record;
        uint64_t found = 0;
        ol_status status;
        assert_int_equal(spool_reader_open(spool, spool_oldest(spool) - 1, &reader, NULL), OL_OK);
        while ((status = spool_reader_next(reader, &record, NULL)) == OL_OK)
            if (record.type == SPOOL_EVENT)
                assert_true(is_event(record.data, ++found));
        assert_int_equal(status, OL_END);
        assert_int_equal(found, count);
        spool_reader_close(reader);
        if (!struck)
            break;
        assert_true(n < 1000);
    }
    assert_true(refused > 10);
    spool_close(spool);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_allocations),
        TEST(test_system_calls),
        TEST(test_open_on_a_bad_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
