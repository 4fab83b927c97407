/* SPDX-License-Identifier: Apache-2.0 */
#include "check_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ol_status note(struct receipt_kept_list *list, const char *who, const char *sha256,
                      struct ol_error *err)
{
    if (sha256 == NULL)
        return OL_OK; /* what was not kept, and why */
    if (list->count == list->cap) {
        struct receipt_kept_name *items = ol__grow(list->items, &list->cap, sizeof *items);
        if (items == NULL)
            return ol__error_set(err, OL_NOMEM, "kept content: out of memory");
        list->items = items;
    }
    struct receipt_kept_name *name = &list->items[list->count++];
    snprintf(name->sha256, sizeof name->sha256, "%s", sha256);
    snprintf(name->who, sizeof name->who, "%s", who);
    return OL_OK;
}

ol_status receipt_kept_note(struct receipt_kept_list *list, const char *who,
                            const struct json_node *doc, struct ol_error *err)
{
    static const char *const artifacts[] = {"inputs", "outputs"};
    ol_status status = OL_OK;
    const struct json_node *item = json_get_items(doc, "kept");
    for (; status == OL_OK && item != NULL; item = item->next)
        status = note(list, who, json_get_text(item, "sha256"), err);
    item = json_get(json_get(doc, "artifact"), "members"); /* of inputs/NAME.json */
    if (status == OL_OK)
        status = note(list, who, json_get_text(item, "sha256"), err);
    for (size_t i = 0; i < OL_COUNT(artifacts); i++) {
        item = json_get_items(doc, artifacts[i]);
        for (; status == OL_OK && item != NULL; item = item->next)
            status = note(list, who, json_get_text(json_get(item, "members"), "sha256"), err);
    }
    return status;
}

void receipt_kept_list_release(struct receipt_kept_list *list)
{
    free(list->items);
    *list = (struct receipt_kept_list){.items = NULL};
}

static int by_hash(const void *a, const void *b)
{
    const struct receipt_kept_name *x = a, *y = b;
    int order = strcmp(x->sha256, y->sha256);
    return order != 0 ? order : strcmp(x->who, y->who);
}

/* What is wrong with the object, into @p problem; "": nothing. */
static ol_status look_at(int runs_fd, const struct receipt_kept_name *name, char *problem,
                         size_t size, struct ol_error *err)
{
    char path[RECEIPT_OBJECT_PATH], found[OL_SHA256_TEXT + 1];
    struct ol_error why = {.message = ""};
    problem[0] = '\0';
    receipt_object_path(name->sha256, path);
    int fd = openat(runs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        if (errno == ENOENT)
            snprintf(problem, size, "was taken away; %s kept it", name->who);
        else
            snprintf(problem, size, "%s; %s kept it", strerror(errno), name->who);
        return OL_OK;
    }
    ol_status status = ol__sha256_file(fd, 0, found, NULL, &why);
    close(fd);
    if (status == OL_NOMEM)
        return ol__error_set(err, OL_NOMEM, "kept content: out of memory");
    if (status != OL_OK)
        snprintf(problem, size, "%s; %s kept it", why.message, name->who);
    else if (strcmp(found, name->sha256) != 0)
        snprintf(problem, size, "was changed: its hash is %s; %s kept it", found, name->who);
    return OL_OK;
}

ol_status receipt_kept_check(struct receipt_kept_list *list, const char *runs,
                             receipt_problem *tell, void *arg, int64_t *ret_count,
                             int64_t *problems, struct ol_error *err)
{
    int runs_fd = -1;
    ol_status status = OL_OK;
    *ret_count = 0;
    if (list->count == 0)
        return OL_OK;
    qsort(list->items, list->count, sizeof *list->items, by_hash);
    status = ol__fs_open_directory(runs, &runs_fd, err);
    for (size_t i = 0; status == OL_OK && i < list->count; i++) {
        char problem[1024], path[RECEIPT_OBJECT_PATH + 3] = "../";
        if (i > 0 && strcmp(list->items[i].sha256, list->items[i - 1].sha256) == 0)
            continue;
        ++*ret_count;
        status = look_at(runs_fd, &list->items[i], problem, sizeof problem, err);
        if (status != OL_OK || problem[0] == '\0')
            continue;
        receipt_object_path(list->items[i].sha256, path + 3);
        ++*problems;
        tell(arg, path, problem, false);
    }
    if (runs_fd >= 0)
        close(runs_fd);
    return status;
}
