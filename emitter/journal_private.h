/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_JOURNAL_PRIVATE_H
#define OL_JOURNAL_PRIVATE_H
/** @file What journal.c, journal_birth.c and journal_limits.c share. Nobody else includes it. */
#include "fork_lock.h"
#include "journal.h"

#define OL_JOURNAL_NAME 63 /**< 20 digits, dash, UUID, ".jsonl", NUL */

struct ol__journal_file {
    int fd;             /**< -1: none */
    bool is_born;       /**< it has its name; before, it is nobody's business */
    bool needs_newline; /**< J6: a torn piece stands at the end */
    dev_t device;       /**< with inode: to know our file from a host's that took over the number */
    ino_t inode;
    uint64_t offset; /**< where the next line begins: the file's size as far as we made it */
    uint64_t events; /**< event lines in it */
    struct ol__uuid id;
    char name[OL_JOURNAL_NAME + 1];
};

struct ol__journal {
    struct ol__transport transport; /* first */
    const struct ol__fs *fs;
    const struct ol__journal_limits *limits;
    char *directory; /**< owned */
    bool is_durable, infer_abort, must_exist;

    struct ol__fork_lock lock; /* guards what follows */
    int dirfd;
    dev_t dir_device;
    ino_t dir_inode;
    mode_t mode; /**< J1 */
    struct ol__journal_file file;
    struct ol__journal_file old; /**< only while rotating */
    struct ol__uuid chain;
    unsigned part;         /**< of file within chain; 0: no chain yet */
    int64_t last_name_ns;  /**< names of one process never go back (J4) */
    uint64_t rotate_at;    /**< smaller of rotate_bytes and hard_limit */
    uint64_t hard_limit;   /**< no byte may stand at or beyond this offset (J13) */
    uint64_t unchecked;    /**< bytes written since the last look at the filesystem */
    bool is_low;           /**< J14 said full */
    int64_t low_since_ms;  /**< monotonic, of that look */
    int64_t last_write_ms; /**< monotonic */
};

/* journal_birth.c */
void ol__journal_file_none(struct ol__journal_file *file);
/** J1-J4: make `j->file` a born, empty journal with its header, for a line of @p need bytes. On
 * failure j->file is none and nothing is left in the directory. */
OL_NODISCARD ol_status ol__journal_birth(struct ol__journal *j, bool is_rotation, size_t need,
                                         struct ol_error *err);
/** Open the directory again, if it was replaced or its descriptor taken by the host. */
OL_NODISCARD ol_status ol__journal_open_directory(struct ol__journal *j, struct ol_error *err);

/* journal_limits.c */
/** J13: read RLIMIT_FSIZE again. */
void ol__journal_read_limit(struct ol__journal *j);
/** J14: @p fd is on the journal's filesystem. @return OL_OK, OL_FULL. */
OL_NODISCARD ol_status ol__journal_check_space(struct ol__journal *j, int fd, struct ol_error *err);
/** J15. @return OL_OK, OL_FULL, OL_IO. */
OL_NODISCARD ol_status ol__journal_check_ceiling(struct ol__journal *j, bool is_rotation,
                                                 struct ol_error *err);

#endif
