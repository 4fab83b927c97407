/* SPDX-License-Identifier: Apache-2.0 */
/* See journal_help.h. */
#include "journal_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "times.h"

void journal_start(struct place *p)
{
    struct ol_error err = {.message = ""};
    struct spool_options options = {.directory = p->spool_path,
                                    .segment_bytes = 4 << 20,
                                    .min_free_bytes = -1,
                                    .no_prepare = true};
    assert_int_equal(spool_open(&options, &p->spool, &err), OL_OK);
    p->agent = (struct agent){.config = &p->config, .metrics = &p->metrics, .spool = p->spool};
    assert_int_equal(
        intake_taker_new(p->spool, &p->metrics.intake, false, 1 << 20, &p->taker, &err), OL_OK);
    if (journal_intake_open(&p->agent, p->taker, &p->ji, &err) != OL_OK)
        fail_msg("%s", err.message);
}

void journal_stop(struct place *p)
{
    journal_intake_close(p->ji);
    intake_taker_free(p->taker);
    spool_close(p->spool);
    p->ji = NULL;
}

int journal_set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    /* In memory where there is room: nothing here depends on the disk, and syncs are slow. */
    struct statvfs space;
    bool is_roomy = statvfs("/dev/shm", &space) == 0 &&
                    faccessat(AT_FDCWD, "/dev/shm", W_OK, AT_EACCESS) == 0 &&
                    (uint64_t)space.f_bavail * space.f_frsize > (256u << 20);
    snprintf(p->root, sizeof p->root, "%s/ol-journal-XXXXXX", is_roomy ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->journal, sizeof p->journal, "%s/journal", p->root);
    snprintf(p->spool_path, sizeof p->spool_path, "%s/spool", p->root);
    p->directories[0] = p->journal;
    p->config.journal_directories = (struct ol__text_list){.items = p->directories, .count = 1};
    p->config.journal_orphan_after_ms = 24 * 3600 * 1000;
    p->config.journal_poll_ms = 1;
    p->config.journal_infer_abort = true;
    p->config.journal_abort_grace_ms = 60000;
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%63s", p->boot), 1);
    fclose(f);
    assert_int_equal(gethostname(p->host, sizeof p->host), 0);
    journal_start(p);
    *state = p;
    return 0;
}

int journal_tear_down(void **state)
{
    struct place *p = *state;
    char command[128];
    if (p->ji != NULL)
        journal_stop(p);
    snprintf(command, sizeof command, "rm -rf '%s'", p->root);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

/* ---- Writing journals as the emitter would ---- */

struct birth {
    const char *uuid, *chain, *boot, *host;
    long order;
    int part, format;
    bool may_infer;
    long pid;
};

/* Field 22 of its stat. */
static unsigned long long start_ticks(long pid)
{
    char path[64], text[1024] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    const char *at = strrchr(text, ')');
    for (int field = 2; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    assert_non_null(at);
    return strtoull(at, NULL, 10);
}

static void bear(struct place *p, struct writer *w, const struct birth *b)
{
    char header[1024];
    struct stat ns;
    assert_int_equal(stat("/proc/self/ns/pid", &ns), 0);
    snprintf(w->name, sizeof w->name, "%020ld-%s.jsonl", b->order, b->uuid);
    snprintf(w->path, sizeof w->path, "%s/%s", p->journal, w->name);
    w->fd = open(w->path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(w->fd >= 0);
    assert_int_equal(flock(w->fd, LOCK_EX | LOCK_NB), 0);
    int n =
        snprintf(header, sizeof header,
                 "{\"ol_journal\":%d,\"id\":\"%s\",\"chain\":\"%s\",\"part\":%d,\"boot\":\"%s\","
                 "\"host\":\"%s\",\"pid_ns\":%llu,\"pid\":%ld,\"start\":%llu,\"uid\":0,"
                 "\"created\":\"2026-11-21T09:00:00.000Z\",\"writer\":\"test/1\","
                 "\"infer_abort\":%s}\n",
                 b->format, b->uuid, b->chain, b->part, b->boot, b->host,
                 b->pid != 0 ? (unsigned long long)ns.st_ino : 1, b->pid != 0 ? b->pid : 1,
                 b->pid != 0 ? start_ticks(b->pid) : 1, b->may_infer ? "true" : "false");
    assert_int_equal(write(w->fd, header, (size_t)n), n);
}

void birth_as(struct place *p, struct writer *w, long order, const char *uuid, const char *boot,
              const char *host, int format)
{
    bear(p, w,
         &(struct birth){.uuid = uuid,
                         .chain = uuid,
                         .boot = boot,
                         .host = host,
                         .order = order,
                         .part = 1,
                         .format = format});
}

void birth_part(struct place *p, struct writer *w, long order, const char *chain, int part)
{
    char text[OL_UUID_TEXT + 1];
    struct ol__uuid id = ol__uuid_v7(-1);
    ol__uuid_format(&id, text);
    bear(p, w,
         &(struct birth){.uuid = text,
                         .chain = chain,
                         .boot = p->boot,
                         .host = p->host,
                         .order = order,
                         .part = part,
                         .format = 1});
}

void birth_inferring(struct place *p, struct writer *w, long order, const char *chain, int part,
                     long pid)
{
    char text[OL_UUID_TEXT + 1];
    struct ol__uuid id = ol__uuid_v7(-1);
    ol__uuid_format(&id, text);
    bear(p, w,
         &(struct birth){.uuid = text,
                         .chain = chain,
                         .boot = p->boot,
                         .host = p->host,
                         .order = order,
                         .part = part,
                         .format = 1,
                         .may_infer = true,
                         .pid = pid});
}

void birth(struct place *p, struct writer *w, long order)
{
    char text[OL_UUID_TEXT + 1];
    struct ol__uuid id = ol__uuid_v7(-1);
    ol__uuid_format(&id, text);
    birth_as(p, w, order, text, p->boot, p->host, 1);
}

void put(const struct writer *w, const char *text)
{
    assert_int_equal(write(w->fd, text, strlen(text)), strlen(text));
}

void event_text(char out[EVENT_SIZE], long number)
{
    snprintf(out, EVENT_SIZE,
             "{\"eventType\":\"START\",\"eventTime\":\"2026-11-21T09:00:00.000Z\","
             "\"producer\":\"https://example.org/t\",\"schemaURL\":"
             "\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\","
             "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-%012ld\"},"
             "\"job\":{\"namespace\":\"n\",\"name\":\"j\"}}",
             number);
}

void put_event(const struct writer *w, long number)
{
    char text[EVENT_SIZE];
    event_text(text, number);
    strcat(text, "\n"); /* NOLINT: EVENT_SIZE is larger than any event above */
    put(w, text);
}

void put_rotated(struct writer *w)
{
    put(w, "{\"ol_journal_end\":\"rotated\",\"next\":\"01941f29-7c00-7837-a31d-0123456789ab\"}\n");
    close(w->fd);
    w->fd = -1;
}

void put_end(struct writer *w)
{
    put(w, "{\"ol_journal_end\":\"closed\",\"events\":1}\n");
    close(w->fd);
    w->fd = -1;
}

/* ---- Running the intake ---- */

void run_and_commit(struct place *p)
{
    ol_status st;
    do {
        struct ol_error err = {.message = ""};
        st = journal_intake_run(p->ji, 8 << 20, &err);
        if (st != OL_OK && st != OL_AGAIN)
            fail_msg("%s", err.message);
        assert_int_equal(intake_taker_commit(p->taker, &err), OL_OK);
        journal_intake_committed(p->ji);
    } while (st == OL_AGAIN);
}

/** The polls of two calls must not fall into the same millisecond. */
void run_later(struct place *p)
{
    int64_t due = journal_intake_deadline(p->ji);
    while (ol__time_monotonic_ms() < due && due != INT64_MAX)
        usleep(500);
    run_and_commit(p);
}

/** Check that the spool holds exactly the events first..first+count-1, in order. */
void assert_spooled(struct place *p, long first, long count)
{
    struct spool_reader *reader;
    struct spool_record record;
    char expected[EVENT_SIZE];
    long number = first;
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    ol_status st;
    while ((st = spool_reader_next(reader, &record, NULL)) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        event_text(expected, number++);
        assert_int_equal(record.data.size, strlen(expected));
        assert_memory_equal(record.data.data, expected, record.data.size);
        assert_int_equal(record.source, SPOOL_FROM_JOURNAL);
        assert_int_equal(record.uid, geteuid());
    }
    assert_int_equal(st, OL_END);
    assert_int_equal(number, first + count);
    spool_reader_close(reader);
}

bool is_there(const struct writer *w)
{
    return access(w->path, F_OK) == 0;
}

bool is_in_done(struct place *p, const struct writer *w)
{
    char path[256];
    snprintf(path, sizeof path, "%s/done/%s", p->journal, w->name);
    return access(path, F_OK) == 0;
}
