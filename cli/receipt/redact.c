/* SPDX-License-Identifier: Apache-2.0 */
/* R12: what of a command line may stand in a receipt. By the names of options and variables, by
 * what stands in URLs, and by the shape of well-known tokens. */
#include <ctype.h>
#include <strings.h>
#include "record.h"

static const char *const secret_words[] = {
    "password",   "passwd",  "passphrase",    "secret",     "token",       "apikey",
    "api-key",    "api_key", "access-key",    "access_key", "private-key", "private_key",
    "credential", "bearer",  "authorization", "cookie"};
/* Names that hold such a word and are no secret. */
static const char *const harmless_words[] = {"max-token",   "max_token", "tokenizer", "token-count",
                                             "token_count", "num-token", "num_token", "-file",
                                             "_file",       "-path",     "_path"};
static const char *const token_prefixes[] = {"sk-",    "ghp_", "gho_", "ghs_",  "github_pat_",
                                             "glpat-", "AKIA", "ASIA", "xoxb-", "xoxp-",
                                             "hf_",    "AIza", "eyJ"};
#define TOKEN_MIN 16 /* characters of a token that is known by its prefix */

static bool has_word(const char *text, size_t size, const char *const *words, size_t count)
{
    for (size_t w = 0; w < count; w++) {
        size_t length = strlen(words[w]);
        for (size_t i = 0; i + length <= size; i++) {
            if (strncasecmp(text + i, words[w], length) == 0)
                return true;
        }
    }
    return false;
}

static bool is_secret_name(const char *name, size_t size)
{
    return has_word(name, size, secret_words, OL_COUNT(secret_words)) &&
           !has_word(name, size, harmless_words, OL_COUNT(harmless_words));
}

bool receipt_is_secret_name(const char *name)
{
    return is_secret_name(name, strlen(name));
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '/' || c == '+';
}

/* Bytes of the token that begins at @p text, 0: none does. */
static size_t token_size(const char *text)
{
    size_t size = 0;
    for (size_t i = 0; i < OL_COUNT(token_prefixes) && size == 0; i++) {
        size_t length = strlen(token_prefixes[i]);
        if (strncmp(text, token_prefixes[i], length) == 0) {
            while (is_token_char(text[size]))
                size++;
            if (size < TOKEN_MIN)
                size = 0;
        }
    }
    return size;
}

/* "user:password" of "scheme://user:password@host": where the password is; 0: none. */
static size_t password_size(const char *text, size_t *ret_offset)
{
    const char *authority = strstr(text, "://");
    if (authority == NULL)
        return 0;
    authority += 3;
    size_t size = strcspn(authority, "/?#");
    const char *at = NULL, *colon = NULL;
    for (size_t i = 0; i < size; i++) {
        if (authority[i] == '@')
            at = authority + i;
    }
    if (at != NULL)
        colon = memchr(authority, ':', (size_t)(at - authority));
    if (colon == NULL)
        return 0;
    *ret_offset = (size_t)(colon + 1 - text);
    return (size_t)(at - colon - 1);
}

/* The value behind "name=" or "name:" within @p text, for names that say that it is secret. */
static size_t value_size(const char *text, size_t *ret_offset)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] != '=' && text[i] != ':')
            continue;
        size_t begin = i;
        while (begin > 0 && (isalnum((unsigned char)text[begin - 1]) || text[begin - 1] == '_' ||
                             text[begin - 1] == '-'))
            begin--;
        if (!is_secret_name(text + begin, i - begin))
            continue;
        size_t from = i + 1;
        while (text[from] == ' ')
            from++;
        if (strncasecmp(text + from, "bearer ", 7) == 0 ||
            strncasecmp(text + from, "basic ", 6) == 0)
            from += strcspn(text + from, " ") + 1;
        size_t size = text[i] == ':' ? strlen(text + from) : strcspn(text + from, "&; \t\n");
        if (size > 0 && strncmp(text + from, "//", 2) != 0) {
            *ret_offset = from;
            return size;
        }
    }
    return 0;
}

void receipt_redact_argument(const char *argument, bool *ret_next, struct ol__buf *out)
{
    bool is_value = *ret_next;
    *ret_next = false;
    if (is_value) {
        ol__buf_add_text(out, RECEIPT_REDACTED);
        return;
    }
    size_t name = strspn(argument, "-");
    if (name > 0 && strchr(argument, '=') == NULL && strchr(argument, ' ') == NULL &&
        is_secret_name(argument + name, strlen(argument + name)))
        *ret_next = true;
    for (const char *s = argument; *s != '\0';) {
        size_t offset = 0, size = token_size(s);
        bool is_begin = s == argument || !is_token_char(s[-1]);
        if (size > 0 && is_begin) {
            ol__buf_add_text(out, RECEIPT_REDACTED);
            s += size;
            continue;
        }
        size = s == argument || s[-1] == '\n' ? value_size(s, &offset) : 0;
        if (size == 0)
            size = s == argument || isspace((unsigned char)s[-1]) ? password_size(s, &offset) : 0;
        if (size > 0) {
            ol__buf_add(out, s, offset);
            ol__buf_add_text(out, RECEIPT_REDACTED);
            s += offset + size;
            continue;
        }
        ol__buf_add_char(out, *s++);
    }
}
