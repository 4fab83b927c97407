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

/* ---- Verbs: argv[0] is the verb ---- */
int verb_run(int argc, char **argv);
int verb_ask(int argc, char **argv); /**< why, impact, runs, show, events */
int verb_deadletter(int argc, char **argv);
int verb_status(int argc, char **argv);

/* ---- client.c: the agent's admin socket ---- */
/** Where the agent of this user's place listens for questions: LINEAGED_SOCKET's neighbour, else
 * the system agent's where the system journal is, else the user's own. @return OL_OK, OL_TOO_LARGE.
 */
OL_NODISCARD ol_status client_socket_path(char *out, size_t size, bool *ret_is_system,
                                          struct ol_error *err);
/** GET @p target ("/v1/why?subject=..."). @return OL_OK with any HTTP status; OL_NOT_FOUND: no
 * agent listens there; OL_DENIED; OL_IO; OL_TOO_LARGE (body past @p body->max). Waits at most 30 s
 * for an answer. */
OL_NODISCARD ol_status client_get(const char *target, int *ret_status, struct ol__buf *body,
                                  struct ol_error *err);
/** Add `?key=value` or `&key=value`, percent-encoded; NULL value: nothing. */
void client_add_query(struct ol__buf *target, const char *key, const char *value);

/* ---- offline.c: without an agent ---- */
struct store_question;
enum ask_verb { ASK_WHY, ASK_IMPACT, ASK_RUNS, ASK_SHOW, ASK_EVENTS };
/** Let `lineaged --once` take in what waits, then ask the store file. @return as store_why() and
 * its like; OL_BUSY: somebody holds the spool yet answers nothing. */
OL_NODISCARD ol_status offline_ask(enum ask_verb verb, const struct store_question *question,
                                   struct ol__buf *out, struct ol_error *err);
/** The spool directory of this place's configuration. */
OL_NODISCARD ol_status offline_spool_directory(struct ol__buf *out, struct ol_error *err);

/* ---- tree.c ---- */
/** Print an answer document (agent/store/SCHEMA.md, "Answers") for people. @return CLI_YES, or
 * CLI_NO if it is no such document. */
int tree_print(enum ask_verb verb, struct ol__span json);
#endif
