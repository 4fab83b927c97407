/* SPDX-License-Identifier: Apache-2.0 */
/* lineage deadletter retry, drop, export. The first two go through the agent, in as many requests
 * as it wants; without one they do under the lock what its threads would do
 * (agent/spool/letters_change). Export reads the files where it may, else asks. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "config.h"
#include "deadletter.h"
#include "json_write.h"
#include "out_file.h"
#include "tree.h"

struct totals {
    uint64_t count, left_off;
};

static const char *verb_name(enum letter_verb verb)
{
    return verb == LETTER_RETRY ? "retry" : "drop";
}

/* ---- Through the agent ---- */

static ol_status make_target(const struct letter_options *o, const char *id, const char *up_to,
                             struct ol__buf *target, struct ol_error *err)
{
    char status[16];
    snprintf(status, sizeof status, "%d", o->choice.status);
    ol__buf_reset(target);
    ol__buf_add_format(target, "/v1/deadletters/%s", verb_name(o->verb));
    client_add_query(target, "id", id);
    client_add_query(target, "route", o->choice.route);
    client_add_query(target, "reason", o->choice.reason);
    client_add_query(target, "status", o->choice.status >= 0 ? status : NULL);
    client_add_query(target, "all", o->is_all ? "1" : NULL);
    client_add_query(target, "up_to", up_to);
    return target->status == OL_OK
               ? OL_OK
               : ol__error_set(err, target->status, "the selection is too long");
}

/* One answer. @return OL_OK; OL_AGAIN: there is more, ask with @p up_to; a failure that err tells.
 */
static ol_status take_answer(int status, struct ol__span body, enum letter_verb verb, char *up_to,
                             size_t size, struct totals *totals, struct ol_error *err)
{
    struct json_doc doc;
    ol_status st = cli_answer_read(status, body, &doc, err);
    if (st != OL_OK)
        return st;
    const char *last = json_get_text(doc.root, "up_to");
    snprintf(up_to, size, "%s", last != NULL ? last : "");
    totals->count +=
        (uint64_t)json_get_int(doc.root, verb == LETTER_RETRY ? "retried" : "dropped", 0);
    totals->left_off = (uint64_t)json_get_int(doc.root, "left_off", 0);
    st = json_get_bool(doc.root, "more") ? OL_AGAIN : OL_OK;
    json_doc_release(&doc);
    return st;
}

/* *ret_is_there: whether an agent answered. */
static ol_status ask_agent(struct place *place, const struct letter_options *o, const char *id,
                           struct totals *totals, bool *ret_is_there, struct ol_error *err)
{
    struct ol__buf target, body;
    char up_to[24] = "";
    ol__buf_init(&target, 8192);
    ol_status st = OL_AGAIN;
    while (st == OL_AGAIN) {
        int status = 0;
        ol__buf_init(&body, CLIENT_ANSWER_MAX);
        st = make_target(o, id, up_to[0] != '\0' ? up_to : NULL, &target, err);
        if (st == OL_OK)
            st = place_request(place, "POST", target.data, &status, &body, err);
        *ret_is_there = st != OL_NOT_FOUND || up_to[0] != '\0';
        if (st == OL_OK)
            st = take_answer(status, (struct ol__span){.data = body.data, .size = body.size},
                             o->verb, up_to, sizeof up_to, totals, err);
        ol__buf_release(&body);
    }
    ol__buf_release(&target);
    return st;
}

/* ---- Under the lock ---- */

struct owner {
    struct place *place;
    enum letter_verb verb;
    struct spool *spool;
    struct dead_letters *letters; /* of `route` */
    char route[96];
};

/* To be sent again a route must be there; to forget what it left, it need not. */
static bool knows(void *arg, const char *route)
{
    const struct owner *owner = arg;
    return owner->verb == LETTER_DROP || place_route(owner->place, route) != NULL;
}

static ol_status put(void *arg, struct spool_record *records, size_t count, size_t *ret_count,
                     struct ol_error *err)
{
    const struct owner *owner = arg;
    ol_status st = OL_OK;
    size_t added = 0;
    while (added < count && st == OL_OK) {
        st = spool_group_add(owner->spool, &records[added], err);
        added += st == OL_OK;
    }
    if (added == 0)
        return st;
    st = spool_group_commit(owner->spool, err);
    *ret_count = st == OL_OK ? added : 0;
    return st;
}

static ol_status end(void *arg, const char *route, const uint64_t *seqs, size_t count,
                     const char *how, size_t *ret_ended, struct ol_error *err)
{
    struct owner *owner = arg;
    const struct route_config *config = place_route(owner->place, route);
    if (owner->letters == NULL || strcmp(owner->route, route) != 0) {
        dead_letters_close(owner->letters);
        owner->letters = NULL;
        ol_status st = dead_letters_open(owner->place->config->spool_directory, route,
                                         config != NULL ? config->dead_letter_bytes : 0, NULL,
                                         &owner->letters, err);
        if (st != OL_OK)
            return st;
        snprintf(owner->route, sizeof owner->route, "%s", route);
    }
    return dead_letters_end_many(owner->letters, seqs, count, how, ret_ended, err);
}

static ol_status change_files(struct place *place, const struct letter_options *o,
                              struct totals *totals, struct ol_error *err)
{
    struct owner owner = {.place = place, .verb = o->verb};
    const struct letters_hands hands = {.knows = knows, .put = put, .end = end, .arg = &owner};
    struct letters_choice choice = o->choice;
    ol_status st = place_open_spool(place, &owner.spool, err);
    if (st != OL_OK)
        return st;
    choice.up_to = OL_MAX(spool_synced(owner.spool), UINT64_C(1));
    for (int i = 0; i < OL_MAX(o->id_count, 1) && st == OL_OK; i++) {
        struct letters_result result;
        choice.id = o->id_count > 0 ? o->ids[i] : NULL;
        st = letters_change(place->config->spool_directory,
                            o->verb == LETTER_RETRY ? LETTERS_RETRY : LETTERS_DROP, &choice, &hands,
                            INT64_MAX / 2, &result, err);
        totals->count += result.count;
        totals->left_off += result.left_off;
        if (st == OL_OK && choice.id != NULL && result.count == 0)
            st = ol__error_set(err, OL_NOT_FOUND, "no such dead letter: %s", choice.id);
    }
    dead_letters_close(owner.letters);
    spool_close(owner.spool);
    return st;
}

int deadletter_change(struct place *place, const struct letter_options *o)
{
    struct totals totals = {0};
    struct ol_error err = {.message = ""};
    bool is_there = true;
    ol_status st = OL_OK;
    for (int i = 0; i < OL_MAX(o->id_count, 1) && st == OL_OK && is_there; i++)
        st = ask_agent(place, o, o->id_count > 0 ? o->ids[i] : NULL, &totals, &is_there, &err);
    if (!is_there)
        st = change_files(place, o, &totals, &err);
    if (st == OL_OK && o->is_json) {
        printf("{\"%s\":%" PRIu64 ",\"left_off\":%" PRIu64 ",\"agent\":%s}\n",
               o->verb == LETTER_DROP ? "dropped" : "retried", totals.count, totals.left_off,
               is_there ? "true" : "false");
        st = cli_write((struct ol__span){0}, &err);
    }
    if (totals.count > 0 || st == OL_OK)
        cli_say("%" PRIu64 " dead letter%s %s", totals.count, totals.count == 1 ? "" : "s",
                o->verb == LETTER_DROP ? "dropped"
                : is_there             ? "sent again"
                                       : "put into the spool, for when the agent runs");
    if (totals.left_off > 0)
        cli_say("%" PRIu64 " left as they are: their route is not configured any more",
                totals.left_off);
    if (st == OL_OK)
        return totals.count > 0 || o->id_count > 0 ? CLI_YES : CLI_NOT_KNOWN;
    if (st == OL_DENIED && is_there) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    return cli_fail(place, st, &err);
}

/* ---- Export ---- */

struct exporter {
    const struct letter_options *options;
    struct out_file *out;
    struct ol__buf line;
    uint64_t count;
    struct ol_error err;
};

static ol_status export_letter(void *arg, const struct dead_letter *letter)
{
    struct exporter *x = arg;
    struct ol__json_writer w;
    if (!letters_choice_has(&x->options->choice, letter))
        return OL_OK;
    ol__buf_reset(&x->line);
    ol__json_writer_init(&w, &x->line);
    dead_letter_write(&w, letter, true);
    ol__buf_add_char(&x->line, '\n');
    if (x->line.status != OL_OK)
        return ol__error_set(&x->err, x->line.status, "dead letter '%s': out of memory",
                             letter->id);
    x->count++;
    return out_file_write(x->out, x->line.data, x->line.size, &x->err);
}

int deadletter_export(struct place *place, const struct letter_options *o)
{
    struct exporter x = {.options = o};
    struct ol_error err = {.message = ""};
    ol__buf_init(&x.line, CLIENT_ANSWER_MAX * 2);
    ol_status st = place_configure(place, &err);
    if (st == OL_OK && !place_is_ours(place))
        st = ol__error_set(&err, OL_DENIED,
                           "the dead letters of the system agent are exported by root or its user");
    if (st == OL_OK)
        st = out_file_open(o->file, &x.out, &err);
    if (st == OL_OK) {
        st = dead_letters_each(place->config->spool_directory, o->choice.route, export_letter, &x,
                               &err);
        if (x.err.status != OL_OK)
            err = x.err;
        if (st == OL_NOT_FOUND)
            st = OL_OK; /* no file, no letter */
    }
    if (st == OL_OK)
        st = out_file_commit(x.out, &err);
    out_file_close(x.out);
    ol__buf_release(&x.line);
    if (st != OL_OK) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    cli_say("%" PRIu64 " dead letter%s exported", x.count, x.count == 1 ? "" : "s");
    return CLI_YES;
}
