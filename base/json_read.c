/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Offsets are exact. They do not come from yajl but from a cursor kept in step with it: between
 * the tokens it reports there is nothing but white space, commas and colons, and each token's
 * length is known or found by a scan for the closing quote.
 *  2. Text that passes is valid UTF-8 in full: ours is checked before yajl sees it, since yajl lets
 * overlong forms and surrogates pass. Decoded text is so too: an escape that is half of a surrogate
 * pair, which yajl would turn into garbage, becomes U+FFFD. We decode, yajl only checks.
 *  3. yajl's memory is an arena of the reader's. yajl does not look whether an allocation failed,
 * so a failure leaves it by longjmp; nothing is lost, as the arena owns all.
 *  4. Vertical tabs and form feeds between tokens, which yajl lets pass, are refused.
 *  5. Nesting never passes OL_JSON_DEPTH_MAX; nothing recurses. */
#include "json_read.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <yajl/yajl_parse.h>
#include "arena.h"
#include "utf8.h"

/* What a reader keeps for its next text, of each kind of memory. */
#define KEEP ((size_t)64 * 1024)

struct frame {
    size_t begin;               /* offset of the bracket */
    struct ol__arena_mark keys; /* what stood in the arena before this object */
};

struct ol__json_reader {
    struct ol__arena yajl_memory;
    struct ol__arena
        keys;            /* decoded keys of the open objects; those without escapes are borrowed */
    struct ol__buf text; /* the decoded string */
    jmp_buf out_of_memory; /* promise 3 */

    struct ol__span json;
    size_t at; /* end of the last token (promise 1) */
    size_t depth;
    size_t depth_max;
    bool is_inside;   /* the innermost step belongs to what comes next, not to what came last */
    bool is_done;     /* the handler has seen enough */
    size_t bad_white; /* offset of a \v or \f between tokens; SIZE_MAX: none */
    ol_status status;
    ol__json_handler *handler;
    void *arg;
    struct ol_error *err;
    char reason[128]; /* yajl's, in its words */

    struct ol__json_step steps[OL_JSON_DEPTH_MAX];
    struct frame frames[OL_JSON_DEPTH_MAX];
};

/* ---- memory for yajl ---- */

static_assert(sizeof(size_t) <= sizeof(max_align_t), "a size fits before a block");
#define BLOCK_HEAD sizeof(max_align_t)

static void *yajl_malloc(void *arg, size_t size)
{
    struct ol__json_reader *r = arg;
    char *block = ol__arena_alloc(&r->yajl_memory, size + BLOCK_HEAD);
    if (block == NULL)
        longjmp(r->out_of_memory, 1);
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static void *yajl_realloc(void *arg, void *old, size_t size)
{
    struct ol__json_reader *r = arg;
    if (old == NULL)
        return yajl_malloc(arg, size);
    char *block = (char *)old - BLOCK_HEAD;
    size_t old_size;
    memcpy(&old_size, block, sizeof old_size);
    if (size <= old_size)
        return old;
    block = ol__arena_grow(&r->yajl_memory, block, old_size + BLOCK_HEAD, size + BLOCK_HEAD);
    if (block == NULL)
        longjmp(r->out_of_memory, 1);
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static void yajl_free_nothing(void *arg, void *block)
{
    (void)arg;
    (void)block;
}

/* ---- the cursor ---- */

/* Where the next token begins. yajl takes \v and \f for white space; JSON does not: noted for
 * tell(). */
static inline size_t next_token(struct ol__json_reader *r)
{
    const char *s = r->json.data;
    size_t i = r->at;
    for (; i < r->json.size; i++) {
        char c = s[i];
        if (c == '\v' || c == '\f')
            r->bad_white = OL_MIN(r->bad_white, i);
        else if (c != ' ' && c != '\n' && c != ',' && c != ':' && c != '\r' && c != '\t')
            break;
    }
    return i;
}

/* The first quote or backslash from @p s on, or @p end. */
static inline const char *find_special(const char *s, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    for (; end - s >= 16; s += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
        unsigned mask = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
        if (mask != 0)
            return s + __builtin_ctz(mask);
    }
#endif
    while (s < end && *s != '"' && *s != '\\')
        s++;
    return s;
}

/* The offset behind the quote that closes the string at @p begin; yajl has seen it. */
static size_t string_end(const struct ol__json_reader *r, size_t begin)
{
    const char *end = r->json.data + r->json.size;
    const char *s = find_special(r->json.data + begin + 1, end);
    while (end - s >= 2 && *s == '\\')
        s = find_special(s + 2, end);
    return OL_MIN((size_t)(s - r->json.data) + 1, r->json.size);
}

static uint32_t hex4(const char *s)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)s[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* The character of the \u escape at *s, moved behind it and behind its other half (promise 2). */
static uint32_t get_unicode_escape(const char **s, const char *end)
{
    uint32_t code = hex4(*s + 2);
    *s += 6;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code < 0xdc00 && end - *s >= 6 && (*s)[0] == '\\' && (*s)[1] == 'u') {
        uint32_t low = hex4(*s + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *s += 6;
            return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return 0xfffd;
}

static inline char unescape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter; /* quote, backslash, slash */
    }
}

/* Decode what stands between the quotes into @p out, which has room for as many bytes. Checked
 * before. */
static size_t decode(struct ol__span raw, char *out)
{
    const char *s = raw.data;
    const char *end = s + raw.size;
    char *p = out;
    while (s < end) {
        size_t run =
            (size_t)(find_special(s, end) - s); /* a quote only stands behind a backslash */
        memcpy(p, s, run);
        p += run;
        s += run;
        if (s == end)
            break;
        if (s[1] == 'u') {
            p += ol__utf8_put(p, get_unicode_escape(&s, end));
            continue;
        }
        *p++ = unescape(s[1]);
        s += 2;
    }
    return (size_t)(p - out);
}

/* ---- telling the handler ---- */

static int fail(struct ol__json_reader *r, ol_status status)
{
    r->status = status;
    return 0;
}

static int out_of_memory(struct ol__json_reader *r)
{
    return fail(
        r, ol__error_set(r->err, OL_NOMEM, "JSON text of %zu bytes: out of memory", r->json.size));
}

static ol_status describe(struct ol__json_reader *r, size_t offset, const char *what);

static int refuse_white(struct ol__json_reader *r)
{
    return fail(r, describe(r, r->bad_white, "lexical error: not white space in JSON"));
}

/* A value begins: count it, if it is an element. */
static inline void count_element(struct ol__json_reader *r)
{
    if (r->depth > 0 && r->steps[r->depth - 1].is_index)
        r->steps[r->depth - 1].index++;
}

static inline int tell(struct ol__json_reader *r, enum ol__json_type type, struct ol__span text,
                       bool boolean, size_t begin, size_t end)
{
    if (r->bad_white != SIZE_MAX)
        return refuse_white(r);
    r->at = end;
    r->is_inside = false;
    if (r->is_done)
        return 1;
    const struct ol__json_value value = {.type = type,
                                         .text = text,
                                         .boolean = boolean,
                                         .path = r->steps,
                                         .depth = r->depth,
                                         .begin = begin,
                                         .end = end};
    ol_status status = r->handler(r->arg, &value, r->err);
    if (status < 0)
        return fail(r, status);
    r->is_done = status == OL_END;
    return 1;
}

static int on_null(void *arg)
{
    struct ol__json_reader *r = arg;
    count_element(r);
    size_t begin = next_token(r);
    return tell(r, OL_JSON_NULL, (struct ol__span){0}, false, begin, begin + 4);
}

static int on_bool(void *arg, int boolean)
{
    struct ol__json_reader *r = arg;
    count_element(r);
    size_t begin = next_token(r);
    return tell(r, OL_JSON_BOOL, (struct ol__span){0}, boolean != 0, begin,
                begin + (boolean != 0 ? 4 : 5));
}

static int on_number(void *arg, const char *text, size_t size)
{
    struct ol__json_reader *r = arg;
    (void)text; /* at the end of the text it points into yajl's own buffer */
    count_element(r);
    size_t begin = next_token(r);
    struct ol__span number = {.data = r->json.data + begin, .size = size};
    return tell(r, OL_JSON_NUMBER, number, false, begin, begin + size);
}

/* The string that yajl just reported: where it stands, and whether it has escapes. */
static inline bool find_string(struct ol__json_reader *r, const unsigned char *text, size_t size,
                               size_t *begin, size_t *end)
{
    *begin = next_token(r);
    /* Without escapes yajl hands out a piece of our text, which spares the scan. */
    bool is_plain = (const char *)text == r->json.data + *begin + 1;
    *end = is_plain ? *begin + size + 2 : string_end(r, *begin);
    return is_plain;
}

static int on_string(void *arg, const unsigned char *text, size_t size)
{
    struct ol__json_reader *r = arg;
    size_t begin = 0;
    size_t end = 0;
    count_element(r);
    bool is_plain = find_string(r, text, size, &begin, &end);
    struct ol__span string = {.data = r->json.data + begin + 1, .size = end - begin - 2};
    if (!is_plain && !r->is_done) {
        ol__buf_reset(&r->text);
        char *room = ol__buf_room(&r->text, string.size);
        if (room == NULL)
            return out_of_memory(r);
        string = (struct ol__span){.data = room, .size = decode(string, room)};
    }
    return tell(r, OL_JSON_STRING, string, false, begin, end);
}

static int on_key(void *arg, const unsigned char *text, size_t size)
{
    struct ol__json_reader *r = arg;
    size_t begin = 0;
    size_t end = 0;
    bool is_plain = find_string(r, text, size, &begin, &end);
    if (r->bad_white != SIZE_MAX)
        return refuse_white(r);
    struct ol__span key = {.data = r->json.data + begin + 1, .size = end - begin - 2};
    if (!is_plain) {
        char *room = ol__arena_alloc(&r->keys, key.size + 1);
        if (room == NULL)
            return out_of_memory(r);
        key = (struct ol__span){.data = room, .size = decode(key, room)};
    }
    r->steps[r->depth - 1].key = key;
    r->at = end;
    r->is_inside = true;
    return 1;
}

static int on_begin(struct ol__json_reader *r, enum ol__json_type type)
{
    count_element(r);
    size_t begin = next_token(r);
    if (r->depth == r->depth_max) {
        char what[64];
        OL_IGNORE(snprintf(what, sizeof what, "nested deeper than %zu levels", r->depth_max),
                  "it fits");
        return fail(r, describe(r, begin, what));
    }
    if (tell(r, type, (struct ol__span){0}, false, begin, begin + 1) == 0)
        return 0;
    r->frames[r->depth] = (struct frame){.begin = begin, .keys = ol__arena_here(&r->keys)};
    r->steps[r->depth] =
        (struct ol__json_step){.is_index = type == OL_JSON_ARRAY, .index = SIZE_MAX};
    r->depth++;
    return 1;
}

static int on_end(struct ol__json_reader *r, enum ol__json_type type)
{
    size_t end = next_token(r) + 1;
    r->depth--;
    int result = tell(r, type, (struct ol__span){0}, false, r->frames[r->depth].begin, end);
    ol__arena_rewind(&r->keys, r->frames[r->depth].keys);
    return result;
}

static int on_object(void *arg)
{
    return on_begin(arg, OL_JSON_OBJECT);
}

static int on_object_end(void *arg)
{
    return on_end(arg, OL_JSON_OBJECT_END);
}

static int on_array(void *arg)
{
    return on_begin(arg, OL_JSON_ARRAY);
}

static int on_array_end(void *arg)
{
    return on_end(arg, OL_JSON_ARRAY_END);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_object_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_array_end,
};

/* ---- errors ---- */

/* "not JSON at byte 17, line 2 (/run/facets): reason" */
static ol_status describe(struct ol__json_reader *r, size_t offset, const char *what)
{
    if (r->err == NULL)
        return OL_INVALID;
    char pointer[128];
    char line[40] = "";
    size_t lines = 1;
    for (size_t i = 0; i < offset && i < r->json.size; i++)
        lines += r->json.data[i] == '\n';
    if (lines > 1)
        OL_IGNORE(snprintf(line, sizeof line, ", line %zu", lines), "it fits");
    /* A key that was read belongs to the place; an element or member that was finished does not. */
    size_t depth = r->depth > 0 && !r->is_inside ? r->depth - 1 : r->depth;
    ol__json_pointer(&(struct ol__json_value){.path = r->steps, .depth = depth}, pointer,
                     sizeof pointer);
    return ol__error_set(r->err, OL_INVALID, "not JSON at byte %zu%s%s%s%s: %s", offset, line,
                         pointer[0] != '\0' ? " (" : "", pointer, pointer[0] != '\0' ? ")" : "",
                         what);
}

/* yajl stopped having read @p consumed bytes: the offset of the byte or the token that it did not
 * like. Its lexer steps back to a bad byte inside a token, but not to one that begins none. */
static size_t error_offset(struct ol__json_reader *r, size_t consumed)
{
    size_t last = consumed > 0 ? consumed - 1 : 0;
    if (strncmp(r->reason, "lexical", 7) != 0)
        return OL_MIN(last, next_token(r));
    return strstr(r->reason, "invalid char in json text") != NULL ? last : consumed;
}

static void keep_reason(struct ol__json_reader *r, yajl_handle yajl)
{
    const char *text = (const char *)yajl_get_error(yajl, 0, NULL, 0);
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '.'))
        size--;
    size = OL_MIN(size, sizeof r->reason - 1);
    memcpy(r->reason, text, size);
    r->reason[size] = '\0';
}

/* Feed all of the text; @p bad is where it stops being UTF-8. Sets r->status. */
static void run_yajl(struct ol__json_reader *r, size_t bad)
{
    if (setjmp(r->out_of_memory) != 0) {
        OL_IGNORE(out_of_memory(r), "sets the status");
        return;
    }
    yajl_alloc_funcs memory = {
        .malloc = yajl_malloc, .realloc = yajl_realloc, .free = yajl_free_nothing, .ctx = r};
    yajl_handle yajl = yajl_alloc(&callbacks, &memory, r);
    OL_IGNORE(yajl_config(yajl, yajl_dont_validate_strings, 1), "promise 2: we did");
    yajl_status result = yajl_status_ok;
    bool is_at_end = false;
    if (bad > 0)
        result = yajl_parse(yajl, (const unsigned char *)r->json.data, bad);
    size_t consumed = bad > 0 ? yajl_get_bytes_consumed(yajl) : 0;
    if (result == yajl_status_ok && bad < r->json.size) {
        r->status = describe(r, bad, "not UTF-8");
        return;
    }
    if (result == yajl_status_ok) {
        is_at_end = true;
        result = yajl_complete_parse(yajl);
    }
    if (result == yajl_status_ok) {
        /* yajl overlooks a string behind the value that the text ends in the middle of */
        size_t rest = next_token(r);
        if (rest < r->json.size)
            r->status = describe(r, rest, "parse error: trailing garbage");
        else if (r->bad_white != SIZE_MAX)
            OL_IGNORE(refuse_white(r), "sets the status");
    }
    if (result != yajl_status_error)
        return; /* whole, or stopped by a callback, which set the status */
    keep_reason(r, yajl);
    r->status = describe(r, is_at_end ? r->json.size : error_offset(r, consumed), r->reason);
}

/* ---- the interface ---- */

ol_status ol__json_reader_new(struct ol__json_reader **ret, struct ol_error *err)
{
    struct ol__json_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "JSON reader: out of memory");
    ol__buf_init(&r->text, SIZE_MAX);
    *ret = r;
    return OL_OK;
}

void ol__json_reader_free(struct ol__json_reader *r)
{
    if (r == NULL)
        return;
    ol__arena_reset(&r->yajl_memory, 0);
    ol__arena_reset(&r->keys, 0);
    ol__buf_release(&r->text);
    free(r);
}

static ol_status ignore_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)arg;
    (void)value;
    (void)err;
    return OL_END;
}

ol_status ol__json_read(struct ol__json_reader *r, struct ol__span text,
                        const struct ol__json_limits *limits, ol__json_handler *handler, void *arg,
                        struct ol_error *err)
{
    if (limits != NULL && limits->size_max > 0 && text.size > limits->size_max)
        return ol__error_set(err, OL_TOO_LARGE, "JSON text of %zu bytes, more than %zu", text.size,
                             limits->size_max);
    size_t depth_max = limits != NULL && limits->depth_max > 0 ? limits->depth_max : SIZE_MAX;
    r->depth_max = OL_MIN(depth_max, (size_t)OL_JSON_DEPTH_MAX);
    r->json = text;
    r->at = 0;
    r->depth = 0;
    r->is_inside = false;
    r->is_done = false;
    r->bad_white = SIZE_MAX;
    r->status = OL_OK;
    r->handler = handler != NULL ? handler : ignore_value;
    r->arg = arg;
    r->err = err;
    run_yajl(r, ol__utf8_find_bad(text));
    ol__arena_reset(&r->yajl_memory, KEEP);
    ol__arena_reset(&r->keys, KEEP);
    if (r->text.cap > KEEP)
        ol__buf_release(&r->text);
    ol__buf_reset(&r->text);
    return r->status;
}

/* One byte or escape of a pointer. */
static void put_pointer_char(char *out, size_t *used, size_t room, const char *bytes, size_t size)
{
    if (*used + size <= room) {
        memcpy(out + *used, bytes, size);
        *used += size;
    }
}

void ol__json_pointer(const struct ol__json_value *value, char *out, size_t size)
{
    if (size == 0)
        return;
    size_t used = 0;
    bool is_cut = false;
    for (size_t d = 0; d < value->depth && !is_cut; d++) {
        const struct ol__json_step *step = &value->path[d];
        char digits[24];
        struct ol__span key = step->key;
        if (step->is_index) {
            int length = snprintf(digits, sizeof digits, "%zu", step->index);
            key = (struct ol__span){.data = digits, .size = length > 0 ? (size_t)length : 0};
        }
        put_pointer_char(out, &used, size - 1, "/", 1);
        for (size_t i = 0; i < key.size && !is_cut;) {
            const unsigned char *s = (const unsigned char *)key.data + i;
            int length = ol__utf8_size(s, (const unsigned char *)key.data + key.size);
            size_t taken = (size_t)(length < 0 ? -length : length);
            const char *bytes = key.data + i;
            size_t count = taken;
            if (*s == '~' || *s == '/') {
                bytes = *s == '~' ? "~0" : "~1";
                count = 2;
            } else if (*s == '\0') {
                bytes = "\xef\xbf\xbd"; /* the result is NUL-terminated */
                count = 3;
            }
            size_t before = used;
            put_pointer_char(out, &used, size - 1, bytes, count);
            is_cut = used == before;
            i += taken;
        }
    }
    out[used] = '\0';
}

bool ol__json_at(const struct ol__json_value *value, const char *const *keys, size_t count)
{
    if (value->depth != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (keys[i][0] == '*' && keys[i][1] == '\0')
            continue;
        const struct ol__json_step *step = &value->path[i];
        if (step->is_index || strlen(keys[i]) != step->key.size ||
            memcmp(keys[i], step->key.data, step->key.size) != 0)
            return false;
    }
    return true;
}

ol_status ol__json_minify(struct ol__json_reader *r, struct ol__span text,
                          const struct ol__json_limits *limits, struct ol__buf *out,
                          struct ol_error *err)
{
    ol_status status = ol__json_read(r, text, limits, NULL, NULL, err);
    if (status != OL_OK)
        return status;
    size_t begin = out->size;
    size_t start = 0; /* of the run to copy */
    for (size_t i = 0; i <= text.size; i++) {
        char c = i < text.size ? text.data[i] : ' ';
        if (c == '"') {
            i = string_end(r, i) - 1;
        } else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            if (i > start)
                OL_IGNORE(ol__buf_add(out, text.data + start, i - start), "it sticks");
            start = i + 1;
        }
    }
    if (out->status == OL_OK)
        return OL_OK;
    if (out->data != NULL)
        ol__buf_truncate(out, OL_MIN(begin, out->size));
    return ol__error_set(err, out->status, "JSON text of %zu bytes: %s", text.size,
                         out->status == OL_NOMEM ? "out of memory" : "no room for it");
}
