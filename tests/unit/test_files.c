/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: reads and writes go on after short ones; replacing a file is all or nothing when any call
 * fails and when the power fails at any point (base/files.c, promise 1); and that the disk of
 * tests/support/c/fault_disk.c loses what it should, so that other tests may lean on it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "fault_fs.h"

static char root[64];
static int dir = -1;

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/ol-files-XXXXXX");
    return mkdtemp(root) != NULL && ol__fs_open_directory(root, &dir, NULL) == OL_OK ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    fault_fs_reset();
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    close(dir);
    return system(command);
}

static void put(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* The file's text, "(none)" if there is none. */
static const char *text_of(const char *name)
{
    static char text[8192];
    int fd = openat(dir, name, O_RDONLY);
    if (fd < 0)
        return "(none)";
    ssize_t size = read(fd, text, sizeof text - 1);
    assert_true(size >= 0);
    text[size] = '\0';
    close(fd);
    return text;
}

static int count_names(void)
{
    char command[100];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", root);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    int count = -1;
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void reads_whole_files_under_the_ceiling(void **state)
{
    (void)state;
    put("f", "0123456789");
    for (size_t max = 0; max < 13; max++) {
        struct ol__buf buf;
        struct ol_error err = {0};
        ol__buf_init(&buf, max);
        ol_status status = ol__fs_read_file(&ol__fs_real, dir, "f", &buf, &err);
        assert_int_equal(status, max < 10 ? OL_TOO_LARGE : OL_OK);
        if (status == OL_OK)
            assert_string_equal(buf.data, "0123456789");
        else
            assert_non_null(strstr(err.message, "'f': more than"));
        assert_int_equal(buf.size, status == OL_OK ? 10 : 0);
        ol__buf_release(&buf);
    }
    struct ol__buf buf;
    struct ol_error err;
    ol__buf_init(&buf, 1000000);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, dir, "none", &buf, &err), OL_NOT_FOUND);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, AT_FDCWD, root, &buf, &err),
                     OL_IO); /* EISDIR */
    assert_int_equal(ol__buf_add_text(&buf, "before "), OL_OK);
    fail_alloc_at(1);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, dir, "f", &buf, &err), OL_NOMEM);
    assert_true(fail_alloc_stop());
    ol__buf_reset(&buf);
    assert_int_equal(ol__buf_add_text(&buf, "before "), OL_OK);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, dir, "f", &buf, &err), OL_OK);
    assert_string_equal(buf.data, "before 0123456789");
    ol__buf_release(&buf);
}

static void reads_a_big_file_in_pieces(void **state)
{
    (void)state;
    static char text[200001];
    memset(text, 'q', sizeof text - 1);
    put("big", text);
    struct ol__buf buf;
    ol__buf_init(&buf, 200000);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, dir, "big", &buf, NULL), OL_OK);
    assert_int_equal(buf.size, 200000);
    assert_memory_equal(buf.data, text, 200001);
    ol__buf_release(&buf);
}

static void writes_go_on_after_short_ones(void **state)
{
    (void)state;
    fault_fs_reset();
    int fd = fault_fs.openat(dir, "f", O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    fault_fs_short_write(1, 3, 0);
    assert_int_equal(ol__fs_write_at(&fault_fs, fd, "abcdefgh", 8, 2, NULL), OL_OK);
    assert_true(fault_fs_stop());
    assert_int_equal(fault_fs_calls(FAULT_PWRITE), 2);
    fault_fs_fail(FAULT_PWRITE, 1, EINTR);
    assert_int_equal(ol__fs_write_at(&fault_fs, fd, "AB", 2, 0, NULL), OL_OK);
    assert_string_equal(text_of("f"), "ABabcdefgh");
    struct ol_error err;
    fault_fs_short_write(1, 3, ENOSPC);
    assert_int_equal(ol__fs_write_at(&fault_fs, fd, "abcdefgh", 8, 0, &err), OL_FULL);
    assert_true(err.is_retryable);
    fault_fs_fail(FAULT_PWRITE, 1, EIO);
    assert_int_equal(ol__fs_write_at(&fault_fs, fd, "x", 1, 0, &err), OL_IO);
    assert_int_equal(err.sys_errno, EIO);
    fault_fs_short_write(1, 0, 0); /* a write that takes nothing must not go round for ever */
    assert_int_equal(ol__fs_write_at(&fault_fs, fd, "x", 1, 0, &err), OL_FULL);

    char data[20];
    size_t got = 99;
    fault_fs_fail(FAULT_PREAD, 1, EINTR);
    assert_int_equal(ol__fs_read_at(&fault_fs, fd, data, sizeof data, 6, &got, NULL), OL_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(data, "efgh", 4);
    fault_fs_fail(FAULT_PREAD, 1, EACCES);
    assert_int_equal(ol__fs_read_at(&fault_fs, fd, data, sizeof data, 0, &got, &err), OL_IO);
    assert_int_equal(err.status, OL_IO);
    assert_int_equal(fault_fs.close(fd), 0);
}

static void replace_is_all_or_nothing_when_a_call_fails(void **state)
{
    (void)state;
    static const int reasons[] = {EIO, ENOSPC, EACCES};
    for (size_t r = 0; r < OL_COUNT(reasons); r++)
        for (unsigned long n = 1;; n++) {
            put("f", "old");
            int before = count_names();
            struct ol_error err = {0};
            fault_fs_reset();
            fault_fs_fail(FAULT_ANY, n, reasons[r]);
            ol_status status = ol__fs_replace(&fault_fs, dir, "f", "new text", 8, 0600, &err);
            bool failed = fault_fs_stop();
            if (!failed) {
                assert_int_equal(status, OL_OK);
                assert_true(n >= 7); /* open, write, fsync, close, rename, open, fsync */
                break;
            }
            /* a directory that was opened for reading may fail to close: nothing was lost */
            if (status == OL_OK) {
                assert_string_equal(text_of("f"), "new text");
                continue;
            }
            if (r == 1)
                assert_int_equal(status, OL_FULL);
            else /* a write is never denied, an open may be */
                assert_true(status == OL_IO || (r == 2 && status == OL_DENIED));
            assert_int_equal(err.status, status);
            assert_int_equal(err.sys_errno, reasons[r]);
            assert_non_null(strstr(err.message, "f"));
            const char *text = text_of("f");
            assert_true(strcmp(text, "old") == 0 || strcmp(text, "new text") == 0);
            assert_int_equal(count_names(), before); /* no temporary stays */
        }
    struct ol_error err;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(ol__fs_replace(&ol__fs_real, dir, name, "", 0, 0600, &err), OL_IO);
    assert_int_equal(ol__fs_replace(&ol__fs_real, dir, "new", "", 0, 0640, &err), OL_OK);
    assert_string_equal(text_of("new"), "");
}

static void replace_is_all_or_nothing_when_the_power_fails(void **state)
{
    (void)state;
    for (unsigned long seed = 0; seed < 60; seed++)
        for (unsigned long n = 1; n <= 9; n++) {
            fault_fs_reset();
            put("f", "old");
            fault_disk_record();
            fault_fs_fail_from(FAULT_ANY_CHANGE, n, EIO); /* the machine stops here */
            ol_status status = ol__fs_replace(&fault_fs, dir, "f", "new text", 8, 0600, NULL);
            fault_fs_stop();
            assert_true(fault_disk_power_cut(seed));
            const char *text = text_of("f");
            if (status == OL_OK)
                assert_string_equal(text, "new text");
            else
                assert_true(strcmp(text, "old") == 0 || strcmp(text, "new text") == 0);
        }
}

/* A disk that says synced and is not: the same must now be seen to break, or the test above is
 * blind. */
static void a_lying_disk_loses_a_replaced_file(void **state)
{
    (void)state;
    bool lost = false;
    bool torn = false;
    for (unsigned long seed = 0; seed < 60; seed++) {
        fault_fs_reset();
        put("f", "old");
        fault_disk_record();
        fault_disk_lie(true);
        assert_int_equal(ol__fs_replace(&fault_fs, dir, "f", "new text", 8, 0600, NULL), OL_OK);
        assert_true(fault_disk_power_cut(seed));
        const char *text = text_of("f");
        lost = lost || strcmp(text, "old") == 0;
        torn = torn || (strcmp(text, "old") != 0 && strcmp(text, "new text") != 0);
    }
    assert_true(lost);
    assert_true(torn);
}

static void the_disk_tears_sectors(void **state)
{
    (void)state;
    static char old[4097];
    static char new[4097];
    memset(old, 'o', 4096);
    memset(new, 'n', 4096);
    bool mixed = false;
    bool cut = false;
    for (unsigned long seed = 0; seed < 40; seed++) {
        fault_fs_reset();
        put("f", old);
        fault_disk_record();
        int fd = fault_fs.openat(dir, "f", O_WRONLY, 0);
        assert_true(fd >= 0);
        assert_int_equal(fault_fs.pwrite(fd, "synced", 6, 0), 6);
        assert_int_equal(fault_fs.fdatasync(fd), 0);
        assert_int_equal(fault_fs.pwrite(fd, new, 2000, 2000), 2000);
        assert_int_equal(fault_fs.pwrite(fd, new, 2000, 4096), 2000);
        assert_int_equal(fault_fs.close(fd), 0);
        assert_true(fault_disk_power_cut(seed));
        const char *text = text_of("f");
        size_t size = strlen(text);
        assert_memory_equal(text, "synced", 6); /* what was synced is there */
        assert_int_equal(text[1999], 'o');
        assert_int_equal(text[4000], 'o');
        if (seed == 0)
            assert_memory_equal(text + 6, old + 6, 4091);
        if (seed == 1)
            assert_memory_equal(text + 2000, new, 2000);
        mixed = mixed || (memchr(text + 2000, 'n', 2000) != NULL && memchr(text + 2000, 'o', 2000));
        cut = cut || (size >= 4096 && size < 6096);
    }
    assert_true(mixed && cut);
}

static void a_failed_sync_loses_for_good(void **state)
{
    (void)state;
    fault_fs_reset();
    put("f", "aaaa");
    fault_disk_record();
    int fd = fault_fs.openat(dir, "f", O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(fault_fs.pwrite(fd, "bb", 2, 0), 2);
    fault_fs_fail(FAULT_ANY_SYNC, 1, EIO);
    assert_int_equal(fault_fs.fdatasync(fd), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(fault_fs.pwrite(fd, "cc", 2, 2), 2);
    assert_int_equal(fault_fs.fdatasync(fd), 0);
    assert_int_equal(fault_fs.close(fd), 0);
    assert_string_equal(text_of("f"), "bbcc");
    assert_true(fault_disk_power_cut(0));
    assert_string_equal(text_of("f"), "aacc");
}

static void names_come_and_go_with_the_directory_sync(void **state)
{
    (void)state;
    fault_fs_reset();
    put("gone", "g");
    put("moved", "m");
    put("target", "t");
    fault_disk_record();
    assert_int_equal(fault_fs.unlinkat(dir, "gone", 0), 0);
    assert_int_equal(fault_fs.renameat(dir, "moved", dir, "target"), 0);
    assert_int_equal(fault_fs.mkdirat(dir, "d", 0700), 0);
    int fd = fault_fs.openat(dir, "d/made", O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fault_fs.write(fd, "x", 1), 1);
    assert_int_equal(fault_fs.fsync(fd), 0);
    assert_int_equal(fault_fs.linkat(dir, "d/made", dir, "linked", 0), 0);
    assert_int_equal(fault_fs.close(fd), 0);
    assert_true(fault_disk_power_cut(0));
    assert_string_equal(text_of("gone"), "g");
    assert_string_equal(text_of("moved"), "m");
    assert_string_equal(text_of("target"), "t");
    assert_string_equal(text_of("linked"), "(none)");
    assert_int_not_equal(faccessat(dir, "d", F_OK, 0), 0);

    fault_disk_record();
    assert_int_equal(fault_fs.unlinkat(dir, "gone", 0), 0);
    assert_int_equal(fault_fs.renameat(dir, "moved", dir, "target"), 0);
    int self = fault_fs.openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
    assert_int_equal(fault_fs.fsync(self), 0);
    assert_int_equal(fault_fs.close(self), 0);
    assert_true(fault_disk_power_cut(0));
    assert_string_equal(text_of("gone"), "(none)");
    assert_string_equal(text_of("target"), "m");
}

static void directories_are_made_with_their_parents(void **state)
{
    (void)state;
    char path[200];
    struct ol_error err;
    snprintf(path, sizeof path, "%s//a/b/c/", root);
    assert_int_equal(ol__fs_make_directories(path, 0750, &err), OL_OK);
    assert_int_equal(ol__fs_make_directories(path, 0750, &err), OL_OK); /* again is no error */
    int fd = -1;
    assert_int_equal(ol__fs_open_directory(path, &fd, &err), OL_OK);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    put("file", "");
    snprintf(path, sizeof path, "%s/file", root);
    assert_int_equal(ol__fs_make_directories(path, 0750, &err), OL_IO);
    assert_int_equal(err.sys_errno, ENOTDIR);
    assert_int_equal(ol__fs_open_directory(path, &fd, &err), OL_IO);
    snprintf(path, sizeof path, "%s/file/below", root);
    assert_int_equal(ol__fs_make_directories(path, 0750, &err), OL_IO);
    snprintf(path, sizeof path, "%s/none", root);
    assert_int_equal(ol__fs_open_directory(path, &fd, &err), OL_NOT_FOUND);
    assert_int_equal(ol__fs_make_directories("", 0750, &err), OL_IO);
    assert_int_equal(ol__fs_make_directories("/", 0750, &err), OL_OK);
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(ol__fs_make_directories(longer, 0750, &err), OL_IO);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(reads_whole_files_under_the_ceiling),
        IN_ROOT(reads_a_big_file_in_pieces),
        IN_ROOT(writes_go_on_after_short_ones),
        IN_ROOT(replace_is_all_or_nothing_when_a_call_fails),
        IN_ROOT(replace_is_all_or_nothing_when_the_power_fails),
        IN_ROOT(a_lying_disk_loses_a_replaced_file),
        IN_ROOT(the_disk_tears_sectors),
        IN_ROOT(a_failed_sync_loses_for_good),
        IN_ROOT(names_come_and_go_with_the_directory_sync),
        IN_ROOT(directories_are_made_with_their_parents),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
