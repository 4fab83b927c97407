/* SPDX-License-Identifier: Apache-2.0 */
#include "config_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct target {
    struct ol__conf *at; /* the map or list we are in */
    const char *path;
    char key[512]; /* in a map: of the value that comes */
    unsigned key_line;
};

static bool has_key(const struct ol__conf *map, const char *key)
{
    for (const struct ol__conf *c = map->first; c != NULL; c = c->next)
        if (strcmp(c->key, key) == 0)
            return true;
    return false;
}

static ol_status take(void *arg, enum ol__yaml_kind kind, const char *text, unsigned line,
                      struct ol_error *err)
{
    static const enum ol__conf_type types[] = {[OL_YAML_TEXT] = OL_CONF_TEXT,
                                               [OL_YAML_NULL] = OL_CONF_NULL,
                                               [OL_YAML_MAP] = OL_CONF_MAP,
                                               [OL_YAML_LIST] = OL_CONF_LIST};
    struct target *t = arg;
    char place[1100];
    if (kind == OL_YAML_END) {
        t->at = t->at->parent;
        return OL_OK;
    }
    snprintf(place, sizeof place, "%s:%u", t->path, line);
    if (kind == OL_YAML_KEY) {
        if (strlen(text) >= sizeof t->key)
            return ol__error_set(err, OL_CONFIG, "%.160s: key too long", place);
        if (has_key(t->at, text))
            return ol__error_set(err, OL_CONFIG, "%.120s: key '%.60s' is there twice", place, text);
        snprintf(t->key, sizeof t->key, "%s", text);
        t->key_line = line;
        return OL_OK;
    }
    if (kind != OL_YAML_TEXT && t->at->type == OL_CONF_MAP) /* a block begins a line later */
        snprintf(place, sizeof place, "%s:%u", t->path, t->key_line);
    struct ol__conf *added = NULL;
    ol_status status = ol__conf_add(t->at, t->at->type == OL_CONF_MAP ? t->key : NULL, types[kind],
                                    kind == OL_YAML_TEXT ? text : NULL, place, &added);
    if (status == OL_TOO_LARGE)
        return ol__error_set(err, OL_CONFIG,
                             "%.120s: too large: %d values of %d bytes, %d deep, is the limit",
                             place, OL_CONF_NODE_MAX, OL_CONF_VALUE_MAX, OL_CONF_DEPTH_MAX);
    if (status != OL_OK)
        return ol__error_set(err, status, "%.160s: out of memory", place);
    if (kind == OL_YAML_MAP || kind == OL_YAML_LIST)
        t->at = added;
    return OL_OK;
}

ol_status ol__config_module_read(struct ol__conf *root, const char *path, struct ol_error *err)
{
    struct target target = {.at = root, .path = path};
    if (access(path, R_OK) != 0)
        return ol__error_set_errno(err, errno, "configuration file '%s'", path);
    void *module = dlopen(OL_YAML_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        return ol__error_set(err, OL_NOT_FOUND,
                             "configuration file '%s': reading it takes the module %s,"
                             " which the loader does not find; expected beside libopenlineage.so.0",
                             path, OL_YAML_MODULE);
    ol__yaml_read_function *read = NULL;
    void *symbol = dlsym(module, OL_YAML_SYMBOL);
    memcpy(&read, &symbol,
           sizeof read); /* ISO C has no cast from an object to a function pointer */
    ol_status status = read != NULL ? read(path, take, &target, err)
                                    : ol__error_set(err, OL_CONFIG, "module %s: no %s in it",
                                                    OL_YAML_MODULE, OL_YAML_SYMBOL);
    dlclose(module);
    return status;
}
