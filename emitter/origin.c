/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include <stdlib.h>
#include "json_read.h"

#define TEXT_MAX 65536 /* bytes of a name space, of a name */

void ol__origin_release(struct ol__origin *origin)
{
    free(origin->job_namespace);
    *origin = (struct ol__origin){0};
}

static ol_status make(struct ol__span name_space, struct ol__span name, const char *run_id,
                      struct ol__origin *ret)
{
    char *copy = malloc(name_space.size + name.size + 2);
    if (copy == NULL)
        return OL_NOMEM;
    memcpy(copy, name_space.data, name_space.size);
    copy[name_space.size] = '\0';
    memcpy(copy + name_space.size + 1, name.data, name.size);
    copy[name_space.size + 1 + name.size] = '\0';
    *ret = (struct ol__origin){.job_namespace = copy, .job_name = copy + name_space.size + 1};
    memcpy(ret->run_id, run_id, OL_UUID_TEXT + 1);
    return OL_OK;
}

ol_status ol__origin_make(const char *names, size_t namespace_size, size_t name_size,
                          const char *run_id, struct ol__origin *ret)
{
    return make((struct ol__span){names, namespace_size},
                (struct ol__span){names + namespace_size + 1, name_size}, run_id, ret);
}

ol_status ol__origin_parse(const char *text, struct ol__origin *ret)
{
    struct ol__uuid uuid;
    char run_id[OL_UUID_TEXT + 1];
    const char *last = strrchr(text, '/');
    if (last == NULL || last == text || !ol__uuid_parse(ol__span_text(last + 1), &uuid))
        return OL_INVALID;
    const char *from = strchr(text, '/');
    bool is_scheme = from > text && from[-1] == ':' && from[1] == '/' && from + 2 < last;
    from = is_scheme ? from + 2 : text;
    const char *slash = memchr(from, '/', (size_t)(last - from));
    if (slash == NULL || slash == text || slash + 1 == last)
        return OL_INVALID;
    ol__uuid_format(&uuid, run_id);
    return ol__origin_make(text, (size_t)(slash - text), (size_t)(last - slash - 1), run_id, ret);
}

/* ---- from JSON ---- */

enum { RUN_ID, NAME_SPACE, NAME, PARTS };
enum { PARENT, ROOT, OUTER_ROOT, ORIGINS };

struct search {
    enum ol__origin_form form;
    struct ol__buf found[ORIGINS][PARTS];
};

static bool is_key(const struct ol__json_value *value, size_t step, const char *key)
{
    return step < value->depth && !value->path[step].is_index &&
           ol__span_equal(value->path[step].key, ol__span_text(key));
}

static ol_status take(void *arg, const struct ol__json_value *value, struct ol_error *err OL_UNUSED)
{
    static const char *const parts[PARTS][2] = {
        [RUN_ID] = {"run", "runId"}, [NAME_SPACE] = {"job", "namespace"}, [NAME] = {"job", "name"}};
    struct search *s = arg;
    size_t step = 0;
    int whose = PARENT;
    if (value->type != OL_JSON_STRING)
        return OL_OK;
    if (s->form == OL_ORIGIN_CONTEXT && is_key(value, 0, "root")) {
        whose = OUTER_ROOT;
        step = 1;
    } else {
        if (s->form == OL_ORIGIN_CONTEXT && !is_key(value, step++, "parent"))
            return OL_OK;
        if (is_key(value, step, "root")) {
            whose = ROOT;
            step++;
        }
    }
    for (size_t i = 0; i < PARTS && value->depth == step + 2; i++) {
        struct ol__buf *to = &s->found[whose][i];
        if (!is_key(value, step, parts[i][0]) || !is_key(value, step + 1, parts[i][1]))
            continue;
        ol__buf_reset(to); /* a key given twice: the last counts */
        return ol__buf_add(to, value->text.data, value->text.size);
    }
    return OL_OK;
}

static struct ol__span span_of(const struct ol__buf *buf)
{
    return (struct ol__span){buf->data, buf->size};
}

static ol_status to_origin(const struct ol__buf found[PARTS], const char *who,
                           struct ol__origin *ret, struct ol_error *err)
{
    static const char *const names[PARTS] = {"run.runId", "job.namespace", "job.name"};
    struct ol__uuid uuid;
    char run_id[OL_UUID_TEXT + 1];
    for (size_t i = 0; i < PARTS; i++) /* a NUL: \u0000 in the JSON */
        if (found[i].size == 0 || memchr(found[i].data, '\0', found[i].size) != NULL)
            return ol__error_set(err, OL_INVALID, "%s: no %s; expected a text", who, names[i]);
    if (!ol__uuid_parse(span_of(&found[RUN_ID]), &uuid))
        return ol__error_set(err, OL_INVALID, "%s: run.runId '%.40s' is no UUID", who,
                             found[RUN_ID].data);
    ol__uuid_format(&uuid, run_id);
    ol_status status = make(span_of(&found[NAME_SPACE]), span_of(&found[NAME]), run_id, ret);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "%s: out of memory", who);
}

static ol_status choose(struct search *s, struct ol__origin *ret_parent,
                        struct ol__origin *ret_root, struct ol_error *err)
{
    struct ol__buf merged[PARTS];
    struct ol__origin root, parent;
    int whose = PARENT;
    for (int from = OUTER_ROOT; from >= ROOT; from--)
        for (size_t i = 0; i < PARTS; i++)
            if (s->found[from][i].size > 0)
                whose = from;
    for (size_t i = 0; i < PARTS; i++)
        merged[i] = s->found[whose][i].size > 0 ? s->found[whose][i] : s->found[PARENT][i];
    ol_status status = to_origin(merged, whose == PARENT ? "parent" : "root", &root, err);
    if (status != OL_OK)
        return status;
    if (ret_parent != NULL) {
        status = to_origin(s->found[PARENT], "parent", &parent, err);
        if (status != OL_OK) {
            ol__origin_release(&root);
            return status;
        }
        *ret_parent = parent;
    }
    *ret_root = root;
    return OL_OK;
}

ol_status ol__origin_read(struct ol__span json, enum ol__origin_form form,
                          struct ol__origin *ret_parent, struct ol__origin *ret_root,
                          struct ol_error *err)
{
    struct ol__json_reader *reader = NULL;
    struct search s = {.form = form};
    for (size_t i = 0; i < ORIGINS * PARTS; i++)
        ol__buf_init(&s.found[i / PARTS][i % PARTS], TEXT_MAX);
    ol_status status = ol__json_reader_new(&reader, err);
    if (status == OL_OK)
        status = ol__json_read(reader, json, NULL, take, &s, err);
    if (status == OL_OK)
        status = choose(&s, ret_parent, ret_root, err);
    else if (status == OL_TOO_LARGE) /* of one text */
        status = ol__error_set(err, OL_INVALID, "a name is longer than %d bytes", TEXT_MAX);
    for (size_t i = 0; i < ORIGINS * PARTS; i++)
        ol__buf_release(&s.found[i / PARTS][i % PARTS]);
    ol__json_reader_free(reader);
    return status;
}
