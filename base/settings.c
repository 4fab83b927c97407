/* SPDX-License-Identifier: Apache-2.0 */
/* The table: finding keys, defaults, the command line, the end. Values: settings_value.c; YAML:
 * settings_yaml.c; what is written: settings_print.c. */
#include <stdio.h>
#include <stdlib.h>
#include "settings_impl.h"

ol_status ol__setting_error(struct ol_error *err, const struct ol__setting_place *place,
                            const char *format, ...)
{
    char text[sizeof(((struct ol_error *)0)->message)];
    va_list args;
    va_start(args, format);
    OL_IGNORE(vsnprintf(text, sizeof text, format, args), "cut short is good enough");
    va_end(args);
    const char *colon = place->key[0] != '\0' ? ": " : "";
    if (place->file != NULL)
        return ol__error_set(err, OL_CONFIG, "%s:%zu: %s%s%s", place->file, place->line, place->key,
                             colon, text);
    return ol__error_set(err, OL_CONFIG, "%s%s%s", place->key, colon, text);
}

bool ol__setting_is_real(const struct ol__setting *setting)
{
    return strcmp(setting->key, OL_SETTING_LINE) != 0;
}

const struct ol__setting *ol__setting_find(const struct ol__setting *table, const char *key)
{
    for (const struct ol__setting *s = table; s->key != NULL; s++)
        if (ol__setting_is_real(s) && strcmp(s->key, key) == 0)
            return s;
    return NULL;
}

bool ol__setting_is_section(const struct ol__setting *table, const char *prefix)
{
    size_t size = strlen(prefix);
    for (const struct ol__setting *s = table; s->key != NULL; s++)
        if (strncmp(s->key, prefix, size) == 0 && s->key[size] == '.')
            return true;
    return false;
}

/* Damerau-Levenshtein, each pair of neighbours swapped at most once. Long words are never near. */
size_t ol__setting_distance(struct ol__span a, struct ol__span b)
{
    enum { LONGEST = 64 };
    if (a.size >= LONGEST || b.size >= LONGEST)
        return SIZE_MAX;
    size_t rows[3][LONGEST];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b.size; j++) {
        before[j] = j;
        above[j] = j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            bool is_same = a.data[i - 1] == b.data[j - 1];
            size_t best = above[j - 1] + (is_same ? 0 : 1);
            best = OL_MIN(best, above[j] + 1);
            best = OL_MIN(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                best = OL_MIN(best, before[j - 2] + 1);
            row[j] = best;
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b.size];
}

void ol__setting_suggest(const struct ol__setting *table, const char *prefix, const char *key,
                         char *out, size_t size)
{
    size_t skip = prefix[0] != '\0' ? strlen(prefix) + 1 : 0;
    size_t best_distance = SIZE_MAX;
    struct ol__span wanted = ol__span_text(key);
    out[0] = '\0';
    for (const struct ol__setting *s = table; s->key != NULL; s++) {
        if (!ol__setting_is_real(s) || s->reserved != NULL)
            continue;
        /* The same section: its next part, which may be a section itself. */
        if (skip == 0 || (strncmp(s->key, prefix, skip - 1) == 0 && s->key[skip - 1] == '.')) {
            struct ol__span part = {.data = s->key + skip, .size = strcspn(s->key + skip, ".")};
            size_t distance = ol__setting_distance(part, wanted);
            size_t allowed = OL_MAX(part.size / 3, (size_t)1);
            if (distance <= allowed && distance < best_distance) {
                best_distance = distance;
                OL_IGNORE(snprintf(out, size, "%.*s", (int)(skip + part.size), s->key), "cut");
            }
        }
        /* Elsewhere: only the very word, as when a section was left out. */
        const char *last = strrchr(s->key, '.');
        if (best_distance == SIZE_MAX && out[0] == '\0' &&
            strcmp(last != NULL ? last + 1 : s->key, key) == 0)
            OL_IGNORE(snprintf(out, size, "%s", s->key), "cut");
    }
}

static void release(const struct ol__setting *table, void *target)
{
    for (const struct ol__setting *s = table; s->key != NULL; s++)
        ol__setting_clear(s, target);
}

void ol__settings_release(const struct ol__setting *table, void *target)
{
    release(table, target);
}

/* A TEXT_LIST from "a, b": white space around the elements is dropped, nothing is no element. */
static ol_status set_text_list(const struct ol__setting *s, void *target, const char *value,
                               const struct ol__setting_place *place, struct ol_error *err)
{
    struct ol__text_list made = {0};
    struct ol__setting aside = *s;
    aside.offset = 0;
    ol_status status = OL_OK;
    while (status == OL_OK && *value != '\0') {
        size_t size = strcspn(value, ",");
        struct ol__span item = {.data = value, .size = size};
        for (; item.size > 0 && item.data[0] == ' '; item.size--)
            item.data++;
        while (item.size > 0 && item.data[item.size - 1] == ' ')
            item.size--;
        if (item.size > 0)
            status = ol__setting_add_text(&aside, &made, item, place, err);
        value += size + (value[size] == ',' ? 1 : 0);
    }
    if (status != OL_OK) {
        ol__setting_clear(&aside, &made);
        return status;
    }
    ol__setting_clear(s, target);
    memcpy(ol__setting_at(s, target), &made, sizeof made);
    return OL_OK;
}

static ol_status set_from_text(const struct ol__setting *s, void *target, const char *value,
                               struct ol_error *err)
{
    struct ol__setting_place place = {.key = s->key};
    if (s->type == OL_SETTING_LIST)
        return ol__setting_error(err, &place, "can only be set in a file");
    if (s->type == OL_SETTING_TEXT_LIST)
        return set_text_list(s, target, value, &place, err);
    return ol__setting_set_scalar(s, target, ol__span_text(value), &place, err);
}

ol_status ol__settings_defaults(const struct ol__setting *table, void *target, struct ol_error *err)
{
    for (const struct ol__setting *s = table; s->key != NULL; s++) {
        if (s->default_value == NULL)
            continue;
        ol_status status = set_from_text(s, target, s->default_value, err);
        if (status != OL_OK) {
            release(table, target);
            /* A default that its own table refuses is a programming error, found by any test. */
            assert(status == OL_NOMEM);
            return ol__error_prefix(err, status, "default");
        }
    }
    return OL_OK;
}

ol_status ol__settings_set(const struct ol__setting *table, void *target, const char *key,
                           const char *value, struct ol_error *err)
{
    struct ol__setting_place place = {.key = key};
    const struct ol__setting *s = ol__setting_find(table, key);
    if (s != NULL && s->reserved != NULL)
        return ol__setting_error(err, &place, "is not for use yet: %s", s->reserved);
    if (s != NULL)
        return set_from_text(s, target, value, err);
    if (ol__setting_is_section(table, key))
        return ol__setting_error(err, &place, "is a section, not a setting");
    const char *dot = strrchr(key, '.');
    char prefix[128] = "";
    char near[128];
    if (dot != NULL && (size_t)(dot - key) < sizeof prefix)
        memcpy(prefix, key, (size_t)(dot - key));
    ol__setting_suggest(table, prefix, dot != NULL ? dot + 1 : key, near, sizeof near);
    return ol__setting_error(err, &place, "there is no such setting%s%s%s",
                             near[0] != '\0' ? " (did you mean '" : "", near,
                             near[0] != '\0' ? "'?)" : "");
}
