/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Nothing that is there already is written over: a file that has the wanted bytes stays, with
 *     any others the layout ends and names it.
 *  2. Nothing is written outside of the root, whatever paths and links say.
 *  3. Under its name a file is there whole and with the hash that was asked for, or not at all. */
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ids.h"
#include "receipt/members.h"

bool layout_path(const struct layout *l, const char *full, char *out, size_t size)
{
    const char *beneath = replay_beneath(l->plan, full);
    int n = beneath == NULL      ? snprintf(out, size, "%s", full)
            : beneath[0] == '\0' ? snprintf(out, size, "%s", l->root)
                                 : snprintf(out, size, "%s/%s", l->root, beneath);
    return n > 0 && (size_t)n < size;
}

static ol_status make_folders(const char *path, struct ol_error *err)
{
    char folder[RECEIPT_FULL_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return OL_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return ol__fs_make_directories(folder, 0777, err);
}

/* What stands at @p path. @param flags  O_NOFOLLOW, or 0: a link to those bytes will do.
 * @return OL_OK: those bytes; OL_NOT_FOUND; OL_INVALID: others. */
static ol_status look_at(const char *path, int flags, const char *sha256, struct ol_error *err)
{
    char found[OL_SHA256_TEXT + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? OL_NOT_FOUND
                   : ol__error_set(err, OL_INVALID, "'%s' is there already: %s", path,
                                   strerror(errno));
    ol_status status = ol__sha256_file(fd, 0, found, NULL, err);
    close(fd);
    if (status != OL_OK || strcmp(found, sha256) == 0)
        return status;
    return ol__error_set(err, OL_INVALID,
                         "'%s' is there already, with other bytes: it is not written "
                         "over",
                         path);
}

static ol_status copy_bytes(int in, int out, const char *to, int64_t *ret_bytes,
                            struct ol_error *err)
{
    static char buffer[1 << 18];
    off_t offset = 0;
    size_t got = 0;
    ol_status status;
    do {
        status = ol__fs_read_at(&ol__fs_real, in, buffer, sizeof buffer, offset, &got, err);
        if (status == OL_OK && got > 0)
            status = ol__fs_write_at(&ol__fs_real, out, buffer, got, offset, err);
        offset += (off_t)got;
    } while (status == OL_OK && got > 0);
    *ret_bytes = offset;
    if (status == OL_OK && fsync(out) != 0)
        status = ol__error_set_errno(err, errno, "'%s': sync", to);
    return status;
}

/* Promise 3: what was written is read again before it gets its name. */
static ol_status check_copy(const char *temporary, const char *from, const char *sha256,
                            struct ol_error *err)
{
    char found[OL_SHA256_TEXT + 1];
    int fd = open(temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s'", temporary);
    ol_status status = ol__sha256_file(fd, 0, found, NULL, err);
    close(fd);
    if (status == OL_OK && strcmp(found, sha256) != 0)
        status = ol__error_set(err, OL_CORRUPT, "'%s' is not what it was: its hash is %s, not %s",
                               from, found, sha256);
    return status;
}

ol_status layout_copy(const char *from, const char *to, const char *sha256, int64_t *ret_bytes,
                      struct ol_error *err)
{
    char temporary[RECEIPT_FULL_SIZE + 32];
    struct stat st;
    uint32_t random;
    *ret_bytes = 0;
    ol_status status = look_at(to, O_NOFOLLOW, sha256, err);
    if (status != OL_NOT_FOUND)
        return status;
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (in < 0)
        return ol__error_set_errno(err, errno, "'%s'", from);
    if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(in);
        return ol__error_set(err, OL_NOT_FOUND, "'%s' is no file", from);
    }
    ol__random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, "%s.%08x.tmp", to, random);
    status = make_folders(to, err);
    int out = -1;
    if (status == OL_OK) {
        out = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                   (st.st_mode & 0111) != 0 ? 0777 : 0666);
        if (out < 0)
            status = ol__error_set_errno(err, errno, "'%s'", temporary);
    }
    if (status == OL_OK)
        status = copy_bytes(in, out, to, ret_bytes, err);
    close(in);
    if (out >= 0)
        close(out);
    if (status == OL_OK)
        status = check_copy(temporary, from, sha256, err);
    if (status == OL_OK && linkat(AT_FDCWD, temporary, AT_FDCWD, to, 0) != 0) /* promise 1 */
        status = errno == EEXIST ? look_at(to, O_NOFOLLOW, sha256, err)
                                 : ol__error_set_errno(err, errno, "'%s'", to);
    if (out >= 0)
        OL_IGNORE(unlink(temporary) != 0, "a name like it means nothing");
    return status;
}

ol_status layout_fetch(const char *runs, const struct replay_file *file, const char *to,
                       int64_t *ret_bytes, struct ol_error *err)
{
    char object[RECEIPT_OBJECT_PATH], from[RECEIPT_FULL_SIZE];
    struct ol_error why = {.message = ""};
    receipt_object_path(file->sha256, object);
    int size = snprintf(from, sizeof from, "%s/%s", runs, object);
    ol_status status = size > 0 && (size_t)size < sizeof from
                           ? layout_copy(from, to, file->sha256, ret_bytes, &why)
                           : OL_NOT_FOUND;
    if (status == OL_OK || status == OL_INVALID || status == OL_NOMEM || status == OL_FULL) {
        if (status != OL_OK && err != NULL)
            *err = why;
        return status;
    }
    if (file->kept != NULL && layout_copy(file->kept, to, file->sha256, ret_bytes, &why) == OL_OK)
        return OL_OK;
    status = layout_copy(file->full, to, file->sha256, ret_bytes, err);
    return status == OL_NOT_FOUND
               ? ol__error_set(err, OL_NOT_FOUND,
                               "'%s' is gone, and its bytes (%.12s...) are not kept", file->full,
                               file->sha256)
               : status;
}

/* ---- programs ---- */

/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters): named where they are given */
int layout_program(const char *const *argv, const char *directory, const char *input,
                   const char *output)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        int in = open(input != NULL ? input : "/dev/null", O_RDONLY);
        int out = output != NULL ? open(output, O_WRONLY | O_CREAT | O_EXCL, 0666) : STDOUT_FILENO;
        if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
            (directory != NULL && chdir(directory) != 0))
            _exit(126);
        union {
            const char *const *given;
            char *const *wanted; /* execvp() writes nothing there */
        } words = {.given = argv};
        execvp(argv[0], words.wanted);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ol_status layout_archive(const char *folder, const char *commit, const char *to,
                         struct ol_error *err)
{
    const char *const argv[] = {"git", "-C", folder, "archive", "--format=tar", commit, NULL};
    ol_status status = make_folders(to, err);
    if (status != OL_OK)
        return status;
    if (layout_program(argv, NULL, NULL, to) == 0)
        return OL_OK;
    OL_IGNORE(unlink(to) != 0, "it is no archive, if it is there");
    return ol__error_set(err, OL_NOT_FOUND,
                         "commit %.40s is not to be had from '%s' (git says why)", commit, folder);
}

/* ---- code ---- */

static bool is_object_name(const char *text)
{
    size_t size = strlen(text);
    return size >= 7 && size <= 64 && strspn(text, "0123456789abcdef") == size;
}

/* The patch tells of a submodule's commit, too, which is none of its business: that one is there.
 */
static ol_status run_apply(const struct layout *l, const char *folder, const char *patch)
{
    const char **argv = calloc(LAYOUT_SUBMODULES_MAX + 8, sizeof(char *));
    struct ol__arena arena = {.first = NULL};
    size_t count = 0;
    int result = -1;
    if (argv == NULL)
        return ol__error_set(l->err, OL_NOMEM, "git apply: out of memory");
    argv[count++] = "git";
    argv[count++] = "apply";
    argv[count++] = "--whitespace=nowarn";
    if (l->plan->code.submodules != NULL) /* of which alone it may tell; git has it since 2.35 */
        argv[count++] = "--allow-empty";
    const struct json_node *item = l->plan->code.submodules;
    for (const char *path, *commit; item != NULL && count < LAYOUT_SUBMODULES_MAX;
         item = item->next) {
        if (!replay_submodule(item, &path, &commit))
            continue;
        size_t size = strlen(path) + sizeof "--exclude=";
        char *word = ol__arena_alloc(&arena, size);
        if (word == NULL)
            break;
        snprintf(word, size, "--exclude=%s", path);
        argv[count++] = word;
    }
    argv[count++] = "-";
    /* Beneath a repository git would look for its top there. */
    if (setenv("GIT_CEILING_DIRECTORIES", l->root, 1) == 0)
        result = layout_program(argv, folder, patch, NULL);
    ol__arena_reset(&arena, 0);
    free(argv);
    return result == 0
               ? OL_OK
               : ol__error_set(l->err, OL_INVALID, "the differences from commit %.40s do not apply",
                               l->plan->code.commit);
}

static ol_status apply_patch(const struct layout *l, const char *folder)
{
    char object[RECEIPT_OBJECT_PATH], path[RECEIPT_FULL_SIZE];
    if (l->plan->code.patch == NULL)
        return OL_OK;
    if (strlen(l->plan->code.patch) != OL_SHA256_TEXT)
        return ol__error_set(l->err, OL_INVALID, "patch '%.80s' is no hash", l->plan->code.patch);
    receipt_object_path(l->plan->code.patch, object);
    snprintf(path, sizeof path, "%s/%s", l->plan->runs, object);
    if (look_at(path, O_NOFOLLOW, l->plan->code.patch, NULL) != OL_OK)
        return ol__error_set(l->err, OL_NOT_FOUND,
                             "files differed from commit %.40s, and how is not kept as it was",
                             l->plan->code.commit);
    return run_apply(l, folder, path);
}

/* A commit of the repository that stood at @p from, into @p folder. */
static ol_status lay_commit(struct layout *l, const char *from, const char *commit,
                            const char *folder)
{
    char tar[RECEIPT_FULL_SIZE];
    ol_status status = ol__fs_make_directories(folder, 0777, l->err);
    int size = l->bundle != NULL ? snprintf(tar, sizeof tar, "%s/code/%s.tar", l->bundle, commit)
                                 : snprintf(tar, sizeof tar, "%s/.code.%s.tar", l->root, commit);
    if (size < 0 || (size_t)size >= sizeof tar)
        return ol__error_set(l->err, OL_TOO_LARGE, "'%.200s...': too long", tar);
    if (status == OL_OK && l->bundle == NULL)
        status = layout_archive(from, commit, tar, l->err);
    const char *const argv[] = {"tar", "-x", "-k", "-f", tar, NULL};
    if (status == OL_OK && layout_program(argv, folder, NULL, NULL) != 0)
        status = ol__error_set(l->err, OL_INVALID, "'%s' does not unpack in '%s' (tar says why)",
                               tar, folder);
    if (l->bundle == NULL)
        OL_IGNORE(unlink(tar) != 0, "it was ours, and is not needed");
    return status;
}

static ol_status lay_code(struct layout *l)
{
    char folder[RECEIPT_FULL_SIZE], from[RECEIPT_FULL_SIZE], to[RECEIPT_FULL_SIZE];
    const struct replay_code *code = &l->plan->code;
    if (code->commit == NULL)
        return OL_OK;
    if (!is_object_name(code->commit) || !layout_path(l, code->root, folder, sizeof folder))
        return ol__error_set(l->err, OL_INVALID, "commit '%.80s' of '%.200s' is none", code->commit,
                             code->root);
    ol_status status = lay_commit(l, code->root, code->commit, folder);
    const struct json_node *item = code->submodules;
    for (const char *path, *commit; item != NULL && status == OL_OK; item = item->next) {
        if (!replay_submodule(item, &path, &commit))
            continue;
        int size = snprintf(from, sizeof from, "%s/%s", code->root, path);
        if (size < 0 || (size_t)size >= sizeof from || !layout_path(l, from, to, sizeof to))
            return ol__error_set(l->err, OL_TOO_LARGE, "'%.200s...': too long", from);
        status = lay_commit(l, from, commit, to);
    }
    return status == OL_OK ? apply_patch(l, folder) : status;
}

/* ---- files ---- */

/* Promise 2: what there is of the folders above @p to must lie beneath the root. */
static ol_status check_inside(const struct layout *l, const char *to)
{
    char path[RECEIPT_FULL_SIZE];
    snprintf(path, sizeof path, "%s", to);
    char *real = NULL;
    while (real == NULL) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path)
            break;
        *slash = '\0';
        real = realpath(path, NULL);
        if (real == NULL && errno != ENOENT)
            break;
    }
    size_t size = strcmp(l->root, "/") == 0 ? 0 : strlen(l->root);
    bool is_inside = real != NULL && strncmp(real, l->root, size) == 0 &&
                     (real[size] == '\0' || real[size] == '/');
    free(real);
    return is_inside ? OL_OK
                     : ol__error_set(l->err, OL_INVALID,
                                     "'%s' would lie outside of '%s': a folder "
                                     "above it is a link",
                                     to, l->root);
}

/* A link leads where it led, beneath the base or not: what it leads to is a source of its own. */
static ol_status lay_link(struct layout *l, const char *to, const char *target)
{
    char found[RECEIPT_FULL_SIZE];
    ol_status status = make_folders(to, l->err);
    if (status != OL_OK || symlink(target, to) == 0)
        return status;
    ssize_t size = errno == EEXIST ? readlink(to, found, sizeof found - 1) : -1;
    if (size >= 0)
        found[size] = '\0';
    return size >= 0 && strcmp(found, target) == 0
               ? OL_OK
               : ol__error_set(l->err, OL_INVALID, "'%s' is there already, and no link to '%.500s'",
                               to, target);
}

static ol_status lay_source(struct layout *l, const struct replay_file *f)
{
    char to[RECEIPT_FULL_SIZE];
    int64_t bytes = 0;
    if (!layout_path(l, f->full, to, sizeof to))
        return ol__error_set(l->err, OL_TOO_LARGE, "'%.200s...': too long", f->full);
    if (replay_beneath(l->plan, f->full) == NULL) { /* promise 2 */
        ol_status status = f->target != NULL ? OL_OK : look_at(to, 0, f->sha256, l->err);
        return status == OL_NOT_FOUND
                   ? ol__error_set(l->err, OL_NOT_FOUND, "'%s' is outside of '%s', and gone", to,
                                   l->plan->base)
                   : status;
    }
    if (l->is_in_place && f->target == NULL && look_at(to, 0, f->sha256, NULL) == OL_OK)
        return OL_OK;
    ol_status status = check_inside(l, to);
    if (status == OL_OK && f->target != NULL)
        status = lay_link(l, to, f->target);
    else if (status == OL_OK)
        status = layout_fetch(l->plan->runs, f, to, &bytes, l->err);
    l->files++;
    l->bytes += bytes;
    return status;
}

ol_status layout_make(struct layout *l)
{
    ol_status status = l->is_in_place ? OL_OK : lay_code(l);
    for (int links = 0; links <= 1; links++) /* links last: no file goes through one */
        for (size_t i = 0; status == OL_OK && i < l->plan->source_count; i++)
            if ((l->plan->sources[i].target != NULL) == (links == 1))
                status = lay_source(l, &l->plan->sources[i]);
    return status;
}
