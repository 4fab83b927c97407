/* SPDX-License-Identifier: Apache-2.0 */
/* libopenlineage-yaml.so: reads openlineage.yml for config_module.c with libyaml. It calls nothing
 * of the library but what it is handed. Promises:
 *  1. Only what is plain: one document, mappings, lists and scalars. Aliases are refused, since
 * they can make a small file huge.
 *  2. A file past FILE_MAX bytes or DEPTH_MAX levels is refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "config_module.h"

#define FILE_MAX (1024L * 1024)
#define DEPTH_MAX 16

struct reader {
    const char *path;
    struct {
        bool is_map, has_key;
    } levels[DEPTH_MAX]; /* maps and lists we are in */
    int depth;
    bool is_done;
    ol__yaml_piece *piece;
    void *arg;
};

/* Not ol__error_set(): the module must not need symbols that the library hides. */
static ol_status fail(struct ol_error *err, ol_status status, const char *path, unsigned long line,
                      const char *what)
{
    if (err != NULL) {
        *err = (struct ol_error){.status = status, .is_retryable = status == OL_NOMEM};
        snprintf(err->message, sizeof err->message, "%.120s:%lu: %.100s", path, line, what);
    }
    return status;
}

static bool is_null(const yaml_event_t *e)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < OL_COUNT(nulls); i++)
        if (strcmp((const char *)e->data.scalar.value, nulls[i]) == 0)
            return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return false;
}

static ol_status take_scalar(struct reader *r, const yaml_event_t *e, struct ol_error *err)
{
    unsigned line = (unsigned)e->start_mark.line + 1;
    const char *text = (const char *)e->data.scalar.value;
    if (strlen(text) != e->data.scalar.length)
        return fail(err, OL_CONFIG, r->path, line, "a NUL byte");
    if (r->depth == 0) {
        if (is_null(e))
            return OL_OK; /* an empty file */
        return fail(err, OL_CONFIG, r->path, line, "expected a mapping");
    }
    bool is_key = r->levels[r->depth - 1].is_map && !r->levels[r->depth - 1].has_key;
    r->levels[r->depth - 1].has_key = is_key;
    if (is_key)
        return r->piece(r->arg, OL_YAML_KEY, text, line, err);
    return r->piece(r->arg, is_null(e) ? OL_YAML_NULL : OL_YAML_TEXT, text, line, err);
}

static ol_status begin(struct reader *r, bool is_map, unsigned line, struct ol_error *err)
{
    if (r->depth == 0 && !is_map)
        return fail(err, OL_CONFIG, r->path, line, "expected a mapping");
    if (r->depth > 0 && r->levels[r->depth - 1].is_map && !r->levels[r->depth - 1].has_key)
        return fail(err, OL_CONFIG, r->path, line, "a mapping or list cannot be a key");
    if (r->depth == DEPTH_MAX)
        return fail(err, OL_CONFIG, r->path, line, "nested too deeply");
    if (r->depth > 0)
        r->levels[r->depth - 1].has_key = false;
    r->levels[r->depth].is_map = is_map;
    r->levels[r->depth].has_key = false;
    return r->depth++ == 0 ? OL_OK
                           : r->piece(r->arg, is_map ? OL_YAML_MAP : OL_YAML_LIST, NULL, line, err);
}

static ol_status take_event(struct reader *r, const yaml_event_t *e, struct ol_error *err)
{
    unsigned line = (unsigned)e->start_mark.line + 1;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, e, err);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return begin(r, e->type == YAML_MAPPING_START_EVENT, line, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return --r->depth == 0 ? OL_OK : r->piece(r->arg, OL_YAML_END, NULL, line, err);
    case YAML_ALIAS_EVENT:
        return fail(err, OL_CONFIG, r->path, line, "aliases are not taken");
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        r->is_done = true;
        return OL_OK;
    default:
        return OL_OK;
    }
}

__attribute__((visibility("default"))) ol_status
ol__yaml_read(const char *path, ol__yaml_piece *piece, void *arg, struct ol_error *err);
ol_status ol__yaml_read(const char *path, ol__yaml_piece *piece, void *arg, struct ol_error *err)
{
    struct reader r = {.path = path, .piece = piece, .arg = arg};
    yaml_parser_t parser;
    ol_status status = OL_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(err, errno == ENOMEM ? OL_NOMEM : OL_CONFIG, path, 0, strerror(errno));
    if (fseek(file, 0, SEEK_END) != 0 || ftell(file) > FILE_MAX || fseek(file, 0, SEEK_SET) != 0) {
        fclose(file);
        return fail(err, OL_CONFIG, path, 0, "no plain file, or larger than 1 MiB");
    }
    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return fail(err, OL_NOMEM, path, 0, "out of memory");
    }
    yaml_parser_set_input_file(&parser, file);
    while (status == OL_OK && !r.is_done) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = parser.error == YAML_MEMORY_ERROR
                         ? fail(err, OL_NOMEM, path, 0, "out of memory")
                         : fail(err, OL_CONFIG, path, parser.problem_mark.line + 1,
                                parser.problem != NULL ? parser.problem : "no YAML");
            break;
        }
        status = take_event(&r, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    fclose(file);
    return status;
}
