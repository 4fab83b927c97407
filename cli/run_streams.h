/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_STREAMS_H
#define RUN_STREAMS_H
/** @file
 * Standard streams of a wrapped command that are regular files, as the shell's redirections make
 * them: which file, and which bytes (`streams` of a receipt, spec/RECEIPT.md). Threads: main.
 */
#include "run_files.h"

struct run_stream {
    bool is_file;                /**< a regular file, open */
    char path[4096];             /**< "" it has no name any more */
    struct artifact_stamp stamp; /**< when it was looked at */
    int64_t offset;              /**< where the command begins to read or write */
    bool is_append;
};
/** Zero it. */
struct run_streams {
    struct run_stream items[3];
    struct ol__buf json; /**< owned */
};
/** Before the command: three fstat(2), and as many links read as there are files. */
void run_streams_look(struct run_streams *streams);
/** After it: hash what is input or output from its first byte to its last, unless @p files has. */
void run_streams_hash(struct run_streams *streams, const struct run_files *files);
/** The receipt's member; size 0: no stream is a file. Borrowed. */
struct ol__span run_streams_value(const struct run_streams *streams);
void run_streams_release(struct run_streams *streams);
#endif
