/* SPDX-License-Identifier: Apache-2.0 */
#include "fail_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

/* Names that the linker's --wrap gives. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static _Atomic unsigned long calls;
static _Atomic unsigned long first, last; /* those that fail; 0: none */
static _Atomic bool has_failed;

static bool must_fail(void)
{
    unsigned long n = atomic_fetch_add(&calls, 1) + 1;
    unsigned long from = atomic_load(&first);
    if (from == 0 || n < from || n > atomic_load(&last))
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

static void arm(unsigned long from, unsigned long to)
{
    atomic_store(&first, 0);
    atomic_store(&has_failed, false);
    atomic_store(&calls, 0);
    atomic_store(&last, to);
    atomic_store(&first, from);
}

void fail_alloc_at(unsigned long nth)
{
    arm(nth, nth);
}

void fail_alloc_from(unsigned long nth)
{
    arm(nth, (unsigned long)-1);
}

bool fail_alloc_stop(void)
{
    bool failed = atomic_load(&has_failed);
    arm(0, 0);
    return failed;
}

unsigned long fail_alloc_count(void)
{
    return atomic_load(&calls);
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return must_fail() ? NULL : __real_strndup(text, size);
}
