/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_BASE_H
#define OL_BASE_H
/** @file
 * The vocabulary every room shares: outcomes beyond the public ones, errors, small helpers.
 * Internal outcomes never leave a public function. Threads: all functions may be called anywhere.
 */
#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <openlineage/status.h>

/* Outcomes every caller must expect: from 100 up. */
#define OL_END ((ol_status)100)   /**< Nothing more, for now or for ever. */
#define OL_TORN ((ol_status)101)  /**< Cut short by a crash; what came before is whole. */
#define OL_AGAIN ((ol_status)102) /**< Not now; nothing changed; ask again. */
#define OL_GAP ((ol_status)103)   /**< Something was skipped; the outputs say what. */
/* Failures: from -100 down. */
#define OL_CORRUPT ((ol_status)-100)       /**< Bytes that cannot be trusted. */
#define OL_NOT_FOUND ((ol_status)-101)     /**< No such thing. */
#define OL_BUSY ((ol_status)-102)          /**< Someone else holds it; err says who, if known. */
#define OL_VERSION_NEWER ((ol_status)-103) /**< Written by a newer version; err says which. */
#define OL_DENIED ((ol_status)-104)        /**< Not allowed for this caller. */

#define OL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define OL_UNUSED __attribute__((unused))
#define OL_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/** The smaller and the larger of two; each is evaluated once. Inside functions only. */
#define OL_MIN(a, b) OL__PICK(<, a, b, __COUNTER__)
#define OL_MAX(a, b) OL__PICK(>, a, b, __COUNTER__)
#define OL__PICK(op, a, b, n) OL__PICK_OF(op, a, b, n)
#ifndef __cppcheck__
#define OL__PICK_OF(op, a, b, n)                                                                   \
    (__extension__({                                                                               \
        __typeof__(1 ? (a) : (b)) ol__x##n = (a), ol__y##n = (b);                                  \
        ol__x##n op ol__y##n ? ol__x##n : ol__y##n;                                                \
    }))
#else /* it does not read such expressions */
#define OL__PICK_OF(op, a, b, n) ((a)op(b) ? (a) : (b))
#endif

/** Ignore a result on purpose; @p why is for the reader. */
#define OL_IGNORE(call, why)                                                                       \
    do {                                                                                           \
        if (call) {                                                                                \
        }                                                                                          \
    } while (0)

/** Fill @p err (NULL is accepted) and return @p status, so `return ol__error_set(...)` reads well.
 *  Retryable: NOMEM, FULL, BUSY, AGAIN are; the others are not. */
ol_status ol__error_set(struct ol_error *err, ol_status status, const char *format, ...)
    OL_PRINTF(3, 4);

/** As ol__error_set(), with the outcome that @p sys_errno means, and its text after the message.
 *  ENOENT is OL_NOT_FOUND; EACCES, EPERM OL_DENIED; ENOSPC, EDQUOT, EFBIG OL_FULL; ENOMEM OL_NOMEM;
 *  EWOULDBLOCK OL_BUSY; all others OL_IO, retryable unless the object itself is wrong (EROFS,
 * ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG, EINVAL, EBADF, ENXIO, ENODEV). */
ol_status ol__error_set_errno(struct ol_error *err, int sys_errno, const char *format, ...)
    OL_PRINTF(3, 4);

/** Put "@p format: " before the message in @p err. Returns err->status (or @p status if NULL). */
ol_status ol__error_prefix(struct ol_error *err, ol_status status, const char *format, ...)
    OL_PRINTF(3, 4);

#ifdef __clang_analyzer__ /* It sees one file at a time: tell it that these never return OL_OK. */
#define ol__error_set(err, status, ...) ((ol__error_set)(err, status, __VA_ARGS__), (status))
#define ol__error_set_errno(...) ((ol__error_set_errno)(__VA_ARGS__), OL_IO)
#endif

/** As ol_status_name(), for internal outcomes too. */
const char *ol__status_name(ol_status status);

/** Map an internal outcome to a public one (END, TORN... never leave the library). */
ol_status ol__status_public(ol_status status);

/** What a hexadecimal digit of either case stands for; -1: it is none. */
static inline int ol__hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
static inline uint16_t ol__get_le16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t ol__get_le32(const void *p)
{
    const uint8_t *b = p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t ol__get_le64(const void *p)
{
    const uint8_t *b = p;
    return (uint64_t)ol__get_le32(b) | (uint64_t)ol__get_le32(b + 4) << 32;
}
static inline void ol__put_le16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}
static inline void ol__put_le32(void *p, uint32_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}
static inline void ol__put_le64(void *p, uint64_t v)
{
    ol__put_le32(p, (uint32_t)v);
    ol__put_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

/** A borrowed piece of text or bytes; data may be NULL when size is 0. Not NUL-terminated. */
struct ol__span {
    const char *data;
    size_t size;
};
#define OL_SPAN_LIT(text) ((struct ol__span){.data = (text), .size = sizeof(text) - 1})
static inline bool ol__span_equal(struct ol__span a, struct ol__span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline struct ol__span ol__span_text(const char *text)
{
    return (struct ol__span){.data = text, .size = text != NULL ? strlen(text) : 0};
}

/** An array with room for more elements, at least twice as many as @p cap, which is set to their
 * number: in place of realloc() where one more does not fit. NULL: out of memory, and @p items and
 * @p cap are what they were. What bounds the array is the caller's to check. */
void *ol__grow(void *items, size_t *cap, size_t item_size);

/* Named crash points (test builds, OL_CRASHPOINTS): OL_CRASHPOINT("spool.synced") kills the process
 * with SIGKILL when LINEAGED_CRASH=NAME[:N] names it, at its N-th passage. Nothing in other builds.
 */
#ifdef OL_CRASHPOINTS
void ol__crashpoint(const char *name);
#define OL_CRASHPOINT(name) ol__crashpoint(name)
#else
#define OL_CRASHPOINT(name) ((void)0)
#endif
#endif
