/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: a door that others than this machine can reach is open without keys only where somebody
 * wrote so. */
#include "config_impl.h"

#include <errno.h>
#include <fnmatch.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>

bool config_is_key_name(const char *name, size_t size)
{
    static const char marks[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
    for (size_t i = 0; i < size; i++)
        if (name[i] == '\0' || strchr(marks, name[i]) == NULL)
            return false;
    return size > 0 && size <= API_KEY_NAME_MAX;
}

bool config_read_sum(const char *text, uint8_t out[32])
{
    for (size_t i = 0; i < 32; i++) {
        int high = ol__hex_value(text[2 * i]);
        int low = high < 0 ? -1 : ol__hex_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text[64] == '\0';
}

static bool read_group(const char *text, gid_t *ret)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number < UINT32_MAX) {
        *ret = (gid_t)number;
        return true;
    }
    const struct group *group = getgrnam(text);
    if (group == NULL)
        return false;
    *ret = group->gr_gid;
    return true;
}

ol_status config_socket_file(const struct agent_config *config, struct listen_file *ret,
                             struct ol_error *err)
{
    struct listen_file file = {.mode = config->is_system ? 0660 : 0600,
                               .group = LISTEN_NO_GROUP,
                               .is_system = config->is_system};
    const char *mode = config->http_socket_mode, *group = config->http_socket_group;
    if (mode != NULL) {
        size_t size = strlen(mode);
        if (size < 3 || size > 4 || strspn(mode, "01234567") != size ||
            (strtoul(mode, NULL, 8) & ~0666ul) != 0)
            return ol__error_set(err, OL_CONFIG,
                                 "'%s': expected an octal mode of reading and writing, e.g. 0660",
                                 mode);
        file.mode = (mode_t)strtoul(mode, NULL, 8);
    }
    if (group != NULL && !read_group(group, &file.group))
        return ol__error_set(err, OL_CONFIG, "'%s': no such group", group);
    *ret = file;
    return OL_OK;
}

static ol_status check_keys(const struct config_source *from, const struct agent_config *config)
{
    const struct api_key_config *keys = config->http_api_keys.items;
    uint8_t sum[32];
    for (size_t i = 0; i < config->http_api_keys.count; i++) {
        const struct api_key_config *key = &keys[i];
        if (!config_is_key_name(key->name, strlen(key->name)))
            return ol__error_set(from->err, OL_CONFIG,
                                 "%s:%lld: intake.http.api_keys.name: '%s': expected 1 to %d of "
                                 "" API_KEY_NAME_MARKS,
                                 from->file, (long long)key->line, key->name, API_KEY_NAME_MAX);
        if (!config_read_sum(key->sum, sum)) /* not shown: it may be the key itself */
            return ol__error_set(from->err, OL_CONFIG,
                                 "%s:%lld: intake.http.api_keys.sha256: key '%s': expected 64 "
                                 "hexadecimal digits, as 'lineage key new %s' prints them",
                                 from->file, (long long)key->line, key->name, key->name);
    }
    return OL_OK;
}

/* Certificate and key belong together, and to an address with tls:. */
static ol_status check_tls(const struct config_source *from, const struct agent_config *config,
                           bool has_tls)
{
    const struct {
        const char *key, *value;
    } files[] = {
        {"intake.http.api_keys_file", config->http_api_keys_file},
        {"intake.http.tls.certificate", config->tls_certificate},
        {"intake.http.tls.key", config->tls_key},
        {"intake.http.tls.client_ca", config->tls_client_ca},
    };
    for (size_t i = 0; i < OL_COUNT(files); i++)
        if (files[i].value != NULL && files[i].value[0] != '/')
            return config_refuse(from, files[i].key, "expected an absolute path");
    if (has_tls && config->tls_certificate == NULL)
        return config_refuse(from, "intake.http.listen",
                             "an address with tls: needs intake.http.tls.certificate and key");
    if ((config->tls_certificate == NULL) != (config->tls_key == NULL))
        return config_refuse(from, "intake.http.tls", "certificate and key go together");
    if (!has_tls && (config->tls_certificate != NULL || config->tls_client_ca != NULL))
        return config_refuse(from, "intake.http.tls",
                             "no address of intake.http.listen has tls: before it");
    return OL_OK;
}

/* The promise. */
static ol_status check_door(const struct config_source *from, const struct agent_config *config,
                            const struct listen_address *address)
{
    char what[384];
    bool has_keys = config->http_api_keys.count > 0 || config->http_api_keys_file != NULL;
    bool has_certificates = address->is_tls && config->tls_client_ca != NULL;
    bool is_asked = config->http_authentication == AUTHENTICATION_REMOTE
                        ? !address->is_local
                        : config->http_authentication == AUTHENTICATION_TCP && !address->is_unix;
    if (!is_asked || has_keys || has_certificates)
        return OL_OK;
    snprintf(what, sizeof what,
             "'%s' %s: add api_keys ('lineage key new NAME')%s there, or let all send with "
             "authentication: none",
             address->text, address->is_local ? "asks for keys" : "is open to other machines",
             address->is_tls ? " or tls.client_ca" : "");
    return config_refuse(from, "intake.http.listen", what);
}

static ol_status check_listeners(const struct config_source *from,
                                 const struct agent_config *config)
{
    struct ol_error err;
    struct listen_address address;
    bool has_tls = false;
    for (size_t i = 0; i < config->http_listen.count; i++) {
        if (listen_parse(config->http_listen.items[i], &address, &err) != OL_OK)
            return config_refuse(from, "intake.http.listen", err.message);
        for (size_t j = 0; j < i; j++)
            if (strcmp(config->http_listen.items[i], config->http_listen.items[j]) == 0)
                return config_refuse(from, "intake.http.listen", "the same address twice");
        ol_status status = check_door(from, config, &address);
        if (status != OL_OK)
            return status;
        has_tls = has_tls || address.is_tls;
    }
    return check_tls(from, config, has_tls);
}

/** What a route writes must not come in again. */
static ol_status check_files(const struct config_source *from, const struct agent_config *config)
{
    const struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->files_paths.count; i++) {
        const char *pattern = config->files_paths.items[i];
        if (pattern[0] != '/')
            return config_refuse(from, "intake.files.paths", "expected absolute paths");
        for (size_t r = 0; r < config->routes.count; r++)
            if (routes[r].type == ROUTE_FILE && routes[r].path != NULL &&
                fnmatch(pattern, routes[r].path, FNM_PATHNAME) == 0)
                return config_refuse(from, "intake.files.paths", "a route writes such a file");
    }
    return OL_OK;
}

ol_status config_check_intake(const struct config_source *from, const struct agent_config *config)
{
    struct ol_error err;
    struct listen_file file;
    ol_status status = check_keys(from, config);
    if (status == OL_OK)
        status = check_listeners(from, config);
    if (status != OL_OK)
        return status;
    if (config_socket_file(config, &file, &err) != OL_OK)
        return config_refuse(from,
                             strstr(err.message, "group") != NULL ? "intake.http.socket_group"
                                                                  : "intake.http.socket_mode",
                             err.message);
    for (size_t i = 0; i < config->http_paths.count; i++)
        if (config->http_paths.items[i][0] != '/' && strcmp(config->http_paths.items[i], "*") != 0)
            return config_refuse(from, "intake.http.paths",
                                 "expected a path that begins with /, or *");
    for (size_t i = 0; i < config->journal_directories.count; i++)
        if (config->journal_directories.items[i][0] != '/')
            return config_refuse(from, "intake.journal.directories", "expected absolute paths");
    return check_files(from, config);
}
