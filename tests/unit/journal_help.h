/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_HELP_H
#define JOURNAL_HELP_H
/** @file What the tests of the journal's reader share: a directory, a real spool behind the intake,
 * and journals written line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include "intake/journal.h"

#define EVENT_SIZE 400

struct place {
    char root[64], journal[96], spool_path[96];
    char *directories[1];
    struct agent_config config;
    struct agent_metrics metrics;
    struct agent agent;
    struct spool *spool;
    struct intake_taker *taker;
    struct journal_intake *ji;
    char boot[64], host[256];
};

/** cmocka's set-up and tear-down; *state is the place, started. */
int journal_set_up(void **state);
int journal_tear_down(void **state);
void journal_start(struct place *p);
void journal_stop(struct place *p);

struct writer {
    char path[256], name[80];
    int fd;
};

/** A journal that is locked and has its header; @p order comes first in its name. */
void birth_as(struct place *p, struct writer *w, long order, const char *uuid, const char *boot,
              const char *host, int format);
void birth(struct place *p, struct writer *w, long order);
/** Part @p part of the chain that the UUID @p chain names. */
void birth_part(struct place *p, struct writer *w, long order, const char *chain, int part);
/** The same of a chain that permits an ABORT to be inferred; @p pid 0: no process of this machine.
 */
void birth_inferring(struct place *p, struct writer *w, long order, const char *chain, int part,
                     long pid);
void put(const struct writer *w, const char *text);
/** Event number @p number, as JSON without newline. */
void event_text(char out[EVENT_SIZE], long number);
void put_event(const struct writer *w, long number);
void put_end(struct writer *w);
/** The end of a part that another follows. */
void put_rotated(struct writer *w);

/** Run and commit until the intake is caught up. */
void run_and_commit(struct place *p);
/** The same, after its deadline has passed: the polls of two calls must not fall into the same
 * millisecond. */
void run_later(struct place *p);
/** Check that the spool holds exactly the events first..first+count-1, in order. */
void assert_spooled(struct place *p, long first, long count);
bool is_there(const struct writer *w);
bool is_in_done(struct place *p, const struct writer *w);
#endif
