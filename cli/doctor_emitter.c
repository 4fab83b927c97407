/* SPDX-License-Identifier: Apache-2.0 */
/* Where programs in this environment send, and whether somebody takes it there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "doctor.h"
#include "doctor_door.h"
#include "journal.h"
#include "times.h"

#define FILES_MAX 200000

/* ---- The emitter's settings ---- */

static void look_at_http(struct doctor *d, const struct ol__where *w)
{
    struct doctor_finding *f;
    if (!w->is_local) {
        f = doctor_add(d, DOCTOR_WARN, "emitter",
                       "%s: programs post straight to %s, past any agent", w->source, w->target);
        doctor_fix(f,
                   "to use the agent: unset it, or let it say http://127.0.0.1:PORT or unix:PATH");
        return;
    }
    doctor_add(d, DOCTOR_OK, "emitter", "programs post to %s%s%s (%s)", w->target,
               w->socket[0] != '\0' ? " over unix:" : "", w->socket, w->source);
    doctor_door(d, w);
}

static void look_at(struct doctor *d, const struct ol__where *w, bool is_only)
{
    static const char *const words[] = {[OL_WHERE_DISABLED] = "events are switched off",
                                        [OL_WHERE_NOOP] = "events are thrown away (transport noop)",
                                        [OL_WHERE_FILE] = "events go to a file, to no agent",
                                        [OL_WHERE_CONSOLE] = "events are printed, not sent"};
    struct doctor_finding *f;
    switch (w->kind) {
    case OL_WHERE_JOURNAL:
        doctor_add(d, DOCTOR_OK, "emitter", "programs write journals in %s (%s)", w->target,
                   w->source);
        return;
    case OL_WHERE_HTTP:
        look_at_http(d, w);
        return;
    case OL_WHERE_DISABLED:
    case OL_WHERE_NOOP:
    case OL_WHERE_FILE:
    case OL_WHERE_CONSOLE:
        break;
    }
    f = doctor_add(d, is_only ? DOCTOR_FAIL : DOCTOR_OK, "emitter", "%s: %s says so%s%s%s",
                   words[w->kind], w->source, w->target[0] != '\0' ? " (" : "", w->target,
                   w->target[0] != '\0' ? ")" : "");
    if (is_only && w->kind == OL_WHERE_FILE)
        doctor_fix(f, "send it to the agent instead, or drain the file's directory: "
                      "intake.journal.directories in lineaged.yaml");
    else if (is_only)
        doctor_fix(f, "change or unset %s; 'lineage config' prints all that is in force",
                   w->source);
}

void doctor_emitter(struct doctor *d)
{
    struct ol_error err = {.message = ""};
    ol_status st = ol__config_where(NULL, d->where, &d->where_count, &err);
    if (st != OL_OK) {
        struct doctor_finding *f =
            doctor_add(d, DOCTOR_FAIL, "emitter", "no program can open a client: %s", err.message);
        doctor_fix(f, "correct that; 'lineage config' tells when it is right");
        return;
    }
    size_t to_agent = 0;
    for (size_t i = 0; i < d->where_count; i++)
        to_agent += d->where[i].kind == OL_WHERE_JOURNAL || d->where[i].kind == OL_WHERE_HTTP;
    for (size_t i = 0; i < d->where_count; i++)
        look_at(d, &d->where[i], to_agent == 0);
}

/* ---- Journals ---- */

struct directory {
    const char *path; /* borrowed */
    uint64_t files, bytes;
    int64_t oldest_ms;                                           /* Unix; 0: none */
    bool is_there, is_drained, is_marked_full, is_ours, is_lost; /* ours: of the agent's list */
    char pid[24];
};

static bool is_journal(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > 6 && strcmp(name + size - 6, ".jsonl") == 0;
}

static void count_files(struct directory *dir)
{
    DIR *stream = opendir(dir->path);
    const struct dirent *entry;
    struct stat st;
    if (stream == NULL)
        return;
    dir->is_there = true;
    while ((entry = readdir(stream)) != NULL && dir->files < FILES_MAX) {
        dir->is_marked_full = dir->is_marked_full || strncmp(entry->d_name, ".full-", 6) == 0;
        if (!is_journal(entry->d_name) ||
            fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        int64_t changed_ms = (int64_t)st.st_mtim.tv_sec * 1000;
        dir->files++;
        dir->bytes += (uint64_t)st.st_size;
        if (dir->oldest_ms == 0 || changed_ms < dir->oldest_ms)
            dir->oldest_ms = changed_ms;
    }
    closedir(stream);
}

static void read_drainer(struct directory *dir)
{
    char path[OL_PATH_MAX + 16];
    dir->is_drained = ol__journal_is_drained(dir->path);
    snprintf(dir->pid, sizeof dir->pid, "unknown");
    snprintf(path, sizeof path, "%s/.drain", dir->path);
    FILE *file = dir->is_drained ? fopen(path, "re") : NULL;
    if (file == NULL)
        return;
    if (fgets(dir->pid, sizeof dir->pid, file) == NULL)
        snprintf(dir->pid, sizeof dir->pid, "unknown");
    dir->pid[strcspn(dir->pid, "\n")] = '\0';
    fclose(file);
}

static bool is_same(const char *a, const char *b)
{
    struct stat one, two;
    return strcmp(a, b) == 0 || (stat(a, &one) == 0 && stat(b, &two) == 0 &&
                                 one.st_dev == two.st_dev && one.st_ino == two.st_ino);
}

static const struct json_node *agents_directories(const struct doctor *d)
{
    const struct json_node *intake = d->has_status ? json_get(d->status.root, "intake") : NULL;
    return json_get_items(json_get(intake, "journal"), "directories");
}

static void read_directory(const struct doctor *d, const char *path, struct directory *ret)
{
    *ret = (struct directory){.path = path};
    count_files(ret);
    read_drainer(ret);
    for (const struct json_node *n = agents_directories(d); n != NULL; n = n->next) {
        const char *theirs = json_get_text(n, "path");
        if (theirs == NULL || !is_same(theirs, path))
            continue;
        ret->is_ours = true;
        ret->is_lost = json_get_bool(n, "lost");
        ret->bytes = (uint64_t)json_get_int(n, "waiting_bytes", 0);
    }
}

static void what_waits(const struct directory *dir, char *out, size_t size)
{
    char bytes[32];
    doctor_size((int64_t)dir->bytes, bytes, sizeof bytes);
    if (dir->files == 0)
        snprintf(out, size, "nothing waits there");
    else
        snprintf(out, size, "%llu journal%s, %s wait%s there", (unsigned long long)dir->files,
                 dir->files == 1 ? "" : "s", bytes, dir->is_ours || dir->files == 1 ? "s" : "");
}

/* The agent that answers does not drain @p dir, into which programs write. */
static void not_drained(struct doctor *d, const struct directory *dir, const char *waits)
{
    struct doctor_finding *f;
    const char *pid = json_get_text(d->status.root, "pid");
    const struct json_node *own = agents_directories(d);
    const char *first = own != NULL ? json_get_text(own, "path") : NULL;
    if (dir->is_drained && pid != NULL && strcmp(pid, dir->pid) != 0)
        f = doctor_add(d, DOCTOR_FAIL, "journal",
                       "%s is drained by another agent (pid %s), not by the one that answers at "
                       "%s (pid %s); %s",
                       dir->path, dir->pid, d->place.socket, pid, waits);
    else
        f = doctor_add(d, DOCTOR_FAIL, "journal",
                       "programs write to %s, which no agent drains; %s. The agent at %s drains %s",
                       dir->path, waits, d->place.socket, first != NULL ? first : "no directory");
    doctor_fix(f, "add it to intake.journal.directories in lineaged.yaml, or let programs write "
                  "where the agent looks (OPENLINEAGE__TRANSPORT__DIRECTORY)");
}

static void look_at_ours(struct doctor *d, const struct directory *dir, const char *waits)
{
    struct doctor_finding *f;
    if (dir->is_lost) {
        f = doctor_add(d, DOCTOR_FAIL, "journal", "%s: the agent has lost it; its log says why",
                       dir->path);
        doctor_fix(f, "make it again, or see who drains it (pid %s)", dir->pid);
        return;
    }
    int64_t age_s = dir->oldest_ms != 0 ? (ol__time_now_ms() - dir->oldest_ms) / 1000 : 0;
    f = doctor_add(d, dir->bytes > 0 && age_s > 60 ? DOCTOR_WARN : DOCTOR_OK, "journal",
                   "%s is drained by the agent; %s", dir->path, waits);
    if (f->level == DOCTOR_WARN)
        doctor_fix(f, "see what the agent waits for, below");
}

static void look_at_directory(struct doctor *d, const char *path, bool is_written)
{
    struct directory dir;
    char waits[160];
    read_directory(d, path, &dir);
    what_waits(&dir, waits, sizeof waits);
    if (!dir.is_there && !is_written && !dir.is_ours)
        return;
    if (is_written && dir.is_there && access(path, W_OK | X_OK) != 0) {
        struct doctor_finding *f =
            doctor_add(d, DOCTOR_FAIL, "journal", "%s: this user may not write there", path);
        doctor_fix(f, "let it be writable (the agent's own set-up makes it so), or choose another");
    }
    if (dir.is_marked_full) {
        struct doctor_finding *f =
            doctor_add(d, d->has_status ? DOCTOR_WARN : DOCTOR_FAIL, "journal",
                       "%s: programs have stopped writing, so much waits there", path);
        doctor_fix(f, "let an agent drain it; it removes the mark");
    }
    if (dir.is_ours)
        look_at_ours(d, &dir, waits);
    else if (is_written && d->has_status)
        not_drained(d, &dir, waits);
    else if (dir.is_drained)
        doctor_add(d, DOCTOR_OK, "journal", "%s is drained by an agent (pid %s); %s", path, dir.pid,
                   waits);
    else
        doctor_add(d, dir.files > 0 || is_written ? DOCTOR_WARN : DOCTOR_OK, "journal",
                   "%s: nobody drains it; %s%s", path, dir.is_there ? "" : "it is not there yet, ",
                   waits);
}

void doctor_journals(struct doctor *d)
{
    struct ol__places places;
    const char *paths[OL_WHERE_MAX + 2 + 16];
    size_t count = 0, written = 0;
    char system[OL_PATH_MAX], own[OL_PATH_MAX];
    for (size_t i = 0; i < d->where_count; i++)
        if (d->where[i].kind == OL_WHERE_JOURNAL)
            paths[count++] = d->where[i].target;
    written = count;
    for (const struct json_node *n = agents_directories(d); n != NULL && count < OL_WHERE_MAX + 16;
         n = n->next)
        if (json_get_text(n, "path") != NULL)
            paths[count++] = json_get_text(n, "path");
    if (ol__places_find(true, &places, NULL) == OL_OK) {
        snprintf(system, sizeof system, "%s", places.journal);
        paths[count++] = system;
    }
    if (ol__places_find(false, &places, NULL) == OL_OK) {
        snprintf(own, sizeof own, "%s", places.journal);
        paths[count++] = own;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < i && !is_known; j++)
            is_known = is_same(paths[i], paths[j]);
        if (!is_known)
            look_at_directory(d, paths[i], i < written);
    }
}
