/* SPDX-License-Identifier: Apache-2.0 */
/* What the server library is lax about (it takes two lengths, a length beside a transfer coding, no
 * Host): behind a proxy that reads such a request differently, one request could be smuggled inside
 * another's body. */
#include "http_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static bool is_token(const char *text, size_t size)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c != 0 && strchr(marks, c) != NULL)))
            return false;
    }
    return size > 0;
}

static bool is_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind OL_UNUSED, const char *key,
                                  size_t key_size, const char *value, size_t value_size)
{
    struct http_fields *f = arg;
    if (!is_token(key, key_size) || !is_value(value, value_size))
        f->is_malformed = true;
    if (value == NULL)
        value = "";
    const struct {
        const char *name;
        const char **value;
        unsigned *count;
    } known[] = {
        {"Host", &f->host, &f->hosts},
        {"Content-Type", &f->content_type, &f->content_types},
        {"Content-Length", &f->content_length, &f->content_lengths},
        {"Content-Encoding", &f->content_encoding, &f->content_encodings},
        {"Transfer-Encoding", &f->transfer_encoding, &f->transfer_encodings},
        {"Authorization", &f->authorization, NULL},
        {"Expect", &f->expect, NULL},
    };
    unsigned char first = (unsigned char)key[0] | 0x20;
    if (first != 'h' && first != 'c' && first != 't' && first != 'a' && first != 'e')
        return MHD_YES;
    for (size_t i = 0; i < OL_COUNT(known); i++)
        if (strcasecmp(key, known[i].name) == 0) {
            *known[i].value = value;
            if (known[i].count != NULL)
                (*known[i].count)++;
        }
    return MHD_YES;
}

void http_fields_read(struct MHD_Connection *connection, struct http_fields *ret)
{
    *ret = (struct http_fields){0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_field, ret);
}

/* host [":" port], nothing that belongs to another part of a URI. */
static bool is_host(const char *host)
{
    for (const char *p = host; *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f ||
            strchr("/\\?#@,\"<>{}|^`", *p) != NULL)
            return false;
    const char *colon = strrchr(host, ':');
    if (colon != NULL && strchr(colon, ']') == NULL)
        for (const char *p = colon + 1; *p != '\0'; p++)
            if (*p < '0' || *p > '9')
                return false;
    return host[0] != '\0' && host[0] != ':';
}

static int check_length(struct http_request *r, const char **ret_why)
{
    const struct http_fields *f = &r->fields;
    r->length = 0;
    if (f->transfer_encodings > 0) {
        if (f->content_lengths > 0) {
            *ret_why = "both Content-Length and Transfer-Encoding";
            return MHD_HTTP_BAD_REQUEST;
        }
        if (f->transfer_encodings > 1 || strcasecmp(f->transfer_encoding, "chunked") != 0) {
            *ret_why = "Transfer-Encoding: expected chunked";
            return MHD_HTTP_NOT_IMPLEMENTED;
        }
        r->length = UINT64_MAX;
    }
    if (f->content_lengths > 1) {
        *ret_why = "more than one Content-Length";
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f->content_lengths == 1) {
        size_t digits = strspn(f->content_length, "0123456789");
        if (digits == 0 || digits > 18 || f->content_length[digits] != '\0') {
            *ret_why = "Content-Length: expected a number";
            return MHD_HTTP_BAD_REQUEST;
        }
        r->length = strtoull(f->content_length, NULL, 10);
    }
    return 0;
}

int http_check_framing(struct http_request *r, const char *version, const char **ret_why)
{
    const struct http_fields *f = &r->fields;
    bool is_1_1 = strcmp(version, "HTTP/1.1") == 0;
    if (!is_1_1 && strcmp(version, "HTTP/1.0") != 0) {
        *ret_why = "expected HTTP/1.1 or HTTP/1.0";
        return MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED;
    }
    if (f->is_malformed) {
        *ret_why = "a header field with a forbidden character";
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f->hosts > 1 || (f->hosts == 0 && is_1_1)) {
        *ret_why = f->hosts > 1 ? "more than one Host" : "no Host";
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f->hosts == 1 && f->host[0] != '\0' && !is_host(f->host)) {
        *ret_why = "Host: expected a name or an address, and a port";
        return MHD_HTTP_BAD_REQUEST;
    }
    if (f->transfer_encodings > 0 && !is_1_1) {
        *ret_why = "Transfer-Encoding needs HTTP/1.1";
        return MHD_HTTP_BAD_REQUEST;
    }
    return check_length(r, ret_why);
}

/* application/json, with parameters; a charset must be one that JSON is. */
static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    type += strspn(type, " \t");
    if (strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    type += sizeof json - 1;
    type += strspn(type, " \t");
    if (*type != '\0' && *type != ';')
        return false;
    const char *charset = strcasestr(type, "charset=");
    if (charset == NULL)
        return true;
    charset += strlen("charset=");
    charset += *charset == '"';
    size_t size = strcspn(charset, "\"; \t");
    return (size == 5 && strncasecmp(charset, "utf-8", 5) == 0) ||
           (size == 4 && strncasecmp(charset, "utf8", 4) == 0) ||
           (size == 8 && strncasecmp(charset, "us-ascii", 8) == 0);
}

static int check_post(struct http_request *r, const char **ret_why)
{
    const struct http_fields *f = &r->fields;
    if (f->content_types != 1 || !is_json_type(f->content_type)) {
        *ret_why = "Content-Type: expected application/json (in UTF-8)";
        return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    if (f->content_encodings > 0 && strcasecmp(f->content_encoding, "identity") != 0) {
        if (f->content_encodings > 1 || (strcasecmp(f->content_encoding, "gzip") != 0 &&
                                         strcasecmp(f->content_encoding, "x-gzip") != 0)) {
            *ret_why = "Content-Encoding: expected gzip or none";
            return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
        }
        r->is_gzip = true;
    }
    if (r->length != UINT64_MAX &&
        r->length > (uint64_t)r->listener->door->agent->config->http_max_body) {
        *ret_why = "body larger than intake.http.max_body";
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    return 0;
}

int http_check_request(struct http_request *r, const char *method, const char **ret_why)
{
    bool is_post = strcmp(method, "POST") == 0;
    bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    switch (r->kind) {
    case HTTP_EVENT:
    case HTTP_BATCH:
        if (is_post)
            return check_post(r, ret_why);
        *ret_why = "events are taken with POST";
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    case HTTP_HEALTH:
    case HTTP_METRICS:
        if (is_get)
            return 0;
        *ret_why = "only GET";
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    case HTTP_NOWHERE:
        break;
    }
    *ret_why = "events are taken on paths that end in /lineage or /lineage/batch";
    return MHD_HTTP_NOT_FOUND;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
    size_t end_size = strlen(end);
    return size >= end_size && memcmp(text + size - end_size, end, end_size) == 0;
}

enum http_kind http_path_kind(const struct agent_config *config, const char *url)
{
    size_t size = strlen(url);
    while (size > 1 && url[size - 1] == '/')
        size--;
    if (size == 8 && memcmp(url, "/healthz", 8) == 0)
        return HTTP_HEALTH;
    if (size == 8 && memcmp(url, "/metrics", 8) == 0)
        return HTTP_METRICS;
    if (ends_with(url, size, "/lineage"))
        return HTTP_EVENT;
    if (ends_with(url, size, "/lineage/batch"))
        return HTTP_BATCH;
    for (size_t i = 0; i < config->http_paths.count; i++) {
        const char *path = config->http_paths.items[i];
        size_t path_size = strlen(path);
        if (strcmp(path, "*") == 0)
            return ends_with(url, size, "/batch") ? HTTP_BATCH : HTTP_EVENT;
        while (path_size > 1 && path[path_size - 1] == '/')
            path_size--;
        if (size >= path_size && memcmp(url, path, path_size) == 0) {
            if (size == path_size)
                return HTTP_EVENT;
            if (size - path_size == 6 && memcmp(url + path_size, "/batch", 6) == 0)
                return HTTP_BATCH;
        }
    }
    return HTTP_NOWHERE;
}
