/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a name that says it is secret: "NAME=value", "Name: value", {"name": "value"}.
 */
#include <ctype.h>
#include <strings.h>
#include "redact_impl.h"

#define NAME_MAX_SIZE 128 /* of a name in a text; what is longer is cut in front */
#define GAP_MAX 4         /* blanks between name, sign and value */
/* Bytes looked at again within values, for each byte of a text; past it the rest is secret. */
#define EFFORT ((size_t)16)
#define EFFORT_LEAST ((size_t)65536)

static const char *const secret_words[] = {"password",
                                           "passwd",
                                           "passphrase",
                                           "secret",
                                           "token",
                                           "apikey",
                                           "api-key",
                                           "api_key",
                                           "access-key",
                                           "access_key",
                                           "accesskey",
                                           "private-key",
                                           "private_key",
                                           "privatekey",
                                           "account-key",
                                           "account_key",
                                           "accountkey",
                                           "shared-key",
                                           "shared_key",
                                           "credential",
                                           "bearer",
                                           "authorization",
                                           "cookie",
                                           "pwd",
                                           "connection_string",
                                           "session-key",
                                           "session_key",
                                           "connection-string",
                                           "connectionstring"};
/* Names that hold such a word and are no secret. */
static const char *const harmless_words[] = {"max-token",    "max_token",
                                             "tokenizer",    "tokenis",
                                             "tokeniz",      "token-count",
                                             "token_count",  "num-token",
                                             "num_token",    "input_token",
                                             "input-token",  "output_token",
                                             "output-token", "completion_token",
                                             "prompt_token", "total_token",
                                             "token_limit",  "token-limit",
                                             "tokens_per",   "tokens-per",
                                             "-file",        "_file",
                                             "-path",        "_path"};

static bool has_word(struct ol__span text, const char *const *words, size_t count)
{
    for (size_t w = 0; w < count; w++) {
        size_t size = strlen(words[w]);
        for (size_t i = 0; i + size <= text.size; i++) {
            if (strncasecmp(text.data + i, words[w], size) == 0)
                return true;
        }
    }
    return false;
}

static bool is_directory_name(struct ol__span name)
{
    return (name.size == 3 && strncasecmp(name.data, "PWD", 3) == 0) ||
           (name.size == 6 && strncasecmp(name.data, "OLDPWD", 6) == 0);
}

bool redact_is_secret(struct ol__span name)
{
    return has_word(name, secret_words, OL_COUNT(secret_words)) && !is_directory_name(name) &&
           !has_word(name, harmless_words, OL_COUNT(harmless_words));
}

bool redact_is_secret_name(const char *name)
{
    return redact_is_secret(ol__span_text(name));
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* What stands around the sign at `at`. */
struct place {
    struct ol__span name;
    bool is_name_quoted, is_line_start;
    bool has_gap; /* between sign and value */
    size_t value; /* where it begins */
};

static bool is_line_start(struct ol__span text, size_t at)
{
    static const char export[] = "export ";
    size_t size = sizeof export - 1;
    while (at > 0 && text.data[at - 1] == '-')
        at--;
    if (at >= size && memcmp(text.data + at - size, export, size) == 0)
        at -= size;
    while (at > 0 && (is_blank(text.data[at - 1]) || text.data[at - 1] == '+'))
        at--; /* also of a patch */
    return at == 0 || text.data[at - 1] == '\n';
}

static bool find_place(struct ol__span text, size_t at, struct place *ret)
{
    size_t end = at;
    *ret = (struct place){.is_name_quoted = false};
    for (int i = 0; i < GAP_MAX && end > 0 && is_blank(text.data[end - 1]); i++)
        end--;
    if (end > 0 && is_quote(text.data[end - 1])) {
        ret->is_name_quoted = true;
        end--;
        if (end > 0 && text.data[end - 1] == '\\') /* JSON within JSON */
            end--;
    }
    size_t begin = end;
    while (begin > 0 && end - begin < NAME_MAX_SIZE && is_of_name(text.data[begin - 1]))
        begin--;
    ret->name = (struct ol__span){.data = text.data + begin, .size = end - begin};
    if (begin == end || !redact_is_secret(ret->name))
        return false;
    ret->is_line_start = !ret->is_name_quoted && end == at && is_line_start(text, begin);
    ret->value = at + 1;
    if (ret->value < text.size && text.data[ret->value] == '>') /* => */
        ret->value++;
    for (int i = 0; i < GAP_MAX && ret->value < text.size && is_blank(text.data[ret->value]); i++) {
        ret->value++;
        ret->has_gap = true;
    }
    return true;
}

/* "Bearer " in front of what it is about stays. */
static size_t skip_scheme(struct ol__span text, size_t from)
{
    static const char *const schemes[] = {"bearer ", "basic ", "digest ", "token "};
    for (size_t i = 0; i < OL_COUNT(schemes); i++) {
        size_t size = strlen(schemes[i]);
        if (text.size - from > size && strncasecmp(text.data + from, schemes[i], size) == 0)
            return from + size;
    }
    return from;
}

static size_t quoted_end(struct ol__span text, size_t from, char quote, bool is_escaped)
{
    size_t i = from;
    while (i < text.size && text.data[i] != quote)
        i += text.data[i] == '\\' && !is_escaped ? 2 : 1;
    i = OL_MIN(i, text.size);
    return is_escaped && i > from && i < text.size && text.data[i - 1] == '\\' ? i - 1 : i;
}

static size_t end_at(struct ol__span text, size_t from, const char *stops)
{
    size_t i = from;
    while (i < text.size && strchr(stops, text.data[i]) == NULL)
        i++;
    return i;
}

/* Where the value that begins at *from ends; *from itself: it is left alone. */
static size_t find_end(struct ol__span text, const struct place *p, char sign, bool is_content,
                       size_t *from)
{
    bool is_escaped = text.size - *from >= 2 && text.data[*from] == '\\';
    size_t quote = *from + (is_escaped ? 1 : 0);
    if (quote < text.size && is_quote(text.data[quote])) {
        *from = skip_scheme(text, quote + 1);
        return quoted_end(text, *from, text.data[quote], is_escaped);
    }
    if (is_content && (!p->is_line_start || (sign == '=' && p->has_gap)))
        return *from;
    *from = skip_scheme(text, *from);
    if (text.size - *from >= 2 && memcmp(text.data + *from, "//", 2) == 0)
        return *from;
    if (p->is_name_quoted)
        return end_at(text, *from, ",}] \t\r\n");
    return end_at(text, *from, sign == ':' ? "\r\n\"'" : "&; \t\r\n\"'");
}

static bool starts_with_mark(struct ol__span text, size_t at)
{
    size_t size = sizeof REDACT_MARK - 1;
    return text.size - at >= size && memcmp(text.data + at, REDACT_MARK, size) == 0;
}

/* The value behind the sign at @p at, if a secret name stands before it. */
static bool find_value(struct ol__span text, size_t at, bool is_content, size_t *from, size_t *end)
{
    struct place p;
    if ((text.data[at] != '=' && text.data[at] != ':') || !find_place(text, at, &p) ||
        p.value >= text.size)
        return false;
    *from = p.value;
    *end = find_end(text, &p, text.data[at], is_content, from);
    return *end > *from;
}

/* Where all ends that is secret behind @p from: a quote that is not closed takes the next one for
 * its own, so that a value may begin within another one and go on behind it. */
static size_t find_last_end(struct ol__span text, size_t from, size_t end, bool is_content,
                            size_t *effort)
{
    for (size_t i = from; i < end && end < text.size; i++) {
        size_t inner_from, inner_end;
        if (!find_value(text, i, is_content, &inner_from, &inner_end))
            continue;
        if (inner_end - inner_from > *effort)
            return text.size;
        *effort -= inner_end - inner_from;
        end = OL_MAX(end, inner_end);
    }
    return end;
}

void redact_names(struct ol__span text, bool is_content, struct ol__buf *out)
{
    size_t copied = 0, effort = EFFORT_LEAST + EFFORT * text.size;
    for (size_t i = 0; i < text.size; i++) {
        size_t from, end;
        if (!find_value(text, i, is_content, &from, &end))
            continue;
        if (starts_with_mark(text, from))
            continue;
        end = find_last_end(text, from, end, is_content, &effort);
        ol__buf_add(out, text.data + copied, from - copied);
        ol__buf_add_text(out, REDACT_MARK);
        copied = end;
        i = end - 1;
    }
    ol__buf_add(out, text.data + copied, text.size - copied);
}
