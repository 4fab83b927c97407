/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_doc.h"
#include "json_write.h"
#include "run_files.h"
#include "store.h"

#define CONTENT_LIMIT ((uint64_t)1 << 30) /* bytes: larger files are found by name only */
#define SUBJECT_MAX 16384
#define TARGET_MAX 60000

void question_init(struct question *q, const char *verb)
{
    *q = (struct question){.verb = verb};
}

void question_release(struct question *q)
{
    for (size_t i = 0; i < q->subject_count; i++)
        ol__buf_release(&q->subjects[i].subject);
    q->subject_count = q->count = 0;
}

void question_add(struct question *q, const char *key, const char *value)
{
    if (value == NULL)
        return;
    assert(q->count < QUESTION_PARAMETERS);
    q->keys[q->count] = key;
    q->values[q->count++] = value;
}

/** How the store is asked for X: name space and name as the library would call it, then X as it was
 * given (SCHEMA.md); and the content of a file, or the version that X names. */
ol_status question_add_x(struct question *q, const char *x, struct ol_error *err)
{
    char name_space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE];
    if (x == NULL)
        return OL_OK;
    assert(q->subject_count < QUESTION_SUBJECTS);
    struct question_subject *s = &q->subjects[q->subject_count++];
    *s = (struct question_subject){.x = x};
    ol__buf_init(&s->subject, SUBJECT_MAX);
    if (ol_dataset_name(x, name_space, sizeof name_space, name, sizeof name, s->content,
                        sizeof s->content, NULL) == OL_OK) {
        ol__buf_add_format(&s->subject, "%s\x1f%s\x1f", name_space, name);
        if (s->content[0] == '\0' && strcmp(name_space, "file") == 0)
            OL_IGNORE(run_files_hash_path(name, CONTENT_LIMIT, s->content) != OL_OK,
                      "no file, or none to be hashed: by name alone");
    }
    if (ol__buf_add_text(&s->subject, x) != OL_OK)
        return ol__error_set(err, OL_INVALID, "the name is too long");
    return OL_OK;
}

/** X without the version at its end, for names that are no URIs: NAME@TAG, NAME:vN, NAME#sha256:...
 * @return whether it has one. */
static bool resolve_bare(struct question_subject *s)
{
    size_t size = strlen(s->x);
    size_t version = ol__name_digest_size(s->x, size);
    if (version == 0)
        version = ol__name_tag_size(s->x, size, OL_VERSIONED_TAG);
    if (version == 0 || version > sizeof s->content)
        return false;
    snprintf(s->content, sizeof s->content, "%s", s->x + size - version + 1);
    ol__buf_reset(&s->subject);
    return ol__buf_add(&s->subject, s->x, size - version) == OL_OK;
}

/** Calls @p each with every parameter, those of the X as well. */
static ol_status each_parameter(const struct question *q,
                                ol_status (*each)(void *arg, const char *key, const char *value),
                                void *arg)
{
    static const char *const names[QUESTION_SUBJECTS] = {"subject", "other"};
    static const char *const contents[QUESTION_SUBJECTS] = {"content", "other_content"};
    ol_status st = OL_OK;
    for (size_t i = 0; st == OL_OK && i < OL_MIN(q->subject_count, (size_t)QUESTION_SUBJECTS);
         i++) {
        st = each(arg, names[i], q->subjects[i].subject.data);
        if (st == OL_OK && q->subjects[i].content[0] != '\0')
            st = each(arg, contents[i], q->subjects[i].content);
    }
    for (size_t i = 0; st == OL_OK && i < q->count; i++)
        st = each(arg, q->keys[i], q->values[i]);
    return st;
}

static ol_status to_target(void *arg, const char *key, const char *value)
{
    struct ol__buf *target = arg;
    client_add_query(target, key, value);
    return target->status;
}

static ol_status ask_agent(struct place *place, const struct question *q, int *ret_status,
                           struct ol__buf *answer, struct ol_error *err)
{
    struct ol__buf target;
    ol__buf_init(&target, TARGET_MAX);
    ol__buf_add_format(&target, "/v1/%s", q->verb);
    ol_status st = each_parameter(q, to_target, &target);
    if (st == OL_OK)
        st = place_get(place, target.data, ret_status, answer, err);
    else
        st = ol__error_set(err, OL_INVALID, "the question is too long");
    ol__buf_release(&target);
    return st;
}

struct to_store {
    struct store_question question;
    struct ol_error *err;
};
static ol_status to_question(void *arg, const char *key, const char *value)
{
    struct to_store *to = arg;
    return store_question_set(&to->question, key, value, to->err);
}

/* What the store would refuse is said in the words of the command line, before anybody is asked. */
static ol_status check(void *arg, const char *key, const char *value)
{
    struct to_store *to = arg;
    struct ol_error why = {.message = ""};
    ol_status st = store_question_set(&to->question, key, value, &why);
    if (st != OL_INVALID)
        return OL_OK;
    size_t size = strlen(key);
    const char *text =
        strncmp(why.message, key, size) == 0 && strncmp(why.message + size, ": ", 2) == 0
            ? why.message + size + 2
            : why.message;
    return ol__error_set(to->err, OL_INVALID, "--%s: '%.60s': %s", key, value, text);
}

/** As the agent says it: the same answer with one and without. */
static ol_status write_error(const char *message, struct ol__buf *answer)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, answer);
    ol__json_begin_object(&w);
    ol__json_key(&w, "errors");
    ol__json_begin_array(&w);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "message", message);
    ol__json_end_object(&w);
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    return answer->status;
}

static ol_status ask_file(struct place *place, const struct question *q, int *ret_status,
                          struct ol__buf *answer, struct ol_error *err)
{
    struct to_store to = {.question = {.uid = STORE_ANY_UID}, .err = err};
    const struct store_verb *verb = store_verb(q->verb);
    assert(verb != NULL);
    ol_status st = each_parameter(q, to_question, &to);
    if (st == OL_OK)
        st = offline_ask(place, verb, &to.question, answer, err);
    *ret_status = st == OL_NOT_FOUND ? 404 : 200;
    if (st == OL_NOT_FOUND && answer->size == 0 && err->message[0] != '\0')
        st = write_error(err->message, answer);
    return st == OL_NOT_FOUND && answer->size > 0 ? OL_OK : st;
}

static ol_status ask_once(struct place *place, const struct question *q, int *ret_status,
                          struct ol__buf *answer, struct ol_error *err)
{
    ol_status st = ask_agent(place, q, ret_status, answer, err);
    return st == OL_NOT_FOUND ? ask_file(place, q, ret_status, answer, err) : st;
}

/** A second question, once the first found nothing; if this finds nothing either, the first answer
 * stands, but for two subjects, of which the first may have been found by now. */
static ol_status ask_again(struct place *place, const struct question *q, int *ret_status,
                           struct ol__buf *answer, struct ol_error *err)
{
    struct question bare = *q;
    struct ol__buf other;
    bool is_bare = false;
    int status = 0;
    ol_status st = OL_OK;
    for (size_t i = 0; i < q->subject_count; i++) {
        struct question_subject *s = &bare.subjects[i];
        ol__buf_init(&s->subject, SUBJECT_MAX);
        is_bare = resolve_bare(s) || is_bare;
        if (s->subject.size == 0)
            ol__buf_add(&s->subject, q->subjects[i].subject.data, q->subjects[i].subject.size);
        if (s->subject.status != OL_OK)
            st = ol__error_set(err, s->subject.status, "the name is too long");
    }
    ol__buf_init(&other, CLIENT_ANSWER_MAX);
    if (st == OL_OK && is_bare)
        st = ask_once(place, &bare, &status, &other, err);
    if (st == OL_OK && is_bare && (status == 200 || q->subject_count > 1)) {
        ol__buf_release(answer);
        *answer = other;
        *ret_status = status;
    } else
        ol__buf_release(&other);
    question_release(&bare);
    return st;
}

/* What the store left out because it is damaged is the last member of its answer. */
static void say_damage(const struct ol__buf *answer)
{
    static const char key[] = ",\"damaged\":[{\"table\":\"";
    const char *at = NULL, *p = answer->data, *end = p != NULL ? p + answer->size : NULL;
    while (p != NULL && (p = memmem(p, (size_t)(end - p), key, sizeof key - 1)) != NULL)
        at = p++;
    while (at != NULL && end > at && end[-1] == '\n')
        end--;
    if (at == NULL || memchr(at, ']', (size_t)(end - at)) != end - 2)
        return; /* a facet's own member of that name is not the last */
    at += sizeof key - 1;
    int table = (int)((const char *)memchr(at, '"', (size_t)(end - at)) - at);
    const char *id = memchr(at, ':', (size_t)(end - at)), *more = strstr(at, "},{");
    bool is_page = strncmp(at, "pages\"", 6) == 0;
    cli_say("the store is damaged: %s %.*s of %.*s%s: lineage backup --check names all",
            is_page ? "page" : "row", id != NULL ? (int)strspn(id + 1, "0123456789") : 0,
            id != NULL ? id + 1 : "", is_page ? 8 : table, is_page ? "the file" : at,
            more != NULL ? ", and others" : "");
}

ol_status question_ask(struct place *place, const struct question *q, int *ret_status,
                       struct ol__buf *answer, struct ol_error *err)
{
    struct to_store to = {.err = err};
    ol_status st = each_parameter(q, check, &to);
    if (st == OL_OK)
        st = ask_once(place, q, ret_status, answer, err);
    if (st == OL_OK && *ret_status == 404 && q->subject_count > 0)
        st = ask_again(place, q, ret_status, answer, err);
    if (st == OL_OK)
        say_damage(answer);
    return st;
}

static int print_rendered(struct ol__span body, question_render *render)
{
    struct json_doc doc;
    struct ol__buf text;
    struct pretty p;
    struct ol_error err = {.message = ""};
    bool is_written = false;
    ol_status st = json_doc_read(&doc, body, &err);
    if (st == OL_OK) {
        ol__buf_init(&text, 4 * CLIENT_ANSWER_MAX);
        pretty_init(&p, &text);
        st = render(&p, doc.root, &err);
        is_written = st == OL_OK && pretty_flush(&p);
        ol__buf_release(&text);
        json_doc_release(&doc);
    }
    if (st != OL_OK)
        cli_say("%s", err.message);
    return is_written ? CLI_YES : CLI_NO;
}

static bool print_plain(struct ol__span body)
{
    bool has_end = body.data == NULL || body.size == 0 || body.data[body.size - 1] == '\n';
    return cli_print(body) && (has_end || cli_print(ol__span_text("\n")));
}

/* "'5ae0' is the beginning of 2 commits: ..., ..." @return false: it is not. */
static bool say_candidates(struct ol__span body)
{
    struct json_doc doc;
    struct ol__buf text;
    struct pretty p = {.out = &text};
    if (json_doc_read(&doc, body, NULL) != OL_OK)
        return false;
    const struct json_node *subject = json_get(doc.root, "subject");
    const struct json_node *all = json_get(subject, "candidates");
    const char *query = json_get_text(subject, "query");
    const char *kind = json_get_text(subject, "candidate_kind");
    bool is_one = all != NULL && all->count > 0 && query != NULL && kind != NULL;
    if (is_one) {
        const char *between = ": ";
        ol__buf_init(&text, 1 << 16);
        ol__buf_add_char(&text, '\'');
        pretty_text(&p, PRETTY_PLAIN, query);
        ol__buf_add_format(&text, "' is the beginning of %s%zu %ss",
                           json_get_bool(subject, "truncated") ? "at least " : "", all->count,
                           kind);
        for (const struct json_node *c = all->first; c != NULL; c = c->next, between = ", ") {
            ol__buf_add_text(&text, between);
            pretty_text(&p, PRETTY_PLAIN, c->text != NULL ? c->text : "?");
        }
        cli_say("%s", text.data != NULL ? text.data : "out of memory");
        ol__buf_release(&text);
    }
    json_doc_release(&doc);
    return is_one;
}

int question_print(const char *verb, int status, struct ol__buf *answer, bool is_json,
                   question_render *render, const char *nothing)
{
    struct ol__span body = {.data = answer->data, .size = answer->size};
    if (status == 200 && render != NULL && !is_json)
        return print_rendered(body, render);
    if ((status == 200 || (status == 404 && is_json)) && !print_plain(body))
        return CLI_NO;
    if (status == 200)
        return CLI_YES;
    if (status == 404 && say_candidates(body))
        return CLI_NOT_KNOWN;
    char fallback[300];
    if (status == 404)
        snprintf(fallback, sizeof fallback, "%s", nothing);
    else
        snprintf(fallback, sizeof fallback, "the agent answers '%s' with an error", verb);
    char *message = cli_answer_message(body, fallback);
    cli_say("%s", message != NULL ? message : fallback);
    free(message);
    return status == 404 || status == 501 ? CLI_NOT_KNOWN : status == 400 ? CLI_USAGE : CLI_NO;
}

int question_run(struct question *q, bool is_json, question_render *render, const char *nothing)
{
    int status = 0;
    struct place place;
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status st = place_find(&place, &err);
    if (st == OL_OK)
        st = question_ask(&place, q, &status, &answer, &err);
    int result = st == OL_OK ? question_print(q->verb, status, &answer, is_json, render, nothing)
                             : cli_fail(&place, st, &err);
    place_release(&place);
    ol__buf_release(&answer);
    question_release(q);
    return result;
}
