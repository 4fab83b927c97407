/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the text: no crash; the same answer twice; texts that end inside their buffers and are
 * not empty; a name that ends in no digest; too small a buffer is told and not overrun; the same
 * text as the password of a connection comes out of neither the name nor the error, and changes
 * neither. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openlineage/openlineage.h>
#include "dataset_name.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct named {
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
};

static ol_status name(const char *text, struct named *n, struct ol_error *err)
{
    memset(n, 'x', sizeof *n);
    return ol_dataset_name(text, n->space, sizeof n->space, n->name, sizeof n->name, n->version,
                           sizeof n->version, err);
}

static void check_small_buffers(const char *text, const struct named *n)
{
    char space[32], out[32], version[32];
    memset(out, 'x', sizeof out);
    ol_status status = ol_dataset_name(text, space, 16, out, 16, version, 16, NULL);
    bool fits = strlen(n->space) < 16 && strlen(n->name) < 16 && strlen(n->version) < 16;
    /* A version is cut off only once it is in the buffer, so a name may not fit at first. */
    CHECK(status == OL_TOO_LARGE || (status == OL_OK && fits));
    CHECK(out[16] == 'x');
}

static void check_password(const char *text)
{
    static const char *const frames[][2] = {
        {"postgresql://me:", "@db.example/shop.public.users"},
        {"s3n://AKIA:", "@bucket/shop.public.users"},
        {"mongodb://me:", "@db.example/shop.public.users"},
    };
    struct named plain, with;
    struct ol_error err;
    char uri[5000];
    if (strlen(text) > 4000 || strpbrk(text, "@/?#;") != NULL) /* these must be escaped */
        return;
    for (size_t i = 0; i < OL_COUNT(frames); i++) {
        snprintf(uri, sizeof uri, "%sp%s", frames[i][0], frames[i][1]);
        CHECK(name(uri, &plain, &err) == OL_OK);
        snprintf(uri, sizeof uri, "%s%s%s", frames[i][0], text, frames[i][1]);
        CHECK(name(uri, &with, &err) == OL_OK);
        CHECK(strcmp(plain.space, with.space) == 0 && strcmp(plain.name, with.name) == 0);
        CHECK(with.version[0] == '\0');
    }
}

static void check_table(const char *text)
{
    char space[OL_DATASET_NAMESPACE_SIZE], out[OL_DATASET_NAME_SIZE];
    struct ol_error err = {.message = ""};
    ol_status status =
        ol_dataset_name_table(text, "s.t", space, sizeof space, out, sizeof out, &err);
    CHECK(status == OL_OK || err.message[0] != '\0');
    CHECK(status != OL_OK || (strlen(out) >= 3 && strcmp(out + strlen(out) - 3, "s.t") == 0));
    status = ol_dataset_name_table("jdbc:postgresql://db/shop", text, space, sizeof space, out,
                                   sizeof out, &err);
    CHECK(status != OL_OK || strcmp(space, "postgres://db:5432") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct named first, second;
    struct ol_error err = {.message = ""};
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    ol_status status = name(text, &first, &err);
    CHECK(status == OL_OK || status == OL_INVALID || status == OL_TOO_LARGE);
    CHECK(name(text, &second, NULL) == status);
    if (status == OL_OK) {
        CHECK(strcmp(first.space, second.space) == 0 && strcmp(first.name, second.name) == 0 &&
              strcmp(first.version, second.version) == 0);
        CHECK(first.space[0] != '\0' && first.name[0] != '\0');
        CHECK(ol__name_digest_size(first.name, strlen(first.name)) == 0);
        check_small_buffers(text, &first);
    } else {
        CHECK(err.message[0] != '\0');
        CHECK(ol_dataset_name_type(text) == NULL);
    }
    check_password(text);
    check_table(text);
    free(text);
    return 0;
}
