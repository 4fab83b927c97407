/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REDACT_H
#define REDACT_H
/** @file
 * The one place that says what must not be shown (spec/RECEIPT.md, R12): text in, text without
 * secrets out. The agent's built-in patterns (agent/rules/builtin.c), what stands behind a name
 * that says it is secret, and the expressions that the user gave. Whatever an expression cannot
 * finish within its limits is taken out whole. An expression is compiled when a text first has the
 * bytes without which it cannot match: nothing is paid before. Threads: any (one lock).
 */
#include "buf.h"

/** What is put in the place of a secret. */
#define REDACTED "[redacted]"
#define REDACT_OWN_MAX 100 /**< expressions of the user */

/** Also take out what @p expression (PCRE2; \K keeps what stands before it) matches, from now on.
 *  @return OL_OK; OL_INVALID: err says what is wrong at which byte; OL_TOO_LARGE; OL_NOMEM. */
OL_NODISCARD ol_status redact_add(const char *expression, struct ol_error *err);
/** Whether what is called so (option, variable, parameter) is kept from others. */
bool redact_is_secret_name(const char *name);
/** A short text: a word of a command line, a message, the value of a parameter. What comes out is
 * UTF-8. Failures stick in @p out. */
void redact_text(struct ol__span text, struct ol__buf *out);
/** A document: as redact_text(), but what stands behind a secret name is taken out only where it is
 * quoted or the line begins with the name, so that programs stay readable.
 *  @return whether anything was taken out. */
bool redact_content(struct ol__span text, struct ol__buf *out);
/** @p value, all of it if @p name is secret. */
void redact_value(const char *name, const char *value, struct ol__buf *out);
/** One argument of a command line. *is_value: the option before it said that it is a secret; set
 * for the next one. */
void redact_argument(const char *argument, bool *is_value, struct ol__buf *out);
/** Whether @p text is text: UTF-8 without NULs. Only that can be redacted. */
bool redact_is_text(struct ol__span text);
#endif
