/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: under the name that was asked for stands a whole, synced file or nothing; one that was
 * there before stays as it is. */
#include "out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "files.h"
#include "ids.h"

struct out_file {
    FILE *stream; /* large writes; stdout is not closed */
    char *path, *temporary;
    bool is_stdout;
};

/* "DIR/.NAME.8HEX.tmp" */
static char *temporary_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = strlen(path) + 32;
    char *out = malloc(size);
    uint32_t number = 0;
    ol__random(&number, sizeof number);
    if (out != NULL)
        snprintf(out, size, "%.*s.%s.%08x.tmp", (int)(name - path), path, name, number);
    return out;
}

static ol_status open_temporary(struct out_file *out, struct ol_error *err)
{
    struct stat st;
    if (lstat(out->path, &st) == 0)
        return ol__error_set(err, OL_INVALID, "'%s': is there already; name another file",
                             out->path);
    int fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int code = errno;
        free(out->temporary);
        out->temporary = NULL;
        return ol__error_set_errno(err, code, "'%s': create", out->path);
    }
    out->stream = fdopen(fd, "w");
    if (out->stream != NULL)
        return OL_OK;
    close(fd);
    return ol__error_set(err, OL_NOMEM, "'%s': out of memory", out->path);
}

ol_status out_file_open(const char *path, struct out_file **ret, struct ol_error *err)
{
    struct out_file *out = calloc(1, sizeof *out);
    if (out == NULL)
        return ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    out->is_stdout = strcmp(path, "-") == 0;
    ol_status st = OL_OK;
    if (out->is_stdout) {
        out->stream = stdout;
    } else {
        out->path = strdup(path);
        out->temporary = temporary_name(path);
        st = out->path != NULL && out->temporary != NULL
                 ? open_temporary(out, err)
                 : ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    }
    if (st != OL_OK) {
        out_file_close(out);
        return st;
    }
    *ret = out;
    return OL_OK;
}

static const char *name_of(const struct out_file *out)
{
    return out->is_stdout ? "standard output" : out->path;
}

ol_status out_file_write(struct out_file *out, const void *data, size_t size, struct ol_error *err)
{
    if (fwrite(data, 1, size, out->stream) == size)
        return OL_OK;
    return ol__error_set_errno(err, errno, "'%s': write", name_of(out));
}

static ol_status sync_directory(const struct out_file *out, struct ol_error *err)
{
    const char *slash = strrchr(out->path, '/');
    char *directory =
        slash == NULL ? strdup(".") : strndup(out->path, (size_t)(slash - out->path) + 1);
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    ol_status st = OL_OK;
    if (fd < 0 || fsync(fd) != 0)
        st = ol__error_set_errno(err, errno, "'%s': sync its directory", out->path);
    if (fd >= 0)
        close(fd);
    free(directory);
    return st;
}

ol_status out_file_commit(struct out_file *out, struct ol_error *err)
{
    if (fflush(out->stream) != 0 || (!out->is_stdout && fsync(fileno(out->stream)) != 0))
        return ol__error_set_errno(err, errno, "'%s': write", name_of(out));
    if (out->is_stdout)
        return OL_OK;
    /* link, not rename: one that came meanwhile is not overwritten either */
    if (linkat(AT_FDCWD, out->temporary, AT_FDCWD, out->path, 0) != 0)
        return errno == EEXIST
                   ? ol__error_set(err, OL_INVALID, "'%s': is there already; name another file",
                                   out->path)
                   : ol__error_set_errno(err, errno, "'%s': create", out->path);
    unlink(out->temporary);
    free(out->temporary);
    out->temporary = NULL;
    return sync_directory(out, err);
}

void out_file_close(struct out_file *out)
{
    if (out == NULL)
        return;
    if (out->stream != NULL && !out->is_stdout)
        OL_IGNORE(fclose(out->stream) != 0, "what counts was synced");
    if (out->temporary != NULL)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out);
}
