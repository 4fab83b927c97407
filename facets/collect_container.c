/* SPDX-License-Identifier: Apache-2.0 */
/* The container: what its runtime leaves in it. The id stands in the path of the control group, or,
 * where that is hidden, in the sources of /etc/hostname and its like; Podman writes a file of its
 * own; a pod's description comes by variables that its author chose (docs/context.md). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "collect.h"

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (ol__hex_value(text[i]) < 0)
            return false;
    return true;
}

/* The id of 64 digits in a path, which begins at @p from or behind it; empty: there is none. */
static struct ol__span find_id(struct ol__span path, size_t from)
{
    for (size_t i = from; i + 64 <= path.size; i++)
        if ((i == 0 || ol__hex_value(path.data[i - 1]) < 0) && is_hex(path.data + i, 64) &&
            (i + 64 == path.size || ol__hex_value(path.data[i + 64]) < 0))
            return (struct ol__span){path.data + i, 64};
    return (struct ol__span){"", 0};
}

static size_t find(struct ol__span in, const char *what)
{
    const char *at = in.size > 0 ? memmem(in.data, in.size, what, strlen(what)) : NULL;
    return at != NULL ? (size_t)(at - in.data) : SIZE_MAX;
}

/* "pod<uid>", the uid's hyphens maybe written as underscores (systemd). */
static void take_pod(struct ol__collected *c, struct ol__span path, const char *mark)
{
    char uid[37];
    size_t at = find(path, mark);
    if (c->container.pod_uid != NULL || at == SIZE_MAX || at + strlen(mark) + 36 > path.size)
        return;
    memcpy(uid, path.data + at + strlen(mark), 36);
    uid[36] = '\0';
    for (int i = 0; i < 36; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen && (uid[i] == '_' || uid[i] == '-'))
            uid[i] = '-';
        else if (is_hyphen || ol__hex_value(uid[i]) < 0)
            return;
    }
    c->container.pod_uid = ol__collect_keep(c, ol__span_text(uid));
}

/* How runtimes name a container's group, or the files that they put into it. The first that fits
 * counts. */
static const struct {
    const char *mark, *runtime;
} runtimes[] = {{"libpod-", OL_CONTAINER_RUNTIME_PODMAN},
                {"/overlay-containers/", OL_CONTAINER_RUNTIME_PODMAN},
                {"crio-", OL_CONTAINER_RUNTIME_CRI_O},
                {"cri-containerd-", OL_CONTAINER_RUNTIME_CONTAINERD},
                {"/docker-", OL_CONTAINER_RUNTIME_DOCKER},
                {"/docker/containers/", OL_CONTAINER_RUNTIME_DOCKER},
                {"/docker/", OL_CONTAINER_RUNTIME_DOCKER},
                {"/kubepods", OL_CONTAINER_RUNTIME_KUBERNETES}};

static void take_path(struct ol__collected *c, struct ol__span path)
{
    struct ol_container *k = &c->container;
    for (size_t i = 0; i < OL_COUNT(runtimes) && k->id == NULL; i++) {
        size_t at = find(path, runtimes[i].mark);
        struct ol__span id = at != SIZE_MAX ? find_id(path, at) : (struct ol__span){"", 0};
        if (id.size == 0)
            continue;
        k->id = ol__collect_keep(c, id);
        if (k->runtime == NULL)
            k->runtime = runtimes[i].runtime;
    }
    take_pod(c, path, "/pods/");
    take_pod(c, path, "/pod");
    take_pod(c, path, "-pod");
}

static void read_lines(struct ol__collected *c, const char *file, bool is_mounts)
{
    struct ol__span text, line;
    ol_status st = ol__collect_read(c, file, OL_COLLECT_FILE_MAX, &text);
    if (st != OL_OK && st != OL_TOO_LARGE)
        return;
    while (ol__collect_line(&text, &line)) {
        /* of the mounts those that every runtime makes */
        if (is_mounts && find(line, " /etc/host") == SIZE_MAX &&
            find(line, " /etc/resolv.conf ") == SIZE_MAX &&
            find(line, " /dev/termination-log ") == SIZE_MAX)
            continue;
        take_path(c, line);
    }
}

/* Lines key="value". */
static void read_podman(struct ol__collected *c)
{
    struct ol_container *k = &c->container;
    struct ol__span text, line;
    if (ol__collect_read(c, "/run/.containerenv", OL_COLLECT_FILE_MAX, &text) != OL_OK)
        return;
    k->runtime = OL_CONTAINER_RUNTIME_PODMAN;
    while (ol__collect_line(&text, &line)) {
        const char *equals = memchr(line.data, '=', line.size);
        if (equals == NULL)
            continue;
        struct ol__span key = {line.data, (size_t)(equals - line.data)};
        struct ol__span value =
            ol__collect_trim((struct ol__span){equals + 1, line.size - key.size - 1});
        if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
            value = (struct ol__span){value.data + 1, value.size - 2};
        if (ol__span_equal(key, OL_SPAN_LIT("name")))
            k->name = ol__collect_keep(c, value);
        else if (ol__span_equal(key, OL_SPAN_LIT("id")))
            k->id = ol__collect_keep(c, value);
        else if (ol__span_equal(key, OL_SPAN_LIT("image")))
            k->image = ol__collect_keep(c, value);
        else if (ol__span_equal(key, OL_SPAN_LIT("imageid")))
            k->image_id = ol__collect_keep(c, value);
    }
}

static bool is_there(const struct ol__collected *c, const char *path)
{
    char full[512];
    struct stat st;
    return (size_t)snprintf(full, sizeof full, "%s%s", c->root, path) < sizeof full &&
           lstat(full, &st) == 0;
}

static const char *first_of(struct ol__collected *c, const char *const *names)
{
    const char *found = NULL;
    for (; *names != NULL && found == NULL; names++)
        found = ol__collect_variable(c, *names);
    return found;
}

static void read_environment(struct ol__collected *c)
{
    static const char *const apptainer[] = {"APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", NULL};
    static const char *const pod[] = {"POD_NAME", "MY_POD_NAME", NULL};
    static const char *const space[] = {"POD_NAMESPACE", "MY_POD_NAMESPACE", NULL};
    static const char *const uid[] = {"POD_UID", "MY_POD_UID", NULL};
    static const char *const node[] = {"NODE_NAME", "MY_NODE_NAME", NULL};
    static const char *const image[] = {"CONTAINER_IMAGE", NULL};
    static const char *const digest[] = {"IMAGE_DIGEST", "CONTAINER_IMAGE_DIGEST", NULL};
    static const char *const name[] = {"CONTAINER_NAME", NULL};
    struct ol_container *k = &c->container;
    const char *kind = secure_getenv("container"); /* systemd's convention */
    const char *sif = first_of(c, apptainer);
    if (sif != NULL) {
        k->runtime = OL_CONTAINER_RUNTIME_APPTAINER;
        k->image = sif;
    }
    if (k->runtime == NULL && kind != NULL && strncmp(kind, "lxc", 3) == 0)
        k->runtime = OL_CONTAINER_RUNTIME_LXC;
    if (secure_getenv("KUBERNETES_SERVICE_HOST") != NULL) {
        if (k->runtime == NULL)
            k->runtime = OL_CONTAINER_RUNTIME_KUBERNETES;
        k->pod_name = first_of(c, pod);
        if (k->pod_name == NULL)
            k->pod_name = ol__collect_variable(c, "HOSTNAME");
        k->pod_namespace = first_of(c, space);
        const char *told = first_of(c, uid);
        k->pod_uid = told != NULL ? told : k->pod_uid;
        k->node = first_of(c, node);
    }
    if (k->runtime == NULL)
        return; /* the names below are anybody's outside a container */
    if (k->image == NULL)
        k->image = first_of(c, image);
    if (k->name == NULL)
        k->name = first_of(c, name);
    k->image_digest = first_of(c, digest);
}

ol_status ol__collect_container(struct ol__collected *c)
{
    struct ol_container *k = &c->container;
    read_podman(c);
    read_lines(c, "/proc/self/cgroup", false);
    if (k->id == NULL || k->pod_uid == NULL)
        read_lines(c, "/proc/self/mountinfo", true);
    if (k->runtime == NULL && is_there(c, "/.dockerenv"))
        k->runtime = OL_CONTAINER_RUNTIME_DOCKER;
    read_environment(c);
    if (k->runtime != NULL || k->id != NULL)
        c->found |= OL_COLLECT_CONTAINER;
    return OL_OK;
}
