/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says of its routes: the kind of trouble that its delivery met is all that is
 * needed, so nothing here touches the network. */
#include <stdio.h>
#include <stdlib.h>
#include "doctor.h"
#include "tree.h"

#define SKEW_WARN_MS (30 * 1000)
#define SKEW_FAIL_MS (10 * 60 * 1000)

static const struct {
    const char *cause; /* route_cause_name() of the agent */
    const char *words, *advice;
} causes[] = {
    {"dns", "its host name has no address (DNS)",
     "correct the name in the route's url or brokers, or the resolver: getent hosts NAME"},
    {"connect", "nobody listens there, or the way is closed",
     "start that server, correct host and port, or open the way (firewall, container network)"},
    {"timeout", "it does not answer in time",
     "see whether that server is overloaded; the route's timeout can be raised"},
    {"broken", "the connection breaks, or what answers speaks no HTTP",
     "see what listens there, and whether url should say https"},
    {"tls", "no TLS with it: it speaks none, or no version in common",
     "see whether url should say http, and which TLS versions the server has"},
    {"tls_untrusted", "its certificate is of an authority that is not trusted here",
     "give the route the authority's certificate, or add it to the system's"},
    {"tls_expired", "its certificate is out of date, or the clock of one of the two is",
     "renew the certificate; compare the clocks: date -u"},
    {"tls_name", "its certificate is for another name",
     "use the name that is in the certificate, or have one made for this name"},
    {"credentials", "the credentials to be sent cannot be read or obtained",
     "see that the route's key file is there, not empty, and readable for the agent's user"},
    {"auth", "it refuses our credentials",
     "put a valid key into the route's api_key_file (it is read again at once), or give the right "
     "to write there"},
    {"not_found", "there is something, but not at this path",
     "correct the path in the route's url; Marquez has /api/v1/lineage, on its API port"},
    {"refused", "it refuses the events",
     "see what it says: lineage deadletter ls; is it an OpenLineage endpoint?"},
    {"busy", "it asks us to come later", "wait, or have it take more"},
    {"server", "it fails with errors of its own", "look into that server's log"},
    {"topic", "there is no such topic", "make the topic, or correct the route's topic"},
    {"disk", "it cannot be written on this machine",
     "make room, or give the agent's user the right to write there"},
};

const char *doctor_advice(const char *cause)
{
    for (size_t i = 0; cause != NULL && i < OL_COUNT(causes); i++)
        if (strcmp(causes[i].cause, cause) == 0)
            return causes[i].advice;
    return NULL;
}

static const char *words_of(const char *cause)
{
    for (size_t i = 0; i < OL_COUNT(causes); i++)
        if (strcmp(causes[i].cause, cause) == 0)
            return causes[i].words;
    return NULL;
}

static const char *text(const struct json_node *n, const char *key)
{
    const char *found = json_get_text(n, key);
    return found != NULL ? found : "";
}

static bool is_stuck(const char *state)
{
    return strcmp(state, "circuit_open") == 0 || strcmp(state, "held") == 0 ||
           strcmp(state, "failed") == 0;
}

static void trouble(struct doctor *d, const struct json_node *n, enum doctor_level level)
{
    char since[ROWS_TEXT];
    const char *cause = text(n, "cause"), *words = words_of(cause), *advice = doctor_advice(cause);
    const char *error = text(n, "last_error");
    rows_time(json_get_text(n, json_get(n, "failing_since") != NULL ? "failing_since" : "since"),
              since);
    struct doctor_finding *f =
        doctor_add(d, level, "route", "%s -> %s: %s%s%s%s; %s%s%s, %s wait", text(n, "name"),
                   text(n, "destination"), words != NULL ? words : text(n, "state"),
                   error[0] != '\0' ? " (" : "", error, error[0] != '\0' ? ")" : "",
                   text(n, "state"), since[0] != '\0' ? " since " : "", since, text(n, "waiting"));
    if (advice != NULL)
        doctor_fix(f, "%s", advice);
    else
        doctor_fix(f, "the agent's log says more");
}

static void well(struct doctor *d, const struct json_node *n)
{
    char last[ROWS_TEXT];
    rows_time(json_get_text(n, "last_success"), last);
    if (last[0] != '\0')
        doctor_add(d, DOCTOR_OK, "route", "%s -> %s: %s delivered, the last at %s, %s wait",
                   text(n, "name"), text(n, "destination"), text(n, "delivered"), last,
                   text(n, "waiting"));
    else
        doctor_add(d, DOCTOR_OK, "route", "%s -> %s: nothing delivered yet, %s wait",
                   text(n, "name"), text(n, "destination"), text(n, "waiting"));
}

static void look_at_clock(struct doctor *d, const struct json_node *n)
{
    int64_t skew = json_get_int(n, "clock_skew_ms", 0);
    if (llabs(skew) < SKEW_WARN_MS)
        return;
    struct doctor_finding *f = doctor_add(
        d, llabs(skew) < SKEW_FAIL_MS ? DOCTOR_WARN : DOCTOR_FAIL, "clock",
        "our clock is %lld s %s that of %s: runs show at wrong times there, or not among the "
        "newest",
        (long long)(llabs(skew) / 1000), skew > 0 ? "ahead of" : "behind", text(n, "destination"));
    doctor_fix(f, "set the wrong one of the two: timedatectl, chronyc tracking");
}

static void look_at_route(struct doctor *d, const struct json_node *n)
{
    const char *state = text(n, "state"), *cause = text(n, "cause");
    struct doctor_finding *f;
    if (is_stuck(state))
        trouble(d, n, DOCTOR_FAIL);
    else if (strcmp(state, "retrying") == 0 && strcmp(cause, "none") != 0)
        /* Nothing has got through since: it only is not yet an outage. */
        trouble(d, n, json_get(n, "last_success") == NULL ? DOCTOR_FAIL : DOCTOR_WARN);
    else
        well(d, n);
    if (json_get_int(n, "parked", 0) > 0) {
        f = doctor_add(d, DOCTOR_WARN, "route", "%s: %s events parked, as it would not take them",
                       text(n, "name"), text(n, "parked"));
        doctor_fix(f, "lineage deadletter ls --route %s", text(n, "name"));
    }
    if (json_get_int(n, "dropped", 0) > 0)
        doctor_add(d, DOCTOR_WARN, "route", "%s: %s events given up", text(n, "name"),
                   text(n, "dropped"));
    look_at_clock(d, n);
}

void doctor_routes(struct doctor *d)
{
    const struct json_node *first = d->has_status ? json_get_items(d->status.root, "routes") : NULL;
    for (const struct json_node *n = first; n != NULL; n = n->next)
        look_at_route(d, n);
}
