/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COLLECT_RUN_H
#define COLLECT_RUN_H
/** @file
 * What `lineage run` finds around the command (docs/collectors.md), for its events and its receipt:
 * by files and environment before the command starts, by programs (git, nvidia-smi) beside it, each
 * within a time limit. Threads: main; the programs are waited for by a thread of its own.
 *
 *     collect_run_begin(&k, &options, run, parts);  // before START and the claim
 *     collect_run_programs(&k);                     // before the command
 *     ... the command ...
 *     collect_run_end(&k, run, parts);              // before the receipt and the last event
 *     collect_run_release(&k);                      // when they are written
 */
#include <pthread.h>
#include <stdatomic.h>
#include "collect.h"
#include "receipt/record.h"
#include "run_keep.h"

/* Beside enum ol_collect. */
#define COLLECT_DVC 0x100u   /**< dvc.lock and *.dvc */
#define COLLECT_PATCH 0x200u /**< asks git whether files differ, and how */
#define COLLECT_GPU 0x400u   /**< asks nvidia-smi */
#define COLLECT_DEFAULT (OL_COLLECT_ALL | COLLECT_DVC) /**< of a run with --step */

struct collect_options {
    unsigned what;
    const char *image; /**< REF@ALGORITHM:HEX that --image says; NULL: nothing */
};
struct collect_dvc_list {
    struct ol_dvc dvc;
    struct ol_dvc_data *items; /**< what dvc.data points at; the arena's */
};
struct collect_run {
    unsigned what;
    struct ol__collected c;
    struct collect_dvc_list dvc;
    unsigned ours; /**< facets that we set: those of others stay */
    struct ol__buf parts[RECEIPT_PARTS];
    pthread_t thread;
    bool has_thread;
    atomic_bool is_late; /**< the command has ended: what is not there soon is left out */
    /* written by the thread, read when it has ended */
    struct ol__buf status, patch, gpus;
    char patch_sha256[OL_SHA256_TEXT + 1];
    int64_t patch_size; /**< below 0: not known */
};

/** "git,machine": names of what to collect, or "none", "all". @return false: @p text has another
 * name; *ret is as it was. */
bool collect_run_parse(const char *text, unsigned *ret);
/** Collect by files; set facets of @p run (may be NULL) that it has not, and parts of the receipt,
 * which are borrowed until collect_run_release(). */
void collect_run_begin(struct collect_run *k, const struct collect_options *options,
                       struct ol_run *run, struct ol__span parts[RECEIPT_PARTS]);
void collect_run_programs(struct collect_run *k);
/** Wait for the programs, at most a second, and tell what they said. The patch is kept below @p
 * runs (NULL: it is not) and noted in @p keep. */
void collect_run_end(struct collect_run *k, struct ol_run *run,
                     struct ol__span parts[RECEIPT_PARTS], const char *runs, struct run_keep *keep);
void collect_run_release(struct collect_run *k);

/** Read dvc.lock and *.dvc of the DVC project that @p directory is in. Texts go into k's arena.
 * @return whether there is anything. */
bool collect_dvc(struct collect_run *k, const char *directory);
/** Data of one DVC file into @p ret (its items may be there before), from YAML @p text. For tests.
 * @return OL_OK; OL_INVALID: not what DVC writes; OL_NOMEM. */
ol_status collect_dvc_read(struct ol__collected *c, struct ol__span text,
                           struct collect_dvc_list *ret);

/** Run @p argv in @p directory (NULL: here) with standard output into @p take; nothing is read from
 * standard input, standard error is thrown away. It is killed after @p limit_ms, or a second after
 * *is_late, or when @p take says false. Signals and descriptors are as a fresh program's. @return
 * whether it exited with 0 in time and all was taken. */
bool collect_program(const char *const *argv, const char *directory, int limit_ms,
                     const atomic_bool *is_late, bool (*take)(void *, const char *, size_t),
                     void *arg);
/** "git status --porcelain=v2 --branch -z": what it says of @p code. Fields that it does not know
 * stay. */
void collect_git_status(struct ol__collected *c, struct ol__span text);
/** "nvidia-smi --query-gpu=pci.bus_id,name,uuid,driver_version,memory.total --format=csv,noheader,
 * nounits". */
void collect_gpu_list(struct ol__collected *c, struct ol__span text);
#endif
