/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_STATUS_H
#define OPENLINEAGE_STATUS_H
/** @file
 * How every call of this library says what became of it. Include <openlineage/openlineage.h>; this
 * header is part of it. Threads: plain data, no rules.
 */
#include <stdbool.h>

#if defined(__GNUC__)
/** Exported from the shared library. */
#define OL_API __attribute__((visibility("default")))
/** The result must be looked at. */
#define OL_NODISCARD __attribute__((warn_unused_result))
#else
#define OL_API
#define OL_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Below zero: it failed, nothing was handed over. Zero and above: it was done, or it was left
 * undone for a reason that is no error; a caller may want to know which. */
typedef enum ol_status {
    OL_OK = 0,      /**< Handed over; how durably is the client's `durability`. */
    OL_PARTIAL = 1, /**< Handed over without the parts that were refused; err names the first. */
    OL_DISABLED =
        2, /**< Configuration says to emit nothing, a filter matched, or the client is NULL. */
    OL_INVALID = -1, /**< An argument is wrong; err names the field. Fix the caller. */
    OL_NOMEM = -2,   /**< Out of memory. Retry or drop. */
    OL_FULL =
        -3, /**< Disk, quota, file-size limit or the journal's ceiling. Retry later or drop. */
    OL_TOO_LARGE = -4, /**< Above a size limit, which err names. */
    OL_IO = -5,        /**< File or network failed; err holds errno and says if retrying helps. */
    OL_CONFIG = -6 /**< A configuration file or variable is wrong; err has file, line and key. */
} ol_status;

/** Filled on any result but OL_OK where the caller passes one; NULL is always accepted in its
 * place. Caller-owned; its layout is frozen. */
struct ol_error {
    ol_status status;  /**< As the call answered. */
    int sys_errno;     /**< errno of the system call that failed; 0 when none was involved. */
    bool is_retryable; /**< The same call may succeed later, unchanged. */
    char message[244]; /**< What was tried on which object; UTF-8, NUL-terminated, maybe cut short.
                        */
};

/** The name of @p status, e.g. "OL_FULL"; static text, "OL_?" if unknown. Since 0.1. */
OL_API const char *ol_status_name(ol_status status);

#ifdef __cplusplus
}
#endif
#endif
