/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_H
#define CLI_H
/** @file What the verbs share: exit status, messages, and asking the agent. Threads: main only. */
#include "buf.h"

/** Exit status of every verb but `run`, which exits as its command does. */
enum cli_exit {
    CLI_YES = 0,
    CLI_NO = 1,       /**< it failed, or the answer is no */
    CLI_USAGE = 2,    /**< the command line or the configuration is wrong */
    CLI_NOT_KNOWN = 3 /**< nothing by that name, or the one who knows is not there */
};

/** "lineage: ..." on standard error. */
void cli_say(const char *format, ...) OL_PRINTF(1, 2);
/** "lineage VERB: ..." and where help is; returns CLI_USAGE. */
int cli_usage(const char *verb, const char *format, ...) OL_PRINTF(2, 3);
/** Write @p text, after what standard output holds already, to where that goes. @return OL_OK,
 * OL_FULL, OL_IO. */
OL_NODISCARD ol_status cli_write(struct ol__span text, struct ol_error *err);
/** The same, saying what went wrong. */
OL_NODISCARD bool cli_print(struct ol__span text);
/** cli_print() of all that was put into @p out; a buffer that has failed is said, too. */
OL_NODISCARD bool cli_print_buf(const struct ol__buf *out);

/* ---- Verbs: argv[0] is the verb ---- */
int verb_run(int argc, char **argv);
int verb_call(int argc, char **argv); /**< becomes another program */
int verb_begin(int argc, char **argv);
int verb_end(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_start(int argc, char **argv);
int verb_finish(int argc, char **argv);
int verb_record(int argc, char **argv);
int verb_log(int argc, char **argv);
int verb_context(int argc, char **argv);
int verb_artifact(int argc, char **argv);
int verb_convert(int argc, char **argv);
int verb_ask(int argc, char **argv); /**< why, impact, diff, runs, show, events */
int verb_replay(int argc, char **argv);
int verb_bundle(int argc, char **argv);
int verb_reproducible(int argc, char **argv);
int verb_approve(int argc, char **argv);
int verb_approvals(int argc, char **argv);
int verb_deploy(int argc, char **argv);
int verb_audit(int argc, char **argv);
int verb_serving(int argc, char **argv);
int verb_untracked(int argc, char **argv);
int verb_deadletter(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_gc(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_spool(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_key(int argc, char **argv);
int verb_runs(int argc, char **argv);
int verb_search(int argc, char **argv);
int verb_stats(int argc, char **argv);
int verb_export(int argc, char **argv);
int verb_import(int argc, char **argv);
int verb_depends(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_stale(int argc, char **argv);

/* ---- begin.c: environment ---- */
/** `export NAME='VALUE'` for a POSIX shell. */
void cli_print_variable(const char *name, const char *value);
struct ol_run;
/** The commands that make @p run the parent of what the shell starts. */
void cli_print_parent(const struct ol_run *run);

/* ---- client.c: the agent's admin socket ---- */
#define CLIENT_ANSWER_MAX ((size_t)64 << 20)
/** Where the agent of this user's place listens for questions: LINEAGED_SOCKET's neighbour, else
 * the system agent's where the system journal is, else the user's own. @return OL_OK, OL_TOO_LARGE.
 */
OL_NODISCARD ol_status client_socket_path(char *out, size_t size, bool *ret_is_system,
                                          struct ol_error *err);
/** What is sent with a request; all NULL: nothing. */
struct client_content {
    const char *type; /**< NULL: no content */
    struct ol__span data;
};
/** @p method @p target ("/v1/why?subject=...") at the socket @p path. @return OL_OK with any HTTP
 * status; OL_NOT_FOUND: no agent listens there; OL_DENIED; OL_IO; OL_TOO_LARGE (body past @p
 * body->max). Waits at most 30 s for an answer. */
OL_NODISCARD ol_status client_request(const char *path, const char *method, const char *target,
                                      const struct client_content *content, int *ret_status,
                                      struct ol__buf *body, struct ol_error *err);
/** The same with GET. */
OL_NODISCARD ol_status client_get(const char *path, const char *target, int *ret_status,
                                  struct ol__buf *body, struct ol_error *err);
/** @p text with all but unreserved characters (RFC 3986) and those in @p also percent-encoded. */
void client_add_percent(struct ol__buf *out, const char *text, const char *also);
/** Add `?key=value` or `&key=value`, percent-encoded; NULL value: nothing. */
void client_add_query(struct ol__buf *target, const char *key, const char *value);

/* ---- place.c: which agent, running or not ---- */
struct agent_config;
struct place {
    bool is_system;
    bool is_named;     /**< LINEAGED_SOCKET says where */
    bool has_taken_in; /**< without an agent: what waited for the store is in it */
    char socket[1024];
    struct agent_config *config; /**< owned; NULL: not read yet */
};
/** @return OL_OK, OL_CONFIG, OL_TOO_LARGE. place_release() in any case. */
OL_NODISCARD ol_status place_find(struct place *place, struct ol_error *err);
void place_release(struct place *place);
/** Read the place's configuration, once. @return as config_load(). */
OL_NODISCARD ol_status place_configure(struct place *place, struct ol_error *err);
/** The configured route of that name, or NULL. The place is configured. */
struct route_config;
const struct route_config *place_route(const struct place *place, const char *name);
/** client_get() at this place; where nobody listens at the usual socket, at the configured one. */
OL_NODISCARD ol_status place_get(struct place *place, const char *target, int *ret_status,
                                 struct ol__buf *body, struct ol_error *err);
/** The same with any method. */
OL_NODISCARD ol_status place_request(struct place *place, const char *method, const char *target,
                                     int *ret_status, struct ol__buf *body, struct ol_error *err);
struct spool;
struct spool_options;
/** How to open the spool in @p directory. @p as_owner: become its owner first, where root asks
 * about another user's: what is written must be that user's. @return OL_OK, OL_NOT_FOUND,
 * OL_DENIED, OL_CONFIG. */
OL_NODISCARD ol_status place_spool_options(struct place *place, const char *directory,
                                           bool as_owner, struct spool_options *ret,
                                           struct ol_error *err);
/** Take the spool of this place over, lock and all, as its owner. @return as spool_open();
 * OL_DENIED: not ours. */
OL_NODISCARD ol_status place_open_spool(struct place *place, struct spool **ret,
                                        struct ol_error *err);
/** Whether this user may look at the files of the place; false: its agent alone can answer. */
bool place_is_ours(const struct place *place);
/** What a verb exits with, after saying @p err. */
int cli_fail(const struct place *place, ol_status status, const struct ol_error *err);
/** The message in an answer of the agent that is no document, or @p fallback; owned. */
char *cli_answer_message(struct ol__span body, const char *fallback);
struct json_doc;
/** The document in an answer of the agent with HTTP status @p status. @return OL_OK: end it with
 * json_doc_release(); OL_NOT_FOUND (404), OL_DENIED (403), OL_INVALID (400, or no JSON), OL_IO,
 * with the agent's own message in err; OL_NOMEM. */
OL_NODISCARD ol_status cli_answer_read(int status, struct ol__span body, struct json_doc *ret,
                                       struct ol_error *err);

/* ---- offline.c: without an agent ---- */
struct store_question;
/** Let `lineaged --once` make the places of a configured agent that never ran. */
void offline_prepare(const struct place *place);
struct store_verb;
/** Let `lineaged --once` take in what waits, then ask the store file. @return as store_why() and
 * its like; OL_NOT_FOUND with nothing in @p out: there is no store. */
OL_NODISCARD ol_status offline_ask(struct place *place, const struct store_verb *verb,
                                   const struct store_question *question, struct ol__buf *out,
                                   struct ol_error *err);
#endif
