/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/http_body.c: what is packed unpacks to the same bytes, and what answers to
 * batches say of each event, those of other servers than the spec's included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <zlib.h>
#include "http_body.h"
#include "json_reader_fixture.h"

static void packs_and_unpacks(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 512, 3000, 1000000};
    struct http_packer *packer = NULL;
    struct ol__buf out;
    assert_int_equal(packer_new(&packer, NULL), OL_OK);
    ol__buf_init(&out, 2000000);
    for (size_t round = 0; round < 2 * OL_COUNT(sizes); round++) { /* one state for all */
        size_t size = sizes[round % OL_COUNT(sizes)];
        char *in = malloc(size), *back = malloc(size + 10);
        assert_non_null(in);
        assert_non_null(back);
        for (size_t i = 0; i < size; i++)
            in[i] = (char)((i * i + round) >> (i % 7));
        assert_int_equal(packer_gzip(packer, (struct ol__span){in, size}, &out), OL_OK);
        z_stream z = {.next_in = (Bytef *)out.data,
                      .avail_in = (uInt)out.size,
                      .next_out = (Bytef *)back,
                      .avail_out = (uInt)size + 10};
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, size);
        assert_memory_equal(back, in, size);
        inflateEnd(&z);
        free(in);
        free(back);
    }
    ol__buf_truncate(&out, 0);
    out.max = 10;
    ol__buf_release(&out);
    char text[1000] = {0};
    assert_int_equal(packer_gzip(packer, (struct ol__span){text, sizeof text}, &out), OL_TOO_LARGE);
    ol__buf_release(&out);
    packer_free(packer);
}

static void answers_to_batches(void **state)
{
    static const struct {
        const char *body;
        ol_status status;
        const char *verdicts; /* of three events: . taken, r again, x refused */
        const char *reason;   /* of the first that failed */
    } rows[] = {
        {"", OL_OK, "...", NULL},
        {"\n", OL_OK, "...", NULL},
        {"OK", OL_OK, "...", NULL},
        {"[]", OL_OK, "...", NULL},
        {"{}", OL_OK, "...", NULL},
        {"{\"status\":\"success\",\"summary\":{\"received\":3,\"successful\":3,\"failed\":0}}",
         OL_OK, "...", NULL},
        {"{\"status\":\"partial_success\",\"summary\":{\"failed\":2},\"failed_events\":[{\"index\":"
         "0,"
         "\"reason\":\"why\",\"retriable\":false},{\"index\":2,\"retriable\":true}]}",
         OL_OK, "x.r", "why"},
        {" {\"failed_events\":[{\"retriable\":false,\"index\":1,\"other\":{\"index\":0}}]}", OL_OK,
         ".x.", ""},
        {"{\"status\":\"PARTIAL\",\"failed_events\":[{\"index\":1}]}", OL_OK, ".r.", ""},
        {"{\"status\":\"FAILURE\",\"failed_events\":[{\"index\":0,\"retriable\":false},{\"index\":"
         "1,"
         "\"retriable\":false},{\"index\":2,\"retriable\":false}]}",
         OL_OK, "xxx", ""},
        {"{\"status\":\"failure\"}", OL_INVALID, "...", NULL},
        {"{\"summary\":{\"failed\":1}}", OL_INVALID, "...", NULL},
        {"{\"summary\":{\"failed\":2},\"failed_events\":[{\"index\":1}]}", OL_INVALID, "...", NULL},
        {"{\"failed_events\":[{\"index\":3}]}", OL_INVALID, "...", NULL},
        {"{\"failed_events\":[{\"index\":-1}]}", OL_INVALID, "...", NULL},
        {"{\"failed_events\":[{\"reason\":\"x\"}]}", OL_INVALID, "...", NULL},
        {"{\"failed_events\":[1]}", OL_INVALID, "...", NULL},
        {"{\"failed_events\":[{\"index\":1", OL_INVALID, "...", NULL},
        {"{\"index\":1,\"reason\":\"x\"}", OL_OK, "...", NULL},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct batch_verdict got[3];
        memset(got, 0xff, sizeof got);
        ol_status status = batch_read(*state, ol__span_text(rows[i].body), got, 3);
        const char *reason = NULL;
        char said[4] = "...";
        for (size_t n = 0; n < 3; n++) {
            if (got[n].is_failed)
                said[n] = got[n].is_retriable ? 'r' : 'x';
            if (got[n].is_failed && reason == NULL)
                reason = got[n].reason;
        }
        if (status != rows[i].status || strcmp(said, rows[i].verdicts) != 0 ||
            (reason == NULL) != (rows[i].reason == NULL) ||
            (reason != NULL && strcmp(reason, rows[i].reason) != 0))
            fail_msg("'%s': %d %s %s", rows[i].body, (int)status, said, reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_and_unpacks),
        cmocka_unit_test(answers_to_batches),
    };
    return cmocka_run_group_tests(tests, json_reader_set_up, json_reader_tear_down);
}
