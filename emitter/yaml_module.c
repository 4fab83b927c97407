/* SPDX-License-Identifier: Apache-2.0 */
/* libopenlineage-yaml.so: reads openlineage.yml for config_module.c with libyaml. It calls nothing
 * of the library but what it is handed. Promises:
 *  1. Only what is plain: one document, mappings and scalars. Lists are skipped (other clients have
 * some), aliases are refused, since they can make a small file huge.
 *  2. A file past FILE_MAX bytes or DEPTH_MAX levels is refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "config_module.h"

#define FILE_MAX (1024L * 1024)
#define DEPTH_MAX 16
#define KEY_MAX 512

struct reader {
    const char *path;
    char key[KEY_MAX];      /* dotted, of the mapping we are in and the key whose value is due */
    size_t ends[DEPTH_MAX]; /* where the key of each level ends */
    int depth;              /* mappings we are in */
    int sequences;          /* lists we are in; all below them is skipped */
    bool has_key, is_done;
    ol__yaml_scalar *scalar;
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

static ol_status push_key(struct reader *r, const yaml_event_t *e, struct ol_error *err)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t used = r->depth > 1 ? r->ends[r->depth - 2] : 0;
    int n = snprintf(r->key + used, sizeof r->key - used, "%s%s", used > 0 ? "." : "", text);
    if (n < 0 || (size_t)n >= sizeof r->key - used)
        return fail(err, OL_CONFIG, r->path, e->start_mark.line + 1, "key too long");
    r->ends[r->depth - 1] = used + (size_t)n;
    r->has_key = true;
    return OL_OK;
}

static ol_status take_scalar(struct reader *r, const yaml_event_t *e, struct ol_error *err)
{
    unsigned line = (unsigned)e->start_mark.line + 1;
    if (r->sequences > 0)
        return OL_OK;
    if (r->depth == 0) {
        if (e->data.scalar.length == 0)
            return OL_OK; /* an empty file */
        return fail(err, OL_CONFIG, r->path, line, "expected a mapping");
    }
    if (!r->has_key)
        return push_key(r, e, err);
    r->has_key = false;
    if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
        return fail(err, OL_CONFIG, r->path, line, "a NUL byte in a value");
    return r->scalar(r->arg, r->key, (const char *)e->data.scalar.value, line, err);
}

static ol_status take_event(struct reader *r, const yaml_event_t *e, struct ol_error *err)
{
    unsigned long line = e->start_mark.line + 1;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, e, err);
    case YAML_MAPPING_START_EVENT:
        if (r->sequences > 0)
            r->sequences++;
        else if (r->depth > 0 && !r->has_key)
            return fail(err, OL_CONFIG, r->path, line, "a mapping cannot be a key");
        else if (r->depth++ == DEPTH_MAX - 1)
            return fail(err, OL_CONFIG, r->path, line, "nested too deeply");
        r->has_key = false;
        return OL_OK;
    case YAML_SEQUENCE_START_EVENT:
        if (r->depth == 0 || (r->sequences == 0 && !r->has_key))
            return fail(err, OL_CONFIG, r->path, line, "expected a mapping");
        r->sequences++;
        return OL_OK;
    case YAML_MAPPING_END_EVENT:
        if (r->sequences > 0)
            r->sequences--;
        else
            r->depth--;
        return OL_OK;
    case YAML_SEQUENCE_END_EVENT:
        if (--r->sequences == 0)
            r->has_key = false;
        return OL_OK;
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
ol__yaml_read(const char *path, ol__yaml_scalar *scalar, void *arg, struct ol_error *err);
ol_status ol__yaml_read(const char *path, ol__yaml_scalar *scalar, void *arg, struct ol_error *err)
{
    struct reader r = {.path = path, .scalar = scalar, .arg = arg};
    yaml_parser_t parser;
    ol_status status = OL_OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(err, OL_CONFIG, path, 0, strerror(errno));
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
