/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: UUIDs have their version bits, v5 gives the published values, v7 grows; a forked child
 * never repeats its parent's random bytes (also from a threaded parent) and sees another fork
 * generation. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "ids.h"
#include "times.h"

static struct ol__uuid parsed(const char *text)
{
    struct ol__uuid uuid;
    assert_true(ol__uuid_parse(ol__span_text(text), &uuid));
    return uuid;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ol__uuid));
}

static void assert_all_differ(struct ol__uuid *ids, size_t count)
{
    qsort(ids, count, sizeof *ids, compare);
    for (size_t i = 1; i < count; i++)
        assert_memory_not_equal(&ids[i - 1], &ids[i], sizeof *ids);
}

static void text_round_trips(void **state)
{
    (void)state;
    static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
    struct ol__uuid uuid = parsed(text);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(uuid.bytes[i], i * 0x11);
    char out[OL_UUID_TEXT + 1];
    ol__uuid_format(&uuid, out);
    assert_string_equal(out, text);
    assert_true(ol__uuid_is_canonical(ol__span_text(text)));
    struct ol__uuid upper = parsed("00112233-4455-6677-8899-AABBccddeeff");
    assert_memory_equal(&upper, &uuid, sizeof uuid);
    assert_false(ol__uuid_is_canonical(OL_SPAN_LIT("00112233-4455-6677-8899-AABBccddeeff")));
}

static void what_is_no_uuid_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "00112233-4455-6677-8899-aabbccddeef",
                                        "00112233-4455-6677-8899-aabbccddeefff",
                                        "00112233-4455-6677-8899-aabbccddeefg",
                                        "{0112233-4455-6677-8899-aabbccddeef}",
                                        "0011223304455-6677-8899-aabbccddeeff",
                                        "00112233-4455-6677-889--aabbccddeeff",
                                        "001122334455667788990aabbccddeeff000"};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__uuid uuid;
        assert_false(ol__uuid_parse(ol__span_text(cases[i]), &uuid));
        assert_false(ol__uuid_is_canonical(ol__span_text(cases[i])));
    }
}

static void v5_gives_the_published_values(void **state)
{
    (void)state;
    struct ol__uuid dns = parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    char out[OL_UUID_TEXT + 1];
    struct ol__uuid uuid = ol__uuid_v5(&dns, OL_SPAN_LIT("www.example.com")); /* RFC 9562, A.4 */
    ol__uuid_format(&uuid, out);
    assert_string_equal(out, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    struct ol__uuid empty = ol__uuid_v5(&dns, (struct ol__span){0});
    assert_int_equal(empty.bytes[6] >> 4, 5);
}

static void v4_is_random(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct ol__uuid *ids = malloc(COUNT * sizeof *ids);
    assert_non_null(ids);
    uint8_t seen[16] = {0};
    uint8_t all[16];
    memset(all, 0xff, sizeof all);
    for (int i = 0; i < COUNT; i++) {
        ids[i] = ol__uuid_v4();
        assert_int_equal(ids[i].bytes[6] >> 4, 4);
        assert_int_equal(ids[i].bytes[8] >> 6, 2);
        for (int b = 0; b < 16; b++) {
            seen[b] |= ids[i].bytes[b];
            all[b] &= ids[i].bytes[b];
        }
    }
    for (int b = 0; b < 16; b++) { /* every free bit was once 1 and once 0 */
        uint8_t fixed = b == 6 ? 0xf0 : b == 8 ? 0xc0 : 0;
        assert_int_equal(seen[b] | fixed, 0xff);
        assert_int_equal(all[b] & ~fixed, 0);
    }
    assert_all_differ(ids, COUNT);
    free(ids);
}

static void v7_grows_and_holds_its_time(void **state)
{
    (void)state;
    int64_t before = ol__time_now_ms();
    struct ol__uuid last = ol__uuid_v7(-1);
    for (int i = 0; i < 50000; i++) {
        struct ol__uuid next = ol__uuid_v7(-1);
        assert_int_equal(next.bytes[6] >> 4, 7);
        assert_int_equal(next.bytes[8] >> 6, 2);
        assert_true(memcmp(&last, &next, 8) < 0);
        last = next;
    }
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | last.bytes[i];
    assert_true(ms >= before && ms <= ol__time_now_ms() + 50000 / 2048 + 1);

    /* a given time is kept, whatever else is asked for, and its counter does not go back */
    enum { COUNT = 10000 };
    struct ol__uuid *ids = malloc(COUNT * sizeof *ids);
    assert_non_null(ids);
    for (int i = 0; i < COUNT; i++) {
        ids[i] = ol__uuid_v7(INT64_C(0x123456789abc));
        assert_memory_equal(ids[i].bytes, "\x12\x34\x56\x78\x9a\xbc", 6);
        assert_true(i == 0 || memcmp(ids[i - 1].bytes, ids[i].bytes, 8) <= 0);
    }
    assert_all_differ(ids, COUNT);
    free(ids);
}

static void random_fills_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 16, 383, 384, 385, 3071, 3072, 3073, 10000};
    for (size_t i = 0; i < OL_COUNT(sizes); i++) {
        uint8_t *bytes = calloc(1, sizes[i] + 16);
        assert_non_null(bytes);
        ol__random(bytes, sizes[i]);
        for (size_t b = 0; b < 16; b++)
            assert_int_equal(bytes[sizes[i] + b], 0);
        if (sizes[i] >= 16) { /* no half was left out: 8 zero bytes are 1 in 2^64 */
            assert_memory_not_equal(bytes, "\0\0\0\0\0\0\0\0", 8);
            assert_memory_not_equal(bytes + sizes[i] - 8, "\0\0\0\0\0\0\0\0", 8);
        }
        free(bytes);
    }
}

enum { PER_PROCESS = 200, CHILDREN = 8 };

/* Fork, write ids from the child (and a grandchild) to a pipe. */
static void child_writes_ids(int fd)
{
    for (int i = 0; i < PER_PROCESS; i++) {
        struct ol__uuid id = i % 2 == 0 ? ol__uuid_v4() : ol__uuid_v7(-1);
        if (write(fd, &id, sizeof id) != (ssize_t)sizeof id)
            _exit(1);
    }
}

static size_t read_all(int fd, struct ol__uuid *ids, size_t room)
{
    size_t got = 0;
    while (got < room * sizeof *ids) {
        ssize_t n = read(fd, (char *)ids + got, room * sizeof *ids - got);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got / sizeof *ids;
}

static void children_never_repeat(void **state)
{
    (void)state;
    enum { TOTAL = PER_PROCESS * (CHILDREN * 2 + 1) };
    struct ol__uuid *ids = calloc(TOTAL, sizeof *ids);
    assert_non_null(ids);
    size_t count = 0;
    for (; count < PER_PROCESS; count++)
        ids[count] = ol__uuid_v4();
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    for (int c = 0; c < CHILDREN; c++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            pid_t grandchild = fork(); /* before the child itself drew anything */
            child_writes_ids(pipes[1]);
            int result = 0;
            if (grandchild > 0 && (waitpid(grandchild, &result, 0) != grandchild || result != 0))
                _exit(1);
            _exit(grandchild < 0 ? 1 : 0);
        }
        /* one after the other: the pipe holds them */
        count += read_all(pipes[0], ids + count, 2 * PER_PROCESS);
        int result = 0;
        assert_int_equal(waitpid(pid, &result, 0), pid);
        assert_int_equal(result, 0);
    }
    assert_int_equal(count, TOTAL);
    assert_all_differ(ids, TOTAL);
    free(ids);
    close(pipes[0]);
    close(pipes[1]);
}

static void generation_tells_a_fork(void **state)
{
    (void)state;
    uint64_t mine = ol__fork_generation();
    assert_true(mine > 0);
    assert_true(ol__fork_generation() == mine);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pid_t early = fork(); /* a grandchild from a child that never looked */
        if (early == 0)
            _exit(ol__fork_generation() != mine ? 0 : 1);
        int result = 1;
        if (early < 0 || waitpid(early, &result, 0) != early || result != 0)
            _exit(1);
        uint64_t child = ol__fork_generation();
        if (child == mine || ol__fork_generation() != child)
            _exit(2);
        pid_t late = fork();
        if (late == 0)
            _exit(ol__fork_generation() != child && ol__fork_generation() != mine ? 0 : 1);
        if (late < 0 || waitpid(late, &result, 0) != late || result != 0)
            _exit(3);
        _exit(0);
    }
    int result = 1;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_int_equal(result, 0);
    assert_true(ol__fork_generation() == mine);
}

static _Atomic bool must_stop;

static void *draw(void *arg)
{
    (void)arg;
    uint8_t bytes[300];
    while (!must_stop)
        ol__random(bytes, sizeof bytes);
    return NULL;
}

/* Threads hold the pool's lock most of the time; a child must find it free (promise 1). */
static void fork_from_a_threaded_parent_does_not_hang(void **state)
{
    (void)state;
    pthread_t threads[3];
    must_stop = false;
    for (size_t i = 0; i < OL_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw, NULL), 0);
    for (int round = 0; round < 100; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(20); /* instead of hanging for ever */
            uint8_t bytes[64];
            ol__random(bytes, sizeof bytes);
            _exit(0);
        }
        int result = 1;
        assert_int_equal(waitpid(pid, &result, 0), pid);
        assert_int_equal(result, 0);
    }
    must_stop = true;
    for (size_t i = 0; i < OL_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

enum { PER_THREAD = 5000, THREADS = 4 };

static void *collect(void *arg)
{
    struct ol__uuid *ids = arg;
    for (int i = 0; i < PER_THREAD; i++)
        ids[i] = i % 2 == 0 ? ol__uuid_v7(-1) : ol__uuid_v4();
    return NULL;
}

static void threads_never_repeat(void **state)
{
    (void)state;
    struct ol__uuid *ids = malloc(sizeof *ids * PER_THREAD * THREADS);
    assert_non_null(ids);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, collect, ids + i * PER_THREAD), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_all_differ(ids, PER_THREAD * THREADS);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_round_trips),
        cmocka_unit_test(what_is_no_uuid_is_refused),
        cmocka_unit_test(v5_gives_the_published_values),
        cmocka_unit_test(v4_is_random),
        cmocka_unit_test(v7_grows_and_holds_its_time),
        cmocka_unit_test(random_fills_any_size),
        cmocka_unit_test(children_never_repeat),
        cmocka_unit_test(generation_tells_a_fork),
        cmocka_unit_test(fork_from_a_threaded_parent_does_not_hang),
        cmocka_unit_test(threads_never_repeat),
    };
    return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
