/* SPDX-License-Identifier: Apache-2.0 */
/* lineage doctor: why does nothing arrive?
 * Promises:
 *  1. Nothing is changed, made or sent but questions to the agent and, where programs post to a
 *     door on this machine, one empty document that the door refuses.
 *  2. Checks stand in the order in which an event goes: program, journal or door, agent, spool,
 *     routes. The first that failed is the cause, since what is behind it only suffers from it; a
 *     check that fails because of another says so with a warning.
 *  3. No secret is printed. */
#include "doctor.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "json_write.h"
#include "pretty.h"

struct doctor_finding *doctor_add(struct doctor *d, enum doctor_level level, const char *check,
                                  const char *format, ...)
{
    va_list args;
    struct doctor_finding *f = &d->findings[OL_MIN(d->count, (size_t)DOCTOR_FINDINGS_MAX - 1)];
    if (d->count < DOCTOR_FINDINGS_MAX)
        d->count++;
    *f = (struct doctor_finding){.level = level, .check = check};
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args); /* a longer one is cut */
    va_end(args);
    return f;
}

void doctor_fix(struct doctor_finding *finding, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(finding->fix, sizeof finding->fix, format, args);
    va_end(args);
}

const char *doctor_size(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < OL_COUNT(units); unit++)
        value /= 1024;
    snprintf(out, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

/* Promise 2. NULL: nothing is wrong. */
static const struct doctor_finding *cause_of(const struct doctor *d)
{
    for (int level = DOCTOR_FAIL; level > DOCTOR_OK; level--)
        for (size_t i = 0; i < d->count; i++)
            if (d->findings[i].level == (enum doctor_level)level)
                return &d->findings[i];
    return NULL;
}

static const char *const level_names[] = {"ok", "warn", "fail"};

static ol_status write_json(const struct doctor *d, struct ol__buf *out)
{
    const struct doctor_finding *cause = cause_of(d);
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "cause", cause != NULL ? cause->text : NULL);
    ol__json_member_text(&w, "check", cause != NULL ? cause->check : NULL);
    ol__json_member_text(&w, "level", level_names[cause != NULL ? cause->level : DOCTOR_OK]);
    ol__json_member_text(&w, "fix", cause != NULL && cause->fix[0] != '\0' ? cause->fix : NULL);
    ol__json_key(&w, "checks");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "level", level_names[f->level]);
        ol__json_member_text(&w, "check", f->check);
        ol__json_member_text(&w, "text", f->text);
        ol__json_member_text_opt(&w, "fix", f->fix[0] != '\0' ? f->fix : NULL);
        ol__json_end_object(&w);
    }
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    return ol__buf_add_char(out, '\n');
}

static ol_status write_text(const struct doctor *d, struct pretty *p)
{
    static const enum pretty_colour colours[] = {PRETTY_GOOD, PRETTY_NOW, PRETTY_BAD};
    const struct doctor_finding *cause = cause_of(d);
    if (cause == NULL || cause->level == DOCTOR_WARN)
        pretty_text(p, PRETTY_GOOD, "nothing is broken");
    if (cause != NULL) {
        ol__buf_add_text(p->out, cause->level == DOCTOR_WARN ? "; look at: " : "cause: ");
        pretty_text(p, colours[cause->level], cause->text);
        if (cause->fix[0] != '\0') {
            ol__buf_add_text(p->out, "\ndo:    ");
            pretty_text(p, PRETTY_BOLD, cause->fix);
        }
    }
    ol__buf_add_text(p->out, "\n\n");
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_finding *f = &d->findings[i];
        pretty_text(p, colours[f->level], level_names[f->level]);
        ol__buf_add_format(p->out, "%*s%-8s ", (int)(6 - strlen(level_names[f->level])), "",
                           f->check);
        pretty_text(p, PRETTY_PLAIN, f->text);
        if (f->fix[0] != '\0' && f != cause) {
            ol__buf_add_text(p->out, "\n               -> ");
            pretty_text(p, PRETTY_DIM, f->fix);
        }
        ol__buf_add_char(p->out, '\n');
    }
    return p->out->status;
}

static int print(const struct doctor *d, bool is_json)
{
    struct ol__buf text;
    struct pretty p;
    const struct doctor_finding *cause = cause_of(d);
    ol__buf_init(&text, 1 << 20);
    pretty_init(&p, &text);
    ol_status st = is_json ? write_json(d, &text) : write_text(d, &p);
    bool is_written = st == OL_OK && pretty_flush(&p);
    ol__buf_release(&text);
    return is_written && (cause == NULL || cause->level != DOCTOR_FAIL) ? CLI_YES : CLI_NO;
}

int verb_doctor(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool is_json = false;
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h') {
            puts("Usage: lineage doctor [--json]\n"
                 "Why does nothing arrive? Follows an event from a program in this environment to\n"
                 "the destinations of the agent, names the cause in one line and what to do, then\n"
                 "lists every check. Changes nothing.\n"
                 "Exit status: 0 nothing is broken, 1 something is, 2 usage.");
            return CLI_YES;
        }
        if (c != 'j')
            return cli_usage("doctor", "see the message above");
        is_json = true;
    }
    if (optind < argc)
        return cli_usage("doctor", "'%s': no argument is expected", argv[optind]);
    struct doctor *d = calloc(1, sizeof *d);
    if (d == NULL) {
        cli_say("out of memory");
        return CLI_NO;
    }
    doctor_ask(d);
    doctor_emitter(d);
    doctor_journals(d);
    doctor_agent(d);
    doctor_spool(d);
    doctor_routes(d);
    int result = print(d, is_json);
    if (d->has_status)
        json_doc_release(&d->status);
    place_release(&d->place);
    explicit_bzero(d, sizeof *d); /* keys of doors stood in it */
    free(d);
    return result;
}
