/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_DESCRIBE_H
#define RUN_DESCRIBE_H
/** @file From the options of `lineage run` to a run that is described. Threads: main. */
#include "run_options.h"
#include "step.h"

/** What the step's functions need. */
struct step_options run_step_options(const struct run_options *o, char *const *command);
/** A run of no step. @return NULL: err says why. Owned. */
struct ol_run *run_new(const struct run_options *o, struct ol_client *client, char *const *command,
                       struct ol_error *err);
/** Tell @p run, which may be NULL, all that is known before the command; what cannot be told is
 * said, unless quiet. @return whether all could be. */
bool run_describe(struct run_options *o, char *const *command, struct ol_run *run);
/** Tell @p run, which may be NULL, its command line: the job's facet `sourceCode`, in the language
 * "shell", without secrets (spec/RECEIPT.md, R12). */
void run_command_describe(char *const *command, struct ol_run *run);
/** The receipt's parts that are known before the command. Borrowed from @p o. */
void run_set_parts(struct run_options *o, struct step *step);
/** --dry-run: print what would be emitted and written. @return what to exit with. */
int run_dry(struct run_options *o, char *const *command);
#endif
