/* SPDX-License-Identifier: Apache-2.0 */
/* Is there an agent, is it the one that is meant, and does its spool take events. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "config.h"
#include "doctor.h"
#include "journal.h"
#include "tree.h"

#define FREE_LOW (INT64_C(1) << 30)

/* ---- Asking ---- */

static bool ask_at(struct doctor *d, const char *socket)
{
    struct ol__buf body;
    int status = 0;
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    d->answer = client_get(socket, "/status", &status, &body, &d->error);
    if (d->answer == OL_OK && status != 200)
        d->answer = ol__error_set(&d->error, OL_IO, "'%s' answers with status %d", socket, status);
    if (d->answer == OL_OK)
        d->answer = json_doc_read(
            &d->status, (struct ol__span){.data = body.data, .size = body.size}, &d->error);
    ol__buf_release(&body);
    d->has_status = d->answer == OL_OK;
    return d->has_status;
}

/* Another agent of this machine that would answer. */
static bool ask_elsewhere(struct doctor *d)
{
    struct ol_error first = d->error;
    ol_status answer = d->answer;
    struct ol__places places;
    char sockets[3][OL_PATH_MAX] = {"", "", ""};
    if (place_configure(&d->place, &d->error) == OL_OK)
        snprintf(sockets[0], OL_PATH_MAX, "%s", d->place.config->admin_socket);
    for (int is_system = 0; is_system < 2; is_system++)
        if (ol__places_find(is_system == 1, &places, NULL) == OL_OK)
            snprintf(sockets[1 + is_system], OL_PATH_MAX, "%s", places.admin_socket);
    for (size_t i = 0; i < OL_COUNT(sockets); i++) {
        if (sockets[i][0] == '\0' || strcmp(sockets[i], d->asked_first) == 0)
            continue;
        if (ask_at(d, sockets[i])) {
            snprintf(d->place.socket, sizeof d->place.socket, "%.*s", OL_PATH_MAX - 1, sockets[i]);
            return true;
        }
    }
    d->error = first;
    d->answer = answer;
    return false;
}

void doctor_ask(struct doctor *d)
{
    d->answer = place_find(&d->place, &d->error);
    snprintf(d->asked_first, sizeof d->asked_first, "%s", d->place.socket);
    if (d->answer != OL_OK || ask_at(d, d->place.socket))
        return;
    if (d->answer == OL_NOT_FOUND)
        ask_elsewhere(d);
}

/* ---- The agent ---- */

/* Who holds the lock of the spool. @return whether somebody does. */
static bool read_lock(const char *directory, char *pid, size_t size)
{
    char path[OL_PATH_MAX + 8], text[24] = "";
    snprintf(path, sizeof path, "%s/lock", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is_held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strspn(text, "0123456789")] = '\0';
    snprintf(pid, size, "%s", text[0] != '\0' ? text : "unknown");
    return is_held;
}

/* Somebody else holds what the agent of this place needs. @return whether that is so. */
static bool is_taken(struct doctor *d)
{
    const struct agent_config *config = d->place.config;
    struct doctor_finding *f;
    char pid[24];
    if (read_lock(config->spool_directory, pid, sizeof pid)) {
        f = doctor_add(d, DOCTOR_FAIL, "agent",
                       "another agent (pid %s) holds the spool %s and does not answer at %s, so "
                       "none can run for these sockets",
                       pid, config->spool_directory, d->asked_first);
    } else {
        size_t i = 0;
        while (i < config->journal_directories.count &&
               !ol__journal_is_drained(config->journal_directories.items[i]))
            i++;
        if (i == config->journal_directories.count)
            return false;
        f = doctor_add(d, DOCTOR_FAIL, "agent",
                       "another agent drains %s and does not answer at %s, so none can run for "
                       "this place",
                       config->journal_directories.items[i], d->asked_first);
    }
    doctor_fix(f, "stop that one, or give this one a spool, journals and sockets of its own; to "
                  "ask the other set LINEAGED_SOCKET to its socket");
    return true;
}

static void not_running(struct doctor *d)
{
    struct ol_error err = {.message = ""};
    struct doctor_finding *f;
    if (d->answer == OL_DENIED || d->answer == OL_IO) {
        f = doctor_add(d, DOCTOR_FAIL, "agent", "the agent cannot be asked: %s", d->error.message);
        doctor_fix(f, d->answer == OL_DENIED ? "ask as its user, or as root"
                                             : "see its log; if it hangs, its disk may");
        return;
    }
    if (place_configure(&d->place, &err) != OL_OK) {
        f = doctor_add(d, DOCTOR_FAIL, "agent", "no agent runs, and its settings are wrong: %s",
                       err.message);
        doctor_fix(f, "correct that ('lineaged%s --check' tells), then start it",
                   d->place.is_system ? " --system" : "");
        return;
    }
    if (is_taken(d))
        return;
    if (d->place.is_named)
        f = doctor_add(d, DOCTOR_FAIL, "agent",
                       "no agent listens at %s, which LINEAGED_SOCKET means, nor at the usual "
                       "places",
                       d->asked_first);
    else
        f = doctor_add(d, DOCTOR_FAIL, "agent", "no agent is running: nobody listens at %s",
                       d->asked_first);
    doctor_fix(f, "start it: %s; what programs write to journals until then is not lost",
               d->place.is_system ? "systemctl start lineaged" : "lineaged");
}

void doctor_agent(struct doctor *d)
{
    struct doctor_finding *f;
    char since[ROWS_TEXT];
    if (!d->has_status) {
        not_running(d);
        return;
    }
    const struct json_node *s = d->status.root;
    const char *version = json_get_text(s, "version"), *pid = json_get_text(s, "pid");
    rows_time(json_get_text(s, "started"), since);
    if (d->place.is_named && strcmp(d->asked_first, d->place.socket) != 0) {
        f = doctor_add(d, DOCTOR_FAIL, "agent",
                       "LINEAGED_SOCKET leads to %s, where nobody listens; an agent answers at %s",
                       d->asked_first, d->place.socket);
        doctor_fix(f, "unset LINEAGED_SOCKET, or let it name a socket of that agent");
    }
    doctor_add(d, DOCTOR_OK, "agent", "lineaged %s answers at %s (pid %s, since %s)",
               version != NULL ? version : "?", d->place.socket, pid != NULL ? pid : "?", since);
    const struct json_node *intake = json_get(s, "intake");
    if (json_get_int(intake, "accepted", 0) > 0) {
        doctor_add(d, DOCTOR_OK, "intake", "%s events taken since then",
                   json_get_text(intake, "accepted"));
        return;
    }
    int64_t refused = json_get_int(json_get(intake, "http"), "refused_invalid", 0);
    f = doctor_add(d, DOCTOR_WARN, "intake", "no event has come since it started%s",
                   refused > 0 ? ", only requests that were refused" : "");
    doctor_fix(f, refused > 0 ? "the agent's log says what is wrong with them"
                              : "see above where programs send; run one: lineage run -- true");
}

/* ---- The spool ---- */

static const char *intake_waits_for(const struct doctor *d)
{
    for (const struct json_node *n = json_get_items(d->status.root, "waits"); n != NULL;
         n = n->next) {
        const char *who = json_get_text(n, "who");
        if (who != NULL && strcmp(who, "intake") == 0)
            return json_get_text(n, "for");
    }
    return NULL;
}

static void look_at_room(struct doctor *d, const struct json_node *s, const char *directory)
{
    char used[32], max[32], left[32], since[ROWS_TEXT];
    const char *waits = intake_waits_for(d);
    struct doctor_finding *f;
    doctor_size(json_get_int(s, "bytes", 0), used, sizeof used);
    doctor_size(json_get_int(s, "max_bytes", 0), max, sizeof max);
    doctor_size(json_get_int(s, "free_bytes", 0), left, sizeof left);
    if (json_get_bool(s, "failing")) {
        rows_time(json_get_text(s, "failing_since"), since);
        f = doctor_add(d, DOCTOR_FAIL, "spool",
                       "the disk takes no events: %s cannot be written%s%s (%s free)", directory,
                       since[0] != '\0' ? " since " : "", since, left);
        doctor_fix(f, "make room or mend the disk; the agent goes on by itself, and its log says "
                      "what failed");
    } else if (json_get_bool(s, "full") && (waits == NULL || strcmp(waits, "disk") == 0)) {
        rows_time(json_get_text(s, "full_since"), since);
        f = doctor_add(d, DOCTOR_FAIL, "spool", "the disk beneath %s is full%s%s: %s free",
                       directory, since[0] != '\0' ? " since " : "", since, left);
        doctor_fix(f, "make room there; the agent goes on by itself");
    } else if (json_get_bool(s, "full")) {
        f = doctor_add(d, DOCTOR_WARN, "spool",
                       "full (%s of %s): events are refused until %s takes "
                       "some",
                       used, max, waits);
        doctor_fix(f, "mend that route, see below; or raise spool.max_bytes, or give the route "
                      "on_lag: detach");
    } else
        doctor_add(d, DOCTOR_OK, "spool", "%s: %s of %s used", directory, used, max);
    bool is_low = json_get_int(s, "free_bytes", INT64_MAX) < FREE_LOW;
    f = doctor_add(d, is_low && !json_get_bool(s, "full") ? DOCTOR_WARN : DOCTOR_OK, "disk",
                   "%s free beneath the spool", left);
    if (f->level == DOCTOR_WARN)
        doctor_fix(f, "make room: writers of journals stop below 1 GiB or 5 %%");
}

void doctor_spool(struct doctor *d)
{
    const struct json_node *s = d->has_status ? json_get(d->status.root, "spool") : NULL;
    const char *directory = s != NULL ? json_get_text(s, "directory") : NULL;
    struct statvfs fs;
    struct doctor_finding *f;
    if (s == NULL) {
        if (d->place.config != NULL && statvfs(d->place.config->spool_directory, &fs) == 0 &&
            (int64_t)fs.f_bavail * (int64_t)fs.f_frsize < (64 << 20)) {
            f = doctor_add(d, DOCTOR_WARN, "disk", "hardly any room beneath %s",
                           d->place.config->spool_directory);
            doctor_fix(f, "make room there");
        }
        return;
    }
    look_at_room(d, s, directory != NULL ? directory : "?");
    if (json_get_int(s, "sync_running_ms", 0) > 10000) {
        f = doctor_add(d, DOCTOR_FAIL, "disk", "a sync has been running for %lld s",
                       (long long)(json_get_int(s, "sync_running_ms", 0) / 1000));
        doctor_fix(f, "the disk hangs: dmesg may say why");
    }
    if (json_get_int(s, "quarantined_records", 0) > 0) {
        f = doctor_add(d, DOCTOR_WARN, "spool", "%s records did not verify",
                       json_get_text(s, "quarantined_records"));
        doctor_fix(f, "they are in the spool's quarantine; check the disk");
    }
    if (json_get_int(s, "gap_records", 0) > 0)
        doctor_add(d, DOCTOR_WARN, "spool", "%s records were given up by detached routes",
                   json_get_text(s, "gap_records"));
}
