/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TOKENS_H
#define BENCH_TOKENS_H
/** @file
 * An event as tokens that are already there, which bare yajl_gen writes: what serialising alone
 * costs. Everything here dies on failure. Threads: one.
 */
#include <stddef.h>
#include <yajl/yajl_gen.h>

struct token; /* opaque */
struct tokens {
    struct token *items; /**< owned */
    size_t count, max;
};

/** Add the tokens of a JSON text to @p ret, which is zeroed before the first. */
void tokens_read(const char *text, size_t size, struct tokens *ret);
void tokens_generate(yajl_gen gen, const struct tokens *tokens);
/** Forget what was generated; the buffer stays. */
void tokens_forget(yajl_gen gen);
/** Die unless @p gen makes @p line, byte by byte. */
void tokens_check(yajl_gen gen, const struct tokens *tokens, const char *line, size_t size);
void tokens_release(struct tokens *tokens);
#endif
