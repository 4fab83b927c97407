/* SPDX-License-Identifier: Apache-2.0 */
/* One answer of a service as one event. Promises:
 *  1. Any number of threads at once: nothing of the handle is changed but two atomic flags of its
 * run, and no lock is taken but the transport's around its write.
 *  2. Nothing is allocated once there are line buffers for all threads that record at the same time
 * (eight are kept), unless configuration changes facets.
 *  3. What is malformed costs itself, never the answer. */
#include "serving.h"

#include "facet_info.h"
#include "facet_table.h"
#include "times.h"

#define ADD(out, literal) ol__buf_add(out, literal, sizeof(literal) - 1)
#define HASH_TEXT_MAX (sizeof "hmac-sha256:" + OL_SHA2_TEXT)

/* What was left out, first of it, for OL_PARTIAL. */
struct recording {
    const struct ol_serving *serving;
    struct ol_answer answer;
    struct ol_error *err;
    bool is_partial;
    char input[HASH_TEXT_MAX], output[HASH_TEXT_MAX]; /* "": not hashed here */
};

static const struct {
    const char *key;
    uint16_t size;
    uint16_t offset; /* in struct ol_answer */
} id_members[OL_ANSWER_IDS] = {
#define ID(name)                                                                                   \
    {                                                                                              \
#name, sizeof #name - 1, offsetof(struct ol_answer, name)                                  \
    }
    [OL_ANSWER_FEATURE_VIEW] = ID(feature_view),
    [OL_ANSWER_CORPUS_SHA] = ID(corpus_sha),
    [OL_ANSWER_PROMPT_TEMPLATE] = ID(prompt_template),
    [OL_ANSWER_MODEL_VERSION] = ID(model_version),
    [OL_ANSWER_PROVIDER_REQUEST_ID] = ID(provider_request_id),
#undef ID
};

static const char *const outcomes[] = {
    [OL_OUTCOME_UNSET] = NULL,  [OL_ANSWERED] = "answered", [OL_ABSTAINED] = "abstained",
    [OL_REFUSED] = "refused",   [OL_FALLBACK] = "fallback", [OL_HANDOFF] = "handoff",
    [OL_FILTERED] = "filtered",
};

ol_status ol__answer_copy(const struct ol_answer *answer, struct ol_answer *ret,
                          struct ol_error *err)
{
    if (answer == NULL || !ol__options_copy(answer, ret, sizeof *ret, sizeof *ret)) {
        OL_IGNORE(ol__options_refused(answer, "ol_answer", err), "it is always OL_INVALID");
        return OL_INVALID;
    }
    if (ret->request_id == NULL || ret->request_id[0] == '\0')
        return ol__error_set(err, OL_INVALID,
                             "ol_answer.request_id: none; expected the id of the request");
    return OL_OK;
}

const char *ol__answer_id(const struct ol_serving *serving, const struct ol_answer *answer,
                          enum ol__answer_id id)
{
    const char *text;
    memcpy(&text, (const char *)answer + id_members[id].offset, sizeof text);
    return text != NULL ? text : serving->ids[id];
}

/* Branches once a text, not once a digit: trace and hashes stand in most answers. */
static bool are_digits(const char *text, size_t count, bool *ret_any)
{
    static const uint8_t kinds[256] = {
        ['0'] = 1, ['1'] = 3, ['2'] = 3, ['3'] = 3, ['4'] = 3, ['5'] = 3, ['6'] = 3, ['7'] = 3,
        ['8'] = 3, ['9'] = 3, ['a'] = 3, ['b'] = 3, ['c'] = 3, ['d'] = 3, ['e'] = 3, ['f'] = 3,
        ['A'] = 3, ['B'] = 3, ['C'] = 3, ['D'] = 3, ['E'] = 3, ['F'] = 3};
    uint8_t all = 1, any = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t kind = kinds[(unsigned char)text[i]];
        all &= kind;
        any |= kind;
    }
    *ret_any = (any & 2) != 0;
    return all == 1;
}

bool ol__answer_is_trace(const char *text, size_t digits)
{
    bool has_any;
    return strnlen(text, digits + 1) == digits && are_digits(text, digits, &has_any) && has_any;
}

/* ---- what is left out ---- */

static void left_out(struct recording *r, const char *member, const char *why)
{
    if (!r->is_partial)
        OL_IGNORE(ol__error_set(r->err, OL_PARTIAL, "ol_answer.%s: left out: %s", member, why) !=
                      OL_PARTIAL,
                  "it is returned at the end");
    r->is_partial = true;
}

static bool is_hash(const char *text)
{
    static const struct ol__span names[] = {OL_SPAN_LIT("sha256:"), OL_SPAN_LIT("hmac-sha256:")};
    bool has_any;
    size_t size = strnlen(text, HASH_TEXT_MAX + 1);
    for (size_t i = 0; i < OL_COUNT(names); i++)
        if (size == names[i].size + OL_SHA2_TEXT && memcmp(text, names[i].data, names[i].size) == 0)
            return are_digits(text + names[i].size, OL_SHA2_TEXT, &has_any);
    return false;
}

static void check_count(struct recording *r, struct ol_int *value, const char *member)
{
    if (value->is_set && value->value < 0) {
        left_out(r, member, "it is below 0");
        value->is_set = false;
    }
}

static void check_real(struct recording *r, struct ol_real *value, const char *member)
{
    if (value->is_set && !(value->value - value->value == 0)) {
        left_out(r, member, "it is no finite number");
        value->is_set = false;
    }
}

static void check_docs(struct recording *r, const char *const *docs, size_t *count,
                       const char *member)
{
    if (docs == NULL && *count > 0) {
        left_out(r, member, "NULL was given");
        *count = 0;
    }
    if (*count > OL_ANSWER_DOCS_MAX) {
        left_out(r, member, "more than 1000 ids; those behind");
        *count = OL_ANSWER_DOCS_MAX;
    }
    for (size_t i = 0; i < *count; i++) {
        if (docs[i] != NULL)
            continue;
        left_out(r, member, "an id is NULL");
        *count = 0;
    }
}

static void check_hash(struct recording *r, const char **hash, const void **bytes, size_t size,
                       const char *member)
{
    if (*bytes == NULL && size > 0)
        left_out(r, member, "there are bytes at NULL");
    if (*hash != NULL && *bytes != NULL) {
        left_out(r, member, "the hash of somebody else; its bytes were given as well");
        *hash = NULL;
    }
    if (*hash != NULL && !is_hash(*hash)) {
        left_out(r, member, "expected sha256: or hmac-sha256: and 64 hexadecimal digits");
        *hash = NULL;
    }
}

static void check(struct recording *r)
{
    struct ol_answer *a = &r->answer;
    int64_t ms;
    bool has_zone;
    if ((unsigned)a->outcome >= OL_COUNT(outcomes)) {
        left_out(r, "outcome", "expected a value of enum ol_outcome");
        a->outcome = OL_OUTCOME_UNSET;
    }
    if (a->trace_id != NULL && !ol__answer_is_trace(a->trace_id, OL_TRACE_ID_TEXT)) {
        left_out(r, "trace_id", "expected 32 hexadecimal digits, not all 0");
        a->trace_id = NULL;
    }
    if (a->span_id != NULL && !ol__answer_is_trace(a->span_id, OL_SPAN_ID_TEXT)) {
        left_out(r, "span_id", "expected 16 hexadecimal digits, not all 0");
        a->span_id = NULL;
    }
    if (a->feature_snapshot_ts != NULL &&
        (ol__time_parse(ol__span_text(a->feature_snapshot_ts), &ms, &has_zone) != OL_OK ||
         !has_zone)) {
        left_out(r, "feature_snapshot_ts", "expected a time with its zone, as RFC 3339 writes it");
        a->feature_snapshot_ts = NULL;
    }
    check_docs(r, a->retrieved, &a->retrieved_count, "retrieved");
    check_docs(r, a->cited, &a->cited_count, "cited");
    check_hash(r, &a->input_hash, &a->input, a->input_size, "input_hash");
    check_hash(r, &a->output_hash, &a->output, a->output_size, "output_hash");
    check_count(r, &a->max_tokens, "max_tokens");
    check_count(r, &a->input_tokens, "input_tokens");
    check_count(r, &a->output_tokens, "output_tokens");
    check_real(r, &a->temperature, "temperature");
    check_real(r, &a->latency_ms, "latency_ms");
    check_real(r, &a->confidence, "confidence");
    check_real(r, &a->cost, "cost");
}

static void hash_bytes(const struct ol_serving *s, const void *data, size_t size,
                       char out[HASH_TEXT_MAX])
{
    uint8_t digest[OL_SHA2_SIZE];
    struct ol__span name = OL_SPAN_LIT("sha256:");
    if (s->is_keyed) {
        struct ol__hmac hmac = s->hmac;
        name = OL_SPAN_LIT("hmac-sha256:");
        ol__hmac_add(&hmac, data, size);
        ol__hmac_finish(&hmac, digest);
    } else {
        struct ol__sha2 hash;
        ol__sha2_init(&hash);
        ol__sha2_add(&hash, data, size);
        ol__sha2_finish(&hash, digest);
    }
    memcpy(out, name.data, name.size);
    ol__sha2_text(digest, out + name.size);
}

/* ---- the line ---- */

#define TEXT(w, key, text)                                                                         \
    do {                                                                                           \
        if ((text) != NULL)                                                                        \
            ol__json_member_known(w, key, sizeof(key) - 1, text);                                  \
    } while (0)
#define INT(w, key, number)                                                                        \
    do {                                                                                           \
        if ((number).is_set) {                                                                     \
            ol__json_key_known(w, key, sizeof(key) - 1);                                           \
            ol__json_int(w, (number).value);                                                       \
        }                                                                                          \
    } while (0)
#define REAL(w, key, number)                                                                       \
    do {                                                                                           \
        if ((number).is_set) {                                                                     \
            ol__json_key_known(w, key, sizeof(key) - 1);                                           \
            ol__json_real(w, (number).value);                                                      \
        }                                                                                          \
    } while (0)

static void write_docs(struct ol__json_writer *w, const char *key, size_t key_size,
                       const char *const *docs, size_t count)
{
    if (docs == NULL)
        return;
    ol__json_key_known(w, key, key_size);
    ol__json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        ol__json_text(w, docs[i]);
    ol__json_end_array(w);
}

/* A writer inside an object that has a member already. */
static struct ol__json_writer inside(struct ol__buf *out)
{
    return (struct ol__json_writer){.out = out, .depth = 1, .has_member = 1};
}

/* @return whether there is any id. */
static bool write_ids(const struct recording *r, struct ol__buf *out)
{
    const struct ol_serving *s = r->serving;
    bool has_any = s->has_ids;
    ol__buf_add(out, s->ids_head.data, s->ids_head.size);
    struct ol__json_writer w = inside(out);
    for (int i = 0; i < OL_ANSWER_IDS; i++) {
        const char *text = ol__answer_id(s, &r->answer, (enum ol__answer_id)i);
        if (text == NULL)
            continue;
        ol__json_member_known(&w, id_members[i].key, id_members[i].size, text);
        has_any = true;
    }
    ol__buf_add_char(out, '}');
    return has_any;
}

static void write_facet(const struct recording *r, bool with_docs, struct ol__buf *out)
{
    const struct ol_answer *a = &r->answer;
    ol__buf_add(out, r->serving->facet_head.data, r->serving->facet_head.size);
    struct ol__json_writer w = inside(out);
    struct ol_int input_size = {a->input != NULL, (int64_t)a->input_size};
    struct ol_int output_size = {a->output != NULL, (int64_t)a->output_size};
    TEXT(&w, "request_id", a->request_id);
    TEXT(&w, "outcome", outcomes[a->outcome]);
    TEXT(&w, "trace_id", a->trace_id);
    TEXT(&w, "span_id", a->span_id);
    TEXT(&w, "embedding_model", a->embedding_model);
    TEXT(&w, "retrieval_index", a->retrieval_index);
    if (with_docs) {
        write_docs(&w, "retrieved", sizeof "retrieved" - 1, a->retrieved, a->retrieved_count);
        write_docs(&w, "cited", sizeof "cited" - 1, a->cited, a->cited_count);
    }
    TEXT(&w, "feature_snapshot_ts", a->feature_snapshot_ts);
    TEXT(&w, "cohort", a->cohort);
    TEXT(&w, "geo", a->geo);
    REAL(&w, "temperature", a->temperature);
    INT(&w, "max_tokens", a->max_tokens);
    INT(&w, "seed", a->seed);
    TEXT(&w, "input_hash", r->input[0] != '\0' ? r->input : a->input_hash);
    INT(&w, "input_bytes", input_size);
    TEXT(&w, "output_hash", r->output[0] != '\0' ? r->output : a->output_hash);
    INT(&w, "output_bytes", output_size);
    REAL(&w, "latency_ms", a->latency_ms);
    REAL(&w, "confidence", a->confidence);
    INT(&w, "input_tokens", a->input_tokens);
    INT(&w, "output_tokens", a->output_tokens);
    REAL(&w, "cost", a->cost);
    TEXT(&w, "currency", a->currency);
    if (a->cache_hit == OL_TRUE || a->cache_hit == OL_FALSE) {
        ol__json_key_known(&w, "cache_hit", sizeof "cache_hit" - 1);
        ol__json_bool(&w, a->cache_hit == OL_TRUE);
    }
    TEXT(&w, "cached_from", a->cached_from);
    ol__buf_add_char(out, '}');
}

/* What configuration makes of the facet that begins at @p begin. @return OL_OK; OL_END: it stays
 * out; or a failure. */
static ol_status apply_hook(const struct recording *r, enum ol__facet_id id, size_t begin,
                            struct ol__buf *line)
{
    const struct ol__facet_hook *hook = r->serving->hook;
    if (hook == NULL || line->status != OL_OK)
        return line->status;
    const char *key = ol__facet_info(id)->key;
    size_t head = begin + strlen(key) + 3; /* "key": */
    struct ol__buf *out = ol__client_take_buffer(r->serving->client);
    if (out == NULL)
        return OL_NOMEM;
    ol_status status =
        hook->change(hook->arg, OL_ENTITY_RUN, key,
                     (struct ol__span){line->data + head, line->size - head}, out, NULL);
    if (status == OL_AGAIN) {
        ol__buf_truncate(line, head);
        status = ol__buf_add(line, out->data, out->size);
    }
    ol__client_give_buffer(r->serving->client, out);
    return status;
}

/* @return OL_OK; OL_DISABLED: configuration leaves the facet out; OL_NOMEM, OL_TOO_LARGE. */
static ol_status write_line(const struct recording *r, bool with_docs, struct ol__buf *line)
{
    char time[OL_TIME_TEXT + 1];
    const struct ol_serving *s = r->serving;
    ADD(line, "\n{\"eventType\":\"OTHER\",\"eventTime\":\"");
    ol__time_format(r->answer.time_ms.value, time);
    ol__buf_add(line, time, OL_TIME_TEXT);
    ol__buf_add(line, s->head.data, s->head.size);
    size_t begin = line->size;
    bool has_ids = write_ids(r, line);
    ol_status status = has_ids ? apply_hook(r, OL_FACET_RUN_LINEAGED_RUN, begin, line) : OL_END;
    if (status == OL_END && line->status == OL_OK)
        ol__buf_truncate(line, begin);
    else if (status == OL_OK)
        ol__buf_add_char(line, ',');
    else
        return status;
    begin = line->size;
    write_facet(r, with_docs, line);
    status = apply_hook(r, OL_FACET_RUN_LINEAGED_ANSWER, begin, line);
    if (status == OL_END)
        return OL_DISABLED;
    ol__buf_add(line, s->tail.data, s->tail.size);
    return status == OL_OK ? line->status : status;
}

static ol_status refuse(const struct recording *r, ol_status status, const char *why)
{
    struct ol_error what;
    return ol__client_refused(r->serving->client, ol__error_set(&what, status, "answer: %s", why),
                              &what, r->err);
}

static ol_status hand_over(struct recording *r, const struct ol__buf *line)
{
    struct ol__run_share *run = r->serving->run;
    bool is_diverted = atomic_load_explicit(&run->is_diverted, memory_order_relaxed);
    bool was_diverted = is_diverted;
    struct ol_error err;
    ol_status status = ol__client_emit(
        r->serving->client,
        &(struct ol__line){.data = line->data, .size = line->size, .is_diverted = &is_diverted},
        r->err != NULL ? &err : NULL);
    if (is_diverted && !was_diverted)
        atomic_store(&run->is_diverted, true);
    if (status != OL_OK && r->err != NULL)
        *r->err = err;
    return status;
}

static ol_status write_and_hand_over(struct recording *r, struct ol__buf *line)
{
    size_t most = OL_MIN(r->serving->client->event_max + 2, OL_LINE_MAX);
    bool has_docs = r->answer.retrieved != NULL || r->answer.cited != NULL;
    ol_status status = write_line(r, true, line);
    if (has_docs && (status == OL_TOO_LARGE || (status == OL_OK && line->size > most))) {
        ol__buf_reset(line);
        left_out(r, "retrieved, cited", "the event would be larger than the limit");
        status = write_line(r, false, line);
    }
    if (status == OL_TOO_LARGE || (status == OL_OK && line->size > most))
        return refuse(r, OL_TOO_LARGE, "larger than the client's limit");
    if (status == OL_DISABLED)
        return ol__error_set(r->err, status,
                             "ol_answer_record: configuration leaves its facet out");
    if (status != OL_OK)
        return refuse(r, ol__status_public(status), "out of memory");
    return hand_over(r, line);
}

ol_status ol_answer_record(struct ol_serving *serving, const struct ol_answer *answer,
                           struct ol_error *err)
{
    struct recording r; /* not zeroed as a whole: it is on the way of every answer */
    if (serving == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_answer_record: there is no serving handle: NULL was given");
    r.serving = serving;
    r.err = err;
    r.is_partial = false;
    r.input[0] = r.output[0] = '\0';
    struct ol_error what;
    ol_status status = ol__answer_copy(answer, &r.answer, &what);
    if (status != OL_OK)
        return ol__client_refused(serving->client, status, &what, err);
    if (serving->is_filtered)
        return ol__error_set(err, OL_DISABLED, "a filter matches the job's name");
    if (atomic_load_explicit(&serving->run->has_ended, memory_order_acquire))
        return refuse(&r, OL_INVALID, "the run has had its COMPLETE, FAIL or ABORT");
    check(&r);
    if (!r.answer.time_ms.is_set)
        r.answer.time_ms.value = ol__time_now_ms();
    if (r.answer.input != NULL)
        hash_bytes(serving, r.answer.input, r.answer.input_size, r.input);
    if (r.answer.output != NULL)
        hash_bytes(serving, r.answer.output, r.answer.output_size, r.output);
    struct ol__buf *line = ol__client_take_buffer(serving->client);
    if (line == NULL)
        return refuse(&r, OL_NOMEM, "out of memory");
    status = write_and_hand_over(&r, line);
    ol__client_give_buffer(serving->client, line);
    return status == OL_OK && r.is_partial ? OL_PARTIAL : status;
}
