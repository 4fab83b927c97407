/* SPDX-License-Identifier: Apache-2.0 */
/* Which agent is asked. The socket of the place is tried first: the configuration is read only
 * where nobody listens there, since reading it costs more than the question. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "config.h"
#include "spool.h"

ol_status place_find(struct place *place, struct ol_error *err)
{
    const char *named = getenv("LINEAGED_SOCKET");
    *place = (struct place){.is_named = named != NULL && named[0] != '\0'};
    return client_socket_path(place->socket, sizeof place->socket, &place->is_system, err);
}

void place_release(struct place *place)
{
    if (place->config != NULL)
        config_release(place->config);
    free(place->config);
    place->config = NULL;
}

ol_status place_configure(struct place *place, struct ol_error *err)
{
    if (place->config != NULL)
        return OL_OK;
    struct agent_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return ol__error_set(err, OL_NOMEM, "configuration: out of memory");
    ol_status st = config_load(config, NULL, place->is_system, err);
    if (st != OL_OK) {
        free(config);
        return st;
    }
    place->config = config;
    return OL_OK;
}

ol_status place_get(struct place *place, const char *target, int *ret_status, struct ol__buf *body,
                    struct ol_error *err)
{
    return place_request(place, "GET", target, ret_status, body, err);
}

ol_status place_request(struct place *place, const char *method, const char *target,
                        int *ret_status, struct ol__buf *body, struct ol_error *err)
{
    static const struct client_content nothing;
    struct ol_error ignored;
    ol_status st = client_request(place->socket, method, target, &nothing, ret_status, body, err);
    if (st != OL_NOT_FOUND || place->is_named || place_configure(place, &ignored) != OL_OK ||
        strcmp(place->config->admin_socket, place->socket) == 0)
        return st;
    snprintf(place->socket, sizeof place->socket, "%s", place->config->admin_socket);
    return client_request(place->socket, method, target, &nothing, ret_status, body, err);
}

ol_status place_spool_options(struct place *place, const char *directory, bool as_owner,
                              struct spool_options *ret, struct ol_error *err)
{
    struct stat st;
    ol_status status = place_configure(place, err);
    if (status != OL_OK)
        return status;
    if (stat(directory, &st) != 0)
        return ol__error_set_errno(err, errno, "spool '%s'", directory);
    if (as_owner && geteuid() == 0 && st.st_uid != 0 &&
        (setegid(st.st_gid) != 0 ||
         seteuid(st.st_uid) != 0)) /* the agent must be able to read it */
        return ol__error_set_errno(err, errno, "become uid %ld, whose spool it is",
                                   (long)st.st_uid);
    umask(0077);
    *ret = (struct spool_options){.directory = directory,
                                  .max_bytes = place->config->spool_max_bytes,
                                  .segment_bytes = place->config->spool_segment_bytes,
                                  .min_free_bytes = place->config->spool_min_free_bytes,
                                  .no_prepare = true};
    return OL_OK;
}

ol_status place_open_spool(struct place *place, struct spool **ret, struct ol_error *err)
{
    struct spool_options options;
    ol_status status = place_configure(place, err);
    if (status != OL_OK)
        return status;
    if (!place_is_ours(place))
        return ol__error_set(err, OL_DENIED, "spool '%s' is not yours",
                             place->config->spool_directory);
    status = place_spool_options(place, place->config->spool_directory, true, &options, err);
    return status == OL_OK ? spool_open(&options, ret, err) : status;
}

bool place_is_ours(const struct place *place)
{
    struct stat st;
    if (!place->is_system || geteuid() == 0)
        return true;
    return place->config != NULL && stat(place->config->spool_directory, &st) == 0 &&
           st.st_uid == geteuid();
}

const struct route_config *place_route(const struct place *place, const char *name)
{
    const struct route_config *routes = place->config->routes.items;
    for (size_t i = 0; i < place->config->routes.count; i++)
        if (strcmp(routes[i].name, name) == 0)
            return &routes[i];
    return NULL;
}
