/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_FIXTURE_H
#define INTAKE_FIXTURE_H
/** @file
 * A running intake with a real spool in a directory of its own, for the tests of the door and of
 * the group commit. One at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent.h"
#include "http_client.h"

struct intake_fixture {
    char directory[64], socket[96];
    struct agent_config config;
    struct agent_metrics *metrics;
    struct agent agent;
    struct intake *intake;
    const struct ol__fs *fs; /**< of the spool; NULL: the real one */
    char tcp[64];            /**< address */
    char unix_address[112];
};

#define EVENT_HEAD                                                                                 \
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"eventType\":\"START\",\"producer\":\"https://"      \
    "e.org/p\","                                                                                   \
    "\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json\","                        \
    "\"job\":{\"namespace\":\"n\",\"name\":\"j\"},\"run\":{\"runId\":"
#define EVENT_RUN "\"0190a1b2-0000-7000-8000-000000000001\""
/** A small valid event; @p tail makes it another one. */
#define EVENT(tail) EVENT_HEAD EVENT_RUN "}" tail "}"

/** Directory and settings; change fixture->config, then intake_fixture_start(). */
void intake_fixture_init(struct intake_fixture *f);
/** The door takes events at @p path as well; before the start. */
void intake_fixture_add_path(struct intake_fixture *f, const char *path);
void intake_fixture_start(struct intake_fixture *f);
void intake_fixture_stop(struct intake_fixture *f);
/** Stop and remove the directory. */
void intake_fixture_release(struct intake_fixture *f);
/** POST @p body to @p path over TCP with @p fields (each with \r\n). @return status. */
int intake_fixture_post(struct intake_fixture *f, const char *path, const char *fields,
                        const void *body, size_t size, struct http_answer *ret);
/** Payload of the @p index th event record in the spool (from 0); asserts that it is there. Data is
 * static. */
struct spool_record intake_fixture_record(struct intake_fixture *f, size_t index);
size_t intake_fixture_records(struct intake_fixture *f);
#endif
