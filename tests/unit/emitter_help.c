/* SPDX-License-Identifier: Apache-2.0 */
#include "emitter_help.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

char *help_directory(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/ol-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void help_remove(char *directory)
{
    if (directory != NULL)
        nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(directory);
}

static bool is_journal(const char *name)
{
    size_t size = strlen(name);
    return size == 63 && strspn(name, "0123456789") == 20 && name[20] == '-' &&
           strcmp(name + size - 6, ".jsonl") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct help_file *)a)->name, ((const struct help_file *)b)->name);
}

static void read_lines(const char *directory, struct help_file *file)
{
    char path[512];
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    snprintf(path, sizeof path, "%s/%s", directory, file->name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while ((n = getline(&line, &cap, in)) > 0) {
        file->is_torn = line[n - 1] != '\n';
        if (!file->is_torn)
            line[n - 1] = '\0';
        file->lines = realloc(file->lines, (file->count + 1) * sizeof *file->lines);
        assert_non_null(file->lines);
        file->lines[file->count++] = strdup(line);
    }
    free(line);
    fclose(in);
}

struct help_journals help_read(const char *directory)
{
    struct help_journals all = {0};
    struct dirent *entry;
    DIR *d = opendir(directory);
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!is_journal(entry->d_name)) {
            all.others++;
            continue;
        }
        all.files = realloc(all.files, (all.count + 1) * sizeof *all.files);
        assert_non_null(all.files);
        all.files[all.count] = (struct help_file){.name = strdup(entry->d_name)};
        read_lines(directory, &all.files[all.count++]);
    }
    closedir(d);
    if (all.count > 0)
        qsort(all.files, all.count, sizeof *all.files, by_name);
    return all;
}

void help_release(struct help_journals *journals)
{
    for (size_t i = 0; i < journals->count; i++) {
        for (size_t k = 0; k < journals->files[i].count; k++)
            free(journals->files[i].lines[k]);
        free(journals->files[i].lines);
        free(journals->files[i].name);
    }
    free(journals->files);
    *journals = (struct help_journals){0};
}

bool help_is_control(const char *line)
{
    return strncmp(line, "{\"ol_journal", 12) == 0;
}

const char **help_events(const struct help_journals *journals, size_t *ret_count)
{
    const char **events = calloc(1, sizeof *events);
    size_t count = 0;
    for (size_t i = 0; i < journals->count; i++) {
        for (size_t k = 0; k < journals->files[i].count; k++) {
            const struct help_file *f = &journals->files[i];
            bool is_torn = f->is_torn && k + 1 == f->count;
            if (help_is_control(f->lines[k]) || is_torn)
                continue;
            events = realloc(events, (count + 2) * sizeof *events);
            assert_non_null(events);
            events[count++] = f->lines[k];
            events[count] = NULL;
        }
    }
    *ret_count = count;
    return events;
}

const char *help_member(const char *line, const char *key)
{
    static char value[512];
    char quoted[128];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    if (at == NULL)
        return "(absent)";
    at += strlen(quoted);
    size_t size = *at == '"' ? strcspn(++at, "\"") : strcspn(at, ",}");
    snprintf(value, sizeof value, "%.*s", (int)size, at);
    return value;
}

/* Where the tests run may itself be a scheduler's task. */
static bool is_context(const char *variable)
{
    static const char *const starts[] = {"OPENLINEAGE", "AIRFLOW",
                                         "TRACE",       "BAGGAGE=",
                                         "SLURM_",      "CI_",
                                         "CI=",         "GITLAB_",
                                         "GITHUB_",     "KUBERNETES_",
                                         "POD_",        "MY_POD_",
                                         "K8S_",        "JOB_COMPLETION_INDEX="};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(variable, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

void help_clean_environment(const char *home)
{
    for (char **e = environ; *e != NULL;) {
        char name[128];
        if (!is_context(*e)) {
            e++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
        unsetenv(name);
        e = environ;
    }
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", home, 1);
}
