/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What the route's promises lean on (idempotence, acks) cannot be set by properties.
 *  2. A value read from a file or the environment is in no error and no log, and is wiped here;
 * what librdkafka keeps of it is librdkafka's. */
#include "kafka_settings.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "files.h"

#define NAME_MAX_SIZE 100
#define SECRET_MAX (64u * 1024u)

enum source { FROM_TEXT, FROM_FILE, FROM_ENVIRONMENT };
struct property {
    char name[NAME_MAX_SIZE];
    const char *value; /* borrowed; behind its prefix */
    enum source source;
};

static ol_status parse(const char *item, size_t index, struct property *ret, struct ol_error *err)
{
    const char *equals = strchr(item, '=');
    size_t size = equals != NULL ? (size_t)(equals - item) : 0;
    if (size == 0 || size >= sizeof ret->name)
        return ol__error_set(err, OL_CONFIG, "properties: element %zu is not name=value", index);
    memcpy(ret->name, item, size);
    ret->name[size] = '\0';
    ret->value = equals + 1;
    ret->source = FROM_TEXT;
    if (strncmp(ret->value, "file:", 5) == 0)
        ret->source = FROM_FILE;
    else if (strncmp(ret->value, "env:", 4) == 0)
        ret->source = FROM_ENVIRONMENT;
    ret->value += ret->source == FROM_FILE ? 5 : ret->source == FROM_ENVIRONMENT ? 4 : 0;
    return OL_OK;
}

static ol_status set(const struct kafka_settings *s, rd_kafka_conf_t *conf, const char *name,
                     const char *value, bool is_secret, struct ol_error *err)
{
    char text[200];
    rd_kafka_conf_res_t result = s->lib->conf_set(conf, name, value, text, sizeof text);
    if (result == RD_KAFKA_CONF_OK)
        return OL_OK;
    if (is_secret && result == RD_KAFKA_CONF_INVALID) /* promise 2: the text holds the value */
        return ol__error_set(err, OL_CONFIG, "properties: '%s': librdkafka refuses its value",
                             name);
    return ol__error_set(err, OL_CONFIG, "properties: %s", text);
}

/* ---- Values from elsewhere ---- */

static ol_status set_from_file(const struct kafka_settings *s, rd_kafka_conf_t *conf,
                               const struct property *p, struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, SECRET_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, p->value, &text, err);
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL)
        ol__buf_truncate(&text, text.size - 1);
    if (status == OL_OK && text.size == 0)
        status = ol__error_set(err, OL_NOT_FOUND, "'%s' is empty", p->value);
    if (status == OL_OK && memchr(text.data, '\0', text.size) != NULL)
        status = ol__error_set(err, OL_NOT_FOUND, "'%s' holds a NUL byte", p->value);
    if (status == OL_OK)
        status = ol__buf_add_char(&text, '\0');
    if (status != OL_OK)
        ol__error_prefix(err, status, "properties: '%s'", p->name);
    else
        status = set(s, conf, p->name, text.data, true, err);
    if (text.data != NULL)
        explicit_bzero(text.data, text.size);
    ol__buf_release(&text);
    return status;
}

static ol_status set_property(const struct kafka_settings *s, rd_kafka_conf_t *conf,
                              const struct property *p, struct ol_error *err)
{
    if (p->source == FROM_FILE)
        return set_from_file(s, conf, p, err);
    const char *value = p->value;
    if (p->source == FROM_ENVIRONMENT) {
        value = getenv(p->value);
        if (value == NULL || value[0] == '\0')
            return ol__error_set(err, OL_NOT_FOUND,
                                 "properties: '%s': there is no %s in the environment", p->name,
                                 p->value);
    }
    return set(s, conf, p->name, value, p->source != FROM_TEXT, err);
}

/* What cannot be read is told last: a name that is wrong shows at once, whatever else is. */
static ol_status set_properties(const struct kafka_settings *s, rd_kafka_conf_t *conf,
                                struct ol_error *err)
{
    /* Promise 1. */
    static const char *const ours[] = {"bootstrap.servers",     "metadata.broker.list",
                                       "enable.idempotence",    "acks",
                                       "request.required.acks", "transactional.id"};
    const struct ol__text_list *list = &s->config->properties;
    struct ol_error first = {0};
    ol_status unread = OL_OK;
    for (size_t i = 0; i < list->count; i++) {
        struct property p;
        ol_status status = parse(list->items[i], i, &p, err);
        if (status != OL_OK)
            return status;
        for (size_t j = 0; j < OL_COUNT(ours); j++)
            if (strcmp(p.name, ours[j]) == 0)
                return ol__error_set(err, OL_CONFIG, "properties: '%s' is set by the route",
                                     p.name);
        struct ol_error one = {0};
        status = set_property(s, conf, &p, &one);
        if (status == OL_CONFIG || status == OL_NOMEM) {
            *err = one;
            return status;
        }
        if (status != OL_OK && unread == OL_OK) {
            unread = status;
            first = one;
        }
    }
    if (unread != OL_OK)
        *err = first;
    return unread;
}

/* ---- Files that change ---- */

/* The path that @p item names; NULL: none. */
static const char *path_of(const char *item)
{
    static const char location[] = ".location=";
    struct property p = {.value = NULL};
    if (parse(item, 0, &p, NULL) != OL_OK)
        return NULL;
    if (p.source == FROM_FILE)
        return p.value;
    const char *at = strstr(item, location);
    return at != NULL && at + sizeof location - 1 == p.value ? p.value : NULL;
}

static uint64_t look(const struct kafka_settings *s)
{
    uint64_t sum = 14695981039346656037u; /* FNV-1a over what stat tells */
    for (size_t i = 0; i < s->config->properties.count; i++) {
        struct stat st = {0};
        const char *path = path_of(s->config->properties.items[i]);
        if (path == NULL)
            continue;
        OL_IGNORE(stat(path, &st) != 0, "absent: zeros, until it is there");
        const uint64_t facts[] = {(uint64_t)st.st_ino, (uint64_t)st.st_size,
                                  (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
        for (size_t j = 0; j < OL_COUNT(facts); j++)
            sum = (sum ^ facts[j]) * 1099511628211u;
    }
    return sum;
}

bool kafka_settings_changed(const struct kafka_settings *s)
{
    return look(s) != s->seen;
}

bool kafka_settings_have_files(const struct kafka_settings *s)
{
    for (size_t i = 0; i < s->config->properties.count; i++)
        if (path_of(s->config->properties.items[i]) != NULL)
            return true;
    return false;
}

bool kafka_settings_have_old_scram(const struct kafka_settings *s)
{
    bool is_scram = false;
    for (size_t i = 0; i < s->config->properties.count; i++) {
        const char *item = s->config->properties.items[i];
        is_scram = is_scram || strncmp(item, "sasl.mechanism=SCRAM", 20) == 0 ||
                   strncmp(item, "sasl.mechanisms=SCRAM", 21) == 0;
    }
    return is_scram && s->lib->version() < 0x02060100;
}

/* ---- All ---- */

ol_status kafka_settings_make(struct kafka_settings *s, rd_kafka_conf_t **ret, struct ol_error *err)
{
    static const char *const defaults[][2] = {
        {"client.id", "lineaged"},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.codec", "lz4"},
        {"queue.buffering.max.kbytes", "16384"},
        {"message.timeout.ms", "0"},
        {"partitioner", "murmur2_random"}, /* as Java clients: equal keys, equal partitions */
        {"log.connection.close", "false"},
    };
    /* So long a topic may be missing (the broker has only just made it) before that is an error of
     * its own; with the library's 30 s it would be shown as an outage first. */
    char missing_ms[24];
    snprintf(missing_ms, sizeof missing_ms, "%" PRId64,
             OL_MAX(INT64_C(500), OL_MIN(INT64_C(5000), s->config->timeout_ms / 2)));
    s->seen = look(s); /* before reading: a change in between shows */
    rd_kafka_conf_t *conf = s->lib->conf_new();
    if (conf == NULL)
        return ol__error_set(err, OL_NOMEM, "librdkafka: out of memory");
    ol_status status = set(s, conf, "bootstrap.servers", s->config->brokers, false, err);
    for (size_t i = 0; status == OL_OK && i < OL_COUNT(defaults); i++)
        status = set(s, conf, defaults[i][0], defaults[i][1], false, err);
    if (status == OL_OK)
        status = set(s, conf, "topic.metadata.propagation.max.ms", missing_ms, false, err);
    if (status == OL_OK)
        status = set_properties(s, conf, err);
    if (status == OL_OK && s->batch_bytes < KAFKA_BATCH_BYTES) {
        char batch_bytes[24];
        snprintf(batch_bytes, sizeof batch_bytes, "%" PRId64, s->batch_bytes);
        status = set(s, conf, "batch.size", batch_bytes, false, err);
    }
    if (status != OL_OK) {
        s->lib->conf_destroy(conf);
        return status;
    }
    *ret = conf;
    return OL_OK;
}
