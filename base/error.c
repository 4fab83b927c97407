/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A message always ends with its NUL and, when it is cut short, is cut between two characters.
 *  2. errno is as it was; nothing is allocated; the locale is not looked at for the text of an
 * errno. */
#include "ol_base.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_retryable(ol_status status)
{
    return status == OL_NOMEM || status == OL_FULL || status == OL_BUSY || status == OL_AGAIN;
}

/* Promise 1: take a character that was cut in its middle off the end of @p text. */
static void trim_to_characters(char *text, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (size - (start - 1) < need)
        text[start - 1] = '\0';
}

OL_PRINTF(2, 0)
static void fill_message(struct ol_error *err, const char *format, va_list args)
{
    int size = vsnprintf(err->message, sizeof err->message, format, args);
    if (size < 0)
        err->message[0] = '\0';
    else if ((size_t)size >= sizeof err->message)
        trim_to_characters(err->message, sizeof err->message - 1);
}

ol_status(ol__error_set)(struct ol_error *err, ol_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    int saved = errno;
    va_list args;
    va_start(args, format);
    fill_message(err, format, args);
    va_end(args);
    err->status = status;
    err->sys_errno = 0;
    err->is_retryable = is_retryable(status);
    errno = saved;
    return status;
}

static ol_status status_of_errno(int sys_errno, bool *ret_is_retryable)
{
    ol_status status = OL_IO;
    switch (sys_errno) {
    case ENOENT:
        status = OL_NOT_FOUND;
        break;
    case EACCES:
    case EPERM:
        status = OL_DENIED;
        break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        status = OL_FULL;
        break;
    case ENOMEM:
        status = OL_NOMEM;
        break;
    case EWOULDBLOCK:
        status = OL_BUSY;
        break;
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EINVAL:
    case EBADF:
    case ENXIO:
    case ENODEV:
        *ret_is_retryable = false;
        return OL_IO;
    default:
        *ret_is_retryable = true;
        return OL_IO;
    }
    *ret_is_retryable = is_retryable(status);
    return status;
}

ol_status(ol__error_set_errno)(struct ol_error *err, int sys_errno, const char *format, ...)
{
    bool can_retry = false;
    ol_status status = status_of_errno(sys_errno, &can_retry);
    if (err == NULL)
        return status;
    int saved = errno;
    va_list args;
    va_start(args, format);
    fill_message(err, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    const char *reason = strerrordesc_np(sys_errno);
    int more =
        reason != NULL
            ? snprintf(err->message + used, sizeof err->message - used, ": %s", reason)
            : snprintf(err->message + used, sizeof err->message - used, ": errno %d", sys_errno);
    if (more > 0 && used + (size_t)more >= sizeof err->message)
        trim_to_characters(err->message, sizeof err->message - 1);
    err->status = status;
    err->sys_errno = sys_errno;
    err->is_retryable = can_retry;
    errno = saved;
    return status;
}

ol_status ol__error_prefix(struct ol_error *err, ol_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    int saved = errno;
    char rest[sizeof err->message];
    memcpy(rest, err->message, sizeof rest);
    rest[sizeof rest - 1] = '\0';
    va_list args;
    va_start(args, format);
    fill_message(err, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    int more = snprintf(err->message + used, sizeof err->message - used, ": %s", rest);
    if (more > 0 && used + (size_t)more >= sizeof err->message)
        trim_to_characters(err->message, sizeof err->message - 1);
    errno = saved;
    return err->status;
}

const char *ol__status_name(ol_status status)
{
    switch ((int)status) {
    case OL_OK:
        return "OL_OK";
    case OL_PARTIAL:
        return "OL_PARTIAL";
    case OL_DISABLED:
        return "OL_DISABLED";
    case OL_INVALID:
        return "OL_INVALID";
    case OL_NOMEM:
        return "OL_NOMEM";
    case OL_FULL:
        return "OL_FULL";
    case OL_TOO_LARGE:
        return "OL_TOO_LARGE";
    case OL_IO:
        return "OL_IO";
    case OL_CONFIG:
        return "OL_CONFIG";
    case OL_END:
        return "OL_END";
    case OL_TORN:
        return "OL_TORN";
    case OL_AGAIN:
        return "OL_AGAIN";
    case OL_GAP:
        return "OL_GAP";
    case OL_CORRUPT:
        return "OL_CORRUPT";
    case OL_NOT_FOUND:
        return "OL_NOT_FOUND";
    case OL_BUSY:
        return "OL_BUSY";
    case OL_VERSION_NEWER:
        return "OL_VERSION_NEWER";
    case OL_DENIED:
        return "OL_DENIED";
    default:
        return "OL_?";
    }
}

const char *ol_status_name(ol_status status)
{
    bool is_public = (int)status >= OL_CONFIG && (int)status <= OL_DISABLED;
    return is_public ? ol__status_name(status) : "OL_?";
}

ol_status ol__status_public(ol_status status)
{
    switch ((int)status) {
    case OL_END:
        return OL_OK;
    case OL_GAP:
        return OL_PARTIAL;
    case OL_AGAIN:
        return OL_FULL;
    case OL_TORN:
    case OL_CORRUPT:
    case OL_NOT_FOUND:
    case OL_BUSY:
    case OL_VERSION_NEWER:
    case OL_DENIED:
        return OL_IO;
    default:
        return status;
    }
}

#ifdef OL_CRASHPOINTS
void ol__crashpoint(const char *name)
{
    static _Atomic long passages; /* of the one point that LINEAGED_CRASH names */
    const char *wanted = getenv("LINEAGED_CRASH");
    if (wanted == NULL)
        return;
    size_t size = strlen(name);
    if (strncmp(wanted, name, size) != 0 || (wanted[size] != '\0' && wanted[size] != ':'))
        return;
    long at = wanted[size] == ':' ? strtol(wanted + size + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&passages, 1) + 1 != at)
        return;
    OL_IGNORE(kill(getpid(), SIGKILL), "a process may always kill itself");
    for (;;)
        pause(); /* SIGKILL is under way to this very process */
}
#endif

void *ol__grow(void *items, size_t *cap, size_t item_size)
{
    size_t count = OL_MAX(*cap * 2, (size_t)16);
    void *more = count <= SIZE_MAX / item_size ? realloc(items, count * item_size) : NULL;
    if (more != NULL)
        *cap = count;
    return more;
}
