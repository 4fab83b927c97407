/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: errors carry status, errno, retryability and a message cut between characters; every
 * status has its name and its public stand-in; little-endian helpers agree; a crash point kills at
 * passage N. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ol_base.h"

static const struct {
    ol_status status;
    const char *name;
    ol_status public_status;
    bool is_retryable;
} statuses[] = {
    {OL_OK, "OL_OK", OL_OK, false},
    {OL_PARTIAL, "OL_PARTIAL", OL_PARTIAL, false},
    {OL_DISABLED, "OL_DISABLED", OL_DISABLED, false},
    {OL_INVALID, "OL_INVALID", OL_INVALID, false},
    {OL_NOMEM, "OL_NOMEM", OL_NOMEM, true},
    {OL_FULL, "OL_FULL", OL_FULL, true},
    {OL_TOO_LARGE, "OL_TOO_LARGE", OL_TOO_LARGE, false},
    {OL_IO, "OL_IO", OL_IO, false},
    {OL_CONFIG, "OL_CONFIG", OL_CONFIG, false},
    {OL_END, "OL_END", OL_OK, false},
    {OL_TORN, "OL_TORN", OL_IO, false},
    {OL_AGAIN, "OL_AGAIN", OL_FULL, true},
    {OL_GAP, "OL_GAP", OL_PARTIAL, false},
    {OL_CORRUPT, "OL_CORRUPT", OL_IO, false},
    {OL_NOT_FOUND, "OL_NOT_FOUND", OL_IO, false},
    {OL_BUSY, "OL_BUSY", OL_IO, true},
    {OL_VERSION_NEWER, "OL_VERSION_NEWER", OL_IO, false},
    {OL_DENIED, "OL_DENIED", OL_IO, false},
};

static void statuses_have_names_and_stand_ins(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(statuses); i++) {
        assert_string_equal(ol__status_name(statuses[i].status), statuses[i].name);
        assert_int_equal(ol__status_public(statuses[i].status), statuses[i].public_status);
        bool is_public = ol__status_public(statuses[i].status) == statuses[i].status;
        assert_string_equal(ol_status_name(statuses[i].status),
                            is_public ? statuses[i].name : "OL_?");
        struct ol_error err;
        assert_int_equal(ol__error_set(&err, statuses[i].status, "x"), statuses[i].status);
        assert_int_equal(err.is_retryable, statuses[i].is_retryable);
    }
    assert_string_equal(ol__status_name((ol_status)77), "OL_?");
    assert_string_equal(ol_status_name((ol_status)-7), "OL_?");
}

static void error_set_fills_all(void **state)
{
    (void)state;
    struct ol_error err;
    memset(&err, 0x55, sizeof err);
    errno = EIO;
    assert_int_equal(ol__error_set(&err, OL_INVALID, "field '%s': %d", "a", 3), OL_INVALID);
    assert_int_equal(errno, EIO);
    assert_int_equal(err.status, OL_INVALID);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.message, "field 'a': 3");
    assert_int_equal(ol__error_set(NULL, OL_FULL, "no one asks"), OL_FULL);
    assert_int_equal(ol__error_prefix(&err, OL_OK, "file '%s'", "f"), OL_INVALID);
    assert_string_equal(err.message, "file 'f': field 'a': 3");
    assert_int_equal(ol__error_prefix(NULL, OL_TORN, "x"), OL_TORN);
}

static void errno_means_a_status(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        ol_status status;
        bool is_retryable;
    } cases[] = {
        {ENOENT, OL_NOT_FOUND, false}, {EACCES, OL_DENIED, false},   {EPERM, OL_DENIED, false},
        {ENOSPC, OL_FULL, true},       {EDQUOT, OL_FULL, true},      {EFBIG, OL_FULL, true},
        {ENOMEM, OL_NOMEM, true},      {EWOULDBLOCK, OL_BUSY, true}, {EIO, OL_IO, true},
        {ECONNRESET, OL_IO, true},     {EROFS, OL_IO, false},        {ENOTDIR, OL_IO, false},
        {EISDIR, OL_IO, false},        {ELOOP, OL_IO, false},        {ENAMETOOLONG, OL_IO, false},
        {EINVAL, OL_IO, false},        {EBADF, OL_IO, false},        {ENXIO, OL_IO, false},
        {ENODEV, OL_IO, false},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol_error err;
        assert_int_equal(ol__error_set_errno(&err, cases[i].sys_errno, "open '%s'", "f"),
                         cases[i].status);
        assert_int_equal(err.status, cases[i].status);
        assert_int_equal(err.sys_errno, cases[i].sys_errno);
        assert_int_equal(err.is_retryable, cases[i].is_retryable);
        assert_memory_equal(err.message, "open 'f': ", 10);
        assert_true(strlen(err.message) > 12);
        assert_int_equal(ol__error_set_errno(NULL, cases[i].sys_errno, "x"), cases[i].status);
    }
    struct ol_error err;
    assert_int_equal(ol__error_set_errno(&err, 99999, "x"), OL_IO);
    assert_string_equal(err.message, "x: errno 99999");
}

/* A message of n ASCII letters and then 2, 3 and 4-byte characters, for every n around the end. */
static void messages_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const tails[] = {"\xc3\xa4\xc3\xa4", "\xe2\x82\xac\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80"};
    static const size_t widths[] = {2, 3, 4};
    char text[300];
    for (size_t t = 0; t < OL_COUNT(tails); t++)
        for (size_t n = 230; n < 250; n++) {
            memset(text, 'a', n);
            strcpy(text + n, tails[t]);
            struct ol_error err;
            OL_IGNORE(ol__error_set(&err, OL_INVALID, "%s", text), "the message matters here");
            size_t size = strlen(err.message);
            size_t room = sizeof err.message - 1;
            size_t expected = n >= room                   ? room
                              : n + 2 * widths[t] <= room ? n + 2 * widths[t]
                              : n + widths[t] <= room     ? n + widths[t]
                                                          : n;
            assert_int_equal(size, expected);
            assert_memory_equal(err.message, text, size);
        }
}

static void long_prefixes_and_reasons_are_cut_too(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'b', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct ol_error err;
    assert_int_equal(ol__error_set_errno(&err, EIO, "%s", text), OL_IO);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(ol__error_prefix(&err, OL_OK, "%s", text), OL_IO);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(ol__error_set_errno(&err, EIO, "%.236s", text), OL_IO);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void little_endian_round_trips(void **state)
{
    (void)state;
    uint8_t bytes[9] = {0};
    ol__put_le64(bytes + 1, UINT64_C(0x8899aabbccddeeff));
    assert_int_equal(bytes[1], 0xff);
    assert_int_equal(bytes[8], 0x88);
    assert_true(ol__get_le64(bytes + 1) == UINT64_C(0x8899aabbccddeeff));
    assert_int_equal(ol__get_le32(bytes + 1), 0xccddeeff);
    assert_int_equal(ol__get_le16(bytes + 1), 0xeeff);
    ol__put_le16(bytes, 0x1234);
    assert_int_equal(bytes[0], 0x34);
    ol__put_le32(bytes, 0xf1234567);
    assert_int_equal(ol__get_le32(bytes), 0xf1234567);
}

static void spans_compare(void **state)
{
    (void)state;
    assert_true(ol__span_equal(ol__span_text(NULL), OL_SPAN_LIT("")));
    assert_true(ol__span_equal(ol__span_text("ab"), OL_SPAN_LIT("ab")));
    assert_false(ol__span_equal(ol__span_text("ab"), OL_SPAN_LIT("ac")));
    assert_false(ol__span_equal(ol__span_text("ab"), OL_SPAN_LIT("abc")));
}

#ifdef OL_CRASHPOINTS
static void crash_point_kills_at_its_passage(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        int passages;
        bool dies;
    } cases[] = {{"here", 1, true},     {"here:1", 1, true},     {"here:3", 3, true},
                 {"here:3", 2, false},  {"elsewhere", 5, false}, {"her", 5, false},
                 {"here.not", 5, false}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            setenv("LINEAGED_CRASH", cases[i].wanted, 1);
            for (int n = 0; n < cases[i].passages; n++)
                OL_CRASHPOINT("here");
            _exit(7);
        }
        int result = 0;
        assert_int_equal(waitpid(pid, &result, 0), pid);
        if (cases[i].dies)
            assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
        else
            assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 7);
    }
}
#endif

static void arrays_grow(void **state)
{
    (void)state;
    uint64_t *items = NULL;
    size_t cap = 0, turns = 0;
    for (size_t count = 0; count < 1000; count++) {
        if (count == cap) {
            uint64_t *more = ol__grow(items, &cap, sizeof *more);
            assert_non_null(more);
            items = more;
            turns++;
        }
        items[count] = count;
    }
    assert_true(cap >= 1000 && turns <= 8);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    size_t before = cap;
    assert_null(ol__grow(items, &cap, SIZE_MAX / 2)); /* more than there can be */
    assert_int_equal(cap, before);
    assert_int_equal(items[999], 999);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_names_and_stand_ins),
        cmocka_unit_test(error_set_fills_all),
        cmocka_unit_test(errno_means_a_status),
        cmocka_unit_test(messages_are_cut_between_characters),
        cmocka_unit_test(long_prefixes_and_reasons_are_cut_too),
        cmocka_unit_test(little_endian_round_trips),
        cmocka_unit_test(spans_compare),
        cmocka_unit_test(arrays_grow),
#ifdef OL_CRASHPOINTS
        cmocka_unit_test(crash_point_kills_at_its_passage),
#endif
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
