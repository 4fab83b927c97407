/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_COLLECT_H
#define OL_COLLECT_H
/** @file
 * What surrounds a run, read from files and the environment alone: the code's working copy, the
 * machine, the container, what other tools call the run, seeds (docs/collectors.md). No program is
 * started. Files are foreign: only regular ones are read, and only their first bytes (the limits
 * below); what cannot be read is absent, and is no error. Threads: one at a time per object; the
 * environment must not change meanwhile.
 */
#include <openlineage/values.h>
#include <openlineage/collect.h>
#include <openlineage/facets.h>
#include "arena.h"
#include "buf.h"

#define OL_COLLECT_FILE_MAX (64u * 1024u)         /**< bytes read of a small file */
#define OL_COLLECT_REFS_MAX (16u * 1024u * 1024u) /**< of packed-refs */
#define OL_COLLECT_VALUE_MAX 1024                 /**< bytes of one text */
#define OL_COLLECT_TAGS_MAX 256                   /**< loose tags looked at */
#define OL_COLLECT_SUBMODULES_MAX 64
#define OL_COLLECT_GPUS_MAX 32
#define OL_COLLECT_TOOLS_MAX 4
#define OL_COLLECT_NAMED_MAX 16

/** All texts are owned by the arena. */
struct ol__collected {
    unsigned found;   /**< enum ol_collect: which of these were filled */
    const char *root; /**< in front of absolute paths of the system's files; "": the real ones */
    struct ol__arena arena;
    struct ol_code code;
    struct ol_machine machine;
    struct ol_container container;
    struct ol_tools tools;
    struct ol_reproducibility reproducibility;
    const char *git_directory; /**< where the repository is kept; NULL: there is none */
    struct ol_submodule submodules[OL_COLLECT_SUBMODULES_MAX];
    struct ol_gpu gpus[OL_COLLECT_GPUS_MAX];
    struct ol_tool tool_items[OL_COLLECT_TOOLS_MAX];
    struct ol_named_text seeds[OL_COLLECT_NAMED_MAX], determinism[OL_COLLECT_NAMED_MAX],
        versions[OL_COLLECT_NAMED_MAX];
};

/** @p root "" or the folder that stands for /, for tests. */
void ol__collected_init(struct ol__collected *c, const char *root);
void ol__collected_release(struct ol__collected *c);
/** Collect @p what (enum ol_collect). @p directory: where the code is looked for, and above it;
 * absolute. @return OL_OK; OL_NOMEM: what was found until then stands. */
ol_status ol__collect(struct ol__collected *c, unsigned what, const char *directory);
/** One @p part as a JSON object: a facet's members without `_producer` and `_schemaURL`; nothing if
 * it was not found. @return OL_OK, OL_NOMEM, OL_TOO_LARGE. */
ol_status ol__collected_write(const struct ol__collected *c, enum ol_collect part,
                              struct ol__buf *out);
struct ol__facet_place;
/** The same of the run facet @p key, which is the only one in @p place. */
ol_status ol__facet_write_plain(const struct ol__facet_place *place, const char *key,
                                struct ol__buf *out);

/* One by one: each adds its bit to `found` if there is something. */
ol_status ol__collect_code(struct ol__collected *c, const char *directory);
ol_status ol__collect_machine(struct ol__collected *c);
ol_status ol__collect_container(struct ol__collected *c);
ol_status ol__collect_tools(struct ol__collected *c);

/* What they share. */

/** The first @p max bytes of a regular file, NUL-terminated; "@root/path" if the path is absolute.
 * @return OL_OK; OL_NOT_FOUND, also for what is no regular file or cannot be read; OL_TOO_LARGE: it
 * goes on behind @p max (what was read is there); OL_NOMEM. */
ol_status ol__collect_read(struct ol__collected *c, const char *path, size_t max,
                           struct ol__span *ret);
/** Keep a text: NULL if it is empty, longer than OL_COLLECT_VALUE_MAX, no UTF-8, or has control
 * characters; or out of memory. */
const char *ol__collect_keep(struct ol__collected *c, struct ol__span text);
/** The same with an address: without user, password, query and fragment. */
const char *ol__collect_keep_url(struct ol__collected *c, struct ol__span url);
/** The same with a variable of the environment. */
const char *ol__collect_variable(struct ol__collected *c, const char *name);
/** Cut the first line off @p text. @return false: there is none. */
bool ol__collect_line(struct ol__span *text, struct ol__span *ret_line);
/** Without white space at both ends. */
struct ol__span ol__collect_trim(struct ol__span text);

/* What is read of git's files. */

/** A key of a git configuration: section and key in lower case, subsection as it is. Any may be
 * called with the same again. */
typedef void ol__git_key(void *arg, struct ol__span section, struct ol__span subsection,
                         struct ol__span key, struct ol__span value);
/** Read a git configuration; what is no configuration ends it. Sections, subsections with escapes,
 * values in quotes, comments, lines that go on. */
void ol__git_config_read(struct ol__span text, ol__git_key *take, void *arg);
/** Look through packed-refs: the hash of @p ref (may be empty), and a tag of @p commit (may be
 * empty), first of all. Outputs are empty where there is none. */
void ol__git_refs_find(struct ol__span text, struct ol__span ref, struct ol__span commit,
                       struct ol__span *ret_hash, struct ol__span *ret_tag);
/** Whether it is an object's name: 40 or 64 hexadecimal digits. */
bool ol__git_is_hash(struct ol__span text);
#endif
