/* SPDX-License-Identifier: Apache-2.0 */
/* A page's last 8 bytes are XXH3-64 of the others, seeded with its number, little-endian, never 0.
 * Promises:
 *  1. A sum is set as its page is written into the file, in a copy: SQLite's page stays as it is.
 *  2. A page read from the file with a wrong sum never reaches SQLite. A page of zeros alone is
 * wrong as well: a write that was lost.
 *  3. SQLite sees 0 where the sum is, so the log has 0 there: another program that folds the log in
 * (sqlite3, after a crash of ours) leaves pages without sum, which are taken as they are. One that
 * changes a page leaves the old sum: that is damage.
 *  4. A file that has no room for sums (byte 20 of its header is not 8) is read and written as
 * ever. That this byte itself was changed is noticed, while the first page has its sum.
 *  5. Pages in the log (-wal) are SQLite's own matter: a log is believed up to the first frame
 * whose checksum is wrong. SQLite reads a page from the file only under locks that keep others from
 * writing it, so that no page is seen half written. */
#include "page_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "files.h"

#define HEADER_SIZE 100
#define HEADER_RESERVE 20 /* bytes at the end of each page that are not SQLite's */
#define PAGE_MIN 512
#define PAGE_MAX 65536
#define ASK_WRONG 0x6c6e01 /* sqlite3_file_control() */
#define READ_AGAIN 20      /* of a page that is being written */

struct sums_file {
    sqlite3_file base;
    bool has_sums;
    int64_t wrong; /* page */
    uint8_t *copy; /* owned; PAGE_MAX bytes */
};                 /* the real file follows */

static sqlite3_vfs vfs;

static struct sums_file *sums_of(sqlite3_file *file)
{
    return (struct sums_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(sums_of(file) + 1);
}

/* ---- Sums ---- */

static uint64_t sum_of(const uint8_t *page, size_t size, uint64_t number)
{
    uint64_t sum = XXH3_64bits_withSeed(page, size - PAGE_SUM_SIZE, number);
    return sum != 0 ? sum : 1;
}

static uint64_t get_sum(const uint8_t *page, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < PAGE_SUM_SIZE; i++)
        sum |= (uint64_t)page[size - PAGE_SUM_SIZE + i] << 8 * i;
    return sum;
}

static void put_sum(uint8_t *page, size_t size, uint64_t number)
{
    uint64_t sum = sum_of(page, size, number);
    for (size_t i = 0; i < PAGE_SUM_SIZE; i++)
        page[size - PAGE_SUM_SIZE + i] = (uint8_t)(sum >> 8 * i);
}

static bool is_zero(const uint8_t *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

static bool is_page(int size, sqlite3_int64 offset)
{
    return size >= PAGE_MIN && size <= PAGE_MAX && (size & (size - 1)) == 0 && offset % size == 0;
}

/* Promise 4: the first page with its byte put right has the sum that it carries. */
static bool is_mark_lost(const uint8_t *page, size_t size)
{
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return false;
    memcpy(copy, page, size);
    copy[HEADER_RESERVE] = PAGE_SUM_SIZE;
    bool is_lost = get_sum(copy, size) == sum_of(copy, size, 1);
    free(copy);
    return is_lost;
}

enum sum_verdict { SUM_RIGHT, SUM_NONE, SUM_WRONG };

static enum sum_verdict judge(const uint8_t *page, size_t size, uint64_t number)
{
    uint64_t sum = get_sum(page, size);
    if (sum == 0)
        return is_zero(page, size) ? SUM_WRONG : SUM_NONE; /* promises 2, 3 */
    return sum == sum_of(page, size, number) ? SUM_RIGHT : SUM_WRONG;
}

/* ---- The file beneath SQLite ---- */

static int sums_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    struct sums_file *f = sums_of(file);
    uint8_t *page = data;
    int code = real_of(file)->pMethods->xRead(real_of(file), data, size, offset);
    if (code != SQLITE_OK)
        return code;
    bool is_first = offset == 0 && size >= HEADER_SIZE;
    if (is_first)
        f->has_sums = page[HEADER_RESERVE] == PAGE_SUM_SIZE;
    if (!is_page(size, offset))
        return SQLITE_OK;
    uint64_t number = (uint64_t)(offset / size) + 1;
    bool is_wrong = f->has_sums ? judge(page, (size_t)size, number) == SUM_WRONG
                                : is_first && is_mark_lost(page, (size_t)size);
    if (is_wrong) {
        f->wrong = (int64_t)number;
        return PAGE_SUM_WRONG;
    }
    if (f->has_sums)
        memset(page + size - PAGE_SUM_SIZE, 0, PAGE_SUM_SIZE); /* promise 3 */
    return SQLITE_OK;
}

static int sums_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct sums_file *f = sums_of(file);
    if (offset == 0 && size >= HEADER_SIZE)
        f->has_sums = ((const uint8_t *)data)[HEADER_RESERVE] == PAGE_SUM_SIZE;
    if (f->has_sums && is_page(size, offset)) { /* promise 1 */
        if (f->copy == NULL && (f->copy = malloc(PAGE_MAX)) == NULL)
            return SQLITE_IOERR_NOMEM;
        memcpy(f->copy, data, (size_t)size);
        put_sum(f->copy, (size_t)size, (uint64_t)(offset / size) + 1);
        data = f->copy;
    }
    return real_of(file)->pMethods->xWrite(real_of(file), data, size, offset);
}

static int sums_close(sqlite3_file *file)
{
    free(sums_of(file)->copy);
    sums_of(file)->copy = NULL;
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int sums_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int sums_sync(sqlite3_file *file, int flags)
{
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int sums_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int sums_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int sums_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int sums_is_reserved(sqlite3_file *file, int *ret)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int sums_control(sqlite3_file *file, int op, void *arg)
{
    if (op == ASK_WRONG) {
        *(int64_t *)arg = sums_of(file)->wrong;
        return SQLITE_OK;
    }
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int sums_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int sums_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int sums_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int sums_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void sums_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int sums_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: without memory maps, which would read past this. */
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = sums_close,
    .xRead = sums_read,
    .xWrite = sums_write,
    .xTruncate = sums_truncate,
    .xSync = sums_sync,
    .xFileSize = sums_size,
    .xLock = sums_lock,
    .xUnlock = sums_unlock,
    .xCheckReservedLock = sums_is_reserved,
    .xFileControl = sums_control,
    .xSectorSize = sums_sector,
    .xDeviceCharacteristics = sums_device,
    .xShmMap = sums_shm_map,
    .xShmLock = sums_shm_lock,
    .xShmBarrier = sums_shm_barrier,
    .xShmUnmap = sums_shm_unmap,
};

/* Logs, journals and temporary files are the real ones. */
static int sums_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *ret)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    sqlite3_int64 size = 0;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return real->xOpen(real, name, file, flags, ret);
    file->pMethods = NULL;
    if (real->szOsFile + (int)sizeof(struct sums_file) > self->szOsFile)
        return SQLITE_CANTOPEN;
    *sums_of(file) = (struct sums_file){0};
    int code = real->xOpen(real, name, real_of(file), flags, ret);
    if (code == SQLITE_OK)
        code = real_of(file)->pMethods->xFileSize(real_of(file), &size);
    sums_of(file)->has_sums = size == 0; /* page_sums_want(): until its first page says so */
    if (real_of(file)->pMethods != NULL)
        file->pMethods = &methods;
    return code;
}

static void register_once(void)
{
    const sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == NULL)
        return;
    vfs = *real;
    vfs.pNext = NULL;
    vfs.zName = PAGE_SUMS_VFS;
    vfs.szOsFile += (int)sizeof(struct sums_file);
    vfs.xOpen = sums_open;
    OL_IGNORE(sqlite3_vfs_register(&vfs, 0), "then it is not found");
}

bool page_sums_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return sqlite3_vfs_find(PAGE_SUMS_VFS) != NULL;
}

void page_sums_want(sqlite3 *db)
{
    int size = PAGE_SUM_SIZE;
    OL_IGNORE(sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &size),
              "it has no failure");
}

int64_t page_sums_wrong(sqlite3 *db)
{
    int64_t page = 0;
    return sqlite3_file_control(db, "main", ASK_WRONG, &page) == SQLITE_OK ? page : 0;
}

/* ---- Looking at a whole file ---- */

static size_t page_size_of(const uint8_t *header)
{
    size_t size = (size_t)header[16] << 8 | header[17];
    return size == 1 ? PAGE_MAX : size;
}

/* A page may be written in this moment: then it is another when it is read again. */
static ol_status look(int fd, uint8_t *page, size_t size, uint64_t number, enum sum_verdict *ret,
                      bool *ret_is_used, struct ol_error *err)
{
    for (int i = 0; i < READ_AGAIN; i++) {
        size_t got = 0;
        ol_status status =
            ol__fs_read_at(&ol__fs_real, fd, page, size, (off_t)((number - 1) * size), &got, err);
        if (status != OL_OK)
            return status;
        if (got < size)
            return OL_END;
        *ret_is_used = !is_zero(page, size); /* pages that were never used are holes */
        *ret = judge(page, size, number);
        if (*ret != SUM_WRONG || !*ret_is_used)
            break;
    }
    return OL_OK;
}

static ol_status look_at_all(int fd, uint8_t *page, page_sums_tell *tell, void *arg,
                             struct page_sums_found *ret, struct ol_error *err)
{
    size_t got = 0;
    ol_status status = ol__fs_read_at(&ol__fs_real, fd, page, PAGE_MAX, 0, &got, err);
    if (status != OL_OK)
        return status;
    size_t size = got >= HEADER_SIZE ? page_size_of(page) : 0;
    if (size < PAGE_MIN || size > PAGE_MAX || (size & (size - 1)) != 0 || got < size)
        return ol__error_set(err, OL_CORRUPT, "it is no database");
    ret->has_sums = page[HEADER_RESERVE] == PAGE_SUM_SIZE;
    if (!ret->has_sums && is_mark_lost(page, size)) {
        ret->wrong++;
        tell(arg, 1);
        ret->has_sums = true;
    }
    for (uint64_t number = 1; status == OL_OK; number++) {
        enum sum_verdict verdict = SUM_NONE;
        bool is_used = false;
        status = look(fd, page, size, number, &verdict, &is_used, err);
        if (status != OL_OK)
            break;
        ret->pages++;
        ret->unsummed += is_used && (!ret->has_sums || verdict == SUM_NONE);
        if (ret->has_sums && is_used && verdict == SUM_WRONG) {
            ret->wrong++;
            tell(arg, (int64_t)number);
        }
    }
    return status == OL_END ? OL_OK : status;
}

ol_status page_sums_check(const char *path, page_sums_tell *tell, void *arg,
                          struct page_sums_found *ret, struct ol_error *err)
{
    *ret = (struct page_sums_found){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    uint8_t *page = malloc(PAGE_MAX);
    ol_status status = fd < 0 ? ol__error_set_errno(err, errno, "store '%s'", path)
                       : page == NULL
                           ? ol__error_set(err, OL_NOMEM, "store '%s': out of memory", path)
                           : look_at_all(fd, page, tell, arg, ret, err);
    free(page);
    if (fd >= 0)
        close(fd); /* of a database nobody has open here: SQLite's locks are of the process */
    return status;
}
