/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_QUESTION_H
#define CLI_QUESTION_H
/** @file
 * A question to the store, as every verb that asks puts it: to the agent, or to the store file
 * where none runs; and its answer on standard output. Which questions there are, and their
 * parameters: agent/store/verbs.c, question.c. Threads: main only.
 */
#include <openlineage/openlineage.h>
#include "cli.h"
#include "dataset_name.h"
#include "pretty.h"

#define QUESTION_PARAMETERS 24
#define QUESTION_SUBJECTS 2

/** One X of a command line, and how the store is asked for it. */
struct question_subject {
    const char *x;          /**< as given; borrowed */
    struct ol__buf subject; /**< owned */
    char content[OL_DATASET_VERSION_SIZE];
};
struct question {
    const char *verb;
    const char *keys[QUESTION_PARAMETERS], *values[QUESTION_PARAMETERS]; /**< borrowed */
    size_t count;
    struct question_subject subjects[QUESTION_SUBJECTS];
    size_t subject_count;
};

void question_init(struct question *q, const char *verb);
void question_release(struct question *q);
/** A parameter as it is: the store checks it. NULL value: nothing. Both are borrowed. */
void question_add(struct question *q, const char *key, const char *value);
/** X is a dataset's name, a URI, a file (whose bytes are hashed, up to 1 GiB), a job or a run: sets
 * `subject` and `content`, of the second X `other` and `other_content`. NULL: nothing.
 * @return OL_OK; OL_INVALID: too long. */
OL_NODISCARD ol_status question_add_x(struct question *q, const char *x, struct ol_error *err);
/** Put it. @p ret_status is as HTTP has it: 200; 404: nothing by that name, @p answer says what was
 * tried; others: the agent's error document. An X with a version at its end that finds nothing is
 * tried again by the name before it. @return OL_OK, or why nobody could be asked: cli_fail(). */
OL_NODISCARD ol_status question_ask(struct place *place, const struct question *q, int *ret_status,
                                    struct ol__buf *answer, struct ol_error *err);

struct json_node;
/** Writes the document of an answer for people. @return OL_OK, or OL_INVALID: it is not what was
 * expected. */
typedef ol_status question_render(struct pretty *p, const struct json_node *root,
                                  struct ol_error *err);
/** The answer on standard output: as it came with @p is_json or no @p render, else for people. What
 * went wrong is said; @p nothing is what a 404 without a message means, whose document is printed
 * with @p is_json. @return what the verb exits with. */
int question_print(const char *verb, int status, struct ol__buf *answer, bool is_json,
                   question_render *render, const char *nothing);
/** All of it: ask at this user's place, print, release @p q. @return what the verb exits with. */
int question_run(struct question *q, bool is_json, question_render *render, const char *nothing);
#endif
