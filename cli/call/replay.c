/* SPDX-License-Identifier: Apache-2.0 */
/* An earlier call, from its receipt. What is sent again is what was sent then, or nothing is: the
 * request in the folder must have the hash that the receipt says was sent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "call.h"
#include "cli.h"
#include "json_write.h"

/* Open the folder of the receipt that @p path names. */
static ol_status open_folder(const char *path, int *ret_fd, const char **ret_name,
                             struct ol_error *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    *ret_name = "receipt.json";
    if (stat(path, &st) != 0)
        return ol__error_set_errno(err, errno, "'%s'", path);
    if (S_ISDIR(st.st_mode))
        return ol__fs_open_directory(path, ret_fd, err);
    *ret_name = slash != NULL ? slash + 1 : path;
    char *directory = slash == NULL   ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    if (directory == NULL)
        return ol__error_set(err, OL_NOMEM, "out of memory");
    ol_status status = ol__fs_open_directory(directory, ret_fd, err);
    free(directory);
    return status;
}

/* A winner's receipt stands in the step's folder as well; the request is in that of its attempt. */
static ol_status read_kept(int fd, const struct replay *r, const char *name, struct ol__buf *out,
                           struct ol_error *err)
{
    char path[64];
    if (strchr(name, '/') != NULL || name[0] == '.')
        return ol__error_set(err, OL_CORRUPT, "kept.request.path '%.60s': expected a file name",
                             name);
    ol_status status = ol__fs_read_file(&ol__fs_real, fd, name, out, err);
    if (status != OL_NOT_FOUND)
        return status;
    snprintf(path, sizeof path, "attempt-%lld/%.32s",
             (long long)json_get_int(r->doc.root, "attempt", 0), name);
    return ol__fs_read_file(&ol__fs_real, fd, path, out, err);
}

static ol_status read_request(int fd, struct replay *r, struct ol_error *err)
{
    char sha256[OL_SHA256_TEXT + 1];
    const struct json_node *kept = json_get(json_get(r->call, "kept"), "request");
    const char *name = json_get_text(kept, "path"), *said = json_get_text(kept, "sha256");
    const char *sent = json_get_text(r->call, "request_sha256"); /* none where it is keyed */
    if (name == NULL || said == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "the request was not kept, only its hash");
    if (json_get_bool(kept, "redacted"))
        return ol__error_set(err, OL_NOT_FOUND,
                             "the request was redacted: it is not kept as it was sent (--as-sent)");
    ol_status status = read_kept(fd, r, name, &r->request, err);
    if (status == OL_OK)
        status =
            receipt_hash((struct ol__span){.data = r->request.data != NULL ? r->request.data : "",
                                           .size = r->request.size},
                         sha256, err);
    if (status == OL_OK &&
        (strcmp(sha256, said) != 0 || (sent != NULL && strcmp(sha256, sent) != 0)))
        status = ol__error_set(err, OL_CORRUPT,
                               "'%s' is not what was sent: it has the hash %.16s..., the receipt "
                               "says %.16s...",
                               name, sha256, strcmp(sha256, said) != 0 ? said : sent);
    return status;
}

ol_status replay_read(const char *path, struct replay *r, struct ol_error *err)
{
    struct ol__buf text;
    const char *name;
    int fd = -1;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol_status status = open_folder(path, &fd, &name, err);
    if (status == OL_OK)
        status = receipt_get(fd, name, &text, r->sha256, err);
    if (status == OL_OK) {
        status =
            json_doc_read(&r->doc, (struct ol__span){.data = text.data, .size = text.size}, err);
        r->is_read = status == OL_OK;
    }
    if (status == OL_OK) {
        r->call = json_get_items(r->doc.root, "calls");
        snprintf(r->path, sizeof r->path, "%.*s/steps", RECEIPT_RUN_ID_SIZE - 1,
                 json_get_text(r->doc.root, "run_id") != NULL ? json_get_text(r->doc.root, "run_id")
                                                              : "");
        int64_t seq = json_get_int(r->doc.root, "seq", -1);
        const char *step = json_get_text(r->doc.root, "step");
        size_t used = strlen(r->path);
        if (seq >= 0)
            used += (size_t)snprintf(r->path + used, sizeof r->path - used, "/%03lld_%.128s",
                                     (long long)seq, step != NULL ? step : "");
        else
            used += (size_t)snprintf(r->path + used, sizeof r->path - used, "/%.128s",
                                     step != NULL ? step : "");
        snprintf(r->path + used, sizeof r->path - used, "/attempt-%lld/receipt.json",
                 (long long)json_get_int(r->doc.root, "attempt", 0));
        status = r->call != NULL
                     ? read_request(fd, r, err)
                     : ol__error_set(err, OL_INVALID, "'%s' is no receipt of a call", path);
    }
    if (fd >= 0)
        close(fd);
    ol__buf_release(&text);
    return status;
}

void replay_release(struct replay *r)
{
    if (r->is_read)
        json_doc_release(&r->doc);
    ol__buf_release(&r->request);
    r->is_read = false;
    r->call = NULL;
}

/* ---- what differs ---- */

/* A member as one text: a list's texts joined. */
static void text_of(const struct json_node *call, const char *member, struct ol__buf *out)
{
    const struct json_node *node = json_get(call, member);
    if (node == NULL)
        return;
    if (node->text != NULL)
        ol__buf_add_text(out, node->text);
    for (const struct json_node *item = node->first; item != NULL; item = item->next) {
        if (item != node->first)
            ol__buf_add_char(out, ',');
        if (item->text != NULL)
            ol__buf_add_text(out, item->text);
    }
}

void replay_compare(const struct replay *r, struct ol__span now, struct ol__buf *out)
{
    static const char *const members[] = {"provider",           "url",
                                          "request_model",      "response_model",
                                          "system_fingerprint", "status_code",
                                          "finish_reasons",     "input_tokens",
                                          "output_tokens",      "request_sha256",
                                          "request_hmac",       "response_sha256",
                                          "response_hmac",      "output_sha256",
                                          "output_hmac"};
    struct json_doc doc;
    struct ol__json_writer w;
    if (json_doc_read(&doc, now, NULL) != OL_OK)
        return;
    ol__json_writer_init(&w, out);
    ol__json_begin_array(&w);
    for (size_t i = 0; i < OL_COUNT(members); i++) {
        struct ol__buf was, is;
        ol__buf_init(&was, 65536);
        ol__buf_init(&is, 65536);
        text_of(r->call, members[i], &was);
        text_of(doc.root, members[i], &is);
        struct ol__span a = {.data = was.data, .size = was.size};
        struct ol__span b = {.data = is.data, .size = is.size};
        if (!ol__span_equal(a, b)) {
            ol__json_begin_object(&w);
            ol__json_member_text(&w, "member", members[i]);
            ol__json_member_text_opt(&w, "was", was.data);
            ol__json_member_text_opt(&w, "is", is.data);
            ol__json_end_object(&w);
        }
        ol__buf_release(&was);
        ol__buf_release(&is);
    }
    ol__json_end_array(&w);
    json_doc_release(&doc);
}

/* What came from outside, for a terminal: at most @p size - 1 bytes, no control characters. */
static const char *plain(const char *text, char *out, size_t size)
{
    size_t used = 0;
    if (text == NULL)
        return "not said";
    for (; used < size - 1 && text[used] != '\0'; used++)
        out[used] = (unsigned char)text[used] < ' ' || text[used] == 0x7f ? '?' : text[used];
    out[used] = '\0';
    return out;
}

void replay_say(struct ol__span differences)
{
    char before[121], now[121];
    struct json_doc doc;
    if (json_doc_read(&doc, differences, NULL) != OL_OK)
        return;
    if (doc.root->first == NULL)
        cli_say("replay: nothing differs");
    for (const struct json_node *d = doc.root->first; d != NULL; d = d->next) {
        cli_say("replay: %s: was %s, is %s", json_get_text(d, "member"),
                plain(json_get_text(d, "was"), before, sizeof before),
                plain(json_get_text(d, "is"), now, sizeof now));
    }
    json_doc_release(&doc);
}
