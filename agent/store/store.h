/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H
/** @file
 * The embedded graph in SQLite: jobs, runs, datasets, their versions, who read and wrote what,
 * facets kept once by content. Schema: SCHEMA.md. A store object belongs to one thread; the agent
 * opens one to write and one to answer; `lineage` opens one read-only when no agent runs.
 */
#include "event_read.h"
#include "ids.h"

#define STORE_SCHEMA_VERSION 4

struct store; /* opaque */
enum store_mode { STORE_WRITE, STORE_READ };

/** @return OL_OK; OL_NOT_FOUND (READ: no file); OL_VERSION_NEWER: err says which version wrote it;
 * OL_CORRUPT; OL_DENIED; OL_FULL; OL_IO; OL_NOMEM; OL_BUSY: another process writes it (WRITE), or
 * puts another in its place: try again. WRITE makes the file (0600) and migrates older schemas. */
OL_NODISCARD ol_status store_open(const char *path, enum store_mode mode, struct store **ret,
                                  struct ol_error *err);
/** The same for a caller that has the store's lock itself (store_lock.h) for as long. */
OL_NODISCARD ol_status store_open_held(const char *path, enum store_mode mode, struct store **ret,
                                       struct ol_error *err);
void store_close(struct store *store);

/** The cursor: the last sequence of spool @p uuid that is in the store; 0 for a foreign or new one.
 */
OL_NODISCARD ol_status store_cursor(struct store *store, const struct ol__uuid *uuid,
                                    uint64_t *ret_seq, struct ol_error *err);

/** Begin, add events, commit with the cursor in the same transaction. */
OL_NODISCARD ol_status store_begin(struct store *store, struct ol_error *err);
struct store_event {
    uint64_t seq;
    int64_t taken_ms;
    uint32_t uid; /**< SPOOL_UID_UNKNOWN: not known */
    bool is_inferred;
    struct ol__span data;
};
/** @return OL_OK; OL_INVALID: the event cannot be read: count it and go on; OL_FULL, OL_IO,
 * OL_NOMEM: roll back. */
OL_NODISCARD ol_status store_add(struct store *store, const struct store_event *event,
                                 bool keep_raw, struct ol_error *err);
OL_NODISCARD ol_status store_commit(struct store *store, const struct ol__uuid *uuid, uint64_t seq,
                                    struct ol_error *err);
void store_rollback(struct store *store);
/** Inside a transaction: put on record that sequences @p first to @p last of spool @p uuid never
 * came (OL_GAP). */
OL_NODISCARD ol_status store_gap(struct store *store, const struct ol__uuid *uuid, uint64_t first,
                                 uint64_t last, struct ol_error *err);
/* ---- Members of artifacts: the lists of spec/RECEIPT.md, R10 ---- */
#define STORE_MEMBERS_MAX 4000000 /**< of one list */
struct store_members;             /* opaque: one list on its way in */
/** Begin to put in the list whose text has the hash @p sha256, that user @p uid has. Between the
 * calls no transaction is open, so that events may be added.
 * @return OL_OK: *ret is owned; OL_END: it is there already, and now @p uid has it, too; OL_IO,
 * OL_FULL, OL_BUSY, OL_NOMEM. */
OL_NODISCARD ol_status store_members_begin(struct store *store, const uint8_t sha256[32],
                                           int64_t uid, int64_t seen_ms, struct store_members **ret,
                                           struct ol_error *err);
/** Some more of the text, cut anywhere. Blocks for one transaction at most each 65,536 members.
 * @return OL_OK; OL_INVALID, OL_TOO_LARGE: this is no such list, err says where; as
 * store_members_begin(). After a failure it can only be closed. */
OL_NODISCARD ol_status store_members_add(struct store_members *members, struct ol__span text,
                                         struct ol_error *err);
/** The text is over. @return OL_OK: it is in; OL_INVALID: its hash is another; as above. */
OL_NODISCARD ol_status store_members_end(struct store_members *members, struct ol_error *err);
void store_members_close(struct store_members *members);
/** All of that in one call. @return OL_OK, OL_END, or as the three above. */
OL_NODISCARD ol_status store_members_put(struct store *store, const uint8_t sha256[32], int64_t uid,
                                         int64_t seen_ms, struct ol__span text,
                                         struct ol_error *err);
/** Whether every list in the store still has the hash it is known by. @return OL_OK; OL_CORRUPT:
 * err names the first that has not; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status store_members_check(struct store *store, int64_t *ret_lists,
                                           struct ol_error *err);

/* ---- Questions: each writes one JSON document (SCHEMA.md "Answers") ---- */
#define STORE_ANY_UID ((int64_t)-1)
#define STORE_DEPTH_MAX 10000
#define STORE_LIMIT_MAX 1000000
struct store_question {
    const char *subject;  /**< dataset name, NAMESPACE + name as URI, file path, job, run id */
    const char *content;  /**< version of the subject: "sha256:<hex>" of a local file, or what its
                             name says ("v7"); NULL: not known */
    bool is_all;          /**< serving: what served before, too */
    bool is_since_deploy; /**< diff: the subject is where something was deployed, or what was */
    bool is_request;      /**< the subject is the id of a request, nothing else */
    int64_t depth;        /**< 0: 20 */
    int64_t limit;        /**< rows or nodes; 0: 10,000 nodes, 50 runs */
    int64_t uid;          /**< only runs of this uid; STORE_ANY_UID: all */
    const char *job, *state;   /**< runs: filters */
    const char *group;         /**< runs: "KEY=VALUE", a tag of theirs */
    const char *parent;        /**< runs: id of a run that they are below */
    bool is_failed;            /**< runs: only FAIL and ABORT */
    bool by_root;              /**< runs: only those that are below none, with what is below them */
    int64_t since, until;      /**< runs: started then, in ms; 0: at any time */
    int64_t older_than;        /**< stale: ms; 0: only what was written anew */
    int64_t tolerance;         /**< check: ms that clocks may differ by; 0: 5 minutes */
    int64_t open_for;          /**< check: ms that a run may be silent; 0: a day */
    int64_t from;              /**< check, stale: `next` of the answer before */
    bool has_steps;            /**< check: list attempts at steps */
    const char *other;         /**< diff: the second subject */
    const char *other_content; /**< and its content, as above */
    const char *at; /**< as it stood then: RFC 3339, or a date, which is the end of that day; NULL:
                       now */
    const char *kind;   /**< the subject is one: dataset, job, run, content, member, tag, code;
                           NULL: the first of these that it is */
    const char *column; /**< why, impact: this column of the dataset; NULL: all of it */
    const char *after;  /**< export: where the last page said that the next one begins */
};
/** Set the parameter @p key (question.c has the table) to @p value, which is borrowed. @return
 * OL_OK; OL_NOT_FOUND: no question has such a parameter; OL_INVALID: err says what was expected. */
OL_NODISCARD ol_status store_question_set(struct store_question *question, const char *key,
                                          const char *value, struct ol_error *err);
/** The parameters one after the other; NULL: no more. */
const char *store_question_key(size_t index);

typedef ol_status store_function(struct store *store, const struct store_question *question,
                                 struct ol__buf *out, struct ol_error *err);
struct store_verb {
    const char *name; /**< "why": /v1/why at the agent's socket */
    store_function *ask;
    const char *type; /**< media type of the answer */
    bool needs_subject;
};
/** What the last question left out of its answer, or marked: the store is damaged. For people;
 *  false: nothing. */
bool store_damage(const struct store *store, char *out, size_t size);
/** The question of that name (verbs.c has the table); NULL: there is none. */
const struct store_verb *store_verb(const char *name);
/** The questions one after the other; NULL: no more. */
const struct store_verb *store_verb_at(size_t index);

/** @return OL_OK; OL_NOT_FOUND: nothing by that name or content (the document says what was tried);
 *  OL_INVALID; OL_IO; OL_NOMEM. */
OL_NODISCARD ol_status store_why(struct store *store, const struct store_question *question,
                                 struct ol__buf *out, struct ol_error *err);
OL_NODISCARD ol_status store_impact(struct store *store, const struct store_question *question,
                                    struct ol__buf *out, struct ol_error *err);
OL_NODISCARD ol_status store_runs(struct store *store, const struct store_question *question,
                                  struct ol__buf *out, struct ol_error *err);
OL_NODISCARD ol_status store_show(struct store *store, const struct store_question *question,
                                  struct ol__buf *out, struct ol_error *err);
/** What is different between two runs, or between those that made two datasets. */
OL_NODISCARD ol_status store_diff(struct store *store, const struct store_question *question,
                                  struct ol__buf *out, struct ol_error *err);
/** Who approved the subject. */
OL_NODISCARD ol_status store_approvals(struct store *store, const struct store_question *question,
                                       struct ol__buf *out, struct ol_error *err);
/** All evidence about the subject. */
OL_NODISCARD ol_status store_audit(struct store *store, const struct store_question *question,
                                   struct ol__buf *out, struct ol_error *err);
/** What serves, since when, who approved it; and what answers though nobody deployed it. */
OL_NODISCARD ol_status store_serving(struct store *store, const struct store_question *question,
                                     struct ol__buf *out, struct ol_error *err);
/** Models and datasets in use of which nobody knows where they come from. */
OL_NODISCARD ol_status store_untracked(struct store *store, const struct store_question *question,
                                       struct ol__buf *out, struct ol_error *err);
/** What was told of the runs that made X, and upstream of them, for who would do it all again. */
OL_NODISCARD ol_status store_reproducible(struct store *store,
                                          const struct store_question *question,
                                          struct ol__buf *out, struct ol_error *err);
/** Whatever has this text as its id, version or name, or in its name. */
OL_NODISCARD ol_status store_search(struct store *store, const struct store_question *question,
                                    struct ol__buf *out, struct ol_error *err);
/** Whether `other` is upstream of the subject: yes, no, or not known. */
OL_NODISCARD ol_status store_depends(struct store *store, const struct store_question *question,
                                     struct ol__buf *out, struct ol_error *err);
/** What was made from old data, or from data that was written anew since. */
OL_NODISCARD ol_status store_stale(struct store *store, const struct store_question *question,
                                   struct ol__buf *out, struct ol_error *err);
/** What contradicts itself, or should not be. */
OL_NODISCARD ol_status store_findings(struct store *store, const struct store_question *question,
                                      struct ol__buf *out, struct ol_error *err);
/** Counts, sizes, growth; jobs with what became of their runs. */
OL_NODISCARD ol_status store_stats(struct store *store, const struct store_question *question,
                                   struct ol__buf *out, struct ol_error *err);
/** Raw events of a run, one JSON line each, as they came (only where they were kept). */
OL_NODISCARD ol_status store_events(struct store *store, const struct store_question *question,
                                    struct ol__buf *out, struct ol_error *err);
/** A page of the store as OpenLineage events, one JSON line each; the last line is
 * {"export":{...}}, with "next", what to give as `after` for the next page, or "done". The subject
 * is none (the whole store), "run" U+001F ID, or "job" or "dataset" U+001F NAMESPACE U+001F NAME:
 * what static events said of it. */
OL_NODISCARD ol_status store_export(struct store *store, const struct store_question *question,
                                    struct ol__buf *out, struct ol_error *err);
#endif
