/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: one process writes a store at a time, questions go on meanwhile, nobody has it while it
 * is replaced, and a lock ends with its process; what another program wrote all the same is
 * believed instead of what the writer remembers. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include "db.h"
#include "store_lock.h"

#define EVENT(number, name)                                                                        \
    "{'eventTime':'2026-11-21T09:00:0" number                                                      \
    "Z','producer':'p:x','eventType':'COMPLETE','run':{'runId':"                                   \
    "'01941f29-7c00-7837-a31d-00000000000" number                                                  \
    "'},'job':{'namespace':'jobs','name':'j'},'outputs':[{'namespace':'n','name':'" name "'}]}"

/* A process that holds the store so, until it is killed. */
static pid_t hold_elsewhere(enum store_hold hold)
{
    int ready[2];
    char said = '-';
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = -1;
        ol_status status = store_lock(fixture_path, hold, 0, &fd, NULL);
        OL_IGNORE(write(ready[1], status == OL_OK && fd >= 0 ? "y" : "n", 1) < 0, "the test says");
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void add(struct store *store, const char *event)
{
    struct ol_error err = {0};
    if (store_begin(store, &err) != OL_OK ||
        fixture_add(store, event, 1000, false, &err) != OL_OK ||
        store_commit(store, &spool_a, 1, &err) != OL_OK)
        fail_msg("%s", err.message);
}

static void test_who_may(void **state)
{
    (void)state;
    static const struct {
        enum store_hold held;
        ol_status write, read, replace;
    } cases[] = {{STORE_HOLD_READ, OL_OK, OL_OK, OL_BUSY},
                 {STORE_HOLD_WRITE, OL_BUSY, OL_OK, OL_BUSY},
                 {STORE_HOLD_REPLACE, OL_BUSY, OL_BUSY, OL_BUSY}};
    store_close(fixture_open(STORE_WRITE));
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct store *store = NULL;
        struct ol_error err = {0};
        int fd = -1;
        pid_t pid = hold_elsewhere(cases[i].held);
        assert_int_equal(store_open(fixture_path, STORE_WRITE, &store, &err), cases[i].write);
        if (store == NULL)
            assert_non_null(strstr(err.message, fixture_path));
        store_close(store);
        store = NULL;
        assert_int_equal(store_open(fixture_path, STORE_READ, &store, &err), cases[i].read);
        store_close(store);
        assert_int_equal(store_lock(fixture_path, STORE_HOLD_REPLACE, 0, &fd, &err),
                         cases[i].replace);
        end(pid); /* its lock with it */
        store_close(fixture_open(STORE_WRITE));
        assert_int_equal(store_lock(fixture_path, STORE_HOLD_REPLACE, 0, &fd, &err), OL_OK);
        assert_int_equal(store_open_held(fixture_path, STORE_WRITE, &store, &err), OL_OK);
        store_close(store);
        close(fd);
    }
}

/* The dataset "a" that the writer remembers is another's row by now. */
static void test_changed_behind(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    sqlite3 *other = fixture_database();
    add(store, EVENT("1", "a"));
    assert_int_equal(
        sqlite3_exec(other, "UPDATE datasets SET name = 'z' WHERE name = 'a'", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(other);
    add(store, EVENT("2", "a"));
    add(store, EVENT("3", "a"));
    store_close(store);
    fixture_expect("SELECT d.name, count(*) FROM io JOIN datasets d ON d.id = io.dataset "
                   "GROUP BY 1 ORDER BY 1",
                   "a|2\nz|1");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_who_may),
        WITH_FIXTURE(test_changed_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
