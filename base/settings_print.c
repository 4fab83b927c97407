/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What ol__settings_print() writes reads back to the same values, secrets apart. Each section
 * is written once, at the place of its first setting, as YAML takes no key twice.
 *  2. No secret is shown: neither a setting that is one, nor user and password or the values of the
 * query in a URL, nor the value of a list's NAME=VALUE whose name speaks of one. Such a value is a
 * comment, as it would not read back. */
#include <inttypes.h>
#include <stdio.h>
#include "settings_impl.h"
#include "utf8.h"

struct printing {
    const struct ol__setting *table;
    const void *target;
    struct ol__buf *out;
};

static void put(struct ol__buf *out, const char *text)
{
    OL_IGNORE(ol__buf_add_text(out, text), "failures stick in the buffer");
}

static void put_indent(struct ol__buf *out, int depth)
{
    for (int i = 0; i < depth; i++)
        put(out, "  ");
}

static uint32_t decode(const unsigned char *s, int size)
{
    uint32_t code = size == 1 ? *s : size == 2 ? *s & 0x1fu : size == 3 ? *s & 0x0fu : *s & 0x07u;
    for (int i = 1; i < size; i++)
        code = code << 6 | (s[i] & 0x3fu);
    return code;
}

/* What YAML calls printable, without what ends a line or needs an escape in quotes. */
static bool is_printable(uint32_t code)
{
    return (code >= 0x20 && code < 0x7f && code != '"' && code != '\\') ||
           (code >= 0xa0 && code < 0xd800 && code != 0x2028 && code != 0x2029) ||
           (code >= 0xe000 && code < 0xfffe && code != 0xfeff) || code >= 0x10000;
}

/* A double-quoted scalar. */
static void put_text(struct ol__buf *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    const unsigned char *end = s + strlen(text);
    OL_IGNORE(ol__buf_add_char(out, '"'), "sticks");
    while (s < end) {
        int size = ol__utf8_size(s, end);
        uint32_t code = size > 0 ? decode(s, size) : 0xfffd;
        if (is_printable(code) && size > 0)
            OL_IGNORE(ol__buf_add(out, s, (size_t)size), "sticks");
        else if (code == '"' || code == '\\')
            OL_IGNORE(ol__buf_add_format(out, "\\%c", (char)code), "sticks");
        else if (code == '\n')
            put(out, "\\n");
        else
            OL_IGNORE(ol__buf_add_format(out, "\\u%04" PRIx32, code), "sticks");
        s += size > 0 ? size : -size;
    }
    OL_IGNORE(ol__buf_add_char(out, '"'), "sticks");
}

/* ---- secrets (promise 2) ---- */

#define MASK "(set)"
#define MASKED_MAX 65536

bool ol__setting_names_secret(const char *name, size_t size)
{
    static const char *const words[] = {"password", "passwd", "secret",     "token",
                                        "apikey",   ".pem",   "api_key",    "api.key",
                                        "api-key",  "jaas",   "credential", "oauthbearer.config"};
    char lower[128];
    if (size >= sizeof lower)
        return true; /* no name that we know */
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    lower[size] = '\0';
    for (size_t i = 0; i < OL_COUNT(words); i++)
        if (strstr(lower, words[i]) != NULL)
            return true;
    return false;
}

/* "a=b&c" becomes "a=(set)&(set)". */
static void mask_query(const char *query, struct ol__buf *out)
{
    while (*query != '\0') {
        size_t size = strcspn(query, "&"), name = strcspn(query, "=&");
        if (name < size)
            OL_IGNORE(ol__buf_add(out, query, name + 1), "sticks");
        put(out, size > 0 ? MASK : "");
        query += size;
        if (*query == '&') {
            put(out, "&");
            query++;
        }
    }
}

/* @return whether something in @p text is a secret; then @p out gets it without. */
static bool mask(const char *text, bool is_pair, struct ol__buf *out)
{
    const char *equals = is_pair ? strchr(text, '=') : NULL;
    bool is_elsewhere =
        equals != NULL && (strncmp(equals, "=file:", 6) == 0 || strncmp(equals, "=env:", 5) == 0);
    if (equals != NULL && !is_elsewhere &&
        ol__setting_names_secret(text, (size_t)(equals - text))) {
        OL_IGNORE(ol__buf_add(out, text, (size_t)(equals - text) + 1), "sticks");
        put(out, MASK);
        return true;
    }
    const char *authority = strstr(text, "://");
    if (authority == NULL)
        return false;
    authority += 3;
    size_t host = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', host), *query = strchr(authority + host, '?');
    if (at == NULL && (query == NULL || query[1] == '\0'))
        return false;
    OL_IGNORE(ol__buf_add(out, text, (size_t)(authority - text)), "sticks");
    if (at != NULL)
        put(out, MASK);
    const char *rest = at != NULL ? at : authority;
    size_t size = query != NULL ? (size_t)(query - rest) + 1 : strlen(rest);
    OL_IGNORE(ol__buf_add(out, rest, size), "sticks");
    mask_query(rest + size, out);
    return true;
}

/* Write @p text with @p before in front, as a comment if it holds a secret. */
static void put_line(const char *before, const char *text, bool is_pair, struct ol__buf *out)
{
    struct ol__buf masked;
    ol__buf_init(&masked, MASKED_MAX);
    bool is_secret = mask(text, is_pair, &masked);
    put(out, is_secret ? "# " : "");
    put(out, before);
    put_text(out, !is_secret ? text : masked.status == OL_OK ? masked.data : MASK);
    put(out, "\n");
    ol__buf_release(&masked);
}

static void put_number(const struct ol__setting *s, const void *at, struct ol__buf *out)
{
    int64_t value = 0;
    char shown[32];
    memcpy(&value, at, sizeof value);
    ol__setting_show(s, value, shown, sizeof shown);
    put(out, shown);
}

static void put_scalar(const struct ol__setting *s, const void *at, struct ol__buf *out)
{
    bool is_on = false;
    int position = 0;
    switch (s->type) {
    case OL_SETTING_BOOL:
        memcpy(&is_on, at, sizeof is_on);
        put(out, is_on ? "true" : "false");
        break;
    case OL_SETTING_ENUM:
        memcpy(&position, at, sizeof position);
        struct ol__span choice = ol__setting_choice(s->choices, position);
        OL_IGNORE(ol__buf_add(out, choice.data, choice.size), "sticks");
        break;
    case OL_SETTING_INT:
    case OL_SETTING_SIZE:
    case OL_SETTING_TIME:
        put_number(s, at, out);
        break;
    case OL_SETTING_TEXT:
    case OL_SETTING_TEXT_LIST:
    case OL_SETTING_LIST:
        break;
    }
}

/* A number without default that nothing set, and that could not be set to the 0 it holds. */
static bool is_unset_number(const struct ol__setting *s, const void *at)
{
    if (s->default_value != NULL ||
        (s->type != OL_SETTING_INT && s->type != OL_SETTING_SIZE && s->type != OL_SETTING_TIME))
        return false;
    int64_t value = 0;
    memcpy(&value, at, sizeof value);
    return value == 0 && (s->min > 0 || s->max < 0);
}

static void print_table(const struct printing *p, const char *prefix, int depth);

static void print_list(const struct ol__setting *s, const void *at, struct ol__buf *out, int depth)
{
    if (s->type == OL_SETTING_TEXT_LIST) {
        const struct ol__text_list *list = at;
        bool is_empty = true; /* of what is no comment */
        for (size_t i = 0; i < list->count && is_empty; i++) {
            struct ol__buf masked;
            ol__buf_init(&masked, MASKED_MAX);
            is_empty = mask(list->items[i], true, &masked);
            ol__buf_release(&masked);
        }
        put(out, is_empty ? " []\n" : "\n");
        for (size_t i = 0; i < list->count; i++) {
            put_indent(out, depth + 1);
            put_line("- ", list->items[i], true, out);
        }
        return;
    }
    const struct ol__setting_items *list = at;
    put(out, list->count == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < list->count; i++) {
        put_indent(out, depth + 1);
        put(out, "-\n");
        struct printing element = {
            .table = s->table, .target = (const char *)list->items + i * s->item_size, .out = out};
        print_table(&element, "", depth + 2);
    }
}

static void print_setting(const struct printing *p, const struct ol__setting *s, const char *name,
                          int depth)
{
    const void *at = ol__setting_in(s, p->target);
    char *text = NULL;
    put_indent(p->out, depth);
    if (s->type == OL_SETTING_TEXT)
        memcpy(&text, at, sizeof(char *));
    bool is_set = s->type == OL_SETTING_TEXT ? text != NULL : !is_unset_number(s, at);
    if (s->type == OL_SETTING_TEXT_LIST && s->is_secret)
        is_set = ((const struct ol__text_list *)at)->count > 0;
    if (!is_set || s->is_secret) {
        OL_IGNORE(ol__buf_add_format(p->out, "# %s: %s\n", name, is_set ? "(set)" : "(not set)"),
                  "sticks");
        return;
    }
    if (s->type == OL_SETTING_TEXT) {
        char before[128];
        OL_IGNORE(snprintf(before, sizeof before, "%s: ", name), "it fits");
        put_line(before, text, false, p->out);
        return;
    }
    OL_IGNORE(ol__buf_add_format(p->out, "%s:", name), "sticks");
    if (s->type == OL_SETTING_TEXT_LIST || s->type == OL_SETTING_LIST) {
        print_list(s, at, p->out, depth);
        return;
    }
    put(p->out, " ");
    put_scalar(s, at, p->out);
    put(p->out, "\n");
}

static bool is_inside(const struct ol__setting *s, const char *prefix, size_t skip)
{
    return ol__setting_is_real(s) && s->reserved == NULL &&
           (skip == 0 || (strncmp(s->key, prefix, skip - 1) == 0 && s->key[skip - 1] == '.'));
}

/* The settings and sections directly under @p prefix. */
static void print_table(const struct printing *p, const char *prefix, int depth)
{
    size_t skip = prefix[0] != '\0' ? strlen(prefix) + 1 : 0;
    for (const struct ol__setting *s = p->table; s->key != NULL; s++) {
        if (!is_inside(s, prefix, skip))
            continue;
        const char *name = s->key + skip;
        size_t size = strcspn(name, ".");
        if (name[size] == '\0') {
            print_setting(p, s, name, depth);
            continue;
        }
        char section[128];
        OL_IGNORE(snprintf(section, sizeof section, "%.*s", (int)(skip + size), s->key), "it fits");
        bool was_printed = false;
        for (const struct ol__setting *e = p->table; e < s; e++)
            was_printed = was_printed || is_inside(e, section, strlen(section) + 1);
        if (was_printed)
            continue;
        put_indent(p->out, depth);
        OL_IGNORE(ol__buf_add_format(p->out, "%.*s:\n", (int)size, name), "sticks");
        print_table(p, section, depth + 1);
    }
}

ol_status ol__settings_print(const struct ol__setting *table, const void *target,
                             struct ol__buf *out)
{
    struct printing p = {.table = table, .target = target, .out = out};
    print_table(&p, "", 0);
    return out->status;
}

/* ---- the manual page ---- */

/* Text for man(7): a line may not begin with a dot or a quote, and a backslash is \e. */
static void put_roff(struct ol__buf *out, const char *text)
{
    bool is_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (is_start && (*c == '.' || *c == '\''))
            put(out, "\\&");
        if (*c == '\\')
            put(out, "\\e");
        else if (*c == '-')
            put(out, "\\-");
        else
            OL_IGNORE(ol__buf_add_char(out, *c), "sticks");
        is_start = *c == '\n';
    }
}

static const char *type_name(enum ol__setting_type type)
{
    static const char *const names[] = {
        "text", "true or false", "number",        "size",
        "time", "one of",        "list of texts", "list of sections"};
    return names[type];
}

static void manual_range(const struct ol__setting *s, struct ol__buf *out)
{
    bool is_number =
        s->type == OL_SETTING_INT || s->type == OL_SETTING_SIZE || s->type == OL_SETTING_TIME;
    char low[32];
    char high[32];
    if (is_number && (s->min != 0 || s->max != 0)) {
        ol__setting_show(s, s->min, low, sizeof low);
        ol__setting_show(s, s->max, high, sizeof high);
        put(out, " from ");
        put_roff(out, low);
        put(out, " to ");
        put_roff(out, high);
    } else if (!is_number && s->type != OL_SETTING_TEXT && s->max > 0) {
        OL_IGNORE(ol__buf_add_format(out, ", at most %" PRId64, s->max), "sticks");
    }
    for (int i = 0; s->type == OL_SETTING_ENUM; i++) {
        struct ol__span choice = ol__setting_choice(s->choices, i);
        char name[64];
        if (choice.size == 0)
            break;
        OL_IGNORE(snprintf(name, sizeof name, "%s%.*s", i > 0 ? ", " : " ", (int)choice.size,
                           choice.data),
                  "it fits");
        put_roff(out, name);
    }
}

static void manual_table(const struct ol__setting *table, const char *prefix, struct ol__buf *out)
{
    for (const struct ol__setting *s = table; s->key != NULL; s++) {
        if (!ol__setting_is_real(s) || s->reserved != NULL)
            continue;
        put(out, ".TP\n\\fB");
        put_roff(out, prefix);
        put_roff(out, s->key);
        put(out, "\\fR (");
        put(out, type_name(s->type));
        manual_range(s, out);
        if (s->is_required)
            put(out, "; required");
        if (s->default_value != NULL) {
            put(out, "; default ");
            put_roff(out, s->default_value[0] != '\0' ? s->default_value : "empty");
        }
        put(out, ")\n");
        if (s->help != NULL) {
            put_roff(out, s->help);
            put(out, "\n");
        }
        if (s->type == OL_SETTING_LIST) {
            char inner[128];
            OL_IGNORE(snprintf(inner, sizeof inner, "%s%s[].", prefix, s->key), "it fits");
            manual_table(s->table, inner, out);
        }
    }
}

ol_status ol__settings_manual(const struct ol__setting *table, struct ol__buf *out)
{
    manual_table(table, "", out);
    return out->status;
}
