/* SPDX-License-Identifier: Apache-2.0 */
/* A question while no agent runs. `lineaged --once` takes in what waits in journals and spool, with
 * the same configuration and rules as ever (a second one waits for its lock); then the store file
 * is read. What it could not take in is said, and the answer is given from what is there. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli.h"
#include "config.h"
#include "store.h"

#define ERRORS_MAX 8192
#define ONCE_SOME_WAIT                                                                             \
    4 /* exit status of lineaged --once: something could not be delivered yet                      \
       */

static const struct route_config *store_route(const struct agent_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++) {
        if (routes[i].type == ROUTE_STORE)
            return &routes[i];
    }
    return NULL;
}

/** lineaged beside us, else as PATH finds it. */
static void find_lineaged(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - sizeof "lineaged");
    char *slash = n > 0 ? memrchr(out, '/', (size_t)n) : NULL;
    if (slash != NULL) {
        memcpy(slash + 1, "lineaged", sizeof "lineaged");
        if (access(out, X_OK) == 0)
            return;
    }
    snprintf(out, size, "lineaged");
}

static int spawn_once(char *const *argv, int errors, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0)
        failed =
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (failed == 0)
        failed = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    if (failed == 0)
        failed = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/** Pass on what lineaged said, the end of it if it was much. */
static void pass_errors_on(int errors)
{
    char text[ERRORS_MAX + 1];
    off_t size = lseek(errors, 0, SEEK_END);
    off_t from = size > ERRORS_MAX ? size - ERRORS_MAX : 0;
    ssize_t n = size > 0 ? pread(errors, text, ERRORS_MAX, from) : 0;
    if (n > 0)
        OL_IGNORE(fwrite(text, 1, (size_t)n, stderr) == 0, "standard error is all we have");
}

/** Take in what waits; trouble is said, not returned. */
static void take_in(const struct place *place, const char *route)
{
    char program[4096], once[] = "--once", route_word[] = "--route", system_word[] = "--system";
    pid_t pid;
    int status;
    char *name = strdup(route);
    int errors = memfd_create("lineaged", MFD_CLOEXEC);
    if (name == NULL || errors < 0) {
        cli_say("what waits for the store was not taken in: %s", strerror(errno));
        goto out;
    }
    find_lineaged(program, sizeof program);
    char *argv[] = {program, once, route_word, name, place->is_system ? system_word : NULL, NULL};
    int failed = spawn_once(argv, errors, &pid);
    if (failed != 0) {
        cli_say("what waits for the store was not taken in: %s: %s", program, strerror(failed));
        goto out;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        goto out;
    pass_errors_on(errors);
    if (WIFEXITED(status) && WEXITSTATUS(status) == ONCE_SOME_WAIT)
        cli_say("some events still wait for the store: the answer may lack them");
    else if (WIFEXITED(status))
        cli_say("what waits for the store was not taken in: %s exited with status %d", program,
                WEXITSTATUS(status));
    else
        cli_say("what waits for the store was not taken in: %s ended by signal %d", program,
                WTERMSIG(status));
out:
    free(name);
    if (errors >= 0)
        close(errors);
}

void offline_prepare(const struct place *place)
{
    const struct route_config *route = place->config != NULL ? store_route(place->config) : NULL;
    if (route != NULL)
        take_in(place, route->name);
}

ol_status offline_ask(struct place *place, const struct store_verb *verb,
                      const struct store_question *question, struct ol__buf *out,
                      struct ol_error *err)
{
    struct store *store;
    ol_status st = place_configure(place, err);
    if (place->is_system && !place_is_ours(place))
        return ol__error_set(err, OL_DENIED, "the system agent is not running");
    if (st != OL_OK)
        return st;
    const struct route_config *route = store_route(place->config);
    if (route == NULL)
        return ol__error_set(
            err, OL_NOT_FOUND,
            "no route of type store is configured, so there is nothing to ask (%s)",
            place->config->config_path != NULL ? place->config->config_path : "");
    if (!place->has_taken_in) /* once for all questions of one command */
        take_in(place, route->name);
    place->has_taken_in = true;
    st = store_open(route->path, STORE_READ, &store, err);
    if (st == OL_NOT_FOUND)
        return ol__error_set(err, OL_NOT_FOUND, "nothing was recorded yet: no store at '%s'",
                             route->path);
    if (st != OL_OK)
        return st;
    st = verb->ask(store, question, out, err);
    store_close(store);
    return st;
}
