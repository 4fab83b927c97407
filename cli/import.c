/* SPDX-License-Identifier: Apache-2.0 */
/* lineage import.
 * Promises:
 *  1. What a PATH is, is seen by what is in it, and said.
 *  2. The same again changes nothing: runs have the ids they had, events the times.
 *  3. What cannot be read is named; the rest is imported. The exit status tells. */
#include "import.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "json_write.h"
#include "options.h"

#define BAD_SHOWN 20u

static void print_help(void)
{
    puts("Usage: lineage import [OPTION]... PATH...\n"
         "Take lineage in from files. PATH is\n"
         "  a folder of runs, or the folder of one run (receipts: spec/RECEIPT.md),\n"
         "  a file of OpenLineage events, one JSON object a line, also gzip,\n"
         "  a SQLite database of ML Metadata (TFX, Kubeflow Pipelines).\n"
         "\n"
         "      --force              also runs that are not as they were sealed; they get the tag\n"
         "                           lineaged.import=unverified\n"
         "  -n, --dry-run            read and check, hand nothing over\n"
         "      --json               what was read, as JSON\n"
         "  -q, --quiet\n"
         "  -h, --help\n"
         "\n"
         "Events go through the agent; where none runs, into its spool. The same again changes\n"
         "nothing.\n"
         "Exit status: 0; 1 something could not be imported; 2 usage; 3 no such file.");
}

void import_say(struct import *im, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (im->result.bad++ < BAD_SHOWN)
        cli_say("%s", text);
    else if (im->result.bad == BAD_SHOWN + 1)
        cli_say("and more like these");
}

ol_status import_event(struct import *im, struct ol__span event, uint64_t number,
                       struct ol_error *err)
{
    ol_status st = im->sink != NULL ? event_sink_add(im->sink, event, number, err) : OL_OK;
    if (st == OL_OK)
        im->result.events++;
    return st;
}

/* ---- What is it ---- */

enum what { WHAT_LINES, WHAT_GZIP, WHAT_MLMD, WHAT_RUN, WHAT_RUNS };

static ol_status look(const char *path, enum what *ret, struct ol_error *err)
{
    static const char sqlite[] = "SQLite format 3";
    char head[16] = "";
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return ol__error_set_errno(err, code, "'%s'", path);
    }
    if (S_ISDIR(st.st_mode)) {
        *ret =
            faccessat(fd, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? WHAT_RUN : WHAT_RUNS;
        close(fd);
        return OL_OK;
    }
    ssize_t n = S_ISREG(st.st_mode) ? pread(fd, head, sizeof head, 0) : 0;
    close(fd);
    *ret = n >= 2 && (uint8_t)head[0] == 0x1f && (uint8_t)head[1] == 0x8b ? WHAT_GZIP
           : n == sizeof head && memcmp(head, sqlite, sizeof head) == 0   ? WHAT_MLMD
                                                                          : WHAT_LINES;
    return OL_OK;
}

static ol_status import_path(struct import *im, const char *path, struct ol_error *err)
{
    enum what what = WHAT_LINES;
    im->result = (struct import_result){.kind = "nothing"};
    ol_status st = look(path, &what, err);
    if (st != OL_OK)
        return st;
    switch (what) {
    case WHAT_LINES:
    case WHAT_GZIP:
        st = import_lines(im, path, what == WHAT_GZIP, err);
        break;
    case WHAT_RUN:
    case WHAT_RUNS:
        st = import_runs(im, path, what == WHAT_RUN, err);
        break;
    case WHAT_MLMD:
        st = import_mlmd(im, path, err);
        break;
    }
    ol_status flushed =
        im->sink != NULL ? event_sink_flush(im->sink, st == OL_OK ? err : NULL) : OL_OK;
    return st == OL_OK ? flushed : st;
}

/* ---- Saying it ---- */

static void write_result(struct ol__json_writer *w, const char *path, const struct import *im,
                         ol_status st)
{
    const struct import_result *r = &im->result;
    ol__json_begin_object(w);
    ol__json_member_text(w, "path", path);
    ol__json_member_text(w, "kind", r->kind);
    ol__json_member_uint(w, "events", r->events);
    if (r->runs > 0)
        ol__json_member_uint(w, "runs", r->runs);
    if (r->attempts > 0)
        ol__json_member_uint(w, "attempts", r->attempts);
    ol__json_member_uint(w, "bad", r->bad);
    ol__json_member_bool(w, "complete", st == OL_OK && r->bad == 0);
    ol__json_end_object(w);
}

static void say_result(const char *path, const struct import *im)
{
    const struct import_result *r = &im->result;
    struct ol__buf text;
    ol__buf_init(&text, 65536);
    ol__buf_add_format(&text, "'%s': %s", path, r->kind);
    if (r->runs > 0)
        ol__buf_add_format(&text, ", %" PRIu64 " runs", r->runs);
    if (r->attempts > 0)
        ol__buf_add_format(&text, ", %" PRIu64 " attempts", r->attempts);
    ol__buf_add_format(&text, ", %" PRIu64 " events%s", r->events,
                       im->sink == NULL                ? " (nothing was handed over)"
                       : event_sink_is_spool(im->sink) ? " into the spool, for when the agent runs"
                                                       : " imported");
    if (r->bad > 0)
        ol__buf_add_format(&text, ", %" PRIu64 " could not be read", r->bad);
    if (text.status == OL_OK)
        cli_say("%s", text.data);
    ol__buf_release(&text);
}

/* ---- The command line ---- */

struct import_options {
    bool is_forced, is_dry, is_json, is_quiet;
};

static int parse(int argc, char **argv, struct import_options *o)
{
#define AT(member) offsetof(struct import_options, member)
    static const struct cli_option table[] = {{"force", 0, OPTION_FLAG, .offset = AT(is_forced)},
                                              {"dry-run", 'n', OPTION_FLAG, .offset = AT(is_dry)},
                                              {"json", 0, OPTION_FLAG, .offset = AT(is_json)},
                                              {"quiet", 'q', OPTION_FLAG, .offset = AT(is_quiet)},
                                              OPTION_END};
#undef AT
    static const struct cli_options options = {
        .verb = "import", .table = table, .help = print_help};
    int result = cli_options_read(&options, argc, argv, o);
    if (result == 0 && optind == argc)
        return cli_usage("import", "what? expected a folder of runs, or a file of events");
    return result;
}

static int import_all(struct import *im, const struct import_options *o, char **paths)
{
    struct ol__json_writer w;
    struct ol__buf text;
    int result = CLI_YES;
    ol__buf_init(&text, (size_t)64 << 20);
    ol__json_writer_init(&w, &text);
    ol__json_begin_object(&w);
    ol__json_key(&w, "imported");
    ol__json_begin_array(&w);
    for (char **path = paths; *path != NULL; path++) {
        struct ol_error err = {.message = ""};
        ol_status st = import_path(im, *path, &err);
        if (st != OL_OK) {
            int failed = cli_fail(im->place, st, &err);
            result = result == CLI_YES || failed == CLI_NO ? failed : result;
        } else if (im->result.bad > 0) {
            result = CLI_NO;
        }
        if (o->is_json)
            write_result(&w, *path, im, st);
        else if (!o->is_quiet && im->result.events > 0)
            say_result(*path, im);
    }
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(&text, '\n');
    if (o->is_json && !cli_print_buf(&text))
        result = CLI_NO;
    ol__buf_release(&text);
    return result;
}

int verb_import(int argc, char **argv)
{
    struct import_options o = {.is_json = false};
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    struct place place;
    struct ol_error err = {.message = ""};
    struct import im = {.place = &place, .is_forced = o.is_forced, .is_quiet = o.is_quiet};
    ol_status st = place_find(&place, &err);
    if (st == OL_OK && !o.is_dry)
        st = event_sink_open(&place, &im.sink, &err);
    result = st == OL_OK ? import_all(&im, &o, argv + optind) : cli_fail(&place, st, &err);
    event_sink_close(im.sink);
    place_release(&place);
    return result;
}
