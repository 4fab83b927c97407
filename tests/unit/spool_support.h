/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_SUPPORT_H
#define SPOOL_SUPPORT_H
/** @file What the spool's tests share: a directory of their own, small spools, numbered events. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "fault_fs.h"
#include "segment.h"
#include "spool.h"

static char test_dir[256];

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void remove_dir(void)
{
    if (test_dir[0] != '\0')
        OL_IGNORE(nftw(test_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), "may not be there");
}

static inline int make_dir(void **state)
{
    (void)state;
    /* Memory, where there is some: these tests sync a lot and prove nothing about the device. */
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(test_dir, sizeof test_dir, "%s/spool-test-XXXXXX", base);
    fault_fs_reset();
    if (mkdtemp(test_dir) == NULL)
        return -1;
    strcat(test_dir, "/spool");
    return 0;
}

static inline int drop_dir(void **state)
{
    (void)state;
    fault_fs_reset();
    remove_dir();
    *strrchr(test_dir, '/') = '\0';
    OL_IGNORE(rmdir(test_dir), "left for a look");
    return 0;
}

static inline struct spool_options small_options(void)
{
    return (struct spool_options){.directory = test_dir,
                                  .max_bytes = 16 * 1024 * 1024,
                                  .segment_bytes = 64 * 1024,
                                  .min_free_bytes = -1,
                                  .fs = &fault_fs,
                                  .no_prepare = true,
                                  .retry_ms = -1};
}

static inline struct spool *open_with(const struct spool_options *options)
{
    struct spool *spool = NULL;
    struct ol_error err = {0};
    ol_status status = spool_open(options, &spool, &err);
    if (status != OL_OK)
        fail_msg("spool_open: %s: %s", ol__status_name(status), err.message);
    return spool;
}

static inline struct spool *open_small(void)
{
    struct spool_options options = small_options();
    return open_with(&options);
}

/** Bytes that name @p number, so that a reader can tell whether they are the right ones. */
static inline void fill_event(char *out, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (char)('a' + (number * 31 + i * 7) % 26);
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64 ".", number);
    memcpy(out, text, OL_MIN((size_t)length, size));
}

static inline bool is_event(struct ol__span data, uint64_t number)
{
    char *expected = malloc(data.size + 1);
    fill_event(expected, data.size, number);
    bool same = memcmp(expected, data.data, data.size) == 0;
    free(expected);
    return same;
}

static inline ol_status try_add(struct spool *spool, uint64_t number, size_t size,
                                uint64_t *ret_seq, struct ol_error *err)
{
    char *data = malloc(size + 1);
    if (data == NULL) /* tests that let allocations fail hit this one too */
        return ol__error_set(err, OL_NOMEM, "the test's own");
    fill_event(data, size, number);
    struct spool_record record = {.type = SPOOL_EVENT,
                                  .source = SPOOL_FROM_HTTP,
                                  .lane_kind = 1,
                                  .source_position = number,
                                  .uid = 1000,
                                  .time_ms = 1000 + (int64_t)number,
                                  .data = {.data = data, .size = size}};
    ol__put_le64(record.source_id, number);
    ol_status status = spool_group_add(spool, &record, err);
    free(data);
    if (status == OL_OK && ret_seq != NULL)
        *ret_seq = record.seq;
    return status;
}

static inline uint64_t add_event(struct spool *spool, uint64_t number, size_t size)
{
    uint64_t seq = 0;
    struct ol_error err = {0};
    ol_status status = try_add(spool, number, size, &seq, &err);
    if (status != OL_OK)
        fail_msg("spool_group_add: %s: %s", ol__status_name(status), err.message);
    return seq;
}

static inline void commit(struct spool *spool)
{
    struct ol_error err = {0};
    ol_status status = spool_group_commit(spool, &err);
    if (status != OL_OK)
        fail_msg("spool_group_commit: %s: %s", ol__status_name(status), err.message);
}

/** Add and commit events first..last, one a group. */
static inline void put_events(struct spool *spool, uint64_t first, uint64_t last, size_t size)
{
    for (uint64_t n = first; n <= last; n++) {
        add_event(spool, n, size);
        commit(spool);
    }
}

/** Read events first..last, which have these numbers as their sequences too, and then the end. */
static inline void expect_events(struct spool *spool, uint64_t first, uint64_t last)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    assert_int_equal(spool_reader_open(spool, first - 1, &reader, NULL), OL_OK);
    for (uint64_t n = first; n <= last; n++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        if (status != OL_OK)
            fail_msg("event %" PRIu64 ": %s (seq %" PRIu64 " to %" PRIu64 ")", n,
                     ol__status_name(status), record.seq, record.offset);
        assert_int_equal(record.seq, n);
        assert_true(is_event(record.data, n));
    }
    assert_int_equal(spool_reader_next(reader, &record, NULL), OL_END);
    spool_reader_close(reader);
}

static inline void path_of(const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", test_dir, name);
}

static inline void segment_path(uint64_t number, char out[512])
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, false, name);
    path_of(name, out);
}

static inline size_t read_bytes(const char *path, uint8_t **ret)
{
    struct ol__buf buf;
    ol__buf_init(&buf, 1u << 30);
    if (ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &buf, NULL) != OL_OK)
        fail_msg("read %s", path);
    size_t size = buf.size;
    *ret = (uint8_t *)ol__buf_take(&buf);
    return size;
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ol__fs_write_at(&ol__fs_real, fd, data, size, 0, NULL), OL_OK);
    close(fd);
}

/** Change bytes in the middle of a file. */
static inline void patch_bytes(const char *path, uint64_t offset, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ol__fs_write_at(&ol__fs_real, fd, data, size, (off_t)offset, NULL), OL_OK);
    close(fd);
}

static inline int count_files(const char *sub, const char *prefix, const char *suffix)
{
    char path[512];
    path_of(sub, path);
    DIR *dir = opendir(path);
    int count = 0;
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        size_t size = strlen(e->d_name), end = strlen(suffix);
        count += strncmp(e->d_name, prefix, strlen(prefix)) == 0 && size >= end &&
                 strcmp(e->d_name + size - end, suffix) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}
#endif
