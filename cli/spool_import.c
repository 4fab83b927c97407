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
#include "event_sink.h"
#include "spool_line.h"
#include "spool_verb.h"

#define BAD_SHOWN 20u

struct importer {
    const struct spool_words *words;
    FILE *file;
    char *text; /* owned, of getline() */
    size_t text_cap;
    uint64_t line; /* number of the one in text */
    struct spool_line *reader;
    struct event_sink *sink;
    uint64_t good, bad;
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

/* ---- All of it ---- */

static ol_status import_all(struct importer *im, struct ol_error *err)
{
    struct ol__span text, bytes;
    const struct ol__event *event;
    ol_status st;
    while ((st = next_line(im, &text, err)) == OL_OK) {
        if (im->line < im->words->from_line || is_blank(text) ||
            spool_line_read(im->reader, text, &bytes, &event, NULL) != OL_OK)
            continue; /* said before */
        st = event_sink_add(im->sink, bytes, im->line, err);
        if (st != OL_OK)
            return st;
    }
    return st == OL_END ? event_sink_flush(im->sink, err) : st;
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
    ol_status st = open_file(im, &err);
    if (st == OL_OK)
        st = check_all(im, &err);
    if (st == OL_OK)
        st = event_sink_open(place, &im->sink, &err);
    bool has_begun = st == OL_OK;
    if (st == OL_OK)
        st = import_all(im, &err);
    if (has_begun)
        cli_say("%" PRIu64 " events imported%s", event_sink_count(im->sink),
                event_sink_is_spool(im->sink) ? " into the spool, for when the agent runs" : "");
    uint64_t next = has_begun ? event_sink_first_open(im->sink, im->line + 1) : 0;
    if (has_begun && st != OL_OK)
        cli_say("it stopped at line %" PRIu64 "; go on with --from-line %" PRIu64, next, next);
    event_sink_close(im->sink);
    spool_line_free(im->reader);
    if (im->file != NULL)
        fclose(im->file);
    free(im->text);
    free(im);
    return st == OL_OK ? CLI_YES : cli_fail(place, st, &err);
}
