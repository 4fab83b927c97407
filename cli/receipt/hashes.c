/* SPDX-License-Identifier: Apache-2.0 */
#include "hashes.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)(h ^ (h >> 29));
}

static struct receipt_hash *place_of(struct receipt_hash *items, size_t cap, const char *full)
{
    size_t at = hash(full) & (cap - 1);
    while (items[at].full != NULL && strcmp(items[at].full, full) != 0)
        at = (at + 1) & (cap - 1);
    return &items[at];
}

static ol_status make_room(struct receipt_hashes *hashes, struct ol_error *err)
{
    if ((hashes->count + 1) * 2 <= hashes->cap)
        return OL_OK;
    size_t cap = hashes->cap == 0 ? 64 : hashes->cap * 2;
    struct receipt_hash *items = calloc(cap, sizeof *items);
    if (items == NULL)
        return ol__error_set(err, OL_NOMEM, "hashes of files: out of memory");
    for (size_t i = 0; i < hashes->cap; i++)
        if (hashes->items[i].full != NULL)
            *place_of(items, cap, hashes->items[i].full) = hashes->items[i];
    free(hashes->items);
    hashes->items = items;
    hashes->cap = cap;
    return OL_OK;
}

ol_status receipt_hashes_add(struct receipt_hashes *hashes, const char *full, const char *sha256,
                             struct ol_error *err)
{
    ol_status status = make_room(hashes, err);
    if (status != OL_OK)
        return status;
    struct receipt_hash *item = place_of(hashes->items, hashes->cap, full);
    if (item->full == NULL) {
        item->full = strdup(full);
        if (item->full == NULL)
            return ol__error_set(err, OL_NOMEM, "hashes of files: out of memory");
        hashes->count++;
    }
    size_t size = strlen(sha256);
    if (size == OL_SHA256_TEXT)
        memcpy(item->sha256, sha256, size + 1);
    return OL_OK;
}

ol_status receipt_hashes_read(struct receipt_hashes *hashes, struct ol_error *err)
{
    const struct artifact_hasher hasher = {.limit = UINT64_MAX};
    struct artifact_sum *sums = calloc(hashes->count + 1, sizeof *sums);
    struct artifact_sum **list = calloc(hashes->count + 1, sizeof(struct artifact_sum *));
    struct receipt_hash **items = calloc(hashes->count + 1, sizeof(struct receipt_hash *));
    size_t count = 0;
    ol_status status = sums != NULL && list != NULL && items != NULL
                           ? OL_OK
                           : ol__error_set(err, OL_NOMEM, "hashes of files: out of memory");
    for (size_t i = 0; status == OL_OK && i < hashes->cap; i++) {
        struct receipt_hash *item = &hashes->items[i];
        if (item->full == NULL || item->sha256[0] != '\0')
            continue;
        sums[count] = (struct artifact_sum){.path = item->full, .fd = -1, .is_followed = true};
        artifact_sum_look(&sums[count]);
        if (!sums[count].is_there)
            continue;
        items[count] = item;
        list[count] = &sums[count];
        count++;
    }
    if (count > 0) {
        artifact_sums_settle(list, count);
        artifact_hash_all(&hasher, list, count);
    }
    for (size_t i = 0; i < count; i++)
        if (sums[i].is_hashed)
            ol__hex(sums[i].sha256, OL_SHA256_SIZE, items[i]->sha256);
    free(sums);
    free(list);
    free(items);
    return status;
}

const char *receipt_hashes_find(const struct receipt_hashes *hashes, const char *full)
{
    if (hashes == NULL || hashes->cap == 0)
        return NULL;
    const struct receipt_hash *item = place_of(hashes->items, hashes->cap, full);
    return item->full != NULL && item->sha256[0] != '\0' ? item->sha256 : NULL;
}

void receipt_hashes_release(struct receipt_hashes *hashes)
{
    for (size_t i = 0; i < hashes->cap; i++)
        free(hashes->items[i].full);
    free(hashes->items);
    *hashes = (struct receipt_hashes){.items = NULL};
}
