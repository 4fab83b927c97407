/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Reads one file and the environment; makes, opens and connects nothing else.
 *  2. Every error names file, line, key and what is allowed. */
#include "config_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include "config_line.h"
#include "files.h"
#include "listen.h"
#include "metrics.h"
#include "places.h"

#define CONFIG_FILE_MAX (1024 * 1024)
#define SEGMENT_DEFAULT (INT64_C(64) * 1024 * 1024)
#define SEGMENT_GOOD (INT64_C(24) * 1024 * 1024) /* room for the largest event and a snapshot */

static ol_status out_of_memory(struct ol_error *err)
{
    return ol__error_set(err, OL_NOMEM, "configuration: out of memory");
}

/* Promise 2, for a setting outside the routes. */
ol_status config_refuse(const struct config_source *from, const char *key, const char *what)
{
    int64_t line = config_line(from->yaml, key);
    if (line > 0)
        return ol__error_set(from->err, OL_CONFIG, "%s:%lld: %s: %s", from->file, (long long)line,
                             key, what);
    return ol__error_set(from->err, OL_CONFIG, "%s: %s: %s", from->file, key, what);
}

static ol_status refuse_route(const struct config_source *from, const struct route_config *route,
                              const char *key, const char *what)
{
    return ol__error_set(from->err, OL_CONFIG, "%s:%lld: routes.%s: route '%s': %s", from->file,
                         (long long)route->line, key, route->name, what);
}

static bool set_text(char **target, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return false;
    free(*target);
    *target = copy;
    return true;
}

/* A list of one element. */
static bool set_list(struct ol__text_list *list, const char *prefix, const char *text)
{
    size_t size = strlen(prefix) + strlen(text) + 1;
    char **items = malloc(sizeof *items);
    char *item = malloc(size);
    if (items == NULL || item == NULL) {
        free(items);
        free(item);
        return false;
    }
    snprintf(item, size, "%s%s", prefix, text);
    items[0] = item;
    *list = (struct ol__text_list){.items = items, .count = 1};
    return true;
}

/* What depends on the place and stands where the file says nothing. */
static ol_status place_defaults(struct agent_config *config, const struct ol__places *places,
                                struct ol_error *err)
{
    if (!set_list(&config->http_listen, "unix:", places->socket) ||
        !set_list(&config->journal_directories, "", places->journal) ||
        !set_text(&config->spool_directory, places->spool))
        return out_of_memory(err);
    return OL_OK;
}

static ol_status default_route(struct agent_config *config, struct ol_error *err)
{
    struct route_config *route = calloc(1, sizeof *route);
    if (route == NULL)
        return out_of_memory(err);
    ol_status status = ol__settings_defaults(route_settings, route, err);
    if (status == OL_OK && !set_text(&route->name, "local"))
        status = out_of_memory(err);
    if (status != OL_OK) {
        ol__settings_release(route_settings, route);
        free(route);
        return status;
    }
    route->type = ROUTE_STORE;
    free(config->routes.items);
    config->routes = (struct ol__setting_items){.items = route, .count = 1};
    return OL_OK;
}

/* What follows from other settings. */
static ol_status derived_defaults(struct agent_config *config, const struct ol__places *places,
                                  struct ol_error *err)
{
    ol_status status = OL_OK;
    if (config->routes.count == 0)
        status = default_route(config, err);
    if (status != OL_OK)
        return status;
    struct route_config *routes = config->routes.items;
    for (size_t i = 0; i < config->routes.count; i++) {
        if (routes[i].on_lag == ON_LAG_DEFAULT)
            routes[i].on_lag = i == 0 ? ON_LAG_PIN : ON_LAG_DETACH;
        if (routes[i].type == ROUTE_STORE && routes[i].path == NULL &&
            !set_text(&routes[i].path, places->store))
            return out_of_memory(err);
    }
    if (config->spool_segment_bytes == 0) {
        int64_t quarter = config->spool_max_bytes / 4;
        config->spool_segment_bytes = OL_MIN(
            SEGMENT_DEFAULT, OL_MAX(config->spool_max_bytes / 16, OL_MIN(SEGMENT_GOOD, quarter)));
        config->spool_segment_bytes &= ~INT64_C(4095);
    }
    if (config->admin_socket != NULL)
        return OL_OK;
    char path[OL_PATH_MAX];
    const char *socket = places->socket;
    for (size_t i = config->http_listen.count; i-- > 0;)
        if (strncmp(config->http_listen.items[i], "unix:", 5) == 0)
            socket = config->http_listen.items[i] + 5;
    status = ol__places_admin_socket(socket, path, sizeof path);
    if (status != OL_OK)
        return ol__error_set(err, OL_CONFIG, "admin.socket: '%s' is too long to derive it from",
                             socket);
    return set_text(&config->admin_socket, path) ? OL_OK : out_of_memory(err);
}

static bool is_route_name(const char *name)
{
    size_t size = strlen(name);
    return size >= 1 && size <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

/* Settings that only some types have; one that was given to another type is a mistake worth
 * telling. */
static ol_status check_route_type(const struct config_source *from, const struct route_config *r)
{
    static const char *const type_names[] = {"http", "kafka", "file", "store"};
    const struct {
        const char *key;
        const char *value;
        unsigned allowed, required; /* bit of the type */
    } rules[] = {
        {"url", r->url, 1u << ROUTE_HTTP, 1u << ROUTE_HTTP},
        {"api_key", r->api_key, 1u << ROUTE_HTTP, 0},
        {"api_key_file", r->api_key_file, 1u << ROUTE_HTTP, 0},
        {"token_url", r->token_url, 1u << ROUTE_HTTP, 0},
        {"client_id", r->client_id, 1u << ROUTE_HTTP, 0},
        {"client_secret", r->client_secret, 1u << ROUTE_HTTP, 0},
        {"client_secret_file", r->client_secret_file, 1u << ROUTE_HTTP, 0},
        {"scope", r->scope, 1u << ROUTE_HTTP, 0},
        {"ca_file", r->ca_file, 1u << ROUTE_HTTP, 0},
        {"cert_file", r->cert_file, 1u << ROUTE_HTTP, 0},
        {"key_file", r->key_file, 1u << ROUTE_HTTP, 0},
        {"proxy", r->proxy, 1u << ROUTE_HTTP, 0},
        {"proxy_auth_file", r->proxy_auth_file, 1u << ROUTE_HTTP, 0},
        {"health_url", r->health_url, 1u << ROUTE_HTTP, 0},
        {"brokers", r->brokers, 1u << ROUTE_KAFKA, 1u << ROUTE_KAFKA},
        {"topic", r->topic, 1u << ROUTE_KAFKA, 1u << ROUTE_KAFKA},
        {"path", r->path, 1u << ROUTE_FILE | 1u << ROUTE_STORE, 1u << ROUTE_FILE},
    };
    char what[96];
    for (size_t i = 0; i < OL_COUNT(rules); i++) {
        unsigned bit = 1u << r->type;
        if (rules[i].value == NULL && (rules[i].required & bit) != 0) {
            snprintf(what, sizeof what, "missing; type %s needs it", type_names[r->type]);
            return refuse_route(from, r, rules[i].key, what);
        }
        if (rules[i].value != NULL && (rules[i].allowed & bit) == 0) {
            snprintf(what, sizeof what, "type %s has no such setting", type_names[r->type]);
            return refuse_route(from, r, rules[i].key, what);
        }
    }
    if (r->headers.count > 0 && r->type != ROUTE_HTTP)
        return refuse_route(from, r, "headers", "only type http has it");
    if (r->type == ROUTE_STORE && (r->rate_events != 0 || r->rate_bytes != 0))
        return refuse_route(from, r, "rate", "type store has no such setting");
    if (r->properties.count > 0 && r->type != ROUTE_KAFKA)
        return refuse_route(from, r, "properties", "only type kafka has it");
    return OL_OK;
}

/* A password in the configuration itself: it is read by more people than should know it. */
static bool is_open_secret(const char *pair, const char *equal)
{
    static const char url[] = ".url";
    size_t size = (size_t)(equal - pair);
    bool is_url = size >= sizeof url && memcmp(equal - (sizeof url - 1), url, sizeof url - 1) == 0;
    return !is_url && ol__setting_names_secret(pair, size) && strncmp(equal, "=file:", 6) != 0 &&
           strncmp(equal, "=env:", 5) != 0;
}

static bool is_http_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

/* A server's URL that is shown in errors and logs. */
static ol_status check_url(const struct config_source *from, const struct route_config *r,
                           const char *key, const char *url)
{
    if (url == NULL)
        return OL_OK;
    if (!is_http_url(url))
        return refuse_route(from, r, key, "expected http:// or https://");
    const char *host = strstr(url, "://") + 3;
    if (memchr(host, '@', strcspn(host, "/?")) != NULL)
        return refuse_route(from, r, key, "a user or password in it");
    return OL_OK;
}

static ol_status check_http(const struct config_source *from, const struct route_config *r)
{
    bool has_key = r->api_key != NULL || r->api_key_file != NULL;
    bool has_secret = r->client_secret != NULL || r->client_secret_file != NULL;
    if (r->api_key != NULL && r->api_key_file != NULL)
        return refuse_route(from, r, "api_key", "only one of api_key and api_key_file");
    if (r->client_secret != NULL && r->client_secret_file != NULL)
        return refuse_route(from, r, "client_secret",
                            "only one of client_secret and client_secret_file");
    if (r->auth == AUTH_OAUTH2 && (r->token_url == NULL || r->client_id == NULL || !has_secret))
        return refuse_route(from, r, "auth",
                            "oauth2 needs token_url, client_id and client_secret_file");
    if (r->auth == AUTH_OAUTH2 && has_key)
        return refuse_route(from, r, "auth", "oauth2 goes without api_key and api_key_file");
    if (r->auth == AUTH_JWT && (r->token_url == NULL || !has_key))
        return refuse_route(from, r, "auth", "jwt needs token_url and api_key_file");
    if (r->auth == AUTH_API_KEY && r->token_url != NULL)
        return refuse_route(from, r, "token_url", "auth is api_key, which has none");
    if (r->auth != AUTH_OAUTH2 && (r->client_id != NULL || has_secret))
        return refuse_route(from, r, "client_id", "only auth oauth2 has client_id and its secret");
    if ((r->cert_file == NULL) != (r->key_file == NULL))
        return refuse_route(from, r, "cert_file", "cert_file and key_file go together");
    if (r->profile == PROFILE_MARQUEZ && r->batch_events > 1)
        return refuse_route(from, r, "batch_events", "profile marquez takes single events only");
    ol_status status = check_url(from, r, "token_url", r->token_url);
    if (status == OL_OK)
        status = check_url(from, r, "health_url", r->health_url);
    if (status == OL_OK && r->proxy != NULL && strcmp(r->proxy, "environment") != 0)
        status = check_url(from, r, "proxy", r->proxy);
    return status;
}

static ol_status check_route(const struct config_source *from, const struct route_config *r)
{
    if (!is_route_name(r->name))
        return refuse_route(from, r, "name", "expected 1 to 64 of a-z, 0-9, '_' and '-'");
    ol_status status = check_route_type(from, r);
    if (status != OL_OK)
        return status;
    if (r->url != NULL && !is_http_url(r->url))
        return refuse_route(from, r, "url", "expected http:// or https://");
    if (r->type == ROUTE_HTTP)
        status = check_http(from, r);
    if (status != OL_OK)
        return status;
    if (r->type == ROUTE_STORE && r->path[0] != '/')
        return refuse_route(from, r, "path", "expected an absolute path");
    status = config_check_retention(from, r);
    if (status != OL_OK)
        return status;
    if (r->type == ROUTE_FILE && r->path[0] != '/' && strcmp(r->path, "-") != 0)
        return refuse_route(from, r, "path", "expected an absolute path, or - for standard output");
    for (size_t i = 0; i < r->properties.count; i++) {
        const char *equal = strchr(r->properties.items[i], '=');
        if (equal == NULL || equal == r->properties.items[i])
            return refuse_route(from, r, "properties", "expected name=value");
        if (is_open_secret(r->properties.items[i], equal))
            return refuse_route(from, r, "properties",
                                "a secret is given as name=file:PATH or name=env:NAME");
    }
    return OL_OK;
}

static ol_status check_routes(const struct config_source *from, const struct agent_config *config)
{
    const struct route_config *routes = config->routes.items;
    char what[64];
    for (size_t i = 0; i < config->routes.count; i++) {
        ol_status status = check_route(from, &routes[i]);
        if (status != OL_OK)
            return status;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(routes[i].name, routes[j].name) == 0) {
                snprintf(what, sizeof what, "the route at line %lld has this name",
                         (long long)routes[j].line);
                return refuse_route(from, &routes[i], "name", what);
            }
            if (routes[i].path != NULL && routes[j].path != NULL && routes[i].path[0] == '/' &&
                strcmp(routes[i].path, routes[j].path) == 0) {
                snprintf(what, sizeof what, "the route at line %lld writes there",
                         (long long)routes[j].line);
                return refuse_route(from, &routes[i], "path", what);
            }
        }
    }
    return OL_OK;
}

static ol_status check(const struct config_source *from, const struct agent_config *config)
{
    struct ol_error err;
    struct listen_address address;
    char uri[OL_PATH_MAX + 8];
    ol_status status = config_check_intake(from, config);
    if (status != OL_OK)
        return status;
    if (config->spool_directory[0] != '/')
        return config_refuse(from, "spool.directory", "expected an absolute path");
    if (config->spool_segment_bytes < 64 * 1024)
        return config_refuse(from, "spool.segment_bytes", "expected at least 64KiB, or 0");
    if (config->spool_segment_bytes > config->spool_max_bytes / 4)
        return config_refuse(from, "spool.segment_bytes",
                             "at least four must fit into spool.max_bytes");
    snprintf(uri, sizeof uri, "unix:%s", config->admin_socket);
    if (listen_parse(uri, &address, &err) != OL_OK)
        return config_refuse(from, "admin.socket", err.message);
    for (size_t i = 0; i < config->http_listen.count; i++)
        if (strcmp(config->http_listen.items[i], uri) == 0)
            return config_refuse(from, "admin.socket", "intake.http.listen has this path");
    return check_routes(from, config);
}

/* @p ret_file names it in errors. An absent file of the place is an empty one. */
static ol_status read_file(struct agent_config *config, const char *path,
                           const struct ol__places *places, struct ol__buf *yaml,
                           const char **ret_file, struct ol_error *err)
{
    *ret_file = path != NULL ? path : places->config;
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, *ret_file, yaml, err);
    if (status == OL_NOT_FOUND && path == NULL)
        return OL_OK;
    if (status != OL_OK)
        return status;
    if (!set_text(&config->config_path, *ret_file))
        return out_of_memory(err);
    return ol__settings_read(agent_settings, config, *ret_file,
                             (struct ol__span){.data = yaml->data, .size = yaml->size}, err);
}

ol_status config_load(struct agent_config *config, const char *path, bool is_system,
                      struct ol_error *err)
{
    struct ol__places places;
    struct config_source from = {.err = err};
    struct ol__buf yaml;
    *config = (struct agent_config){.is_system = is_system};
    ol__buf_init(&yaml, CONFIG_FILE_MAX);
    ol_status status = ol__places_find(is_system, &places, err);
    if (status == OL_OK)
        status = ol__settings_defaults(agent_settings, config, err);
    if (status == OL_OK)
        status = place_defaults(config, &places, err);
    if (status == OL_OK)
        status = read_file(config, path, &places, &yaml, &from.file, err);
    if (status == OL_OK)
        status = derived_defaults(config, &places, err);
    from.yaml = (struct ol__span){.data = yaml.data, .size = yaml.size};
    if (status == OL_OK)
        status = check(&from, config);
    ol__buf_release(&yaml);
    if (status != OL_OK)
        config_release(config);
    return status;
}

void config_release(struct agent_config *config)
{
    ol__settings_release(agent_settings, config);
    free(config->config_path);
    *config = (struct agent_config){0};
}
