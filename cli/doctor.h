/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCTOR_H
#define DOCTOR_H
/** @file
 * `lineage doctor`: findings, gathered in the order in which an event goes. doctor.c is the verb,
 * doctor_emitter.c looks where programs send, doctor_agent.c at the agent and its spool,
 * doctor_routes.c at what the agent says of its routes. Threads: main.
 */
#include "cli.h"
#include "config_where.h"
#include "json_doc.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
    enum doctor_level level;
    const char *check; /**< static: "emitter", "journal", "door", "agent", "spool", "route"... */
    char text[640];    /**< what was found */
    char fix[400];     /**< what to do; empty where nothing is */
};
#define DOCTOR_FINDINGS_MAX 96

struct doctor {
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
    size_t count;
    struct place place;
    struct json_doc status; /**< the agent's */
    bool has_status;
    char asked_first[1024]; /**< the socket where an agent was expected */
    ol_status answer;       /**< of asking */
    struct ol_error error;  /**< its words */
    struct ol__where where[OL_WHERE_MAX];
    size_t where_count;
};

/** Note a finding; what is past DOCTOR_FINDINGS_MAX is left out. @return it, for its fix. */
struct doctor_finding *doctor_add(struct doctor *d, enum doctor_level level, const char *check,
                                  const char *format, ...) OL_PRINTF(4, 5);
/** Say what to do about @p finding. */
void doctor_fix(struct doctor_finding *finding, const char *format, ...) OL_PRINTF(2, 3);

/** Ask the agent that is expected here, else one that answers elsewhere. */
void doctor_ask(struct doctor *d);
/** Where do programs send? */
void doctor_emitter(struct doctor *d);
/** What waits in each journal directory that may be meant, and who drains it. */
void doctor_journals(struct doctor *d);
/** Does an agent run, and which. */
void doctor_agent(struct doctor *d);
void doctor_spool(struct doctor *d);
void doctor_routes(struct doctor *d);

/** The words for a size: "512 B", "1.5 MiB". @return @p out. */
const char *doctor_size(int64_t bytes, char *out, size_t size);
/** What to do about a route's kind of trouble, also for `lineage status`; NULL: nothing special. */
const char *doctor_advice(const char *cause);
#endif
