/* SPDX-License-Identifier: Apache-2.0 */
/* lineaged: reads its settings, wires the threads, waits for signals, stops them.
 * Promises:
 *  1. Usage and configuration are judged, and refused with 2, before anything is made, opened or
 * connected.
 *  2. SIGTERM or SIGINT: no new events, what waits is answered, delivery goes on for at most
 * `drain`, then 0. A second signal ends the process at once; nothing acknowledged is lost by that.
 *  3. Signals are handled by the main thread alone; all others have them blocked. */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "route_filter.h"
#include "rules.h"
#include "times.h"

#define DESCRIPTORS_WANTED 65536
#define LOCK_WAIT_MS 10000 /* --once: for the spool of another one that runs */

static const char usage_text[] =
    "usage: lineaged [--system] [--config FILE] [--check | --print-config]\n"
    "       lineaged [--system] [--config FILE] --once [--route NAME]\n"
    "       lineaged rules list | test FILE\n"
    "\n"
    "Take lineage events from programs on this machine, keep them safe, deliver them.\n"
    "\n"
    "  --system          the machine's agent: /etc/lineaged, /var/lib/lineaged, /run/lineaged\n"
    "  --config FILE     settings from FILE, see lineaged.yaml(5)\n"
    "  --check           read the settings, say what is wrong with them, end\n"
    "  --print-config    print all settings as they are in force, end\n"
    "  --once            take what waits in journals, deliver what can be delivered, end:\n"
    "                    0 all is delivered, 4 something still waits\n"
    "  --route NAME      with --once: only this route\n"
    "  --version, --help\n";

enum mode { MODE_RUN, MODE_ONCE, MODE_CHECK, MODE_PRINT, MODE_MANUAL };

struct options {
    enum mode mode;
    bool is_system;
    const char *config, *route;
};

/* @return -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    enum { OPT_SYSTEM = 256, OPT_CONFIG, OPT_CHECK, OPT_PRINT, OPT_ONCE, OPT_ROUTE, OPT_MANUAL };
    static const struct option table[] = {{"system", no_argument, NULL, OPT_SYSTEM},
                                          {"config", required_argument, NULL, OPT_CONFIG},
                                          {"check", no_argument, NULL, OPT_CHECK},
                                          {"print-config", no_argument, NULL, OPT_PRINT},
                                          {"once", no_argument, NULL, OPT_ONCE},
                                          {"route", required_argument, NULL, OPT_ROUTE},
                                          {"settings-manual", no_argument, NULL, OPT_MANUAL},
                                          {"version", no_argument, NULL, 'V'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    *o = (struct options){0};
    while ((option = getopt_long(argc, argv, "Vh", table, NULL)) != -1) {
        enum mode before = o->mode;
        switch (option) {
        case OPT_SYSTEM:
            o->is_system = true;
            break;
        case OPT_CONFIG:
            o->config = optarg;
            break;
        case OPT_ROUTE:
            o->route = optarg;
            break;
        case OPT_CHECK:
            o->mode = MODE_CHECK;
            break;
        case OPT_PRINT:
            o->mode = MODE_PRINT;
            break;
        case OPT_ONCE:
            o->mode = MODE_ONCE;
            break;
        case OPT_MANUAL:
            o->mode = MODE_MANUAL;
            break;
        case 'V':
            puts("lineaged " OL_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage_text, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage_text, stderr);
            return EXIT_USAGE;
        }
        if (before != MODE_RUN && before != o->mode) {
            fputs("lineaged: only one of --check, --print-config and --once\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "lineaged: unexpected argument '%s'\n%s", argv[optind], usage_text);
        return EXIT_USAGE;
    }
    if (o->route != NULL && o->mode != MODE_ONCE) {
        fputs("lineaged: --route needs --once\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int print_text(ol_status status, struct ol__buf *text)
{
    if (status == OL_OK)
        status = text->status;
    if (status != OL_OK || (text->size > 0 && fputs(text->data, stdout) == EOF) ||
        fflush(stdout) != 0) {
        fprintf(stderr, "lineaged: standard output: %s\n",
                status != OL_OK ? ol__status_name(status) : strerror(errno));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int print_settings(const struct agent_config *config)
{
    struct ol__buf text;
    ol__buf_init(&text, 1 << 20);
    int result = print_text(config != NULL ? ol__settings_print(agent_settings, config, &text)
                                           : ol__settings_manual(agent_settings, &text),
                            &text);
    ol__buf_release(&text);
    return result;
}

/* ---- The process ---- */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    rlim_t wanted = OL_MIN(limit.rlim_max, (rlim_t)DESCRIPTORS_WANTED);
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    OL_IGNORE(setrlimit(RLIMIT_NOFILE, &limit), "fewer connections, then");
}

static void set_up_process(const struct agent_config *config)
{
    /* In the system place others must reach the sockets and the journals; what is private is made
     * so by name. */
    umask(config->is_system ? 0022 : 0077);
    raise_descriptors();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    const struct rlimit none = {0, 0}; /* keys and events stay out of core files */
    OL_IGNORE(setrlimit(RLIMIT_CORE, &none), "only a precaution");
    OL_IGNORE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "only a precaution");
#endif
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error to answer, not to die of */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024); /* large bodies go back to the kernel */
    log_setup((enum log_level)config->log_level, config->log_format == 1);
}

static void die_at_once(int number)
{
    _exit(128 + number); /* promise 2; async-signal-safe */
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    pthread_sigmask(SIG_BLOCK, set, NULL); /* promise 3: threads inherit it */
}

static void second_signal_kills(const sigset_t *set)
{
    const struct sigaction action = {.sa_handler = die_at_once};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* ---- Running ---- */

static ol_status open_spool(const struct agent_config *config, int64_t wait_ms, struct spool **ret,
                            struct ol_error *err)
{
    const struct spool_options options = {.directory = config->spool_directory,
                                          .max_bytes = config->spool_max_bytes,
                                          .segment_bytes = config->spool_segment_bytes,
                                          .min_free_bytes = config->spool_min_free_bytes};
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    int64_t deadline = ol__time_monotonic_ms() + wait_ms;
    for (;;) {
        ol_status status = spool_open(&options, ret, err);
        if (status != OL_BUSY || ol__time_monotonic_ms() >= deadline)
            return status;
        nanosleep(&pause, NULL); /* a lock of another process: nothing tells when it goes */
    }
}

static int run_until_signal(struct agent_parts *parts)
{
    struct ol_error err = {0};
    sigset_t signals;
    int number = 0;
    block_signals(&signals);
    ol_status status = open_spool(parts->agent.config, 0, &parts->agent.spool, &err);
    if (status == OL_OK)
        status = parts_open(parts, &err);
    if (status == OL_OK)
        status = parts_start(parts, &err);
    if (status == OL_OK) {
        log_write(LOG_LEVEL_INFO, "agent", "lineaged " OL_VERSION " is ready");
        notify_service_manager("READY=1");
        while (sigwait(&signals, &number) != 0)
            ;
        log_write(LOG_LEVEL_INFO, "agent", "%s: stopping", strsignal(number));
        notify_service_manager("STOPPING=1");
        second_signal_kills(&signals);
    } else
        log_write(LOG_LEVEL_ERROR, "agent", "cannot start: %s", err.message);
    uint64_t left = parts_stop(parts, parts->agent.config->drain_ms);
    parts_close(parts);
    log_flush(true);
    if (status == OL_OK)
        log_write(LOG_LEVEL_INFO, "agent", "stopped; %llu deliveries stay in the spool",
                  (unsigned long long)left);
    return status == OL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_once(struct agent_parts *parts)
{
    struct ol_error err = {0};
    bool is_all = false;
    ol_status status = open_spool(parts->agent.config, LOCK_WAIT_MS, &parts->agent.spool, &err);
    if (status == OL_OK)
        status = parts_open(parts, &err);
    if (status == OL_OK)
        status = parts_pass(parts, &is_all, &err);
    if (status < 0)
        log_write(LOG_LEVEL_ERROR, "agent", "%s", err.message);
    else if (!is_all)
        log_write(LOG_LEVEL_WARNING, "agent", "%s", err.message);
    parts_stop(parts, 0);
    parts_close(parts);
    return status < 0 ? EXIT_FAILURE : is_all ? EXIT_SUCCESS : EXIT_WAITING;
}

#ifdef OL_CRASHPOINTS
/* Test builds: LINEAGED_CLOCK names a file of 8 bytes, the ms by which the wall clock is off. */
static void follow_test_clock(void)
{
    const char *path = getenv("LINEAGED_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        ol__time_shift_wall(map);
}
#endif

int main(int argc, char **argv)
{
#ifdef OL_CRASHPOINTS
    follow_test_clock();
#endif
    static struct agent_metrics metrics; /* large, and shared by all threads */
    struct agent_config config;
    struct ol_error err = {0};
    struct options options;
    if (argc > 1 && strcmp(argv[1], "rules") == 0)
        return rules_command(argc - 1, argv + 1);
    int result = read_options(argc, argv, &options);
    if (result >= 0)
        return result;
    if (options.mode == MODE_MANUAL)
        return print_settings(NULL);
    ol_status status = config_load(&config, options.config, options.is_system, &err);
    if (status != OL_OK) { /* promise 1 */
        fprintf(stderr, "lineaged: %s\n", err.message);
        return status == OL_NOMEM ? EXIT_FAILURE : EXIT_USAGE;
    }
    struct rules *rules = NULL;
    status = rules_new(&config, &metrics, &rules, &err);
    if (status == OL_OK)
        status = route_filter_check(&config, &err);
    if (status != OL_OK) { /* promise 1 */
        fprintf(stderr, "lineaged: %s\n", err.message);
        rules_free(rules);
        config_release(&config);
        return status == OL_NOMEM ? EXIT_FAILURE : EXIT_USAGE;
    }
    struct agent_parts parts = {.agent = {.config = &config, .metrics = &metrics, .rules = rules},
                                .is_once = options.mode == MODE_ONCE,
                                .only = options.route};
    if (options.route != NULL && !parts_has_route(&config, options.route)) {
        fprintf(stderr, "lineaged: --route %s: no such route\n", options.route);
        result = EXIT_USAGE;
    } else if (options.mode == MODE_PRINT)
        result = print_settings(&config);
    else if (options.mode == MODE_CHECK)
        result = EXIT_SUCCESS;
    else {
        set_up_process(&config);
        result = options.mode == MODE_ONCE ? run_once(&parts) : run_until_signal(&parts);
    }
    rules_free(rules);
    config_release(&config);
    return result;
}
