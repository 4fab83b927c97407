/* SPDX-License-Identifier: Apache-2.0 */
/* Proves which doors may be opened to others than this machine, that those without a credential are
 * refused with the line and what to do, and every check of keys, TLS files and unix sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "config.h"

static char directory[] = "/tmp/test_config_intake.XXXXXX";

#define SUM "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c"
#define KEYS "api_keys: [{ name: ci, sha256: " SUM " }]"
#define HTTP(rest) "intake:\n  http:\n    " rest "\n"
#define TLS "tls: { certificate: /c, key: /k"

static ol_status load(const char *text, struct agent_config *config, struct ol_error *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s/lineaged.yaml", directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return config_load(config, path, false, err);
}

static void who_needs_a_credential(void **state OL_UNUSED)
{
    static const struct {
        const char *text, *expected; /* NULL: it is taken */
    } cases[] = {
        {HTTP("listen: ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'unix:/s', 'localhost:2']"), NULL},
        {HTTP("listen: ['[::ffff:127.0.0.1]:1']"), NULL},
        {HTTP("listen: ['0.0.0.0:1']"),
         ":3: intake.http.listen: '0.0.0.0:1' is open to other machines"},
        {HTTP("paths: []\n    listen: ['[::]:1']"), ":4: intake.http.listen: '[::]:1' is open"},
        {HTTP("listen: ['127.0.0.1:1', '*:2']"), ":3: intake.http.listen: '*:2' is open"},
        {HTTP("listen: ['10.0.0.1:1']"), "add api_keys ('lineage key new NAME') there, or"},
        {HTTP("listen: ['10.0.0.1:1']"), "or let all send with authentication: none"},
        {HTTP("listen: ['tls:0.0.0.0:1']\n    " TLS " }"), "or tls.client_ca there, or let"},
        {HTTP("listen: ['0.0.0.0:1']\n    authentication: none"), NULL},
        {HTTP("listen: ['0.0.0.0:1']\n    " KEYS), NULL},
        {HTTP("listen: ['0.0.0.0:1']\n    api_keys_file: /etc/keys"), NULL},
        {HTTP("listen: ['tls:0.0.0.0:1']\n    " TLS ", client_ca: /ca }"), NULL},
        /* a certificate is no help where there is no TLS */
        {HTTP("listen: ['tls:0.0.0.0:1', '0.0.0.0:2']\n    " TLS ", client_ca: /ca }"),
         ":3: intake.http.listen: '0.0.0.0:2' is open"},
        {HTTP("listen: ['127.0.0.1:1']\n    authentication: tcp"), "'127.0.0.1:1' asks for keys"},
        {HTTP("listen: ['127.0.0.1:1']\n    authentication: tcp\n    " KEYS), NULL},
        {HTTP("listen: ['unix:/s']\n    authentication: tcp"), NULL},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct agent_config c;
        struct ol_error err = {0};
        ol_status status = load(cases[i].text, &c, &err);
        if ((status == OL_OK) != (cases[i].expected == NULL))
            fail_msg("%s: %s", cases[i].text, status == OL_OK ? "taken" : err.message);
        if (status == OL_OK)
            config_release(&c);
        else if (strstr(err.message, cases[i].expected) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

static void what_is_refused(void **state OL_UNUSED)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {HTTP("api_keys:\n      - { name: 'a b', sha256: " SUM " }"),
         ":4: intake.http.api_keys.name: 'a b': expected 1 to 64 of a-z"},
        {HTTP("api_keys:\n      - { name: a, sha256: secretkey }"),
         ":4: intake.http.api_keys.sha256: key 'a': expected 64 hexadecimal digits, as 'lineage "
         "key new a' prints them"},
        {HTTP("api_keys:\n      - { name: a, sha256: " SUM "0 }"), ":4: intake.http.api_keys.sha"},
        {HTTP("api_keys:\n      - { name: a }"), "sha256"},
        {HTTP("api_keys_file: keys"), ":3: intake.http.api_keys_file: expected an absolute path"},
        {HTTP("listen: ['tls:127.0.0.1:1']"), ":3: intake.http.listen: an address with tls: needs"},
        {HTTP("listen: ['tls:127.0.0.1:1']\n    tls: { certificate: /c }"),
         ":4: intake.http.tls: certificate and key go together"},
        {HTTP("listen: ['tls:127.0.0.1:1']\n    tls: { certificate: c, key: /k }"),
         ":4: intake.http.tls.certificate: expected an absolute path"},
        {HTTP("listen: ['127.0.0.1:1']\n    " TLS " }"),
         ":4: intake.http.tls: no address of intake.http.listen has tls: before it"},
        {HTTP("listen: ['tls:unix:/a']"), ":3: intake.http.listen: 'tls:unix:/a': expected unix:"},
        {HTTP("socket_mode: '0777'"), ":3: intake.http.socket_mode: '0777': expected an octal"},
        {HTTP("socket_mode: rw"), ":3: intake.http.socket_mode: 'rw': expected an octal mode"},
        {HTTP("socket_group: no-such-group-at-all"),
         ":3: intake.http.socket_group: 'no-such-group-at-all': no such group"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct agent_config c;
        struct ol_error err = {0};
        assert_int_equal(load(cases[i].text, &c, &err), OL_CONFIG);
        if (strstr(err.message, cases[i].expected) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_null(strstr(err.message, "secretkey"));
    }
}

static void socket_files(void **state OL_UNUSED)
{
    static const struct {
        const char *mode, *group;
        bool is_system;
        mode_t expected;
        gid_t expected_group;
    } cases[] = {
        {NULL, NULL, false, 0600, LISTEN_NO_GROUP},
        {NULL, NULL, true, 0660, LISTEN_NO_GROUP},
        {"0660", "0", false, 0660, 0},
        {"666", "root", true, 0666, 0},
        {"0600", "4000000000", true, 0600, 4000000000u},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        char mode[8], group[16];
        struct ol_error err = {0};
        struct listen_file file;
        snprintf(mode, sizeof mode, "%s", cases[i].mode != NULL ? cases[i].mode : "");
        snprintf(group, sizeof group, "%s", cases[i].group != NULL ? cases[i].group : "");
        const struct agent_config c = {.is_system = cases[i].is_system,
                                       .http_socket_mode = cases[i].mode != NULL ? mode : NULL,
                                       .http_socket_group = cases[i].group != NULL ? group : NULL};
        assert_int_equal(config_socket_file(&c, &file, &err), OL_OK);
        assert_int_equal(file.mode, cases[i].expected);
        assert_int_equal(file.group, cases[i].expected_group);
    }
}

static void sockets_get_mode_and_group(void **state OL_UNUSED)
{
    struct listen_address address;
    struct listen_socket l;
    struct ol_error err = {0};
    struct stat st;
    char text[128];
    snprintf(text, sizeof text, "unix:%s/l.sock", directory);
    assert_int_equal(listen_parse(text, &address, &err), OL_OK);
    assert_true(address.is_local);
    const struct listen_file file = {.mode = 0640, .group = getegid()};
    assert_int_equal(listen_open(&address, &file, &l, &err), OL_OK);
    assert_int_equal(stat(text + 5, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_gid, getegid());
    listen_close(&l);
}

static void a_peer_has_a_uid(void **state OL_UNUSED)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(listen_peer_uid(pair[0]), listen_known_uid(geteuid()));
    close(pair[0]);
    close(pair[1]);
    assert_true(listen_peer_uid(-1) == LISTEN_UID_UNKNOWN);
    assert_int_equal(listen_known_uid(0), 0);
    assert_int_equal(listen_known_uid(1000), 1000);
}

static int set_up(void **state OL_UNUSED)
{
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int tear_down(void **state OL_UNUSED)
{
    char path[128];
    snprintf(path, sizeof path, "%s/lineaged.yaml", directory);
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_needs_a_credential), cmocka_unit_test(what_is_refused),
        cmocka_unit_test(socket_files),           cmocka_unit_test(sockets_get_mode_and_group),
        cmocka_unit_test(a_peer_has_a_uid),
    };
    return cmocka_run_group_tests_name("config_intake", tests, set_up, tear_down);
}
