/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_TREE_H
#define OL_CONFIG_TREE_H
/** @file
 * What was configured, as it was written: maps, lists and texts, each with the place that said it
 * (a line of openlineage.yml, or a variable). Which keys there are is config_keys.h's business.
 * Threads: set-up only; a finished tree is constant.
 */
#include "ol_base.h"

#define OL_CONF_VALUE_MAX 65536 /**< bytes of one text or variable */
#define OL_CONF_NODE_MAX 10000  /**< of a tree */
#define OL_CONF_DEPTH_MAX 16

enum ol__conf_type { OL_CONF_NULL, OL_CONF_TEXT, OL_CONF_MAP, OL_CONF_LIST };

struct ol__conf {
    enum ol__conf_type type;
    char *key;               /**< owned; as written, of a variable in lower case; NULL: in a list */
    char *text;              /**< owned; TEXT, or what was written as JSON and is none */
    char *place;             /**< owned: "/etc/ol.yml:7", "OPENLINEAGE_URL"; NULL: the root */
    struct ol__conf *parent; /**< NULL: the root */
    struct ol__conf *first, *next; /**< owned; members in the order they were told */
    size_t node_count;             /**< of the whole tree, in the root */
};

/** Add a value at the end of map or list @p parent; key (NULL in a list), text and place are
 * copied. @return OL_OK; OL_TOO_LARGE: too many or too deep; OL_NOMEM. */
OL_NODISCARD ol_status ol__conf_add(struct ol__conf *parent, const char *key,
                                    enum ol__conf_type type, const char *text, const char *place,
                                    struct ol__conf **ret);
/** Free what is below @p root and forget it; the struct itself is the caller's. */
void ol__conf_release(struct ol__conf *root);

/** Whether two keys are one: letter case, '_' and '-' do not count, since the Python and the Java
 * client spell alike otherwise, and variables have no case. */
bool ol__conf_key_equal(const char *a, const char *b);
/** The member of a map, NULL and null values left out. */
struct ol__conf *ol__conf_member(const struct ol__conf *map, const char *key);
/** Walk dotted @p path from @p map. */
struct ol__conf *ol__conf_find(const struct ol__conf *map, const char *path);

/** The dotted path from the root, e.g. "transport.transports.first.url", elements as [0]. */
void ol__conf_path(const struct ol__conf *node, char *out, size_t size);
/** "PLACE: PATH" for messages; of a variable that says it in its name, the variable alone. */
void ol__conf_source(const struct ol__conf *node, char *out, size_t size);
#define OL_CONF_SOURCE_MAX 200

/** Put one OPENLINEAGE__A__B variable where it belongs: JSON objects and arrays become maps and
 * lists. Call in descending order of names: a shorter one replaces what longer ones said. JSON that
 * is broken is taken as text, and @p err says why (status OL_OK otherwise).
 *  @return OL_OK, OL_TOO_LARGE, OL_NOMEM. */
OL_NODISCARD ol_status ol__conf_set_variable(struct ol__conf *root, const char *variable,
                                             const char *value, struct ol_error *err);
/** Move from @p other what @p root does not say; maps are merged member by member. */
void ol__conf_merge(struct ol__conf *root, struct ol__conf *other);
#endif
