/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes, of members' text, a manifest's line, a list or the cache: no crash; a line
 * that is read and written again reads the same; a text does not differ from itself; a bucket
 * of the cache has only what was put there. The first byte chooses. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact/artifact.h"
#include "artifact/cache.h"
#include "artifact_lines.h"
#include "json_read.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void read_lines(struct ol__span text)
{
    struct ol__span rest = text;
    struct ol__buf space, again, other;
    struct artifact_line line, same;
    struct artifact_difference difference;
    ol_status status;
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    ol__buf_init(&again, ARTIFACT_TEXT_MAX);
    ol__buf_init(&other, ARTIFACT_TEXT_MAX);
    while ((status = artifact_line_read(&rest, &space, &line)) == OL_OK) {
        char *name = strndup(line.name.data, line.name.size);
        CHECK(name != NULL && line.name.size > 0);
        ol__buf_reset(&again);
        if (line.is_link || strlen(name) != line.name.size) {
            free(
                name); /* a target cannot be told from a name that has an arrow; a NUL is in none */
            continue;
        }
        artifact_line_add(&again, line.sha256, name);
        struct ol__span written = {again.data, again.size};
        CHECK(artifact_line_read(&written, &other, &same) == OL_OK && written.size == 0);
        CHECK(strcmp(same.sha256, line.sha256) == 0 && ol__span_equal(same.name, line.name));
        free(name);
    }
    CHECK(status == OL_END || status == OL_INVALID);
    ol_status compared = artifact_lines_compare(text, text, &difference);
    CHECK(compared == (status == OL_END ? OL_OK : OL_INVALID));
    CHECK(difference.count == 0);
    ol__buf_release(&difference.first);
    ol__buf_release(&space);
    ol__buf_release(&again);
    ol__buf_release(&other);
}

static void read_manifest_line(struct ol__span line)
{
    struct ol__json_reader *reader;
    struct ol__buf name;
    struct ol_error err = {.message = ""};
    char sha256[OL_SHA256_TEXT + 1];
    CHECK(ol__json_reader_new(&reader, NULL) == OL_OK);
    ol__buf_init(&name, ARTIFACT_MANIFEST_LINE_MAX);
    ol_status status = artifact_read_manifest_line(reader, line, &name, sha256, &err);
    CHECK(status == OL_OK || status == OL_END || (status == OL_INVALID && err.message[0] != '\0'));
    CHECK(status != OL_OK || (name.size > 0 && strlen(name.data) == name.size &&
                              strspn(sha256, "0123456789abcdef") == OL_SHA256_TEXT));
    ol__buf_release(&name);
    ol__json_reader_free(reader);
}

/** A whole file, as list and as manifest. */
static void read_file(struct ol__span bytes)
{
    char path[] = "/tmp/fuzz_artifact.XXXXXX";
    int fd = mkstemp(path);
    struct artifact a;
    size_t budget = 1000;
    CHECK(fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size);
    CHECK(artifact_init_path(&a, path) == OL_OK);
    a.kind = ARTIFACT_LIST;
    CHECK(artifact_read_list(&a, &budget) == OL_OK);
    CHECK(a.sum_count > 0 || a.reason[0] != '\0');
    for (size_t i = 1; i < a.sum_count; i++)
        CHECK(strcmp(a.sums[i - 1].path, a.sums[i].path) < 0);
    artifact_release(&a);
    CHECK(artifact_init_path(&a, path) == OL_OK);
    CHECK(artifact_read_manifest(&a, fd) == OL_OK);
    CHECK((a.member_count >= 0) == (a.trouble[0] == '\0'));
    read_lines((struct ol__span){a.members.data, a.members.size});
    artifact_release(&a);
    unlink(path);
    close(fd);
}

static void ask_cache(const uint8_t *data, size_t size)
{
    uint8_t bucket[ARTIFACT_CACHE_SLOT * ARTIFACT_CACHE_WAYS] = {0}, sha256[OL_SHA256_SIZE];
    struct artifact_stamp stamp = {.inode = 1, .size = 2};
    memcpy(bucket, data, OL_MIN(size, sizeof bucket));
    CHECK(!artifact_cache_find(bucket, &stamp, sha256));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct ol__span rest = {(const char *)data + 1, size - 1};
    if (data[0] == 't')
        read_lines(rest);
    else if (data[0] == 'm')
        read_manifest_line(rest);
    else if (data[0] == 'f')
        read_file(rest);
    else
        ask_cache(data + 1, size - 1);
    return 0;
}
