/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FACETS_FIXTURE_H
#define FACETS_FIXTURE_H
/** @file Places to set facets on, without a client, and what stands there as JSON with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <openlineage/openlineage.h>
#include "facet_encode.h"
#include "facet_place.h"

struct fixture {
    struct ol__facet_context context;
    struct ol_error error;
    struct ol__facet_place run, job, input, output;
};

int set_up(void **state);
int tear_down(void **state);

#define RUN(f) ((struct ol_run *)&(f)->run)
#define JOB(f) ((struct ol_job *)&(f)->job)
#define INPUT(f) ((struct ol_dataset *)&(f)->input)
#define OUTPUT(f) ((struct ol_dataset *)&(f)->output)

/** The place holds exactly these facets: ' is ", and what every facet begins with is
 * $VERSION/Definition, or $ids for ours. */
void holds(struct ol__facet_place *place, enum ol__entity entity, const char *expected);
/** A setter answered OL_INVALID, and the error that is kept says @p message; it is taken out. */
void refused(struct fixture *f, ol_status status, const char *message);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#endif
