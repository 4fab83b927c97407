/* SPDX-License-Identifier: Apache-2.0 */
/* One value: from text to the struct, with its checks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "settings_impl.h"
#include "utf8.h"

#define SHOWN 60 /* of a wrong value, in messages */

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", INT64_C(1) << 10},
    {"KiB", INT64_C(1) << 10},
    {"kB", 1000},
    {"M", INT64_C(1) << 20},
    {"MiB", INT64_C(1) << 20},
    {"MB", 1000000},
    {"G", INT64_C(1) << 30},
    {"GiB", INT64_C(1) << 30},
    {"GB", 1000000000},
    {"T", INT64_C(1) << 40},
    {"TiB", INT64_C(1) << 40},
    {"TB", INT64_C(1000000000000)},
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

static ol_status no_memory(const struct ol__setting_place *place, struct ol_error *err)
{
    return ol__error_set(err, OL_NOMEM, "%s: out of memory", place->key);
}

static bool is_text(struct ol__span text, const char *word)
{
    return ol__span_equal(text, ol__span_text(word));
}

static int shown_size(struct ol__span text)
{
    size_t size = OL_MIN(text.size, (size_t)SHOWN);
    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return (int)size;
}

/* Digits with an optional sign; @p ret_size: how many bytes of the text they are. 0: none, or too
 * many. */
static int64_t parse_digits(struct ol__span text, bool may_be_negative, size_t *ret_size)
{
    int64_t value = 0;
    size_t i = 0;
    bool is_negative = may_be_negative && text.size > 0 && text.data[0] == '-';
    *ret_size = 0;
    if (is_negative)
        i = 1;
    size_t first = i;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        int digit = text.data[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit,
                                   &value)) /* counted below zero: reaches INT64_MIN */
            return 0;
    }
    if (i == first || (!is_negative && value == INT64_MIN))
        return 0;
    *ret_size = i;
    return is_negative ? value : -value;
}

static bool parse_units(struct ol__span text, const struct unit *units, size_t count, int64_t *ret)
{
    size_t digits = 0;
    int64_t value = parse_digits(text, false, &digits);
    if (digits == 0)
        return false;
    struct ol__span rest = {.data = text.data + digits, .size = text.size - digits};
    while (rest.size > 0 && rest.data[0] == ' ') {
        rest.data++;
        rest.size--;
    }
    if (value == 0 && rest.size == 0) { /* 0 is 0 in every unit */
        *ret = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++)
        if (is_text(rest, units[i].name))
            return !__builtin_mul_overflow(value, units[i].factor, ret);
    return false;
}

static ol_status set_number(const struct ol__setting *s, void *at, struct ol__span text,
                            const struct ol__setting_place *place, struct ol_error *err)
{
    int64_t value = 0;
    size_t digits = 0;
    bool is_good = false;
    const char *form = "a whole number";
    if (s->type == OL_SETTING_INT) {
        value = parse_digits(text, true, &digits);
        is_good = digits > 0 && digits == text.size;
    } else if (s->type == OL_SETTING_SIZE) {
        form = "a size such as 512, 64KiB or 2GiB";
        is_good = parse_units(text, size_units, OL_COUNT(size_units), &value);
    } else {
        form = "a time such as 500ms, 10s, 5m, 24h or 7d";
        is_good = parse_units(text, time_units, OL_COUNT(time_units), &value);
    }
    if (!is_good)
        return ol__setting_error(err, place, "'%.*s' is not %s", shown_size(text), text.data, form);
    if ((s->min != 0 || s->max != 0) && (value < s->min || value > s->max)) {
        char low[32];
        char high[32];
        ol__setting_show(s, s->min, low, sizeof low);
        ol__setting_show(s, s->max, high, sizeof high);
        return ol__setting_error(err, place, "%.*s is not from %s to %s", shown_size(text),
                                 text.data, low, high);
    }
    memcpy(at, &value, sizeof value);
    return OL_OK;
}

void ol__setting_show(const struct ol__setting *s, int64_t value, char *out, size_t size)
{
    static const struct unit shown_sizes[] = {{"TiB", INT64_C(1) << 40},
                                              {"GiB", INT64_C(1) << 30},
                                              {"MiB", INT64_C(1) << 20},
                                              {"KiB", INT64_C(1) << 10},
                                              {"", 1}};
    static const struct unit shown_times[] = {
        {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    const struct unit *unit = s->type == OL_SETTING_SIZE   ? shown_sizes
                              : s->type == OL_SETTING_TIME ? shown_times
                                                           : &shown_sizes[4];
    if (value == 0)
        unit = &shown_sizes[4];
    while (value % unit->factor != 0)
        unit++;
    OL_IGNORE(snprintf(out, size, "%" PRId64 "%s", value / unit->factor, unit->name), "it fits");
}

static ol_status set_bool(void *at, struct ol__span text, const struct ol__setting_place *place,
                          struct ol_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < OL_COUNT(words); i++)
        if (is_text(text, words[i])) {
            bool value = i % 2 == 1;
            memcpy(at, &value, sizeof value);
            return OL_OK;
        }
    return ol__setting_error(err, place, "'%.*s' is not true or false", shown_size(text),
                             text.data);
}

/* The @p n-th of "a|b|c"; empty past the last. */
struct ol__span ol__setting_choice(const char *choices, int n)
{
    for (; n > 0; n--) {
        choices = strchr(choices, '|');
        if (choices == NULL)
            return (struct ol__span){.data = "", .size = 0};
        choices++;
    }
    return (struct ol__span){.data = choices, .size = strcspn(choices, "|")};
}

static ol_status set_enum(const struct ol__setting *s, void *at, struct ol__span text,
                          const struct ol__setting_place *place, struct ol_error *err)
{
    struct ol__span best = {0};
    size_t best_distance = SIZE_MAX;
    char list[160] = "";
    size_t used = 0;
    for (int i = 0;; i++) {
        struct ol__span choice = ol__setting_choice(s->choices, i);
        if (choice.size == 0)
            break;
        if (ol__span_equal(choice, text)) {
            memcpy(at, &i, sizeof i);
            return OL_OK;
        }
        size_t distance = ol__setting_distance(choice, text);
        if (distance < best_distance) {
            best_distance = distance;
            best = choice;
        }
        int n = snprintf(list + used, sizeof list - used, "%s%.*s", i > 0 ? ", " : "",
                         (int)choice.size, choice.data);
        used = OL_MIN(used + (size_t)OL_MAX(n, 0), sizeof list - 1);
    }
    if (best_distance > OL_MAX(best.size / 3, (size_t)1))
        return ol__setting_error(err, place, "'%.*s' is not one of %s", shown_size(text), text.data,
                                 list);
    return ol__setting_error(err, place, "'%.*s' is not one of %s (did you mean '%.*s'?)",
                             shown_size(text), text.data, list, (int)best.size, best.data);
}

/* Text for the program: no NUL inside, UTF-8. */
static ol_status check_text(struct ol__span text, const struct ol__setting_place *place,
                            struct ol_error *err)
{
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return ol__setting_error(err, place, "the text has a NUL character in it");
    if (ol__utf8_find_bad(text) != text.size)
        return ol__setting_error(err, place, "the text is not UTF-8");
    return OL_OK;
}

ol_status ol__setting_set_scalar(const struct ol__setting *s, void *target, struct ol__span text,
                                 const struct ol__setting_place *place, struct ol_error *err)
{
    void *at = ol__setting_at(s, target);
    ol_status status = check_text(text, place, err);
    if (status != OL_OK)
        return status;
    switch (s->type) {
    case OL_SETTING_BOOL:
        return set_bool(at, text, place, err);
    case OL_SETTING_INT:
    case OL_SETTING_SIZE:
    case OL_SETTING_TIME:
        return set_number(s, at, text, place, err);
    case OL_SETTING_ENUM:
        return set_enum(s, at, text, place, err);
    case OL_SETTING_TEXT: {
        char *copy = strndup(text.size > 0 ? text.data : "", text.size);
        if (copy == NULL)
            return no_memory(place, err);
        ol__setting_clear(s, target);
        memcpy(at, &copy, sizeof(char *));
        return OL_OK;
    }
    case OL_SETTING_TEXT_LIST:
    case OL_SETTING_LIST:
        break;
    }
    return ol__setting_error(err, place, "a list is needed");
}

ol_status ol__setting_add_text(const struct ol__setting *s, void *target, struct ol__span text,
                               const struct ol__setting_place *place, struct ol_error *err)
{
    struct ol__text_list *list = ol__setting_at(s, target);
    ol_status status = check_text(text, place, err);
    if (status != OL_OK)
        return status;
    if (s->max > 0 && list->count >= (size_t)s->max)
        return ol__setting_error(err, place, "more than %" PRId64 " elements", s->max);
    char *copy = strndup(text.size > 0 ? text.data : "", text.size);
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items != NULL)
        list->items = items;
    if (copy == NULL || items == NULL) {
        free(copy);
        return no_memory(place, err);
    }
    items[list->count++] = copy;
    return OL_OK;
}

void ol__setting_clear(const struct ol__setting *s, void *target)
{
    void *at = ol__setting_at(s, target);
    if (s->type == OL_SETTING_TEXT) {
        char *text = NULL;
        memcpy(&text, at, sizeof(char *));
        if (text != NULL && s->is_secret)
            explicit_bzero(text, strlen(text));
        free(text);
        memset(at, 0, sizeof(char *));
    } else if (s->type == OL_SETTING_TEXT_LIST) {
        struct ol__text_list *list = at;
        for (size_t i = 0; i < list->count; i++) {
            if (s->is_secret)
                explicit_bzero(list->items[i], strlen(list->items[i]));
            free(list->items[i]);
        }
        free(list->items);
        *list = (struct ol__text_list){0};
    } else if (s->type == OL_SETTING_LIST) {
        struct ol__setting_items *list = at;
        for (size_t i = 0; i < list->count; i++)
            ol__settings_release(s->table, (char *)list->items + i * s->item_size);
        free(list->items);
        *list = (struct ol__setting_items){0};
    }
}
