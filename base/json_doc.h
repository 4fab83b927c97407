/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_DOC_H
#define JSON_DOC_H
/** @file JSON as a tree of values, in memory. Threads: one at a time per document. */
#include "arena.h"
#include "json_read.h"

struct json_node {
    enum ol__json_type type;
    const char *key;  /**< of a member; NULL */
    const char *text; /**< STRING, NUMBER: NUL-terminated (a NUL inside a string becomes U+FFFD) */
    bool boolean;
    size_t count;            /**< children */
    struct json_node *first; /**< first child */
    struct json_node *next;  /**< next sibling */
};
struct json_doc {
    struct ol__arena arena;
    struct json_node *root;
};

/** @return OL_OK: end it with json_doc_release(); OL_INVALID; OL_NOMEM. */
OL_NODISCARD ol_status json_doc_read(struct json_doc *doc, struct ol__span json,
                                     struct ol_error *err);
void json_doc_release(struct json_doc *doc);
/** The member, or NULL; @p node may be NULL or no object. */
const struct json_node *json_get(const struct json_node *node, const char *key);
/** Text of a string or number member, else NULL. */
const char *json_get_text(const struct json_node *node, const char *key);
/** A whole number member, else @p fallback. */
int64_t json_get_int(const struct json_node *node, const char *key, int64_t fallback);
bool json_get_bool(const struct json_node *node, const char *key);
/** The first child of a member that is an array or object, else NULL. */
const struct json_node *json_get_items(const struct json_node *node, const char *key);
#endif
