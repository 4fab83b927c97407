/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that a sender's name keeps its number for ever: over restarts, over a line that a crash
 * tore, and while the file cannot be written. */
#include "senders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/test_senders.XXXXXX";
static char path[64];

static struct senders *reopen(struct senders *s)
{
    struct ol_error err = {0};
    senders_close(s);
    if (senders_open(directory, &s, &err) != OL_OK)
        fail_msg("%s", err.message);
    return s;
}

static void check_name(uint32_t uid, const char *expected)
{
    char name[SENDERS_NAME_MAX + 1];
    assert_int_equal(senders_name(directory, uid, name, NULL), OL_OK);
    assert_string_equal(name, expected);
}

static void numbers_stay(void **state OL_UNUSED)
{
    struct senders *s = reopen(NULL);
    assert_int_equal(access(path, F_OK), -1); /* nothing is made before it is needed */
    assert_true(senders_uid(s, "key ci", NULL) == SPOOL_UID_SENDERS);
    assert_true(senders_uid(s, "key c", NULL) == SPOOL_UID_SENDERS + 1);
    assert_true(senders_uid(s, "key ci", NULL) == SPOOL_UID_SENDERS);
    s = reopen(s);
    assert_true(senders_uid(s, "certificate etl-7", NULL) == SPOOL_UID_SENDERS + 2);
    assert_true(senders_uid(s, "key c", NULL) == SPOOL_UID_SENDERS + 1);
    check_name(SPOOL_UID_SENDERS, "key ci");
    check_name(SPOOL_UID_SENDERS + 2, "certificate etl-7");
    char name[SENDERS_NAME_MAX + 1];
    assert_int_equal(senders_name(directory, SPOOL_UID_SENDERS + 3, name, NULL), OL_NOT_FOUND);
    assert_int_equal(senders_name(directory, SPOOL_UID_UNKNOWN, name, NULL), OL_NOT_FOUND);
    assert_int_equal(senders_name(directory, 1000, name, NULL), OL_NOT_FOUND);
    senders_close(s);
}

static void a_torn_line_is_nobodys(void **state OL_UNUSED)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "key a\nkey to", 12), 12);
    assert_int_equal(close(fd), 0);
    struct senders *s = reopen(NULL);
    assert_true(senders_uid(s, "key torn", NULL) == SPOOL_UID_SENDERS + 1);
    s = reopen(s);
    assert_true(senders_uid(s, "key a", NULL) == SPOOL_UID_SENDERS);
    check_name(SPOOL_UID_SENDERS + 1, "key torn");
    senders_close(s);
}

static void what_has_no_room(void **state OL_UNUSED)
{
    char name[SENDERS_NAME_MAX + 2];
    struct ol_error err = {0};
    struct senders *s = reopen(NULL);
    memset(name, 'x', sizeof name);
    name[SENDERS_NAME_MAX + 1] = '\0';
    assert_true(senders_uid(s, name, &err) == SPOOL_UID_UNKNOWN);
    assert_true(senders_uid(s, "", &err) == SPOOL_UID_UNKNOWN);
    assert_true(senders_uid(s, "a\nb", &err) == SPOOL_UID_UNKNOWN);
    name[SENDERS_NAME_MAX] = '\0';
    assert_true(senders_uid(s, name, &err) == SPOOL_UID_SENDERS);
    assert_int_equal(unlink(path), 0); /* a directory in its place: it cannot be written */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(senders_uid(s, "key new", &err) == SPOOL_UID_UNKNOWN);
    assert_true(senders_uid(s, name, &err) == SPOOL_UID_SENDERS);
    assert_int_equal(rmdir(path), 0);
    senders_close(s);
}

static int set_up(void **state OL_UNUSED)
{
    unlink(path);
    return 0;
}

static int make_directory(void **state OL_UNUSED)
{
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/senders", directory);
    return 0;
}

static int remove_directory(void **state OL_UNUSED)
{
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_stay, set_up),
        cmocka_unit_test_setup(a_torn_line_is_nobodys, set_up),
        cmocka_unit_test_setup(what_has_no_room, set_up),
    };
    return cmocka_run_group_tests_name("senders", tests, make_directory, remove_directory);
}
