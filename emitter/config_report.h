/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_REPORT_H
#define OL_CONFIG_REPORT_H
/** @file
 * What a client would be told in this environment, for `lineage config`, and the manual page. Only
 * the command line links it: no client calls it. Threads: one.
 */
#include "buf.h"

enum ol__report_form { OL_REPORT_TEXT, OL_REPORT_JSON };

/** Write each setting, its value and who said so (file and line, a variable, or the default), with
 * secrets masked, and what the log would be told. @p path as in struct ol_client_options.
 *  @return OL_OK; OL_CONFIG: err says what is wrong (in JSON it is in @p out as well); OL_NOMEM. */
OL_NODISCARD ol_status ol__config_report(const char *path, enum ol__report_form form,
                                         struct ol__buf *out, struct ol_error *err);
/** openlineage.yml(5), from the table. @return out->status. */
ol_status ol__config_manual(struct ol__buf *out);
#endif
