/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CLIENT_H
#define OL_CLIENT_H
/** @file What a client is inside, for run.c and event.c. Threads: any, all members but the counters
 * and the spare buffers are constant after open. */
#include <openlineage/openlineage.h>
#include <stdatomic.h>
#include "buf.h"
#include "config.h"
#include "context.h"
#include "journal.h"
#include "rules.h"
#include "transport.h"

#define OL_SPARE_BUFFERS 8
#define OL_SPARE_MAX ((size_t)1024 * 1024) /* bytes; a line that grew larger is not kept */

struct ol_client {
    _Atomic size_t users;            /**< the program, and each run: the last one frees */
    _Atomic bool is_closed;          /**< by the program; transport and fallback are gone */
    struct ol__transport *transport; /**< owned */
    struct ol__transport *fallback;  /**< owned: the journal, for what `transport` cannot hand over;
                                        NULL: not needed, or no place for it */
    struct ol__log log;
    struct ol__config config;   /**< owned */
    struct ol__rules *rules;    /**< owned; NULL: none */
    struct ol__context context; /**< owned; what the environment says of our runs */
    char *producer, *job_namespace, *engine_name, *engine_version, *destination; /**< owned */
    size_t event_max;             /**< bytes of an event, without its newline */
    struct ol__buf event_tail[3]; /**< `","producer":...,"schemaURL":"..."` of each kind of event */
    _Atomic uint64_t diverted;    /**< events that the fallback took */
    _Atomic uint64_t lost;        /**< events refused since open */
    _Atomic uint64_t shed;        /**< events that were sent without some facets */
    _Atomic uint64_t streak;      /**< events refused since the last accepted one */
    _Atomic uint64_t ignored;     /**< values from outside that were malformed */
    _Atomic bool has_said_ignored; /**< of a call's context; variables are read once */
    _Atomic int last_status;       /**< of the last refused one; OL_OK: none */
    struct ol__buf *_Atomic spare[OL_SPARE_BUFFERS]; /**< line buffers nobody uses now */
};

/** What tests put in the place of the real world; all may be NULL. */
struct ol__client_hooks {
    const struct ol__fs *fs;
    const struct ol__journal_limits *limits;
    const char *system_directory;
    /* What `lineage` puts in the place of what is configured. */
    bool is_journal_only; /**< nothing but the journal: no network */
    bool is_console;      /**< events are shown on standard output, and go nowhere */
    int64_t timeout_ms;   /**< of one emit over a network, if that is less; 0: as configured */
};
OL_NODISCARD ol_status ol__client_open_hooked(const struct ol_client_options *options,
                                              const struct ol__client_hooks *hooks,
                                              struct ol_client **ret, struct ol_error *err);

/** A run holds its client, so that one forgotten, or freed after it, is no use of freed memory. */
void ol__client_hold(struct ol_client *client);
void ol__client_release(struct ol_client *client);

/** An empty line buffer of at most OL_LINE_MAX bytes; NULL: out of memory. Give it back. */
struct ol__buf *ol__client_take_buffer(struct ol_client *client);
void ol__client_give_buffer(struct ol_client *client, struct ol__buf *buf);

/** Hand a line over; counts and logs a refusal. @return a public status. */
ol_status ol__client_emit(struct ol_client *client, const struct ol__line *line,
                          struct ol_error *err);
/** Count and log an event that never came so far. @return the public form of @p status. */
ol_status ol__client_refused(struct ol_client *client, ol_status status, const struct ol_error *why,
                             struct ol_error *err);

/** Count a value from outside that is not used, and say so: a variable always, a key of a carrier
 * once a client. */
void ol__client_ignored(struct ol_client *client, bool is_variable, const char *name,
                        const char *expected);

/** Open client->transport and fallback as client->config says, and set destination. @return OL_OK,
 * OL_CONFIG, OL_NOMEM, or why a file could not be opened. */
OL_NODISCARD ol_status ol__client_open_transport(struct ol_client *client,
                                                 const struct ol_client_options *options,
                                                 const struct ol__client_hooks *hooks,
                                                 struct ol_error *err);

/** Copy an options struct that may be older or newer than ours into @p out, zeroed first.
 *  @return false: struct_size is no size that any version had. */
OL_NODISCARD bool ol__options_copy(const void *options, void *out, size_t size, size_t size_first);
/** Why ol__options_copy() refused @p options (NULL too), of type struct @p type. @return
 * OL_INVALID. */
OL_NODISCARD ol_status ol__options_refused(const void *options, const char *type,
                                           struct ol_error *err);
#endif
