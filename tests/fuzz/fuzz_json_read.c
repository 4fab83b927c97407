/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash, and if they are JSON, then each value's range is itself JSON of the
 * same type with the same text, ranges nest and advance, spans are UTF-8, pointers end, and the
 * minified text is JSON with the same values, which minifying again leaves as it is. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_read.h"
#include "utf8.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static struct ol__json_reader *outer, *inner;

struct seen {
    struct ol__span json;
    size_t count;
    size_t last;  /* offset that the next one may not begin before */
    size_t sizes; /* of the decoded texts */
    size_t alone; /* values read again on their own */
};

static ol_status first_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    const struct ol__json_value *whole = arg;
    CHECK(value->depth == 0 && value->begin == 0);
    CHECK(value->type == whole->type && value->boolean == whole->boolean);
    CHECK(ol__span_equal(value->text, whole->text));
    return OL_END;
}

static ol_status any_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    struct seen *seen = arg;
    seen->count++;
    seen->sizes += value->text.size;
    bool is_end = value->type == OL_JSON_OBJECT_END || value->type == OL_JSON_ARRAY_END;
    CHECK(value->begin < value->end && value->end <= seen->json.size);
    CHECK(value->depth <= OL_JSON_DEPTH_MAX);
    CHECK(is_end ? value->end > seen->last : value->begin >= seen->last);
    seen->last = value->end;
    CHECK(ol__utf8_find_bad(value->text) == value->text.size);
    for (size_t d = 0; d < value->depth; d++)
        CHECK(value->path[d].is_index ||
              ol__utf8_find_bad(value->path[d].key) == value->path[d].key.size);
    char pointer[40];
    ol__json_pointer(value, pointer, sizeof pointer);
    CHECK(strlen(pointer) < sizeof pointer && (pointer[0] == '/') == (value->depth > 0));
    CHECK(ol__utf8_find_bad(ol__span_text(pointer)) == strlen(pointer));

    struct ol__span own = {.data = seen->json.data + value->begin,
                           .size = value->end - value->begin};
    bool is_begin = value->type == OL_JSON_OBJECT || value->type == OL_JSON_ARRAY;
    if (is_begin || ++seen->alone > 200) /* bounded: reading again is quadratic in the nesting */
        return OL_OK;
    struct ol__json_value whole = *value;
    whole.type = value->type == OL_JSON_OBJECT_END  ? OL_JSON_OBJECT
                 : value->type == OL_JSON_ARRAY_END ? OL_JSON_ARRAY
                                                    : value->type;
    CHECK(ol__json_read(inner, own, NULL, first_value, &whole, NULL) == OL_OK);
    return OL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (outer == NULL) {
        CHECK(ol__json_reader_new(&outer, NULL) == OL_OK);
        CHECK(ol__json_reader_new(&inner, NULL) == OL_OK);
    }
    struct ol_error err = {.status = OL_OK};
    struct seen seen = {.json = {.data = (const char *)data, .size = size}};
    ol_status status = ol__json_read(outer, seen.json, NULL, any_value, &seen, &err);
    CHECK(status == OL_OK || (status == OL_INVALID && err.status == OL_INVALID));
    CHECK(ol__json_read(outer, seen.json, NULL, NULL, NULL, NULL) == status);
    struct ol__buf small;
    ol__buf_init(&small, size);
    CHECK(ol__json_minify(outer, seen.json, NULL, &small, NULL) == status);
    if (status == OL_OK) {
        CHECK(ol__utf8_find_bad(seen.json) == size);
        struct seen again = {.json = {.data = small.data, .size = small.size}};
        CHECK(ol__json_read(outer, again.json, NULL, any_value, &again, NULL) == OL_OK);
        CHECK(again.count == seen.count && again.sizes == seen.sizes);
        struct ol__buf twice;
        ol__buf_init(&twice, size);
        CHECK(ol__json_minify(outer, again.json, NULL, &twice, NULL) == OL_OK);
        CHECK(twice.size == small.size && memcmp(twice.data, small.data, small.size) == 0);
        ol__buf_release(&twice);
    } else {
        CHECK(small.size == 0 && err.message[0] != '\0');
    }
    ol__buf_release(&small);
    return 0;
}
