/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: parameters of questions are set by name and refused with what was expected, each question
 * is found by its name. */
#include "store_fixture.h"

static void parameters(void **state OL_UNUSED)
{
    static const struct {
        const char *key, *value;
        ol_status status;
        const char *text;
    } cases[] = {
        {"subject", "a", OL_OK, NULL},
        {"subject", "", OL_OK, NULL},
        {"request", "1", OL_OK, NULL},
        {"depth", "1", OL_OK, NULL},
        {"depth", "10000", OL_OK, NULL},
        {"depth", "10001", OL_INVALID, "depth: expected a number from 1 to 10000"},
        {"depth", "0", OL_INVALID, "depth: expected"},
        {"depth", "-1", OL_INVALID, "depth: expected"},
        {"depth", " 1", OL_INVALID, "depth: expected"},
        {"depth", "1x", OL_INVALID, "depth: expected"},
        {"limit", "", OL_INVALID, "limit: expected a number from 1 to 1000000"},
        {"limit", "99999999999999999999", OL_INVALID, "limit: expected"},
        {"uid", "0", OL_NOT_FOUND, "no question has a parameter 'uid'"}, /* never from outside */
        {"", "0", OL_NOT_FOUND, "no question has"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct store_question question = {.uid = 7};
        struct ol_error err = {.message = ""};
        assert_int_equal(store_question_set(&question, cases[i].key, cases[i].value, &err),
                         cases[i].status);
        if (cases[i].text != NULL)
            assert_non_null(strstr(err.message, cases[i].text));
        assert_int_equal(question.uid, 7);
    }
    struct store_question question = {.uid = 7};
    struct ol_error err;
    assert_int_equal(store_question_set(&question, "other", "b", &err), OL_OK);
    assert_int_equal(store_question_set(&question, "limit", "12", &err), OL_OK);
    assert_int_equal(store_question_set(&question, "request", "", &err), OL_OK);
    assert_string_equal(question.other, "b");
    assert_int_equal(question.limit, 12);
    assert_true(question.is_request);
}

static void keys_are_sorted(void **state OL_UNUSED)
{
    size_t count = 1;
    for (; store_question_key(count) != NULL; count++)
        assert_true(strcmp(store_question_key(count - 1), store_question_key(count)) < 0);
    assert_true(count > 5);
}

static void verbs_by_name(void **state OL_UNUSED)
{
    size_t count = 0;
    for (const struct store_verb *verb; (verb = store_verb_at(count)) != NULL; count++) {
        assert_ptr_equal(store_verb(verb->name), verb); /* so no name stands there twice */
        assert_non_null(verb->ask);
        assert_true(strncmp(verb->type, "application/", 12) == 0);
    }
    assert_true(count > 5);
    assert_null(store_verb("nothing"));
    assert_null(store_verb(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(keys_are_sorted),
        cmocka_unit_test(verbs_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
