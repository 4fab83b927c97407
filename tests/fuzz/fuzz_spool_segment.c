/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the files of a spool: it opens or refuses with a reason, reading ends, appending
 * works, and what was appended is there after the next start. The first byte says what the rest is:
 *   bit 0: put a header that verifies before it; bit 1: seal what looks like records, so that they
 * verify; bit 2: there is a sealed segment after it, which names an end; bit 3: the bytes are a
 * cursor's two files as well. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "segment.h"
#include "spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SALT UINT64_C(0x1122334455667788)
#define RECORDS_MAX 100000

static char directory[128];
static const struct ol__uuid uuid = {{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_spool_segment: %s\n", what);
    abort();
}

static void put_file(const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && ol__fs_write_at(&ol__fs_real, fd, data, size, 0, NULL) == OL_OK,
            "write a file");
    close(fd);
}

/* As the first time: nothing of an earlier input is left. */
static void clean(const char *sub)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, sub);
    DIR *dir = opendir(path);
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s/%s", directory, sub, e->d_name);
        OL_IGNORE(unlink(path), "directories stay");
    }
    if (dir != NULL)
        closedir(dir);
}

static void clean_all(void)
{
    static const char *const subs[] = {".", "cursor", "quarantine"};
    for (size_t i = 0; i < OL_COUNT(subs); i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", directory, subs[i]);
        require(mkdir(path, 0700) == 0 || errno == EEXIST, "mkdir");
        clean(subs[i]);
    }
}

static size_t make_segment(uint8_t mode, const uint8_t *data, size_t size, uint8_t *out)
{
    if ((mode & 1) == 0) {
        memcpy(out, data, size);
        return size;
    }
    struct segment_header header = {
        .number = 1, .salt = SALT, .spool = uuid, .first_seq = 5, .allocated = 65536};
    segment_header_encode(&header, out);
    memcpy(out + SEGMENT_HEADER_SIZE, data, size);
    size_t total = SEGMENT_HEADER_SIZE + size;
    for (size_t at = SEGMENT_HEADER_SIZE; (mode & 2) != 0 && at + SEGMENT_RECORD_HEADER <= total;) {
        uint32_t payload = ol__get_le32(out + at);
        if (payload <= SPOOL_PAYLOAD_MAX && at + segment_record_size(payload) <= total &&
            payload > 0) {
            segment_record_seal(out + at, out[at + 7], SALT);
            at += segment_record_size(payload);
        } else {
            at += 8;
        }
    }
    return total;
}

static void ignore_key(void *arg, const uint8_t key[16], uint64_t position, uint64_t seq,
                       int64_t time_ms)
{
    (void)arg;
    (void)key;
    (void)position;
    (void)seq;
    (void)time_ms;
}

static void read_all(struct spool *spool, uint64_t expected)
{
    struct spool_reader *reader = NULL;
    struct spool_record record;
    uint64_t last = spool_oldest(spool) - 1;
    bool is_found = expected == 0;
    require(spool_reader_open(spool, last, &reader, NULL) == OL_OK, "a reader");
    for (int i = 0;; i++) {
        ol_status status = spool_reader_next(reader, &record, NULL);
        if (status == OL_END)
            break;
        require(i < RECORDS_MAX, "reading does not end");
        require(status == OL_OK || status == OL_GAP, "reading fails");
        require(record.seq > last, "a sequence goes back");
        last = status == OL_GAP ? record.offset : record.seq;
        is_found = is_found || (status == OL_OK && record.seq == expected &&
                                ol__span_equal(record.data, OL_SPAN_LIT("{\"mine\":1}")));
    }
    require(last == spool_synced(spool), "not up to the synced end");
    require(is_found, "the event that was acknowledged is not there");
    spool_reader_close(reader);
}

static uint64_t use(const struct spool_options *options, uint64_t expected)
{
    struct spool *spool = NULL;
    struct spool_cursor *cursor = NULL;
    struct ol_error err;
    ol_status status = spool_open(options, &spool, &err);
    if (status != OL_OK) {
        require(expected == 0 && (status == OL_CORRUPT || status == OL_VERSION_NEWER), err.message);
        return 0;
    }
    read_all(spool, expected);
    require(spool_cursor_open(spool, "route", true, &cursor, NULL) == OL_OK, "a cursor");
    require(spool_cursor_low(cursor) <= spool_synced(spool), "a mark of the future");
    require(spool_recent_keys(spool, 0, 64, ignore_key, NULL, NULL) == OL_OK, "keys");
    struct spool_record record = {
        .type = SPOOL_EVENT, .source = SPOOL_FROM_HTTP, .data = OL_SPAN_LIT("{\"mine\":1}")};
    require(spool_group_add(spool, &record, NULL) == OL_OK, "add");
    require(spool_group_commit(spool, NULL) == OL_OK, "commit");
    require(!spool_cursor_is_done(cursor, record.seq), "done before it was");
    spool_cursor_close(cursor);
    spool_close(spool);
    return record.seq;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 60000)
        return 0;
    if (directory[0] == '\0') {
        snprintf(directory, sizeof directory, "%s/fuzz-spool-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        require(mkdtemp(directory) != NULL, "mkdtemp");
    }
    struct spool_options options = {.directory = directory,
                                    .segment_bytes = 65536,
                                    .max_bytes = 1024 * 1024 * 1024,
                                    .min_free_bytes = -1,
                                    .no_prepare = true};
    static uint8_t bytes[SEGMENT_HEADER_SIZE + 60000];
    static const char about[] =
        "{\"lineaged_spool\":1,\"uuid\":\"01020304-0506-4708-890a-0b0c0d0e0f10\"}";
    clean_all();
    put_file("spool.json", about, sizeof about - 1);
    size_t total = make_segment(data[0], data + 1, size - 1, bytes);
    put_file("0000000000000001.seg", bytes, total);
    if ((data[0] & 4) != 0 && size > 16) {
        struct segment_header header = {.number = 2,
                                        .salt = SALT,
                                        .spool = uuid,
                                        .first_seq = 1 + data[1] + 256u * data[2],
                                        .previous = 1,
                                        .previous_end = ol__get_le16(data + 3),
                                        .allocated = 65536};
        segment_header_encode(&header, bytes);
        put_file("0000000000000002.seg", bytes, total);
    }
    if ((data[0] & 8) != 0) {
        put_file("cursor/route.live", data + 1, size - 1);
        put_file("cursor/route.saved", data + 1, size - 1);
    }
    uint64_t seq = use(&options, 0);
    if (seq != 0)
        use(&options, seq);
    return 0;
}
