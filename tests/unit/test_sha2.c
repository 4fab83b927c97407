/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: SHA-256 and HMAC-SHA-256 give the published values (FIPS 180-4's examples; RFC 4231) and
 * what OpenSSL gives, for every length around the block's, however the message is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sha2.h"
#include "sha2_blocks.h"

static void hash_text(const void *data, size_t size, size_t cut, char out[OL_SHA2_TEXT + 1])
{
    struct ol__sha2 s;
    uint8_t digest[OL_SHA2_SIZE];
    ol__sha2_init(&s);
    ol__sha2_add(&s, data, cut);
    ol__sha2_add(&s, (const char *)data + cut, size - cut);
    ol__sha2_finish(&s, digest);
    ol__sha2_text(digest, out);
}

static void published_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                 {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
                  "klmnopqrlmno"
                  "pqrsmnopqrstnopqrstu",
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
            char text[OL_SHA2_TEXT + 1];
            hash_text(cases[i].text, strlen(cases[i].text), cut, text);
            assert_string_equal(text, cases[i].hex);
        }
    static char as[1000000];
    char text[OL_SHA2_TEXT + 1];
    memset(as, 'a', sizeof as);
    hash_text(as, sizeof as, 12345, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void published_macs(void **state)
{
    (void)state;
    static char bs[20], aas[131];
    memset(bs, 0x0b, sizeof bs);
    memset(aas, 0xaa, sizeof aas);
    const struct {
        const char *key;
        size_t key_size;
        const char *text;
        const char *hex;
    } cases[] = {
        {bs, 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 4, "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {aas, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__hmac m, copy;
        uint8_t digest[OL_SHA2_SIZE];
        char text[OL_SHA2_TEXT + 1];
        ol__hmac_init(&m, cases[i].key, cases[i].key_size);
        copy = m; /* goes on by itself */
        ol__hmac_add(&m, cases[i].text, 3);
        ol__hmac_add(&m, cases[i].text + 3, strlen(cases[i].text) - 3);
        ol__hmac_finish(&m, digest);
        ol__sha2_text(digest, text);
        assert_string_equal(text, cases[i].hex);
        ol__hmac_add(&copy, cases[i].text, strlen(cases[i].text));
        ol__hmac_finish(&copy, digest);
        ol__sha2_text(digest, text);
        assert_string_equal(text, cases[i].hex);
    }
}

static void as_openssl(void **state)
{
    (void)state;
    static uint8_t data[1100];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 131 + (i >> 3));
    for (size_t size = 0; size < 300; size++)
        for (size_t cut = 0; cut <= size; cut += 1 + size / 7) {
            uint8_t ours[OL_SHA2_SIZE], theirs[OL_SHA2_SIZE];
            unsigned length = 0;
            struct ol__sha2 s;
            struct ol__hmac m;
            ol__sha2_init(&s);
            ol__sha2_add(&s, data + 1, cut); /* not aligned */
            ol__sha2_add(&s, data + 1 + cut, size - cut);
            ol__sha2_finish(&s, ours);
            assert_int_equal(EVP_Digest(data + 1, size, theirs, &length, EVP_sha256(), NULL), 1);
            assert_memory_equal(ours, theirs, sizeof ours);
            ol__hmac_init(&m, data, size); /* keys of every size too */
            ol__hmac_add(&m, data + 1, cut);
            ol__hmac_add(&m, data + 1 + cut, size - cut);
            ol__hmac_finish(&m, ours);
            assert_non_null(HMAC(EVP_sha256(), data, (int)size, data + 1, size, theirs, &length));
            assert_memory_equal(ours, theirs, sizeof ours);
        }
}

/* The processor's instructions, where it has any, do what the portable code does. */
static void both_ways(void **state)
{
    (void)state;
    static uint8_t data[64 * 33 + 1];
    uint32_t a[8], b[8];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i * 7 + i);
    for (size_t count = 0; count <= 33; count++) {
        for (uint32_t i = 0; i < 8; i++)
            a[i] = b[i] = i * 0x9e3779b9U + (uint32_t)count;
        ol__sha2_blocks_portable(a, data + 1, count);
        if (!ol__sha2_blocks_native(b, data + 1, count)) {
            print_message("this processor has no instructions for SHA-256\n");
            skip();
        }
        assert_memory_equal(a, b, sizeof a);
    }
}

/* What the portable code alone makes of a message, so that it is judged on every machine. */
static void portable_alone(void **state)
{
    (void)state;
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static const uint32_t want[8] = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                     0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad};
    uint8_t block[64] = {'a', 'b', 'c', 0x80, [63] = 24};
    uint32_t h[8];
    memcpy(h, start, sizeof h);
    ol__sha2_blocks_portable(h, block, 1);
    assert_memory_equal(h, want, sizeof h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values), cmocka_unit_test(published_macs),
        cmocka_unit_test(as_openssl),       cmocka_unit_test(both_ways),
        cmocka_unit_test(portable_alone),
    };
    return cmocka_run_group_tests_name("sha2", tests, NULL, NULL);
}
