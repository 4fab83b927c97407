/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_context.h"

#include <stdio.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct ol__span trim(struct ol__span text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* ---- traceparent ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `count` lower-case digits; *ret_is_zero: all are 0. */
static bool is_hex(const char *text, size_t count, bool *ret_is_zero)
{
    *ret_is_zero = true;
    for (size_t i = 0; i < count; i++) {
        if (hex_digit(text[i]) < 0)
            return false;
        if (text[i] != '0')
            *ret_is_zero = false;
    }
    return true;
}

bool ol__traceparent_parse(struct ol__span text, struct ol__trace *ret)
{
    enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };
    bool is_zero;
    text = trim(text);
    const char *t = text.data;
    if (text.size < OL_TRACEPARENT_TEXT || t[2] != '-' || t[SPAN_AT - 1] != '-' ||
        t[FLAGS_AT - 1] != '-')
        return false;
    if (!is_hex(t, 2, &is_zero) || memcmp(t, "ff", 2) == 0)
        return false;
    /* Version 00 ends here; a later one may go on, behind a dash. */
    if (text.size > OL_TRACEPARENT_TEXT && (is_zero || t[OL_TRACEPARENT_TEXT] != '-'))
        return false;
    if (!is_hex(t + TRACE_AT, OL_TRACE_ID_TEXT, &is_zero) || is_zero)
        return false;
    if (!is_hex(t + SPAN_AT, OL_SPAN_ID_TEXT, &is_zero) || is_zero)
        return false;
    if (!is_hex(t + FLAGS_AT, 2, &is_zero))
        return false;
    *ret = (struct ol__trace){.flags = (uint8_t)(hex_digit(t[FLAGS_AT + 1]) & 3)};
    memcpy(ret->trace_id, t + TRACE_AT, OL_TRACE_ID_TEXT);
    memcpy(ret->span_id, t + SPAN_AT, OL_SPAN_ID_TEXT);
    return true;
}

void ol__traceparent_format(const struct ol__trace *trace, char out[OL_TRACEPARENT_TEXT + 1])
{
    snprintf(out, OL_TRACEPARENT_TEXT + 1, "00-%s-%s-%02x", trace->trace_id, trace->span_id,
             (unsigned)trace->flags);
}

static bool is_printable(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] > '~')
            return false; /* char may be signed: bytes from 0x80 are below ' ' or above '~' */
    return true;
}

bool ol__tracestate_is_good(struct ol__span text)
{
    return text.size > 0 && text.size <= OL_TRACESTATE_MAX && is_printable(text);
}

/* ---- baggage ---- */

static bool is_token(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_letter_or_digit =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter_or_digit && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return text.size > 0;
}

static struct ol__span cut(struct ol__span *rest, char at)
{
    const char *found = rest->size > 0 ? memchr(rest->data, at, rest->size) : NULL;
    size_t size = found != NULL ? (size_t)(found - rest->data) : rest->size;
    struct ol__span first = {rest->data, size};
    size_t taken = found != NULL ? size + 1 : size;
    *rest = (struct ol__span){taken > 0 ? rest->data + taken : rest->data, rest->size - taken};
    return first;
}

ol_status ol__baggage_next(struct ol__span *rest, struct ol__baggage_member *ret)
{
    struct ol__span whole = {0};
    while (whole.size == 0) { /* an empty member says nothing */
        if (rest->size == 0)
            return OL_END;
        whole = trim(cut(rest, ','));
    }
    *ret = (struct ol__baggage_member){.whole = whole};
    const char *equals = memchr(whole.data, '=', whole.size);
    if (equals == NULL || !is_printable(whole))
        return OL_INVALID;
    struct ol__span left = whole;
    ret->key = trim(cut(&left, '='));
    ret->value = trim(cut(&left, ';'));
    return is_token(ret->key) ? OL_OK : OL_INVALID;
}

/* baggage-octet of the specification. */
static bool is_octet(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\';
}

ol_status ol__baggage_decode(struct ol__span value, struct ol__buf *out)
{
    size_t size_before = out->size;
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        bool is_good = is_octet(c);
        if (c == '%') {
            int high = value.size - i > 2 ? ol__hex_value(value.data[i + 1]) : -1;
            int low = value.size - i > 2 ? ol__hex_value(value.data[i + 2]) : -1;
            is_good = high >= 0 && low >= 0 && (high | low) != 0;
            c = is_good ? (char)(high << 4 | low) : '\0';
            i += 2;
        }
        if (!is_good) {
            ol__buf_truncate(out, size_before);
            return OL_INVALID;
        }
        ol__buf_add_char(out, c);
    }
    return out->status;
}

void ol__baggage_encode(struct ol__span text, struct ol__buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_octet(text.data[i]) && text.data[i] != '%')
            ol__buf_add_char(out, text.data[i]);
        else
            ol__buf_add_format(out, "%%%02X", (unsigned)(uint8_t)text.data[i]);
    }
}
