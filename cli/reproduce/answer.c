/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdio.h>
#include "json_write.h"

static void write_node(struct ol__json_writer *w, // NOLINT(misc-no-recursion): the store's own
                       const struct json_node *n)
{
    if (n->type == OL_JSON_OBJECT || n->type == OL_JSON_ARRAY) {
        bool is_object = n->type == OL_JSON_OBJECT;
        if (is_object)
            ol__json_begin_object(w);
        else
            ol__json_begin_array(w);
        for (const struct json_node *m = n->first; m != NULL; m = m->next) {
            if (is_object)
                ol__json_key(w, m->key);
            write_node(w, m);
        }
        if (is_object)
            ol__json_end_object(w);
        else
            ol__json_end_array(w);
    } else if (n->type == OL_JSON_STRING) {
        ol__json_text(w, n->text);
    } else if (n->type == OL_JSON_NUMBER) {
        ol__json_raw(w, ol__span_text(n->text));
    } else if (n->type == OL_JSON_BOOL) {
        ol__json_bool(w, n->boolean);
    } else {
        ol__json_null(w);
    }
}

static void write_field(struct ol__json_writer *w, enum repro_field field,
                        const struct repro_answer *a)
{
    ol__json_key(w, repro_field_name(field));
    ol__json_begin_object(w);
    ol__json_member_text(w, "state", repro_state_name(a->state));
    ol__json_member_text(w, "level", repro_level_name(a->level));
    ol__json_member_text(w, "verdict", repro_state_name(repro_weigh(a->level, a->state)));
    ol__json_key(w, "what");
    ol__json_begin_array(w);
    for (size_t i = 0; i < OL_MIN(a->count, (size_t)REPRO_WHAT_MAX); i++)
        ol__json_text(w, a->what[i]);
    ol__json_end_array(w);
    if (a->count > REPRO_WHAT_MAX)
        ol__json_member_int(w, "more", (int64_t)(a->count - REPRO_WHAT_MAX));
    ol__json_end_object(w);
}

static bool is_short(const struct repro_answer *a)
{
    return repro_weigh(a->level, a->state) != REPRO_REBUILD;
}

static void write_run(struct ol__json_writer *w, const struct repro_run *run)
{
    ol__json_begin_object(w);
    ol__json_member_int(w, "depth", json_get_int(run->told, "depth", 0));
    ol__json_key(w, "run");
    write_node(w, json_get(run->told, "run"));
    if (run->has_receipt)
        ol__json_member_text(w, "receipt", run->receipt_path);
    if (run->is_whole) {
        ol__json_member_int(w, "children", json_get_int(run->told, "children", 0));
        ol__json_end_object(w);
        return;
    }
    ol__json_member_text(w, "verdict", repro_state_name(run->state));
    ol__json_key(w, "missing");
    ol__json_begin_array(w);
    for (int i = 0; i < REPRO_FIELDS; i++)
        if (is_short(&run->answers[i]))
            ol__json_text(w, repro_field_name((enum repro_field)i));
    ol__json_end_array(w);
    ol__json_key(w, "fields");
    ol__json_begin_object(w);
    for (int i = 0; i < REPRO_FIELDS; i++)
        if (run->answers[i].level != REPRO_IGNORED)
            write_field(w, (enum repro_field)i, &run->answers[i]);
    ol__json_end_object(w);
    ol__json_end_object(w);
}

ol_status repro_write_json(const struct repro_case *c, const struct json_node *subject,
                           struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_key(&w, "subject");
    write_node(&w, subject);
    if (c->count > 0) /* of what nobody is known to have made there is none */
        ol__json_member_text(&w, "verdict", repro_state_name(c->state));
    ol__json_member_text(&w, "policy", c->policy->name);
    ol__json_key(&w, "runs");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < c->count; i++)
        write_run(&w, &c->runs[i]);
    ol__json_end_array(&w);
    ol__json_member_bool(&w, "truncated", c->is_cut);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
    return out->status;
}

/* ---- for people ---- */

static const char *in_words(enum repro_state state)
{
    return state == REPRO_REBUILD      ? "can be rebuilt"
           : state == REPRO_DOCUMENTED ? "documented only"
                                       : "cannot be rebuilt";
}

static enum pretty_colour colour_of(enum repro_state state)
{
    return state == REPRO_REBUILD      ? PRETTY_GOOD
           : state == REPRO_DOCUMENTED ? PRETTY_NOW
                                       : PRETTY_BAD;
}

static void write_lines(struct pretty *p, enum repro_field field, const struct repro_answer *a)
{
    for (size_t i = 0; i < OL_MAX(OL_MIN(a->count, (size_t)REPRO_WHAT_MAX), 1u); i++) {
        ol__buf_add_format(p->out, "    %-13s ", i == 0 ? repro_field_name(field) : "");
        pretty_text(p, i == 0 ? colour_of(a->state) : PRETTY_PLAIN,
                    a->count > 0 ? a->what[i] : repro_state_name(a->state));
        if (i == 0)
            ol__buf_add_format(p->out, " (%s)", repro_level_name(a->level));
        ol__buf_add_char(p->out, '\n');
    }
    if (a->count > REPRO_WHAT_MAX)
        ol__buf_add_format(p->out, "    %-13s and %zu more\n", "", a->count - REPRO_WHAT_MAX);
}

static void write_fields(struct pretty *p, const struct repro_run *run)
{
    const char *between = "    told:         ";
    for (int i = 0; i < REPRO_FIELDS; i++)
        if (is_short(&run->answers[i]))
            write_lines(p, (enum repro_field)i, &run->answers[i]);
    for (int i = 0; i < REPRO_FIELDS; i++) {
        const struct repro_answer *a = &run->answers[i];
        if (is_short(a) || a->level == REPRO_IGNORED || a->state == REPRO_NOT)
            continue;
        ol__buf_add_format(p->out, "%s%s", between, repro_field_name((enum repro_field)i));
        between = ", ";
    }
    ol__buf_add_char(p->out, '\n');
    between = "    not told, and not asked for: ";
    for (int i = 0; i < REPRO_FIELDS; i++) {
        const struct repro_answer *a = &run->answers[i];
        if (a->level != REPRO_OPTIONAL || a->state != REPRO_NOT)
            continue;
        ol__buf_add_format(p->out, "%s%s", between, repro_field_name((enum repro_field)i));
        between = ", ";
    }
    if (between[0] == ',')
        ol__buf_add_char(p->out, '\n');
}

void repro_write_text(const struct repro_case *c, const struct json_node *subject, struct pretty *p)
{
    const char *query = json_get_text(subject, "query");
    pretty_text(p, PRETTY_BOLD, query != NULL ? query : "");
    ol__buf_add_text(p->out, ": ");
    pretty_text(p, colour_of(c->state), in_words(c->state));
    ol__buf_add_text(p->out, " (policy: ");
    pretty_text(p, PRETTY_PLAIN, c->policy->name);
    ol__buf_add_text(p->out, ")\n");
    for (size_t i = 0; i < c->count; i++) {
        const struct repro_run *run = &c->runs[i];
        if (run->is_whole)
            continue;
        ol__buf_add_text(p->out, "  ");
        rows_run(p, json_get(run->told, "run"));
        ol__buf_add_text(p->out, ": ");
        pretty_text(p, colour_of(run->state), in_words(run->state));
        ol__buf_add_text(p->out, run->has_receipt ? "\n" : " (no receipt here)\n");
        write_fields(p, run);
    }
    if (c->is_cut)
        ol__buf_add_text(p->out, "(there is more upstream: --depth N, --limit N)\n");
}
