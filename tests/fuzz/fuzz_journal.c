/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes of a journal: the reader comes to its end, crashes on nothing, and takes every
 * good event that stands on a line of its own, each once, in order, also those before and after bad
 * lines. The bytes stand between two good events; the file has ended, so it leaves the directory.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake/journal.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define NAME "00000000000000000001-01941f29-7c00-7837-a31d-d79a7fb36a3d.jsonl"
#define EVENT(number)                                                                              \
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"p:/"                                   \
    "\",\"run\":{\"runId\":\"fence " number "\"},\"job\":{\"namespace\":\"n\",\"name\":\"j\"}}"

/* All in a directory of its own, the working directory. */
#define JOURNAL "journal/" NAME

struct place {
    char root[64];
    char *directories[1];
    struct agent_config config;
    struct agent_metrics metrics;
    struct agent agent;
    struct ol__event_reader *reader;
};

static struct place place;
static char journal_directory[] = "journal";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    CHECK(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void leave_nothing(void)
{
    remove_tree(place.root);
}

static void set_up(void)
{
    struct place *p = &place;
    log_setup(LOG_LEVEL_ERROR, false);
    snprintf(p->root, sizeof p->root, "%s/ol-fuzz-journal-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(p->root) != NULL);
    atexit(leave_nothing);
    CHECK(chdir(p->root) == 0);
    p->directories[0] = journal_directory;
    p->config.journal_directories = (struct ol__text_list){.items = p->directories, .count = 1};
    p->config.journal_orphan_after_ms = -1; /* a foreign one is an orphan at once */
    p->config.journal_poll_ms = 3600 * 1000;
    CHECK(ol__event_reader_new(&p->reader, NULL) == OL_OK);
}

static void write_journal(const uint8_t *data, size_t size)
{
    char boot[64] = "", host[256] = "", header[1024];
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (f != NULL) {
        CHECK(fscanf(f, "%63s", boot) == 1);
        fclose(f);
    }
    CHECK(gethostname(host, sizeof host - 1) == 0);
    f = fopen(JOURNAL, "w");
    CHECK(f != NULL);
    /* The first byte says whether the bytes are the header as well. */
    if (size == 0 || data[0] != '!') {
        snprintf(header, sizeof header,
                 "{\"ol_journal\":1,\"boot\":\"%s\",\"host\":\"%s\",\"part\":1}\n" EVENT("0") "\n",
                 boot, host);
        CHECK(fputs(header, f) >= 0);
    } else {
        data++;
        size--;
    }
    CHECK(size == 0 || fwrite(data, 1, size, f) == size);
    CHECK(fputs("\n" EVENT("1") "\n", f) >= 0);
    CHECK(fclose(f) == 0);
}

/** What a reader of format 1 must take of the file, found line by line. */
static size_t expect(const char *text, size_t size, struct ol__span *out, size_t max)
{
    size_t count = 0;
    const struct ol__event *event;
    const struct ol__event_limits limits = {.size_max = SPOOL_PAYLOAD_MAX};
    for (const char *at = text, *end = text + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        CHECK(newline != NULL); /* the fence ends with one */
        struct ol__span line = {.data = at, .size = (size_t)(newline - at)};
        bool is_control = line.size >= 12 && memcmp(at, "{\"ol_journal", 12) == 0;
        if (!is_control && line.size > 0 && count < max &&
            ol__event_read(place.reader, line, OL_EVENT_CORE, &limits, -1, &event, NULL) == OL_OK)
            out[count++] = line;
        at = newline + 1;
    }
    return count;
}

static void compare(struct spool *spool, const struct ol__span *events, size_t count)
{
    struct spool_reader *reader;
    struct spool_record record;
    size_t i = 0;
    ol_status st;
    CHECK(spool_reader_open(spool, 0, &reader, NULL) == OL_OK);
    while ((st = spool_reader_next(reader, &record, NULL)) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        CHECK(i < count && ol__span_equal(record.data, events[i]));
        i++;
    }
    CHECK(st == OL_END);
    CHECK(i == count);
    spool_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ol__span events[65536];
    struct spool_options options = {
        .directory = "spool", .segment_bytes = 1 << 20, .min_free_bytes = -1, .no_prepare = true};
    struct ol__buf text;
    struct intake_taker *taker;
    struct journal_intake *ji;
    struct place *p = &place;
    if (p->root[0] == '\0')
        set_up();
    p->agent = (struct agent){.config = &p->config, .metrics = &p->metrics};
    CHECK(spool_open(&options, &p->agent.spool, NULL) == OL_OK);
    CHECK(intake_taker_new(p->agent.spool, &p->metrics.intake, false, SPOOL_PAYLOAD_MAX, &taker,
                           NULL) == OL_OK);
    CHECK(journal_intake_open(&p->agent, taker, &ji, NULL) == OL_OK);
    write_journal(data, size);
    ol__buf_init(&text, 64u << 20);
    CHECK(ol__fs_read_file(&ol__fs_real, AT_FDCWD, JOURNAL, &text, NULL) == OL_OK);
    size_t count = expect(text.data, text.size, events, OL_COUNT(events));
    ol_status st = OL_AGAIN;
    for (size_t turn = 0; st == OL_AGAIN; turn++) {
        CHECK(turn < 100 + text.size / 1000); /* it ends */
        st = journal_intake_run(ji, 64 << 10, NULL);
        CHECK(st == OL_OK || st == OL_AGAIN);
        CHECK(intake_taker_commit(taker, NULL) == OL_OK);
        journal_intake_committed(ji);
    }
    bool is_newer = access(JOURNAL, F_OK) == 0; /* the one thing that is left where it is */
    if (!is_newer)
        compare(p->agent.spool, events, count);
    else
        CHECK(size > 0 && data[0] == '!' && memmem(data, size, "{\"ol_journal\":", 14) != NULL);
    journal_intake_close(ji);
    intake_taker_free(taker);
    spool_close(p->agent.spool);
    ol__buf_release(&text);
    OL_IGNORE(unlink(JOURNAL), "if it is there");
    OL_IGNORE(unlink("journal/done/" NAME), "if it is there");
    remove_tree("spool");
    return 0;
}
