/* SPDX-License-Identifier: Apache-2.0 */
/* Files that git wrote, or somebody else, and addresses. Whatever the bytes: no crash; what is told
 * of a configuration has a section and a key in lower case; what packed-refs tells stands in them;
 * an address that is kept has no password, query or control character. The first byte says which.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "collect.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void is_lower(struct ol__span text)
{
    CHECK(text.size > 0);
    for (size_t i = 0; i < text.size; i++)
        CHECK(!isupper((unsigned char)text.data[i]));
}

static void take(void *arg, struct ol__span section, struct ol__span subsection,
                 struct ol__span key, struct ol__span value)
{
    const struct ol__span *text = arg;
    is_lower(section);
    is_lower(key);
    CHECK(subsection.size + value.size <= text->size);
}

static void check_refs(struct ol__span text)
{
    struct ol__span hash, tag;
    size_t half = text.size / 2;
    const struct ol__span ref = {text.data, OL_MIN(half, (size_t)32)};
    const struct ol__span commit = {text.data + half, OL_MIN(text.size - half, (size_t)40)};
    ol__git_refs_find(text, ref, commit, &hash, &tag);
    CHECK(hash.size == 0 || (ol__git_is_hash(hash) && hash.data >= text.data &&
                             hash.data + hash.size <= text.data + text.size));
    CHECK(tag.size == 0 || (tag.data > text.data && tag.data + tag.size <= text.data + text.size));
}

static void check_url(struct ol__span text)
{
    struct ol__collected *c = malloc(sizeof *c);
    CHECK(c != NULL);
    ol__collected_init(c, "");
    const char *kept = ol__collect_keep_url(c, text);
    if (kept != NULL) {
        CHECK(strlen(kept) <= text.size && strlen(kept) <= OL_COLLECT_VALUE_MAX);
        CHECK(strpbrk(kept, "?#\n\r\t") == NULL);
        const char *scheme = strstr(kept, "://");
        const char *begin = scheme != NULL ? scheme + 3 : kept;
        const char *at = memchr(begin, '@', strcspn(begin, "/"));
        CHECK(at == NULL || memchr(begin, ':', (size_t)(at - begin)) == NULL);
    }
    ol__collected_release(c);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct ol__span text = {(const char *)data + 1, size - 1};
    if (data[0] == 'c')
        ol__git_config_read(text, take, &text);
    else if (data[0] == 'r')
        check_refs(text);
    else
        check_url(text);
    return 0;
}
