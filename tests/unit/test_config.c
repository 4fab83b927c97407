/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the places, the defaults that follow from other settings, and that every bad file is
 * refused with its file, line and key and what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config.h"
#include "config_line.h"

static char directory[] = "/tmp/test_config.XXXXXX";

static const char *write_config(const char *text)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/lineaged.yaml", directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    return path;
}

static void load(struct agent_config *config, const char *text)
{
    struct ol_error err = {0};
    ol_status status = config_load(config, write_config(text), false, &err);
    if (status != OL_OK)
        fail_msg("%s", err.message);
}

static void places_of_a_user(void **state OL_UNUSED)
{
    struct agent_config c;
    struct ol_error err = {0};
    setenv("XDG_STATE_HOME", "/s", 1);
    setenv("XDG_CONFIG_HOME", "/nowhere-at-all", 1);
    setenv("XDG_RUNTIME_DIR", "/r", 1);
    assert_int_equal(config_load(&c, NULL, false, &err), OL_OK);
    assert_null(c.config_path);
    assert_false(c.is_system);
    assert_int_equal(c.http_listen.count, 1);
    assert_string_equal(c.http_listen.items[0], "unix:/r/lineaged.sock");
    assert_string_equal(c.admin_socket, "/r/lineaged-admin.sock");
    assert_int_equal(c.journal_directories.count, 1);
    assert_string_equal(c.journal_directories.items[0], "/s/lineaged/journal");
    assert_string_equal(c.spool_directory, "/s/lineaged/spool");
    assert_int_equal(c.spool_max_bytes, INT64_C(2) << 30);
    assert_int_equal(c.spool_segment_bytes, 64 << 20);
    assert_int_equal(c.routes.count, 1);
    const struct route_config *r = c.routes.items;
    assert_string_equal(r->name, "local");
    assert_int_equal(r->type, ROUTE_STORE);
    assert_int_equal(r->on_lag, ON_LAG_PIN);
    assert_string_equal(r->path, "/s/lineaged/lineage.db");
    assert_true(r->retention_ms == INT64_C(90) * 24 * 3600 * 1000);
    config_release(&c);
    load(&c, ""); /* an empty file says nothing */
    assert_string_equal(c.spool_directory, "/s/lineaged/spool");
    config_release(&c);
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(config_load(&c, NULL, false, &err), OL_OK);
    assert_string_equal(c.http_listen.items[0], "unix:/s/lineaged/lineaged.sock");
    config_release(&c);
}

static void places_of_the_system(void **state OL_UNUSED)
{
    struct agent_config c;
    struct ol_error err = {0};
    assert_int_equal(config_load(&c, write_config("{}\n"), true, &err), OL_OK);
    assert_true(c.is_system);
    assert_string_equal(c.http_listen.items[0], "unix:/run/lineaged/lineaged.sock");
    assert_string_equal(c.admin_socket, "/run/lineaged/lineaged-admin.sock");
    assert_string_equal(c.journal_directories.items[0], "/var/lib/lineaged/journal");
    assert_string_equal(c.spool_directory, "/var/lib/lineaged/spool");
    assert_string_equal(((struct route_config *)c.routes.items)->path,
                        "/var/lib/lineaged/lineage.db");
    config_release(&c);
}

static void file_wins_over_places(void **state OL_UNUSED)
{
    struct agent_config c;
    load(&c, "intake:\n"
             "  http: { listen: [\"127.0.0.1:0\", \"unix:/tmp/a/b.sock\"], paths: [/events] }\n"
             "  journal: { directories: [] }\n"
             "spool: { directory: /x/spool, max_bytes: 64MiB }\n"
             "routes:\n"
             "  - { name: one, type: file, path: '-' }\n"
             "  - { name: two, type: http, url: 'http://h:5000', profile: marquez }\n"
             "  - { name: three, type: kafka, brokers: 'k:9092', topic: t, on_lag: pin,\n"
             "      properties: [linger.ms=5] }\n");
    const struct route_config *r = c.routes.items;
    assert_int_equal(c.http_listen.count, 2);
    assert_string_equal(c.admin_socket, "/tmp/a/b-admin.sock");
    assert_int_equal(c.journal_directories.count, 0);
    assert_int_equal(c.spool_segment_bytes,
                     16 << 20); /* a quarter: room for the largest event that fits */
    assert_int_equal(c.routes.count, 3);
    assert_int_equal(r[0].on_lag, ON_LAG_PIN);
    assert_int_equal(r[1].on_lag, ON_LAG_DETACH);
    assert_int_equal(r[2].on_lag, ON_LAG_PIN);
    assert_int_equal(r[1].profile, PROFILE_MARQUEZ);
    assert_int_equal(r[1].max_in_flight, 16);
    config_release(&c);
}

/* What is printed is read back to the same values. */
static void printed_form_reads_back(void **state OL_UNUSED)
{
    struct agent_config a, b;
    struct ol__buf first, second;
    ol__buf_init(&first, 1 << 20);
    ol__buf_init(&second, 1 << 20);
    load(&a,
         "log: { level: debug }\nroutes: [{ name: x, type: file, path: /x, rotate_size: 1MiB }]\n");
    assert_int_equal(ol__settings_print(agent_settings, &a, &first), OL_OK);
    load(&b, first.data);
    assert_int_equal(ol__settings_print(agent_settings, &b, &second), OL_OK);
    assert_string_equal(first.data, second.data);
    config_release(&a);
    config_release(&b);
    ol__buf_release(&first);
    ol__buf_release(&second);
}

/* --print-config goes into bug reports: no secret stands in it, wherever it was written. */
static void secrets_are_not_printed(void **state OL_UNUSED)
{
    struct agent_config config, again = {0};
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    /* config_load() refuses some of it: a secret in the file itself. */
    static const char text[] =
        "routes:\n"
        "  - { name: a, type: http, url: 'https://h/v1?tenant=hidden&hidden2&k=hidden', "
        "api_key: hidden, client_secret: hidden, headers: ['X-Key: hidden'], "
        "token_url: 'https://t/x?k=hidden' }\n"
        "  - { name: b, type: http, url: 'http://plain:5000/api/v1/lineage' }\n"
        "  - { name: k, type: kafka, brokers: 'b:9092', topic: t, properties: "
        "[linger.ms=5, sasl.username=me, sasl.password=hidden, ssl.key.pem=hidden, "
        "SASL.OAUTHBEARER.Client.Secret=hidden, 'x.url=http://u:hidden@h', "
        "'ssl.key.password=file:/run/p', 'ssl.keystore.password=env:P'] }\n"
        "  - { name: only, type: kafka, brokers: 'b:9092', topic: t, properties: "
        "[ssl.keystore.password=hidden] }\n";
    struct ol_error err = {0};
    config = (struct agent_config){0};
    assert_int_equal(ol__settings_defaults(agent_settings, &config, &err), OL_OK);
    if (ol__settings_read(agent_settings, &config, "text", ol__span_text(text), &err) != OL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ol__settings_print(agent_settings, &config, &out), OL_OK);
    assert_null(strstr(out.data, "hidden"));
    static const char *const shown[] = {
        "# url: \"https://h/v1?tenant=(set)&(set)&k=(set)\"\n",
        "# api_key: (set)\n",
        "# client_secret: (set)\n",
        "# headers: (set)\n",
        "# headers: (not set)\n",
        " url: \"http://plain:5000/api/v1/lineage\"\n",
        " - \"linger.ms=5\"\n",
        " - \"sasl.username=me\"\n",
        "# - \"sasl.password=(set)\"\n",
        "# - \"x.url=http://(set)@h\"\n",
        " - \"ssl.key.password=file:/run/p\"\n",
        " - \"ssl.keystore.password=env:P\"\n",
    };
    for (size_t i = 0; i < OL_COUNT(shown); i++)
        if (strstr(out.data, shown[i]) == NULL)
            fail_msg("'%s' is not in: %s", shown[i], out.data);
    /* What is left reads back: nothing but the secrets is missing. */
    assert_int_equal(ol__settings_defaults(agent_settings, &again, &err), OL_OK);
    if (ol__settings_read(agent_settings, &again, "printed",
                          (struct ol__span){.data = out.data, .size = out.size}, &err) != OL_OK)
        fail_msg("%s", err.message);
    const struct route_config *routes = again.routes.items;
    assert_int_equal(again.routes.count, 4);
    assert_int_equal(routes[2].properties.count, 4);
    assert_int_equal(routes[3].properties.count, 0);
    config_release(&again);
    config_release(&config);
    ol__buf_release(&out);
}

static void bad_files(void **state OL_UNUSED)
{
    static const struct {
        const char *text, *expected; /* after the path */
    } cases[] = {
        {"intake:\n  kafka: { topic: x }\n", ":2: intake.kafka: is not for use yet: comes later"},
        {"rules: [{ type: drop }]\n", ":1: rules[0]: 'name' is missing"},
        {"intake:\n  http:\n    listen: [ 'tcp:5' ]\n",
         ":3: intake.http.listen: 'tcp:5': expected unix:PATH, ADDRESS:PORT or [ADDRESS]:PORT (a "
         "number, localhost or *), or one of these two with tls: before"},
        {"intake: { http: { listen: [ 'unix:rel' ] } }\n",
         ":1: intake.http.listen: 'unix:rel': expected an absolute path"},
        {"intake: { http: { listen: ['127.0.0.1:1', '127.0.0.1:1'] } }\n",
         ":1: intake.http.listen: the same address twice"},
        {"intake: { http: { listen: ['127.0.0.1:70000'] } }\n",
         ":1: intake.http.listen: '127.0.0.1:70000': expected unix:PATH, ADDRESS:PORT or "
         "[ADDRESS]:PORT (a number, localhost or *), or one of these two with tls: before"},
        {"intake: { http: { paths: ['x'] } }\n",
         ":1: intake.http.paths: expected a path that begins with /, or *"},
        {"intake:\n  journal:\n    directories: [a]\n",
         ":3: intake.journal.directories: expected absolute paths"},
        {"intake: { files: { paths: [a] } }\n", ":1: intake.files.paths: expected absolute paths"},
        {"intake: { files: { paths: ['/l/*.jsonl'] } }\nroutes:\n"
         "  - { name: a, type: file, path: /l/out.jsonl }\n",
         ":1: intake.files.paths: a route writes such a file"},
        {"spool:\n  directory: x\n", ":2: spool.directory: expected an absolute path"},
        {"spool: { segment_bytes: 1 }\n", ":1: spool.segment_bytes: expected at least 64KiB, or 0"},
        {"spool:\n  max_bytes: 1MiB\n  segment_bytes: 1MiB\n",
         ":3: spool.segment_bytes: at least four must fit into spool.max_bytes"},
        {"admin: { socket: a }\n", ":1: admin.socket: 'unix:a': expected an absolute path"},
        {"intake: { http: { listen: ['unix:/a'] } }\nadmin: { socket: /a }\n",
         ":2: admin.socket: intake.http.listen has this path"},
        {"routes:\n  - { name: A, type: file, path: /x }\n",
         ":2: routes.name: route 'A': expected 1 to 64 of a-z, 0-9, '_' and '-'"},
        {"routes:\n  - { name: a, type: http }\n",
         ":2: routes.url: route 'a': missing; type http needs it"},
        {"routes:\n  - { name: a, type: kafka, brokers: b }\n",
         ":2: routes.topic: route 'a': missing; type kafka needs it"},
        {"routes:\n  - { name: a, type: file }\n",
         ":2: routes.path: route 'a': missing; type file needs it"},
        {"routes:\n  - { name: a, type: store, url: 'http://x' }\n",
         ":2: routes.url: route 'a': type store has no such setting"},
        {"routes:\n  - { name: a, type: http, url: 'ftp://x' }\n",
         ":2: routes.url: route 'a': expected http:// or https://"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', api_key: k, api_key_file: f }\n",
         ":2: routes.api_key: route 'a': only one of api_key and api_key_file"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: oauth2, token_url: "
         "'http://t', client_id: c }\n",
         ":2: routes.auth: route 'a': oauth2 needs token_url, client_id and client_secret_file"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: oauth2, token_url: "
         "'http://t', client_id: c, client_secret: s, api_key: k }\n",
         ":2: routes.auth: route 'a': oauth2 goes without api_key and api_key_file"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: oauth2, token_url: "
         "'http://t', client_id: c, client_secret: s, client_secret_file: f }\n",
         ":2: routes.client_secret: route 'a': only one of client_secret and client_secret_file"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: jwt, token_url: 'http://t' "
         "}\n",
         ":2: routes.auth: route 'a': jwt needs token_url and api_key_file"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', token_url: 'http://t' }\n",
         ":2: routes.token_url: route 'a': auth is api_key, which has none"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', client_id: c }\n",
         ":2: routes.client_id: route 'a': only auth oauth2 has client_id and its secret"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: jwt, api_key: k, token_url: "
         "'ftp://t' }\n",
         ":2: routes.token_url: route 'a': expected http:// or https://"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', auth: jwt, api_key: k, token_url: "
         "'http://u:p@t' }\n",
         ":2: routes.token_url: route 'a': a user or password in it"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', proxy: 'http://u:p@t' }\n",
         ":2: routes.proxy: route 'a': a user or password in it"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', proxy: 'socks5://t' }\n",
         ":2: routes.proxy: route 'a': expected http:// or https://"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', health_url: 'x' }\n",
         ":2: routes.health_url: route 'a': expected http:// or https://"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', cert_file: /x }\n",
         ":2: routes.cert_file: route 'a': cert_file and key_file go together"},
        {"routes:\n  - { name: a, type: http, url: 'http://x', profile: marquez, batch_events: 2 "
         "}\n",
         ":2: routes.batch_events: route 'a': profile marquez takes single events only"},
        {"routes:\n  - { name: a, type: file, path: /x, headers: ['A: b'] }\n",
         ":2: routes.headers: route 'a': only type http has it"},
        {"routes:\n  - { name: a, type: file, path: /x, ca_file: /y }\n",
         ":2: routes.ca_file: route 'a': type file has no such setting"},
        {"routes:\n  - { name: a, type: file, path: x }\n",
         ":2: routes.path: route 'a': expected an absolute path, or - for standard output"},
        {"routes:\n  - { name: a, type: store, path: x }\n",
         ":2: routes.path: route 'a': expected an absolute path"},
        {"routes:\n  - { name: a, type: file, path: /x }\n  - { name: a, type: file, path: /y }\n",
         ":3: routes.name: route 'a': the route at line 2 has this name"},
        {"routes:\n  - { name: a, type: file, path: /x }\n  - { name: b, type: store, path: /x }\n",
         ":3: routes.path: route 'b': the route at line 2 writes there"},
        {"routes:\n  - { name: a, type: kafka, brokers: b, topic: t, properties: [x] }\n",
         ":2: routes.properties: route 'a': expected name=value"},
        {"routes:\n  - { name: a, type: kafka, brokers: b, topic: t, properties: "
         "[sasl.username=me, sasl.password=hush] }\n",
         ":2: routes.properties: route 'a': a secret is given as name=file:PATH or name=env:NAME"},
        {"routes:\n  - { name: a, type: file, path: /x, properties: [x=y] }\n",
         ":2: routes.properties: route 'a': only type kafka has it"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct agent_config c;
        struct ol_error err = {0};
        const char *path = write_config(cases[i].text);
        assert_int_equal(config_load(&c, path, false, &err), OL_CONFIG);
        assert_memory_equal(err.message, path, strlen(path));
        assert_string_equal(err.message + strlen(path), cases[i].expected);
    }
}

static void absent_files(void **state OL_UNUSED)
{
    struct agent_config c;
    struct ol_error err = {0};
    assert_int_equal(config_load(&c, "/nowhere/at/all.yaml", false, &err), OL_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/at/all.yaml"));
}

static void lines_are_found(void **state OL_UNUSED)
{
    const struct ol__span yaml = OL_SPAN_LIT("a: 1\n"
                                             "list:\n"
                                             "  - { b: 1 }\n"
                                             "  - b:\n"
                                             "      c: 2\n"
                                             "b:\n"
                                             "  x: [1, {c: 3}]\n"
                                             "  c: 4\n");
    assert_int_equal(config_line(yaml, "a"), 1);
    assert_int_equal(config_line(yaml, "b"), 6);
    assert_int_equal(config_line(yaml, "b.x"), 7);
    assert_int_equal(config_line(yaml, "b.c"), 8);
    assert_int_equal(config_line(yaml, "c"), 0);
    assert_int_equal(config_line((struct ol__span){0}, "a"), 0);
}

static int set_up(void **state OL_UNUSED)
{
    setenv("HOME", "/home/nobody", 1);
    return mkdtemp(directory) == NULL;
}

static int tear_down(void **state OL_UNUSED)
{
    unlink(write_config(""));
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_of_a_user),
        cmocka_unit_test(places_of_the_system),
        cmocka_unit_test(file_wins_over_places),
        cmocka_unit_test(printed_form_reads_back),
        cmocka_unit_test(secrets_are_not_printed),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(absent_files),
        cmocka_unit_test(lines_are_found),
    };
    return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
