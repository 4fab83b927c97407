/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_HELP_H
#define RUN_HELP_H
/** @file What `lineage run --help` prints. Threads: main. */
void run_help_print(void);
#endif
