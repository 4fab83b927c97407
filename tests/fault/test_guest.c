/* SPDX-License-Identifier: Apache-2.0 */
/* A good guest: the library leaves its host's process as it was, may be loaded and unloaded at
 * will, and may be used at the very end of a process and beside every way to make another one. Each
 * case is a process of its own. Argument: the shared library, which nothing here links. */
#include <openlineage/openlineage.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_S 60

extern char **environ;

static struct {
    ol_status (*open)(const struct ol_client_options *, struct ol_client **, struct ol_error *);
    ol_status (*close)(struct ol_client *, int, struct ol_error *);
    ol_status (*run_new)(struct ol_client *, const struct ol_run_options *, struct ol_run **,
                         struct ol_error *);
    ol_status (*emit)(struct ol_run *, enum ol_event, struct ol_error *);
    void (*run_free)(struct ol_run *);
} ol;
static const char *library_path;
static char root[256], journal[300], output[300];
static struct ol_client *client;
static void *library;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(9, "  %s:%d: %s\n", __func__, __LINE__, #condition);                           \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* ---- the library, by hand ---- */

static void look_up(const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    CHECK(symbol != NULL);
    memcpy(function, &symbol, sizeof symbol);
}

static void load(void)
{
    library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    look_up("ol_client_open", &ol.open);
    look_up("ol_client_close", &ol.close);
    look_up("ol_run_new", &ol.run_new);
    look_up("ol_run_emit", &ol.emit);
    look_up("ol_run_free", &ol.run_free);
}

static void open_client(void)
{
    CHECK(ol.open(OL_MAKE(ol_client_options, .producer = "https://example.org/guest/1",
                          .journal_directory = journal),
                  &client, NULL) == OL_OK);
}

static void emit_one(void)
{
    struct ol_run *run = NULL;
    CHECK(ol.run_new(client, OL_MAKE(ol_run_options, .job_name = "guest"), &run, NULL) == OL_OK);
    CHECK(ol.emit(run, OL_START, NULL) == OL_OK);
    ol.run_free(run);
}

static void close_client(void)
{
    CHECK(ol.close(client, 0, NULL) == OL_OK);
    client = NULL;
}

/* ---- what a process is ---- */

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        count++;
    if (d != NULL)
        closedir(d);
    return count;
}

static unsigned count_lines(const char *path)
{
    unsigned count = 0;
    int c;
    FILE *in = fopen(path, "re");
    while (in != NULL && (c = fgetc(in)) != EOF)
        count += c == '\n';
    if (in != NULL)
        fclose(in);
    return count;
}

struct host {
    struct sigaction actions[65];
    sigset_t mask, pending;
    char locale[64], directory[512];
    mode_t umask;
    unsigned descriptors, threads, variables;
    pid_t group;
};

static void look(struct host *h)
{
    memset(h, 0, sizeof *h);
    for (int i = 1; i < 65; i++)
        sigaction(i, NULL, &h->actions[i]); /* two of them are the C library's own */
    sigprocmask(SIG_BLOCK, NULL, &h->mask);
    sigpending(&h->pending);
    snprintf(h->locale, sizeof h->locale, "%s", setlocale(LC_ALL, NULL));
    CHECK(getcwd(h->directory, sizeof h->directory) != NULL);
    h->umask = umask(0);
    umask(h->umask);
    h->descriptors = count_entries("/proc/self/fd");
    h->threads = count_entries("/proc/self/task");
    for (char **e = environ; *e != NULL; e++)
        h->variables++;
    h->group = getpgrp();
}

/* ---- cases ---- */

static void leaves_the_process_as_it_was(void)
{
    static struct host before, after;
    load();
    setlocale(LC_ALL, "C.UTF-8");
    umask(027);
    look(&before);
    open_client();
    for (int i = 0; i < 100; i++)
        emit_one();
    close_client();
    look(&after);
    for (int i = 1; i < 65; i++)
        CHECK(before.actions[i].sa_handler == after.actions[i].sa_handler &&
              before.actions[i].sa_flags == after.actions[i].sa_flags);
    for (int i = 1; i < 65; i++)
        CHECK(sigismember(&before.mask, i) == sigismember(&after.mask, i) &&
              sigismember(&before.pending, i) == sigismember(&after.pending, i));
    CHECK(strcmp(before.locale, after.locale) == 0);
    CHECK(strcmp(before.directory, after.directory) == 0);
    CHECK(before.umask == after.umask && before.group == after.group);
    CHECK(before.descriptors == after.descriptors);
    CHECK(before.threads == after.threads && before.variables == after.variables);
    struct stat st;
    CHECK(fstat(STDOUT_FILENO, &st) == 0 && st.st_size == 0); /* both go there */
}

static void loads_and_unloads(void)
{
    unsigned maps = 0;
    for (int i = 0; i < 300; i++) {
        load();
        open_client();
        emit_one();
        close_client();
        CHECK(dlclose(library) == 0);
        if (i == 20)
            maps = count_lines("/proc/self/maps");
    }
    CHECK(count_lines("/proc/self/maps") <= maps + 1);
    CHECK(count_entries("/proc/self/task") == 3); /* with . and .. */
}

static void *emit_and_wait(void *arg)
{
    pthread_barrier_t *barrier = arg;
    emit_one();
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    emit_one(); /* after the host's dlclose */
    return NULL;
}

static void outlives_dlclose(void)
{
    pthread_t thread;
    pthread_barrier_t barrier;
    load();
    open_client();
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&thread, NULL, emit_and_wait, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(dlclose(library) == 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    close_client();
}

static void emit_at_exit(void)
{
    emit_one();
    close_client();
}

static void emits_from_atexit(void)
{
    CHECK(atexit(emit_at_exit) == 0);
    load();
    open_client();
    emit_one();
    exit(0);
}

static bool is_destructor_due;

__attribute__((destructor)) static void emit_in_destructor(void)
{
    if (!is_destructor_due)
        return;
    emit_one();
    close_client();
}

static void emits_from_a_destructor(void)
{
    is_destructor_due = true;
    load();
    open_client();
    emit_one();
    exit(0);
}

/* The child sees no descriptor of ours; the parent's journal goes on. */
static void spawns(void)
{
    char script[] =
        "for f in /proc/self/fd/*; do case $(readlink $f) in *.jsonl|*/journal) exit 9;; "
        "esac; done";
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, script, NULL};
    load();
    open_client();
    emit_one();
    for (int i = 0; i < 10; i++) {
        pid_t pid;
        int status;
        CHECK(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        emit_one();
        pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is what is tried */
        if (pid == 0) {
            execv(argv[0], argv);
            _exit(127);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        emit_one();
    }
    close_client();
    CHECK(count_entries(journal) == 3); /* . and .. and one journal */
}

/* What a daemon prints after closing its standard streams must not end up in a journal. */
static void keeps_off_standard_streams(void)
{
    static const char words[] = "words of the host\n";
    load();
    close(0);
    close(1);
    close(2);
    open_client();
    emit_one();
    for (int fd = 0; fd <= 2; fd++)
        CHECK(write(fd, words, sizeof words - 1) < 0 && errno == EBADF);
    emit_one();
    close_client();
}

/* ---- the table ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static unsigned count_events(void)
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *d = opendir(journal);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char path[700], line[65536];
        snprintf(path, sizeof path, "%s/%s", journal, entry->d_name);
        FILE *in = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
        while (in != NULL && fgets(line, sizeof line, in) != NULL)
            count += strncmp(line, "{\"eventType\"", 12) == 0 && strstr(line, "}\n") != NULL;
        if (in != NULL)
            fclose(in);
    }
    if (d != NULL)
        closedir(d);
    return count;
}

static bool try_case(const char *name, void (*body)(void), unsigned events)
{
    const char *tmp = getenv("TMPDIR");
    int status = 0;
    snprintf(root, sizeof root, "%s/ol-guest-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(root) == NULL)
        abort();
    snprintf(journal, sizeof journal, "%s/journal", root);
    snprintf(output, sizeof output, "%s/output", root);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(DEADLINE_S);
        dup2(STDOUT_FILENO, 9); /* for CHECK */
        fcntl(9, F_SETFD, FD_CLOEXEC);
        int fd = open(output, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || dup2(fd, 1) != 1 || dup2(fd, 2) != 2)
            _exit(2);
        close(fd);
        body();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    unsigned found = count_events();
    bool is_good = status == 0 && found == events;
    printf("%-34s %s: %u events of %u, status %#x\n", name, is_good ? "ok" : "FAILED", found,
           events, (unsigned)status);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return is_good;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*body)(void);
        unsigned events;
    } cases[] = {
        {"leaves the process as it was", leaves_the_process_as_it_was, 100},
        {"loads and unloads", loads_and_unloads, 300},
        {"outlives dlclose", outlives_dlclose, 2},
        {"emits from atexit", emits_from_atexit, 2},
        {"emits from a destructor", emits_from_a_destructor, 2},
        {"spawns", spawns, 21},
        {"keeps off standard streams", keeps_off_standard_streams, 2},
    };
    unsigned failures = 0;
    if (argc != 2)
        return 2;
    library_path = argv[1];
    unsetenv("OPENLINEAGE_CONFIG");
    unsetenv("OPENLINEAGE_DISABLED");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failures += !try_case(cases[i].name, cases[i].body, cases[i].events);
    return failures != 0;
}
