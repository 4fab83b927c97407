/* SPDX-License-Identifier: Apache-2.0 */
/* Several transports, one after the other, as the Python client has them. Promises:
 *  1. Without continue_on_failure the first failure ends the emit, and is its result (the client
 * may still put the event into the journal).
 *  2. With it, the emit fails only if every transport did.
 *  3. Without continue_on_success the first one that takes the event ends the emit, and what those
 * before it could not hand over is not wanted in the journal any more.
 *  4. A failure that the others hide is told to the log, when it begins and when it ends. */
#include "transport_parts.h"

#include <stdatomic.h>
#include <stdlib.h>

struct child {
    struct ol__transport *transport; /* owned */
    _Atomic bool is_failing;
};

struct composite_transport {
    struct ol__transport transport; /* first */
    bool goes_on_after_failure, goes_on_after_success;
    struct ol__log log;
    size_t count;
    struct child children[];
};

/* Promise 4; a transport that asks for the journal tells by itself. */
static void tell(const struct composite_transport *t, struct child *child, ol_status status,
                 const struct ol_error *why)
{
    bool is_failing = status != OL_OK;
    if (atomic_exchange(&child->is_failing, is_failing) == is_failing)
        return;
    if (is_failing)
        ol__log(&t->log, ol__status_public(status), "one of several transports: %s", why->message);
    else
        ol__log(&t->log, OL_OK, "one of several transports takes events again");
}

static ol_status composite_emit(struct ol__transport *transport, const struct ol__line *line,
                                struct ol_error *err)
{
    struct composite_transport *t = (struct composite_transport *)transport;
    struct ol_error why;
    ol_status failure = OL_OK;
    bool has_taken = false;
    for (size_t i = 0; i < t->count; i++) {
        struct child *child = &t->children[i];
        bool wanted_journal = line->fate->wants_journal;
        line->fate->wants_journal = false;
        ol_status status = child->transport->functions->emit(child->transport, line, &why);
        bool wants_journal = line->fate->wants_journal;
        line->fate->wants_journal = wanted_journal || wants_journal;
        if (!wants_journal)
            tell(t, child, status, &why);
        if (status == OL_OK) {
            has_taken = true;
            if (t->goes_on_after_success)
                continue;
            line->fate->wants_journal = wants_journal; /* promise 3 */
            return OL_OK;
        }
        if (failure == OL_OK) {
            failure = status;
            if (err != NULL)
                *err = why;
        }
        if (!t->goes_on_after_failure)
            return failure; /* promise 1 */
    }
    return has_taken ? OL_OK : failure;
}

static ol_status composite_close(struct ol__transport *transport, int timeout_ms,
                                 struct ol_error *err)
{
    struct composite_transport *t = (struct composite_transport *)transport;
    ol_status failure = OL_OK;
    for (size_t i = 0; i < t->count; i++) {
        struct ol__transport *child = t->children[i].transport;
        ol_status status =
            child->functions->close(child, timeout_ms, failure == OL_OK ? err : NULL);
        failure = failure == OL_OK ? status : failure;
    }
    free(t);
    return failure;
}

static const struct ol__transport_functions composite_functions = {.emit = composite_emit,
                                                                   .close = composite_close};

ol_status ol__transport_composite_open(struct ol__transport *const *children, size_t count,
                                       bool goes_on_after_failure, bool goes_on_after_success,
                                       const struct ol__log *log, struct ol__transport **ret,
                                       struct ol_error *err)
{
    struct composite_transport *t = calloc(1, sizeof *t + count * sizeof *t->children);
    if (t == NULL)
        return ol__error_set(err, OL_NOMEM, "composite: out of memory");
    t->transport.functions = &composite_functions;
    t->goes_on_after_failure = goes_on_after_failure;
    t->goes_on_after_success = goes_on_after_success;
    t->count = count;
    t->log = *log;
    for (size_t i = 0; i < count; i++)
        t->children[i].transport = children[i];
    *ret = &t->transport;
    return OL_OK;
}
