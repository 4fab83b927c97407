/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash; a traceparent that is one stays one when written again; what passes
 * as a member of baggage is within its list, of printable ASCII; decoding undoes encoding, and what
 * is decoded can be encoded; and what is passed on is within the limits, in one line, and is all
 * taken by the next one. The first byte says how many bytes are traceparent. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "travel.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct headers {
    const char *traceparent, *baggage;
    size_t refused;
};

static const char *get(void *arg, const char *key)
{
    const struct headers *h = arg;
    if (strcmp(key, "traceparent") == 0)
        return h->traceparent;
    return strcmp(key, "baggage") == 0 ? h->baggage : NULL;
}

static void refused(void *arg, const char *key, const char *why)
{
    struct headers *h = arg;
    CHECK(key[0] != '\0' && why[0] != '\0');
    h->refused++;
}

static void check_trace(struct ol__span text)
{
    struct ol__trace trace, again;
    char out[OL_TRACEPARENT_TEXT + 1];
    if (!ol__traceparent_parse(text, &trace))
        return;
    ol__traceparent_format(&trace, out);
    CHECK(strlen(out) == OL_TRACEPARENT_TEXT);
    CHECK(ol__traceparent_parse(ol__span_text(out), &again));
    CHECK(memcmp(&trace, &again, sizeof trace) == 0);
}

static void check_members(struct ol__span list)
{
    struct ol__span rest = list;
    struct ol__baggage_member m;
    struct ol__buf text, encoded;
    ol_status status;
    ol__buf_init(&text, list.size);
    ol__buf_init(&encoded, 3 * list.size);
    while ((status = ol__baggage_next(&rest, &m)) != OL_END) {
        CHECK(m.whole.data >= list.data && m.whole.size > 0 &&
              m.whole.data + m.whole.size <= list.data + list.size);
        if (status != OL_OK)
            continue;
        CHECK(m.key.size > 0 && m.key.size + m.value.size < m.whole.size);
        for (size_t i = 0; i < m.whole.size; i++)
            CHECK(m.whole.data[i] == '\t' || (m.whole.data[i] >= ' ' && m.whole.data[i] <= '~'));
        ol__buf_reset(&text);
        ol__buf_reset(&encoded);
        if (ol__baggage_decode(m.value, &text) != OL_OK) {
            CHECK(text.size == 0);
            continue;
        }
        ol__baggage_encode((struct ol__span){text.data, text.size}, &encoded);
        size_t size = text.size;
        ol__buf_reset(&text);
        CHECK(ol__baggage_decode((struct ol__span){encoded.data, encoded.size}, &text) == OL_OK);
        CHECK(text.size == size);
    }
    ol__buf_release(&text);
    ol__buf_release(&encoded);
}

static void check_travel(const char *traceparent, const char *baggage)
{
    struct headers h = {.traceparent = traceparent, .baggage = baggage};
    struct ol__travel travel, next;
    struct ol__buf out;
    CHECK(ol__travel_read(get, &h, refused, &h, &travel) == OL_OK);
    const char *const ids[OL_TRAVEL_IDS] = {travel.ids[0], travel.ids[1], travel.ids[2],
                                            travel.ids[3], travel.ids[4]};
    static_assert(OL_TRAVEL_IDS == 5, "all of them are listed");
    ol__buf_init(&out, OL_BAGGAGE_MAX);
    bool is_whole = ol__travel_write_baggage(baggage, &travel, ids, &out);
    CHECK(out.status == OL_OK && out.size <= OL_BAGGAGE_MAX);
    if (out.size > 0) {
        CHECK(strlen(out.data) == out.size && strpbrk(out.data, "\r\n") == NULL);
        h = (struct headers){.baggage = out.data};
        CHECK(ol__travel_read(get, &h, refused, &h, &next) == OL_OK);
        CHECK(h.refused == 0);
        for (size_t i = 0; i < OL_TRAVEL_IDS && is_whole; i++)
            CHECK((ids[i] == NULL) == (next.ids[i] == NULL) &&
                  (ids[i] == NULL || strcmp(ids[i], next.ids[i]) == 0));
        ol__travel_release(&next);
    }
    ol__buf_release(&out);
    ol__travel_release(&travel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t first = OL_MIN((size_t)data[0], size - 1);
    char *traceparent = strndup(bytes, first), *baggage = strndup(bytes + first, size - 1 - first);
    CHECK(traceparent != NULL && baggage != NULL);
    check_trace((struct ol__span){bytes, first});
    check_members((struct ol__span){bytes + first, size - 1 - first});
    check_travel(traceparent, baggage);
    free(traceparent);
    free(baggage);
    return 0;
}
