/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRET_H
#define SECRET_H
/** @file
 * A secret from a file that is read again when it changes, or from a setting, where ${NAME} stands
 * for the environment's. Its bytes are wiped before they are freed. Threads: one.
 */
#include "files.h"

struct secret {
    const char *name; /**< of the setting, for errors; borrowed */
    const char *path; /**< borrowed; NULL: it stands in the setting and never changes */
    struct ol__buf text;
    bool is_there; /**< it was read once: `text` is the last good one */
    /* the file as it was read */
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

/** @param value  the setting that holds it, @p path the file; both borrowed; at most one is given.
 *  @return OL_OK (a file that cannot be read is told by secret_read()), OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status secret_open(struct secret *s, const char *name, const char *value,
                                   const char *path, size_t max, struct ol_error *err);
/** Read the file if it changed. @p trims: white space at the end is not part of it. @return OL_OK:
 * `text` is new; OL_END: as before; else the file cannot be read, is empty or too large, and the
 * last good text stays. */
OL_NODISCARD ol_status secret_read(struct secret *s, bool trims, struct ol_error *err);
struct ol__span secret_span(const struct secret *s);
void secret_release(struct secret *s);

/** Wipe and free. */
void secret_wipe(struct ol__buf *buf);
/** Append @p text with each ${NAME} replaced. @return OL_OK; OL_CONFIG: no such variable, or no end
 * of the name; OL_NOMEM. The error names the variable, never a value. */
OL_NODISCARD ol_status secret_expand(const char *text, struct ol__buf *out, struct ol_error *err);
#endif
