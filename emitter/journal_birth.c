/* SPDX-License-Identifier: Apache-2.0 */
/* Birth of a journal: J1-J4 of spec/JOURNAL.md. Whoever sees the name sees a locked file with its
 * header, or one whose writer is gone; a birth that fails leaves nothing behind. */
#include "journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "json_write.h"
#include "times.h"

#define HEADER_MAX 4096 /* bytes; host name and boot id are the only texts */

void ol__journal_file_none(struct ol__journal_file *file)
{
    *file = (struct ol__journal_file){.fd = -1};
}

/* ---- directory ---- */

ol_status ol__journal_open_directory(struct ol__journal *j, struct ol_error *err)
{
    struct stat st;
    int dirfd = -1;
    ol_status status = ol__fs_open_directory(j->directory, &dirfd, err);
    if (status == OL_NOT_FOUND && !j->must_exist) {
        status = ol__fs_make_directories(j->directory, 0700, err);
        if (status == OL_OK)
            status = ol__fs_open_directory(j->directory, &dirfd, err);
    }
    if (status != OL_OK)
        return ol__error_prefix(err, status, "journal directory '%s'", j->directory);
    if (fstat(dirfd, &st) != 0) {
        int sys_errno = errno;
        j->fs->close(dirfd);
        return ol__error_set_errno(err, sys_errno, "journal directory '%s': fstat", j->directory);
    }
    j->dirfd = ol__fs_above_standard(dirfd);
    if (j->dirfd < 0)
        return ol__error_set_errno(err, errno, "journal directory '%s'", j->directory);
    j->dir_device = st.st_dev;
    j->dir_inode = st.st_ino;
    /* J1, J21: sticky and setgid is how the system directory is made; its group is the agent's. */
    j->mode = (st.st_mode & (S_ISVTX | S_ISGID)) == (S_ISVTX | S_ISGID) ? 0640 : 0600;
    return OL_OK;
}

/* ---- header ---- */

static void read_text(const char *path, char *out, size_t size)
{
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, out, size - 1);
        n = got > 0 ? (size_t)got : 0;
        close(fd);
    }
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
        n--;
    out[n] = '\0';
}

/* Field 22 of /proc/self/stat; the name, field 2, is in parentheses and may hold anything. */
static uint64_t read_start_ticks(void)
{
    char text[1024];
    read_text("/proc/self/stat", text, sizeof text);
    char *p = strrchr(text, ')');
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p, ' ');
        if (p != NULL)
            p++;
    }
    return p != NULL ? strtoull(p, NULL, 10) : 0;
}

static void write_header(const struct ol__journal *j, const struct ol__journal_file *file,
                         int64_t now_ms, struct ol__buf *out)
{
    char uuid[OL_UUID_TEXT + 1], text[256], time[OL_TIME_TEXT + 1];
    struct stat st;
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "ol_journal", 1);
    ol__uuid_format(&file->id, uuid);
    ol__json_member_text(&w, "id", uuid);
    ol__uuid_format(&j->chain, uuid);
    ol__json_member_text(&w, "chain", uuid);
    ol__json_member_uint(&w, "part", j->part);
    read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
    ol__json_member_text(&w, "boot", text);
    if (gethostname(text, sizeof text) != 0)
        text[0] = '\0';
    text[sizeof text - 1] = '\0';
    ol__json_member_text(&w, "host", text);
    ol__json_member_uint(&w, "pid_ns", stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0);
    ol__json_member_int(&w, "pid", getpid());
    ol__json_member_uint(&w, "start", read_start_ticks());
    ol__json_member_uint(&w, "uid", geteuid());
    ol__time_format(now_ms, time);
    ol__json_member_text(&w, "created", time);
    ol__json_member_text(&w, "writer", "libopenlineage " OL_VERSION);
    ol__json_member_bool(&w, "infer_abort", j->infer_abort);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
}

/* ---- birth ---- */

/* J4. A clock that was set back must not put a later part before an earlier one. */
static void choose_name(struct ol__journal *j, struct ol__journal_file *file)
{
    char uuid[OL_UUID_TEXT + 1];
    int64_t now = ol__time_now_ns();
    j->last_name_ns = OL_MAX(now, j->last_name_ns + 1);
    file->id = ol__uuid_v7(-1);
    ol__uuid_format(&file->id, uuid);
    snprintf(file->name, sizeof file->name, "%020" PRId64 "-%s.jsonl", j->last_name_ns, uuid);
}

static ol_status fail_birth(struct ol__journal *j, struct ol__journal_file *file,
                            const char *temporary, int sys_errno, const char *what,
                            struct ol_error *err)
{
    int fd = file->fd;
    ol_status status =
        ol__error_set_errno(err, sys_errno, "journal '%s/%s': %s", j->directory, temporary, what);
    OL_IGNORE(j->fs->unlinkat(j->dirfd, temporary, 0),
              "a reader ignores the name, the agent removes it");
    ol__journal_file_none(file); /* not before: the name may be the file's own */
    if (fd >= 0)
        j->fs->close(fd);
    return status;
}

static int open_temporary(struct ol__journal *j, const char *temporary)
{
    return ol__fs_above_standard(
        j->fs->openat(j->dirfd, temporary,
                      O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
}

/* J1: under a name that readers ignore. The directory may have been replaced, or the host may have
 * closed our descriptor of it. */
static ol_status create(struct ol__journal *j, const char *temporary, int *ret,
                        struct ol_error *err)
{
    struct stat st;
    if (j->dirfd >= 0 &&
        (fstat(j->dirfd, &st) != 0 || st.st_ino != j->dir_inode || st.st_dev != j->dir_device))
        j->dirfd = -1; /* the host has closed it; what has the number now is not ours to close */
    if (j->dirfd >= 0 && st.st_nlink == 0) {
        j->fs->close(j->dirfd);
        j->dirfd = -1;
    }
    if (j->dirfd < 0) {
        ol_status status = ol__journal_open_directory(j, err);
        if (status != OL_OK)
            return status;
    }
    int fd = open_temporary(j, temporary);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "journal '%s/%s': create", j->directory, temporary);
    *ret = fd;
    return OL_OK;
}

/* J1-J3, with the header's bytes at hand. */
static ol_status bear(struct ol__journal *j, const struct ol__buf *header, struct ol_error *err)
{
    char temporary[OL_JOURNAL_NAME + 8];
    struct stat st;
    struct ol__journal_file *file = &j->file;
    snprintf(temporary, sizeof temporary, ".%s.new", file->name);
    ol_status status = create(j, temporary, &file->fd, err);
    if (status != OL_OK) {
        ol__journal_file_none(file);
        return status;
    }
    if (fchmod(file->fd, j->mode) != 0 || j->fs->fstat(file->fd, &st) != 0)
        return fail_birth(j, file, temporary, errno, "fchmod", err);
    file->device = st.st_dev;
    file->inode = st.st_ino;
    if (j->fs->flock(file->fd, LOCK_EX | LOCK_NB) !=
        0) /* J2: unlocked it would count as finished */
        return fail_birth(j, file, temporary, errno, "flock", err);
    ssize_t n;
    do
        n = j->fs->write(file->fd, header->data, header->size);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (size_t)n != header->size)
        return fail_birth(j, file, temporary, n < 0 ? errno : ENOSPC, "write of the header", err);
    file->offset = header->size;
    if (j->is_durable && j->fs->fdatasync(file->fd) != 0)
        return fail_birth(j, file, temporary, errno, "fdatasync", err);
    OL_CRASHPOINT("emitter.before_rename");
    if (j->fs->renameat(j->dirfd, temporary, j->dirfd, file->name) != 0)
        return fail_birth(j, file, temporary, errno, "rename", err);
    if (j->is_durable && j->fs->fsync(j->dirfd) != 0)
        return fail_birth(j, file, file->name, errno, "fsync of its directory", err);
    file->is_born = true;
    return OL_OK;
}

ol_status ol__journal_birth(struct ol__journal *j, bool is_rotation, size_t need,
                            struct ol_error *err)
{
    char space[HEADER_MAX];
    struct ol__buf header;
    ol_status status = ol__journal_check_ceiling(j, is_rotation, err);
    if (status == OL_OK)
        status = ol__journal_check_space(j, j->dirfd, err);
    if (status != OL_OK)
        return status;
    struct ol__uuid chain_before = j->chain;
    unsigned part_before = j->part;
    choose_name(j, &j->file);
    if (part_before == 0)
        j->chain = j->file.id;
    j->part++;
    /* The buffer's memory is the stack's: promise 4 of journal.c. */
    header = (struct ol__buf){
        .data = space, .cap = sizeof space, .max = sizeof space - OL_BUF_SLACK - 1};
    write_header(j, &j->file, ol__time_now_ms(), &header);
    status = header.status;
    ol__journal_read_limit(j);
    if (status == OL_OK && header.size + need > j->hard_limit)
        status = ol__error_set(
            err, OL_FULL,
            "journal '%s': the file size limit of this process (RLIMIT_FSIZE) leaves no"
            " room for %zu bytes",
            j->directory, need);
    if (status == OL_OK)
        status = bear(j, &header, err);
    if (status != OL_OK) {
        ol__journal_file_none(&j->file);
        j->chain = chain_before;
        j->part = part_before;
        return status;
    }
    j->unchecked = 0;
    return OL_OK;
}
