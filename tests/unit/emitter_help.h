/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EMITTER_HELP_H
#define EMITTER_HELP_H
/** @file What the emitter's tests share: a directory of their own, and journals read back as lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>

struct help_file {
    char *name;   /**< owned */
    char **lines; /**< owned, each without its newline; lines[0] is the header */
    size_t count;
    bool is_torn; /**< bytes stand behind the last newline; they are the last of lines */
};
struct help_journals {
    struct help_file *files; /**< owned, in order of name */
    size_t count;
    size_t others; /**< entries whose name is no journal's */
};

/** A fresh directory, owned; end with help_remove(). */
char *help_directory(void);
/** Remove a directory with all in it, and free its name. */
void help_remove(char *directory);
struct help_journals help_read(const char *directory);
void help_release(struct help_journals *journals);
/** All event lines of all journals, in order; owned, ended by NULL (lines borrowed from @p
 * journals). */
const char **help_events(const struct help_journals *journals, size_t *ret_count);
/** Value of a member in a line of our own making: text without quotes, or a number; static buffer.
 */
const char *help_member(const char *line, const char *key);
/** Whether the line is a control line. */
bool help_is_control(const char *line);
/** Forget every variable that the library reads, and let HOME and XDG_STATE_HOME be @p home. */
void help_clean_environment(const char *home);
#endif
