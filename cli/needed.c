/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be compared counts as changed: a step that is done once too often does no harm. */
#include "needed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "receipt/redact.h"

struct look {
    const struct json_node *receipt; /* of a successful attempt */
    char *reason;
};

OL_PRINTF(2, 3)
static bool differs(const struct look *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->reason, NEEDED_REASON_SIZE, format, args);
    va_end(args);
    return false;
}

/* As they stand in receipts: secrets are taken out of both. */
static bool is_same_text(const char *then, const struct ol__buf *now)
{
    return now->status == OL_OK && strlen(then) == now->size &&
           (now->size == 0 || memcmp(then, now->data, now->size) == 0);
}

static bool is_same_command(const struct look *l, char *const *argv)
{
    bool is_value = false, is_same = true;
    const struct json_node *then = json_get_items(json_get(l->receipt, "command"), "argv");
    for (; is_same && argv != NULL && *argv != NULL; argv++) {
        struct ol__buf now;
        ol__buf_init(&now, RECEIPT_FILE_MAX);
        redact_argument(*argv, &is_value, &now);
        is_same = then != NULL && then->text != NULL && is_same_text(then->text, &now);
        ol__buf_release(&now);
        then = then != NULL ? then->next : NULL;
    }
    return (is_same && then == NULL) || differs(l, "its command is another");
}

static bool is_same_parameters(const struct look *l, const struct receipt_pairs *now)
{
    const struct json_node *then = json_get(l->receipt, "parameters");
    if ((then != NULL ? then->count : 0) != now->count)
        return differs(l, "its parameters are others");
    for (size_t i = 0; i < now->count; i++) {
        const char *value = json_get_text(then, now->items[i].key);
        struct ol__buf shown;
        ol__buf_init(&shown, RECEIPT_FILE_MAX);
        redact_value(now->items[i].key, now->items[i].value, &shown);
        bool is_same = value != NULL && is_same_text(value, &shown);
        ol__buf_release(&shown);
        if (!is_same)
            return differs(l, "parameter '%.100s' is another", now->items[i].key);
    }
    return true;
}

static bool is_same_artifact(const struct look *l, const char *side, const struct json_node *then,
                             const struct receipt_artifact *now)
{
    const char *path = json_get_text(then, "path");
    const char *sha256 = json_get_text(then, "sha256"), *version = json_get_text(then, "version");
    struct ol__buf shown;
    ol__buf_init(&shown, RECEIPT_FILE_MAX);
    receipt_shown_path(now, &shown);
    bool is_named = path != NULL && is_same_text(path, &shown);
    ol__buf_release(&shown);
    if (!is_named)
        return differs(l, "its %ss are others", side);
    if (now->sha256 == NULL && now->version == NULL)
        return differs(l, "%s '%.200s' cannot be compared: %.100s", side, now->path,
                       now->reason != NULL ? now->reason : "it has no hash");
    bool is_same = now->sha256 != NULL ? sha256 != NULL && strcmp(sha256, now->sha256) == 0
                                       : version != NULL && strcmp(version, now->version) == 0;
    return is_same || differs(l, "%s '%.200s' has changed", side, now->path);
}

/* In the order given, as the receipt has them. */
static bool is_same_side(const struct look *l, const struct run_files *files, enum run_side side)
{
    struct receipt_artifact *now = NULL;
    size_t count = 0;
    const char *name = side == RUN_INPUT ? "input" : "output";
    const struct json_node *list = json_get(l->receipt, side == RUN_INPUT ? "inputs" : "outputs");
    if (run_files_list(files, side, &now, &count) != OL_OK)
        return differs(l, "out of memory");
    bool is_same = (list != NULL ? list->count : 0) == count ||
                   differs(l, "it had another number of %ss", name);
    const struct json_node *then = list != NULL ? list->first : NULL;
    for (size_t i = 0; is_same && then != NULL && i < count; i++, then = then->next)
        is_same = is_same_artifact(l, name, then, &now[i]);
    free(now);
    return is_same;
}

static ol_status hash_now(const struct step *s, const struct run_files *from, struct run_files *now)
{
    *now = (struct run_files){.hash_limit = from->hash_limit,
                              .is_hurried = from->is_hurried,
                              .caching = from->caching,
                              .runs = s->runs};
    ol_status status = OL_OK;
    for (size_t i = 0; status == OL_OK && i < from->count; i++)
        status = run_files_add(now, from->items[i].side, from->items[i].text);
    if (status != OL_OK)
        return status;
    run_files_declare(now, NULL);
    run_files_open_inputs(now);
    if (run_files_has_inputs(now))
        run_files_hash_inputs(now);
    run_files_hash_outputs(now, true);
    return OL_OK;
}

static int open_step(const struct step *s)
{
    char path[RECEIPT_PATH_SIZE];
    const struct step_options *o = &s->options;
    if (!s->is_open)
        return -1;
    if (o->seq >= 0)
        snprintf(path, sizeof path, "steps/%03lld_%s", (long long)o->seq, o->name);
    else
        snprintf(path, sizeof path, "steps/%s", o->name);
    return openat(s->folder.fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* The next successful attempt from *number downwards. @return OL_OK: its receipt, and *number is
 * its; OL_END: there is none. */
static ol_status read_success(int step_fd, int64_t *number, struct json_doc *ret)
{
    for (; *number > 0; --*number) {
        char path[64];
        snprintf(path, sizeof path, "attempt-%lld/receipt.json", (long long)*number);
        ol_status status = receipt_get_doc(step_fd, path, RECEIPT_FILE_MAX, ret, NULL);
        if (status == OL_NOMEM)
            return OL_NOMEM;
        if (status != OL_OK)
            continue;
        const char *said = json_get_text(ret->root, "status");
        if (said != NULL && strcmp(said, "COMPLETE") == 0)
            return OL_OK;
        json_doc_release(ret);
    }
    return OL_END;
}

static bool is_same(const struct look *l, const struct step *s, const struct run_files *now)
{
    return is_same_command(l, s->options.argv) && is_same_parameters(l, &s->options.parameters) &&
           is_same_side(l, now, RUN_INPUT) && is_same_side(l, now, RUN_OUTPUT);
}

ol_status needed_look(const struct step *s, const struct run_files *files, int64_t *ret_attempt,
                      char reason[NEEDED_REASON_SIZE])
{
    struct json_doc doc;
    struct run_files now = {.items = NULL};
    char other[NEEDED_REASON_SIZE];
    int64_t number = 0, oldest;
    struct look l = {.reason = reason};
    bool is_done = false;
    int fd = open_step(s);
    differs(&l, "no attempt has succeeded yet");
    if (fd < 0)
        return OL_END;
    receipt_attempt_mend(fd);
    ol_status status = receipt_attempt_highest(fd, &number, NULL);
    oldest = number - RECEIPT_OVER_MAX;
    if (status == OL_OK)
        status = read_success(fd, &number, &doc);
    if (status == OL_OK)
        status = hash_now(s, files, &now);
    while (status == OL_OK) {
        l.receipt = doc.root;
        is_done = is_same(&l, s, &now);
        json_doc_release(&doc);
        if (is_done || number <= oldest)
            break;
        l.reason = other; /* the newest one's is said */
        number--;
        status = read_success(fd, &number, &doc);
    }
    *ret_attempt = number;
    run_files_release(&now);
    close(fd);
    return status == OL_NOMEM ? OL_NOMEM : is_done ? OL_OK : OL_END;
}
