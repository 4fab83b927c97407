/* SPDX-License-Identifier: Apache-2.0 */
/* Events that other projects recorded get the verdict of DESIGN 8. They are reference data that a
 * user's checkout has not: then this test skips, saying so. OL_REFERENCE names the folder; else it
 * is looked for as shared/openlineage beside the checkout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "event_read.h"
#include "files.h"

/* Events that the schema refuses; the door takes them all, with this warning. */
static const struct {
    const char *file;
    uint32_t warnings;
} invalid[] = {
    {"marquez_1.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_1_pick_apples.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_2.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_2_apple_filling.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_3_apple_cider.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_5_apple_vinegar.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_6_apple_pie.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_7_pick_different_apples.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_8_apple_filling.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_9_apple_pie.json", OL_WARN_NO_SCHEMA_URL},
    {"marquez_event_required_no_timezone.json", OL_WARN_TIME_NO_ZONE},
    {"marquez_event_without_schema_url.json", OL_WARN_NO_SCHEMA_URL},
    {"python_serde_example_dataset_event.json", OL_WARN_TIME_NO_ZONE},
    {"python_serde_example_job_event.json", OL_WARN_TIME_NO_ZONE},
    {"python_serde_example_run_event.json", OL_WARN_TIME_NO_ZONE},
};

static char folder[4096];

static bool find_reference(void)
{
    const char *named = getenv("OL_REFERENCE");
    if (named != NULL) {
        snprintf(folder, sizeof folder, "%s/events", named);
        return access(folder, R_OK) == 0;
    }
    char base[2048];
    snprintf(base, sizeof base, "%s", SOURCE_DIRECTORY);
    for (char *slash = strrchr(base, '/'); slash != NULL; slash = strrchr(base, '/')) {
        *slash = '\0';
        snprintf(folder, sizeof folder, "%s/shared/openlineage/events", base);
        if (access(folder, R_OK) == 0)
            return true;
    }
    return false;
}

typedef void on_event(struct ol__event_reader *r, const char *name, struct ol__span text);

static int each_event(const char *directory, on_event *check)
{
    char path[8192];
    int count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, directory);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    struct ol__event_reader *r = NULL;
    assert_int_equal(ol__event_reader_new(&r, NULL), OL_OK);
    struct ol__buf text;
    ol__buf_init(&text, 64u << 20);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        ol__buf_reset(&text);
        assert_int_equal(ol__fs_read_file(&ol__fs_real, dirfd(dir), entry->d_name, &text, NULL),
                         OL_OK);
        check(r, entry->d_name, (struct ol__span){text.data, text.size});
        count++;
    }
    ol__buf_release(&text);
    ol__event_reader_free(r);
    closedir(dir);
    return count;
}

static void check_valid(struct ol__event_reader *r, const char *name, struct ol__span text)
{
    const struct ol__event *e = NULL;
    struct ol_error err = {.message = ""};
    for (int depth = OL_EVENT_CORE; depth <= OL_EVENT_ALL; depth++)
        if (ol__event_read(r, text, (enum ol__event_depth)depth, NULL, -1, &e, &err) != OL_OK)
            fail_msg("%s: %s", name, err.message);
    if (e->warnings != 0)
        fail_msg("%s: warnings %x", name, e->warnings);
    const struct ol__event_limits strict = {.is_strict = true};
    if (ol__event_read(r, text, OL_EVENT_ALL, &strict, -1, &e, &err) != OL_OK)
        fail_msg("%s: strict: %s", name, err.message);
    uint8_t lane[16];
    assert_true(ol__event_lane(e, lane) >= OL_LANE_RUN_UUID);
}

static void valid_events_are_taken(void **state)
{
    (void)state;
    if (!find_reference()) {
        print_message("no reference data: shared/openlineage/events is not beside this checkout\n");
        skip();
    }
    assert_true(each_event("valid", check_valid) >= 40);
}

static size_t met;

static void check_invalid(struct ol__event_reader *r, const char *name, struct ol__span text)
{
    const struct ol__event *e = NULL;
    struct ol_error err = {.message = ""};
    ol_status st = ol__event_read(r, text, OL_EVENT_ALL, NULL, -1, &e, &err);
    for (size_t i = 0; i < OL_COUNT(invalid); i++) {
        if (strcmp(invalid[i].file, name) != 0)
            continue;
        met++;
        if (st != OL_OK)
            fail_msg("%s: %d %s", name, (int)st, err.message);
        else if (e->warnings != invalid[i].warnings)
            fail_msg("%s: warnings %x, not %x", name, e->warnings, invalid[i].warnings);
        const struct ol__event_limits strict = {.is_strict = true};
        assert_int_equal(ol__event_read(r, text, OL_EVENT_ALL, &strict, -1, &e, &err), OL_INVALID);
        return;
    }
    fail_msg("%s: not in the table: %d %s", name, (int)st, err.message);
}

static void invalid_events_get_their_verdict(void **state)
{
    (void)state;
    if (!find_reference()) {
        print_message("no reference data: shared/openlineage/events is not beside this checkout\n");
        skip();
    }
    each_event("invalid", check_invalid);
    assert_int_equal(met, OL_COUNT(invalid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_events_are_taken),
        cmocka_unit_test(invalid_events_get_their_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
