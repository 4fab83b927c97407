/* SPDX-License-Identifier: Apache-2.0 */
/* The writer keeps the rules J1 to J16 of spec/JOURNAL.md: whatever fails, accepted events stand
 * whole and in order, refused ones nowhere. */
#include "emitter_help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fail_alloc.h"
#include "fault_fs.h"
#include "journal.h"

#define EVENTS 6

struct fixture {
    char *directory;
    struct ol__journal_limits limits;
    struct ol__journal_options options;
    struct ol__transport *journal;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fault_fs_reset();
    f->directory = help_directory();
    f->limits = ol__journal_limits_default;
    f->limits.floor_percent = 0; /* the machine's disk may be full: J14 has its own tests */
    f->limits.count_odds = UINT32_MAX;
    f->options = (struct ol__journal_options){
        .directory = f->directory, .fs = &fault_fs, .limits = &f->limits};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_fs_reset();
    if (f->journal != NULL)
        f->journal->functions->close(f->journal, 0, NULL);
    help_remove(f->directory);
    free(f);
    return 0;
}

static void open_journal(struct fixture *f)
{
    struct ol_error err;
    assert_int_equal(ol__journal_open(&f->options, &f->journal, &err), OL_OK);
}

static void close_journal(struct fixture *f)
{
    assert_int_equal(f->journal->functions->close(f->journal, 0, NULL), OL_OK);
    f->journal = NULL;
}

/* One event with its number, padded to about @p size bytes. */
static ol_status emit(struct fixture *f, int number, size_t size, struct ol_error *err)
{
    static char text[20 * 1024 * 1024];
    int head =
        snprintf(text, sizeof text, "\n{\"eventType\":\"START\",\"n\":%d,\"pad\":\"", number);
    size_t pad = size > (size_t)head + 3 ? size - (size_t)head - 3 : 0;
    memset(text + head, 'x', pad);
    memcpy(text + head + pad, "\"}\n", 3);
    struct ol__line line = {.data = text, .size = (size_t)head + pad + 3};
    return f->journal->functions->emit(f->journal, &line, err);
}

/* Exactly the events whose bit is set stand in the directory, in order. */
static void assert_events(struct fixture *f, unsigned accepted, int count)
{
    struct help_journals all = help_read(f->directory);
    size_t found = 0, seen = 0;
    const char **events = help_events(&all, &found);
    for (int i = 0; i < count; i++) {
        if ((accepted & 1u << i) == 0)
            continue;
        char want[64];
        snprintf(want, sizeof want, "{\"eventType\":\"START\",\"n\":%d,", i);
        /* Torn pieces stand between; they end without the closing brace. */
        while (seen < found && events[seen][strlen(events[seen]) - 1] != '}')
            seen++;
        assert_true(seen < found);
        assert_memory_equal(events[seen], want, strlen(want));
        seen++;
    }
    while (seen < found) {
        assert_int_not_equal(events[seen][strlen(events[seen]) - 1], '}');
        seen++;
    }
    free(events);
    help_release(&all);
}

/* ---- birth ---- */

static void is_born_locked_with_header(void **state)
{
    struct fixture *f = *state;
    char path[512];
    struct stat st;
    f->options.infer_abort = true;
    open_journal(f);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.count + all.others, 0); /* only with the first event */
    assert_int_equal(emit(f, 1, 0, NULL), OL_OK);
    all = help_read(f->directory);
    assert_int_equal(all.count, 1);
    assert_int_equal(all.others, 0); /* J1: the temporary name is gone */
    const char *header = all.files[0].lines[0];
    assert_string_equal(help_member(header, "ol_journal"), "1");
    assert_string_equal(help_member(header, "part"), "1");
    assert_memory_equal(help_member(header, "id"), all.files[0].name + 21, 36); /* J4 */
    assert_memory_equal(help_member(header, "chain"), all.files[0].name + 21, 36);
    assert_int_equal(atoi(help_member(header, "pid")), getpid());
    assert_int_equal(atoi(help_member(header, "uid")), (int)geteuid());
    assert_true(atoll(help_member(header, "start")) > 0);
    assert_int_equal(strlen(help_member(header, "boot")), 36);
    assert_string_equal(help_member(header, "infer_abort"), "true");
    snprintf(path, sizeof path, "%s/%s", f->directory, all.files[0].name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1); /* J2 */
    assert_int_equal(errno, EWOULDBLOCK);
    close_journal(f);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    close(fd);
    help_release(&all);
}

static void system_directory_gives_group_read(void **state)
{
    struct fixture *f = *state;
    char path[512];
    struct stat st;
    assert_int_equal(chmod(f->directory, 03777), 0);
    mode_t before = umask(0777);
    open_journal(f);
    assert_int_equal(emit(f, 1, 0, NULL), OL_OK);
    umask(before);
    struct help_journals all = help_read(f->directory);
    snprintf(path, sizeof path, "%s/%s", f->directory, all.files[0].name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    help_release(&all);
}

static void failed_birth_leaves_nothing(void **state)
{
    static const struct {
        enum fault_call call;
        unsigned long nth;
        int sys_errno;
        ol_status status;
        bool is_durable;
    } rows[] = {
        {FAULT_OPENAT, 1, ENOSPC, OL_FULL, false}, {FAULT_OPENAT, 1, EROFS, OL_IO, false},
        {FAULT_FSTAT, 1, EIO, OL_IO, false},       {FAULT_FLOCK, 1, ENOLCK, OL_IO, false},
        {FAULT_WRITE, 1, ENOSPC, OL_FULL, false},  {FAULT_WRITE, 1, EIO, OL_IO, false},
        {FAULT_RENAMEAT, 1, EIO, OL_IO, false},    {FAULT_FDATASYNC, 1, EIO, OL_IO, true},
        {FAULT_FSYNC, 1, EIO, OL_IO, true},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_error err;
        f->options.is_durable = rows[i].is_durable;
        open_journal(f);
        fault_fs_fail(rows[i].call, rows[i].nth, rows[i].sys_errno);
        assert_int_equal(emit(f, 0, 0, &err), rows[i].status);
        assert_true(fault_fs_stop());
        struct help_journals all = help_read(f->directory);
        assert_int_equal(all.count + all.others, 0);
        assert_int_equal(emit(f, 0, 0, &err), OL_OK); /* the next try is a birth of its own */
        help_release(&all);
        all = help_read(f->directory);
        assert_int_equal(all.count, 1);
        assert_string_equal(help_member(all.files[0].lines[0], "part"), "1");
        close_journal(f);
        char path[512];
        snprintf(path, sizeof path, "%s/%s", f->directory, all.files[0].name);
        assert_int_equal(unlink(path), 0);
        help_release(&all);
    }
}

/* ---- lines (J5, J6) ---- */

static bool cut_fails, look_fails;

static int cut(int fd, off_t size)
{
    errno = EIO;
    return cut_fails ? -1 : fault_fs.ftruncate(fd, size);
}

static int look(int fd, struct stat *st)
{
    errno = EIO;
    return look_fails ? -1 : fault_fs.fstat(fd, st);
}

static void every_failed_write_leaves_whole_lines(void **state)
{
    static const struct {
        int sys_errno;                 /* 0: a short write */
        size_t size;                   /* of the short write */
        enum { ONLY, CUT, LOOK } also; /* ftruncate or fstat fail, too */
    } rows[] = {
        {ENOSPC, 0, ONLY}, {EDQUOT, 0, ONLY}, {EIO, 0, ONLY}, {EINTR, 0, ONLY},
        {0, 0, ONLY},      {0, 1, ONLY},      {0, 40, ONLY},  {0, 98, ONLY},
        {0, 40, CUT},      {0, 1, CUT},       {0, 40, LOOK},
    };
    struct fixture *f = *state;
    struct ol__fs stubborn = fault_fs;
    stubborn.ftruncate = cut;
    stubborn.fstat = look;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (unsigned long nth = 1; nth <= EVENTS; nth++) {
            unsigned accepted = 0;
            char *outer = f->directory;
            f->options.directory = f->directory = help_directory();
            f->options.fs = &stubborn;
            open_journal(f);
            assert_int_equal(emit(f, 0, 100, NULL), OL_OK); /* the birth is not what is tested */
            accepted |= 1;
            for (int n = 1; n <= EVENTS; n++) {
                bool is_due = (unsigned long)n == nth;
                if (is_due && rows[i].sys_errno != 0)
                    fault_fs_fail(FAULT_WRITE, 1, rows[i].sys_errno);
                else if (is_due)
                    fault_fs_short_write(1, rows[i].size, 0);
                cut_fails = is_due && rows[i].also == CUT;
                look_fails = is_due && rows[i].also == LOOK;
                ol_status status = emit(f, n, 100, NULL);
                if (is_due && rows[i].sys_errno != EINTR)
                    assert_true(status < 0);
                else
                    assert_int_equal(status, OL_OK);
                if (status == OL_OK)
                    accepted |= 1u << n;
                fault_fs_stop();
            }
            close_journal(f);
            assert_events(f, accepted, EVENTS + 1);
            help_remove(f->directory);
            f->options.directory = f->directory = outer;
        }
    }
}

static void somebody_elses_bytes_are_not_cut(void **state)
{
    struct fixture *f = *state;
    char path[512];
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    struct help_journals all = help_read(f->directory);
    snprintf(path, sizeof path, "%s/%s", f->directory, all.files[0].name);
    help_release(&all);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "alien", 5), 5);
    close(fd);
    fault_fs_fail(FAULT_WRITE, 1, ENOSPC);
    assert_int_equal(emit(f, 1, 100, NULL), OL_FULL);
    fault_fs_stop();
    assert_int_equal(emit(f, 2, 100, NULL), OL_OK);
    all = help_read(f->directory);
    assert_int_equal(all.files[0].count, 4);
    assert_string_equal(all.files[0].lines[2],
                        "alien"); /* closed by a newline, a line of its own */
    help_release(&all);
    assert_events(f, 1 | 4, 3);
}

static void one_write_an_event_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    unsigned long before = fault_fs_calls(FAULT_ANY), writes = fault_fs_calls(FAULT_WRITE);
    fail_alloc_stop();
    for (int i = 1; i <= 1000; i++)
        assert_int_equal(emit(f, i, 700, NULL), OL_OK);
    assert_int_equal(fault_fs_calls(FAULT_WRITE) - writes, 1000);
    assert_int_equal(fault_fs_calls(FAULT_ANY) - before, 1000);
    assert_int_equal(fail_alloc_count(), 0);
}

static void too_long_a_line_is_refused(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    assert_int_equal(emit(f, 0, OL_LINE_MAX, NULL), OL_OK);
    assert_int_equal(emit(f, 1, OL_LINE_MAX + 3, NULL), OL_TOO_LARGE);
    assert_int_equal(emit(f, 2, 100, NULL), OL_OK);
    assert_events(f, 1 | 4, 3);
}

/* ---- durability ---- */

static void failed_sync_moves_to_a_new_file(void **state)
{
    struct fixture *f = *state;
    f->options.is_durable = true;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    fault_fs_fail(FAULT_FDATASYNC, 1, EIO);
    assert_int_equal(emit(f, 1, 100, NULL), OL_OK); /* written anew elsewhere */
    assert_true(fault_fs_stop());
    assert_int_equal(emit(f, 2, 100, NULL), OL_OK);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.files[0].count, 2); /* header, event 0; never appended to again */
    assert_string_equal(help_member(all.files[1].lines[0], "part"), "2");
    char chain[64];
    snprintf(chain, sizeof chain, "%s", help_member(all.files[0].lines[0], "chain"));
    assert_string_equal(help_member(all.files[1].lines[0], "chain"), chain);
    help_release(&all);
    assert_events(f, 7, 3);
    fault_fs_fail_from(FAULT_FDATASYNC, 1, EIO);
    assert_int_equal(emit(f, 3, 100, NULL), OL_IO);
    fault_fs_stop();
    assert_events(f, 7, 4); /* refused: no trace */
    assert_int_equal(emit(f, 4, 100, NULL), OL_OK);
    assert_events(f, 7 | 1 << 4, 5);
}

static void durable_events_survive_a_power_cut(void **state)
{
    struct fixture *f = *state;
    f->options.is_durable = true;
    fault_disk_record();
    open_journal(f);
    for (int i = 0; i < 5; i++)
        assert_int_equal(emit(f, i, 300, NULL), OL_OK);
    struct ol__transport *lost = f->journal;
    f->journal = NULL;
    assert_true(fault_disk_power_cut(0));
    assert_events(f, 31, 5);
    fault_fs_reset();
    lost->functions->close(lost, 0, NULL);
}

/* ---- ceilings (J13 to J15) ---- */

static void rotation_keeps_the_chain(void **state)
{
    struct fixture *f = *state;
    f->limits.rotate_bytes = 1000;
    open_journal(f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(emit(f, i, 200, NULL), OL_OK);
    close_journal(f);
    assert_events(f, (1u << 20) - 1, 20);
    struct help_journals all = help_read(f->directory);
    assert_true(all.count >= 5);
    for (size_t i = 0; i < all.count; i++) {
        char id[64], chain[64], text[32];
        const struct help_file *file = &all.files[i];
        const char *end = file->lines[file->count - 1];
        snprintf(text, sizeof text, "%zu", i + 1);
        assert_string_equal(help_member(file->lines[0], "part"), text);
        snprintf(text, sizeof text, "%zu", file->count - 2);
        assert_string_equal(help_member(end, "events"), text);
        if (i + 1 == all.count) {
            assert_string_equal(help_member(end, "ol_journal_end"), "closed");
            continue;
        }
        assert_string_equal(help_member(end, "ol_journal_end"), "rotated");
        snprintf(id, sizeof id, "%s", help_member(end, "next"));
        assert_string_equal(help_member(all.files[i + 1].lines[0], "id"), id);
        snprintf(chain, sizeof chain, "%s", help_member(file->lines[0], "chain"));
        assert_string_equal(help_member(all.files[i + 1].lines[0], "chain"), chain);
    }
    help_release(&all);
}

static void failed_rotation_keeps_the_old_file(void **state)
{
    static const enum fault_call calls[] = {FAULT_OPENAT, FAULT_FLOCK, FAULT_RENAMEAT, FAULT_WRITE};
    struct fixture *f = *state;
    f->limits.rotate_bytes = 1000;
    open_journal(f);
    unsigned accepted = 0;
    int n = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct help_journals all = help_read(f->directory);
        size_t files = all.count;
        help_release(&all);
        for (;; n++) { /* up to just before a rotation: fill until the fault strikes */
            fault_fs_fail(calls[i] == FAULT_WRITE ? FAULT_RENAMEAT : calls[i], 1, ENOSPC);
            if (emit(f, n, 200, NULL) != OL_OK)
                break;
            fault_fs_stop();
            accepted |= 1u << n;
            assert_true(n < 30);
        }
        fault_fs_stop();
        n++;
        all = help_read(f->directory);
        assert_true(all.count == files || (files == 0 && all.count <= 1));
        assert_int_equal(all.others, 0);
        help_release(&all);
        assert_int_equal(emit(f, n, 200, NULL), OL_OK);
        accepted |= 1u << n++;
    }
    close_journal(f);
    assert_events(f, accepted, n);
}

/* In a child: a limit cannot be raised again, and crossing it would kill. */
static void stays_below_the_file_size_limit(void **state)
{
    struct fixture *f = *state;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 3u << 20, .rlim_max = 3u << 20};
        int accepted = 0;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
            ol__journal_open(&f->options, &f->journal, NULL) != OL_OK)
            _exit(1);
        for (int i = 0; i < 100; i++)
            accepted += emit(f, i, 100000, NULL) == OL_OK;
        if (accepted != 100 || emit(f, 100, 2u << 20, NULL) != OL_FULL)
            _exit(2);
        limit.rlim_cur = 1u << 20; /* nothing fits below it with its margin */
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(3);
        for (int i = 0; i < 30; i++)
            accepted += emit(f, i, 100000, NULL) == OL_OK;
        _exit(emit(f, 100, 100, NULL) == OL_FULL ? 0 : 4);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    struct help_journals all = help_read(f->directory);
    assert_true(all.count >= 5);
    for (size_t i = 0; i < all.count; i++)
        assert_false(all.files[i].is_torn);
    help_release(&all);
}

static void a_low_disk_is_full(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    f->limits.floor_percent = 1000; /* more than there is */
    f->limits.floor_bytes = UINT64_MAX;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, &err), OL_FULL);
    assert_non_null(strstr(err.message, "must stay free"));
    unsigned long looks = fault_fs_calls(FAULT_FSTATVFS);
    for (int i = 0; i < 100; i++)
        assert_int_equal(emit(f, 0, 100, NULL), OL_FULL);
    assert_int_equal(fault_fs_calls(FAULT_FSTATVFS), looks); /* again at most once a second */
    f->limits.low_retry_ms = 0;
    assert_int_equal(emit(f, 0, 100, NULL), OL_FULL);
    assert_int_equal(fault_fs_calls(FAULT_FSTATVFS), looks + 1);
    f->limits.floor_percent = 0;
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    f->limits.check_bytes = 1000;
    looks = fault_fs_calls(FAULT_FSTATVFS);
    for (int i = 1; i <= 20; i++) /* after each 1,000 bytes */
        assert_int_equal(emit(f, i, 250, NULL), OL_OK);
    assert_in_range(fault_fs_calls(FAULT_FSTATVFS) - looks, 4, 6);
    f->limits.floor_percent = 1000;
    int i = 0;
    while (emit(f, 21 + i, 250, NULL) == OL_OK) /* an open journal notices too */
        assert_true(++i < 8);
    assert_events(f, (1u << (21 + i)) - 1, 21 + i);
}

static void put_file(const char *directory, int number, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%d.jsonl", directory, number);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void too_much_waiting_is_full(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    char marker[512], path[512];
    struct stat st;
    snprintf(marker, sizeof marker, "%s/.full-%u", f->directory, (unsigned)geteuid());
    f->limits.uid_files = 8;
    f->limits.uid_bytes = 10000;
    f->limits.count_odds = 1; /* each birth counts */
    for (int i = 0; i < 9; i++)
        put_file(f->directory, i, 10);
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, &err), OL_FULL);
    assert_non_null(strstr(err.message, "lineaged"));
    assert_int_equal(stat(marker, &st), 0);
    for (int i = 0; i < 9; i++) {
        snprintf(path, sizeof path, "%s/%d.jsonl", f->directory, i);
        assert_int_equal(unlink(path), 0);
        if (i == 0)
            assert_int_equal(emit(f, 0, 100, NULL), OL_FULL); /* counted less than 10 s ago */
        if (i == 2) {
            f->limits.recount_ms = 0;
            assert_int_equal(emit(f, 0, 100, NULL), OL_FULL); /* six files: not yet half */
        }
    }
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    assert_int_equal(stat(marker, &st), -1); /* counted below half: removed */
    close_journal(f);
    put_file(f->directory, 1, 10001); /* bytes */
    open_journal(f);
    assert_int_equal(emit(f, 1, 100, NULL), OL_FULL);
    assert_int_equal(stat(marker, &st), 0);
}

static void births_count_only_sometimes(void **state)
{
    struct fixture *f = *state;
    f->limits.uid_files = 0;
    f->limits.rotate_bytes = 200;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);   /* 1 in 4 billion */
    assert_int_equal(emit(f, 1, 100, NULL), OL_FULL); /* but each rotation does */
}

/* ---- what hosts do ---- */

static int journal_descriptor(void)
{
    char path[64], to[512];
    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, to, sizeof to - 1);
        if (n > 6 && memcmp(to + n - 6, ".jsonl", 6) == 0)
            return fd;
    }
    return -1;
}

static void host_closes_our_descriptor(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    int fd = journal_descriptor();
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(emit(f, 1, 100, NULL), OL_OK);
    close_journal(f);
    assert_events(f, 3, 2);
}

static void directory_is_made_again(void **state)
{
    struct fixture *f = *state;
    char deep[512];
    snprintf(deep, sizeof deep, "%s/a/b", f->directory);
    f->options.directory = deep;
    open_journal(f);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close_journal(f);
    struct help_journals all = help_read(deep);
    assert_int_equal(all.count, 1);
    help_release(&all);
}

static void idle_writer_rotates_first(void **state)
{
    struct fixture *f = *state;
    open_journal(f);
    assert_int_equal(emit(f, 0, 100, NULL), OL_OK);
    f->limits.idle_ms = -1; /* any time is too long */
    assert_int_equal(emit(f, 1, 100, NULL), OL_OK);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.count, 2);
    help_release(&all);
    assert_events(f, 3, 2);
}

static void drained_is_seen_by_its_lock(void **state)
{
    struct fixture *f = *state;
    char path[512];
    assert_false(ol__journal_is_drained(f->directory));
    snprintf(path, sizeof path, "%s/.drain", f->directory);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_false(ol__journal_is_drained(f->directory));
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_true(ol__journal_is_drained(f->directory));
    close(fd);
    assert_false(ol__journal_is_drained(f->directory));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_born_locked_with_header),
        TEST(system_directory_gives_group_read),
        TEST(failed_birth_leaves_nothing),
        TEST(every_failed_write_leaves_whole_lines),
        TEST(somebody_elses_bytes_are_not_cut),
        TEST(one_write_an_event_and_nothing_else),
        TEST(too_long_a_line_is_refused),
        TEST(failed_sync_moves_to_a_new_file),
        TEST(durable_events_survive_a_power_cut),
        TEST(rotation_keeps_the_chain),
        TEST(failed_rotation_keeps_the_old_file),
        TEST(stays_below_the_file_size_limit),
        TEST(a_low_disk_is_full),
        TEST(too_much_waiting_is_full),
        TEST(births_count_only_sometimes),
        TEST(host_closes_our_descriptor),
        TEST(directory_is_made_again),
        TEST(idle_writer_rotates_first),
        TEST(drained_is_seen_by_its_lock),
    };
    return cmocka_run_group_tests_name("journal_writer", tests, NULL, NULL);
}
