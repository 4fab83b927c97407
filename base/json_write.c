/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What is in the buffer is valid UTF-8 and one line: control characters are escaped, bad bytes
 *     become U+FFFD. (ol__json_raw() is vouched for by its caller.)
 *  2. A string is appended whole or, on failure, not at all.
 *  3. Nothing here looks at the locale.
 * Plain bytes are copied in runs of 16 (SSE2) or 8; only what needs an escape is looked at singly.
 */
#include "json_write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "utf8.h"

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

void ol__json_writer_init(struct ol__json_writer *w, struct ol__buf *out)
{
    *w = (struct ol__json_writer){.out = out};
}

/* Room for @p size more bytes, and OL_BUF_SLACK behind them, with the usual case in line. */
static inline char *room_for(struct ol__buf *buf, size_t size)
{
    if (buf->status == OL_OK && size + OL_BUF_SLACK < buf->cap - buf->size &&
        size <= buf->max - buf->size)
        return buf->data + buf->size;
    return ol__buf_room(buf, size);
}

/* Take what was written up to @p end, unless it passes the ceiling. */
static inline void put_end(struct ol__buf *buf, size_t start, char *end)
{
    size_t size = (size_t)(end - buf->data);
    if (size > buf->max) {
        buf->status = OL_TOO_LARGE;
        size = start;
    }
    buf->size = size;
    buf->data[size] = '\0';
}

static inline uint64_t level(const struct ol__json_writer *w)
{
    return UINT64_C(1) << (w->depth - 1);
}

/* Bytes (at most one) of the comma due before the next member or element. */
static inline char *put_comma(struct ol__json_writer *w, char *p)
{
    if (w->has_key) {
        w->has_key = false;
        return p;
    }
    if (w->depth == 0)
        return p;
    if ((w->has_member & level(w)) != 0)
        *p++ = ',';
    w->has_member |= level(w);
    return p;
}

/* A value may stand here: in an array, after a key, or as the only one. */
static inline void assert_value(const struct ol__json_writer *w)
{
    assert(w->depth == 0 || w->has_key || (w->is_array & level(w)) != 0);
    (void)w;
}

static void put_token(struct ol__json_writer *w, const char *text, size_t size)
{
    if (w->out->status != OL_OK) /* and then the nesting is no longer kept */
        return;
    assert_value(w);
    size_t start = w->out->size;
    char *p = room_for(w->out, size);
    if (p == NULL)
        return;
    p = put_comma(w, p); /* into the slack, maybe */
    memcpy(p, text, size);
    put_end(w->out, start, p + size);
}

/* What stands after the backslash for a byte that must be escaped; 0: \u00XX. */
static inline char escape_of(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '\r':
        return 'r';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

/* Write the one special byte or character at *s (moved on) to p. At most 6 bytes. */
static char *put_special(char *p, const unsigned char **s, const unsigned char *end)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char c = **s;
    if (c >= 0x80) {
        int size = ol__utf8_size(*s, end);
        if (size > 0) {
            memcpy(p, *s, (size_t)size);
            *s += size;
            return p + size;
        }
        *s -= size;
        *p++ = '\xef'; /* U+FFFD */
        *p++ = '\xbf';
        *p++ = '\xbd';
        return p;
    }
    (*s)++;
    *p++ = '\\';
    char letter = escape_of(c);
    if (letter != '\0') {
        *p++ = letter;
        return p;
    }
    *p++ = 'u';
    *p++ = '0';
    *p++ = '0';
    *p++ = hex[c >> 4];
    *p++ = hex[c & 15];
    return p;
}

static inline bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Whether none of eight bytes is a control character, quote, backslash or above 0x7f. */
static inline bool are_plain_8(uint64_t v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = v ^ (ones * '"');
    uint64_t slash = v ^ (ones * '\\');
    return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & ones << 7) == 0;
}

/* Copy 4 to 15 bytes, as two pieces that overlap, if all are plain. */
static inline bool put_short(char *p, const unsigned char *s, size_t size)
{
    uint64_t first = 0;
    uint64_t last = 0;
    if (size >= 8) {
        memcpy(&first, s, 8);
        memcpy(&last, s + size - 8, 8);
        if (!are_plain_8(first) || !are_plain_8(last))
            return false;
        memcpy(p, &first, 8);
        memcpy(p + size - 8, &last, 8);
        return true;
    }
    uint32_t head = 0;
    uint32_t tail = 0;
    memcpy(&head, s, 4);
    memcpy(&tail, s + size - 4, 4);
    if (!are_plain_8((uint64_t)tail << 32 | head))
        return false;
    memcpy(p, &head, 4);
    memcpy(p + size - 4, &tail, 4);
    return true;
}

/* Copy plain bytes from *s to p until a special one or the end; both moved on. There is room for
 * all. */
static inline char *put_plain(char *p, const unsigned char **from, const unsigned char *end)
{
    const unsigned char *s = *from;
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x20);
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    while (end - s >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
        _mm_storeu_si128((__m128i *)(void *)p, v); /* what is wrong in it is written over */
        /* signed: bytes from 0x80 are below zero, so below a space */
        __m128i bad =
            _mm_or_si128(_mm_cmplt_epi8(v, space),
                         _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);
        if (mask != 0) {
            unsigned good = (unsigned)__builtin_ctz(mask);
            *from = s + good;
            return p + good;
        }
        s += 16;
        p += 16;
    }
#else
    for (uint64_t v; end - s >= 16; s += 8, p += 8) {
        memcpy(&v, s, 8);
        if (!are_plain_8(v))
            break;
        memcpy(p, &v, 8);
    }
#endif
    size_t rest = (size_t)(end - s);
    if (rest >= 4 && rest < 16 && put_short(p, s, rest)) {
        *from = end;
        return p + rest;
    }
    while (s < end && is_plain(*s))
        *p++ = (char)*s++;
    *from = s;
    return p;
}

/* Append the text in quotes, after a comma if one is due; with a colon if it is a key. What comes
 * out is never shorter than the text, so the room asked for is the least that will do; the comma,
 * the colon and one escape fit into the slack, and the ceiling is looked at once more at the end.
 */
static void put_string(struct ol__json_writer *w, struct ol__span text, bool is_key)
{
    struct ol__buf *out = w->out;
    const unsigned char *s = (const unsigned char *)(text.size > 0 ? text.data : "");
    const unsigned char *end = s + text.size;
    const size_t start = out->size;
    char *p = room_for(out, text.size + 2);
    if (p == NULL)
        return;
    p = put_comma(w, p);
    *p++ = '"';
    while (true) {
        p = put_plain(p, &s, end);
        if (s == end)
            break;
        p = put_special(p, &s, end);
        if ((size_t)(p - out->data) > out->max) {
            out->status = OL_TOO_LARGE;
            break;
        }
        out->size = (size_t)(p - out->data); /* what stands before it is kept when the bytes move */
        p = room_for(out, (size_t)(end - s));
        if (p == NULL)
            break;
    }
    if (p == NULL || out->status != OL_OK) { /* promise 2 */
        ol__buf_truncate(out, start);
        return;
    }
    *p++ = '"';
    if (is_key)
        *p++ = ':';
    put_end(out, start, p);
}

/* Copy a few bytes, as two pieces that overlap. */
static inline char *put_known(char *p, const char *s, size_t size)
{
    if (size >= 16) {
        memcpy(p, s, size);
    } else if (size >= 8) {
        memcpy(p, s, 8);
        memcpy(p + size - 8, s + size - 8, 8);
    } else if (size >= 4) {
        memcpy(p, s, 4);
        memcpy(p + size - 4, s + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            p[i] = s[i];
    }
    return p + size;
}

/* The comma that is due and `"key":`; there is room for them. */
static inline char *put_key(struct ol__json_writer *w, char *p, const char *key, size_t size)
{
    assert(w->depth > 0 && !w->has_key && (w->is_array & level(w)) == 0);
    p = put_comma(w, p);
    *p++ = '"';
    p = put_known(p, key, size);
    *p++ = '"';
    *p++ = ':';
    return p;
}

void ol__json_key_known(struct ol__json_writer *w, const char *key, size_t size)
{
    size_t start = w->out->size;
    char *p = room_for(w->out, size + 3); /* the comma may go into the slack */
    if (p == NULL)
        return;
    put_end(w->out, start, put_key(w, p, key, size));
    w->has_key = true;
}

void ol__json_member_known(struct ol__json_writer *w, const char *key, size_t size,
                           const char *text)
{
    size_t text_size = strlen(text);
    size_t start = w->out->size;
    char *p = room_for(w->out, size + text_size + 5);
    if (p == NULL)
        return;
    p = put_key(w, p, key, size);
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char *text_end = s + text_size;
    char *value = p;
    *p++ = '"';
    p = put_plain(p, &s, text_end);
    if (s == text_end) {
        *p++ = '"';
        put_end(w->out, start, p);
        return;
    }
    put_end(w->out, start, value); /* something needs an escape: write the value the long way */
    w->has_key = true;
    put_string(w, (struct ol__span){text, text_size}, false);
}

static void begin(struct ol__json_writer *w, char c, bool is_array)
{
    if (w->depth >= OL_JSON_WRITE_DEPTH_MAX) {
        assert(!"JSON nested too deeply");
        if (w->out->status == OL_OK)
            w->out->status = OL_TOO_LARGE;
        return;
    }
    if (w->out->status != OL_OK)
        return; /* nothing is written any more, so the depth no longer matters */
    assert_value(w);
    size_t start = w->out->size;
    char *p = room_for(w->out, 1);
    if (p == NULL)
        return;
    p = put_comma(w, p);
    *p++ = c;
    put_end(w->out, start, p);
    if (w->out->status != OL_OK)
        return;
    w->depth++;
    w->has_member &= ~level(w);
    if (is_array)
        w->is_array |= level(w);
    else
        w->is_array &= ~level(w);
}

static void end(struct ol__json_writer *w, char c, bool is_array)
{
    if (w->out->status != OL_OK)
        return;
    assert(w->depth > 0 && !w->has_key && ((w->is_array & level(w)) != 0) == is_array);
    (void)is_array;
    size_t start = w->out->size;
    char *p = room_for(w->out, 1);
    if (p == NULL)
        return;
    *p++ = c;
    put_end(w->out, start, p);
    w->depth--;
}

void ol__json_begin_object(struct ol__json_writer *w)
{
    begin(w, '{', false);
}

void ol__json_end_object(struct ol__json_writer *w)
{
    end(w, '}', false);
}

void ol__json_begin_array(struct ol__json_writer *w)
{
    begin(w, '[', true);
}

void ol__json_end_array(struct ol__json_writer *w)
{
    end(w, ']', true);
}

void ol__json_key_span(struct ol__json_writer *w, struct ol__span key)
{
    if (w->out->status != OL_OK)
        return;
    assert(w->depth > 0 && !w->has_key && (w->is_array & level(w)) == 0);
    put_string(w, key, true);
    w->has_key = true;
}

void ol__json_key(struct ol__json_writer *w, const char *key)
{
    ol__json_key_span(w, ol__span_text(key));
}

void ol__json_span(struct ol__json_writer *w, struct ol__span text)
{
    if (w->out->status != OL_OK)
        return;
    assert_value(w);
    put_string(w, text, false);
}

void ol__json_text(struct ol__json_writer *w, const char *text)
{
    if (text == NULL)
        ol__json_null(w);
    else
        ol__json_span(w, ol__span_text(text));
}

/* Write @p value so that it ends at @p end; @return where it starts. At most 20 digits. */
static char *put_digits(char *end, uint64_t value)
{
    while (value >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + value * 2, 2);
    } else {
        *--end = (char)('0' + value);
    }
    return end;
}

void ol__json_uint(struct ol__json_writer *w, uint64_t value)
{
    char text[24];
    char *start = put_digits(text + sizeof text, value);
    put_token(w, start, (size_t)(text + sizeof text - start));
}

void ol__json_int(struct ol__json_writer *w, int64_t value)
{
    char text[24];
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *start = put_digits(text + sizeof text, size);
    if (value < 0)
        *--start = '-';
    put_token(w, start, (size_t)(text + sizeof text - start));
}

/* Most numbers that people write have few digits behind the point: those without printf. The same
 * text as "%.15g", since 15 digits always survive. @return whether it was one. */
static bool put_decimal(struct ol__json_writer *w, double value)
{
    double size = fabs(value);
    if (!(size >= 1e-4 && size < 1e9))
        return false;
    uint64_t millionths = (uint64_t)(size * 1e6 + 0.5);
    if ((double)millionths / 1e6 != size) /* a correctly rounded quotient, as a reader's is */
        return false;
    char text[32];
    uint64_t fraction = millionths % 1000000;
    char *end = text + 20;
    char *start = put_digits(end, millionths / 1000000);
    if (value < 0)
        *--start = '-';
    *end++ = '.';
    for (; fraction > 0; fraction %= 1000000) {
        fraction *= 10;
        *end++ = (char)('0' + fraction / 1000000);
    }
    put_token(w, start, (size_t)(end - start));
    return true;
}

void ol__json_real(struct ol__json_writer *w, double value)
{
    if (!isfinite(value)) {
        ol__json_null(w);
        return;
    }
    const double exact = 9007199254740992.0; /* 2^53 */
    if (value > -exact && value < exact && value == (double)(int64_t)value &&
        !(value == 0 && signbit(value))) {
        ol__json_int(w, (int64_t)value);
        return;
    }
    if (put_decimal(w,
                    value)) /* whole numbers were dealt with: there is a digit behind the point */
        return;
    char text[64]; /* 17 digits, sign, exponent, and a decimal point that a locale made long */
    /* 15 digits always survive, so fewer show as dropped zeros; below DBL_MIN fewer may be enough.
     */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        OL_IGNORE(snprintf(text, sizeof text, "%.*g", digits, value), "it fits");
        if (strtod(text, NULL) == value)
            break;
    }
    /* Promise 3: the host may have set a locale whose decimal point is a comma, or several bytes.
     */
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        bool is_point = strchr("+-0123456789e", *from) == NULL;
        if (!is_point)
            *to++ = *from;
        else if (to > text && to[-1] != '.')
            *to++ = '.';
    }
    put_token(w, text, (size_t)(to - text));
}

void ol__json_bool(struct ol__json_writer *w, bool value)
{
    if (value)
        put_token(w, "true", 4);
    else
        put_token(w, "false", 5);
}

void ol__json_null(struct ol__json_writer *w)
{
    put_token(w, "null", 4);
}

void ol__json_raw(struct ol__json_writer *w, struct ol__span json)
{
    assert(json.size > 0);
    put_token(w, json.data, json.size);
}

void ol__json_member_text(struct ol__json_writer *w, const char *key, const char *text)
{
    ol__json_key(w, key);
    ol__json_text(w, text);
}

void ol__json_member_text_opt(struct ol__json_writer *w, const char *key, const char *text)
{
    if (text != NULL)
        ol__json_member_text(w, key, text);
}

void ol__json_member_span(struct ol__json_writer *w, const char *key, struct ol__span text)
{
    ol__json_key(w, key);
    ol__json_span(w, text);
}

void ol__json_member_int(struct ol__json_writer *w, const char *key, int64_t value)
{
    ol__json_key(w, key);
    ol__json_int(w, value);
}

void ol__json_member_uint(struct ol__json_writer *w, const char *key, uint64_t value)
{
    ol__json_key(w, key);
    ol__json_uint(w, value);
}

void ol__json_member_bool(struct ol__json_writer *w, const char *key, bool value)
{
    ol__json_key(w, key);
    ol__json_bool(w, value);
}
