/* SPDX-License-Identifier: Apache-2.0 */
/* START lines of runs that outlive their part of a chain (JOURNAL.md J25).
 *
 *  1. A part leaves only after the kept file that stands for it is on the disk. If that fails its
 * runs get no ABORT; the part leaves all the same.
 *  2. A chain keeps at most CHAIN_MAX, all of them ALL_MAX.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "journal_impl.h"

#define CHAIN_MAX (4u * 1024u * 1024u)
#define ALL_MAX (UINT64_C(64) * 1024 * 1024)
#define NAME_SIZE (OL_UUID_TEXT + sizeof ".open")
#define HEAD "{\"ol_journal_open\":1,\"part\":"

static void name_of(const struct ol__uuid *key, char out[NAME_SIZE])
{
    ol__uuid_format(key, out);
    memcpy(out + OL_UUID_TEXT, ".open", sizeof ".open");
}

/* ---- Reading ---- */

ol_status journal_keep_read_at(int fd, const struct open_run *run, struct ol__buf *out,
                               struct ol_error *err)
{
    size_t got = 0;
    char *room = ol__buf_room(out, run->size);
    if (room == NULL)
        return ol__error_set(err, OL_NOMEM, "out of memory for a line of %u bytes", run->size);
    if (ol__fs_read_at(&ol__fs_real, fd, room, run->size, (off_t)run->offset, &got, NULL) !=
            OL_OK ||
        got != run->size)
        return OL_END;
    ol__buf_grow(out, got);
    return OL_OK;
}

static int open_kept(const struct journal_dir *dir, const struct open_chain *chain)
{
    char name[NAME_SIZE];
    name_of(&chain->key, name);
    return openat(dir->done_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

ol_status journal_keep_read(const struct journal_dir *dir, const struct open_chain *chain,
                            const struct open_run *run, struct ol__buf *out, struct ol_error *err)
{
    int fd = open_kept(dir, chain);
    if (fd < 0)
        return OL_END;
    ol_status st = journal_keep_read_at(fd, run, out, err);
    close(fd);
    return st;
}

/* The part that a kept file goes up to; 0: it is none of ours. */
static uint32_t head_part(struct ol__span text, size_t *ret_size)
{
    uint32_t part = 0;
    size_t at = sizeof HEAD - 1;
    if (text.size < at || memcmp(text.data, HEAD, at) != 0)
        return 0;
    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9' && part < 100000000)
        part = part * 10 + (uint32_t)(text.data[at++] - '0');
    if (text.size - at < 2 || text.data[at] != '}' || text.data[at + 1] != '\n')
        return 0;
    *ret_size = at + 2;
    return part;
}

static ol_status load_lines(struct journal_intake *ji, struct open_chain *chain,
                            struct ol__span text, size_t at, struct ol_error *err)
{
    while (at < text.size) {
        const struct ol__event *event;
        const char *newline = memchr(text.data + at, '\n', text.size - at);
        uint8_t lane[OPEN_RUNS_LANE];
        if (newline == NULL)
            break;
        struct ol__span line = {.data = text.data + at, .size = (size_t)(newline - text.data) - at};
        ol_status st = intake_check(ji->taker, line, &event, NULL);
        if (st == OL_NOMEM)
            return ol__error_set(err, OL_NOMEM, "kept runs: out of memory");
        if (st == OL_OK && event->kind == OL_EVENT_RUN) {
            OL_IGNORE(ol__event_lane(event, lane), "a run's, of either kind");
            struct open_run *run = open_runs_find(ji->open, lane) == NULL
                                       ? journal_abort_open(ji, chain, lane, "(kept)")
                                       : NULL;
            if (run != NULL) {
                run->offset = at;
                run->size = (uint32_t)line.size;
            }
        }
        at += line.size + 1;
    }
    return OL_OK;
}

ol_status journal_keep_load(struct journal_intake *ji, struct journal_dir *dir,
                            struct open_chain *chain, struct ol_error *err)
{
    char name[NAME_SIZE];
    struct ol__buf text;
    size_t head = 0;
    name_of(&chain->key, name);
    ol__buf_init(&text, CHAIN_MAX + 4096);
    ol_status st = ol__fs_read_file(&ol__fs_real, dir->done_fd, name, &text, err);
    if (st == OL_OK) {
        struct ol__span all = {.data = text.data, .size = text.size};
        chain->kept_part = head_part(all, &head);
        chain->kept_size = text.size;
        ji->kept_bytes += text.size;
        if (chain->kept_part > 0)
            st = load_lines(ji, chain, all, head, err);
    } else if (st == OL_NOT_FOUND) {
        st = OL_OK;
    } else if (st != OL_NOMEM) {
        log_write(LOG_LEVEL_WARNING, "intake",
                  "journal directory '%s': done/%s cannot be read: its runs get no ABORT",
                  dir->path, name);
        st = OL_OK;
    }
    ol__buf_release(&text);
    return st;
}

/* ---- Writing ---- */

/* Lines of all runs that the file is to hold; one that cannot be had or has no room goes out of the
 * table. @return whether it is whole. */
static bool gather(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                   int fd, struct ol__buf *out)
{
    struct open_chain *chain = file->open;
    struct open_run *next = open_runs_next(ji->open, chain, NULL);
    struct ol__buf line;
    ol__buf_init(&line, JOURNAL_LINE_MAX);
    while (next != NULL) {
        struct open_run *run = next;
        next = open_runs_next(ji->open, chain, run);
        ol__buf_reset(&line);
        if (run->part != 0 && (int64_t)run->part != OL_MAX(file->part, 1))
            continue;
        ol_status st = run->part == 0 ? journal_keep_read(dir, chain, run, &line, NULL)
                                      : journal_keep_read_at(fd, run, &line, NULL);
        uint64_t total = ji->kept_bytes - chain->kept_size + out->size + line.size + 1;
        if (st == OL_OK && out->size + line.size + 1 <= CHAIN_MAX && total <= ALL_MAX) {
            ol__buf_add(out, line.data, line.size);
            ol__buf_add_char(out, '\n');
        } else {
            journal_abort_give_up(ji, run, file->name, "its START has no room among those kept");
        }
    }
    ol__buf_release(&line);
    return out->status == OL_OK;
}

/* The lines stand in the file as gather() put them there. */
static void settle(struct journal_intake *ji, struct journal_file *file, size_t head, bool is_kept)
{
    struct open_run *next = open_runs_next(ji->open, file->open, NULL);
    uint64_t at = head;
    while (next != NULL) {
        struct open_run *run = next;
        next = open_runs_next(ji->open, file->open, run);
        bool is_here = (int64_t)run->part == OL_MAX(file->part, 1);
        if (run->part != 0 && !is_here)
            continue;
        if (is_kept) {
            run->part = 0;
            run->offset = at;
            at += run->size + 1;
        } else if (is_here) {
            journal_abort_give_up(ji, run, file->name, "its START could not be kept");
        }
    }
}

void journal_keep_write(struct journal_intake *ji, struct journal_dir *dir,
                        struct journal_file *file)
{
    char name[NAME_SIZE];
    struct ol_error err = {.status = OL_OK};
    struct ol__buf text;
    struct open_chain *chain = file->open;
    uint32_t part = OL_MAX(chain->kept_part, (uint32_t)OL_MAX(file->part, 1));
    int fd = openat(dir->fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    name_of(&chain->key, name);
    ol__buf_init(&text, CHAIN_MAX + 4096);
    ol__buf_add_format(&text, HEAD "%u}\n", part);
    size_t head = text.size;
    ol_status st = fd >= 0 && gather(ji, dir, file, fd, &text) ? OL_OK : OL_NOMEM;
    if (st == OL_OK)
        st = ol__fs_replace(&ol__fs_real, dir->done_fd, name, text.data, text.size, 0600, &err);
    if (st == OL_OK) {
        OL_CRASHPOINT("journal.kept");
        ji->kept_bytes += text.size - chain->kept_size;
        chain->kept_size = text.size;
        chain->kept_part = part;
    } else {
        log_write(LOG_LEVEL_WARNING, "intake", "journal '%s/%s': done/%s: %s", dir->path,
                  file->name, name, err.message);
    }
    settle(ji, file, head, st == OL_OK);
    if (fd >= 0)
        close(fd);
    ol__buf_release(&text);
}

void journal_keep_remove(struct journal_intake *ji, struct journal_dir *dir,
                         struct open_chain *chain)
{
    char name[NAME_SIZE];
    if (chain->kept_part == 0)
        return;
    name_of(&chain->key, name);
    OL_IGNORE(unlinkat(dir->done_fd, name, 0) < 0, "the next start removes it");
    ji->kept_bytes -= chain->kept_size;
    chain->kept_size = chain->kept_part = 0;
}

/* ---- What a crash left ---- */

static bool is_wanted(const struct journal_dir *dir, const char *name)
{
    char own[NAME_SIZE];
    for (size_t i = 0; i < dir->count; i++) {
        if (dir->files[i]->open == NULL)
            continue;
        name_of(&dir->files[i]->open->key, own);
        if (strcmp(own, name) == 0)
            return true;
    }
    return false;
}

void journal_keep_sweep(struct journal_dir *dir)
{
    const struct dirent *entry;
    int fd = openat(dir->done_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        if (fd >= 0)
            close(fd);
        return; /* at the next start */
    }
    while ((entry = readdir(stream)) != NULL) {
        size_t size = strlen(entry->d_name);
        bool is_kept = size == NAME_SIZE - 1 && strcmp(entry->d_name + OL_UUID_TEXT, ".open") == 0;
        bool is_piece = entry->d_name[0] == '.' && strstr(entry->d_name, ".open.") != NULL;
        if (is_piece || (is_kept && !is_wanted(dir, entry->d_name)))
            OL_IGNORE(unlinkat(dir->done_fd, entry->d_name, 0) < 0, "at the next start");
    }
    closedir(stream);
}
