/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_module.h"

#define VALUE_MAX 65536 /* bytes of one setting */

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

/* Every setting: its variable, its key in the file, and where it is kept. Two names may mean one
 * setting, since the Java and the Python client spell it differently. */
static const struct setting {
    const char *variable; /* NULL: only in a file */
    const char *key;      /* NULL: only a variable */
    size_t offset;
} settings[] = {
    {"OPENLINEAGE_DISABLED", "disabled", offsetof(struct ol__config, disabled)},
    {"OPENLINEAGE_NAMESPACE", "namespace", offsetof(struct ol__config, job_namespace)},
    {"OPENLINEAGE_URL", NULL, offsetof(struct ol__config, url)},
    {"OPENLINEAGE__TRANSPORT__TYPE", "transport.type", offsetof(struct ol__config, type)},
    {"OPENLINEAGE__TRANSPORT__DIRECTORY", "transport.directory",
     offsetof(struct ol__config, directory)},
    {"OPENLINEAGE__TRANSPORT__LOCATION", "transport.location",
     offsetof(struct ol__config, location)},
    {"OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", "transport.log_file_path",
     offsetof(struct ol__config, location)},
    {"OPENLINEAGE__TRANSPORT__URL", "transport.url", offsetof(struct ol__config, transport_url)},
    {"OPENLINEAGE__TRANSPORT__DURABILITY", "transport.durability",
     offsetof(struct ol__config, durability)},
};

static struct ol__told *told_of(struct ol__config *config, const struct setting *s)
{
    return (struct ol__told *)((char *)config + s->offset);
}

static ol_status tell(struct ol__told *told, const char *value, const char *source)
{
    if (told->value != NULL)
        return OL_OK; /* the first one told wins */
    told->value = strdup(value);
    told->source = strdup(source);
    return told->value != NULL && told->source != NULL ? OL_OK : OL_NOMEM;
}

ol_status ol__config_tell(struct ol__config *config, const char *key, const char *value,
                          const char *source)
{
    for (size_t i = 0; i < OL_COUNT(settings); i++)
        if (settings[i].key != NULL && strcmp(settings[i].key, key) == 0)
            return tell(told_of(config, &settings[i]), value, source);
    return OL_NOT_FOUND;
}

void ol__config_release(struct ol__config *config)
{
    for (size_t i = 0; i < OL_COUNT(settings); i++) {
        struct ol__told *told = told_of(config, &settings[i]);
        free(told->value);
        free(told->source);
        *told = (struct ol__told){0};
    }
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

static ol_status refuse(const struct ol__told *told, const char *allowed, struct ol_error *err)
{
    return ol__error_set(err, OL_CONFIG, "%s: '%.80s' is not allowed; expected %s", told->source,
                         told->value, allowed);
}

static ol_status read_bool(const struct ol__told *told, bool *ret, struct ol_error *err)
{
    static const char *const words[] = {"true", "1", "yes", "on", "false", "0", "no", "off"};
    if (told->value == NULL)
        return OL_OK;
    for (size_t i = 0; i < OL_COUNT(words); i++) {
        if (strcasecmp(told->value, words[i]) == 0) {
            *ret = i < 4;
            return OL_OK;
        }
    }
    return refuse(told, "true or false", err);
}

/* The index of the value in @p names (ended by NULL), plus one. */
static ol_status read_choice(const struct ol__told *told, const char *const *names,
                             const char *allowed, int *ret, struct ol_error *err)
{
    *ret = 0;
    if (told->value == NULL)
        return OL_OK;
    for (int i = 0; names[i] != NULL; i++) {
        if (strcasecmp(told->value, names[i]) == 0) {
            *ret = i + 1;
            return OL_OK;
        }
    }
    return refuse(told, allowed, err);
}

static ol_status read_values(struct ol__config *c, struct ol_error *err)
{
    static const char *const kinds[] = {"journal", "file", "console", "noop", "http", NULL};
    static const char *const durabilities[] = {"process", "disk", NULL};
    int choice;
    ol_status status = read_bool(&c->disabled, &c->is_disabled, err);
    if (status != OL_OK || c->is_disabled)
        return status; /* who wants nothing need not get the rest right */
    status = read_choice(&c->type, kinds,
                         "journal, file, console or noop (http: not in this version,"
                         " falls back to the journal)",
                         &choice, err);
    if (status != OL_OK)
        return status;
    c->kind = (enum ol__transport_kind)choice;
    if (c->kind == OL_KIND_FILE && c->location.value == NULL)
        return ol__error_set(err, OL_CONFIG,
                             "%s: file needs a path in OPENLINEAGE__TRANSPORT__LOCATION"
                             " or transport.location",
                             c->type.source);
    status = read_choice(&c->durability, durabilities, "process or disk", &choice, err);
    c->is_durable = choice == 2;
    return status;
}

/* ---- sources ---- */

/* No other OPENLINEAGE__ variable means anything here; one that looks like ours but is not is worth
 * a word, since the setting it was meant for stays as it is. */
static ol_status read_environment(struct ol__config *config, struct ol_error *err)
{
    for (size_t i = 0; i < OL_COUNT(settings); i++) {
        const char *variable = settings[i].variable;
        const char *value = variable != NULL ? secure_getenv(variable) : NULL;
        if (value == NULL || value[0] == '\0')
            continue;
        if (strlen(value) > VALUE_MAX)
            return ol__error_set(err, OL_CONFIG, "%s: longer than %d bytes", variable, VALUE_MAX);
        if (tell(told_of(config, &settings[i]), value, variable) != OL_OK)
            return ol__error_set(err, OL_NOMEM, "%s: out of memory", variable);
    }
    return OL_OK;
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
        path = secure_getenv("OPENLINEAGE_CONFIG");
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
    ol_status status = ol__config_module_read(config, path, log, &trouble);
    if (status == OL_NOT_FOUND && !is_named) {
        ol__log(log, OL_CONFIG, "%s", trouble.message);
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
    *config = (struct ol__config){0};
    ol_status status = read_file(config, path, log, err);
    if (status == OL_OK)
        status = read_environment(config, err);
    if (status == OL_OK)
        status = read_values(config, err);
    return status;
}
