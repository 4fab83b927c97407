/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Neither a key nor its sum is ever logged.
 *  2. How long a comparison takes tells nothing of the sums: every one is compared, to its end.
 * (What is compared is a sum, of which an asker chooses no part; keys are random and long, so one
 * round of SHA-256 is enough.) */
#include "http_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include "agent.h"
#include "files.h"

#define FILE_MAX ((size_t)1 << 20)
#define KEYS_MAX 1024u
#define LOOK_MS 1000

struct key {
    char name[API_KEY_NAME_MAX + 1];
    uint8_t sum[OL_SHA256_SIZE];
};

struct key_list {
    struct key *items; /* owned */
    size_t count;
};

struct http_keys {
    const struct agent_config *config;
    struct key_list list;
    struct stat seen; /* the file, as it was when it was read */
    int64_t look_after_ms;
};

static ol_status add(struct key_list *list, const char *name, size_t name_size, const char *sum,
                     struct ol_error *err)
{
    struct key key = {0};
    if (list->count == KEYS_MAX)
        return ol__error_set(err, OL_CONFIG, "more than %u keys", KEYS_MAX);
    if (!config_is_key_name(name, name_size))
        return ol__error_set(err, OL_CONFIG, "expected a name of 1 to %d of " API_KEY_NAME_MARKS,
                             API_KEY_NAME_MAX);
    if (!config_read_sum(sum, key.sum))
        return ol__error_set(err, OL_CONFIG, "key '%.*s': expected 64 hexadecimal digits",
                             (int)name_size, name);
    struct key *items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return ol__error_set(err, OL_NOMEM, "keys: out of memory");
    list->items = items;
    memcpy(key.name, name, name_size);
    items[list->count++] = key;
    return OL_OK;
}

/* A line of the file: NAME SUM, or nothing, or a comment. */
static ol_status add_line(struct key_list *list, char *line, struct ol_error *err)
{
    line[strcspn(line, "#\r")] = '\0';
    line += strspn(line, " \t");
    size_t size = strcspn(line, " \t");
    char *sum = line + size + strspn(line + size, " \t");
    if (size == 0)
        return OL_OK;
    size_t end = strcspn(sum, " \t");
    if (sum[end + strspn(sum + end, " \t")] != '\0')
        return ol__error_set(err, OL_CONFIG, "expected a name and a sum, and nothing behind");
    sum[end] = '\0';
    return add(list, line, size, sum, err);
}

static ol_status add_file(const char *path, struct key_list *list, struct ol_error *err)
{
    struct ol__buf text;
    struct ol_error why = {0};
    ol__buf_init(&text, FILE_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &text, err);
    if (status == OL_OK && ol__buf_add_char(&text, '\0') != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    char *line = status == OL_OK ? text.data : NULL;
    for (long number = 1; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        status = add_line(list, line, &why);
        if (status != OL_OK) {
            ol__error_set(err, status, "%s:%ld: %s", path, number, why.message);
            break;
        }
        line = end != NULL ? end + 1 : NULL;
    }
    ol__buf_release(&text);
    return status == OL_OK || status == OL_NOMEM ? status : OL_CONFIG;
}

/* All of them, anew. */
static ol_status read_all(struct http_keys *keys, struct ol_error *err)
{
    const struct agent_config *config = keys->config;
    const struct api_key_config *items = config->http_api_keys.items;
    struct key_list list = {0};
    ol_status status = OL_OK;
    for (size_t i = 0; i < config->http_api_keys.count && status == OL_OK; i++)
        status = add(&list, items[i].name, strlen(items[i].name), items[i].sum, err);
    if (status == OL_OK && config->http_api_keys_file != NULL)
        status = add_file(config->http_api_keys_file, &list, err);
    if (status != OL_OK) {
        free(list.items);
        return status;
    }
    free(keys->list.items);
    keys->list = list;
    return OL_OK;
}

static struct stat stat_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        st = (struct stat){0};
    return st;
}

ol_status http_keys_open(const struct agent_config *config, struct http_keys **ret,
                         struct ol_error *err)
{
    struct http_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return ol__error_set(err, OL_NOMEM, "keys: out of memory");
    keys->config = config;
    if (config->http_api_keys_file != NULL)
        keys->seen = stat_of(config->http_api_keys_file);
    ol_status status = read_all(keys, err);
    if (status != OL_OK) {
        http_keys_close(keys);
        return status;
    }
    *ret = keys;
    return OL_OK;
}

void http_keys_close(struct http_keys *keys)
{
    if (keys == NULL)
        return;
    free(keys->list.items);
    free(keys);
}

bool http_keys_are_used(const struct http_keys *keys)
{
    return keys->list.count > 0 || keys->config->http_api_keys_file != NULL;
}

void http_keys_look(struct http_keys *keys, int64_t now_ms)
{
    struct ol_error err = {0};
    const char *path = keys->config->http_api_keys_file;
    if (path == NULL || now_ms < keys->look_after_ms)
        return;
    keys->look_after_ms = now_ms + LOOK_MS;
    struct stat st = stat_of(path);
    if (ol__fs_is_unchanged(&st, &keys->seen))
        return;
    keys->seen = st; /* before it is read: a change in between is seen next time */
    if (read_all(keys, &err) == OL_OK)
        log_write(LOG_LEVEL_INFO, "intake", "'%s' changed: %zu keys", path, keys->list.count);
    else
        log_write(LOG_LEVEL_ERROR, "intake", "keys stay as they were: %s", err.message);
}

bool http_keys_is_bearer(const char *authorization)
{
    return strncasecmp(authorization, "Bearer", 6) == 0 &&
           (authorization[6] == ' ' || authorization[6] == '\0');
}

/* Promise 2. @return 0: equal. */
static unsigned difference(const uint8_t *a, const uint8_t *b)
{
    unsigned found = 0;
    for (size_t i = 0; i < OL_SHA256_SIZE; i++)
        found |= (unsigned)(a[i] ^ b[i]);
    return found;
}

const char *http_keys_find(const struct http_keys *keys, struct ol__sha256 *hash,
                           const char *authorization)
{
    uint8_t sum[OL_SHA256_SIZE];
    size_t found = SIZE_MAX;
    if (!http_keys_is_bearer(authorization))
        return NULL;
    const char *key = authorization + 6;
    key += strspn(key, " ");
    size_t size = strlen(key);
    while (size > 0 && (key[size - 1] == ' ' || key[size - 1] == '\t'))
        size--;
    ol__sha256_reset(hash);
    ol__sha256_add(hash, key, size);
    ol__sha256_finish(hash, sum);
    for (size_t i = 0; i < keys->list.count; i++)
        found = difference(sum, keys->list.items[i].sum) == 0 ? i : found;
    return found != SIZE_MAX ? keys->list.items[found].name : NULL;
}
