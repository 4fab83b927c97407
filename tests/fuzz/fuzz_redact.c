/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever stands before and after them: secrets on lines of their own are taken out, of texts,
 * documents and arguments; what comes out is UTF-8, and the mark on the way is not seen in it. */
#include <stdio.h>
#include <stdlib.h>
#include "receipt/redact.h"
#include "utf8.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const char planted[] = "\nmail jane.doe@example.org\nid AKIAIOSFODNN7EXAMPLE\n"
                              "n 4111 1111 1111 1111 \nDB_PASSWORD=\"hunter2 hunter2\"\n";
static const char *const secrets[] = {"jane.doe@", "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111",
                                      "hunter2"};

static void check(const struct ol__buf *out, bool has_mark)
{
    struct ol__span text = {.data = out->data != NULL ? out->data : "", .size = out->size};
    CHECK(out->status == OL_OK);
    CHECK(ol__utf8_find_bad(text) == text.size);
    CHECK(has_mark || memmem(text.data, text.size, "[redacted:]", 11) == NULL);
    for (size_t i = 0; i < OL_COUNT(secrets); i++)
        CHECK(memmem(text.data, text.size, secrets[i], strlen(secrets[i])) == NULL);
}

static bool has(const uint8_t *data, size_t size, const char *what)
{
    return size > 0 && memmem(data, size, what, strlen(what)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol__buf in, out;
    bool has_mark = has(data, size, "[redacted"), is_value = false;
    for (size_t i = 0; i < OL_COUNT(secrets); i++)
        if (has(data, size, secrets[i])) /* where it may stand within something else */
            return 0;
    ol__buf_init(&in, (size_t)1 << 20);
    ol__buf_init(&out, (size_t)4 << 20);
    ol__buf_add(&in, data, size / 2);
    ol__buf_add(&in, planted, sizeof planted - 1);
    ol__buf_add(&in, data + size / 2, size - size / 2);
    CHECK(in.status == OL_OK);
    struct ol__span text = {.data = in.data, .size = in.size};
    redact_text(text, &out);
    check(&out, has_mark);
    ol__buf_reset(&out);
    CHECK(redact_content(text, &out));
    check(&out, has_mark);
    ol__buf_reset(&out);
    redact_argument(in.data, &is_value, &out); /* up to its first NUL */
    if (memchr(in.data, '\0', in.size) == NULL)
        check(&out, has_mark);
    ol__buf_release(&in);
    ol__buf_release(&out);
    return 0;
}
