/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads: a child has a journal and ids of its own whatever its parent's threads
 * were doing; what was accepted survives SIGKILL and a disk that fills up. */
#include "emitter_help.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "fault_fs.h"

#define DEADLINE_S 30

struct fixture {
    char *directory;
    struct ol__journal_limits limits;
    const struct ol__fs *fs;
    struct ol_client *client;
};

static ol_status open_client(struct fixture *f)
{
    const struct ol__client_hooks hooks = {.limits = &f->limits, .fs = f->fs};
    return ol__client_open_hooked(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                                          .journal_directory = f->directory),
                                  &hooks, &f->client, NULL);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fault_fs_reset();
    f->directory = help_directory();
    f->limits = ol__journal_limits_default;
    f->limits.floor_percent = 0;
    f->limits.count_odds = UINT32_MAX;
    help_clean_environment(f->directory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_fs_reset();
    ol_client_close(f->client, 0, NULL);
    help_remove(f->directory);
    free(f);
    return 0;
}

static ol_status emit_new_run(struct ol_client *client)
{
    struct ol_run *run = NULL;
    ol_status status = ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j"), &run, NULL);
    if (status == OL_OK)
        status = ol_run_emit(run, OL_START, NULL);
    ol_run_free(run);
    return status;
}

/* A child that hangs is killed by its alarm, which the parent sees. */
static pid_t start(int (*body)(struct fixture *, int), struct fixture *f, int arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(DEADLINE_S);
        _exit(body(f, arg));
    }
    assert_true(pid > 0);
    return pid;
}

static void assert_ended_well(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("child ended with status %#x", (unsigned)status);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All run ids of the directory differ; @return how many events there are. */
static size_t assert_ids_differ(struct fixture *f)
{
    size_t count = 0;
    struct help_journals all = help_read(f->directory);
    const char **events = help_events(&all, &count);
    char **ids = calloc(count + 1, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = strdup(help_member(events[i], "runId"));
    qsort(ids, count, sizeof *ids, compare_text);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strlen(ids[i]), 36);
        if (i > 0)
            assert_string_not_equal(ids[i - 1], ids[i]);
    }
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
    free(events);
    help_release(&all);
    return count;
}

static int emit_some(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        if (emit_new_run(f->client) != OL_OK)
            return 1;
    return 0;
}

static int close_only(struct fixture *f, int unused)
{
    (void)unused;
    return ol_client_close(f->client, 0, NULL) != OL_OK;
}

static int emit_in_grandchild(struct fixture *f, int count)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(emit_some(f, count));
    int status = 1;
    return waitpid(pid, &status, 0) != pid || status != 0 || emit_some(f, count);
}

static void children_have_journals_of_their_own(void **state)
{
    struct fixture *f = *state;
    pid_t pids[10];
    assert_int_equal(open_client(f), OL_OK);
    assert_int_equal(emit_new_run(f->client), OL_OK);
    for (int i = 0; i < 8; i++)
        pids[i] = start(emit_some, f, 20);
    pids[8] = start(emit_in_grandchild, f, 5);
    pids[9] = start(close_only, f, 0); /* must not end its parent's journal */
    for (int i = 0; i < 10; i++)
        assert_ended_well(pids[i]);
    assert_int_equal(emit_new_run(f->client), OL_OK);
    assert_int_equal(assert_ids_differ(f), 2 + 8 * 20 + 5 + 5);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.count, 1 + 8 + 2);
    char chains[16][64];
    for (size_t i = 0; i < all.count; i++) {
        assert_string_equal(help_member(all.files[i].lines[0], "part"), "1");
        snprintf(chains[i], sizeof chains[i], "%s", help_member(all.files[i].lines[0], "chain"));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(chains[i], chains[k]);
    }
    assert_int_equal(atoi(help_member(all.files[0].lines[0], "pid")), getpid());
    assert_int_equal(all.files[0].count, 3); /* header, two events, no end line */
    help_release(&all);
}

/* A daemon closes every descriptor after its fork; then the numbers are its own files'. */
static int emit_as_daemon(struct fixture *f, int count)
{
    char path[512];
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    snprintf(path, sizeof path, "%s/precious", f->directory);
    FILE *own[20];
    for (int i = 0; i < 20; i++) {
        own[i] = fopen(path, "w");
        if (own[i] == NULL)
            return 1;
    }
    if (emit_some(f, count) != 0)
        return 2;
    struct stat st, precious;
    if (stat(path, &precious) != 0)
        return 3;
    for (int i = 0; i < 20; i++)
        if (fstat(fileno(own[i]), &st) != 0 || st.st_ino != precious.st_ino)
            return 4; /* closed behind the host's back, and the number taken */
    for (int i = 0; i < 20; i++)
        fclose(own[i]);
    return 0;
}

static void daemons_files_are_left_alone(void **state)
{
    struct fixture *f = *state;
    char path[512];
    assert_int_equal(open_client(f), OL_OK);
    assert_int_equal(emit_new_run(f->client), OL_OK);
    assert_ended_well(start(emit_as_daemon, f, 3));
    assert_int_equal(assert_ids_differ(f), 4);
    snprintf(path, sizeof path, "%s/precious", f->directory);
    assert_int_equal(access(path, F_OK), 0);
    FILE *in = fopen(path, "r");
    assert_int_equal(fgetc(in), EOF);
    fclose(in);
}

struct worker {
    struct fixture *f;
    _Atomic bool *stop;
    uint64_t accepted;
};

static void *emit_until_told(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(w->stop))
        w->accepted += emit_new_run(w->f->client) == OL_OK;
    return NULL;
}

static void forks_while_threads_emit(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    struct worker workers[4];
    _Atomic bool stop = false;
    f->limits.rotate_bytes = 20000; /* forks in the middle of births as well */
    assert_int_equal(open_client(f), OL_OK);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.f = f, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, emit_until_told, &workers[i]), 0);
    }
    for (int i = 0; i < 40; i++)
        assert_ended_well(start(emit_some, f, 3));
    atomic_store(&stop, true);
    uint64_t accepted = 40 * 3;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        accepted += workers[i].accepted;
    }
    assert_int_equal(assert_ids_differ(f), accepted);
}

static int emit_and_die(struct fixture *f, int count)
{
    if (open_client(f) != OL_OK || emit_some(f, count) != 0)
        return 1;
    raise(SIGKILL);
    return 2;
}

static void accepted_events_survive_sigkill(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = start(emit_and_die, f, 1000);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(assert_ids_differ(f), 1000);
    struct help_journals all = help_read(f->directory);
    assert_int_equal(all.count, 1);
    assert_false(all.files[0].is_torn);
    help_release(&all);
}

struct filler {
    struct fixture *f;
    char **ids; /* of accepted events */
    size_t accepted, refused;
};

static void *fill(void *arg)
{
    struct filler *w = arg;
    char name[600];
    memset(name, 'n', sizeof name - 1);
    for (int i = 0; i < 200; i++) {
        struct ol_run *run = NULL;
        name[300 + i] = '\0'; /* lengths of all sorts */
        if (ol_run_new(w->f->client, OL_MAKE(ol_run_options, .job_name = name), &run, NULL) ==
                OL_OK &&
            ol_run_emit(run, OL_START, NULL) == OL_OK)
            w->ids[w->accepted++] = strdup(ol_run_id(run));
        else
            w->refused++;
        name[300 + i] = 'n';
        ol_run_free(run);
    }
    return NULL;
}

/* 64 threads; every accepted event must be one whole line, and no other event may be there. */
static int check_filling(struct fixture *f)
{
    enum { THREADS = 64 };
    pthread_t threads[THREADS];
    static struct filler fillers[THREADS];
    size_t accepted = 0, refused = 0, count = 0, whole = 0;
    for (int i = 0; i < THREADS; i++) {
        fillers[i] = (struct filler){.f = f, .ids = calloc(200, sizeof(char *))};
        if (pthread_create(&threads[i], NULL, fill, &fillers[i]) != 0)
            return 10;
    }
    char **ids = calloc(THREADS * 200, sizeof *ids);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (size_t k = 0; k < fillers[i].accepted; k++)
            ids[accepted++] = fillers[i].ids[k];
        refused += fillers[i].refused;
    }
    if (accepted == 0 || refused == 0)
        return 11; /* it was not what it should be */
    qsort(ids, accepted, sizeof *ids, compare_text);
    int result = 0;
    struct help_journals all = help_read(f->directory);
    const char **events = help_events(&all, &count);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(events[i]);
        if (size < 14 || strcmp(events[i] + size - 13, "\"outputs\":[]}") != 0)
            continue; /* a torn piece, closed by a newline */
        const char *id = help_member(events[i], "runId");
        if (bsearch(&id, ids, accepted, sizeof *ids, compare_text) == NULL)
            result = 12; /* refused, yet there */
        whole++;
    }
    for (size_t i = 0; i < accepted; i++)
        free(ids[i]);
    for (int i = 0; i < THREADS; i++)
        free(fillers[i].ids);
    free(ids);
    free(events);
    help_release(&all);
    return result != 0 || whole == accepted ? result : 13;
}

/* In name spaces of its own, so that nothing stays mounted. 77: not allowed to. */
static int fill_a_real_disk(struct fixture *f, int unused)
{
    (void)unused;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f->directory, "tmpfs", 0, "size=2m") != 0)
        return 77;
    if (open_client(f) != OL_OK)
        return 1;
    int result = check_filling(f);
    if (result != 0)
        return result;
    return f->client == NULL;
}

static void threads_on_a_filling_disk(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = start(fill_a_real_disk, f, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        print_message("no mount allowed here: only the simulated disk is tried\n");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
}

static _Atomic int64_t room;

static ssize_t write_while_room(int fd, const void *data, size_t size)
{
    int64_t left = atomic_fetch_sub(&room, (int64_t)size);
    if (left <= 0) {
        errno = ENOSPC;
        return -1;
    }
    return ol__fs_real.write(fd, data, OL_MIN(size, (size_t)left));
}

static void threads_on_a_simulated_full_disk(void **state)
{
    struct fixture *f = *state;
    struct ol__fs fs = ol__fs_real;
    fs.write = write_while_room;
    atomic_store(&room, 1500000);
    f->fs = &fs;
    assert_int_equal(open_client(f), OL_OK);
    assert_int_equal(check_filling(f), 0);
    ol_client_close(f->client, 0, NULL);
    f->client = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(children_have_journals_of_their_own),
        TEST(daemons_files_are_left_alone),
        TEST(forks_while_threads_emit),
        TEST(accepted_events_survive_sigkill),
        TEST(threads_on_a_filling_disk),
        TEST(threads_on_a_simulated_full_disk),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
