/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ASK_H
#define STORE_ASK_H
/** @file
 * What the questions share: ask_subject.c finds the subject, ask.c reads and writes jobs, runs and
 * datasets as JSON; ask_edges.c finds writers and readers of a dataset; ask_graph.c walks;
 * ask_rows.c lists and shows. Whatever the asking uid may not see is not there.
 */
#include "db.h"
#include "json_doc.h"
#include "json_write.h"

/* Stands where an answer must have a text that the store lost; `damaged` names it. */
#define ASK_DAMAGED "(damaged)"
#define ASK_MATCHES 16 /* of one name */
#define ASK_SET 1000   /* that have one tag, or one code */
enum ask_kind { ASK_NONE, ASK_DATASET, ASK_JOB, ASK_RUN, ASK_ANSWER, ASK_MEMBER };

/* A walk comes back to the same runs and texts: what was read in this question's transaction stays
 * true. */
#define ASK_CACHED 1024 /* slots for runs, and for writers; more for an answer of more nodes */
#define ASK_TEXTS_CACHED 64
struct ask_cached_run {
    struct run_row row; /* id 0: empty */
    char run_id[40];
};
struct ask_cached_text {
    int64_t id;
    size_t size;
    char text[240];
};

/* An edge between a dataset and a run, or with run 0 a job's static one. */
struct ask_edge {
    int64_t job, run, version, at, status;
    bool has_more; /* the job has other rows of that dataset */
};
/* The only run that wrote a version: a dataset is read many times in a graph, its writer is found
 * once. */
struct ask_cached_writer {
    int64_t dataset; /* 0: empty */
    struct ask_edge edge;
};

#define ASK_CANDIDATES 16
/* What the subject may be short for, where that is more than one. */
struct ask_candidates {
    const char *kind; /* "run id", "content", "commit" */
    char texts[ASK_CANDIDATES][100];
    int count;
    bool is_cut;
};

struct ask {
    struct store *store;
    const struct store_question *question;
    struct ol_error *err;
    struct ol__json_writer json;
    struct state state;          /* scratch */
    struct state told;           /* scratch of what asks when an edge was told */
    int64_t at;                  /* what came later is as if it were not there; INT64_MAX: now */
    struct ask_cached_run *runs; /* owned; by id; NULL: none could be had, and all works without */
    struct ask_cached_writer *writers; /* owned; by version; NULL as well */
    size_t slots;                      /* of both; a power of two */
    size_t begun;                      /* size of the buffer before this document */
    size_t edge_rows; /* that the last ask_edges() came by; the others of a job are passed over */
    int64_t plain_from, plain_until; /* twice the dataset, and the side: from the one to before the
                                        other no edge is without a version */
    struct ask_cached_text texts[ASK_TEXTS_CACHED];
    int64_t name_space_id, type_id; /* texts of the job or dataset that was written last */
    /* the subject */
    struct ol__span name_space, name, raw; /* as asked */
    enum ask_kind kind;
    const char *by;                          /* "name", "id", "content", "tag", "code", "request" */
    const char *note;                        /* NULL: nothing to say */
    int64_t ids[ASK_SET], versions[ASK_SET]; /* version 0: none is meant */
    int count;
    bool is_cut; /* there are more matches than are shown */
    struct ask_candidates candidates;
    const char *also;   /* another kind of thing that has this very name; NULL */
    bool wants_members; /* a member of an artifact may be the subject */
    bool wants_answers; /* an answer may be the subject; else its run is */
};

/** A run as questions need it; `state` goes to ask->state when asked for. */
struct ask_run {
    struct run_row row;
    char run_id[256]; /* cut, if longer */
};

/** Begin a read transaction, so that a document is of one moment. The answer has about @p nodes
 *  nodes at most: it decides how many runs are remembered.
 *  @return OL_OK: end it with ask_end(); OL_INVALID: question->at is no time; or a failure. */
OL_NODISCARD ol_status ask_begin(struct ask *ask, struct store *store,
                                 const struct store_question *question, int64_t nodes,
                                 struct ol__buf *out, struct ol_error *err);
/** @p status, or what befell the document's buffer. */
ol_status ask_end(struct ask *ask, ol_status status);
OL_NODISCARD ol_status ask_resolve(struct ask *ask);
/** One more match of the subject, if it may be seen, is not there yet, and fewer than @p max are.
 */
OL_NODISCARD ol_status ask_add_match(struct ask *ask, enum ask_kind kind, int64_t id,
                                     int64_t version, int max);
/** All that have the tag VALUE or KEY=VALUE, or the code of that version (ask_tags.c). */
OL_NODISCARD ol_status ask_find_tagged(struct ask *ask, struct ol__span text);
/** The one commit or content hash that begins so (ask_short.c); else ask->candidates. */
OL_NODISCARD ol_status ask_find_short(struct ask *ask, struct ol__span text);
/** @return false: there is no room for it. */
bool ask_add_candidate(struct ask *ask, const char *kind, struct ol__span text);
/** Members candidate_kind and candidates of the open object, where there are any. */
OL_NODISCARD ol_status ask_write_candidates(struct ask *ask);
/** Whether the subject may be a thing of that kind (question->kind). */
bool ask_wants(const struct ask *ask, const char *kind);
/** OL_NOT_FOUND, and in the error what was asked for. */
ol_status ask_not_found(const struct ask *ask);
/** Member "subject"; with all that was tried if nothing was found. */
OL_NODISCARD ol_status ask_write_subject(struct ask *ask);

/** Read a state column of row @p id of @p table; one that is damaged is empty, and noted. */
OL_NODISCARD ol_status ask_read_state(struct ask *ask, struct state *ret, struct ol__span column,
                                      const char *table, int64_t id);
bool ask_may_see(const struct ask *ask, int64_t uid);
/** @return OL_OK, OL_NOT_FOUND (or not to be seen), or a failure. */
OL_NODISCARD ol_status ask_run(struct ask *ask, int64_t id, bool want_state, struct ask_run *ret);
/** The latest run of a job that may be seen, complete ones first; 0: none. Not one that others only
 * named. */
OL_NODISCARD ol_status ask_latest_run(struct ask *ask, int64_t job, int64_t *ret);
/** State of a job's or dataset's static events into ask->state, empty if there is none to see. */
OL_NODISCARD ol_status ask_static(struct ask *ask, enum ask_kind kind, int64_t id);
/** Members of an open object: namespace, name, type. @return as ask_run(). */
OL_NODISCARD ol_status ask_write_name(struct ask *ask, enum ask_kind kind, int64_t id);
/** Of a dataset, with its "version"; nothing for 0. */
OL_NODISCARD ol_status ask_write_dataset(struct ask *ask, int64_t id, int64_t version);
/** Member "version"; nothing for 0. */
OL_NODISCARD ol_status ask_write_version(struct ask *ask, int64_t version);
/** The same under another key. */
OL_NODISCARD ol_status ask_write_version_as(struct ask *ask, const char *key, int64_t version);
/** Text of a version, added to @p out; nothing for 0. */
OL_NODISCARD ol_status ask_version_text(struct ask *ask, int64_t version, struct ol__buf *out);
/** Member @p key: the id of a run that is known to be visible; nothing for 0. */
OL_NODISCARD ol_status ask_write_run_id(struct ask *ask, const char *key, int64_t id);
/** Members of an open object. */
OL_NODISCARD ol_status ask_write_run(struct ask *ask, const struct ask_run *run);
/** Member @p key: a text of the dictionary; nothing for 0. */
OL_NODISCARD ol_status ask_write_text(struct ask *ask, const char *key, int64_t text);
/** The number of a text; 0: nobody ever said it. */
OL_NODISCARD ol_status ask_text_id(struct ask *ask, struct ol__span text, int64_t *ret);
/** A text, cut to what fits; "" for none. */
OL_NODISCARD ol_status ask_text(struct ask *ask, int64_t text, char *out, size_t size);
/** A facet's JSON, added to @p out. @return OL_OK, OL_NOT_FOUND, or a failure. */
OL_NODISCARD ol_status ask_facet(struct ask *ask, int64_t facet, struct ol__buf *out);
/** The same as a document. @return OL_OK: json_doc_release(); OL_NOT_FOUND, or a failure. */
OL_NODISCARD ol_status ask_facet_doc(struct ask *ask, int64_t facet, struct json_doc *ret);
/** A whole object; nothing where the run may not be seen. */
OL_NODISCARD ol_status ask_write_run_object(struct ask *ask, int64_t id);
/** Member @p key: RFC 3339; nothing for 0. */
void ask_write_time(struct ask *ask, const char *key, int64_t ms);
/** Ids of jobs by name or NAMESPACE/NAME, those to be seen. */
OL_NODISCARD ol_status ask_find_jobs(struct ask *ask, struct ol__span text);

/** The same of datasets. */
OL_NODISCARD ol_status ask_find_datasets(struct ask *ask, struct ol__span text);
/** Whether the asker may see a dataset or job: a run of theirs touched it, or they told of it. */
OL_NODISCARD ol_status ask_is_visible(struct ask *ask, enum ask_kind kind, int64_t id, bool *ret);
/** Runs by id, or at least 8 of its first digits, those to be seen. */
OL_NODISCARD ol_status ask_find_runs(struct ask *ask, struct ol__span text);

/* ---- Edges (ask_edges.c) ---- */
#define ASK_ANY_VERSION ((int64_t)-1)
#define ASK_JOB_ROWS 64       /* of one job no more are looked at, from the newest */
#define ASK_HIDDEN_ROWS 20000 /* nor of others' runs, which do not count */
struct ask_window {
    int64_t dataset, side; /* side 1: writers */
    int64_t version;       /* or 0: without one; or ASK_ANY_VERSION */
    int64_t since, until;  /* event times, both included */
    int64_t except_run;
};
/** Of each job the edge that counts: the latest of a complete run, else the latest. Calls @p each.
 *  @return OL_OK or a failure, also that of @p each. */
typedef ol_status ask_edge_handler(void *arg, const struct ask_edge *edge);
OL_NODISCARD ol_status ask_edges(struct ask *ask, const struct ask_window *window,
                                 ask_edge_handler *each, void *arg);
/** Rows gathered, owned. */
struct ask_edge_list {
    struct ask_edge *items;
    size_t count, cap;
    bool is_cut; /* there are more than were wanted */
};
/** All runs of @p job in the window, each once a window, the newest first, added to @p list as long
 * as that has fewer than @p max; free() its items. */
OL_NODISCARD ol_status ask_all_runs(struct ask *ask, const struct ask_window *window, int64_t job,
                                    size_t max, struct ask_edge_list *list);
/** Whether @p dataset has any edge of that side and version. */
OL_NODISCARD ol_status ask_has_edges(struct ask *ask, int64_t dataset, int64_t side,
                                     int64_t version, bool *ret);
/** The run that made @p version of @p dataset (0: the latest) as a reader at @p as_of found it. run
 * and job 0: none is known. */
OL_NODISCARD ol_status ask_writer(struct ask *ask, int64_t dataset, int64_t version, int64_t as_of,
                                  int64_t except_run, struct ask_edge *ret);
/** When @p dataset was next written after @p at; INT64_MAX: not yet. */
OL_NODISCARD ol_status ask_next_write(struct ask *ask, int64_t dataset, int64_t at, int64_t *ret);
#endif
