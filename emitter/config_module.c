/* SPDX-License-Identifier: Apache-2.0 */
#include "config_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct target {
    struct ol__config *config;
    const struct ol__log *log;
    const char *path;
};

static ol_status take(void *arg, const char *key, const char *value, unsigned line,
                      struct ol_error *err)
{
    struct target *t = arg;
    char source[1200];
    snprintf(source, sizeof source, "%s:%u: %s", t->path, line, key);
    ol_status status = ol__config_tell(t->config, key, value, source);
    if (status == OL_NOT_FOUND) {
        ol__log(t->log, OL_CONFIG, "%s: not known to this client, not used", source);
        return OL_OK;
    }
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "%s: out of memory", source);
}

ol_status ol__config_module_read(struct ol__config *config, const char *path,
                                 const struct ol__log *log, struct ol_error *err)
{
    struct target target = {.config = config, .log = log, .path = path};
    if (access(path, R_OK) != 0)
        return ol__error_set_errno(err, errno, "configuration file '%s'", path);
    void *module = dlopen(OL_YAML_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        return ol__error_set(err, OL_NOT_FOUND,
                             "configuration file '%s': reading it takes the module %s,"
                             " which is not installed",
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
