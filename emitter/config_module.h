/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_MODULE_H
#define OL_CONFIG_MODULE_H
/** @file
 * Reading openlineage.yml takes a YAML parser, which few programs need: it sits in a module,
 * libopenlineage-yaml.so, that is loaded when there is such a file. Threads: set-up only.
 */
#include "config_tree.h"

enum ol__yaml_kind {
    OL_YAML_KEY, /**< its value follows */
    OL_YAML_TEXT,
    OL_YAML_NULL,
    OL_YAML_MAP, /**< begins */
    OL_YAML_LIST,
    OL_YAML_END /**< of the innermost map or list */
};

/** What the module calls for each piece; @p line counts from 1. The outermost map is not told.
 *  @return OL_OK to go on; anything else ends reading and is returned. */
typedef ol_status ol__yaml_piece(void *arg, enum ol__yaml_kind kind, const char *text,
                                 unsigned line, struct ol_error *err);
/** The module's one symbol. @return OL_OK, OL_CONFIG (err: file, line, reason), OL_NOMEM. */
typedef ol_status ol__yaml_read_function(const char *path, ol__yaml_piece *piece, void *arg,
                                         struct ol_error *err);
#define OL_YAML_MODULE "libopenlineage-yaml.so.0"
#define OL_YAML_SYMBOL "ol__yaml_read"

/** Read @p path into the empty map @p root. @return OL_OK; OL_NOT_FOUND: no file, or no module, err
 * says which; OL_CONFIG; OL_NOMEM. */
OL_NODISCARD ol_status ol__config_module_read(struct ol__conf *root, const char *path,
                                              struct ol_error *err);
#endif
