/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: the text of members is written and read as sha256sum does, and differences are named;
 * manifests' lines; what the cache of hashes may remember, whatever stands in its file and however
 * many use it at once; that files which change or cannot be read have no id; each allocation and
 * each read that fails. Ids of directories against the shell's own recipe: tests/e2e. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "artifact/artifact.h"
#include "artifact/cache.h"
#include "artifact_lines.h"
#include "fail_alloc.h"
#include "json_read.h"

static char directory[] = "/tmp/test_artifact.XXXXXX";
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char none[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* ---- reads that fail: the linker sends pread() here ---- */

static atomic_ulong fail_read_at; /* 0: none */
static atomic_ulong read_count;

ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset)
{
    if (++read_count == fail_read_at) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, data, size, offset);
}

/* ---- help ---- */

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL && chdir(directory) == 0 &&
                   setenv("XDG_CACHE_HOME", directory, 1) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/** Its times as if it had been left alone: ctime cannot be set, so stamps are changed instead. */
static struct artifact_stamp stamp_of(const char *name, time_t age)
{
    struct stat st;
    struct artifact_stamp stamp;
    assert_int_equal(stat(name, &st), 0);
    artifact_stamp_of(&st, &stamp);
    stamp.modified.tv_sec -= age;
    stamp.changed.tv_sec -= age;
    return stamp;
}

static ol_status identify(struct artifact *a, const char *text,
                          const struct artifact_hasher *hasher)
{
    size_t budget = ARTIFACT_MEMBERS_MAX, count = 0;
    struct artifact_sum **sums = NULL;
    ol_status status = artifact_init(a, text, true);
    if (status == OL_OK)
        status = artifact_look(a, &budget);
    if (status == OL_OK)
        sums = artifact_collect_sums(&(struct artifact *){a}, 1, &count);
    artifact_sums_settle(sums, count);
    artifact_hash_all(hasher, sums, count);
    free(sums);
    return status == OL_OK ? artifact_finish(a) : status;
}

/* ---- the text of members ---- */

static void lines_are_sha256sum_s(void **state)
{
    static const struct {
        const char *name, *line;
    } rows[] = {
        {"a b", "  a b\n"},     {"a\nb", "\\  a\\nb\n"}, {"a\\b", "\\  a\\\\b\n"},
        {"\r", "\\  \\r\n"},    {"*", "  *\n"},          {" ", "   \n"},
        {"\\n", "\\  \\\\n\n"}, {"\xff", "  \xff\n"},    {"-> x", "  -> x\n"},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf out, space;
        struct artifact_line line;
        char expected[128];
        bool is_escaped = rows[i].line[0] == '\\';
        ol__buf_init(&out, 1000);
        ol__buf_init(&space, 1000);
        artifact_line_add(&out, abc, rows[i].name);
        snprintf(expected, sizeof expected, "%s%s%s", is_escaped ? "\\" : "", abc,
                 rows[i].line + (is_escaped ? 1 : 0));
        assert_string_equal(out.data, expected);
        struct ol__span text = {out.data, out.size};
        assert_int_equal(artifact_line_read(&text, &space, &line), OL_OK);
        assert_string_equal(line.sha256, abc);
        assert_int_equal(line.name.size, strlen(rows[i].name));
        assert_memory_equal(line.name.data, rows[i].name, line.name.size);
        assert_int_equal(artifact_line_read(&text, &space, &line), OL_END);
        ol__buf_release(&out);
        ol__buf_release(&space);
    }
}

static void what_is_no_line_is_refused(void **state)
{
    static const char *const rows[] = {
        "x",
        "\n",
        "  a\n",
        "link  \n",
        "link a\n",
        "\\link  a\\x\n",
        "lin  a\n",
        "BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad *a\n",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  \n",
        "\\ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\\\n",
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf space;
        struct artifact_line line;
        struct ol__span text = ol__span_text(rows[i]);
        ol__buf_init(&space, 1000);
        assert_int_equal(artifact_line_read(&text, &space, &line), OL_INVALID);
        ol__buf_release(&space);
    }
}

static void differences_are_named(void **state)
{
    /* A member is "NAME=HASH", a link "@NAME". */
    static const struct {
        const char *a[4], *b[4];
        size_t count;
        const char *first;
    } rows[] = {
        {{NULL}, {NULL}, 0, ""},
        {{"a=1", "b=1"}, {"a=1", "b=1"}, 0, ""},
        {{"a=1", "b=1"}, {"a=1", "b=2"}, 1, "b"},
        {{"a=1", "b=1"}, {"b=1"}, 1, "a"},
        {{"b=1"}, {"a=1", "b=2"}, 2, "a"},
        {{"a=1", "@l -> x"}, {"a=1", "@l -> y"}, 2, "l -> x"},
        {{"z=1", "@l -> x"}, {"@l -> x"}, 1, "z"},
        {{"a=1", "ab=1"}, {"ab=1", "b=1"}, 2, "a"},
        {{NULL}, {"a=1", "b=1", "@c"}, 3, "a"},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__buf text[2];
        for (size_t side = 0; side < 2; side++) {
            const char *const *items = side == 0 ? rows[i].a : rows[i].b;
            ol__buf_init(&text[side], 10000);
            for (size_t k = 0; k < 4 && items[k] != NULL; k++) {
                char name[16], hash[OL_SHA256_TEXT + 1];
                const char *equals = strchr(items[k], '=');
                if (items[k][0] == '@') {
                    ol__buf_add_format(&text[side], "link  %s\n", items[k] + 1);
                    continue;
                }
                snprintf(name, sizeof name, "%.*s", (int)(equals - items[k]), items[k]);
                memset(hash, equals[1], OL_SHA256_TEXT);
                hash[OL_SHA256_TEXT] = '\0';
                artifact_line_add(&text[side], hash, name);
            }
        }
        struct artifact_difference difference;
        assert_int_equal(artifact_lines_compare((struct ol__span){text[0].data, text[0].size},
                                                (struct ol__span){text[1].data, text[1].size},
                                                &difference),
                         OL_OK);
        assert_int_equal(difference.count, rows[i].count);
        assert_string_equal(difference.first.data != NULL ? difference.first.data : "",
                            rows[i].first);
        ol__buf_release(&difference.first);
        ol__buf_release(&text[0]);
        ol__buf_release(&text[1]);
    }
}

/* ---- finding ---- */

static void what_a_text_stands_for(void **state)
{
    static const struct {
        const char *text;
        enum artifact_kind kind;
        bool is_read, is_declared;
    } rows[] = {
        {"a", ARTIFACT_FILE, true, false},
        {"./@a", ARTIFACT_FILE, true, false},
        {"@a", ARTIFACT_LIST, true, false},
        {"manifest:a", ARTIFACT_MANIFEST, true, false},
        {"./manifest:a", ARTIFACT_FILE, true, false},
        {"file:///a%20b", ARTIFACT_FILE, true, false},
        {"file://elsewhere/a", ARTIFACT_REMOTE, false, false},
        {"s3://b/k", ARTIFACT_REMOTE, false, false},
        {"s3://b/k?etag=x", ARTIFACT_REMOTE, false, true},
        {"kafka://b/t#0:1-2", ARTIFACT_REMOTE, false, true},
        {"model:x:v3", ARTIFACT_REMOTE, false, true},
        {"", ARTIFACT_REMOTE, false, false},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct artifact a;
        assert_int_equal(artifact_init(&a, rows[i].text, true), OL_OK);
        assert_int_equal(a.kind, rows[i].kind);
        assert_int_equal(a.path != NULL, rows[i].is_read);
        assert_int_equal(a.version != NULL, rows[i].is_declared);
        artifact_release(&a);
    }
}

static void a_budget_of_members_is_kept(void **state)
{
    struct artifact a;
    size_t budget = 2;
    (void)state;
    assert_int_equal(mkdir("three", 0700), 0);
    put("three/1", "abc");
    put("three/2", "abc");
    assert_int_equal(symlink("1", "three/3"), 0);
    assert_int_equal(artifact_init(&a, "three", true), OL_OK);
    assert_int_equal(artifact_look(&a, &budget), OL_OK);
    assert_string_equal(a.reason, "more than 1000000 members");
    assert_int_equal(artifact_finish(&a), OL_OK);
    assert_string_equal(a.sha256, "");
    budget = 3;
    assert_int_equal(artifact_look(&a, &budget), OL_OK); /* anew */
    assert_string_equal(a.reason, "");
    assert_int_equal(a.sum_count, 2);
    assert_int_equal(a.link_count, 1);
    artifact_release(&a);
}

static bool always(void)
{
    return true;
}

/* Members that vanish, change, are too large, or have to be read too late. */
static void one_bad_member_and_there_is_no_id(void **state)
{
    enum trouble { NOTHING, VANISHED, CHANGED, LARGE, HURRY, TROUBLES };
    static const char *const reasons[] = {"", "vanished before it was read",
                                          "changed before it was read", "larger than --hash-limit",
                                          "there was no time to read it"};
    (void)state;
    assert_int_equal(mkdir("members", 0700), 0);
    for (int trouble = NOTHING; trouble < TROUBLES; trouble++) {
        struct artifact a;
        size_t budget = 1000, count;
        put("members/a", "abc");
        put("members/b", "abcd");
        struct artifact_hasher hasher = {.limit = trouble == LARGE ? 3 : 1000,
                                         .is_hurried = trouble == HURRY ? always : NULL};
        assert_int_equal(artifact_init(&a, "members", true), OL_OK);
        assert_int_equal(artifact_look(&a, &budget), OL_OK);
        struct artifact_sum **sums = artifact_collect_sums(&(struct artifact *){&a}, 1, &count);
        artifact_sums_settle(sums, count);
        if (trouble == VANISHED)
            assert_int_equal(unlink("members/b"), 0);
        if (trouble == CHANGED)
            put("members/b", "abcde");
        artifact_hash_all(&hasher, sums, count);
        assert_int_equal(artifact_finish(&a), OL_OK);
        assert_int_equal(a.sha256[0] != '\0', trouble == NOTHING);
        assert_non_null(strstr(a.reason, reasons[trouble]));
        free(sums);
        artifact_release(&a);
    }
}

static void many_files_by_many_threads(void **state)
{
    (void)state;
    assert_int_equal(mkdir("many", 0700), 0);
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%d", i);
        put(name, i % 3 == 0 ? "" : "abc");
    }
    char first[OL_SHA256_TEXT + 1] = "";
    for (unsigned threads = 1; threads <= ARTIFACT_THREADS_MAX; threads *= 2) {
        struct artifact a;
        struct artifact_progress progress = {.is_drawn = false};
        const struct artifact_hasher hasher = {
            .limit = 1000, .threads = threads, .progress = &progress};
        assert_int_equal(identify(&a, "many", &hasher), OL_OK);
        assert_int_equal(a.member_count, 300);
        assert_int_equal(a.size, 600);
        assert_int_equal(progress.files, 300);
        assert_int_equal(progress.bytes, 600);
        if (threads == 1)
            memcpy(first, a.sha256, sizeof first);
        assert_string_equal(a.sha256, first);
        assert_non_null(strstr(a.members.data, none));
        artifact_release(&a);
    }
}

/* ---- the cache ---- */

static void times_ago(struct timespec *ret, time_t seconds)
{
    assert_int_equal(clock_gettime(CLOCK_REALTIME, ret), 0);
    ret->tv_sec -= seconds;
}

static void only_quiet_files_are_remembered(void **state)
{
    static const struct {
        time_t modified, changed; /* seconds before reading began */
        bool is_kept;
    } rows[] = {{10, 10, true}, {3, 3, true},    {1, 10, false}, {10, 1, false},
                {0, 0, false},  {-5, 10, false}, {10, -5, false}};
    uint8_t hash[OL_SHA256_SIZE] = {1, 2, 3}, found[OL_SHA256_SIZE];
    (void)state;
    put("file", "abc");
    int fd = open("file", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct artifact_cache *cache = artifact_cache_open(ARTIFACT_CACHE_USE);
    assert_non_null(cache);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct timespec begun;
        struct artifact_stamp stamp = {.inode = 1000 + i, .size = 3};
        times_ago(&begun, 0);
        times_ago(&stamp.modified, rows[i].modified);
        times_ago(&stamp.changed, rows[i].changed);
        artifact_cache_put(cache, &stamp, hash, begun, fd);
        assert_int_equal(artifact_cache_get(cache, &stamp, found), rows[i].is_kept);
        if (rows[i].is_kept)
            assert_memory_equal(found, hash, sizeof hash);
    }
    assert_int_equal(artifact_cache_hits(cache), 2);
    artifact_cache_close(cache);
    close(fd);
}

static void each_fact_of_a_stamp_counts(void **state)
{
    uint8_t hash[OL_SHA256_SIZE] = {9}, found[OL_SHA256_SIZE];
    struct timespec begun;
    (void)state;
    put("file", "abc");
    const struct artifact_stamp stamp = stamp_of("file", 100);
    int fd = open("file", O_RDONLY | O_CLOEXEC);
    struct artifact_cache *cache = artifact_cache_open(ARTIFACT_CACHE_USE);
    times_ago(&begun, 0);
    artifact_cache_put(cache, &stamp, hash, begun, fd);
    assert_true(artifact_cache_get(cache, &stamp, found));
    struct artifact_stamp others[8];
    for (size_t i = 0; i < OL_COUNT(others); i++)
        others[i] = stamp;
    others[0].device++;
    others[1].inode++;
    others[2].size++;
    others[3].modified.tv_nsec++;
    others[4].changed.tv_nsec++;
    others[5].modified.tv_sec++;
    others[6].changed.tv_sec++;
    for (size_t i = 0; i < 7; i++)
        assert_false(artifact_cache_get(cache, &others[i], found));
    others[7].links++; /* another name for it changes its ctime anyway */
    assert_true(artifact_cache_get(cache, &others[7], found));
    struct artifact_cache *refresh = artifact_cache_open(ARTIFACT_CACHE_REFRESH);
    assert_false(artifact_cache_get(refresh, &stamp, found));
    hash[0] = 8;
    artifact_cache_put(refresh, &stamp, hash, begun, fd);
    assert_true(artifact_cache_get(cache, &stamp, found));
    assert_int_equal(found[0], 8);
    assert_null(artifact_cache_open(ARTIFACT_CACHE_NONE));
    assert_false(artifact_cache_get(NULL, &stamp, found));
    artifact_cache_put(NULL, &stamp, hash, begun, fd);
    artifact_cache_close(refresh);
    artifact_cache_close(cache);
    close(fd);
}

/* One flipped bit anywhere in an entry, or a cut, and it is none. */
static void a_rotten_entry_is_none(void **state)
{
    uint8_t hash[OL_SHA256_SIZE] = {7}, found[OL_SHA256_SIZE];
    struct timespec begun;
    struct stat st;
    (void)state;
    put("file", "abc");
    assert_int_equal(truncate("lineaged/hashes-1", 0), 0);
    const struct artifact_stamp stamp = stamp_of("file", 100);
    int fd = open("file", O_RDONLY | O_CLOEXEC);
    struct artifact_cache *cache = artifact_cache_open(ARTIFACT_CACHE_USE);
    times_ago(&begun, 0);
    artifact_cache_put(cache, &stamp, hash, begun, fd);
    int file = open("lineaged/hashes-1", O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(file, &st), 0);
    assert_true(st.st_size <= (off_t)ARTIFACT_CACHE_SIZE);
    off_t slot = st.st_size - ARTIFACT_CACHE_SLOT;
    uint8_t byte = 0, other;
    for (off_t at = slot; at < st.st_size; at++) {
        assert_int_equal(pread(file, &byte, 1, at), 1);
        other = byte ^ 0x10;
        assert_int_equal(pwrite(file, &other, 1, at), 1);
        assert_false(artifact_cache_get(cache, &stamp, found));
        assert_int_equal(pwrite(file, &byte, 1, at), 1);
        assert_true(artifact_cache_get(cache, &stamp, found));
    }
    assert_int_equal(ftruncate(file, st.st_size - 1), 0);
    assert_int_equal(artifact_cache_get(cache, &stamp, found), byte == 0); /* past the end is 0 */
    artifact_cache_put(cache, &stamp, hash, begun, fd);                    /* written over */
    assert_true(artifact_cache_get(cache, &stamp, found));
    artifact_cache_close(cache);
    close(file);
    close(fd);
}

static void nobody_else_s_file_is_believed(void **state)
{
    static const mode_t modes[] = {0620, 0602, 0666};
    (void)state;
    for (size_t i = 0; i < OL_COUNT(modes); i++) {
        assert_int_equal(chmod("lineaged/hashes-1", modes[i]), 0);
        assert_null(artifact_cache_open(ARTIFACT_CACHE_USE));
    }
    assert_int_equal(chmod("lineaged/hashes-1", 0600), 0);
    assert_int_equal(rename("lineaged/hashes-1", "lineaged/away"), 0);
    assert_int_equal(symlink("away", "lineaged/hashes-1"), 0);
    assert_null(artifact_cache_open(ARTIFACT_CACHE_USE));
    assert_int_equal(unlink("lineaged/hashes-1"), 0);
    assert_int_equal(mkfifo("lineaged/hashes-1", 0600), 0);
    assert_null(artifact_cache_open(ARTIFACT_CACHE_USE));
    assert_int_equal(unlink("lineaged/hashes-1"), 0);
    assert_int_equal(rename("lineaged/away", "lineaged/hashes-1"), 0);
    if (geteuid() == 0) { /* as under sudo: the place is another user's */
        assert_int_equal(chown(directory, 12345, (gid_t)-1), 0);
        assert_null(artifact_cache_open(ARTIFACT_CACHE_USE));
        assert_int_equal(chown(directory, 0, (gid_t)-1), 0);
    }
    struct artifact_cache *cache = artifact_cache_open(ARTIFACT_CACHE_USE);
    assert_non_null(cache);
    artifact_cache_close(cache);
}

#define RACERS 4
#define RACE_FILES 3000

/* Hash i is i everywhere: whatever is found has to be that. */
static int race(int fd)
{
    struct artifact_cache *cache = artifact_cache_open(ARTIFACT_CACHE_USE);
    struct timespec begun;
    if (cache == NULL || clock_gettime(CLOCK_REALTIME, &begun) != 0)
        return 2;
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < RACE_FILES; i++) {
            struct artifact_stamp stamp = {.inode = i % 97, .size = i, .device = 5};
            uint8_t hash[OL_SHA256_SIZE] = {0}, found[OL_SHA256_SIZE];
            ol__put_le32(hash, i);
            ol__put_le32(hash + 28, ~i);
            if (artifact_cache_get(cache, &stamp, found) && memcmp(found, hash, sizeof hash) != 0)
                return 1;
            artifact_cache_put(cache, &stamp, hash, begun, fd);
        }
    }
    artifact_cache_close(cache);
    return 0;
}

static void processes_share_it(void **state)
{
    pid_t pids[RACERS];
    (void)state;
    put("file", "abc");
    int fd = open("file", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < RACERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(race(fd));
    }
    for (int i = 0; i < RACERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct stat st;
    assert_int_equal(stat("lineaged/hashes-1", &st), 0);
    assert_true(st.st_size <= (off_t)ARTIFACT_CACHE_SIZE);
    close(fd);
}

/* ---- what fails ---- */

static void plant(void)
{
    char line[200];
    OL_IGNORE(mkdir("tree", 0700) + mkdir("tree/sub", 0700) < 0, "it is there");
    put("tree/a", "abc");
    put("tree/sub/b", "abc");
    OL_IGNORE(symlink("a", "tree/link") < 0, "it is there");
    put("list", "tree/a\ntree/sub/b\n");
    snprintf(line, sizeof line, "{\"id\":\"x\",\"sha256\":\"%s\"}\n", abc);
    put("manifest", line);
}

static const char *const forms[] = {"tree", "tree/a", "tree/*", "@list", "manifest:manifest"};

static void every_allocation_may_fail(void **state)
{
    const struct artifact_hasher hasher = {.limit = 1000, .threads = 1};
    (void)state;
    plant();
    for (size_t i = 0; i < OL_COUNT(forms); i++) {
        struct artifact a;
        assert_int_equal(identify(&a, forms[i], &hasher), OL_OK);
        char id[OL_SHA256_TEXT + 1];
        memcpy(id, a.sha256, sizeof id);
        assert_int_equal(strlen(id), OL_SHA256_TEXT);
        artifact_release(&a);
        for (unsigned long n = 1;; n++) {
            fail_alloc_at(n);
            ol_status status = identify(&a, forms[i], &hasher);
            bool has_failed = fail_alloc_stop();
            assert_true(status == OL_OK || (has_failed && status == OL_NOMEM));
            /* its id, none, or the reason why there is none: never another one */
            assert_true(a.sha256[0] == '\0' || strcmp(a.sha256, id) == 0);
            assert_true(status != OL_OK || a.sha256[0] != '\0' || a.reason[0] != '\0');
            artifact_release(&a);
            if (!has_failed)
                break;
        }
    }
}

static void every_read_may_fail(void **state)
{
    (void)state;
    plant();
    for (size_t i = 0; i < OL_COUNT(forms); i++) {
        struct artifact a;
        const struct artifact_hasher hasher = {.limit = 1000, .threads = 1};
        for (unsigned long n = 1;; n++) {
            read_count = 0;
            fail_read_at = n;
            assert_int_equal(identify(&a, forms[i], &hasher), OL_OK);
            fail_read_at = 0;
            bool has_failed = read_count >= n;
            if (has_failed && a.sha256[0] == '\0')
                assert_true(a.reason[0] != '\0');
            else if (has_failed) /* the members of a manifest that has its hash */
                assert_true(a.kind == ARTIFACT_MANIFEST && a.trouble[0] != '\0' &&
                            a.member_count < 0);
            else
                assert_true(a.sha256[0] != '\0');
            artifact_release(&a);
            if (!has_failed)
                break;
            assert_true(n < 100);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_sha256sum_s),
        cmocka_unit_test(what_is_no_line_is_refused),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(what_a_text_stands_for),
        cmocka_unit_test(a_budget_of_members_is_kept),
        cmocka_unit_test(one_bad_member_and_there_is_no_id),
        cmocka_unit_test(many_files_by_many_threads),
        cmocka_unit_test(only_quiet_files_are_remembered),
        cmocka_unit_test(each_fact_of_a_stamp_counts),
        cmocka_unit_test(a_rotten_entry_is_none),
        cmocka_unit_test(nobody_else_s_file_is_believed),
        cmocka_unit_test(processes_share_it),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_read_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
