/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_DERIVE_H
#define OL_DERIVE_H
/** @file
 * Ids that are computed, so that two programs that know the same facts name the same run. Threads:
 * any. Blocks on nothing. The rules and who follows them: docs/naming.md, "Ids".
 */
#include "ids.h"

/** As openlineage-python's generate_static_uuid(): version 7, the time of @p instant, 74 bits of
 * SHA-1. @p instant is RFC 3339 with a zone, from 1685 to 2255 (past them Python's own arithmetic
 * is inexact); digits past the microsecond are dropped, as a Python datetime has none.
 * @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__derive_python(struct ol__span instant, struct ol__span data,
                                         struct ol__uuid *ret);
/** As openlineage-java's UUIDUtils.generateStaticUUID(): the same idea, other text of the time,
 * other bits; nanoseconds count. @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__derive_java(struct ol__span instant, struct ol__span data,
                                       struct ol__uuid *ret);

/** The run of one try of an Airflow task: Python's rule over
 * `NAMESPACE.DAG.TASK.TRY.MAP`. @p map_index -1: not mapped. @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__derive_airflow_task(const char *name_space, const char *dag_id,
                                               const char *task_id, int64_t try_number,
                                               int64_t map_index, const char *logical_date,
                                               struct ol__uuid *ret);
/** The run of an Airflow DAG run: Python's rule over `NAMESPACE.DAG.CLEAR`.
 * @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__derive_airflow_dag(const char *name_space, const char *dag_id,
                                              int64_t clear_number, const char *logical_date,
                                              struct ol__uuid *ret);

/** What a foreign id looks like; decides its UUID and where the text is kept. */
enum ol__foreign {
    OL_FOREIGN_UUID,       /**< a UUID in lower case: itself, nothing to keep */
    OL_FOREIGN_SPELT_UUID, /**< a UUID in upper case, in braces, behind urn:uuid: */
    OL_FOREIGN_HEX,        /**< 32 hexadecimal digits: those 128 bits */
    OL_FOREIGN_RECEIPT,    /**< UTC_32HEX, the run_id of a receipt: those 128 bits */
    OL_FOREIGN_TEXT        /**< anything else: version 5 of OL_FOREIGN_SPACE and `SYSTEM/TEXT` */
};
/** The name space of foreign texts: version 5 of the URL name space (RFC 9562, 6.6) and
 * https://github.com/lineaged/lineaged/ids */
extern const struct ol__uuid ol__foreign_space;
/** @p system: whose id it is, without '/'; may be empty; counts for OL_FOREIGN_TEXT only.
 * @return OL_OK; OL_INVALID: empty, longer than 4096 bytes, or a slash in @p system. */
OL_NODISCARD ol_status ol__derive_foreign(struct ol__span system, struct ol__span text,
                                          struct ol__uuid *ret, enum ol__foreign *ret_form);
#endif
