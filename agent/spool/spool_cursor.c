/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (S16..S19):
 *  1. A sequence that was marked done is done after kill -9 at any instruction; none becomes done
 * that was not marked. When it was opened without room for `.live`, promise 2 holds for a kill too,
 * until a sync finds room.
 *  2. After power loss the state is that of the last spool_cursor_sync() that answered OL_OK, or a
 * later one.
 *  3. The slot of `.saved` that was synced last is not written before the other one is synced;
 * after a failure the file is written anew beside it. */
#include "cursor_bytes.h"
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the ring ---- */

static void mark(struct spool_cursor *c, uint64_t seq)
{
    c->ahead += !cursor_bit(c->map, seq);
    cursor_put_bit(c->map, seq);
}

static void clear_bit(uint8_t *map, uint64_t seq)
{
    map[CURSOR_RING_AT + seq % CURSOR_WINDOW / 8] &= (uint8_t) ~(1u << (seq % 8));
}

/* Each is one store: a kill leaves the old mark or the new one. The mapping has one writer and a
 * kill is no power loss, so what counts is the order of this thread's own instructions: nothing is
 * moved over it either way. */
static void store_mark(uint8_t *at, uint64_t mark)
{
    uint8_t bytes[8];
    uint64_t value;
    ol__put_le64(bytes, mark);
    memcpy(&value, bytes, sizeof value);
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n((uint64_t *)(void *)at, value, __ATOMIC_SEQ_CST);
    atomic_signal_fence(memory_order_seq_cst);
}

static void store_low(uint8_t *map, uint64_t low)
{
    store_mark(map + CURSOR_LOW_AT, low);
    store_mark(map + CURSOR_LOW_AGAIN_AT, ~low);
}

/* Only sequences in (low, low + window / 2], and of those the ones that exist, can be done (S17).
 */
static void clear_stale(uint8_t *map, uint64_t low, uint64_t synced)
{
    uint64_t top = OL_MIN(low + SPOOL_CURSOR_AHEAD, OL_MAX(synced, low));
    for (uint64_t seq = top + 1; seq <= low + CURSOR_WINDOW; seq++)
        clear_bit(map, seq);
}

/* low + 1 was just marked: move over all that are done. */
static void advance(struct spool_cursor *c)
{
    uint64_t low = atomic_load(&c->low), to = low;
    while (to - low < SPOOL_CURSOR_AHEAD && cursor_bit(c->map, to + 1))
        to++;
    if (to == low)
        return;
    store_low(c->map, to);
    OL_CRASHPOINT("cursor.low_stored");
    for (uint64_t seq = low + 1; seq <= to; seq++)
        clear_bit(c->map, seq);
    c->ahead -= to - low;
    OL_CRASHPOINT("cursor.cleared");
    atomic_store(&c->low, to);
}

/* Move the mark to @p to, whatever is between. Here the bits go first: a jump may be longer than
 * S17 allows for, and stale bits would stand for sequences that can be done. A kill in between
 * forgets bits: doubled, not lost. */
static void jump(struct spool_cursor *c, uint64_t to)
{
    uint64_t low = atomic_load(&c->low);
    if (to <= low)
        return;
    uint64_t top = OL_MIN(to, low + SPOOL_CURSOR_AHEAD);
    for (uint64_t seq = low + 1; seq <= top; seq++) {
        c->ahead -= cursor_bit(c->map, seq);
        clear_bit(c->map, seq);
    }
    OL_CRASHPOINT("cursor.jumped");
    store_low(c->map, to);
    atomic_store(&c->low, to);
    c->is_dirty = true;
    advance(c);
}

/* spool_reap() gave this route's backlog up (the gap is on record): follow. */
static void follow_give_up(struct spool_cursor *c)
{
    jump(c, atomic_load(&c->give_up));
}

uint64_t spool_cursor_low(const struct spool_cursor *cursor)
{
    return spool_cursor_mark(cursor);
}

uint64_t spool_cursor_given_up(const struct spool_cursor *cursor, uint64_t *ret_records)
{
    *ret_records = atomic_load(&cursor->gap_records);
    return atomic_load(&cursor->give_up);
}

uint64_t spool_cursor_mark(const struct spool_cursor *cursor)
{
    uint64_t low = atomic_load(&cursor->low);
    uint64_t give_up = atomic_load(&cursor->give_up);
    return OL_MAX(low, give_up);
}

uint64_t spool_cursor_saved(const struct spool_cursor *cursor)
{
    if (cursor->is_external)
        return spool_cursor_mark(cursor);
    uint64_t saved = atomic_load(&cursor->saved_low);
    uint64_t give_up = atomic_load(&cursor->give_up);
    return OL_MAX(saved, give_up);
}

uint64_t spool_cursor_done_count(const struct spool_cursor *cursor)
{
    uint64_t low = atomic_load(&cursor->low);
    return OL_MAX(low + cursor->ahead, spool_cursor_mark(cursor));
}

bool spool_cursor_is_done(const struct spool_cursor *cursor, uint64_t seq)
{
    if (seq <= spool_cursor_mark(cursor))
        return true;
    uint64_t low = atomic_load(&cursor->low);
    return cursor->map != NULL && seq - low <= SPOOL_CURSOR_AHEAD && cursor_bit(cursor->map, seq);
}

void spool_cursor_done(struct spool_cursor *cursor, uint64_t seq)
{
    assert(!cursor->is_external);
    follow_give_up(cursor);
    uint64_t low = atomic_load(&cursor->low);
    if (seq <= low)
        return;
    assert(seq - low <= SPOOL_CURSOR_AHEAD);
    if (seq - low > SPOOL_CURSOR_AHEAD)
        return;
    mark(cursor, seq);
    cursor->is_dirty = true;
    if (seq == low + 1)
        advance(cursor);
}

uint64_t spool_cursor_done_through(struct spool_cursor *cursor, uint64_t first, uint64_t last)
{
    assert(!cursor->is_external);
    follow_give_up(cursor);
    uint64_t low = atomic_load(&cursor->low);
    if (first <= low + 1) {
        jump(cursor, last);
        return last;
    }
    uint64_t top = OL_MIN(last, low + SPOOL_CURSOR_AHEAD);
    for (uint64_t seq = first; seq <= top; seq++)
        mark(cursor, seq);
    cursor->is_dirty = true;
    return OL_MAX(top, first - 1);
}

/* Under the lock: the mark that keeps all that is still on disk. */
static uint64_t oldest_mark(const struct spool *spool)
{
    for (size_t i = 0; i < spool->count; i++)
        if (!spool->segments[i].is_leaving)
            return spool->segments[i].first_seq - 1;
    return atomic_load(&spool->synced);
}

/* Under the lock, so that spool_reap() sees the old mark and the old saved one, or neither. The
 * bits go before the mark: a kill in between forgets some, and what they stood for is doubled. */
uint64_t spool_cursor_rewind(struct spool_cursor *cursor, uint64_t from)
{
    struct spool *spool = cursor->spool;
    pthread_mutex_lock(&spool->lock);
    uint64_t mark = spool_cursor_mark(cursor);
    uint64_t low = OL_MAX(from > 0 ? from - 1 : 0, oldest_mark(spool));
    if (low < mark) {
        if (!cursor->is_external) {
            memset(cursor->map + CURSOR_RING_AT, 0, CURSOR_WINDOW / 8);
            store_low(cursor->map, low);
            cursor->ahead = 0;
            cursor->is_dirty = true;
            atomic_store(&cursor->saved_low, OL_MIN(atomic_load(&cursor->saved_low), low));
        }
        atomic_store(&cursor->give_up, 0);
        atomic_store(&cursor->low, low);
        mark = low;
    }
    pthread_mutex_unlock(&spool->lock);
    OL_CRASHPOINT("cursor.rewound");
    return mark + 1;
}

/* ---- `.saved` ---- */

static ol_status save_anew(struct spool_cursor *c, const uint8_t *slot, uint64_t generation,
                           struct ol_error *err)
{
    const struct ol__fs *fs = c->spool->fs;
    char name[SPOOL_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.saved", c->name);
    uint8_t *image = calloc(1, CURSOR_SAVED_SIZE);
    if (image == NULL)
        return ol__error_set(err, OL_NOMEM, "cursor '%s': out of memory", c->name);
    memcpy(image + generation % 2 * CURSOR_SLOT_STEP, slot, CURSOR_SLOT_SIZE);
    ol_status status =
        ol__fs_replace(fs, c->spool->cursor_fd, name, image, CURSOR_SAVED_SIZE, 0600, err);
    free(image);
    OL_CRASHPOINT("cursor.replaced");
    if (status == OL_OK)
        c->saved_fd = fs->openat(c->spool->cursor_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    return status; /* without a descriptor the next one writes anew again */
}

static ol_status save(struct spool_cursor *c, struct ol_error *err)
{
    const struct ol__fs *fs = c->spool->fs;
    uint8_t slot[CURSOR_SLOT_SIZE];
    uint64_t generation = c->generation + 1;
    cursor_fill_slot(&c->spool->uuid, c->map, atomic_load(&c->low), generation, slot);
    ol_status status = OL_OK;
    if (c->saved_fd < 0) {
        status = save_anew(c, slot, generation, err);
    } else {
        status = ol__fs_write_at(fs, c->saved_fd, slot, CURSOR_SLOT_SIZE,
                                 (off_t)(generation % 2 * CURSOR_SLOT_STEP), err);
        if (status == OL_OK && fs->fdatasync(c->saved_fd) != 0)
            status = ol__error_set_errno(err, errno, "sync");
        if (status != OL_OK) { /* promise 3 */
            OL_IGNORE(fs->close(c->saved_fd), "it is given up");
            c->saved_fd = -1;
        }
    }
    if (status != OL_OK)
        return ol__error_prefix(err, status == OL_FULL ? status : OL_IO, "cursor '%s'", c->name);
    OL_CRASHPOINT("cursor.saved");
    c->generation = generation;
    atomic_store(&c->saved_low, ol__get_le64(slot + 24));
    return OL_OK;
}

/* What `.saved` tells. It may be bytes whose sync failed before a restart, so the first sync writes
 * it anew. */
static ol_status load_saved(struct spool_cursor *c, uint8_t *map, uint64_t *ret_low,
                            bool *ret_found, struct ol_error *err)
{
    const struct ol__fs *fs = c->spool->fs;
    char name[SPOOL_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.saved", c->name);
    *ret_found = false;
    int fd = fs->openat(c->spool->cursor_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(err, errno, "cursor '%s': open", name);
    uint8_t *bytes = calloc(1, CURSOR_SAVED_SIZE);
    size_t got = 0;
    ol_status status = bytes != NULL
                           ? ol__fs_read_at(fs, fd, bytes, CURSOR_SAVED_SIZE, 0, &got, err)
                           : ol__error_set(err, OL_NOMEM, "cursor '%s': out of memory", c->name);
    if (status == OL_OK)
        *ret_found = cursor_load_slots(&c->spool->uuid, bytes, got, map, &c->generation, ret_low);
    free(bytes);
    OL_IGNORE(fs->close(fd), "it was only read");
    return status;
}

/* ---- `.live` ---- */

static ol_status map_live(struct spool_cursor *c, int fd, struct ol_error *err)
{
    void *map = mmap(NULL, CURSOR_LIVE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return ol__error_set_errno(err, errno, "cursor '%s': map", c->name);
    c->map = map;
    return OL_OK;
}

/* A new file with every byte written (a hole could fault on a full disk), put in place by rename.
 * Not synced: it is believed only while this kernel runs. */
static ol_status make_live(struct spool_cursor *c, const char *name, const uint8_t *image,
                           struct ol_error *err)
{
    const struct ol__fs *fs = c->spool->fs;
    int dirfd = c->spool->cursor_fd;
    char temporary[SPOOL_NAME_MAX + 16];
    snprintf(temporary, sizeof temporary, ".%s.live.tmp", c->name);
    int fd =
        fs->openat(dirfd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "cursor '%s': create", c->name);
    ol_status status = ol__fs_write_at(fs, fd, image, CURSOR_LIVE_SIZE, 0, err);
    if (status == OL_OK && fs->renameat(dirfd, temporary, dirfd, name) != 0)
        status = ol__error_set_errno(err, errno, "cursor '%s': rename", c->name);
    OL_CRASHPOINT("cursor.made");
    if (status == OL_OK)
        status = map_live(c, fd, err);
    OL_IGNORE(fs->close(fd), "the mapping stays");
    return status;
}

/* No room for `.live`: the route starts nevertheless, with the marks in memory. */
static ol_status keep_in_memory(struct spool_cursor *c, const uint8_t *image, struct ol_error *err)
{
    void *map =
        mmap(NULL, CURSOR_LIVE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return ol__error_set_errno(err, errno, "cursor '%s': map", c->name);
    memcpy(map, image, CURSOR_LIVE_SIZE);
    c->map = map;
    c->is_in_memory = true;
    return OL_OK;
}

/* There may be room now. */
static ol_status leave_memory(struct spool_cursor *c, struct ol_error *err)
{
    uint8_t *memory = c->map;
    char name[SPOOL_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.live", c->name);
    ol_status status = make_live(c, name, memory, err);
    if (status != OL_OK) /* a file that was made but not mapped is older: its marks are true */
        return status;
    c->is_in_memory = false;
    munmap(memory, CURSOR_LIVE_SIZE);
    return OL_OK;
}

bool spool_cursor_is_dirty(const struct spool_cursor *cursor)
{
    return !cursor->is_external &&
           (cursor->is_dirty || atomic_load(&cursor->give_up) > atomic_load(&cursor->low));
}

ol_status spool_cursor_sync(struct spool_cursor *cursor, struct ol_error *err)
{
    if (cursor->is_external)
        return OL_OK;
    follow_give_up(cursor);
    if (!cursor->is_dirty)
        return OL_OK;
    ol_status moved = cursor->is_in_memory ? leave_memory(cursor, err) : OL_OK;
    ol_status status = save(cursor, err);
    if (status != OL_OK)
        return status;
    cursor->is_dirty = moved != OL_OK;
    return moved;
}

/* The live file as it is. @p image: room for it. @return OL_OK and *ret_found, or a failure to
 * read. */
static ol_status try_live(struct spool_cursor *c, const char *name, const uint8_t boot[16],
                          uint8_t *image, bool *ret_found, struct ol_error *err)
{
    const struct ol__fs *fs = c->spool->fs;
    *ret_found = false;
    int fd = fs->openat(c->spool->cursor_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(err, errno, "cursor '%s': open", name);
    size_t got = 0;
    struct stat st;
    ol_status status = ol__fs_read_at(fs, fd, image, CURSOR_LIVE_SIZE, 0, &got, err);
    if (status == OL_OK && fs->fstat(fd, &st) != 0)
        status = ol__error_set_errno(err, errno, "cursor '%s': stat", name);
    if (status == OL_OK && st.st_size == (off_t)CURSOR_LIVE_SIZE &&
        cursor_is_believed(&c->spool->uuid, image, got, boot)) {
        status = map_live(c, fd, err);
        *ret_found = status == OL_OK;
    }
    OL_IGNORE(fs->close(fd), "the mapping stays");
    return status;
}

/* Where the route stands: in `.live`, else in `.saved`, else at the oldest record. */
static ol_status load(struct spool_cursor *c, struct ol_error *err)
{
    uint64_t synced = spool_synced(c->spool), low = 0;
    uint8_t boot[16] = {0};
    char name[SPOOL_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.live", c->name);
    uint8_t *image = calloc(1, CURSOR_LIVE_SIZE);
    if (image == NULL)
        return ol__error_set(err, OL_NOMEM, "cursor '%s': out of memory", c->name);
    bool has_live = false, has_saved = false;
    uint64_t saved_low = 0;
    ol_status status = OL_OK;
    if (cursor_read_boot_id(boot))
        status = try_live(c, name, boot, image, &has_live, err);
    if (!has_live)
        memset(image, 0, CURSOR_LIVE_SIZE);
    if (status == OL_OK) /* also beside a good live file: for the generation */
        status = load_saved(c, image, &saved_low, &has_saved, err);
    if (status == OL_OK) {
        if (has_live)
            low = cursor_low(c->map);
        else
            low = has_saved ? saved_low : spool_oldest(c->spool) - 1;
        if (low > synced) { /* records of the log's end were lost; their numbers are given anew */
            low = synced;
            memset((has_live ? c->map : image) + CURSOR_RING_AT, 0, CURSOR_WINDOW / 8);
        }
        if (has_live)
            store_low(c->map, low);
        clear_stale(has_live ? c->map : image, low, synced);
    }
    if (status == OL_OK && !has_live) {
        cursor_fill_live(&c->spool->uuid, boot, low, image);
        status = make_live(c, name, image, err);
        if (status == OL_FULL)
            status = keep_in_memory(c, image, err);
    }
    free(image);
    atomic_store(&c->low, low);
    c->is_dirty = true;
    for (uint64_t seq = low + 1; status == OL_OK && seq <= low + SPOOL_CURSOR_AHEAD; seq++)
        c->ahead += cursor_bit(c->map, seq);
    if (status == OL_OK)
        advance(c); /* a kill may have come between a bit and the mark */
    return status;
}

/* ---- opening ---- */

static ol_status new_cursor(struct spool *spool, const char *name, bool is_pinned,
                            struct spool_cursor **ret, struct ol_error *err)
{
    if (!spool_name_is_valid(name))
        return ol__error_set(err, OL_INVALID,
                             "route name '%s': 1 to %d of a-z, 0-9, '_', '-' are allowed", name,
                             SPOOL_NAME_MAX);
    struct spool_cursor *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ol__error_set(err, OL_NOMEM, "cursor '%s': out of memory", name);
    c->spool = spool;
    c->is_pinned = is_pinned;
    c->saved_fd = -1;
    snprintf(c->name, sizeof c->name, "%s", name);
    *ret = c;
    return OL_OK;
}

static void release(struct spool_cursor *c)
{
    if (c->map != NULL)
        munmap(c->map, CURSOR_LIVE_SIZE);
    if (c->saved_fd >= 0)
        OL_IGNORE(c->spool->fs->close(c->saved_fd), "what counts was synced");
    free(c);
}

static void enlist(struct spool_cursor *c)
{
    pthread_mutex_lock(&c->spool->lock);
    c->next = c->spool->cursors;
    c->spool->cursors = c;
    pthread_mutex_unlock(&c->spool->lock);
}

ol_status spool_cursor_open(struct spool *spool, const char *name, bool is_pinned,
                            struct spool_cursor **ret, struct ol_error *err)
{
    struct spool_cursor *c = NULL;
    if (spool->is_read_only)
        return ol__error_set(err, OL_DENIED, "spool '%s' was opened for reading only",
                             spool->directory);
    ol_status status = new_cursor(spool, name, is_pinned, &c, err);
    if (c == NULL)
        return status;
    status = load(c, err);
    if (status != OL_OK) {
        release(c);
        return status;
    }
    enlist(c);
    *ret = c;
    return OL_OK;
}

ol_status spool_cursor_open_external(struct spool *spool, const char *name, bool is_pinned,
                                     uint64_t low, struct spool_cursor **ret, struct ol_error *err)
{
    struct spool_cursor *c = NULL;
    ol_status status = new_cursor(spool, name, is_pinned, &c, err);
    if (c == NULL)
        return status;
    c->is_external = true;
    atomic_store(&c->low, OL_MIN(low, spool_synced(spool)));
    enlist(c);
    *ret = c;
    return OL_OK;
}

void spool_cursor_set_external(struct spool_cursor *cursor, uint64_t low)
{
    assert(cursor->is_external);
    if (low > atomic_load(&cursor->low))
        atomic_store(&cursor->low, low);
}

void spool_cursor_close(struct spool_cursor *cursor)
{
    if (cursor == NULL)
        return;
    struct spool *spool = cursor->spool;
    OL_IGNORE(spool_cursor_sync(cursor, NULL),
              "the mapping holds it; after power loss it is doubled");
    pthread_mutex_lock(&spool->lock);
    for (struct spool_cursor **at = &spool->cursors; *at != NULL; at = &(*at)->next) {
        if (*at != cursor)
            continue;
        *at = cursor->next;
        break;
    }
    pthread_mutex_unlock(&spool->lock);
    release(cursor);
}
