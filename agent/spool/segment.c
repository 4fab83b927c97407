/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A record verifies only under the salt it was sealed with: what an older use of the file left,
 * or what a payload imitates, is never taken for a record.
 *  2. The sum covers everything but itself and the padding, the sequence above all. */
#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#define HEADER_SUMMED 88

static const uint8_t magic[8] = {'O', 'L', 'S', 'P', 'O', 'O', 'L', '\n'};
enum { FORMAT = 1 };

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_SIZE])
{
    memset(out, 0, SEGMENT_HEADER_SIZE);
    memcpy(out, magic, sizeof magic);
    ol__put_le32(out + 8, FORMAT);
    ol__put_le32(out + 12, SEGMENT_HEADER_SIZE);
    ol__put_le64(out + 16, header->number);
    ol__put_le64(out + 24, header->salt);
    memcpy(out + 32, header->spool.bytes, 16);
    ol__put_le64(out + 48, header->first_seq);
    ol__put_le64(out + 56, header->previous);
    ol__put_le64(out + 64, header->previous_end);
    ol__put_le64(out + 72, (uint64_t)header->born_ms);
    ol__put_le64(out + 80, header->allocated);
    ol__put_le64(out + HEADER_SUMMED, XXH3_64bits(out, HEADER_SUMMED));
}

ol_status segment_header_decode(const uint8_t *data, size_t size, struct segment_header *ret,
                                uint32_t *ret_format)
{
    if (size < SEGMENT_HEADER_SIZE || memcmp(data, magic, sizeof magic) != 0 ||
        XXH3_64bits(data, HEADER_SUMMED) != ol__get_le64(data + HEADER_SUMMED))
        return OL_CORRUPT;
    uint32_t format = ol__get_le32(data + 8);
    if (format != FORMAT) { /* an older one, too, has other bytes behind it than ours */
        *ret_format = format;
        return OL_VERSION_NEWER;
    }
    struct segment_header header = {
        .number = ol__get_le64(data + 16),
        .salt = ol__get_le64(data + 24),
        .first_seq = ol__get_le64(data + 48),
        .previous = ol__get_le64(data + 56),
        .previous_end = ol__get_le64(data + 64),
        .born_ms = (int64_t)ol__get_le64(data + 72),
        .allocated = ol__get_le64(data + 80),
    };
    memcpy(header.spool.bytes, data + 32, 16);
    /* Values no writer gives: a sequence of 0, and ones so high that counting on from them would
     * wrap. */
    if (ol__get_le32(data + 12) != SEGMENT_HEADER_SIZE || header.first_seq == 0 ||
        header.first_seq > UINT64_MAX / 2 || header.number == 0 || header.number > UINT64_MAX / 2)
        return OL_CORRUPT;
    *ret = header;
    return OL_OK;
}

void segment_name(uint64_t number, bool is_free, char out[SEGMENT_NAME_SIZE])
{
    snprintf(out, SEGMENT_NAME_SIZE, "%s%016" PRIx64 ".seg", is_free ? "free-" : "", number);
}

bool segment_name_parse(const char *name, uint64_t *ret_number, bool *ret_is_free)
{
    bool is_free = strncmp(name, "free-", 5) == 0;
    const char *digits = name + (is_free ? 5 : 0);
    uint64_t number = 0;
    for (int i = 0; i < 16; i++) {
        char c = digits[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (strcmp(digits + 16, ".seg") != 0)
        return false;
    *ret_number = number;
    *ret_is_free = is_free;
    return true;
}

void segment_record_encode(const struct spool_record *record, uint8_t *out)
{
    size_t size = record->data.size;
    ol__put_le32(out, (uint32_t)size);
    out[4] = (uint8_t)record->type;
    out[5] = (uint8_t)record->source;
    out[6] = record->lane_kind;
    out[7] = 0;
    ol__put_le64(out + 8, 0);
    ol__put_le64(out + 16, record->seq);
    ol__put_le64(out + 24, (uint64_t)record->time_ms);
    memcpy(out + 32, record->lane, 16);
    memcpy(out + 48, record->source_id, 16);
    ol__put_le64(out + 64, record->source_position);
    ol__put_le32(out + 72, record->uid);
    ol__put_le32(out + 76, record->warnings);
    if (size > 0)
        memcpy(out + SEGMENT_RECORD_HEADER, record->data.data, size);
    size_t used = SEGMENT_RECORD_HEADER + size;
    memset(out + used, 0, segment_record_size(size) - used);
}

/* The sum is over bytes 0..7 and 16..: with the first eight put where the sum stands, one run of
 * bytes. */
static uint64_t sum_in_place(uint8_t *record, uint64_t salt)
{
    memcpy(record + 8, record, 8);
    return XXH3_64bits_withSeed(record + 8, SEGMENT_RECORD_HEADER - 8 + ol__get_le32(record), salt);
}

void segment_record_seal(uint8_t *record, uint8_t flags, uint64_t salt)
{
    record[7] = flags;
    uint64_t sum = sum_in_place(record, salt);
    ol__put_le64(record + 8, sum);
}

bool segment_record_verify(uint8_t *record, uint64_t salt)
{
    uint64_t stored = ol__get_le64(record + 8);
    bool holds = sum_in_place(record, salt) == stored;
    ol__put_le64(record + 8, stored);
    return holds;
}

void segment_record_decode(const uint8_t *record, struct spool_record *ret)
{
    *ret = (struct spool_record){
        .type = (enum spool_type)record[4],
        .source = (enum spool_source)record[5],
        .lane_kind = record[6],
        .source_position = ol__get_le64(record + 64),
        .uid = ol__get_le32(record + 72),
        .warnings = ol__get_le32(record + 76),
        .time_ms = (int64_t)ol__get_le64(record + 24),
        .seq = ol__get_le64(record + 16),
        .data = {.data = (const char *)record + SEGMENT_RECORD_HEADER,
                 .size = ol__get_le32(record)},
    };
    memcpy(ret->lane, record + 32, 16);
    memcpy(ret->source_id, record + 48, 16);
}

ol_status segment_files_each(const struct ol__fs *fs, int dirfd, const char *directory,
                             segment_file_handler *handler, void *arg, struct ol_error *err)
{
    int fd = fs->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        ol_status status = ol__error_set_errno(err, errno, "spool '%s': list", directory);
        if (fd >= 0)
            OL_IGNORE(fs->close(fd), "read only");
        return status;
    }
    ol_status status = OL_OK;
    while (status == OL_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0)
                status = ol__error_set_errno(err, errno, "spool '%s': list", directory);
            break;
        }
        uint64_t number = 0;
        bool is_free = false;
        struct stat st;
        if (segment_name_parse(entry->d_name, &number, &is_free) &&
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            status = handler(arg, number, is_free, (uint64_t)st.st_size, err);
    }
    closedir(dir);
    return status;
}
