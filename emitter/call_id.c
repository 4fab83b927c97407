/* SPDX-License-Identifier: Apache-2.0 */
/* What a call is known by on both sides: the id that is sent along, and where it goes. */
#include <stdlib.h>
#include "call_impl.h"
#include "run_ids.h"

#define RUN_MAX 128
#define ATTEMPT_MAX 32
#define CALL_MAX 128

/* ---- the client request id ---- */

static bool is_plain(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '%' && c != ';' && c != '=' && c != ',';
}

/* @p value encoded into at most @p max bytes of @p out, cut between characters. */
static size_t encode(const char *value, size_t max, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;
    while (*value != '\0') {
        size_t bytes = 1, need = 0; /* of this character, as UTF-8 has them */
        while (bytes < 4 && ((unsigned char)value[0] & 0xc0) == 0xc0 &&
               ((unsigned char)value[bytes] & 0xc0) == 0x80)
            bytes++;
        for (size_t i = 0; i < bytes; i++)
            need += is_plain((unsigned char)value[i]) ? 1 : 3;
        if (size + need > max)
            break;
        for (; bytes > 0; bytes--, value++) {
            unsigned char c = (unsigned char)*value;
            if (is_plain(c)) {
                out[size++] = (char)c;
                continue;
            }
            out[size++] = '%';
            out[size++] = digits[c >> 4];
            out[size++] = digits[c & 15];
        }
    }
    return size;
}

static size_t add_value(char *out, size_t at, const char *key, const char *value, size_t max)
{
    if (value == NULL || value[0] == '\0')
        return at;
    if (at > 0)
        out[at++] = ';';
    while (*key != '\0')
        out[at++] = *key++;
    return at + encode(value, max, out + at);
}

static void write_id(const char *const values[4], char out[OL_CALL_CLIENT_ID_MAX + 1])
{
    char tail[ATTEMPT_MAX + CALL_MAX + 32];
    size_t tail_size = add_value(tail, 0, "attempt=", values[2], ATTEMPT_MAX);
    tail_size = add_value(tail, tail_size, "call=", values[3], CALL_MAX);
    size_t at = add_value(out, 0, "run=", values[0], RUN_MAX);
    at = add_value(out, at, "step=", values[1],
                   OL_CALL_CLIENT_ID_MAX - at - strlen(";step=;") - tail_size);
    if (at > 0 && tail_size > 0)
        out[at++] = ';';
    memcpy(out + at, tail, tail_size);
    out[at + tail_size] = '\0';
}

/* The root run's id, and the run's own where a parent facet names nobody. */
static ol_status find_root_id(const struct ol_run *run, char out[OL_UUID_TEXT + 1])
{
    struct ol__origin root = {0};
    ol_status status = ol__run_find_root(run, &root);
    memcpy(out, status == OL_OK ? root.run_id : run->run_id, OL_UUID_TEXT + 1);
    ol__origin_release(&root);
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

ol_status ol__call_make_id(struct ol_call *call, const struct ol_run *run)
{
    const struct ol_call_options *o = &call->o;
    const char *values[4] = {o->run_id, o->step, o->attempt, o->call_id};
    if (values[3] == NULL && call->own != NULL)
        values[3] = call->own->run_id;
    if (run == NULL) {
        write_id(values, call->client_id);
        return OL_OK;
    }
    struct ol__run_ids known;
    char root_id[OL_UUID_TEXT + 1];
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    if (status == OL_OK)
        status = find_root_id(run, root_id);
    char *job_name = strndup(run->parent_id + run->namespace_size + 1, run->name_size);
    if (job_name == NULL)
        status = OL_NOMEM;
    if (status == OL_OK) {
        if (values[0] == NULL)
            values[0] = known.ids.run_id != NULL ? known.ids.run_id : root_id;
        if (values[1] == NULL)
            values[1] = known.ids.step != NULL ? known.ids.step : job_name;
        if (values[2] == NULL)
            values[2] = known.ids.attempt;
        write_id(values, call->client_id);
    }
    free(job_name);
    ol__run_ids_release(&known);
    return status;
}

const char *ol_call_client_request_header(const struct ol_call *call)
{
    if (call == NULL)
        return NULL;
    return strncmp(call->o.provider, "azure", 5) == 0 ? "x-ms-client-request-id"
                                                      : "X-Client-Request-Id";
}

/* ---- the endpoint ---- */

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

/* HOST, HOST:PORT, [V6]:PORT. */
static bool read_authority(struct ol_call *call, struct ol__span a)
{
    size_t size = 0;
    if (a.size > 0 && a.data[0] == '[') {
        const char *end = memchr(a.data, ']', a.size);
        size = end != NULL ? (size_t)(end - a.data) + 1 : 0;
        for (size_t i = 1; i + 1 < size; i++)
            if (a.data[i] != ':' && a.data[i] != '.' && ol__hex_value(a.data[i]) < 0)
                return false;
    } else {
        while (size < a.size && is_host_char(a.data[size]))
            size++;
    }
    if (size == 0 || size > OL_CALL_HOST_MAX || (size < a.size && a.data[size] != ':'))
        return false;
    memcpy(call->host, a.data, size);
    call->host[size] = '\0';
    if (size == a.size)
        return true;
    int64_t port = 0;
    struct ol__span digits = {a.data + size + 1, a.size - size - 1};
    if (digits.size > 5 || !ol__call_number(digits, &port) || port < 1 || port > 65535)
        return false;
    call->port = (int)port;
    return true;
}

/* Percent signs decoded. */
static void set_model(struct ol_call *call, const char *from, size_t size)
{
    char text[OL_CALL_TEXT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (n == sizeof text)
            return;
        int high = from[i] == '%' && i + 2 < size ? ol__hex_value(from[i + 1]) : -1;
        int low = high >= 0 ? ol__hex_value(from[i + 2]) : -1;
        text[n++] = low >= 0 ? (char)(high << 4 | low) : from[i];
        i += low >= 0 ? 2 : 0;
    }
    OL_IGNORE(ol__call_text_set(&call->url_model, (struct ol__span){text, n}), "else it is none");
}

/* Azure, Bedrock, Gemini and Vertex name the model in the path. */
static void find_model(struct ol_call *call)
{
    static const char *const marks[] = {"/deployments/", "/models/", "/model/"};
    for (size_t i = 0; i < OL_COUNT(marks); i++) {
        const char *at = strstr(call->path, marks[i]);
        if (at == NULL)
            continue;
        at += strlen(marks[i]);
        set_model(call, at, strcspn(at, i == 1 ? "/:" : "/"));
        return;
    }
}

ol_status ol__call_read_endpoint(struct ol_call *call, struct ol_error *err)
{
    const char *text = call->o.endpoint;
    if (text == NULL)
        return OL_OK;
    const char *mark = strstr(text, "://");
    size_t scheme = mark != NULL ? (size_t)(mark - text) : 0;
    const char *authority = mark != NULL ? mark + 3 : text;
    size_t size = strcspn(authority, "/?#");
    struct ol__span host = {authority, size};
    for (size_t i = 0; i < size; i++)
        if (authority[i] == '@') /* the last one */
            host = (struct ol__span){authority + i + 1, size - i - 1};
    const char *path = authority + size;
    size_t path_size = strcspn(path, "?#");
    bool is_clean = true;
    for (size_t i = 0; i < path_size; i++)
        is_clean = is_clean && (unsigned char)path[i] > 0x20 && (unsigned char)path[i] != 0x7f;
    if (mark == NULL || (strncasecmp(text, "https", scheme) != 0 || scheme < 4 || scheme > 5) ||
        !is_clean || !read_authority(call, host))
        return ol__error_set(err, OL_INVALID,
                             "ol_call_options.endpoint: expected http:// or https:// with a host, a"
                             " port that is a number, and a path without spaces");
    call->url = malloc(scheme + 3 + host.size + path_size + 1);
    if (call->url == NULL)
        return ol__error_set(err, OL_NOMEM, "ol_call_new: out of memory");
    char *at = call->url;
    memcpy(at, text, scheme + 3);
    at += scheme + 3;
    memcpy(at, host.data, host.size);
    at += host.size;
    memcpy(at, path, path_size);
    at[path_size] = '\0';
    call->path = at;
    find_model(call);
    return OL_OK;
}
