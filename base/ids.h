/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_IDS_H
#define OL_IDS_H
/** @file
 * UUIDs (RFC 9562) and random bytes. Threads: any. Fork: a child never repeats a parent's ids (the
 * random pool sits on a page that fork wipes, MADV_WIPEONFORK; kernels without it: no pool).
 */
#include "ol_base.h"

#define OL_UUID_TEXT 36 /**< characters; 37 bytes with the NUL */

struct ol__uuid {
    uint8_t bytes[16];
};

/** Fill from the pool, which getrandom(2) fills. Never blocks once the system has booted; never
 * fails on Linux 3.17 and later (aborts nothing: falls back to clock and pid mixing if it does). */
void ol__random(void *out, size_t size);
struct ol__uuid ol__uuid_v4(void);
/** Name-based, SHA-1 (section 5.5). */
struct ol__uuid ol__uuid_v5(const struct ol__uuid *name_space, struct ol__span name);
/** Time-ordered (section 5.7): 48 bits of Unix ms, then 12 bits of a counter that starts at random
 * and never goes back while calls of this process ask for the same ms, then random. @p unix_ms
 * below 0: now; those ids grow with every call (a full counter borrows the next ms; a clock set
 * back by less than a second is waited out). */
struct ol__uuid ol__uuid_v7(int64_t unix_ms);
/** Lower-case text with NUL. */
void ol__uuid_format(const struct ol__uuid *uuid, char out[OL_UUID_TEXT + 1]);
/** Parse exactly 36 characters, either case. @return whether it is one. */
bool ol__uuid_parse(struct ol__span text, struct ol__uuid *ret);
/** Whether the text is a UUID in lower case, so that format(parse(text)) is text again. */
bool ol__uuid_is_canonical(struct ol__span text);
/** A number that is another one in each forked child (or grandchild) than in its parent: keep it
 * beside what must not be shared with a child, and compare. Costs a few loads. A vfork child may
 * only exec. */
uint64_t ol__fork_generation(void);
#endif
