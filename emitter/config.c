/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_module.h"
#include "config_transport.h"

void ol__log(const struct ol__log *log, ol_status status, const char *format, ...)
{
    char message[512];
    va_list args;
    if (log->function == NULL)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log->function(log->arg, status, message);
}

void ol__config_release(struct ol__config *config)
{
    ol__config_transport_release(&config->transport);
    ol__conf_release(&config->tree);
    ol__conf_release(&config->variables);
    free(config->file);
    *config = (struct ol__config){0};
}

/* ---- values ---- */

bool ol__url_is_local(const char *url)
{
    if (strncmp(url, "unix:", 5) == 0 || strncmp(url, "http+unix:", 10) == 0)
        return true;
    const char *authority = strstr(url, "://");
    authority = authority != NULL ? authority + 3 : url;
    size_t size = strcspn(authority, "/?#");
    const char *at = memchr(authority, '@', size);
    if (at != NULL) {
        size -= (size_t)(at + 1 - authority);
        authority = at + 1;
    }
    if (size >= 5 && strncmp(authority, "[::1]", 5) == 0)
        return size == 5 || authority[5] == ':';
    const char *colon = memchr(authority, ':', size);
    if (colon != NULL)
        size = (size_t)(colon - authority);
    if (size == 9 && strncasecmp(authority, "localhost", 9) == 0)
        return true;
    if (size < 4 || strncmp(authority, "127.", 4) != 0)
        return false;
    return strspn(authority, "0123456789.") >= size; /* 127.example.org is somebody else */
}

/* A variable of its own, by its row in the table. */
static const struct ol__conf *variable(const struct ol__config *config, enum ol__key key)
{
    for (const struct ol__conf *c = config->variables.first; c != NULL; c = c->next)
        if (strcmp(c->key, ol__keys[key].variable) == 0)
            return c;
    return NULL;
}

/* A kill switch: file and variable are both heard. */
static ol_status read_disabled(struct ol__config *c, struct ol_error *err)
{
    static const char *const words[] = {"true", "1", "yes", "on", "false", "0", "no", "off"};
    const struct ol__conf *told[] = {ol__key_find(&c->tree, OL_KEY_DISABLED),
                                     variable(c, OL_KEY_DISABLED)};
    for (size_t i = 0; i < OL_COUNT(told); i++) {
        size_t word = 0;
        while (told[i] != NULL && word < OL_COUNT(words) &&
               (told[i]->text == NULL || strcasecmp(told[i]->text, words[word]) != 0))
            word++;
        if (word == OL_COUNT(words))
            return ol__conf_refuse(told[i], "true or false", err);
        if (told[i] != NULL && word < 4 && !c->is_disabled) {
            c->is_disabled = true;
            c->disabled_by = told[i];
        }
    }
    return OL_OK;
}

static ol_status read_values(struct ol__config *c, const struct ol__log *log, struct ol_error *err)
{
    ol_status status = read_disabled(c, err);
    if (status != OL_OK || c->is_disabled)
        return status; /* who wants nothing need not get the rest right */
    status = ol__keys_check(&c->tree, OL_SCOPE_ROOT, OL_KIND_UNSET, log, NULL, err);
    if (status == OL_OK)
        status = ol__config_transport(c, log, err);
    if (status != OL_OK)
        return status;
    const struct ol__conf *name_space = ol__key_find(&c->tree, OL_KEY_NAMESPACE);
    if (name_space == NULL)
        name_space = variable(c, OL_KEY_NAMESPACE);
    c->job_namespace = name_space != NULL ? name_space->text : NULL;
    return OL_OK;
}

/* ---- sources ---- */

static ol_status fail_variable(const char *variable_name, ol_status status, struct ol_error *err)
{
    if (status == OL_TOO_LARGE)
        return ol__error_set(err, OL_CONFIG,
                             "%.80s: too large: %d bytes, or too many values; the limits are in "
                             "openlineage.yml(5)",
                             variable_name, OL_CONF_VALUE_MAX);
    return ol__error_set(err, status, "%.80s: out of memory", variable_name);
}

static ol_status read_own_variables(struct ol__config *config, struct ol_error *err)
{
    for (size_t i = 0; i < OL_KEY_COUNT; i++) {
        const char *name = ol__keys[i].variable;
        const char *value = name != NULL ? secure_getenv(name) : NULL;
        if (value == NULL || value[0] == '\0')
            continue;
        ol_status status = ol__conf_add(&config->variables, name, OL_CONF_TEXT, value, name, NULL);
        if (status == OL_TOO_LARGE && (i == OL_KEY_PARENT_ID || i == OL_KEY_ROOT_PARENT_ID))
            continue; /* only shown here; context.c reads and refuses them */
        if (status != OL_OK)
            return fail_variable(name, status, err);
    }
    return OL_OK;
}

static int descending(const void *a, const void *b)
{
    return strcmp(*(const char *const *)b, *(const char *const *)a);
}

/* OPENLINEAGE__A__B=value: names in descending order, as in the Python client, so that what is
 * nearer to the root wins. */
static ol_status read_nested_variables(struct ol__conf *tree, const struct ol__log *log,
                                       struct ol_error *err)
{
    static const char prefix[] = "OPENLINEAGE__";
    size_t count = 0, found = 0;
    ol_status status = OL_OK;
    if (environ == NULL || getauxval(AT_SECURE) != 0)
        return OL_OK;
    for (char **e = environ; *e != NULL; e++)
        count += strncmp(*e, prefix, sizeof prefix - 1) == 0;
    char **names = count > 0 ? calloc(count, sizeof *names) : NULL;
    if (count > 0 && names == NULL)
        return ol__error_set(err, OL_NOMEM, "configuration: out of memory");
    for (char **e = environ; *e != NULL && found < count; e++)
        if (strncmp(*e, prefix, sizeof prefix - 1) == 0 && strchr(*e, '=') != NULL)
            names[found++] = *e;
    if (found > 0)
        qsort(names, found, sizeof *names, descending);
    for (size_t i = 0; i < found && status == OL_OK; i++) {
        struct ol_error trouble;
        char name[256];
        size_t size = strcspn(names[i], "=");
        snprintf(name, sizeof name, "%.*s", (int)size, names[i]);
        status = size < sizeof name
                     ? ol__conf_set_variable(tree, name, names[i] + size + 1, &trouble)
                     : OL_TOO_LARGE;
        if (status != OL_OK)
            status = fail_variable(name, status, err);
        else if (trouble.status != OL_OK)
            ol__log(log, OL_CONFIG, "%s: taken as text: %s", name, trouble.message);
    }
    free(names);
    return status;
}

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A file that somebody named must be read; one that merely lies there is worth a word if it cannot
 * be. */
static ol_status read_file(struct ol__config *config, const char *path, const struct ol__log *log,
                           struct ol_error *err)
{
    char home_path[1024];
    bool is_named = true;
    const char *home = secure_getenv("HOME");
    if (path == NULL)
        path = secure_getenv(ol__keys[OL_KEY_CONFIG].variable);
    if (path == NULL || path[0] == '\0') {
        is_named = false;
        path = "openlineage.yml";
        if (!exists(path)) {
            int n = home == NULL ? -1
                                 : snprintf(home_path, sizeof home_path,
                                            "%s/.openlineage/openlineage.yml", home);
            path = home_path;
            if (n < 0 || (size_t)n >= sizeof home_path || !exists(path))
                return OL_OK;
        }
    }
    struct ol_error trouble = {.status = OL_OK};
    config->file = strdup(path);
    ol_status status = config->file != NULL
                           ? ol__config_module_read(&config->tree, path, &trouble)
                           : ol__error_set(&trouble, OL_NOMEM, "configuration: out of memory");
    if (status == OL_NOT_FOUND && !is_named) {
        ol__log(log, OL_CONFIG, "%s", trouble.message);
        free(config->file);
        config->file = NULL;
        return OL_OK;
    }
    if (status != OL_OK && err != NULL)
        *err = trouble;
    return status == OL_OK || status == OL_NOMEM
               ? status
               : ol__error_set(err, OL_CONFIG, "%s", trouble.message);
}

ol_status ol__config_read(struct ol__config *config, const char *path, const struct ol__log *log,
                          struct ol_error *err)
{
    struct ol__conf nested = {.type = OL_CONF_MAP};
    *config = (struct ol__config){.tree.type = OL_CONF_MAP, .variables.type = OL_CONF_MAP};
    ol_status status = read_own_variables(config, err);
    if (status == OL_OK)
        status = read_file(config, path, log, err);
    if (status == OL_OK)
        status = read_nested_variables(&nested, log, err);
    if (status == OL_OK)
        ol__conf_merge(&config->tree, &nested);
    ol__conf_release(&nested);
    if (status == OL_OK)
        status = read_values(config, log, err);
    return status;
}
