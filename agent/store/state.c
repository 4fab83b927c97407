/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

#include <stdlib.h>

#define FORMAT 1

bool state_is_facet(uint8_t kind)
{
    return kind <= STATE_SUBJECT_FACET;
}

static bool is_edge(uint8_t kind)
{
    return kind == STATE_INPUT || kind == STATE_OUTPUT || kind == STATE_VERSION;
}

static int compare(const struct state_entry *a, const struct state_entry *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->object != b->object)
        return a->object < b->object ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->kind == STATE_ID && a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return 0;
}

static int compare_void(const void *a, const void *b)
{
    return compare(a, b);
}

void state_release(struct state *state)
{
    free(state->entries);
    *state = (struct state){0};
}

static ol_status reserve(struct state *state, size_t count)
{
    if (count <= state->cap)
        return OL_OK;
    size_t cap = OL_MAX(state->cap * 2, OL_MAX(count, (size_t)32));
    struct state_entry *entries = realloc(state->entries, cap * sizeof *entries);
    if (entries == NULL)
        return OL_NOMEM;
    state->entries = entries;
    state->cap = cap;
    return OL_OK;
}

ol_status state_add(struct state *state, const struct state_entry *entry)
{
    if (reserve(state, state->count + 1) != OL_OK)
        return OL_NOMEM;
    state->entries[state->count++] = *entry;
    return OL_OK;
}

/* Of two equal facet keys in one event the later in the text wins, as with any other JSON key
 * (DESIGN 8); glibc's qsort is a merge sort as long as there is memory, hence stable too. */
void state_sort(struct state *state)
{
    bool is_sorted = true;
    for (size_t i = 1; i < state->count && is_sorted; i++)
        is_sorted = compare(&state->entries[i - 1], &state->entries[i]) < 0;
    if (is_sorted)
        return;
    if (state->count <= 64) { /* insertion sort: stable, and the common size is about ten */
        for (size_t i = 1; i < state->count; i++) {
            struct state_entry e = state->entries[i];
            size_t j = i;
            for (; j > 0 && compare(&state->entries[j - 1], &e) > 0; j--)
                state->entries[j] = state->entries[j - 1];
            state->entries[j] = e;
        }
    } else {
        qsort(state->entries, state->count, sizeof *state->entries, compare_void);
    }
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++) {
        if (kept > 0 && compare(&state->entries[kept - 1], &state->entries[i]) == 0)
            kept--;
        state->entries[kept++] = state->entries[i];
    }
    state->count = kept;
}

/* ---- The column: format, count, first time; then for each entry its kind and four variable
 * numbers ---- */

static void put(struct ol__buf *out, uint64_t v)
{
    char bytes[10];
    size_t size = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[size++] = (char)(v | 0x80);
    bytes[size++] = (char)v;
    ol__buf_add(out, bytes, size);
}

static bool get(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

ol_status state_write(const struct state *state, struct ol__buf *out)
{
    ol__buf_add_char(out, FORMAT);
    put(out, state->count);
    int64_t at = 0;
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *e = &state->entries[i];
        ol__buf_add_char(out, (char)e->kind);
        put(out, (uint64_t)e->object);
        put(out, (uint64_t)e->key);
        if (!is_edge(e->kind))
            put(out, (uint64_t)e->value);
        put(out, zigzag((int64_t)((uint64_t)e->at - (uint64_t)at)));
        at = e->at;
    }
    return out->status;
}

static bool read_entry(const uint8_t **p, const uint8_t *end, int64_t *at, struct state_entry *ret)
{
    uint64_t object, key, value = 0, delta;
    if (*p == end || **p >= STATE_KIND_COUNT)
        return false;
    uint8_t kind = *(*p)++;
    if (!get(p, end, &object) || !get(p, end, &key) || (!is_edge(kind) && !get(p, end, &value)) ||
        !get(p, end, &delta))
        return false;
    *at = (int64_t)((uint64_t)*at + (uint64_t)unzigzag(delta));
    *ret = (struct state_entry){.kind = kind,
                                .object = (int64_t)object,
                                .key = (int64_t)key,
                                .value = (int64_t)value,
                                .at = *at};
    return true;
}

ol_status state_read(struct state *state, struct ol__span column, struct ol_error *err)
{
    state->count = 0;
    if (column.size == 0)
        return OL_OK;
    const uint8_t *p = (const uint8_t *)column.data, *end = p + column.size;
    uint64_t count = 0;
    if (*p++ != FORMAT || !get(&p, end, &count) || count > column.size)
        return ol__error_set(err, OL_CORRUPT, "store: a state column has no format %d", FORMAT);
    if (reserve(state, (size_t)count) != OL_OK)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    int64_t at = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct state_entry *e = &state->entries[i];
        if (!read_entry(&p, end, &at, e) || (i > 0 && compare(e - 1, e) >= 0))
            return ol__error_set(err, OL_CORRUPT, "store: a state column ends inside an entry");
    }
    if (p != end)
        return ol__error_set(err, OL_CORRUPT, "store: bytes behind a state column");
    state->count = (size_t)count;
    return OL_OK;
}

const struct state_entry *state_find(const struct state *state, const struct state_entry *like)
{
    size_t low = 0, high = state->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&state->entries[middle], like);
        if (order == 0)
            return &state->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Rule 3: whether the run's or job's facet with key @p facet_key that @p side gives is the one that
 * counts. */
static bool is_source(const struct state *side, const struct state *merged, int64_t facet_key)
{
    static const uint8_t kinds[] = {STATE_RUN_FACET, STATE_JOB_FACET};
    for (size_t i = 0; i < OL_COUNT(kinds); i++) {
        struct state_entry like = {.kind = kinds[i], .key = facet_key};
        const struct state_entry *mine = state_find(side, &like);
        const struct state_entry *counts = state_find(merged, &like);
        if (mine != NULL && counts != NULL && mine->value == counts->value)
            return true;
    }
    return false;
}

/* Rule 2: an unversioned edge that stands right before versioned ones of the same dataset goes. */
static void drop_unversioned(struct state *state)
{
    size_t kept = 0;
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *e = &state->entries[i], *next = e + 1;
        if (is_edge(e->kind) && e->key == 0 && i + 1 < state->count && next->kind == e->kind &&
            next->object == e->object)
            continue;
        state->entries[kept++] = *e;
    }
    state->count = kept;
}

static const struct state_entry *choose(const struct state_entry *old,
                                        const struct state_entry *fresh)
{
    if (state_is_facet(old->kind))
        return fresh->at >= old->at ? fresh : old; /* rule 1 */
    return fresh->at < old->at ? fresh : old;      /* said first */
}

ol_status state_merge(const struct state *old, const struct state *news, struct state *ret)
{
    ret->count = 0;
    if (reserve(ret, old->count + news->count) != OL_OK)
        return OL_NOMEM;
    size_t a = 0, b = 0;
    while (a < old->count || b < news->count) {
        int order = a == old->count    ? 1
                    : b == news->count ? -1
                                       : compare(&old->entries[a], &news->entries[b]);
        const struct state_entry *e = order < 0   ? &old->entries[a]
                                      : order > 0 ? &news->entries[b]
                                                  : choose(&old->entries[a], &news->entries[b]);
        a += order <= 0;
        b += order >= 0;
        /* Ids come last in the order, so all facets are merged by now. */
        if (e->kind == STATE_ID && e->object != 0 &&
            !(order <= 0 && is_source(old, ret, e->object)) &&
            !(order >= 0 && is_source(news, ret, e->object)))
            continue;
        ret->entries[ret->count++] = *e;
    }
    drop_unversioned(ret);
    return OL_OK;
}
