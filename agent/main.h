/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIN_H
#define MAIN_H
/** @file What main.c, parts.c and notify.c share: the threads of one agent, opened, started,
 * stopped. */
#include "agent.h"

#define EXIT_USAGE 2   /**< wrong usage or configuration; nothing was touched */
#define EXIT_WAITING 4 /**< --once: something still waits */

struct agent_parts {
    struct agent agent;
    bool is_once;     /**< no listeners, no threads but those of the pass */
    const char *only; /**< --route; NULL: all */
    struct intake *intake;
    struct deliver *deliver; /**< NULL: all routes are stores */
    struct store_writer *stores[ROUTES_MAX];
    bool is_delivering, is_storing[ROUTES_MAX];
    struct admin *admin;
};

/** Whether @p name is a route, or the type of one ("store"). */
bool parts_has_route(const struct agent_config *config, const char *name);
/** Open what takes and delivers; the spool is open already. */
OL_NODISCARD ol_status parts_open(struct agent_parts *parts, struct ol_error *err);
OL_NODISCARD ol_status parts_start(struct agent_parts *parts, struct ol_error *err);
/** --once: drain the journals, then deliver until every route is empty or cannot go on.
 *  @param ret_is_all  nothing waits any more; if not, err says what. */
OL_NODISCARD ol_status parts_pass(struct agent_parts *parts, bool *ret_is_all,
                                  struct ol_error *err);
/** Stop taking, deliver for at most @p drain_ms, stop all. @return deliveries left. */
uint64_t parts_stop(struct agent_parts *parts, int64_t drain_ms);
/** Close all, the spool last. */
void parts_close(struct agent_parts *parts);

/** `lineaged rules ...`; argv[0] is "rules". @return the exit status. */
int rules_command(int argc, char **argv);

/** Tell systemd, if it asked (NOTIFY_SOCKET). */
void notify_service_manager(const char *state);
#endif
