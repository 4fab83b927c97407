/* SPDX-License-Identifier: Apache-2.0 */
/* Matching is right across the seams of windows and slices, and bounded whatever the expression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "expression.h"
#include "times.h"

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static struct ol__expression *compile(const char *text, bool is_whole)
{
    struct ol__expression *x = NULL;
    struct ol_error err = {0};
    if (ol__expression_new(text, is_whole, &x, &err) != OL_OK)
        fail_msg("%s: %s", text, err.message);
    return x;
}

static void finds_the_first_match_and_its_groups(void **state)
{
    static const struct {
        const char *expression, *text;
        bool is_whole;
        enum ol__found found;
        size_t begin, end, group_begin;
    } rows[] = {
        {"b+", "aabbb", false, OL_FOUND, 2, 5, SIZE_MAX},
        {"(b)c|d", "aabbc", false, OL_FOUND, 3, 5, 3},
        {"x=\\Ky", "x=y", false, OL_FOUND, 2, 3, SIZE_MAX},
        {"b*", "aaa", false, OL_FOUND_NOT, 0, 0, 0}, /* nothing is no match */
        {"^a", "ba", false, OL_FOUND_NOT, 0, 0, 0},
        {"\xc3\xa9.", "caf\xc3\xa9\xe2\x82\xac", false, OL_FOUND, 3, 8, SIZE_MAX},
        {"a+", "aab", true, OL_FOUND_NOT, 0, 0, 0},
        {"a(.)b", "axb", true, OL_FOUND, 0, 3, 1},
        {"a", "", true, OL_FOUND_NOT, 0, 0, 0},
    };
    struct ol__matcher *m;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    (void)state;
    assert_int_equal(ol__matcher_new(&m, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__expression *x = compile(rows[i].expression, rows[i].is_whole);
        assert_int_equal(ol__expression_find(x, m, ol__span_text(rows[i].text), 0, match),
                         rows[i].found);
        if (rows[i].found == OL_FOUND) {
            assert_int_equal(match[0].begin, rows[i].begin);
            assert_int_equal(match[0].end, rows[i].end);
            assert_int_equal(match[1].begin, rows[i].group_begin);
        }
        ol__expression_free(x);
    }
    ol__matcher_free(m);
}

static void refuses_what_is_no_expression_with_its_place(void **state)
{
    static const char *const wrong[] = {"a(b", "a**b(?", "[z-a]", "\\C", "(?<n>a)(?<n>b)"};
    struct ol__expression *x = NULL;
    (void)state;
    for (size_t i = 0; i < OL_COUNT(wrong); i++) {
        struct ol_error err = {0};
        assert_int_equal(ol__expression_new(wrong[i], false, &x, &err), OL_INVALID);
        assert_non_null(strstr(err.message, " at byte "));
        assert_null(x);
    }
    char *longest = malloc(OL_EXPRESSION_MAX + 2);
    memset(longest, 'a', OL_EXPRESSION_MAX + 1);
    longest[OL_EXPRESSION_MAX + 1] = '\0';
    assert_int_equal(ol__expression_new(longest, false, &x, NULL), OL_INVALID);
    free(longest);
}

/* A match at every place of a long text is found, also of many bytes over the seams. */
static void finds_matches_over_all_seams(void **state)
{
    size_t size = 300000;
    char *text = malloc(size);
    struct ol__matcher *m;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    struct ol__expression *x = compile("(?<=\xc3\xa9)needle[0-9]{9}", false);
    (void)state;
    assert_int_equal(ol__matcher_new(&m, NULL), OL_OK);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* no slice may cut one in two */
    for (size_t at = 2; at + 16 < size; at += at < 1024 || at % 65536 > 65400 ? 2 : 997 * 2) {
        memcpy(text + at, "needle012345678\xc3\xa9", 16); /* 15 bytes: what follows is off by one */
        text[at + 15] = '.';
        assert_int_equal(ol__expression_find(x, m, (struct ol__span){text, size}, 0, match),
                         OL_FOUND);
        assert_int_equal(match[0].begin, at);
        assert_int_equal(match[0].end, at + 15);
        for (size_t i = at; i < at + 16; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
    }
    assert_int_equal(ol__expression_find(x, m, (struct ol__span){text, size}, 0, match),
                     OL_FOUND_NOT);
    ol__expression_free(x);
    ol__matcher_free(m);
    free(text);
}

/* One that reads on without end is a limit in a long text, not a match that is cut. */
static void a_match_that_reaches_a_seam_is_a_limit(void **state)
{
    size_t size = 200000;
    char *text = malloc(size);
    struct ol__matcher *m;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    struct ol__expression *x = compile("b[a-z]++", false);
    (void)state;
    assert_int_equal(ol__matcher_new(&m, NULL), OL_OK);
    memset(text, 'a', size);
    text[10] = 'b';
    assert_int_equal(ol__expression_find(x, m, (struct ol__span){text, size}, 0, match),
                     OL_FOUND_LIMIT);
    assert_int_equal(ol__expression_find(x, m, (struct ol__span){text, 5000}, 0, match), OL_FOUND);
    assert_int_equal(match[0].end, 5000);
    ol__expression_free(x);
    ol__matcher_free(m);
    free(text);
}

static void a_catastrophic_expression_ends_at_its_budget(void **state)
{
    static const char *const evil[] = {
        "(a+)+$", "(a|aa)+$",         "(.*a){20}b", "^(([a-z])+.)+[A-Z]$",
        "(a*)*b", "(?:a?){30}a{30}b", "((a+)*)*c"};
    size_t size = 100000;
    char *text = malloc(size);
    struct ol__matcher *m;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    (void)state;
    memset(text, 'a', size);
    text[size - 1] = '!';
    assert_int_equal(ol__matcher_new(&m, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(evil); i++) {
        struct ol__expression *x = compile(evil[i], false);
        for (size_t part = 100; part <= size; part *= 10) {
            struct ol__span tail = {text + size - part, part};
            int64_t begin = ol__time_monotonic_us();
            ol__matcher_begin(m, 50000);
            enum ol__found found = ol__expression_find(x, m, tail, 0, match);
            /* the budget, and one more slice at worst; wide, as the machine has others to serve */
            assert_in_range(ol__time_monotonic_us() - begin, 0, 5000000);
            assert_int_not_equal(found, OL_FOUND);
        }
        ol__expression_free(x);
    }
    ol__matcher_free(m);
    free(text);
}

static void past_the_budget_everything_is_a_limit(void **state)
{
    struct ol__matcher *m;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    struct ol__expression *x = compile("a", false);
    (void)state;
    assert_int_equal(ol__matcher_new(&m, NULL), OL_OK);
    ol__matcher_begin(m, 0);
    assert_int_equal(ol__expression_find(x, m, OL_SPAN_LIT("a"), 0, match), OL_FOUND_LIMIT);
    ol__matcher_begin(m, INT64_C(60) * 1000 * 1000);
    assert_int_equal(ol__expression_find(x, m, OL_SPAN_LIT("a"), 0, match), OL_FOUND);
    ol__expression_free(x);
    ol__matcher_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_first_match_and_its_groups),
        cmocka_unit_test(refuses_what_is_no_expression_with_its_place),
        cmocka_unit_test(finds_matches_over_all_seams),
        cmocka_unit_test(a_match_that_reaches_a_seam_is_a_limit),
        cmocka_unit_test(a_catastrophic_expression_ends_at_its_budget),
        cmocka_unit_test(past_the_budget_everything_is_a_limit),
    };
    /* In a child without machine code, as where no memory may be both written and run. */
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0) {
            puts("machine code cannot be refused here: the interpreter is not tried");
            exit(0);
        }
        struct ol__expression *x = compile("a", false);
        bool is_compiled = ol__expression_is_compiled(x);
        ol__expression_free(x);
        exit(is_compiled ? 99 : cmocka_run_group_tests(tests, NULL, NULL));
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "by the interpreter: status %d\n", status);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
