/* SPDX-License-Identifier: Apache-2.0 */
/* `why` and `impact` as a tree. Promises:
 *  1. The answer is a graph: a node that was printed before is printed again with "(above)" and not
 * expanded, so the text grows with the edges, not with the paths.
 *  2. Unless all is asked for, no more than LINES_MAX lines: of many runs of one job the newest
 * stand below a line that sums them up, of many other things the first; the last line says how much
 * is not shown.
 *  3. However deep the answer is, the stack is not: and lines go no further to the right than
 * LEVELS_MAX levels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "tree.h"

#define NONE SIZE_MAX
#define ATTEMPTS_SHOWN 3
#define LINES_MAX 2000
#define LEVELS_MAX 64
#define GROUP_MIN 6 /* runs of one job below one node */
#define GROUP_SHOWN 3
#define WIDE_MIN 60 /* other things */
#define WIDE_SHOWN 50
#define JOBS_MAX 64 /* that are told apart below one node */

struct edge {
    const struct json_node *said; /* what the answer says of it */
    size_t child;
    size_t next; /* of the same parent, NONE: the last */
};

/* What stands below a node, or below a group. */
struct child {
    size_t node;
    const struct json_node *said;
};
struct item {
    enum { ITEM_NODE, ITEM_GROUP, ITEM_REST } kind;
    size_t first, count; /* in g->children */
};
struct frame {
    size_t at, end; /* in g->items */
    size_t prefix;
};

struct graph {
    const struct json_node **nodes; /* owned; by index, which is the node's id */
    size_t *first, *last;           /* owned; a node's edges */
    bool *is_shown;                 /* owned */
    struct edge *edges;             /* owned */
    size_t node_count, edge_count;
    struct pretty *pretty;
    struct ol__buf prefix; /* lines left of the node */
    struct child
        *children; /* owned; of all nodes that were opened: each edge once, and the roots */
    size_t child_count;
    struct item *items; /* owned */
    size_t item_count, item_cap;
    struct frame *frames; /* owned */
    size_t frame_count, frame_cap;
    size_t lines;
    bool wants_all, is_of_datasets;
};

/** A member that is the id of a node, or NONE. */
static size_t node_id(const struct graph *g, const struct json_node *item, const char *key)
{
    int64_t id = json_get_int(item, key, -1);
    return id >= 0 && (uint64_t)id < g->node_count ? (size_t)id : NONE;
}

static ol_status load(struct graph *g, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *nodes = json_get(root, "nodes"), *edges = json_get(root, "edges");
    const char *direction = json_get_text(root, "direction");
    if (nodes == NULL || edges == NULL || direction == NULL)
        return ol__error_set(err, OL_INVALID, "the answer has no nodes, edges or direction");
    bool is_upstream = strcmp(direction, "upstream") == 0;
    g->node_count = nodes->count;
    g->nodes = calloc(nodes->count + 1, sizeof(void *));
    g->first = calloc(nodes->count + 1, sizeof *g->first);
    g->last = calloc(nodes->count + 1, sizeof *g->last);
    g->is_shown = calloc(nodes->count + 1, sizeof *g->is_shown);
    g->edges = calloc(edges->count + 1, sizeof *g->edges);
    g->children = calloc(nodes->count + edges->count + 1, sizeof *g->children);
    if (g->children == NULL || g->nodes == NULL || g->first == NULL || g->last == NULL ||
        g->is_shown == NULL || g->edges == NULL)
        return ol__error_set(err, OL_NOMEM, "the answer: out of memory");
    for (size_t i = 0; i < nodes->count; i++)
        g->first[i] = g->last[i] = NONE;
    for (const struct json_node *n = nodes->first; n != NULL; n = n->next) {
        size_t id = node_id(g, n, "id");
        if (id == NONE || g->nodes[id] != NULL)
            return ol__error_set(err, OL_INVALID, "the answer has a node without an id of its own");
        g->nodes[id] = n;
    }
    for (const struct json_node *e = edges->first; e != NULL; e = e->next) {
        size_t parent = node_id(g, e, is_upstream ? "to" : "from");
        size_t child = node_id(g, e, is_upstream ? "from" : "to");
        if (parent == NONE || child == NONE)
            return ol__error_set(err, OL_INVALID,
                                 "the answer has an edge to a node it does not have");
        size_t at = g->edge_count++;
        g->edges[at] = (struct edge){.said = e, .child = child, .next = NONE};
        if (g->first[parent] == NONE)
            g->first[parent] = at;
        else
            g->edges[g->last[parent]].next = at;
        g->last[parent] = at;
    }
    return OL_OK;
}

/** "  attempt 2, others: 01a1fdfa-029e… FAIL, ..." */
static void write_attempts(struct pretty *p, const struct json_node *run)
{
    const char *own = json_get_text(run, "attempt");
    const struct json_node *others = json_get(run, "attempts");
    size_t shown = 0;
    if (own != NULL) {
        ol__buf_add_text(p->out, "  attempt ");
        pretty_text(p, PRETTY_PLAIN, own);
    }
    if (others == NULL)
        return;
    ol__buf_add_text(p->out, "  other attempts: ");
    for (const struct json_node *o = others->first; o != NULL; o = o->next, shown++) {
        const char *state = json_get_text(o, "state");
        if (shown == ATTEMPTS_SHOWN) {
            ol__buf_add_format(p->out, " and %" PRId64 " more",
                               (int64_t)(others->count - shown) +
                                   json_get_int(run, "attempts_more", 0));
            return;
        }
        ol__buf_add_text(p->out, shown > 0 ? ", " : "");
        rows_run_id(p, o);
        ol__buf_add_char(p->out, ' ');
        pretty_text(p, pretty_state_colour(state != NULL ? state : ""),
                    state != NULL ? state : "?");
    }
}

/** "  column c": of a dataset, or what a run made. */
static void write_column(struct pretty *p, const struct json_node *node)
{
    const char *column = json_get_text(node, "column"), *columns = json_get_text(node, "columns");
    if (column != NULL) {
        ol__buf_add_text(p->out, "  column ");
        pretty_text(p, PRETTY_BOLD, column);
    }
    if (columns != NULL && strcmp(columns, "all") == 0)
        ol__buf_add_text(p->out, "  all columns");
    else if (columns != NULL) {
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_BAD, "tells no lineage of columns");
    }
}

/** "  (DIRECT IDENTITY, masked)", "  (maybe: ...)", "  (read v7)" */
static void write_edge(struct pretty *p, const struct json_node *edge)
{
    const char *version = json_get_text(edge, "version");
    if (version != NULL) {
        bool is_hash = strncmp(version, "sha256:", 7) == 0 && strlen(version) > 15;
        char head[16];
        snprintf(head, sizeof head, "%.15s", version);
        ol__buf_add_text(p->out, "  (read ");
        pretty_text(p, PRETTY_DIM, is_hash ? head : version);
        ol__buf_add_text(p->out, is_hash ? (p->is_utf8 ? "\xe2\x80\xa6)" : "...)") : ")");
    }
    if (json_get_bool(edge, "maybe"))
        ol__buf_add_text(p->out, "  (maybe: it wrote there earlier)");
    for (const struct json_node *t = json_get_items(edge, "transformations"); t != NULL;
         t = t->next) {
        const char *type = json_get_text(t, "type"), *subtype = json_get_text(t, "subtype");
        ol__buf_add_text(p->out, "  (");
        pretty_text(p, PRETTY_PLAIN, type != NULL ? type : "");
        ol__buf_add_text(p->out, type != NULL && subtype != NULL ? " " : "");
        pretty_text(p, PRETTY_PLAIN, subtype != NULL ? subtype : "");
        ol__buf_add_text(p->out, json_get_bool(t, "masking") ? ", masked)" : ")");
    }
}

/** "member ./a.txt of sha256:12ab...", "3 members (./a.txt, ...) of ..." */
static void write_member(struct pretty *p, const struct json_node *node)
{
    const char *name = json_get_text(node, "name"), *artifact = json_get_text(node, "artifact");
    int64_t count = json_get_int(node, "count", 1);
    if (count > 1)
        ol__buf_add_format(p->out, "%" PRId64 " members (", count);
    else
        ol__buf_add_text(p->out, "member ");
    pretty_text(p, PRETTY_BOLD, name != NULL ? name : "?");
    ol__buf_add_text(p->out, count > 1 ? ", ...)" : "");
    if (artifact != NULL)
        ol__buf_add_format(p->out, " of %.15s", artifact);
}

static void write_answer(struct pretty *p, const struct json_node *node)
{
    const char *id = json_get_text(json_get(node, "answer"), "request_id");
    const char *at = json_get_text(node, "at");
    ol__buf_add_text(p->out, "answer ");
    pretty_text(p, PRETTY_BOLD, id != NULL ? id : "?");
    if (at != NULL)
        ol__buf_add_format(p->out, "  %.19sZ", at);
}

static void write_node(struct graph *g, size_t id)
{
    const struct json_node *node = g->nodes[id];
    const char *kind = json_get_text(node, "kind");
    if (kind != NULL && strcmp(kind, "dataset") == 0)
        rows_dataset(g->pretty, node, PRETTY_PLAIN);
    else if (kind != NULL && strcmp(kind, "member") == 0)
        write_member(g->pretty, node);
    else if (kind != NULL && strcmp(kind, "answer") == 0)
        write_answer(g->pretty, node);
    else
        rows_run(g->pretty, node);
    write_column(g->pretty, node);
    write_attempts(g->pretty, node);
}

/* ---- What is below a node ---- */

static ol_status add_item(struct graph *g, const struct item *item)
{
    if (g->item_count == g->item_cap) {
        size_t cap = g->item_cap == 0 ? 64 : g->item_cap * 2;
        struct item *items = realloc(g->items, cap * sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        g->items = items;
        g->item_cap = cap;
    }
    g->items[g->item_count++] = *item;
    return OL_OK;
}

/* A frame of the items from @p begin. */
static ol_status push(struct graph *g, size_t begin)
{
    if (g->frame_count == g->frame_cap) {
        size_t cap = g->frame_cap == 0 ? 64 : g->frame_cap * 2;
        struct frame *frames = realloc(g->frames, cap * sizeof *frames);
        if (frames == NULL)
            return OL_NOMEM;
        g->frames = frames;
        g->frame_cap = cap;
    }
    g->frames[g->frame_count++] = (struct frame){begin, g->item_count, g->prefix.size};
    return OL_OK;
}

static const char *text_of(const struct json_node *node, const char *key)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : "";
}

static const struct json_node *job_of(const struct graph *g, const struct child *child)
{
    return json_get(g->nodes[child->node], "job");
}

struct jobs {
    const struct json_node *jobs[JOBS_MAX];
    size_t counts[JOBS_MAX], count;
};

static size_t find_job(const struct jobs *jobs, const struct json_node *job)
{
    for (size_t i = 0; job != NULL && i < jobs->count; i++)
        if (strcmp(text_of(job, "name"), text_of(jobs->jobs[i], "name")) == 0 &&
            strcmp(text_of(job, "namespace"), text_of(jobs->jobs[i], "namespace")) == 0)
            return i;
    return NONE;
}

static void count_jobs(const struct graph *g, const struct child *children, size_t count,
                       struct jobs *jobs)
{
    jobs->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct json_node *job = job_of(g, &children[i]);
        size_t at = find_job(jobs, job);
        if (at == NONE && job != NULL && jobs->count < JOBS_MAX) {
            at = jobs->count++;
            jobs->jobs[at] = job;
            jobs->counts[at] = 0;
        }
        if (at != NONE)
            jobs->counts[at]++;
    }
}

struct dated {
    struct child child;
    const char *started;
    size_t job; /* NONE: in no group */
};

/* Those of no group first, as they stand; then job after job, the newest first. */
static int by_job(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;
    if (x->job != y->job)
        return x->job + 1 < y->job + 1 ? -1 : 1; /* NONE + 1 is 0 */
    int order = x->job != NONE ? -strcmp(x->started, y->started) : 0;
    return order != 0 ? order : (x->child.node > y->child.node) - (x->child.node < y->child.node);
}

/* Promise 2: sort the children, groups behind the others. */
static ol_status arrange(struct graph *g, size_t first, size_t count)
{
    struct child *children = &g->children[first];
    struct jobs jobs;
    ol_status st = OL_OK;
    struct dated *dated = calloc(count, sizeof *dated);
    if (dated == NULL)
        return OL_NOMEM;
    count_jobs(g, children, count, &jobs);
    for (size_t i = 0; i < count; i++) {
        size_t job = find_job(&jobs, job_of(g, &children[i]));
        dated[i] = (struct dated){.child = children[i],
                                  .started = text_of(g->nodes[children[i].node], "started"),
                                  .job = job != NONE && jobs.counts[job] >= GROUP_MIN ? job : NONE};
    }
    qsort(dated, count, sizeof *dated, by_job);
    size_t plain = 0;
    for (size_t i = 0; i < count; i++) {
        children[i] = dated[i].child;
        plain += dated[i].job == NONE;
    }
    size_t shown = plain > WIDE_MIN ? WIDE_SHOWN : plain;
    for (size_t i = 0; i < shown && st == OL_OK; i++)
        st = add_item(g, &(struct item){ITEM_NODE, first + i, 1});
    if (plain > shown && st == OL_OK)
        st = add_item(g, &(struct item){ITEM_REST, first + shown, plain - shown});
    for (size_t i = plain; i < count && st == OL_OK;) {
        size_t of_job = jobs.counts[dated[i].job];
        st = add_item(g, &(struct item){ITEM_GROUP, first + i, of_job});
        i += of_job;
    }
    free(dated);
    return st;
}

/* Children of node @p id (NONE: what was asked about) as a frame of items. */
static ol_status open_node(struct graph *g, size_t id)
{
    size_t first = g->child_count, begin = g->item_count;
    ol_status st = OL_OK;
    /* what a run or job that was asked about read or wrote stands below it */
    for (size_t i = 0; id == NONE && i < g->node_count; i++)
        if (json_get_int(g->nodes[i], "depth", -1) == 0 &&
            (g->is_of_datasets || strcmp(text_of(g->nodes[i], "kind"), "dataset") != 0))
            g->children[g->child_count++] = (struct child){.node = i};
    for (size_t at = id != NONE ? g->first[id] : NONE; at != NONE; at = g->edges[at].next)
        g->children[g->child_count++] = (struct child){g->edges[at].child, g->edges[at].said};
    size_t count = g->child_count - first;
    if (!g->wants_all && count >= GROUP_MIN)
        st = arrange(g, first, count);
    else
        for (size_t i = 0; i < count && st == OL_OK; i++)
            st = add_item(g, &(struct item){ITEM_NODE, first + i, 1});
    return st == OL_OK ? push(g, begin) : st;
}

/* The newest of a group, and the rest of it, as a frame. */
static ol_status open_group(struct graph *g, const struct item *group)
{
    size_t begin = g->item_count;
    ol_status st = OL_OK;
    struct item whole = *group;
    for (size_t i = 0; i < GROUP_SHOWN && st == OL_OK; i++)
        st = add_item(g, &(struct item){ITEM_NODE, whole.first + i, 1});
    if (st == OL_OK)
        st = add_item(
            g, &(struct item){ITEM_REST, whole.first + GROUP_SHOWN, whole.count - GROUP_SHOWN});
    return st == OL_OK ? push(g, begin) : st;
}

/** "train (shop): 365 runs, 2026-01-01 09:00:00Z to 2026-12-31 09:00:00Z, 3 not complete" */
static void write_group(struct graph *g, const struct item *group)
{
    struct pretty *p = g->pretty;
    char oldest[ROWS_TEXT], newest[ROWS_TEXT];
    const struct child *children = &g->children[group->first];
    const struct json_node *job = job_of(g, children);
    size_t open = 0;
    for (size_t i = 0; i < group->count; i++)
        open += strcmp(text_of(g->nodes[children[i].node], "state"), "COMPLETE") != 0;
    rows_time(json_get_text(g->nodes[children[0].node], "started"), newest);
    rows_time(json_get_text(g->nodes[children[group->count - 1].node], "started"), oldest);
    rows_run(p, job);
    ol__buf_add_format(p->out, ": %zu runs", group->count);
    if (oldest[0] != '\0')
        ol__buf_add_format(p->out, ", %s to %s", oldest, newest);
    if (open > 0)
        ol__buf_add_format(p->out, ", %zu did not complete", open);
}

/** "and 362 more: file /d/total (362)" : what is below those that are not shown. */
static void write_rest(struct graph *g, const struct item *rest)
{
    struct pretty *p = g->pretty;
    const char *last = NULL;
    size_t shown = 0;
    ol__buf_add_format(p->out, "and %zu more", rest->count);
    for (size_t i = rest->first; i < rest->first + rest->count && shown < GROUP_SHOWN; i++) {
        size_t below = g->first[g->children[i].node];
        const char *name =
            below != NONE ? json_get_text(g->nodes[g->edges[below].child], "name") : NULL;
        if (name == NULL || (last != NULL && strcmp(name, last) == 0))
            continue;
        ol__buf_add_text(p->out, shown++ > 0 ? ", " : ", on to ");
        pretty_text(p, PRETTY_PLAIN, name);
        last = name;
    }
    if (shown == GROUP_SHOWN)
        ol__buf_add_text(p->out, ", ...");
}

/* ---- The tree ---- */

static void write_lines(struct graph *g, bool is_last, bool is_below)
{
    static const char *const utf8[] = {"\xe2\x94\x9c\xe2\x94\x80 ", "\xe2\x94\x94\xe2\x94\x80 ",
                                       "\xe2\x94\x82  "};
    static const char *const ascii[] = {"|- ", "`- ", "|  "};
    const char *const *lines = g->pretty->is_utf8 ? utf8 : ascii;
    if (!is_below)
        return;
    ol__buf_add(g->pretty->out, g->prefix.data, g->prefix.size);
    ol__buf_add_text(g->pretty->out, lines[is_last ? 1 : 0]);
    if (g->frame_count <= LEVELS_MAX) /* promise 3 */
        ol__buf_add_text(&g->prefix, is_last ? "   " : lines[2]);
    else
        ol__buf_add_format(g->pretty->out, "[%zu] ", g->frame_count - 1);
}

/* One line, and a frame of what is below it. */
static ol_status write_item(struct graph *g, const struct item *at)
{
    const struct item item = *at; /* the items may move */
    ol_status st = OL_OK;
    if (item.kind == ITEM_REST)
        write_rest(g, &item);
    if (item.kind == ITEM_GROUP) {
        write_group(g, &item);
        st = open_group(g, &item);
    }
    if (item.kind == ITEM_NODE) {
        size_t id = g->children[item.first].node;
        bool is_open = !g->is_shown[id];
        write_node(g, id);
        write_edge(g->pretty, g->children[item.first].said);
        if (!is_open && g->first[id] != NONE)
            ol__buf_add_text(g->pretty->out, "  (above)");
        g->is_shown[id] = true;
        if (is_open)
            st = open_node(g, id);
    }
    ol__buf_add_char(g->pretty->out, '\n');
    g->lines++;
    return st;
}

static ol_status write_tree(struct graph *g)
{
    ol_status st = open_node(g, NONE);
    while (st == OL_OK && g->frame_count > 0 && g->pretty->out->status == OL_OK &&
           (g->wants_all || g->lines < LINES_MAX)) {
        struct frame *f = &g->frames[g->frame_count - 1];
        ol__buf_truncate(&g->prefix, f->prefix);
        if (f->at == f->end) {
            g->frame_count--;
            continue;
        }
        size_t at = f->at++;
        write_lines(g, f->at == f->end, g->frame_count > 1);
        st = write_item(g, &g->items[at]);
    }
    return st;
}

static void write_hidden(struct graph *g)
{
    size_t hidden = 0;
    for (size_t i = 0; i < g->node_count; i++)
        hidden += !g->is_shown[i];
    if (hidden > 0)
        ol__buf_add_format(g->pretty->out, "(%zu of %zu are not shown: --all shows them)\n", hidden,
                           g->node_count);
}

static void write_notes(struct pretty *p, const struct json_node *root)
{
    const struct json_node *subject = json_get(root, "subject");
    const char *by = json_get_text(subject, "by");
    const char *note = json_get_text(subject, "note");
    const char *also = json_get_text(subject, "also");
    if (also != NULL) {
        ol__buf_add_text(p->out, "(there is a ");
        pretty_text(p, PRETTY_PLAIN, also);
        ol__buf_add_text(p->out, " of this name, too: --kind ");
        pretty_text(p, PRETTY_PLAIN, also);
        ol__buf_add_text(p->out, ")\n");
    }
    if (by != NULL && strcmp(by, "content") == 0)
        ol__buf_add_text(p->out, "(unknown by this name; found by its content)\n");
    if (note != NULL) {
        ol__buf_add_char(p->out, '(');
        pretty_text(p, PRETTY_PLAIN, note);
        ol__buf_add_text(p->out, ")\n");
    }
    int64_t missing = json_get_int(subject, "lists_not_here", 0);
    if (missing > 0)
        ol__buf_add_format(p->out,
                           "(of %" PRId64 " artifact%s with members the list is not here: what %s "
                           "hold%s is not known)\n",
                           missing, missing == 1 ? "" : "s", missing == 1 ? "it" : "they",
                           missing == 1 ? "s" : "");
}

/** " of 1 service (2 of them do not tell what they used)" */
static void write_services(struct pretty *p, const struct json_node *affected, int64_t answers)
{
    int64_t services = json_get_int(affected, "services", 0);
    int64_t not_told = json_get_int(affected, "answers_not_told", 0);
    ol__buf_add_format(p->out, " of %" PRId64 " %s", services,
                       services == 1 ? "service" : "services");
    if (not_told > 0 && not_told == answers)
        ol__buf_add_format(p->out, " (%s not tell what %s used)",
                           answers == 1 ? "it does" : "they do", answers == 1 ? "it" : "they");
    else if (not_told > 0)
        ol__buf_add_format(p->out, " (%" PRId64 " of them %s not tell what %s used)", not_told,
                           not_told == 1 ? "does" : "do", not_told == 1 ? "it" : "they");
}

/** "2 models, 3 answers of 1 service, 14 datasets and 5 jobs are affected." */
static void write_affected(struct pretty *p, const struct json_node *root)
{
    static const struct {
        const char *key, *one, *many;
    } kinds[] = {{"models", "model", "models"},
                 {"answers", "answer", "answers"},
                 {"datasets", "dataset", "datasets"},
                 {"jobs", "job", "jobs"}};
    const struct json_node *affected = json_get(root, "affected");
    size_t left = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        left += json_get_int(affected, kinds[i].key, 0) > 0;
    if (left > 0 && json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "At least ");
    for (size_t i = 0; i < OL_COUNT(kinds); i++) {
        int64_t count = json_get_int(affected, kinds[i].key, 0);
        if (count <= 0)
            continue;
        sum += count;
        ol__buf_add_format(p->out, "%" PRId64 " %s", count,
                           count == 1 ? kinds[i].one : kinds[i].many);
        if (strcmp(kinds[i].key, "answers") == 0)
            write_services(p, affected, count);
        left--;
        ol__buf_add_text(p->out, left > 1 ? ", " : left == 1 ? " and " : "");
    }
    if (sum > 0)
        ol__buf_add_text(p->out, sum == 1 ? " is affected.\n" : " are affected.\n");
}

static void write_caveats(struct pretty *p, const struct json_node *root)
{
    const char *before = "";
    for (const struct json_node *c = json_get_items(root, "caveats"); c != NULL; c = c->next) {
        const char *text = json_get_text(c, "text");
        if (text == NULL || strcmp(text, before) == 0)
            continue; /* the same of another node, whose line has it */
        before = text;
        ol__buf_add_char(p->out, '(');
        pretty_text(p, PRETTY_PLAIN, text);
        ol__buf_add_text(p->out, ")\n");
    }
}

static void write_cut(struct pretty *p, const struct json_node *root)
{
    const char *by = json_get_text(root, "cut_by");
    int64_t beyond = json_get_int(root, "beyond", 0);
    if (!json_get_bool(root, "truncated"))
        return;
    ol__buf_add_text(p->out, "(there is more");
    if (beyond > 0)
        ol__buf_add_format(p->out, ", %" PRId64 " %s on from here", beyond,
                           beyond == 1 ? "way leads" : "ways lead");
    if (by != NULL && (strcmp(by, "members") == 0 || strcmp(by, "runs") == 0))
        ol__buf_add_format(p->out, ": not all %s were looked at)\n", by);
    else
        ol__buf_add_format(p->out, ": --%s N)\n",
                           by != NULL && strcmp(by, "depth") == 0 ? "depth" : "limit");
}

static ol_status tree(struct pretty *p, const struct json_node *root, bool wants_all,
                      struct ol_error *err)
{
    struct graph g = {.pretty = p, .wants_all = wants_all};
    ol__buf_init(&g.prefix, (size_t)1 << 20);
    ol_status st = load(&g, root, err);
    if (st == OL_OK) {
        const char *kind = json_get_text(json_get(root, "subject"), "kind");
        g.is_of_datasets = kind == NULL || strcmp(kind, "dataset") == 0;
        write_notes(p, root);
        st = write_tree(&g);
        write_hidden(&g);
        write_cut(p, root);
        write_caveats(p, root);
        write_affected(p, root);
        if (st == OL_OK)
            st = p->out->status;
        if (st != OL_OK)
            st = ol__error_set(err, st, "the answer: %s", ol__status_name(st));
    }
    ol__buf_release(&g.prefix);
    free(g.nodes);
    free(g.first);
    free(g.last);
    free(g.is_shown);
    free(g.edges);
    free(g.children);
    free(g.items);
    free(g.frames);
    return st;
}

ol_status tree_graph(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    return tree(p, root, false, err);
}

ol_status tree_graph_all(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    return tree(p, root, true, err);
}
