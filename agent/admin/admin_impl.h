/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_IMPL_H
#define ADMIN_IMPL_H
/** @file What the files of this room share; for nobody else. */
#include <microhttpd.h>
#include "agent.h"
#include "store/store.h"

#define ADMIN_ANSWER_MAX (64u << 20)
#define ADMIN_SYNC_HANGS_MS 10000 /**< a sync that takes longer makes health red */

/** Records on disk that route @p route has not done, also where others behind them are done. */
uint64_t admin_waiting(const struct agent *agent, int route);
/** About how many bytes that is. */
uint64_t admin_waiting_bytes(const struct agent *agent, int route);
/** The pinned route that is furthest behind; -1: none is behind. */
int admin_slowest_pinned(const struct agent *agent);
/** How long ago; 0 also for 0, and for what is to come. */
uint64_t admin_age_ms(uint64_t unix_ms);

/** What the housekeeper remembers from one look to the next. Threads: the housekeeper. */
struct admin_look {
    uint64_t low[ROUTES_MAX];
    bool is_known[ROUTES_MAX];
};
void admin_look(struct admin_look *look, const struct agent *agent);

/** Who asks, by SO_PEERCRED and SO_PEERGROUPS. */
struct admin_peer {
    uint32_t uid;
    bool may_see_all; /**< root, the agent's uid, or in group `lineaged` */
    bool may_change;  /**< root and the agent's uid only */
};
#define ADMIN_GROUP "lineaged"
#define ADMIN_NO_GROUP ((int64_t)-1)
/** Read the peer of socket @p fd. @param group  gid whose members see all; ADMIN_NO_GROUP: none.
 *  @return OL_OK or OL_DENIED: it cannot be told who asks. */
OL_NODISCARD ol_status admin_peer_read(int fd, uint32_t own_uid, int64_t group,
                                       struct admin_peer *ret, struct ol_error *err);
/** The rule itself. */
bool admin_peer_sees_all(uint32_t uid, const uint32_t *groups, size_t group_count, uint32_t own_uid,
                         int64_t group);

/** The same for what changes something. */
bool admin_peer_may_change(uint32_t uid, uint32_t own_uid);

/** One GET or POST. Parameters come by name, NULL if absent or without a value. */
struct admin_request {
    const char *path;
    const char *(*parameter)(const struct admin_request *request, const char *name);
    void *arg;              /**< for parameter() */
    bool wants_openmetrics; /**< by its Accept */
    struct admin_peer peer;
};
struct admin_reply {
    int status; /**< HTTP */
    const char *type;
    struct ol__buf body; /**< owned by the caller */
};
/** Make @p reply an error document. */
void admin_reply_error(struct admin_reply *reply, int status, const char *format, ...)
    OL_PRINTF(3, 4);

/** What a question needs of the agent. Threads: admin's. */
struct admin_questions {
    const struct agent *agent;
    struct store *store; /**< opened by the first question, closed after a failure */
    bool has_logged_damage;
};
/** GET /v1/why, impact, runs, show, events. */
void admin_question(struct admin_questions *questions, const struct admin_request *request,
                    struct admin_reply *reply);
void admin_questions_release(struct admin_questions *questions);
/** GET /v1/deadletters and /v1/deadletters/ID. */
void admin_letters(const struct agent *agent, const struct admin_request *request,
                   struct admin_reply *reply);
/* ---- What changes something: POST. change.c has the table of paths. ---- */

/** Whether POST @p path is one. */
bool admin_change_is(const char *path);
/** Whole answer to one; may wait for other threads and their disks, so never on admin's own thread.
 * Refuses (403) whoever may not. */
void admin_change(const struct agent *agent, const struct admin_request *request,
                  struct admin_reply *reply);
/** POST /v1/deadletters/retry, drop. */
void admin_letters_retry(const struct agent *agent, const struct admin_request *request,
                         struct admin_reply *reply);
void admin_letters_drop(const struct agent *agent, const struct admin_request *request,
                        struct admin_reply *reply);

/** POST /v1/spool/replay. */
void admin_replay(const struct agent *agent, const struct admin_request *request,
                  struct admin_reply *reply);

/** POST /v1/store/gc: without run=1 what would go. */
void admin_gc(const struct agent *agent, const struct admin_request *request,
              struct admin_reply *reply);

/** A thread of its own that makes the changes, one at a time; a bounded queue before it. */
struct admin_changes; /* opaque */
struct admin_change_item {
    struct admin_change_item *next;
    struct MHD_Connection *connection;
    struct admin_request request; /**< path and parameters: owned copies, in `texts` */
    struct admin_reply reply;
    struct ol__buf texts;
    bool is_queued, is_done;
};
/** @p wake_fd  eventfd to write to when one is done; borrowed. */
OL_NODISCARD ol_status admin_changes_start(const struct agent *agent, int wake_fd,
                                           struct admin_changes **ret, struct ol_error *err);
/** Queue one, keeping path and parameters (of @p request, which are gone when this returns).
 * @return false: too many wait, or out of memory. */
bool admin_changes_put(struct admin_changes *changes, struct admin_change_item *item,
                       const struct admin_request *request);
/** One that is done since the last call; NULL: none. */
struct admin_change_item *admin_changes_take(struct admin_changes *changes);
/** Joins; what was queued is answered 503 and can be taken. */
void admin_changes_stop(struct admin_changes *changes);
void admin_changes_free(struct admin_changes *changes);
void admin_change_item_free(struct admin_change_item *item);

/** Whole answer to one GET of any path. */
void admin_get(struct admin_questions *questions, const struct admin_request *request,
               struct admin_reply *reply);
#endif
