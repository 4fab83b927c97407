/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: SHA-256 gives the published values, however the message is cut; files are hashed from
 * start to end whatever their position, and up to the limit. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "hash.h"

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char none[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void published_values(void **state)
{
    (void)state;
    struct ol__sha256 *hash = NULL;
    assert_int_equal(ol__sha256_new(&hash, NULL), OL_OK);
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {{"abc", abc},
                 {"", none},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
            uint8_t digest[OL_SHA256_SIZE];
            char text[OL_SHA256_TEXT + 1];
            assert_int_equal(ol__sha256_text(ol__span_text(cases[i].text), text, NULL), OL_OK);
            assert_string_equal(text, cases[i].hex);
            ol__sha256_reset(hash);
            ol__sha256_add(hash, "dropped by the reset", 20);
            ol__sha256_reset(hash);
            ol__sha256_add(hash, cases[i].text, cut);
            ol__sha256_add(hash, cases[i].text + cut, strlen(cases[i].text) - cut);
            ol__sha256_finish(hash, digest);
            ol__hex(digest, sizeof digest, text);
            assert_string_equal(text, cases[i].hex);
        }
    ol__sha256_free(hash);
    ol__sha256_free(NULL);
}

static void files_are_hashed_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/ol-hash-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    char text[OL_SHA256_TEXT + 1];
    uint64_t size = 9;
    struct ol_error err;
    assert_int_equal(ol__sha256_file(fd, 0, text, &size, &err), OL_OK);
    assert_string_equal(text, none);
    assert_int_equal(size, 0);
    static char as[1000000];
    memset(as, 'a', sizeof as);
    assert_int_equal(write(fd, as, sizeof as), sizeof as);
    assert_int_equal(ol__sha256_file(fd, 1000000, text, &size, &err), OL_OK);
    assert_string_equal(text, million);
    assert_int_equal(size, 1000000);
    size = 9;
    strcpy(text, "untouched");
    assert_int_equal(ol__sha256_file(fd, 999999, text, &size, &err), OL_TOO_LARGE);
    assert_int_equal(size, 9);
    assert_string_equal(text, "untouched");
    for (unsigned long n = 1;;
         n++) { /* ours; OpenSSL's own allocations are not reached from here */
        fail_alloc_at(n);
        ol_status status = ol__sha256_file(fd, 0, text, NULL, &err);
        bool failed = fail_alloc_stop();
        assert_int_equal(status, failed ? OL_NOMEM : OL_OK);
        if (!failed)
            break;
    }
    close(fd);
    assert_int_equal(ol__sha256_file(fd, 0, text, &size, &err), OL_IO);
    assert_int_equal(err.status, OL_IO);
    assert_true(err.sys_errno != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(files_are_hashed_whole),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
