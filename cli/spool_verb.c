/* SPDX-License-Identifier: Apache-2.0 */
/* lineage spool: what the agent keeps on disk. ls, cat, verify and export read the files directly,
 * as anybody may beside a running agent (agent/spool/spool_look.c says how that is safe); repair
 * takes the lock; import and replay ask the agent, or do without one under the lock. */
#include "spool_verb.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config.h"
#include "files.h"
#include "json_write.h"
#include "spool_repair.h"
#include "store.h"

const char *spool_source_name(int source)
{
    static const char *const names[] = {"?",    "http",  "journal",    "kafka",
                                        "file", "agent", "deadletter", "import"};
    return source > 0 && source < (int)OL_COUNT(names) ? names[source] : names[0];
}

/* ---- Which spool ---- */

ol_status spool_verb_directory(struct place *place, const struct spool_words *w, const char **ret,
                               struct ol_error *err)
{
    if (w->directory != NULL) {
        *ret = w->directory;
        return OL_OK;
    }
    ol_status st = place_configure(place, err);
    if (st != OL_OK)
        return st;
    *ret = place->config->spool_directory;
    if (place_is_ours(place))
        return OL_OK;
    return ol__error_set(err, OL_INVALID,
                         "spool '%s': only root and the user of the system agent may look into it",
                         *ret);
}

ol_status spool_verb_look(struct place *place, const struct spool_words *w, struct spool_look **ret,
                          struct ol_error *err)
{
    const char *directory;
    ol_status st = spool_verb_directory(place, w, &directory, err);
    return st == OL_OK ? spool_look_open(directory, ret, err) : st;
}

/* ---- Where a route stands ---- */

static ol_status count_gap(void *arg, const struct look_gap *gap)
{
    struct look_cursor *c = arg;
    c->gap_count++;
    c->gap_sequences += gap->last - gap->first + 1;
    return OL_OK;
}

/* `PATH.cursor` of a file route (SPOOL.md S19): "lineaged-file-cursor 1 UUID SEQUENCE ...". */
static ol_status file_place(const char *path, const struct ol__uuid *spool, uint64_t *ret,
                            struct ol_error *err)
{
    static const char head[] = "lineaged-file-cursor 1 ";
    const size_t size = sizeof head - 1;
    char name[4096];
    struct ol__buf text;
    struct ol__uuid found;
    snprintf(name, sizeof name, "%s.cursor", path);
    ol__buf_init(&text, 4096);
    ol_status st = ol__fs_read_file(&ol__fs_real, AT_FDCWD, name, &text, err);
    if (st == OL_OK &&
        (text.size <= size + OL_UUID_TEXT || memcmp(text.data, head, size) != 0 ||
         !ol__uuid_parse((struct ol__span){.data = text.data + size, .size = OL_UUID_TEXT},
                         &found)))
        st = ol__error_set(err, OL_CORRUPT, "'%s': no cursor of a file route", name);
    if (st == OL_OK)
        *ret = memcmp(&found, spool, sizeof found) == 0
                   ? strtoull(text.data + size + OL_UUID_TEXT, NULL, 10)
                   : 0;
    ol__buf_release(&text);
    return st;
}

static ol_status store_place(const char *path, const struct ol__uuid *spool, uint64_t *ret,
                             struct ol_error *err)
{
    struct store *store = NULL;
    ol_status st = store_open(path, STORE_READ, &store, err);
    if (st != OL_OK)
        return st;
    st = store_cursor(store, spool, ret, err);
    store_close(store);
    return st;
}

ol_status spool_verb_cursor(struct place *place, struct spool_look *look, const char *name,
                            struct look_cursor *ret, struct ol_error *err)
{
    const struct route_config *route = place->config != NULL ? place_route(place, name) : NULL;
    bool is_file = route != NULL && route->type == ROUTE_FILE && strcmp(route->path, "-") != 0;
    bool is_store = route != NULL && route->type == ROUTE_STORE;
    ol_status st = spool_look_cursor(look, name, ret, err);
    if ((!is_file && !is_store) || (st != OL_OK && st != OL_NOT_FOUND))
        return st;
    if (st == OL_OK)
        spool_look_cursor_release(ret); /* of a route of this name that was another kind */
    *ret = (struct look_cursor){.low = 0};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    st = is_file ? file_place(route->path, spool_look_uuid(look), &ret->low, err)
                 : store_place(route->path, spool_look_uuid(look), &ret->low, err);
    ret->has_place = st == OL_OK;
    ret->is_whole = true; /* nothing is done above its mark */
    return st == OL_OK ? spool_look_gaps(look, name, count_gap, ret, err) : st;
}

/* ---- verify, repair ---- */

void spool_verb_describe(const struct look_problem *p, const char *directory, char *out,
                         size_t size)
{
    char gone[96] = "";
    if (p->count == 1)
        snprintf(gone, sizeof gone, ": sequence %" PRIu64 " is gone", p->first_seq);
    else if (p->count > 1)
        snprintf(gone, sizeof gone, ": sequences %" PRIu64 " to %" PRIu64 " are gone", p->first_seq,
                 p->first_seq + p->count - 1);
    switch (p->kind) {
    case LOOK_BAD_HEADER:
        snprintf(out, size,
                 "%s/%016" PRIx64 ".seg: offset 0: its header does not verify, so none of "
                 "its %" PRIu64 " bytes can be trusted",
                 directory, p->segment, p->to);
        break;
    case LOOK_BAD_BYTES:
        snprintf(out, size,
                 "%s/%016" PRIx64 ".seg: offset %" PRIu64 ": %" PRIu64 " bytes do not verify%s",
                 directory, p->segment, p->from, p->to - p->from, gone);
        break;
    case LOOK_NO_SEGMENT:
        snprintf(out, size, "%s/%016" PRIx64 ".seg: offset 56: the segment before it is not there",
                 directory, p->segment);
        break;
    case LOOK_MISSING:
        snprintf(out, size, "%s/%016" PRIx64 ".seg: lost before%s", directory, p->segment, gone);
        break;
    case LOOK_GONE:
        snprintf(out, size, "%s/%016" PRIx64 ".seg: was taken away by the agent meanwhile",
                 directory, p->segment);
        break;
    }
}

#define PROBLEMS_MAX ((size_t)64 << 20)

struct checker {
    const char *directory;
    uint64_t records, bytes, bad, missing;
    uint64_t packed;
    bool is_dry;
    struct ol__json_writer *json; /* NULL: lines for people */
};

static ol_status count_record(void *arg, const struct spool_record *record, bool is_snapshot,
                              struct ol_error *err)
{
    struct checker *c = arg;
    (void)is_snapshot;
    (void)err;
    c->records++;
    c->bytes += record->data.size;
    return OL_OK;
}

static ol_status tell_problem(void *arg, const struct look_problem *problem, struct ol_error *err)
{
    struct checker *c = arg;
    char text[5000];
    (void)err;
    if (problem->kind == LOOK_GONE)
        return OL_OK;
    spool_verb_describe(problem, c->directory, text, sizeof text);
    if (c->json == NULL)
        puts(text);
    else
        ol__json_text(c->json, text);
    c->missing += problem->kind == LOOK_MISSING ? problem->count : 0;
    c->bad += problem->kind != LOOK_MISSING;
    return OL_OK;
}

static int finish(struct place *place, ol_status st, const struct ol_error *err)
{
    if (st != OL_OK)
        return cli_fail(place, st, err);
    return cli_print((struct ol__span){0}) ? CLI_YES : CLI_NO;
}

static void write_verified(const struct checker *c, size_t files)
{
    ol__json_end_array(c->json);
    ol__json_member_uint(c->json, "files", files);
    ol__json_member_uint(c->json, "records", c->records);
    ol__json_member_uint(c->json, "bytes", c->bytes);
    ol__json_member_uint(c->json, "bad", c->bad);
    ol__json_member_uint(c->json, "missing", c->missing);
    ol__json_end_object(c->json);
    ol__buf_add_char(c->json->out, '\n');
}

int spool_verify(struct place *place, const struct spool_words *w)
{
    struct checker c = {.records = 0};
    struct ol__buf text;
    struct ol__json_writer json;
    struct spool_look *look = NULL;
    struct ol_error err = {.message = ""};
    const struct look_sink sink = {.record = count_record, .problem = tell_problem, .arg = &c};
    ol_status st = spool_verb_directory(place, w, &c.directory, &err);
    if (st == OL_OK)
        st = spool_look_open(c.directory, &look, &err);
    size_t count = 0;
    ol__buf_init(&text, PROBLEMS_MAX);
    if (st == OL_OK) {
        spool_look_segments(look, &count);
        if (w->is_json) {
            c.json = &json;
            ol__json_writer_init(&json, &text);
            ol__json_begin_object(&json);
            ol__json_member_text(&json, "directory", c.directory);
            ol__json_key(&json, "problems");
            ol__json_begin_array(&json);
        }
        st = spool_look_walk(look, 0, UINT64_MAX, &sink, &err);
    }
    spool_look_close(look);
    if (st == OL_OK && c.json != NULL) {
        write_verified(&c, count);
        if (text.status != OL_OK)
            st = ol__error_set(&err, text.status, "the list of what is wrong is too large");
        else
            st = cli_write((struct ol__span){text.data, text.size}, &err);
    }
    ol__buf_release(&text);
    int result = finish(place, st, &err);
    if (st != OL_OK)
        return result;
    cli_say("%" PRIu64 " records in %zu files verify, %" PRIu64 " bytes of events%s", c.records,
            count, c.bytes, c.bad > 0 ? "; what does not is named above" : "");
    return c.bad > 0 ? CLI_NO : result;
}

static ol_status repair_found(void *arg, const struct look_problem *problem, struct ol_error *err)
{
    return tell_problem(arg, problem, err);
}

static void repair_packed(void *arg, uint64_t number, uint64_t records)
{
    struct checker *c = arg;
    c->packed++;
    printf("%s/%016" PRIx64 ".seg: written anew with its %" PRIu64 " good records\n", c->directory,
           number, records);
}

int spool_repair_verb(struct place *place, const struct spool_words *w)
{
    struct checker c = {.is_dry = w->is_dry};
    struct ol_error err = {.message = ""};
    const struct repair_sink sink = {.found = repair_found, .packed = repair_packed, .arg = &c};
    struct spool_options options = {.directory = NULL};
    ol_status st = spool_verb_directory(place, w, &c.directory, &err);
    if (st == OL_OK)
        st = place_spool_options(place, c.directory, !w->is_dry, &options, &err);
    if (st == OL_OK)
        st = spool_repair(&options, w->is_dry, &sink, &err);
    int result = finish(place, st, &err);
    if (st != OL_OK)
        return result;
    if (c.bad == 0)
        cli_say("nothing is wrong with '%s'", c.directory);
    else if (w->is_dry)
        cli_say("%" PRIu64 " bad places: they would be copied to quarantine/ and left out", c.bad);
    else
        cli_say("%" PRIu64 " bad places: kept in '%s/quarantine', and left out of the log", c.bad,
                c.directory);
    return w->is_dry && c.bad > 0 ? CLI_NO : result;
}

/* ---- Words ---- */

static const struct spool_verb {
    const char *name;
    int (*run)(struct place *place, const struct spool_words *words);
    const char *takes; /* letters of options */
    bool has_file;
} verbs[] = {
    {"ls", spool_ls, "jd", false},           {"cat", spool_cat, "ftRlrmd", false},
    {"verify", spool_verify, "jd", false},   {"repair", spool_repair_verb, "nd", false},
    {"export", spool_export, "ftrgd", true}, {"import", spool_import, "iL", true},
    {"replay", spool_replay, "rfs", false},
};

static const char help[] =
    "Usage: lineage spool ls [--json]\n"
    "       lineage spool cat [--from SEQ] [--to SEQ] [--run ID | --lane KEY] [--route R] "
    "[--meta]\n"
    "       lineage spool verify [--json]\n"
    "       lineage spool repair [--dry-run]\n"
    "       lineage spool export [--route R [--gaps]] [--from SEQ] [--to SEQ] FILE|-\n"
    "       lineage spool import [--skip-bad] [--from-line N] FILE\n"
    "       lineage spool replay --route R [--from SEQ | --since TIME]\n"
    "What the agent keeps on disk: segments and cursors; events as JSON lines (--route: those "
    "that\n"
    "wait for it; --meta: with sequence, time, source, uid, lane); every record checked; damage "
    "put\n"
    "right (without an agent); events out into a file, in from one, and to a route once more.\n"
    "ls, cat, verify, repair and export take --directory DIR for a spool elsewhere.\n"
    "Exit status: 0 yes, 1 no or failed, 2 usage, 3 not known.";

static int take_number(const char *verb, const char *name, const char *text, uint64_t *ret)
{
    char *end = NULL;
    *ret = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0')
        return cli_usage(verb, "%s '%s': expected a number", name, text);
    return 0;
}

static int take_option(int c, struct spool_words *w)
{
    switch (c) {
    case 'j':
        w->is_json = true;
        break;
    case 'd':
        w->directory = optarg;
        break;
    case 'f':
        w->has_from = true;
        return take_number("spool", "--from", optarg, &w->from);
    case 't':
        return take_number("spool", "--to", optarg, &w->to);
    case 'L':
        return take_number("spool", "--from-line", optarg, &w->from_line);
    case 'R':
        w->run = optarg;
        break;
    case 'l':
        w->lane = optarg;
        break;
    case 'r':
        w->route = optarg;
        break;
    case 's':
        w->since = optarg;
        break;
    case 'm':
        w->is_meta = true;
        break;
    case 'n':
        w->is_dry = true;
        break;
    case 'g':
        w->is_gaps = true;
        break;
    case 'i':
        w->skips_bad = true;
        break;
    default:
        return cli_usage("spool", "see the message above");
    }
    return 0;
}

/* @return 0: go on, with *ret_verb; -1: help was given; else the exit status. */
static int parse(int argc, char **argv, struct spool_words *w, const struct spool_verb **ret_verb)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"directory", required_argument, NULL, 'd'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"to", required_argument, NULL, 't'},
                                            {"run", required_argument, NULL, 'R'},
                                            {"lane", required_argument, NULL, 'l'},
                                            {"route", required_argument, NULL, 'r'},
                                            {"since", required_argument, NULL, 's'},
                                            {"meta", no_argument, NULL, 'm'},
                                            {"dry-run", no_argument, NULL, 'n'},
                                            {"gaps", no_argument, NULL, 'g'},
                                            {"skip-bad", no_argument, NULL, 'i'},
                                            {"from-line", required_argument, NULL, 'L'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    char given[32] = "";
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h') {
            puts(help);
            return -1;
        }
        int result = take_option(c, w);
        if (result != 0)
            return result;
        size_t size = strlen(given);
        if (size + 1 < sizeof given && strchr(given, c) == NULL)
            given[size] = (char)c;
    }
    const char *what = optind < argc ? argv[optind++] : "";
    const struct spool_verb *verb = NULL;
    for (size_t i = 0; i < OL_COUNT(verbs); i++)
        if (strcmp(what, verbs[i].name) == 0)
            verb = &verbs[i];
    if (verb == NULL)
        return cli_usage("spool",
                         "'%s': expected ls, cat, verify, repair, export, import or replay", what);
    for (const char *at = given; *at != '\0'; at++)
        for (size_t i = 0; options[i].name != NULL; i++)
            if (options[i].val == *at && strchr(verb->takes, *at) == NULL)
                return cli_usage("spool", "%s takes no --%s", what, options[i].name);
    if (verb->has_file && optind < argc)
        w->file = argv[optind++];
    if (optind < argc)
        return cli_usage("spool", "'%s': one argument too many", argv[optind]);
    if (verb->has_file && w->file == NULL)
        return cli_usage("spool", "%s: expected a file", what);
    if (w->run != NULL && w->lane != NULL)
        return cli_usage("spool", "%s: either --run or --lane", what);
    if (w->is_gaps && w->route == NULL)
        return cli_usage("spool", "%s: --gaps needs --route", what);
    *ret_verb = verb;
    return 0;
}

int verb_spool(int argc, char **argv)
{
    struct spool_words words = {.to = UINT64_MAX, .from_line = 1};
    const struct spool_verb *verb = NULL;
    struct place place;
    struct ol_error err = {.message = ""};
    int result = parse(argc, argv, &words, &verb);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (place_find(&place, &err) != OL_OK)
        result = cli_fail(&place, err.status, &err);
    else
        result = verb->run(&place, &words);
    place_release(&place);
    return result;
}
