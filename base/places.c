/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "places.h"

static bool join(char *out, size_t size, const char *directory, const char *name)
{
    int n = snprintf(out, size, "%s/%s", directory, name);
    return n >= 0 && (size_t)n < size;
}

/** An absolute path from the environment, else HOME and @p fallback under it (XDG base
 * directories). */
static ol_status xdg(const char *variable, const char *fallback, char *out, size_t size,
                     struct ol_error *err)
{
    const char *value = getenv(variable);
    int n;
    if (value != NULL && value[0] == '/') /* the specification says to ignore relative ones */
        n = snprintf(out, size, "%s/lineaged", value);
    else {
        const char *home = getenv("HOME");
        if (home == NULL || home[0] != '/')
            return ol__error_set(err, OL_CONFIG,
                                 "no place for state: neither %s nor HOME is an absolute path",
                                 variable);
        n = snprintf(out, size, "%s/%s/lineaged", home, fallback);
    }
    if (n < 0 || (size_t)n >= size)
        return ol__error_set(err, OL_TOO_LARGE, "%s: path too long", variable);
    return OL_OK;
}

ol_status ol__places_admin_socket(const char *socket, char *out, size_t size)
{
    size_t length = strlen(socket);
    if (length >= 5 && strcmp(socket + length - 5, ".sock") == 0)
        length -= 5;
    int n = snprintf(out, size, "%.*s-admin.sock", (int)length, socket);
    return n >= 0 && (size_t)n < size ? OL_OK : OL_TOO_LARGE;
}

ol_status ol__places_find(bool is_system, struct ol__places *ret, struct ol_error *err)
{
    struct ol__places p = {.is_system = is_system};
    char config[OL_PATH_MAX], runtime[OL_PATH_MAX];
    ol_status st;
    if (is_system) {
        snprintf(config, sizeof config, "/etc/lineaged");
        snprintf(p.state, sizeof p.state, "/var/lib/lineaged");
        snprintf(runtime, sizeof runtime, "/run/lineaged");
    } else {
        st = xdg("XDG_STATE_HOME", ".local/state", p.state, sizeof p.state, err);
        if (st != OL_OK)
            return st;
        /* who has a place for state alone keeps the configuration there */
        if (xdg("XDG_CONFIG_HOME", ".config", config, sizeof config, NULL) != OL_OK)
            snprintf(config, sizeof config, "%s", p.state);
        const char *run = getenv("XDG_RUNTIME_DIR");
        snprintf(runtime, sizeof runtime, "%s", run != NULL && run[0] == '/' ? run : p.state);
        if (run != NULL && strlen(run) >= sizeof runtime)
            return ol__error_set(err, OL_TOO_LARGE, "XDG_RUNTIME_DIR: path too long");
    }
    if (!join(p.config, sizeof p.config, config, "lineaged.yaml") ||
        !join(p.journal, sizeof p.journal, p.state, "journal") ||
        !join(p.spool, sizeof p.spool, p.state, "spool") ||
        !join(p.store, sizeof p.store, p.state, "lineage.db") ||
        !join(p.socket, sizeof p.socket, runtime, "lineaged.sock") ||
        ol__places_admin_socket(p.socket, p.admin_socket, sizeof p.admin_socket) != OL_OK)
        return ol__error_set(err, OL_TOO_LARGE, "'%s': path too long", p.state);
    *ret = p;
    return OL_OK;
}

ol_status ol__places_of_user(struct ol__places *ret, struct ol_error *err)
{
    struct stat st;
    struct ol__places system;
    ol_status result = ol__places_find(true, &system, err);
    if (result != OL_OK)
        return result;
    if (stat(system.journal, &st) == 0 && S_ISDIR(st.st_mode)) {
        *ret = system;
        return OL_OK;
    }
    return ol__places_find(false, ret, err);
}
