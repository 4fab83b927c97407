/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: a spool of another format is refused with a sentence that says what to do (SPOOL.md,
 * "Other formats"). */
#include "spool_about.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_read.h"
#include "json_write.h"
#include "times.h"

#define SPOOL_JSON_MAX 65536

static ol_status about_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct spool_about *about = arg;
    (void)err;
    if (value->depth != 1)
        return OL_OK;
    struct ol__span key = value->path[0].key;
    int size = (int)OL_MIN(value->text.size, sizeof about->writer - 1);
    if (value->type == OL_JSON_NUMBER && ol__span_equal(key, OL_SPAN_LIT("lineaged_spool"))) {
        char digits[24];
        snprintf(digits, sizeof digits, "%.*s", OL_MIN(size, 20), value->text.data);
        about->version = strtoll(digits, NULL, 10);
        about->has_version = true;
    } else if (value->type == OL_JSON_STRING && ol__span_equal(key, OL_SPAN_LIT("uuid"))) {
        about->has_uuid = ol__uuid_parse(value->text, &about->uuid);
    } else if (value->type == OL_JSON_STRING && ol__span_equal(key, OL_SPAN_LIT("writer"))) {
        snprintf(about->writer, sizeof about->writer, "%.*s", size, value->text.data);
    }
    return OL_OK;
}

static ol_status check_version(const struct spool_about *about, const char *directory,
                               struct ol_error *err)
{
    const char *writer = about->writer[0] != '\0' ? about->writer : "an unnamed program";
    if (!about->has_version || about->version == SPOOL_VERSION)
        return OL_OK;
    if (about->version > SPOOL_VERSION)
        return ol__error_set(err, OL_VERSION_NEWER,
                             "spool '%s' has version %" PRId64 ", written by %s; %s reads %d: run "
                             "that program, or 'lineage spool export' of it and import here",
                             directory, about->version, writer, "lineaged/" OL_VERSION,
                             SPOOL_VERSION);
    return ol__error_set(err, OL_VERSION_NEWER,
                         "spool '%s' has version %" PRId64 ", written by %s; %s reads %d and no "
                         "older one: export it with the program that wrote it, import here",
                         directory, about->version, writer, "lineaged/" OL_VERSION, SPOOL_VERSION);
}

ol_status spool_about_read(const struct ol__fs *fs, int dirfd, const char *directory,
                           struct spool_about *ret, struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, SPOOL_JSON_MAX);
    struct ol__json_reader *reader = NULL;
    *ret = (struct spool_about){0};
    ol_status status = ol__fs_read_file(fs, dirfd, "spool.json", &text, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&reader, err);
    if (status == OL_OK)
        status = ol__json_read(reader, (struct ol__span){.data = text.data, .size = text.size},
                               NULL, about_value, ret, err);
    ol__json_reader_free(reader);
    ol__buf_release(&text);
    if (status == OL_NOT_FOUND || status == OL_INVALID || status == OL_TOO_LARGE)
        return OL_OK;
    return status == OL_OK ? check_version(ret, directory, err) : status;
}

ol_status spool_about_write(const struct ol__fs *fs, int dirfd, const struct ol__uuid *id,
                            struct ol_error *err)
{
    struct ol__buf text;
    struct ol__json_writer w;
    char uuid[OL_UUID_TEXT + 1], created[OL_TIME_TEXT + 1];
    ol__uuid_format(id, uuid);
    ol__time_format(ol__time_now_ms(), created);
    ol__buf_init(&text, SPOOL_JSON_MAX);
    ol__json_writer_init(&w, &text);
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "lineaged_spool", SPOOL_VERSION);
    ol__json_member_text(&w, "uuid", uuid);
    ol__json_member_text(&w, "created", created);
    ol__json_member_text(&w, "writer", "lineaged/" OL_VERSION);
    ol__json_end_object(&w);
    ol_status status = ol__buf_add_char(&text, '\n');
    if (status == OL_OK)
        status = ol__fs_replace(fs, dirfd, "spool.json", text.data, text.size, 0600, err);
    else
        status = ol__error_set(err, status, "spool.json: out of memory");
    ol__buf_release(&text);
    OL_CRASHPOINT("spool.open.named");
    return status;
}

ol_status spool_about_refuse_segment(const char *directory, uint64_t number, uint32_t format,
                                     struct ol_error *err)
{
    return ol__error_set(err, OL_VERSION_NEWER,
                         "segment '%s/%016" PRIx64
                         ".seg' has format %u; %s reads %d: run the version that wrote it, or "
                         "export with that and import here",
                         directory, number, format, "lineaged/" OL_VERSION, SPOOL_VERSION);
}
