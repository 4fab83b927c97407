/* SPDX-License-Identifier: Apache-2.0 */
/* Each call that the shared library makes into libc over the whole life of a client fails once, and
 * from there on for ever: the host lives, is told, and every event is in a journal or in the
 * counter, and none that was refused is in a journal. Each life is a process of its own, so that
 * what is set up once a process fails as well. Prints what failed and what was told.
 * Configured lives read a file with every kind of rule and hand their events to a server, or to a
 * file and to a server that is not there; with what these have taken the account is the same. */
#include "fault_calls.h"
#include "http_sink.h"
#include "ledger.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_S 60
#define CALLS_MAX 3000

struct fault {
    const char *name;
    enum fault_kind kind;
    int sys_errno;
    bool is_for_ever;
    enum ol_durability durability;
    enum { JOURNAL, SERVER, COMPOSITE } handover;
    /* Of the promises of emitter/journal.c only the fifth allows it: two failures in a row. A
     * server may have taken what it could not say that it took. */
    bool may_be_delivered_though_refused;
};

/* What a life adds, over all n, to the row of the call that failed. */
struct row {
    unsigned long lives;
    unsigned tried, accepted, refused, partial, not_made, torn, served;
    unsigned told[16];
};

static struct ledger *ledger;
static const char **shared_name; /* of the call that failed; a static text, same in the child */
static unsigned failures;
static const char *tmp = "/tmp";
static int port;          /* of the server */
static unsigned step = 1; /* between calls that fail */

/* Stands before the transport. */
static const char rules[] =
    "namespace: elsewhere\n"
    "tags: {job: {team: blue}, run: {a: b, c: d}}\n"
    "job: {owners: {team: them}}\n"
    "filters: [{type: exact, match: no}, {type: regex, regex: '^n+o$'}]\n"
    "redactions: [{facet: environmentVariables, pattern: 's[e3]cret', with: x}]\n"
    "facets: {environment_variables: [FAULT_VARIABLE], ownership: {disabled: true}}\n";

/* ---- one life ---- */

static void emit_other_kinds(struct ol_client *client, unsigned number)
{
    char name[32];
    struct ol_error err = {.message = ""};
    struct ol_run *event = NULL;
    struct ol_dataset *dataset = NULL;
    snprintf(name, sizeof name, "job-%u", number);
    ol_status status = ol_job_event_new(client, LEDGER_NAMESPACE, name, &event, &err);
    if (status == OL_OK) {
        ol_run_input(event, "/data/in.csv");
        status = ol_job_event_emit(event, &err);
        ledger_tell(ledger, number, LEDGER_JOB_EVENT, status, &err);
    } else {
        ledger_tell_unmade(ledger, status, &err);
    }
    ol_run_free(event);
    event = NULL;
    status = ol_dataset_event_new(client, "fault://place/set-1", &event, &dataset, &err);
    if (status != OL_OK)
        ledger_tell_unmade(ledger, status, &err);
    ol_run_free(event);
}

/* For this process. */
static void configure(const struct fault *fault, const char *root)
{
    char path[300], transport[600];
    const char *name = strrchr(root, '/') + 1; /* the server puts it below there */
    snprintf(path, sizeof path, "%s/openlineage.yml", root);
    if (fault->handover == SERVER)
        snprintf(transport, sizeof transport,
                 "{type: http, url: 'http://127.0.0.1:%d/%s', timeout: 30, compression: none, "
                 "headers: {X-A: b}, auth: {type: api_key, apiKey: k}}",
                 port, name);
    else
        snprintf(transport, sizeof transport,
                 "{type: composite, transports: [{type: file, location: '%s/served'}, "
                 "{type: http, url: 'http://127.0.0.1:1', timeout: 30}]}",
                 root);
    FILE *out = fopen(path, "we");
    if (out == NULL || fprintf(out, "%stransport: %s\n", rules, transport) < 0 ||
        fclose(out) != 0 || setenv("OPENLINEAGE_CONFIG", path, 1) != 0 ||
        setenv("XDG_STATE_HOME", root, 1) != 0 || setenv("FAULT_VARIABLE", "secret", 1) != 0 ||
        setenv("OPENLINEAGE__TAGS__RUN__E", "f", 1) != 0)
        abort();
}

static void live(const struct fault *fault, const char *directory, unsigned long nth)
{
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    const char *wanted = fault->handover == JOURNAL ? directory : NULL;
    fault_calls_arm(nth, fault->is_for_ever, fault->kind, fault->sys_errno);
    for (int tries = 0; tries < 2 && client == NULL; tries++) {
        ol_status status =
            ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/fault/1",
                                   .journal_directory = wanted, .durability = fault->durability),
                           &client, &err);
        if (status != OL_OK)
            ledger_tell_unmade(ledger, status, &err);
    }
    for (unsigned i = 0; i < 3; i++)
        ledger_run(ledger, client, i);
    emit_other_kinds(client, 3);
    ledger->counted = ol_client_lost(client, NULL);
    ol_client_close(client, 0, NULL);
    *shared_name = fault_calls_stop();
}

/* ---- all lives ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void complain(const struct fault *fault, unsigned long nth, const char *name,
                     const char *what)
{
    failures++;
    printf("FAILED: %s, call %lu (%s): %s\n", fault->name, nth, name != NULL ? name : "none", what);
}

static void judge(const struct fault *fault, unsigned long nth, const char *root, int status,
                  struct row *row)
{
    const char *name = *shared_name;
    char directory[300], served[300];
    snprintf(directory, sizeof directory, "%s/%s/journal", root,
             fault->handover == JOURNAL ? "a" : "lineaged");
    snprintf(served, sizeof served, "%s/served", root);
    struct ledger_found found = ledger_compare(ledger, directory, served);
    row->served += access(served, F_OK) == 0;
    row->lives++;
    row->tried += ledger->tried;
    row->accepted += ledger->accepted;
    row->refused += ledger->refused;
    row->partial += ledger->partial;
    row->not_made += ledger->not_made;
    row->torn += found.torn;
    for (size_t i = 0; i < sizeof row->told / sizeof row->told[0]; i++)
        row->told[i] += ledger->told[i];
    if (fault->may_be_delivered_though_refused)
        found.unexpected = found.doubled = 0;
    char what[256];
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(what, sizeof what, "the host ended with status %#x", (unsigned)status);
        complain(fault, nth, name, what);
    } else if (!ledger_is_balanced(ledger, &found)) {
        snprintf(what, sizeof what,
                 "tried %u, accepted %u, refused %u, no handle %u, counted %llu; in journals %u, "
                 "missing %u, unexpected %u, doubled %u; %.80s",
                 ledger->tried, ledger->accepted, ledger->refused, ledger->disabled,
                 (unsigned long long)ledger->counted, found.found, found.missing, found.unexpected,
                 found.doubled, ledger->message);
        complain(fault, nth, name, what);
    }
}

/* @return false: the life made fewer calls than @p nth. */
static bool try_one(const struct fault *fault, unsigned long nth, struct row *rows)
{
    char root[256], directory[300];
    int status = 0;
    snprintf(root, sizeof root, "%s/ol-fault-XXXXXX", tmp);
    if (mkdtemp(root) == NULL)
        abort();
    snprintf(directory, sizeof directory, "%s/a/journal", root);
    memset(ledger, 0, sizeof *ledger);
    *shared_name = NULL;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(DEADLINE_S);
        if (fault->handover != JOURNAL)
            configure(fault, root);
        live(fault, directory, nth);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    size_t call = 0;
    while (*shared_name != NULL && fault_calls_names[call] != NULL &&
           strcmp(fault_calls_names[call], *shared_name) != 0)
        call++;
    judge(fault, nth, root, status, &rows[call]);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return *shared_name != NULL || status != 0;
}

static void print_row(const char *fault, const char *call, const struct row *row)
{
    static const char *const names[] = {[1] = "INVALID",   [2] = "NOMEM", [3] = "FULL",
                                        [4] = "TOO_LARGE", [5] = "IO",    [6] = "CONFIG"};
    printf("%-18s %-19s %5lu | %6u %6u %6u %6u | %5u |", fault, call, row->lives, row->tried,
           row->accepted, row->partial, row->refused, row->torn);
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        if (row->told[i] > 0)
            printf(" %s %u", names[i], row->told[i]);
    printf("\n");
}

static void try_all(const struct fault *fault)
{
    enum { ROWS = 128 };
    static struct row rows[ROWS];
    unsigned long nth = 1;
    memset(rows, 0, sizeof rows);
    while (nth < CALLS_MAX && try_one(fault, nth, rows))
        nth += step;
    if (nth < 9 || nth >= CALLS_MAX)
        complain(fault, nth, NULL, "that is no whole life");
    unsigned served = 0;
    for (size_t i = 0; i < ROWS; i++)
        served += rows[i].served;
    if (fault->handover != JOURNAL && served == 0)
        complain(fault, nth, NULL, "nothing was ever handed over");
    for (size_t i = 0; fault_calls_names[i] != NULL; i++)
        if (rows[i].lives > 0)
            print_row(fault->name, fault_calls_names[i], &rows[i]);
}

static const struct fault plain[] = {
    {"EIO once", FAULT_ANY, EIO, false, OL_DURABLE_PROCESS, JOURNAL, false},
    {"EINTR once", FAULT_SYSTEM, EINTR, false, OL_DURABLE_PROCESS, JOURNAL, false},
    {"EDQUOT once", FAULT_SYSTEM, EDQUOT, false, OL_DURABLE_PROCESS, JOURNAL, false},
    {"memory for ever", FAULT_MEMORY, ENOMEM, true, OL_DURABLE_PROCESS, JOURNAL, false},
    {"ENOSPC for ever", FAULT_SYSTEM, ENOSPC, true, OL_DURABLE_PROCESS, JOURNAL, false},
    {"EROFS for ever", FAULT_SYSTEM, EROFS, true, OL_DURABLE_PROCESS, JOURNAL, false},
    {"EMFILE for ever", FAULT_SYSTEM, EMFILE, true, OL_DURABLE_PROCESS, JOURNAL, false},
    {"short once", FAULT_SHORT, 0, false, OL_DURABLE_PROCESS, JOURNAL, false},
    {"short for ever", FAULT_SHORT, 0, true, OL_DURABLE_PROCESS, JOURNAL, false},
    {"EIO once, disk", FAULT_ANY, EIO, false, OL_DURABLE_DISK, JOURNAL, false},
    {"EIO for ever, disk", FAULT_SYSTEM, EIO, true, OL_DURABLE_DISK, JOURNAL, true},
};
static const struct fault configured[] = {
    {"memory once, http", FAULT_MEMORY, ENOMEM, false, OL_DURABLE_PROCESS, SERVER, true},
    {"memory ever, http", FAULT_MEMORY, ENOMEM, true, OL_DURABLE_PROCESS, SERVER, true},
    {"EIO once, http", FAULT_SYSTEM, EIO, false, OL_DURABLE_PROCESS, SERVER, true},
    {"memory once, two", FAULT_MEMORY, ENOMEM, false, OL_DURABLE_PROCESS, COMPOSITE, true},
    {"EIO for ever, two", FAULT_SYSTEM, EIO, true, OL_DURABLE_PROCESS, COMPOSITE, true},
};

int main(int argc, char **argv)
{
    bool is_configured = argc > 1 && strcmp(argv[1], "--configured") == 0;
    const struct fault *faults = is_configured ? configured : plain;
    size_t count =
        is_configured ? sizeof configured / sizeof configured[0] : sizeof plain / sizeof plain[0];
    if (argc > 1 && strcmp(argv[1], "--list") == 0) { /* for tests/install/check_guest */
        for (size_t i = 0; fault_calls_names[i] != NULL; i++)
            puts(fault_calls_names[i]);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsetenv("OPENLINEAGE_CONFIG");
    unsetenv("OPENLINEAGE_DISABLED");
    if (getenv("TMPDIR") != NULL)
        tmp = getenv("TMPDIR");
    if (is_configured && access("/var/lib/lineaged/journal", W_OK) == 0) {
        puts("SKIP: /var/lib/lineaged/journal is in use, which is where such events would go");
        return 0;
    }
    if (argc > 2 && (step = (unsigned)strtoul(argv[2], NULL, 10)) == 0)
        return 2;
    if (is_configured) {
        port = http_sink_start(tmp);
        if (dlopen("libopenlineage-http.so.0", RTLD_NOW | RTLD_LOCAL) == NULL) /* for speed */
            abort();
    }
    ledger = ledger_new();
    shared_name =
        mmap(NULL, sizeof *shared_name, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared_name == MAP_FAILED)
        abort();
    printf("%-18s %-19s %5s | %6s %6s %6s %6s | %5s | told\n", "fault", "first call failing",
           "lives", "tried", "taken", "partly", "refusd", "torn");
    for (size_t i = 0; i < count; i++)
        try_all(&faults[i]);
    printf("%s\n", failures == 0 ? "every event was handed over, is in a journal or in the counter"
                                 : "events are unaccounted for");
    return failures != 0;
}
