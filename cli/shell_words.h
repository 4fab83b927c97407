/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H
/** @file Words as a POSIX shell reads them (XCU 2.2). Threads: plain functions; failures stick in
 * the buffer. */
#include "buf.h"

/** @p text in single quotes, whatever is in it. */
void shell_quote(struct ol__buf *out, const char *text);
/** @p text as one word, in quotes only where it needs them. */
void shell_word(struct ol__buf *out, const char *text);
/** A command line that may be shown (spec/RECEIPT.md, R12): its words, without their secrets, with
 * blanks between them. */
void shell_shown_command(struct ol__buf *out, char *const *argv);
#endif
