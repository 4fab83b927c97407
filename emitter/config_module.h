/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_MODULE_H
#define OL_CONFIG_MODULE_H
/** @file
 * Reading openlineage.yml takes a YAML parser, which few programs need: it sits in a module,
 * libopenlineage-yaml.so, that is loaded when there is such a file. Threads: set-up only.
 */
#include "config.h"

/** What the module calls for each scalar, with its dotted key; @p line counts from 1.
 *  @return OL_OK to go on; anything else ends reading and is returned. */
typedef ol_status ol__yaml_scalar(void *arg, const char *key, const char *value, unsigned line,
                                  struct ol_error *err);
/** The module's one symbol. @return OL_OK, OL_CONFIG (err: file, line, reason), OL_NOMEM. */
typedef ol_status ol__yaml_read_function(const char *path, ol__yaml_scalar *scalar, void *arg,
                                         struct ol_error *err);
#define OL_YAML_MODULE "libopenlineage-yaml.so.0"
#define OL_YAML_SYMBOL "ol__yaml_read"

/** Read @p path into @p config. Keys that this client does not know are said once through @p log:
 * the file is shared with other OpenLineage clients. @return OL_OK; OL_NOT_FOUND: no file, or no
 * module, err says which; OL_CONFIG; OL_NOMEM. */
OL_NODISCARD ol_status ol__config_module_read(struct ol__config *config, const char *path,
                                              const struct ol__log *log, struct ol_error *err);
#endif
