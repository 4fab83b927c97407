/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Fixed memory and time linear in the bytes, whatever they are.
 *  2. Of JSON every value that is at most OL_SCAN_PATH_DEPTH deep and whose path has at most
 * OL_SCAN_PATH_MAX bytes is reported once, in order, however the text is cut.
 *  3. Values behind each other at the root (lines of JSON) are one text after the other. */
#include "call_scan.h"

void ol__scan_begin(struct ol__scan *s, ol__scan_handler *handler, void *arg)
{
    s->handler = handler;
    s->arg = arg;
    s->state = OL_SCAN_VALUE;
    s->depth = 0;
    s->path_end[0] = 0;
    s->path[0] = '\0';
    s->roots = 0;
}

static bool in_array(const struct ol__scan *s)
{
    return s->depth > 0 && (s->is_array[(s->depth - 1) / 8] >> ((s->depth - 1) % 8) & 1) != 0;
}

/* The path of the value that is due, from here on: that of its container, and @p step. */
static void set_step(struct ol__scan *s, const char *step, size_t size)
{
    if (s->depth > OL_SCAN_PATH_DEPTH)
        return;
    size_t end = s->path_end[s->depth];
    if (end + 1 + size > OL_SCAN_PATH_MAX) {
        step = "\x01"; /* of no table; two bytes behind the longest path have room */
        size = 1;
    }
    end = OL_MIN(end, (size_t)OL_SCAN_PATH_MAX);
    s->path[end] = '/';
    memcpy(s->path + end + 1, step, size);
    s->path[end + 1 + size] = '\0';
}

static void report(struct ol__scan *s, enum ol__scan_type type, struct ol__span text)
{
    if (s->depth <= OL_SCAN_PATH_DEPTH)
        s->handler(s->arg, s->path, type, text);
}

/* A value ended. */
static void end_value(struct ol__scan *s)
{
    s->state = s->depth > 0 ? OL_SCAN_COMMA_OR_END : OL_SCAN_VALUE;
    if (s->depth > 0)
        return;
    s->roots++;
    s->path[0] = '\0';
}

static void open_container(struct ol__scan *s, bool is_array)
{
    report(s, is_array ? OL_SCAN_ARRAY : OL_SCAN_OBJECT, (struct ol__span){0});
    if (s->depth >= OL_SCAN_DEPTH_MAX) {
        s->state = OL_SCAN_BROKEN;
        return;
    }
    uint8_t bit = (uint8_t)(1U << (s->depth % 8));
    if (is_array)
        s->is_array[s->depth / 8] |= bit;
    else
        s->is_array[s->depth / 8] &= (uint8_t)~bit;
    s->depth++;
    if (s->depth <= OL_SCAN_PATH_DEPTH)
        s->path_end[s->depth] = (uint8_t)OL_MIN(strlen(s->path), (size_t)OL_SCAN_PATH_MAX);
    if (is_array)
        set_step(s, "*", 1);
    s->state = is_array ? OL_SCAN_VALUE_OR_END : OL_SCAN_KEY_OR_END;
}

static void close_container(struct ol__scan *s, char c)
{
    if (s->depth == 0 || in_array(s) != (c == ']')) {
        s->state = OL_SCAN_BROKEN;
        return;
    }
    s->depth--;
    if (s->depth <= OL_SCAN_PATH_DEPTH) {
        s->path[s->path_end[s->depth]] = '\0';
        if (in_array(s))
            set_step(s, "*", 1);
    }
    end_value(s);
}

/* ---- strings ---- */

static void add_byte(struct ol__scan *s, char c)
{
    if (s->text_size < OL_CALL_TEXT_MAX)
        s->text[s->text_size++] = c;
    else
        s->is_long = true;
}

static void add_point(struct ol__scan *s, uint32_t c)
{
    if (c < 0x80) {
        add_byte(s, (char)c);
    } else if (c < 0x800) {
        add_byte(s, (char)(0xc0 | c >> 6));
        add_byte(s, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        add_byte(s, (char)(0xe0 | c >> 12));
        add_byte(s, (char)(0x80 | (c >> 6 & 0x3f)));
        add_byte(s, (char)(0x80 | (c & 0x3f)));
    } else {
        add_byte(s, (char)(0xf0 | c >> 18));
        add_byte(s, (char)(0x80 | (c >> 12 & 0x3f)));
        add_byte(s, (char)(0x80 | (c >> 6 & 0x3f)));
        add_byte(s, (char)(0x80 | (c & 0x3f)));
    }
}

/* A half of a pair that stands alone. */
static void flush_half(struct ol__scan *s)
{
    if (s->half != 0)
        add_point(s, 0xfffd);
    s->half = 0;
}

static void add_unit(struct ol__scan *s, uint32_t unit)
{
    bool is_low = unit >= 0xdc00 && unit < 0xe000;
    if (s->half != 0 && is_low) {
        add_point(s, 0x10000 + ((s->half - 0xd800) << 10) + (unit - 0xdc00));
        s->half = 0;
        return;
    }
    flush_half(s);
    if (unit >= 0xd800 && unit < 0xdc00)
        s->half = unit;
    else
        add_point(s, is_low ? 0xfffd : unit);
}

static void begin_string(struct ol__scan *s, bool is_key)
{
    s->state = OL_SCAN_STRING;
    s->is_key = is_key;
    s->is_long = false;
    s->text_size = 0;
    s->half = 0;
}

static void end_string(struct ol__scan *s)
{
    flush_half(s);
    if (s->is_key) {
        bool is_usable = !s->is_long && s->text_size > 0 &&
                         memchr(s->text, '\0', s->text_size) == NULL &&
                         memchr(s->text, '/', s->text_size) == NULL; /* one of a path's own */
        set_step(s, is_usable ? s->text : "\x01", is_usable ? s->text_size : 1);
        s->state = OL_SCAN_COLON;
        return;
    }
    report(s, OL_SCAN_TEXT, (struct ol__span){s->is_long ? NULL : s->text, s->text_size});
    end_value(s);
}

static void escaped(struct ol__scan *s, char c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    s->state = OL_SCAN_STRING;
    if (c == 'u') {
        s->state = OL_SCAN_UNICODE;
        s->digits = 0;
        s->unit = 0;
    } else if (at != NULL) {
        flush_half(s);
        add_byte(s, to[at - from]);
    } else {
        s->state = OL_SCAN_BROKEN;
    }
}

static void unicode_digit(struct ol__scan *s, char c)
{
    int value = ol__hex_value(c);
    if (value < 0) {
        s->state = OL_SCAN_BROKEN;
        return;
    }
    s->unit = s->unit << 4 | (uint32_t)value;
    if (++s->digits < 4)
        return;
    s->state = OL_SCAN_STRING;
    add_unit(s, s->unit);
}

/* @return bytes taken, at least 1. */
static size_t string_bytes(struct ol__scan *s, const char *data, size_t size)
{
    size_t n = 0;
    while (n < size && data[n] != '"' && data[n] != '\\' && (unsigned char)data[n] >= 0x20)
        n++;
    if (n > 0) {
        flush_half(s);
        size_t room = OL_CALL_TEXT_MAX - s->text_size;
        memcpy(s->text + s->text_size, data, OL_MIN(n, room));
        s->text_size += OL_MIN(n, room);
        s->is_long = s->is_long || n > room;
        return n;
    }
    if (data[0] == '"')
        end_string(s);
    else
        s->state = data[0] == '\\' ? OL_SCAN_ESCAPE : OL_SCAN_BROKEN;
    return 1;
}

/* ---- numbers and literals ---- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
           c == 'E';
}

static void end_word(struct ol__scan *s)
{
    struct ol__span text = {s->text, s->text_size};
    char first = s->text[0];
    bool is_number = (first >= '0' && first <= '9') || first == '-';
    enum ol__scan_type type = OL_SCAN_NUMBER;
    if (ol__span_equal(text, OL_SPAN_LIT("null")))
        type = OL_SCAN_NULL;
    else if (ol__span_equal(text, OL_SPAN_LIT("true")))
        type = OL_SCAN_TRUE;
    else if (ol__span_equal(text, OL_SPAN_LIT("false")))
        type = OL_SCAN_FALSE;
    else if (!is_number) {
        s->state = OL_SCAN_BROKEN;
        return;
    }
    if (s->is_long)
        text.data = NULL;
    report(s, type, text);
    end_value(s);
}

/* ---- all ---- */

static void begin_value(struct ol__scan *s, char c)
{
    if (c == '{' || c == '[') {
        open_container(s, c == '[');
    } else if (c == '"') {
        begin_string(s, false);
    } else if (is_word(c)) {
        s->state = OL_SCAN_WORD;
        s->is_long = false;
        s->text[0] = c;
        s->text_size = 1;
    } else {
        s->state = OL_SCAN_BROKEN;
    }
}

static void between(struct ol__scan *s, char c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return;
    switch (s->state) {
    case OL_SCAN_VALUE_OR_END:
        if (c == ']')
            close_container(s, c);
        else
            begin_value(s, c);
        return;
    case OL_SCAN_VALUE:
        begin_value(s, c);
        return;
    case OL_SCAN_KEY_OR_END:
    case OL_SCAN_KEY:
        if (c == '"')
            begin_string(s, true);
        else if (c == '}' && s->state == OL_SCAN_KEY_OR_END)
            close_container(s, c);
        else
            s->state = OL_SCAN_BROKEN;
        return;
    case OL_SCAN_COLON:
        s->state = c == ':' ? OL_SCAN_VALUE : OL_SCAN_BROKEN;
        return;
    default: /* OL_SCAN_COMMA_OR_END */
        if (c == ',')
            s->state = in_array(s) ? OL_SCAN_VALUE : OL_SCAN_KEY;
        else
            close_container(s, c);
        return;
    }
}

void ol__scan_add(struct ol__scan *s, const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && s->state != OL_SCAN_BROKEN) {
        switch (s->state) {
        case OL_SCAN_STRING:
            at += string_bytes(s, data + at, size - at);
            break;
        case OL_SCAN_ESCAPE:
            escaped(s, data[at++]);
            break;
        case OL_SCAN_UNICODE:
            unicode_digit(s, data[at++]);
            break;
        case OL_SCAN_WORD:
            if (is_word(data[at]))
                add_byte(s, data[at++]);
            else
                end_word(s); /* the byte behind it is looked at again */
            break;
        default:
            between(s, data[at++]);
        }
    }
}
