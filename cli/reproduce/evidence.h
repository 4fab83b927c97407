/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_EVIDENCE_H
#define REPRODUCE_EVIDENCE_H
/** @file
 * What there is of a run beside what the store was told: its receipt, and bytes in objects/ and on
 * this machine. Threads: main. Blocks on the file system: what is compared is read.
 */
#include "receipt/folder.h"

/** Read the receipt of an attempt, by the ids that its events carried. @param runs  the runs
 * folder. @param ret_path  "RUN_ID/steps/.../receipt.json"; of RECEIPT_WHERE_SIZE. @return OL_OK:
 * end it with json_doc_release(); OL_NOT_FOUND: there is none here; as receipt_get_doc(). */
#define RECEIPT_WHERE_SIZE 512
OL_NODISCARD ol_status evidence_receipt(const char *runs, const char *run_id, const char *step,
                                        const char *attempt, struct json_doc *ret,
                                        char ret_path[RECEIPT_WHERE_SIZE], struct ol_error *err);
/** Whether objects/ has those bytes, whole. */
bool evidence_has_object(const char *runs, const char *sha256);
/** Whether objects/ has an artifact of a receipt: its bytes, or those of each of its members.
 * @return OL_OK: yes; OL_END: no; OL_NOMEM. */
OL_NODISCARD ol_status evidence_is_kept(const char *runs, const struct json_node *artifact);
#endif
