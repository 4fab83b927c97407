/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: what each variable, file and option does, where events then go, and that a wrong
 * value is told with its place and what is allowed. The transports other than the journal. */
#include "emitter_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "fault_fs.h"

#define UUID "11111111-1111-7111-8111-111111111111"

struct fixture {
    char *home, before[1024];
    char logged[4096]; /* messages, one a line */
    struct ol__journal_limits limits;
    struct ol__client_hooks hooks;
    char system[600]; /* there only if a test makes it */
};

static void log_it(void *arg, ol_status status, const char *message)
{
    struct fixture *f = arg;
    size_t used = strlen(f->logged);
    snprintf(f->logged + used, sizeof f->logged - used, "%s: %s\n", ol_status_name(status),
             message);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fault_fs_reset();
    f->home = help_directory();
    help_clean_environment(f->home);
    if (getcwd(f->before, sizeof f->before) == NULL || chdir(f->home) != 0)
        return -1;
    f->limits = ol__journal_limits_default;
    f->limits.floor_percent = 0;
    snprintf(f->system, sizeof f->system, "%s/system", f->home);
    f->hooks = (struct ol__client_hooks){
        .fs = &fault_fs, .limits = &f->limits, .system_directory = f->system};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_fs_reset();
    help_clean_environment("/");
    int result = chdir(f->before);
    help_remove(f->home);
    free(f);
    return result;
}

static ol_status open_client(struct fixture *f, const struct ol_client_options *options,
                             struct ol_client **ret, struct ol_error *err)
{
    struct ol_client_options o =
        options != NULL ? *options : (struct ol_client_options){.struct_size = sizeof o};
    o.producer = "https://example.org/p/1";
    o.log = log_it;
    o.log_arg = f;
    f->logged[0] = '\0';
    return ol__client_open_hooked(&o, &f->hooks, ret, err);
}

/* Emit one START; @return its status. */
static ol_status emit_one(struct ol_client *client, struct ol_error *err)
{
    struct ol_run *run = NULL;
    ol_status status = ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j"), &run, err);
    if (status == OL_OK)
        status = ol_run_emit(run, OL_START, err);
    ol_run_free(run);
    return status;
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static char *read_file(const char *path)
{
    static char text[65536];
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static void variables_decide(void **state)
{
    static const struct {
        const char *variables[6]; /* name, value, ... */
        ol_status status;
        const char *said; /* in the message, or in the destination ("~" is the home directory) */
    } rows[] = {
        {{NULL}, OL_OK, "journal ~/.local/state/lineaged/journal"},
        {{"XDG_STATE_HOME", "relative"}, OL_OK, "journal ~/.local/state/lineaged/journal"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", ""}, OL_OK, "journal ~/.local/state/lineaged/journal"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "journal", "OPENLINEAGE__TRANSPORT__DIRECTORY", "here"},
         OL_OK,
         "journal ~/here"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "FILE", "OPENLINEAGE__TRANSPORT__LOCATION",
          "events.jsonl"},
         OL_OK,
         "file events.jsonl"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "file", "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", "e"},
         OL_OK,
         "file e"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "console"}, OL_OK, "console"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "noop"}, OL_OK, "noop"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "http", "OPENLINEAGE__TRANSPORT__URL", "http://m:5000"},
         OL_OK,
         "http http://m:5000/api/v1/lineage"},
        {{"OPENLINEAGE_URL", "http://marquez:5000"},
         OL_OK,
         "http http://marquez:5000/api/v1/lineage"},
        {{"OPENLINEAGE_URL", "marquez:5000"},
         OL_CONFIG,
         "expected http://, https:// or unix:/path"},
        {{"OPENLINEAGE_DISABLED", "true"}, OL_DISABLED, "OPENLINEAGE_DISABLED"},
        {{"OPENLINEAGE_DISABLED", "True", "OPENLINEAGE_PARENT_ID", "wrong"},
         OL_DISABLED,
         "OPENLINEAGE_DISABLED"},
        {{"OPENLINEAGE_DISABLED", "no"}, OL_OK, "journal"},
        {{"OPENLINEAGE_DISABLED", "perhaps"}, OL_CONFIG, "OPENLINEAGE_DISABLED: 'perhaps'"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "kafka"},
         OL_OK,
         "journal ~/.local/state/lineaged/journal"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "consol"}, OL_CONFIG, "did you mean 'console'?"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "file"}, OL_CONFIG, "file needs a location"},
        {{"OPENLINEAGE__TRANSPORT__DURABILITY", "disc"}, OL_CONFIG, "process or disk"},
        {{"HOME", ""}, OL_CONFIG, "OPENLINEAGE__TRANSPORT__DIRECTORY"},
        {{"OPENLINEAGE_CONFIG", "/nowhere/ol.yml"}, OL_CONFIG, "/nowhere/ol.yml"},
        {{"OPENLINEAGE__TRANSPORT__TYPE", "file", "OPENLINEAGE__TRANSPORT__LOCATION",
          "no/such/dir/e"},
         OL_IO,
         "no/such/dir/e"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_client *client = (struct ol_client *)f;
        struct ol_error err = {.message = ""};
        char want[1024];
        help_clean_environment(f->home);
        for (int k = 0; rows[i].variables[k] != NULL; k += 2)
            setenv(rows[i].variables[k], rows[i].variables[k + 1], 1);
        ol_status status = open_client(f, NULL, &client, &err);
        if (status != rows[i].status)
            fail_msg("row %zu: %s (%s)", i, ol_status_name(status), err.message);
        if (status != OL_OK) {
            assert_null(client);
            assert_int_equal(err.status, status);
            if (strstr(err.message, rows[i].said) == NULL)
                fail_msg("row %zu: '%s' does not say '%s'", i, err.message, rows[i].said);
            continue;
        }
        const char *tilde = strchr(rows[i].said, '~');
        snprintf(want, sizeof want, "%.*s%s%s",
                 tilde != NULL ? (int)(tilde - rows[i].said) : (int)strlen(rows[i].said),
                 rows[i].said, tilde != NULL ? f->home : "", tilde != NULL ? tilde + 1 : "");
        if (strncmp(ol_client_destination(client), want, strlen(want)) != 0)
            fail_msg("row %zu: %s, expected %s", i, ol_client_destination(client), want);
        const char *type = getenv("OPENLINEAGE__TRANSPORT__TYPE");
        assert_int_equal(strstr(f->logged, "lineaged delivers") != NULL,
                         type != NULL && strcmp(type, "kafka") == 0);
        assert_int_equal(ol_client_close(client, 0, NULL), OL_OK);
    }
}

static void options_win(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "noop", 1);
    setenv("OPENLINEAGE_NAMESPACE", "from-environment", 1);
    assert_int_equal(open_client(f,
                                 OL_MAKE(ol_client_options, .journal_directory = "mine",
                                         .engine_name = "engine", .engine_version = "7"),
                                 &client, NULL),
                     OL_OK);
    assert_int_equal(ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "j"), &run, NULL),
                     OL_OK);
    assert_int_equal(ol_run_emit(run, OL_START, NULL), OL_OK);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    struct help_journals all = help_read("mine");
    assert_int_equal(all.count, 1);
    const char *event = all.files[0].lines[1];
    assert_non_null(strstr(event, "\"job\":{\"namespace\":\"from-environment\","));
    assert_non_null(strstr(event, "\"version\":\"7\",\"name\":\"engine\""));
    help_release(&all);
    /* wrong arguments */
    assert_int_equal(ol_client_open(NULL, &client, NULL), OL_INVALID);
    assert_int_equal(ol_client_open(OL_MAKE(ol_client_options, .producer = NULL), &client, NULL),
                     OL_INVALID);
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = "no uri"), &client, NULL),
        OL_INVALID);
    assert_int_equal(ol_client_open(&(struct ol_client_options){.producer = "a:b"}, &client, NULL),
                     OL_INVALID);
    assert_null(client);
}

static void place_follows_url_and_system(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    char want[800], user[700], drain[800];
    snprintf(user, sizeof user, "%s/.local/state/lineaged/journal", f->home);
    assert_int_equal(mkdir(f->system, 0700), 0);
    snprintf(want, sizeof want, "journal %s", f->system);
    assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
    assert_string_equal(ol_client_destination(client), want); /* where it exists */
    ol_client_close(client, 0, NULL);
    /* A URL of this machine: the directory that is drained, here the user's. */
    assert_int_equal(system("mkdir -p .local/state/lineaged/journal"), 0);
    snprintf(drain, sizeof drain, "%s/.drain", user);
    int fd = open(drain, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    static const char *const local[] = {"unix:/run/x.sock", "http+unix://%2Frun",
                                        "http://127.0.0.1:5010", "http://localhost/",
                                        "https://u:p@[::1]:80/x"};
    static const char *const remote[] = {"http://marquez:5000", "http://127.example.org",
                                         "http://localhost.x"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        setenv("OPENLINEAGE_URL", local[i], 1);
        assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
        snprintf(want, sizeof want, "journal %s", user);
        assert_string_equal(ol_client_destination(client), want);
        assert_string_equal(f->logged, ""); /* it will be delivered: nothing to tell */
        ol_client_close(client, 0, NULL);
    }
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++) {
        setenv("OPENLINEAGE_URL", remote[i], 1);
        assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
        snprintf(want, sizeof want, "http %s/api/v1/lineage", remote[i]);
        assert_string_equal(ol_client_destination(client), want);
        assert_string_equal(f->logged, "");
        ol_client_close(client, 0, NULL);
    }
    close(fd);
}

static void yaml_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        ol_status status;
        const char *said;
    } rows[] = {
        {"transport:\n  type: file\n  log_file_path: by-yaml.jsonl\n", OL_OK, "file by-yaml.jsonl"},
        {"transport: {type: journal, directory: by-yaml}\nfacets:\n  disabled: [a, b]\n", OL_OK,
         "journal"},
        {"transport: {type: noop}\nfacets:\n  disabled: [a, {b: c}]\n", OL_CONFIG,
         "openlineage.yml:3: facets.disabled: a list is not allowed; expected a list of texts"},
        {"transport:\n  type: noop\n", OL_OK, "noop"},
        {"transport: {type: noop}\ntransport: {type: file}\n", OL_CONFIG,
         "openlineage.yml:2: key 'transport' is there twice"},
        {"", OL_OK, "console"}, /* the variable, since the file says nothing */
        {"disabled: true\n", OL_DISABLED, "openlineage.yml:1: disabled"},
        {"transport: {type: composite, transports: [{type: noop}, {type: kafka}]}\n", OL_OK,
         "noop, the journal /"}, /* and where it is */
        {"transport:\n  type: kafkaa\n", OL_CONFIG, "openlineage.yml:2: transport.type: 'kafkaa'"},
        {"transport: {type: [\n", OL_CONFIG, "openlineage.yml:"},
        {"a: &x 1\nb: *x\n", OL_CONFIG, "openlineage.yml:2: aliases"},
        {"- a\n", OL_CONFIG, "openlineage.yml:1: expected a mapping"},
        {"? {a: b}\n: c\n", OL_CONFIG, "cannot be a key"},
    };
    struct fixture *f = *state;
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "console", 1); /* the file wins */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_client *client = NULL;
        struct ol_error err = {.message = ""};
        write_file("openlineage.yml", rows[i].text);
        ol_status status = open_client(f, NULL, &client, &err);
        if (status != rows[i].status)
            fail_msg("row %zu: %s (%s; %s)", i, ol_status_name(status), err.message, f->logged);
        const char *said = status == OL_OK ? ol_client_destination(client) : err.message;
        if (strstr(said, rows[i].said) == NULL)
            fail_msg("row %zu: '%s' does not say '%s'", i, said, rows[i].said);
        ol_client_close(client, 0, NULL);
    }
    assert_int_equal(unlink("openlineage.yml"), 0);
    assert_int_equal(mkdir(".openlineage", 0700), 0);
    write_file(".openlineage/openlineage.yml", "transport: {type: noop}\nodd: 1\n");
    struct ol_client *client = NULL;
    assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
    assert_string_equal(ol_client_destination(client), "noop");
    assert_non_null(
        strstr(f->logged, ".openlineage/openlineage.yml:2: odd")); /* unknown keys are told */
    ol_client_close(client, 0, NULL);
}

static void file_appends_whole_lines(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    write_file("events.jsonl", "{\"of\":\"another\"}\n{\"torn");
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "file", 1);
    setenv("OPENLINEAGE__TRANSPORT__LOCATION", "events.jsonl", 1);
    assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
    assert_int_equal(ol_run_new(client,
                                OL_MAKE(ol_run_options, .job_name = "j", .is_detached = true), &run,
                                NULL),
                     OL_OK);
    assert_int_equal(ol_run_emit(run, OL_START, NULL), OL_OK);
    assert_int_equal(ol_run_emit(run, OL_COMPLETE, NULL), OL_OK);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    char *text = read_file("events.jsonl");
    static const char head[] = "{\"of\":\"another\"}\n{\"torn\n{\"eventType\":\"START\"";
    assert_memory_equal(text, head, sizeof head - 1);
    assert_null(strstr(text, "ol_journal")); /* notes are for journals */
    int lines = 0;
    for (char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 4);
}

static void file_stays_below_the_size_limit(void **state)
{
    struct fixture *f = *state;
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "file", 1);
    setenv("OPENLINEAGE__TRANSPORT__LOCATION", "events.jsonl", 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 5000, .rlim_max = 5000};
        struct ol_client *client = NULL;
        int full = 0;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || open_client(f, NULL, &client, NULL) != OL_OK)
            _exit(1);
        for (int i = 0; i < 20; i++)
            full += emit_one(client, NULL) == OL_FULL;
        _exit(full > 5 && full < 20 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void console_writes_lines(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    setenv("OPENLINEAGE__TRANSPORT__TYPE", "console", 1);
    int saved = dup(STDOUT_FILENO);
    fflush(stdout);
    int fd = open("out", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    ol_status status = open_client(f, NULL, &client, NULL);
    if (status == OL_OK)
        status = emit_one(client, NULL);
    ol_client_close(client, 0, NULL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(status, OL_OK);
    char *text = read_file("out");
    assert_memory_equal(text, "{\"eventType\"", 12);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void refusals_are_counted_and_told_twice(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    struct ol_error err;
    const char *reason = NULL;
    assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
    assert_int_equal(ol_client_lost(client, &reason), 0);
    assert_null(reason);
    fault_fs_fail_from(FAULT_WRITE, 1, ENOSPC);
    for (int i = 0; i < 5; i++)
        assert_int_equal(emit_one(client, &err), OL_FULL);
    assert_int_equal(err.status, OL_FULL);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_true(err.is_retryable);
    fault_fs_stop();
    assert_int_equal(ol_client_lost(client, &reason), 5);
    assert_non_null(strstr(reason, "disk"));
    assert_int_equal(emit_one(client, NULL), OL_OK);
    int lines = 0;
    for (char *p = f->logged; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 2); /* the first refusal; accepted again after 5 */
    assert_non_null(strstr(f->logged, "after 5 refused"));
    ol_client_close(client, 0, NULL);
    assert_non_null(strstr(f->logged, "5 events were refused"));
}

static void durability_is_a_sync_an_event(void **state)
{
    struct fixture *f = *state;
    struct ol_client *client = NULL;
    for (int disk = 0; disk < 2; disk++) {
        if (disk)
            setenv("OPENLINEAGE__TRANSPORT__DURABILITY", "disk", 1);
        assert_int_equal(open_client(f, NULL, &client, NULL), OL_OK);
        assert_int_equal(emit_one(client, NULL), OL_OK);
        unsigned long before = fault_fs_calls(FAULT_FDATASYNC);
        for (int i = 0; i < 10; i++)
            assert_int_equal(emit_one(client, NULL), OL_OK);
        assert_int_equal(fault_fs_calls(FAULT_FDATASYNC) - before, disk ? 10 : 0);
        ol_client_close(client, 0, NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(variables_decide),
        TEST(options_win),
        TEST(place_follows_url_and_system),
        TEST(yaml_is_read_or_refused),
        TEST(file_appends_whole_lines),
        TEST(file_stays_below_the_size_limit),
        TEST(console_writes_lines),
        TEST(refusals_are_counted_and_told_twice),
        TEST(durability_is_a_sync_an_event),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
