/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A hash of standard input is of the bytes that were there before the command, and of those
 * that it could read: all of them. One of an output is of what this command wrote: it was empty
 *     before, and nothing had been written through it.
 *  2. A stream that is no regular file is not touched, and not told. */
#include "run_streams.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "json_write.h"
#include "utf8.h"

static const char *const names[] = {"stdin", "stdout", "stderr"};

static bool is_same_file(const struct artifact_stamp *a, const struct artifact_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}

void run_streams_look(struct run_streams *streams)
{
    static const char deleted[] = " (deleted)";
    for (int fd = 0; fd <= 2; fd++) {
        struct run_stream *s = &streams->items[fd];
        struct stat st;
        char link[32];
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
            continue; /* promise 2 */
        s->is_file = true;
        artifact_stamp_of(&st, &s->stamp);
        int flags = fcntl(fd, F_GETFL);
        s->is_append = fd > 0 && flags >= 0 && (flags & O_APPEND) != 0;
        s->offset = s->is_append ? (int64_t)st.st_size : (int64_t)lseek(fd, 0, SEEK_CUR);
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, s->path, sizeof s->path - 1);
        s->path[OL_MAX(size, 0)] = '\0';
        size_t end = strlen(s->path), mark = sizeof deleted - 1;
        bool is_gone = st.st_nlink == 0 && end > mark && strcmp(s->path + end - mark, deleted) == 0;
        if (is_gone || ol__utf8_find_bad(ol__span_text(s->path)) < end) /* no JSON can tell it */
            s->path[0] = '\0';
        s->is_file = fd == 0 || s->path[0] != '\0'; /* what nobody can find again is no output */
    }
}

/* What -i or -o says of the same file. */
static const struct artifact *find(const struct run_files *files, int fd,
                                   const struct artifact_stamp *stamp)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct run_file *f = &files->items[i];
        const struct artifact *a = &f->artifact;
        if ((f->side == RUN_INPUT) == (fd == 0) && a->kind == ARTIFACT_FILE && a->sum_count == 1 &&
            a->sha256[0] != '\0' && is_same_file(&a->sums[0].stamp, stamp))
            return a;
    }
    return NULL;
}

/* Why a stream has no hash; NULL: it gets one. Promise 1. */
static const char *why_not(const struct run_stream *s, int fd, const struct run_files *files)
{
    if (s->path[0] == '\0')
        return "it has no name any more, or none in UTF-8";
    if (files->hash_limit == 0)
        return "not hashed (--hash-limit 0)";
    if (s->offset != 0)
        return fd == 0 ? "not read from its first byte" : "not written from its first byte";
    if (fd > 0 && s->stamp.size != 0)
        return "it was not empty before";
    return NULL;
}

/* @return why there is no hash; NULL: it is in @p out. */
static const char *hash(const struct run_stream *s, int fd, const struct run_files *files,
                        char out[OL_SHA256_TEXT + 1], int64_t *size)
{
    char link[32];
    struct artifact_bench bench;
    const struct artifact_hasher hasher = {
        .limit = files->hash_limit, .is_hurried = files->is_hurried, .cache = files->cache};
    const struct artifact *same = find(files, fd, &s->stamp);
    if (same != NULL) {
        snprintf(out, OL_SHA256_TEXT + 1, "%s", same->sha256);
        *size = same->size;
        return NULL;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* the same file under whatever name */
    struct artifact_sum sum = {.path = link, .fd = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY)};
    struct artifact_sum *const sums[] = {&sum};
    artifact_sum_look(&sum);
    if (sum.fd < 0 || !sum.is_there || !is_same_file(&sum.stamp, &s->stamp) ||
        (fd == 0 && !artifact_stamp_is_same(&sum.stamp, &s->stamp))) {
        artifact_sum_close(&sum);
        return sum.fd < 0 ? "cannot be opened" : "changed meanwhile";
    }
    artifact_sums_settle(sums, 1);
    if (artifact_bench_init(&bench) == OL_OK)
        artifact_sum_hash(&sum, &hasher, &bench);
    else
        sum.reason = "out of memory";
    artifact_bench_release(&bench);
    artifact_sum_close(&sum);
    *size = sum.stamp.size;
    if (sum.is_hashed)
        ol__hex(sum.sha256, OL_SHA256_SIZE, out);
    return sum.is_hashed ? NULL : sum.reason;
}

static void write_stream(struct ol__json_writer *w, const struct run_streams *streams, int fd,
                         const struct run_files *files)
{
    const struct run_stream *s = &streams->items[fd];
    char sha256[OL_SHA256_TEXT + 1];
    int64_t size = -1;
    bool is_shared =
        fd == 2 && streams->items[1].is_file && is_same_file(&s->stamp, &streams->items[1].stamp);
    const char *reason = is_shared ? "the same as stdout" : why_not(s, fd, files);
    if (reason == NULL)
        reason = hash(s, fd, files, sha256, &size);
    ol__json_key(w, names[fd]);
    ol__json_begin_object(w);
    if (s->path[0] != '\0')
        ol__json_member_text(w, "path", s->path);
    if (reason == NULL) {
        ol__json_member_text(w, "sha256", sha256);
        ol__json_member_int(w, "size", size);
    }
    ol__json_member_text(w, "kind", "file");
    ol__json_member_text(w, "basis", reason == NULL ? "computed" : "unknown");
    if (s->offset > 0)
        ol__json_member_int(w, "offset", s->offset);
    if (s->is_append)
        ol__json_member_bool(w, "append", true);
    ol__json_member_text_opt(w, "reason", reason);
    ol__json_end_object(w);
}

void run_streams_hash(struct run_streams *streams, const struct run_files *files)
{
    struct ol__json_writer w;
    bool is_any = false;
    for (int fd = 0; fd <= 2; fd++)
        is_any = is_any || streams->items[fd].is_file;
    if (!is_any)
        return;
    ol__buf_init(&streams->json, 1 << 16);
    ol__json_writer_init(&w, &streams->json);
    ol__json_begin_object(&w);
    for (int fd = 0; fd <= 2; fd++)
        if (streams->items[fd].is_file)
            write_stream(&w, streams, fd, files);
    ol__json_end_object(&w);
}

struct ol__span run_streams_value(const struct run_streams *streams)
{
    bool is_whole = streams->json.data != NULL && streams->json.status == OL_OK;
    return is_whole ? (struct ol__span){streams->json.data, streams->json.size}
                    : (struct ol__span){.data = NULL};
}

void run_streams_release(struct run_streams *streams)
{
    ol__buf_release(&streams->json);
}
