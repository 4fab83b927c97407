/* SPDX-License-Identifier: Apache-2.0 */
/* The fault table against the real kernel: whatever the host's world does, the host lives and is
 * told, and every event is in a journal or in the counter. Each row is a process of its own, in a
 * mount name space of its own where it mounts. Prints the table. */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 120
#define NOT_ALLOWED 77
#define RUNS 500 /* two events each */

struct world {
    struct ledger *ledger;
    char root[256], journal[300], file[300];
    struct ol_client *client;
};
struct row {
    const char *name;
    void (*live)(struct world *w);
    ol_status told;    /* must have been told; OL_OK: nothing must */
    bool takes_all;    /* every event must have been accepted */
    int signal;        /* that ends it; 0: none may */
    bool is_file;      /* the events are in the file transport's file */
    bool is_uncounted; /* it was killed before it could read the counter */
};

/* ---- what rows share ---- */

static void open_client(struct world *w)
{
    struct ol_error err = {.message = ""};
    ol_status status = ol_client_open(
        OL_MAKE(ol_client_options, .producer = "https://example.org/fault/1",
                .journal_directory =
                    getenv("OPENLINEAGE__TRANSPORT__TYPE") == NULL ? w->journal : NULL),
        &w->client, &err);
    if (status != OL_OK)
        ledger_tell_unmade(w->ledger, status, &err);
}

static void emit_runs(struct world *w, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ledger_run(w->ledger, w->client, first + i);
}

/* Counters of several processes add up. */
static void close_client(struct world *w)
{
    w->ledger->counted += ol_client_lost(w->client, NULL);
    ol_client_close(w->client, 0, NULL);
    w->client = NULL;
}

static void open_emit_close(struct world *w)
{
    open_client(w);
    emit_runs(w, 0, RUNS);
    close_client(w);
}

static void mount_at_journal(struct world *w, const char *options)
{
    if (mkdir(w->journal, 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", w->journal, "tmpfs", 0, options) != 0)
        _exit(NOT_ALLOWED);
}

/* ---- rows ---- */

static void disk_full(struct world *w)
{
    mount_at_journal(w, "size=256k");
    open_emit_close(w);
    /* The mount goes with this process: judge here what can only be seen here. */
    struct ledger_found found = ledger_compare(w->ledger, w->journal, NULL);
    if (!ledger_is_balanced(w->ledger, &found))
        _exit(3);
}

static void no_inode_left(struct world *w)
{
    mount_at_journal(w, "size=16m,nr_inodes=1");
    open_emit_close(w);
}

static void read_only(struct world *w)
{
    mount_at_journal(w, "size=1m");
    open_client(w);
    if (mount(NULL, w->journal, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        _exit(NOT_ALLOWED);
    emit_runs(w, 0, RUNS);
    close_client(w);
}

/* Not privileged: root may write anywhere. */
static void not_mine(struct world *w)
{
    if (mkdir(w->journal, 0500) != 0 ||
        (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)))
        _exit(NOT_ALLOWED);
    open_emit_close(w);
}

static void no_descriptors(struct world *w)
{
    int fd;
    open_client(w);
    struct rlimit limit = {.rlim_cur = 16, .rlim_max = 16};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        _exit(NOT_ALLOWED);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0)
        ;
    emit_runs(w, 0, RUNS / 2);
    close(15); /* the host gave one back */
    emit_runs(w, RUNS / 2, RUNS / 2);
    close_client(w);
}

/* SIGXFSZ has its default, deadly disposition. */
static void small_file_limit(struct world *w)
{
    struct rlimit limit = {.rlim_cur = 1200000, .rlim_max = 1200000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(NOT_ALLOWED);
    open_emit_close(w);
}

static void no_file_may_grow(struct world *w)
{
    struct rlimit limit = {.rlim_cur = 512, .rlim_max = 512};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(NOT_ALLOWED);
    open_emit_close(w);
}

static void file_limit_of_transport(struct world *w)
{
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "file", 1);
    setenv("OPENLINEAGE__TRANSPORT__LOCATION", w->file, 1);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(NOT_ALLOWED);
    open_emit_close(w);
}

/* The reader of standard output has gone; SIGPIPE has its default, deadly disposition. */
static void closed_pipe(struct world *w)
{
    int ends[2];
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "console", 1);
    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0)
        _exit(NOT_ALLOWED);
    close(ends[0]);
    close(ends[1]);
    open_emit_close(w);
    sigset_t pending;
    if (sigpending(&pending) != 0 || sigismember(&pending, SIGPIPE) != 0)
        _exit(4); /* nor may it come later */
}

static void closed_fifo(struct world *w)
{
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "file", 1);
    setenv("OPENLINEAGE__TRANSPORT__LOCATION", w->file, 1);
    if (mkfifo(w->file, 0600) != 0)
        _exit(NOT_ALLOWED);
    int reader = open(w->file, O_RDONLY | O_NONBLOCK);
    open_client(w);
    close(reader);
    emit_runs(w, 0, RUNS);
    close_client(w);
}

static void console_at_file_limit(struct world *w)
{
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "console", 1);
    int fd = open(w->file, O_CREAT | O_WRONLY, 0600);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(NOT_ALLOWED);
    open_emit_close(w);
}

static void on_alarm(int signal)
{
    (void)signal;
}

/* A timer every 100 us, whose handler asks for no restart. */
static void signal_storm(struct world *w)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval = {.tv_usec = 100}, .it_value = {.tv_usec = 100}};
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0)
        _exit(NOT_ALLOWED);
    open_emit_close(w);
    if (sigaction(SIGALRM, NULL, &action) != 0 || action.sa_handler != on_alarm)
        _exit(4);
}

static void forked_children(struct world *w)
{
    open_client(w);
    emit_runs(w, 0, 1);
    for (unsigned i = 1; i <= 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            emit_runs(w, i * 20, 20);
            _exit(ol_client_lost(w->client, NULL) != 0);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            _exit(4);
    }
    emit_runs(w, 1, 1);
    close_client(w);
}

struct thread {
    struct world *w;
    pthread_t thread;
    unsigned first;
};

static void *emit_in_thread(void *arg)
{
    struct thread *t = arg;
    emit_runs(t->w, t->first, RUNS / 10);
    return NULL;
}

static void many_threads(struct world *w)
{
    enum { THREADS = 64 };
    struct thread threads[THREADS];
    open_client(w);
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.w = w, .first = i * (RUNS / 10)};
        if (pthread_create(&threads[i].thread, NULL, emit_in_thread, &threads[i]) != 0)
            _exit(NOT_ALLOWED);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i].thread, NULL);
    close_client(w);
}

static void killed(struct world *w)
{
    open_client(w);
    emit_runs(w, 0, RUNS);
    raise(SIGKILL);
}

/* ---- an agent that never comes ---- */

static double median_emit_us(struct world *w, unsigned first, unsigned count)
{
    double times[1000], least;
    for (unsigned i = 0; i < count; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        ledger_run(w->ledger, w->client, first + i);
        clock_gettime(CLOCK_MONOTONIC, &b);
        times[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    }
    for (unsigned i = 0; i <= count / 2; i++) /* the smaller half in order is enough */
        for (unsigned k = i + 1; k < count; k++)
            if (times[k] < times[i]) {
                least = times[k];
                times[k] = times[i];
                times[i] = least;
            }
    return times[count / 2];
}

static void put_files(const char *directory, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%020u-01941f29-7c00-7837-a31d-%012u.jsonl", directory, 1,
                 i);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            _exit(4);
        close(fd);
    }
}

/* One birth in 256 counts: that none of so many did has a chance below 1 in 10^8. */
static void dead_agent(struct world *w)
{
    enum { FILES = 10000, BIRTHS_MAX = 256 * 20 };
    unsigned births = 0;
    if (mkdir(w->journal, 0700) != 0)
        _exit(4);
    open_client(w);
    double before = median_emit_us(w, 0, RUNS);
    close_client(w);
    put_files(w->journal, FILES);
    while (w->ledger->refused == 0 && births < BIRTHS_MAX) {
        open_client(w);
        emit_runs(w, RUNS + births++, 1);
        close_client(w);
    }
    if (w->ledger->refused == 0)
        _exit(5);
    open_client(w);
    double after = median_emit_us(w, RUNS + BIRTHS_MAX, RUNS);
    unsigned accepted = w->ledger->accepted;
    emit_runs(w, RUNS * 2 + BIRTHS_MAX, RUNS);
    if (w->ledger->accepted != accepted)
        _exit(6); /* the directory grows on */
    close_client(w);
    fprintf(stderr,
            "  no agent for ever: full after %u births past %d files; a run of two events took "
            "%.1f us before, %.1f us when full\n",
            births, FILES, before, after);
}

/* ---- the table ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static bool is_as_expected(const struct row *row, const struct ledger *l,
                           const struct ledger_found *found, int status)
{
    if (row->signal != 0 ? !WIFSIGNALED(status) || WTERMSIG(status) != row->signal : status != 0)
        return false;
    if (row->told != OL_OK && l->told[-row->told] == 0)
        return false;
    if (row->takes_all && (l->refused != 0 || l->disabled != 0 || l->not_made != 0))
        return false;
    return row->is_uncounted ? found->missing + found->unexpected + found->doubled == 0
                             : ledger_is_balanced(l, found);
}

/* @return whether it is as expected. */
static bool try_row(const struct row *row, struct world *w)
{
    const char *tmp = getenv("TMPDIR");
    int status = 0;
    snprintf(w->root, sizeof w->root, "%s/ol-world-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(w->root) == NULL || chmod(w->root, 0755) != 0)
        abort();
    snprintf(w->journal, sizeof w->journal, "%s/journal", w->root);
    snprintf(w->file, sizeof w->file, "%s/file", w->root);
    memset(w->ledger, 0, sizeof *w->ledger);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(DEADLINE_S);
        row->live(w);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    const struct ledger *l = w->ledger;
    struct ledger_found found = {0};
    bool is_elsewhere = row->live == disk_full; /* judged itself */
    if (!is_elsewhere)
        found = ledger_compare(l, row->is_file ? w->file : w->journal, NULL);
    else
        found.found = l->accepted;
    nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) {
        printf("%-36s | not allowed here, not tried\n", row->name);
        return true;
    }
    bool is_good = is_as_expected(row, l, &found, status);
    printf("%-36s | %6u %6u %6u %7llu | %6u %4u | %s%.70s%s\n", row->name, l->tried, l->accepted,
           l->refused, (unsigned long long)l->counted, found.found, found.torn,
           is_good ? "" : "FAILED ", l->message,
           row->signal != 0 ? "(killed, as it should)"
           : status != 0    ? " ENDED BADLY"
                            : "");
    if (!is_good)
        printf("  status %#x, missing %u, unexpected %u, doubled %u, no handle %u\n",
               (unsigned)status, found.missing, found.unexpected, found.doubled, l->disabled);
    return is_good;
}

int main(void)
{
    static const struct row rows[] = {
        {"disk full", disk_full, .told = OL_FULL},
        {"no inode left", no_inode_left, .told = OL_FULL},
        {"read-only filesystem", read_only, .told = OL_IO},
        {"directory of somebody else", not_mine, .told = OL_IO},
        {"no descriptor left, then one", no_descriptors, .told = OL_IO},
        {"RLIMIT_FSIZE 1.2 MB", small_file_limit, .takes_all = true},
        {"RLIMIT_FSIZE 512 B", no_file_may_grow, .told = OL_FULL},
        {"RLIMIT_FSIZE, transport file", file_limit_of_transport, .told = OL_FULL, .is_file = true},
        {"RLIMIT_FSIZE, transport console", console_at_file_limit, .told = OL_FULL,
         .is_file = true},
        {"SIGPIPE, transport console", closed_pipe, .told = OL_IO},
        {"SIGPIPE, transport file on a fifo", closed_fifo, .told = OL_IO, .is_file = true},
        {"a signal every 100 us (EINTR)", signal_storm, .takes_all = true},
        {"20 forked children", forked_children, .takes_all = true},
        {"64 threads", many_threads, .takes_all = true},
        {"SIGKILL after 1,000 emits", killed, .takes_all = true, .signal = SIGKILL,
         .is_uncounted = true},
        {"agent dead for ever", dead_agent, .told = OL_FULL},
    };
    struct world world = {.ledger = ledger_new()};
    unsigned failures = 0;
    unsetenv("OPENLINEAGE_CONFIG");
    unsetenv("OPENLINEAGE_DISABLED");
    printf("%-36s | %6s %6s %6s %7s | %6s %4s | first failure told\n", "fault", "tried", "taken",
           "refusd", "counted", "found", "torn");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        failures += !try_row(&rows[i], &world);
    ledger_free(world.ledger);
    return failures != 0;
}
