/* SPDX-License-Identifier: Apache-2.0 */
/* lineage spool import.
 * Promises:
 *  1. The whole file is checked before the first event goes: lines that are no events are named by
 *     number, and nothing is imported unless --skip-bad says that they are to be left out.
 *  2. What stops it half way is said with the line to go on from; what was imported before stays,
 * and each event goes once: a line is passed only when it was answered for.
 *  3. Through the agent's door events pass what all others pass. Without an agent they go into the
 *     spool under its lock, synced before they count, and only where no rule would have to see
 * them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include "config.h"
#include "spool_line.h"
#include "spool_verb.h"
#include "times.h"
#include "tree.h"

#define BATCH_EVENTS 500u
#define BATCH_BYTES ((size_t)1 << 20)
#define WAIT_MS 60000 /* for an agent that is full */
#define PAUSE_MS 500
#define BAD_SHOWN 20u

struct importer {
    const struct spool_words *words;
    struct place *place;
    FILE *file;
    char *text; /* owned, of getline() */
    size_t text_cap;
    uint64_t line; /* number of the one in text */
    struct spool_line *reader;
    uint64_t good, bad, imported, next_line;
    /* the batch */
    struct ol__buf body;
    uint64_t lines[BATCH_EVENTS];
    struct ol__span events[BATCH_EVENTS]; /* by offset in body while it grows */
    size_t count;
    /* without an agent */
    struct spool *spool;
    char door[1024];
};

/* ---- Lines ---- */

/* @return OL_OK, OL_END, or a failure. *ret: without its newline. */
static ol_status next_line(struct importer *im, struct ol__span *ret, struct ol_error *err)
{
    errno = 0;
    ssize_t size = getline(&im->text, &im->text_cap, im->file);
    if (size < 0)
        return feof(im->file) ? OL_END
                              : ol__error_set_errno(err, errno, "'%s': read", im->words->file);
    im->line++;
    if (size > 0 && im->text[size - 1] == '\n')
        size--;
    *ret = (struct ol__span){.data = im->text, .size = (size_t)size};
    return OL_OK;
}

static bool is_blank(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (strchr(" \t\r", text.data[i]) == NULL || text.data[i] == '\0')
            return false;
    return true;
}

/* Promise 1. */
static ol_status check_all(struct importer *im, struct ol_error *err)
{
    struct ol__span text, bytes;
    const struct ol__event *event;
    ol_status st;
    while ((st = next_line(im, &text, err)) == OL_OK) {
        struct ol_error why = {.message = ""};
        if (is_blank(text))
            continue;
        st = spool_line_read(im->reader, text, &bytes, &event, &why);
        if (st == OL_OK) {
            im->good++;
            continue;
        }
        if (st != OL_INVALID && st != OL_TOO_LARGE) {
            *err = why;
            return st;
        }
        if (im->bad++ < BAD_SHOWN)
            cli_say("'%s' line %" PRIu64 " is no event: %s", im->words->file, im->line,
                    why.message);
    }
    if (im->bad > BAD_SHOWN)
        cli_say("and %" PRIu64 " more lines", im->bad - BAD_SHOWN);
    if (st != OL_END)
        return st;
    if (im->bad > 0 && !im->words->skips_bad)
        return ol__error_set(err, OL_IO,
                             "%" PRIu64 " lines are no events: nothing was imported (--skip-bad "
                             "leaves them out)",
                             im->bad);
    rewind(im->file);
    im->line = 0;
    return OL_OK;
}

/* ---- Through the door ---- */

static ol_status find_door(struct importer *im, struct ol_error *err)
{
    const char *named = getenv("LINEAGED_SOCKET");
    ol_status st = place_configure(im->place, err);
    if (st != OL_OK && !im->place->is_named)
        return st;
    if (im->place->is_named && named != NULL) {
        snprintf(im->door, sizeof im->door, "%s",
                 strncmp(named, "unix:", 5) == 0 ? named + 5 : named);
        return OL_OK;
    }
    const struct ol__text_list *listen = &im->place->config->http_listen;
    for (size_t i = 0; i < listen->count; i++) {
        if (strncmp(listen->items[i], "unix:", 5) != 0)
            continue;
        snprintf(im->door, sizeof im->door, "%s", listen->items[i] + 5);
        return OL_OK;
    }
    return ol__error_set(
        err, OL_CONFIG,
        "the agent's door has no unix socket (intake.http.listen): events cannot be "
        "handed to it from here");
}

/* Keep of the batch what was not taken and may be later. @return OL_OK: all is settled; OL_AGAIN; a
 * failure. */
static ol_status settle(struct importer *im, const struct json_node *failed, struct ol_error *err)
{
    size_t kept = 0;
    const struct json_node *next = failed != NULL ? failed->first : NULL;
    for (size_t i = 0; i < im->count; i++) {
        if (next == NULL || (size_t)json_get_int(next, "index", -1) != i) {
            im->imported++;
            continue;
        }
        if (!json_get_bool(next, "retriable"))
            return ol__error_set(err, OL_IO, "line %" PRIu64 ": the agent refuses it: %s",
                                 im->lines[i], json_get_text(next, "reason"));
        im->lines[kept] = im->lines[i];
        im->events[kept++] = im->events[i];
        next = next->next;
    }
    im->count = kept;
    return kept == 0 ? OL_OK : OL_AGAIN;
}

static ol_status post(struct importer *im, struct ol_error *err)
{
    struct ol__buf wire, answer;
    struct json_doc doc;
    int status = 0;
    ol__buf_init(&wire, im->body.max * 2);
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    for (size_t i = 0; i < im->count; i++) {
        ol__buf_add_char(&wire, i == 0 ? '[' : ',');
        ol__buf_add(&wire, im->events[i].data, im->events[i].size);
    }
    ol__buf_add_char(&wire, ']');
    const struct client_content content = {.type = "application/json",
                                           .data = {.data = wire.data, .size = wire.size}};
    ol_status st = wire.status == OL_OK ? client_request(im->door, "POST", "/api/v1/lineage/batch",
                                                         &content, &status, &answer, err)
                                        : ol__error_set(err, OL_NOMEM, "import: out of memory");
    struct ol__span body = {.data = answer.data, .size = answer.size};
    if (st == OL_OK && status == 503) {
        st = OL_AGAIN;
    } else if (st == OL_OK && status != 200) {
        char *message = cli_answer_message(body, "no reason given");
        st = ol__error_set(err, OL_IO, "the agent answers %d: %s", status,
                           message != NULL ? message : "");
        free(message);
    } else if (st == OL_OK) {
        st = json_doc_read(&doc, body, err);
        if (st == OL_OK) {
            st = settle(im, json_get(doc.root, "failed_events"), err);
            json_doc_release(&doc);
        }
    }
    ol__buf_release(&wire);
    ol__buf_release(&answer);
    return st;
}

static ol_status post_patiently(struct importer *im, struct ol_error *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    int64_t deadline = ol__time_monotonic_ms() + WAIT_MS;
    ol_status st;
    while ((st = post(im, err)) == OL_AGAIN) {
        if (ol__time_monotonic_ms() >= deadline)
            return ol__error_set(err, OL_FULL, "the agent takes nothing: its spool is full");
        nanosleep(&pause, NULL); /* as its Retry-After asks: nothing tells when there is room */
    }
    return st;
}

/* ---- Under the lock ---- */

static ol_status put(struct importer *im, struct ol_error *err)
{
    ol_status st = OL_OK;
    for (size_t i = 0; i < im->count && st == OL_OK; i++) {
        const struct ol__event *event;
        struct ol__span bytes;
        st = spool_line_read(im->reader, im->events[i], &bytes, &event, err);
        if (st != OL_OK)
            return st;
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_IMPORT,
                                      .source_position = im->lines[i],
                                      .uid = SPOOL_UID_UNKNOWN,
                                      .warnings = event->warnings,
                                      .time_ms = ol__time_now_ms(),
                                      .data = bytes};
        record.lane_kind = (uint8_t)ol__event_lane(event, record.lane);
        st = spool_group_add(im->spool, &record, err);
    }
    if (st == OL_OK)
        st = spool_group_commit(im->spool, err);
    if (st == OL_OK)
        im->imported += im->count;
    return st;
}

/* ---- All of it ---- */

static ol_status flush(struct importer *im, struct ol_error *err)
{
    if (im->count == 0)
        return OL_OK;
    const char *at = im->body.data;
    for (size_t i = 0; i < im->count; i++) { /* now that the buffer moves no more */
        im->events[i].data = at;
        at += im->events[i].size;
    }
    ol_status st = im->spool != NULL ? put(im, err) : post_patiently(im, err);
    if (st != OL_OK) {
        im->next_line = im->lines[0];
        return st;
    }
    im->count = 0;
    im->next_line = im->line + 1;
    ol__buf_reset(&im->body);
    return OL_OK;
}

static ol_status import_all(struct importer *im, struct ol_error *err)
{
    struct ol__span text, bytes;
    const struct ol__event *event;
    ol_status st;
    im->next_line = im->words->from_line;
    while ((st = next_line(im, &text, err)) == OL_OK) {
        if (im->line < im->words->from_line || is_blank(text) ||
            spool_line_read(im->reader, text, &bytes, &event, NULL) != OL_OK)
            continue; /* said before */
        if (im->count == BATCH_EVENTS ||
            (im->count > 0 && im->body.size + bytes.size > BATCH_BYTES)) {
            uint64_t line = im->line;
            im->line--;
            st = flush(im, err);
            im->line = line;
            if (st != OL_OK)
                return st;
        }
        if (ol__buf_add(&im->body, bytes.data, bytes.size) != OL_OK)
            return ol__error_set(err, OL_NOMEM, "import: out of memory");
        im->lines[im->count] = im->line;
        im->events[im->count++] = (struct ol__span){.size = bytes.size};
    }
    return st == OL_END ? flush(im, err) : st;
}

static ol_status open_target(struct importer *im, struct ol_error *err)
{
    struct ol__buf body;
    int status = 0;
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol_status st = place_get(im->place, "/healthz", &status, &body, err);
    ol__buf_release(&body);
    if (st == OL_OK)
        return find_door(im, err);
    if (st != OL_NOT_FOUND)
        return st;
    st = place_configure(im->place, err);
    if (st == OL_OK && im->place->config->rules.count > 0) /* promise 3 */
        st = ol__error_set(
            err, OL_IO,
            "rules are configured, which only the agent applies: start it, then import");
    return st == OL_OK ? place_open_spool(im->place, &im->spool, err) : st;
}

static ol_status open_file(struct importer *im, struct ol_error *err)
{
    struct stat s;
    im->file = fopen(im->words->file, "re");
    if (im->file == NULL)
        return ol__error_set_errno(err, errno, "'%s': open", im->words->file);
    if (fstat(fileno(im->file), &s) != 0 || !S_ISREG(s.st_mode))
        return ol__error_set(err, OL_INVALID,
                             "'%s': expected a regular file (it is read twice: checked, then "
                             "imported)",
                             im->words->file);
    return spool_line_new(&im->reader, err);
}

int spool_import(struct place *place, const struct spool_words *words)
{
    struct ol_error err = {.message = ""};
    struct importer *im = calloc(1, sizeof *im);
    if (im == NULL) {
        cli_say("import: out of memory");
        return CLI_NO;
    }
    im->words = words;
    im->place = place;
    ol__buf_init(&im->body, BATCH_BYTES + SPOOL_PAYLOAD_MAX);
    ol_status st = open_file(im, &err);
    if (st == OL_OK)
        st = check_all(im, &err);
    if (st == OL_OK)
        st = open_target(im, &err);
    bool has_begun = st == OL_OK;
    if (st == OL_OK)
        st = import_all(im, &err);
    if (has_begun)
        cli_say("%" PRIu64 " events imported%s", im->imported,
                im->spool != NULL ? " into the spool, for when the agent runs" : "");
    if (has_begun && st != OL_OK)
        cli_say("it stopped at line %" PRIu64 "; go on with --from-line %" PRIu64, im->next_line,
                im->next_line);
    spool_close(im->spool);
    spool_line_free(im->reader);
    ol__buf_release(&im->body);
    if (im->file != NULL)
        fclose(im->file);
    free(im->text);
    free(im);
    return st == OL_OK ? CLI_YES : cli_fail(place, st, &err);
}
