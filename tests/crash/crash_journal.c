/* SPDX-License-Identifier: Apache-2.0 */
/* A child drains journals until it is killed at a named point; the parent, which wrote them with
 * the emitter's own writer and still holds one of them, then looks into the spool. All rounds share
 * journals and spool. Checked after each kill: what stands in the spool is, for each writer, its
 * events from the first on, each once, in order (spec/JOURNAL.md P2, P3); after the last: all of
 * them, and nothing is left to drain. */
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "intake/journal.h"
#include "client.h" /* with the emitter's journal.h beside it */
#include "times.h"

#define DEADLINE_MS 30000
#define WRITERS 2 /* one that lives on, and rotates; one that opens a journal for each event */
#define A_ROUND 40

static char root[64], journal_path[96], spool_path[96];
static const char *current = "set-up";

#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s: ", current);                                                      \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/* ---- The parent writes ---- */

static struct ol__journal_limits limits;

static struct ol__transport *open_writer(void)
{
    struct ol__journal_options options = {.directory = journal_path, .limits = &limits};
    struct ol__transport *t = NULL;
    check(ol__journal_open(&options, &t, NULL) == OL_OK, "no journal");
    return t;
}

static void emit(struct ol__transport *t, int writer, long number)
{
    char line[400];
    int size = snprintf(line, sizeof line,
                        "\n{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"p:/\","
                        "\"run\":{\"runId\":\"%d-%08ld\"},\"job\":{\"namespace\":\"n\","
                        "\"name\":\"j\"}}\n",
                        writer, number);
    struct ol__line l = {.data = line, .size = (size_t)size};
    check(t->functions->emit(t, &l, NULL) == OL_OK, "not emitted");
}

/* ---- The child drains ---- */

static struct spool *open_spool(bool is_read_only)
{
    struct spool_options options = {.directory = spool_path,
                                    .segment_bytes = 64 * 1024,
                                    .min_free_bytes = -1,
                                    .no_prepare = true,
                                    .is_read_only = is_read_only};
    struct spool *spool = NULL;
    struct ol_error err = {.message = ""};
    check(spool_open(&options, &spool, &err) == OL_OK, "%s", err.message);
    return spool;
}

static int count_journals(void)
{
    int count = 0;
    const struct dirent *entry;
    DIR *stream = opendir(journal_path);
    check(stream != NULL, "no directory");
    while ((entry = readdir(stream)) != NULL)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(stream);
    return count;
}

/** Until killed; without @p point until all is drained. */
static void drain(const char *point)
{
    char *directories[1] = {journal_path};
    struct agent_config config = {
        .journal_directories = {.items = directories, .count = 1},
        .journal_orphan_after_ms = 24 * 3600 * 1000,
        .journal_poll_ms = 5,
    };
    struct agent_metrics metrics = {.route_count = 0};
    struct agent agent = {.config = &config, .metrics = &metrics};
    struct intake_taker *taker = NULL;
    struct journal_intake *ji = NULL;
    struct ol_error err = {.message = ""};
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    if (point != NULL)
        setenv("LINEAGED_CRASH", point, 1);
    log_setup(LOG_LEVEL_ERROR, false);
    agent.spool = open_spool(false);
    check(intake_taker_new(agent.spool, &metrics.intake, false, 1 << 20, &taker, &err) == OL_OK,
          "%s", err.message);
    check(journal_intake_open(&agent, taker, &ji, &err) == OL_OK, "%s", err.message);
    while (ol__time_monotonic_ms() < deadline && (point != NULL || count_journals() > 0)) {
        ol_status st = journal_intake_run(ji, 4096, &err);
        check(st == OL_OK || st == OL_AGAIN, "%s", err.message);
        check(intake_taker_commit(taker, &err) == OL_OK, "%s", err.message);
        journal_intake_committed(ji);
        if (st == OL_OK)
            usleep(1000);
    }
    check(point == NULL, "the point was not reached in time");
    journal_intake_close(ji);
    intake_taker_free(taker);
    spool_close(agent.spool);
}

static void kill_one_at(const char *point)
{
    int status = 0;
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        drain(point);
        _exit(1);
    }
    check(waitpid(child, &status, 0) == child, "waitpid");
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %#x",
          (unsigned)status);
}

/* ---- The parent looks ---- */

static void look(const long *written, bool is_last)
{
    struct spool *spool = open_spool(true);
    struct spool_reader *reader = NULL;
    struct spool_record record;
    long next[WRITERS] = {0};
    ol_status st;
    check(spool_reader_open(spool, 0, &reader, NULL) == OL_OK, "no reader");
    while ((st = spool_reader_next(reader, &record, NULL)) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        const char *id = memmem(record.data.data, record.data.size, "\"runId\":\"", 9);
        check(id != NULL && id[9] >= '0' && id[9] < '0' + WRITERS, "a foreign event");
        int writer = id[9] - '0';
        long number = strtol(id + 11, NULL, 10);
        check(number == next[writer], "writer %d: event %ld stands where %ld should", writer,
              number, next[writer]);
        next[writer]++;
    }
    check(st == OL_END, "the spool ends with %s", ol__status_name(st));
    for (int w = 0; w < WRITERS; w++)
        check(next[w] <= written[w] && (!is_last || next[w] == written[w]),
              "writer %d: %ld events of %ld", w, next[w], written[w]);
    spool_reader_close(reader);
    spool_close(spool);
}

int main(void)
{
    static const char *const points[] = {
        "journal.taken:1",      "journal.taken:2",    "journal.taken:7",     "spool.group.written",
        "spool.group.synced:2", "spool.roll.renamed", "journal.committed:1", "journal.committed:3",
        "journal.unlinked:1",   "journal.unlinked:2", "journal.unlinked:5",  "journal.dir_synced:1",
        "journal.taken:3",
    };
    long written[WRITERS] = {0};
    snprintf(root, sizeof root, "/tmp/ol-crash-journal-XXXXXX");
    check(mkdtemp(root) != NULL, "mkdtemp");
    snprintf(journal_path, sizeof journal_path, "%s/journal", root);
    snprintf(spool_path, sizeof spool_path, "%s/spool", root);
    limits = ol__journal_limits_default;
    limits.rotate_bytes = 1500;
    limits.floor_percent = 0;
    struct ol__transport *living = open_writer();
    for (size_t round = 0; round < OL_COUNT(points); round++) {
        current = points[round];
        for (int i = 0; i < A_ROUND; i++)
            emit(living, 0, written[0]++);
        for (int i = 0; i < A_ROUND / 4; i++) {
            struct ol__transport *brief = open_writer();
            emit(brief, 1, written[1]++);
            brief->functions->close(brief, 0, NULL);
        }
        kill_one_at(points[round]);
        look(written, false);
    }
    current = "at the end";
    living->functions->close(living, 0, NULL);
    drain(NULL);
    look(written, true);
    check(count_journals() == 0, "journals are left");
    check(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0, "clean-up");
    printf("%zu kills, %ld events: none lost, none doubled\n", OL_COUNT(points),
           written[0] + written[1]);
    return 0;
}
