/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. No text makes a match take long. PCRE2 counts steps anew for each place where a match may
 * begin, so one call tries SLICE of those places at most, each with STEPS_MAX steps, and the clock
 * is looked at between calls: the thread's own time, so that a busy machine uses up no budget.
 *  2. Its searches for a first character run to the end of what it is given, whatever the slice: so
 * a text is given in windows, and a match that reaches the end of a window that is not the end of
 * the text is a limit, not a match.
 *  3. Memory is bounded: HEAP_KIB for each match, JIT_STACK_MAX for machine code.
 *  4. Where machine code is refused (no memory may be both written and run), the interpreter does
 * the same. */
#include "expression.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include "times.h"

#define STEPS_MAX 20000u
#define DEPTH_MAX 2000u /* of nested backtracking; the interpreter only */
#define HEAP_KIB 1024u
#define JIT_STACK_MIN ((size_t)32 * 1024)
#define JIT_STACK_MAX ((size_t)512 * 1024)
#define SLICE 256u /* promise 1 */
#define SLICE_INTERPRETED 32u
#define WINDOW ((size_t)64 * 1024) /* places where a match may begin, promise 2 */
#define AHEAD ((size_t)16 * 1024)  /* what such a match may read on */
#define BEHIND ((size_t)512)       /* what it may look back at */

struct ol__expression {
    pcre2_code *code;
    uint32_t groups;
    bool is_whole, is_compiled;
};

struct ol__matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    int64_t budget_us;   /* INT64_MAX: none */
    int64_t begin_us;    /* of the thread's own time; -1: not looked at yet */
    int64_t deadline_us; /* monotonic: no look at the other clock, which costs more, before it */
    bool is_over;
};

ol_status ol__expression_new(const char *text, bool is_whole, struct ol__expression **ret,
                             struct ol_error *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (strlen(text) > OL_EXPRESSION_MAX)
        return ol__error_set(err, OL_INVALID, "longer than %d bytes", OL_EXPRESSION_MAX);
    struct ol__expression *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ol__error_set(err, OL_NOMEM, "expression: out of memory");
    if (is_whole)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    x->is_whole = is_whole;
    x->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (x->code == NULL) {
        char why[160] = "?";
        OL_IGNORE(pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why), "cut at worst");
        free(x);
        return code == PCRE2_ERROR_HEAP_FAILED
                   ? ol__error_set(err, OL_NOMEM, "expression: out of memory")
                   : ol__error_set(err, OL_INVALID, "no regular expression: %s at byte %zu", why,
                                   (size_t)at);
    }
    OL_IGNORE(pcre2_pattern_info(x->code, PCRE2_INFO_CAPTURECOUNT, &x->groups), "it has one");
    x->is_compiled = pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE) == 0; /* promise 4 */
    *ret = x;
    return OL_OK;
}

void ol__expression_free(struct ol__expression *x)
{
    if (x == NULL)
        return;
    pcre2_code_free(x->code);
    free(x);
}

bool ol__expression_is_compiled(const struct ol__expression *x)
{
    return x->is_compiled;
}

ol_status ol__matcher_new(struct ol__matcher **ret, struct ol_error *err)
{
    struct ol__matcher *m = calloc(1, sizeof *m);
    if (m != NULL) {
        m->context = pcre2_match_context_create(NULL);
        m->data = pcre2_match_data_create(OL_EXPRESSION_GROUPS, NULL);
    }
    if (m == NULL || m->context == NULL || m->data == NULL) {
        ol__matcher_free(m);
        return ol__error_set(err, OL_NOMEM, "matcher: out of memory");
    }
    m->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (m->stack != NULL) /* promise 3 */
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
    pcre2_set_match_limit(m->context, STEPS_MAX);
    pcre2_set_depth_limit(m->context, DEPTH_MAX);
    pcre2_set_heap_limit(m->context, HEAP_KIB);
    m->budget_us = INT64_MAX;
    *ret = m;
    return OL_OK;
}

void ol__matcher_free(struct ol__matcher *m)
{
    if (m == NULL)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

void ol__matcher_begin(struct ol__matcher *m, int64_t budget_us)
{
    m->budget_us = budget_us;
    m->begin_us = -1;
    m->is_over = budget_us <= 0;
}

static int64_t own_time_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        return ol__time_monotonic_us();
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool is_over(struct ol__matcher *m)
{
    if (m->is_over || m->budget_us == INT64_MAX)
        return m->is_over;
    int64_t now_us = ol__time_monotonic_us();
    if (m->begin_us < 0) {
        m->begin_us = own_time_us();
        m->deadline_us = now_us + m->budget_us;
    }
    if (now_us < m->deadline_us)
        return false;
    int64_t left_us = m->budget_us - (own_time_us() - m->begin_us);
    m->is_over = left_us <= 0;
    m->deadline_us = now_us + left_us;
    return m->is_over;
}

/* The beginning of the character that the byte at @p at belongs to, or of the next one. */
static size_t at_character(struct ol__span text, size_t at, int step)
{
    while (at > 0 && at < text.size && ((unsigned char)text.data[at] & 0xc0) == 0x80)
        at = step > 0 ? at + 1 : at - 1;
    return at;
}

static enum ol__found found(const struct ol__expression *x, const struct ol__matcher *m,
                            struct ol__span window, size_t from, size_t base, bool is_last,
                            struct ol__match *ret)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
    /* \K can put the beginning anywhere */
    if (at[0] < from || at[1] <= at[0] || (at[1] == window.size && !is_last))
        return OL_FOUND_LIMIT;
    for (uint32_t i = 0; i < OL_EXPRESSION_GROUPS; i++) {
        bool is_set = i <= x->groups && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];
        ret[i] = (struct ol__match){.begin = is_set ? base + at[2 * i] : SIZE_MAX,
                                    .end = is_set ? base + at[2 * i + 1] : SIZE_MAX};
    }
    return OL_FOUND;
}

/* One window: matches that begin in [from, until). */
static enum ol__found find_in(const struct ol__expression *x, struct ol__matcher *m,
                              struct ol__span window, size_t from, size_t until, size_t base,
                              bool is_last, struct ol__match *ret)
{
    size_t slice = x->is_compiled ? SLICE : SLICE_INTERPRETED;
    uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    if (base > 0)
        options |= PCRE2_NOTBOL;
    if (!is_last)
        options |= PCRE2_NOTEOL;
    while (from < until) {
        if (is_over(m))
            return OL_FOUND_LIMIT;
        size_t to = at_character(window, OL_MIN(until, from + slice), 1);
        pcre2_set_offset_limit(m->context, to - 1);
        int result = pcre2_match(x->code, (PCRE2_SPTR)window.data, window.size, from, options,
                                 m->data, m->context);
        if (result >= 0)
            return found(x, m, window, from, base, is_last, ret);
        if (result != PCRE2_ERROR_NOMATCH)
            return OL_FOUND_LIMIT;
        if (x->is_whole)
            return OL_FOUND_NOT;
        from = to;
    }
    return OL_FOUND_NOT;
}

enum ol__found ol__expression_find(const struct ol__expression *x, struct ol__matcher *m,
                                   struct ol__span text, size_t from, struct ol__match *ret)
{
    if (x->is_whole && text.size > WINDOW)
        return OL_FOUND_LIMIT;
    if (x->is_whole && (from > 0 || text.size == 0))
        return OL_FOUND_NOT;
    while (from < text.size) { /* promise 2 */
        size_t base = from > BEHIND ? at_character(text, from - BEHIND, -1) : 0;
        size_t until = at_character(text, OL_MIN(text.size, from + WINDOW), 1);
        size_t end = at_character(text, OL_MIN(text.size, until + AHEAD), 1);
        struct ol__span window = {.data = text.data + base, .size = end - base};
        enum ol__found result =
            find_in(x, m, window, from - base, until - base, base, end == text.size, ret);
        if (result != OL_FOUND_NOT)
            return result;
        from = until;
    }
    return OL_FOUND_NOT;
}
