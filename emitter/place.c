/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "journal.h"

static ol_status copy(const char *path, char out[OL_PATH_MAX], struct ol_error *err)
{
    char current[OL_PATH_MAX] = "";
    if (path[0] != '/' && getcwd(current, sizeof current) == NULL)
        return ol__error_set(err, OL_CONFIG,
                             "journal directory '%s': relative, and the working directory"
                             " has no usable name",
                             path);
    int n = snprintf(out, OL_PATH_MAX, "%s%s%s", current, path[0] != '/' ? "/" : "", path);
    return n >= 0 && n < OL_PATH_MAX ? OL_OK
                                     : ol__error_set(err, OL_TOO_LARGE,
                                                     "journal directory: path longer"
                                                     " than %d bytes",
                                                     OL_PATH_MAX - 1);
}

static bool is_usable(const char *directory, const struct ol__log *log)
{
    struct stat st;
    if (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode))
        return false;
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0)
        return true;
    ol__log(log, OL_IO, "journal directory '%s' is there, but this user may not write to it",
            directory);
    return false;
}

static ol_status drained(const char *directory, char out[OL_PATH_MAX], struct ol_error *err)
{
    ol_status status = copy(directory, out, err);
    return status == OL_OK ? OL_END : status;
}

ol_status ol__place_choose(const struct ol__place_wish *wish, const char *system_directory,
                           const struct ol__log *log, char out[OL_PATH_MAX], struct ol_error *err)
{
    struct ol__places system, user;
    if (wish->directory != NULL)
        return copy(wish->directory, out, err);
    if (system_directory == NULL) {
        ol_status status = ol__places_find(true, &system, err);
        if (status != OL_OK)
            return status;
        system_directory = system.journal;
    }
    struct ol_error no_user = {.status = OL_OK};
    bool has_user = ol__places_find(false, &user, &no_user) == OL_OK;
    if (wish->url != NULL && ol__url_is_local(wish->url)) {
        if (ol__journal_is_drained(system_directory) && is_usable(system_directory, log))
            return drained(system_directory, out, err);
        if (has_user && ol__journal_is_drained(user.journal))
            return drained(user.journal, out, err);
    }
    if (is_usable(system_directory, log))
        return copy(system_directory, out, err);
    if (has_user)
        return copy(user.journal, out, err);
    return ol__error_set(err, OL_CONFIG,
                         "no place for the journal: %s; set OPENLINEAGE__TRANSPORT__DIRECTORY",
                         no_user.message);
}
