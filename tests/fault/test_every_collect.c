/* SPDX-License-Identifier: Apache-2.0 */
/* What is found around a run, with each call that it takes failing in turn: it is found less, or
 * said to be out of memory, and the run's event goes out all the same. */
#include <errno.h>
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fault_calls.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s (call %lu, %s)\n", __FILE__, __LINE__, #condition, nth,     \
                    name != NULL ? name : "none");                                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

/* A working copy with all that is read of one. */
static void make_repository(void)
{
    static const char *const folders[] = {"w", "w/.git", "w/.git/refs", "w/.git/refs/tags",
                                          "w/.git/refs/tags/v"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdir(folders[i], 0700) != 0)
            abort();
    put("w/.git/HEAD", "ref: refs/heads/main\n");
    put("w/.git/packed-refs", "1f2e3d4c5b6a79880716253443526170aabbccdd refs/heads/main\n");
    put("w/.git/refs/tags/v/1", "1f2e3d4c5b6a79880716253443526170aabbccdd\n");
    put("w/.git/config", "[remote \"origin\"]\nurl = https://example.org/o.git\n");
    put("w/.gitmodules", "[submodule \"m\"]\npath = m\n");
    if (chdir("w") != 0 || setenv("PYTHONHASHSEED", "1", 1) != 0 ||
        setenv("MLFLOW_RUN_ID", "0a1b", 1) != 0)
        abort();
}

/* @return whether a call failed. */
static bool try_with(struct ol_client *client, unsigned long nth, bool is_for_ever)
{
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    const char *name = NULL;
    CHECK(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j"), &run, &err) == OL_OK);
    fault_calls_arm(nth, is_for_ever, FAULT_ANY, EIO);
    ol_status status = ol_run_collect(run, OL_COLLECT_ALL);
    name = fault_calls_stop();
    CHECK(status == OL_OK || status == OL_NOMEM);
    CHECK(status == OL_OK || name != NULL);
    ol_status emitted = ol_run_emit(run, OL_START, &err);
    CHECK(emitted == OL_OK || (emitted == OL_PARTIAL && status == OL_NOMEM));
    ol_run_free(run);
    return name != NULL;
}

int main(void)
{
    char directory[] = "/tmp/every_collect.XXXXXX", journal[64];
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    unsigned long count[2] = {0, 0};
    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        abort();
    snprintf(journal, sizeof journal, "%s/journal", directory);
    if (mkdir(journal, 0700) != 0)
        abort();
    make_repository();
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/fault/1",
                               .journal_directory = journal),
                       &client, &err) != OL_OK) {
        fprintf(stderr, "open: %s\n", err.message);
        return 1;
    }
    for (int for_ever = 0; for_ever < 2; for_ever++)
        while (try_with(client, count[for_ever] + 1, for_ever != 0))
            count[for_ever]++;
    ol_client_close(client, 1000, NULL);
    printf("%lu calls failed one by one, and from %lu on\n", count[0], count[1]);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return count[0] > 50 && count[1] > 50 && system(command) == 0 ? 0 : 1;
}
