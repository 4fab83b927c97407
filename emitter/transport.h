/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TRANSPORT_H
#define OL_TRANSPORT_H
/** @file
 * Where finished events go: a struct of functions, one set for each kind of place. Threads: emit
 * may be called by any number at once; close by one, when no other call is running.
 */
#include "ol_base.h"

/** Longest line with its newline (JOURNAL.md); the size limit of an event. */
#define OL_LINE_MAX ((size_t)16 * 1024 * 1024)

/** What becomes of one event, beyond the status of an emit. */
struct ol__fate {
    bool wants_journal; /**< set: somebody could not hand it over, or only the agent can */
    char why[160];      /**< the first reason; "" unless wants_journal */
};

/** What a transport gets: a newline that a torn file may need in front, then control lines for the
 *  journal (maybe none), then one event, each ended by its newline. All in one piece, so that one
 * write call takes it. Borrowed for the call. */
struct ol__line {
    const char *data;    /**< data[0] is a newline */
    size_t size;         /**< with that first newline */
    size_t control_size; /**< bytes of control lines, which begin at data[1] */
    bool *is_diverted;   /**< of the event's run: an event of it lies in the journal, so the others
                            follow it there; NULL: no run */
    struct ol__fate *fate; /**< set by the client; never NULL for a transport */
};

/** The event alone, without its newline: what is a request's body. */
static inline struct ol__span ol__line_event(const struct ol__line *line)
{
    size_t head = 1 + line->control_size;
    return (struct ol__span){.data = line->data + head, .size = line->size - head - 1};
}

/** Note that the journal must have it; the first reason stays. */
void ol__fate_divert(struct ol__fate *fate, const char *why);

struct ol__transport;
struct ol__transport_functions {
    /** Hand over one event, whole or not at all. @return OL_OK, OL_FULL, OL_TOO_LARGE, OL_IO,
     * OL_NOMEM or another failure of a system call. */
    ol_status (*emit)(struct ol__transport *transport, const struct ol__line *line,
                      struct ol_error *err);
    /** End and free it. Waits for a network at most @p timeout_ms. */
    ol_status (*close)(struct ol__transport *transport, int timeout_ms, struct ol_error *err);
};

/** First member of each kind's own struct. */
struct ol__transport {
    const struct ol__transport_functions *functions;
};

/** Append JSON lines to @p path (made 0640 less umask if absent): one write an event, no control
 * lines; other programs may append to the same file. Owned: end with close.
 *  @return OL_OK, OL_NOMEM, OL_FULL, OL_IO... */
OL_NODISCARD ol_status ol__transport_file_open(const char *path, struct ol__transport **ret,
                                               struct ol_error *err);
/** JSON lines to standard output, each whole. */
OL_NODISCARD ol_status ol__transport_console_open(struct ol__transport **ret, struct ol_error *err);
/** Takes nothing itself: asks for the journal, for transports that only another client has. */
OL_NODISCARD ol_status ol__transport_elsewhere_open(struct ol__transport **ret,
                                                    struct ol_error *err);
/** Takes everything, does nothing. */
OL_NODISCARD ol_status ol__transport_noop_open(struct ol__transport **ret, struct ol_error *err);
#endif
