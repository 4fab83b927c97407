/* SPDX-License-Identifier: Apache-2.0 */
/* lineage gc: what the store and the receipts would let go, and why the rest stays; with --yes it
 * goes. The store is its agent's: it is asked; where none runs, the same is done here. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "cli.h"
#include "json_doc.h"
#include "json_write.h"
#include "options.h"
#include "store/policy.h"
#include "pretty.h"
#include "receipt/keep.h"
#include "times.h"

#define LIST_DEFAULT 20
#define LIST_MAX 10000
#define EXPIRE_RUNS 200
#define BUSY_WAIT_MS 15000 /* an agent that starts has the store before it answers */
#define BUSY_EVERY_MS 50

struct gc_options {
    bool is_real, is_dry, is_json;
    int64_t older_than_ms, keep_last, limit;
    const char *class, *runs, *only, *route;
    bool has_store, has_receipts; /* are looked at */
};

static void print_help(void)
{
    puts(
        "Usage: lineage gc [OPTION]...\n"
        "Show what the store and the receipts would let go, in bytes, and why the rest stays.\n"
        "What is approved or deployed stays, with all that led to it; so do runs of receipts that\n"
        "are not sealed.\n"
        "\n"
        "      --yes, --run         do it\n"
        "      --dry-run            only show it (the default)\n"
        "      --older-than TIME    what is older, e.g. 90d; default: of the store what its "
        "settings\n"
        "                           say (lineaged.yaml(5), retention), of receipts nothing\n"
        "      --keep-last N        the last N runs of each job and of each pipeline stay; "
        "without\n"
        "                           --older-than all others go\n"
        "      --class NAME         of the store only runs of that class, or default\n"
        "      --only WHAT          store or receipts; default: the store, and receipts where "
        "--runs\n"
        "                           or LINEAGE_RUNS says where they are\n"
        "      --runs DIR           the runs folder\n"
        "      --route NAME         which store, where there are several\n"
        "      --limit N            runs that are listed; default 20\n"
        "      --json\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0 done, or nothing to do; 1 it failed, or the store is over its ceiling and\n"
        "nothing is left that may go; 2 usage; 3 there is no store, or no runs folder.");
}

static int read_options(int argc, char **argv, struct gc_options *o)
{
#define AT(member) offsetof(struct gc_options, member)
    static const struct cli_option table[] = {
        {.name = "yes", .letter = 'y', .kind = OPTION_FLAG, .offset = AT(is_real)},
        {.name = "run", .kind = OPTION_FLAG, .offset = AT(is_real)},
        {.name = "dry-run", .letter = 'n', .kind = OPTION_FLAG, .offset = AT(is_dry)},
        {.name = "older-than",
         .kind = OPTION_DURATION,
         .offset = AT(older_than_ms),
         .least = 1,
         .most = INT64_C(86400000) * 36500},
        {.name = "keep-last",
         .kind = OPTION_NUMBER,
         .offset = AT(keep_last),
         .least = 1,
         .most = RETENTION_LAST_MAX},
        {.name = "class", .kind = OPTION_TEXT, .offset = AT(class)},
        {.name = "only", .kind = OPTION_TEXT, .offset = AT(only)},
        {.name = "runs", .kind = OPTION_TEXT, .offset = AT(runs)},
        {.name = "route", .kind = OPTION_TEXT, .offset = AT(route)},
        {.name = "limit", .kind = OPTION_NUMBER, .offset = AT(limit), .least = 1, .most = LIST_MAX},
        {.name = "json", .kind = OPTION_FLAG, .offset = AT(is_json)},
        OPTION_END};
    static const struct cli_options options = {.verb = "gc", .table = table, .help = print_help};
#undef AT
    o->limit = LIST_DEFAULT;
    int result = cli_options_read(&options, argc, argv, o);
    if (result != 0)
        return result;
    const char *place = getenv("LINEAGE_RUNS");
    if (optind < argc)
        return cli_usage("gc", "'%.60s': no word is expected", argv[optind]);
    if (o->is_real && o->is_dry)
        return cli_usage("gc", "--dry-run and --yes exclude each other");
    if (o->only != NULL && strcmp(o->only, "store") != 0 && strcmp(o->only, "receipts") != 0)
        return cli_usage("gc", "--only %.60s: expected store or receipts", o->only);
    o->has_store = o->only == NULL || strcmp(o->only, "store") == 0;
    o->has_receipts = o->only != NULL ? !o->has_store
                                      : (o->runs != NULL || (place != NULL && place[0] != '\0')) &&
                                            o->class == NULL;
    if (o->has_receipts && o->only != NULL && o->class != NULL)
        return cli_usage("gc", "--class is of the store");
    return 0;
}

/* ---- The store ---- */

static ol_status ask_agent(struct place *place, const struct gc_options *o, struct ol__buf *out,
                           bool *ret_has_more, struct ol_error *err)
{
    struct ol__buf target;
    struct json_doc doc;
    char older[24], last[24], limit[24];
    int status = 0;
    snprintf(older, sizeof older, "%lld", (long long)o->older_than_ms);
    snprintf(last, sizeof last, "%lld", (long long)o->keep_last);
    snprintf(limit, sizeof limit, "%lld", (long long)o->limit);
    ol__buf_init(&target, 8192);
    ol__buf_add_text(&target, "/v1/store/gc");
    client_add_query(&target, "older_than_ms", o->older_than_ms > 0 ? older : NULL);
    client_add_query(&target, "keep_last", o->keep_last > 0 ? last : NULL);
    client_add_query(&target, "limit", limit);
    client_add_query(&target, "class", o->class);
    client_add_query(&target, "route", o->route);
    client_add_query(&target, "run", o->is_real ? "1" : NULL);
    ol_status st = target.status == OL_OK
                       ? place_request(place, "POST", target.data, &status, out, err)
                       : ol__error_set(err, OL_INVALID, "too long a question");
    ol__buf_release(&target);
    if (st != OL_OK)
        return st;
    st = cli_answer_read(status, (struct ol__span){out->data, out->size}, &doc, err);
    if (st == OL_NOT_FOUND)
        st = OL_INVALID; /* there is an agent; it has no such store */
    if (st != OL_OK)
        return st;
    *ret_has_more = json_get_bool(doc.root, "more");
    json_doc_release(&doc);
    return OL_OK;
}

static const struct route_config *find_store(const struct agent_config *config, const char *name)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++)
        if (routes[i].type == ROUTE_STORE && (name == NULL || strcmp(routes[i].name, name) == 0))
            return &routes[i];
    return NULL;
}

static ol_status do_here(struct place *place, const struct gc_options *o, struct ol__buf *out,
                         struct ol_error *err)
{
    const struct policy_wish wish = {
        .older_than_ms = o->older_than_ms, .keep_last = o->keep_last, .only_class = o->class};
    struct policy policy;
    struct store *store = NULL;
    struct store_kept kept;
    int64_t now = ol__time_now_ms();
    ol_status st = place_configure(place, err);
    if (st != OL_OK)
        return st;
    if (!place_is_ours(place))
        return ol__error_set(err, OL_DENIED,
                             "the system agent is not running, and its store is not yours");
    const struct route_config *route = find_store(place->config, o->route);
    if (route == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "no route of type store is configured%s%s",
                             o->route != NULL ? ": " : "", o->route != NULL ? o->route : "");
    policy_make(route, now, &policy);
    st = policy_change(&policy, &wish, now, err);
    if (st == OL_OK && o->is_real) /* a look first: writing would make a file that is not there */
        st = store_open(route->path, STORE_READ, &store, err);
    if (st == OL_OK) {
        store_close(store);
        store = NULL;
        st = store_open(route->path, o->is_real ? STORE_WRITE : STORE_READ, &store, err);
    }
    if (st == OL_OK && !o->is_real)
        st = store_gc_plan(store, &policy.policy, o->limit, out, err);
    else if (st == OL_OK) {
        while ((st = store_expire(store, &policy.policy, EXPIRE_RUNS, err)) == OL_AGAIN) {
        }
        store_kept(store, &kept);
        if (st == OL_OK)
            st = policy_write_gone(&kept, false, out);
    }
    store_close(store);
    return st;
}

/* Ask the agent; where none runs, do it here. OL_BUSY: none answers, yet somebody has the store. */
static ol_status try_store(struct place *place, const struct gc_options *o, struct ol__buf *out,
                           struct ol_error *err)
{
    bool has_more = true;
    ol_status st = OL_OK;
    while (st == OL_OK && has_more) { /* the wish goes on; each answer tells all of it */
        has_more = false;
        ol__buf_reset(out);
        st = ask_agent(place, o, out, &has_more, err);
    }
    if (st != OL_NOT_FOUND)
        return st;
    ol__buf_reset(out);
    return do_here(place, o, out, err);
}

static ol_status do_store(struct place *place, const struct gc_options *o, struct ol__buf *out,
                          struct ol_error *err)
{
    int64_t until = ol__time_monotonic_ms() + BUSY_WAIT_MS;
    ol_status st = place_find(place, err);
    while (st == OL_OK && (st = try_store(place, o, out, err)) == OL_BUSY &&
           ol__time_monotonic_ms() < until) {
        const struct timespec pause = {.tv_nsec = BUSY_EVERY_MS * 1000000L};
        OL_IGNORE(nanosleep(&pause, NULL), "then it is asked again");
        st = OL_OK;
    }
    return st;
}

/* ---- Receipts ---- */

static void write_receipts(const struct receipt_keep *keep, const struct gc_options *o,
                           int64_t runs, int64_t objects, int64_t bytes, struct ol__json_writer *w)
{
    int64_t listed = 0;
    ol__json_key(w, "receipts");
    ol__json_begin_object(w);
    ol__json_member_text(w, "folder", keep->runs);
    ol__json_key(w, o->is_real ? "gone" : "go");
    ol__json_begin_object(w);
    ol__json_member_int(w, "runs", runs);
    ol__json_member_int(w, "objects", objects);
    ol__json_member_int(w, "bytes", bytes);
    ol__json_end_object(w);
    ol__json_key(w, "stay");
    ol__json_begin_object(w);
    for (int i = RECEIPT_GOES + 1; i < RECEIPT_FATES; i++)
        if (keep->fates[i] > 0)
            ol__json_member_int(w, receipt_fate_name((enum receipt_fate)i), keep->fates[i]);
    ol__json_end_object(w);
    ol__json_key(w, "runs");
    ol__json_begin_array(w);
    for (size_t i = 0; i < keep->count && listed < o->limit; i++) {
        const struct receipt_kept_run *run = &keep->items[i];
        char time[OL_TIME_TEXT + 1];
        ol__json_begin_object(w);
        ol__json_member_text(w, "run_id", run->run_id);
        ol__json_member_text(w, "fate", receipt_fate_name(run->fate));
        ol__json_member_text_opt(w, "pipeline", run->pipeline);
        if (run->is_sealed) {
            ol__time_format(run->sealed_ms, time);
            ol__json_member_text(w, "sealed", time);
        }
        ol__json_member_int(w, "bytes", run->bytes);
        ol__json_end_object(w);
        listed++;
    }
    ol__json_end_array(w);
    ol__json_member_bool(w, "truncated", listed < (int64_t)keep->count);
    ol__json_end_object(w);
}

static ol_status do_receipts(const struct gc_options *o, struct ol__json_writer *w,
                             struct ol_error *err)
{
    struct receipt_keep keep = {.fd = -1};
    char *runs = NULL;
    int64_t now = ol__time_now_ms(), gone = 0, objects = 0, bytes = 0;
    bool has_wish = o->older_than_ms > 0 || o->keep_last > 0;
    const struct receipt_keep_policy policy = {.before_ms =
                                                   has_wish ? now - o->older_than_ms : INT64_MIN,
                                               .keep_last = o->keep_last,
                                               .now_ms = now};
    ol_status st = receipt_find_runs(o->runs, &runs, err);
    if (st == OL_OK)
        st = receipt_keep_read(runs, &keep, err);
    if (st == OL_OK)
        st = receipt_keep_judge(&keep, &policy, err);
    if (st == OL_OK && o->is_real)
        st = receipt_keep_remove(&keep, &policy, &gone, &objects, &bytes, err);
    if (st == OL_OK && o->is_real)
        write_receipts(&keep, o, gone, objects, bytes, w);
    else if (st == OL_OK)
        write_receipts(&keep, o, keep.fates[RECEIPT_GOES], keep.objects,
                       keep.bytes + keep.object_bytes, w);
    receipt_keep_release(&keep);
    free(runs);
    return st;
}

/* ---- For people ---- */

static void print_side(struct pretty *p, const char *name, const struct json_node *side,
                       const char *what)
{
    const struct json_node *go = json_get(side, "go"), *gone = json_get(side, "gone");
    const struct json_node *figures = go != NULL ? go : gone;
    ol__buf_add_format(p->out, "%s: %lld runs", name, (long long)json_get_int(figures, "runs", 0));
    ol__buf_add_format(p->out, ", %lld %s", (long long)json_get_int(figures, what, 0), what);
    if (json_get(figures, "bytes") != NULL)
        ol__buf_add_format(p->out, ", %lld bytes", (long long)json_get_int(figures, "bytes", 0));
    ol__buf_add_text(p->out, go != NULL ? " would go\n" : " are gone\n");
    for (const struct json_node *n = json_get_items(side, "stay"); n != NULL; n = n->next)
        ol__buf_add_format(p->out, "  %s stay: %s\n", n->text, n->key);
    for (const struct json_node *n = json_get_items(side, "runs"); n != NULL; n = n->next) {
        const struct json_node *job = json_get(n, "job");
        const char *fate = json_get_text(n, "fate");
        ol__buf_add_format(p->out, "  %s ", fate == NULL ? "go" : fate);
        pretty_text(p, PRETTY_PLAIN, json_get_text(n, "run_id"));
        if (job != NULL) {
            ol__buf_add_char(p->out, ' ');
            pretty_text(p, PRETTY_PLAIN, json_get_text(job, "name"));
            ol__buf_add_format(p->out, " %s", json_get_text(n, "state"));
        }
        ol__buf_add_char(p->out, '\n');
    }
    if (json_get_bool(side, "truncated"))
        ol__buf_add_text(p->out, "  ... and more (--limit)\n");
}

static int print_all(const struct gc_options *o, struct ol__buf *text)
{
    struct json_doc doc;
    struct pretty p;
    struct ol__buf out;
    struct ol_error err = {.message = "out of memory"};
    if (text->status != OL_OK ||
        json_doc_read(&doc, (struct ol__span){text->data, text->size}, &err) != OL_OK) {
        cli_say("the answer: %s", err.message);
        return CLI_NO;
    }
    const struct json_node *store = json_get(doc.root, "store"), *about = json_get(store, "store");
    bool is_stuck = json_get_bool(about, "stuck");
    ol__buf_init(&out, CLIENT_ANSWER_MAX);
    pretty_init(&p, &out);
    if (o->is_json) {
        ol__buf_add(&out, text->data, text->size);
        ol__buf_add_char(&out, '\n');
    } else {
        if (store != NULL)
            print_side(&p, "store", store, "answers");
        if (about != NULL)
            ol__buf_add_format(
                &out, "  %lld bytes in use%s\n", (long long)json_get_int(about, "used_bytes", 0),
                is_stuck ? ": over retention_size, and nothing is left that may go" : "");
        if (json_get(doc.root, "receipts") != NULL)
            print_side(&p, "receipts", json_get(doc.root, "receipts"), "objects");
        if (!o->is_real)
            ol__buf_add_text(&out, "nothing was removed: lineage gc --yes does it\n");
    }
    bool is_written = pretty_flush(&p);
    json_doc_release(&doc);
    ol__buf_release(&out);
    return is_written && !is_stuck ? CLI_YES : CLI_NO;
}

int verb_gc(int argc, char **argv)
{
    struct gc_options o = {0};
    struct place place = {0};
    struct ol__buf text, store;
    struct ol__json_writer w;
    struct ol_error err = {.message = ""};
    ol_status st = OL_OK;
    int result = read_options(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol__buf_init(&text, CLIENT_ANSWER_MAX * 2);
    ol__buf_init(&store, CLIENT_ANSWER_MAX);
    ol__json_writer_init(&w, &text);
    ol__json_begin_object(&w);
    ol__json_member_bool(&w, "dry_run", !o.is_real);
    if (o.has_store)
        st = do_store(&place, &o, &store, &err);
    if (st == OL_OK && o.has_store) {
        while (store.size > 0 && store.data[store.size - 1] == '\n')
            store.size--;
        ol__json_key(&w, "store");
        ol__json_raw(&w, (struct ol__span){store.data, store.size});
    }
    if (st == OL_OK && o.has_receipts)
        st = do_receipts(&o, &w, &err);
    ol__json_end_object(&w);
    if (st == OL_INVALID) {
        cli_say("%s", err.message);
        result = CLI_USAGE;
    } else if (st != OL_OK)
        result = cli_fail(&place, st, &err);
    else
        result = print_all(&o, &text);
    place_release(&place);
    ol__buf_release(&text);
    ol__buf_release(&store);
    return result;
}
