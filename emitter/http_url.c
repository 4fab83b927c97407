/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go. The Python client resolves `endpoint` against `url` and loses a path that does
 * not end in a slash; the Java client takes a path in `url` as it is and has no endpoint then. Both
 * are kept: an endpoint that is told is resolved, a path without one stays. */
#include <ctype.h>
#include <strings.h>
#include "transport_http.h"

#define DEFAULT_ENDPOINT "api/v1/lineage"

static void add_percent(struct ol__buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 128 && (isalnum(c) || strchr("-._~", c) != NULL))
            ol__buf_add_char(out, (char)c);
        else
            ol__buf_add_format(out, "%%%02X", c);
    }
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static void add_decoded(struct ol__buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = i + 2 < size && text[i] == '%' ? hex(text[i + 1]) : -1;
        int low = high >= 0 ? hex(text[i + 2]) : -1;
        ol__buf_add_char(out, low >= 0 ? (char)(high * 16 + low) : text[i]);
        i += low >= 0 ? 2 : 0;
    }
}

/* Scheme and authority go to @p url, or a socket's path to @p socket; @return the path after it. */
static const char *take_authority(const char *text, struct ol__buf *url, struct ol__buf *socket)
{
    if (strncasecmp(text, "unix:", 5) == 0) {
        text += 5;
        while (text[0] == '/' && text[1] == '/') /* unix:///run/x is unix:/run/x */
            text++;
        ol__buf_add_text(socket, text);
        ol__buf_add_text(url, "http://localhost");
        return "";
    }
    const char *authority = strstr(text, "://") + 3;
    size_t size = strcspn(authority, "/?#");
    if (strncasecmp(text, "http+unix://", 12) == 0) {
        add_decoded(socket, authority, size);
        ol__buf_add_text(url, "http://localhost");
    } else {
        ol__buf_add(url, text, (size_t)(authority - text) + size);
    }
    return authority + size;
}

static void add_query(const struct ol__conf *params, const char *query, struct ol__buf *url)
{
    char sign = '?';
    if (*query == '?' && query[1] != '\0' && query[1] != '#') {
        ol__buf_add(url, query, strcspn(query, "#"));
        sign = '&';
    }
    for (const struct ol__conf *c = params != NULL ? params->first : NULL; c != NULL; c = c->next) {
        ol__buf_add_char(url, sign);
        add_percent(url, c->key);
        ol__buf_add_char(url, '=');
        add_percent(url, c->text);
        sign = '&';
    }
}

ol_status ol__http_url(const struct ol__conf *map, struct ol__buf *url, struct ol__buf *socket,
                       struct ol_error *err)
{
    const struct ol__conf *told = ol__key_find(map, OL_KEY_ENDPOINT);
    const char *endpoint = told != NULL ? told->text : NULL;
    const struct ol__conf *base = ol__key_find(map, OL_KEY_URL);
    if (endpoint != NULL && strpbrk(endpoint, " \t\r\n#") != NULL)
        return ol__conf_refuse(told, "a path", err);
    if (strpbrk(base->text, " \t\r\n") != NULL)
        return ol__conf_refuse(base, "http://, https:// or unix:/path, without white space", err);
    const char *path = take_authority(base->text, url, socket);
    size_t size = strcspn(path, "?#");
    if (endpoint == NULL && size <= 1) {
        ol__buf_add_text(url, "/" DEFAULT_ENDPOINT);
    } else if (endpoint == NULL) {
        ol__buf_add(url, path, size);
    } else if (endpoint[0] == '/') {
        ol__buf_add_text(url, endpoint);
    } else {
        size_t keep = size;
        while (keep > 0 && path[keep - 1] != '/')
            keep--;
        ol__buf_add(url, path, keep);
        if (keep == 0)
            ol__buf_add_char(url, '/');
        ol__buf_add_text(url, endpoint);
    }
    add_query(ol__key_find(map, OL_KEY_URL_PARAMS), path + size, url);
    ol_status status = url->status != OL_OK ? url->status : socket->status;
    if (status == OL_OK && socket->size > 100) /* sun_path */
        return ol__conf_refuse(base, "a path of at most 100 bytes", err);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "url: %s", ol_status_name(status));
}
