/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a git working copy, by git's own files and without git: where HEAD points (detached,
 * worktrees with a common folder, loose and packed refs), a tag of that commit, the remote, the
 * submodules. Whether files differ is not asked here: that takes git (cli/collect.c). A repository
 * of the new "reftable" kind tells its branch and commit to git alone. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "collect.h"

#define LEVELS_MAX 64 /* folders upwards */
#define SYMREFS_MAX 5
#define TAG_DEPTH_MAX 4

struct repository {
    struct ol__collected *c;
    const char *worktree; /* the working copy */
    const char *own;      /* .git, or .git/worktrees/NAME */
    const char *common;   /* .git of all worktrees */
};

bool ol__git_is_hash(struct ol__span text)
{
    if (text.size != 40 && text.size != 64)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (ol__hex_value(text.data[i]) < 0)
            return false;
    return true;
}

/* @p base and @p name, or @p name alone if it is absolute; NULL: too long, or out of memory. */
static const char *join(struct ol__collected *c, const char *base, struct ol__span name)
{
    char path[PATH_MAX];
    bool is_absolute = name.size > 0 && name.data[0] == '/';
    int n = snprintf(path, sizeof path, "%s%s%.*s", is_absolute ? "" : base, is_absolute ? "" : "/",
                     (int)OL_MIN(name.size, (size_t)INT_MAX), name.data);
    if (n < 0 || (size_t)n >= sizeof path || name.size == 0 ||
        memchr(name.data, '\0', name.size) != NULL)
        return NULL;
    char *kept = ol__arena_alloc(&c->arena, (size_t)n + 1);
    if (kept != NULL)
        memcpy(kept, path, (size_t)n + 1);
    return kept;
}

/* The first line of a small file, trimmed; empty: there is none. */
static struct ol__span first_line(struct ol__collected *c, const char *directory, const char *name)
{
    struct ol__span text, line = {"", 0};
    const char *path = join(c, directory, ol__span_text(name));
    if (path == NULL || ol__collect_read(c, path, OL_COLLECT_FILE_MAX, &text) != OL_OK ||
        !ol__collect_line(&text, &line))
        return (struct ol__span){"", 0};
    return ol__collect_trim(line);
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ".git" of a folder: itself, or where the file of that name leads (worktrees, submodules). */
static const char *git_directory_of(struct ol__collected *c, const char *directory)
{
    const char *path = join(c, directory, OL_SPAN_LIT(".git"));
    if (path == NULL)
        return NULL;
    if (is_directory(path))
        return path;
    struct ol__span line = first_line(c, directory, ".git");
    const struct ol__span mark = OL_SPAN_LIT("gitdir:");
    if (line.size <= mark.size || memcmp(line.data, mark.data, mark.size) != 0)
        return NULL;
    line.data += mark.size;
    line.size -= mark.size;
    return join(c, directory, ol__collect_trim(line));
}

/* Upwards from @p directory, as git does: not past the file system that it stands on. */
static bool find(struct repository *r, const char *directory)
{
    char path[PATH_MAX];
    struct stat st;
    const char *given = secure_getenv("GIT_DIR"), *tree = secure_getenv("GIT_WORK_TREE");
    if (given != NULL && given[0] != '\0') {
        r->own = join(r->c, directory, ol__span_text(given));
        r->worktree = join(r->c, directory,
                           ol__span_text(tree != NULL && tree[0] != '\0' ? tree : directory));
        return r->own != NULL && r->worktree != NULL;
    }
    if ((size_t)snprintf(path, sizeof path, "%s", directory) >= sizeof path || stat(path, &st) != 0)
        return false;
    const dev_t device = st.st_dev;
    for (int level = 0; level < LEVELS_MAX; level++) {
        const char *here = path[0] != '\0' ? path : "/";
        if (stat(here, &st) != 0 || st.st_dev != device)
            return false;
        r->own = git_directory_of(r->c, path);
        if (r->own != NULL) {
            r->worktree = join(r->c, "", ol__span_text(here));
            return r->worktree != NULL;
        }
        char *slash = strrchr(path, '/');
        if (slash == NULL || path[0] == '\0')
            return false;
        *slash = '\0';
    }
    return false;
}

static bool find_common(struct repository *r)
{
    struct ol__span common = first_line(r->c, r->own, "commondir");
    r->common = common.size > 0 ? join(r->c, r->own, common) : r->own;
    return r->common != NULL;
}

void ol__git_refs_find(struct ol__span text, struct ol__span ref, struct ol__span commit,
                       struct ol__span *ret_hash, struct ol__span *ret_tag)
{
    const struct ol__span tags = OL_SPAN_LIT("refs/tags/");
    struct ol__span line, name = {"", 0};
    *ret_hash = *ret_tag = (struct ol__span){"", 0};
    while (ol__collect_line(&text, &line)) {
        const char *space = memchr(line.data, ' ', line.size);
        struct ol__span hash = {line.data, line.size};
        if (line.size > 0 && line.data[0] == '^') { /* what the tag above points at */
            hash = (struct ol__span){line.data + 1, line.size - 1};
        } else if (space != NULL && line.data[0] != '#') {
            hash.size = (size_t)(space - line.data);
            name = ol__collect_trim((struct ol__span){space + 1, line.size - hash.size - 1});
        } else {
            name.size = 0;
        }
        hash = ol__collect_trim(hash);
        if (name.size == 0 || !ol__git_is_hash(hash))
            continue;
        if (ret_hash->size == 0 && ref.size > 0 && ol__span_equal(name, ref))
            *ret_hash = hash;
        if (ret_tag->size == 0 && commit.size > 0 && ol__span_equal(hash, commit) &&
            name.size > tags.size && memcmp(name.data, tags.data, tags.size) == 0)
            *ret_tag = (struct ol__span){name.data + tags.size, name.size - tags.size};
    }
}

/* A name that git gives a ref, and that leads nowhere else as a path. */
static bool is_ref(struct ol__span name)
{
    if (name.size < 6 || memcmp(name.data, "refs/", 5) != 0)
        return false;
    return memmem(name.data, name.size, "..", 2) == NULL &&
           memchr(name.data, '\0', name.size) == NULL;
}

static struct ol__span packed(const struct repository *r, struct ol__span ref,
                              struct ol__span commit, struct ol__span *ret_tag)
{
    struct ol__span text, hash = {"", 0};
    const char *path = join(r->c, r->common, OL_SPAN_LIT("packed-refs"));
    *ret_tag = (struct ol__span){"", 0};
    if (path != NULL && ol__collect_read(r->c, path, OL_COLLECT_REFS_MAX, &text) == OL_OK)
        ol__git_refs_find(text, ref, commit, &hash, ret_tag);
    return hash;
}

/* The commit that HEAD of @p r points at, and the branch; empty where there is none. */
static struct ol__span read_head(const struct repository *r, struct ol__span *ret_branch)
{
    const struct ol__span mark = OL_SPAN_LIT("ref:"), heads = OL_SPAN_LIT("refs/heads/");
    struct ol__span at = first_line(r->c, r->own, "HEAD"), none;
    *ret_branch = (struct ol__span){"", 0};
    for (int i = 0; i < SYMREFS_MAX; i++) {
        if (at.size < mark.size || memcmp(at.data, mark.data, mark.size) != 0)
            return ol__git_is_hash(at) ? at : (struct ol__span){"", 0};
        struct ol__span ref =
            ol__collect_trim((struct ol__span){at.data + mark.size, at.size - mark.size});
        if (!is_ref(ref))
            break;
        if (i == 0 && ref.size > heads.size && memcmp(ref.data, heads.data, heads.size) == 0)
            *ret_branch = (struct ol__span){ref.data + heads.size, ref.size - heads.size};
        const char *name = join(r->c, "", ref); /* "/refs/..." */
        if (name == NULL)
            break;
        at = first_line(r->c, r->own, name + 1);
        if (at.size == 0 && r->common != r->own)
            at = first_line(r->c, r->common, name + 1);
        if (at.size == 0)
            return packed(r, ref, (struct ol__span){"", 0}, &none);
    }
    return (struct ol__span){"", 0};
}

/* A loose tag that is the commit itself (an object of its own takes git to be read). */
static const char *loose_tag(const struct repository *r, const char *directory,
                             struct ol__span prefix, struct ol__span commit, int depth, int *left)
{
    const char *found = NULL;
    DIR *dir = depth < TAG_DEPTH_MAX ? opendir(directory) : NULL;
    if (dir == NULL)
        return NULL;
    for (struct dirent *e; found == NULL && (e = readdir(dir)) != NULL && *left > 0;) {
        char name[NAME_MAX * 2 + 2];
        if (e->d_name[0] == '.')
            continue;
        --*left;
        int n = snprintf(name, sizeof name, "%.*s%s", (int)OL_MIN(prefix.size, (size_t)INT_MAX),
                         prefix.data, e->d_name);
        struct ol__span hash = first_line(r->c, directory, e->d_name);
        if (n < 0 || (size_t)n >= sizeof name - 1)
            continue;
        if (hash.size > 0) {
            if (ol__span_equal(hash, commit))
                found = ol__collect_keep(r->c, ol__span_text(name));
            continue;
        }
        const char *below = join(r->c, directory, ol__span_text(e->d_name));
        if (below == NULL || !is_directory(below))
            continue;
        memcpy(name + n, "/", 2);
        found = loose_tag(r, below, ol__span_text(name), commit, depth + 1, left);
    }
    closedir(dir);
    return found;
}

static const char *find_tag(const struct repository *r, struct ol__span commit)
{
    struct ol__span tag;
    int left = OL_COLLECT_TAGS_MAX;
    const char *folder = join(r->c, r->common, OL_SPAN_LIT("refs/tags"));
    const char *loose =
        folder != NULL ? loose_tag(r, folder, (struct ol__span){"", 0}, commit, 0, &left) : NULL;
    if (loose != NULL)
        return loose;
    packed(r, (struct ol__span){"", 0}, commit, &tag);
    return ol__collect_keep(r->c, tag);
}

/* ---- the remote ---- */

#define REMOTES_MAX 16

struct remotes {
    struct ol__collected *c;
    struct ol__span branch; /* the one that is checked out */
    const char *upstream;   /* its remote; owned by the arena, as the others are */
    const char *names[REMOTES_MAX], *urls[REMOTES_MAX];
    size_t count;
};

static void take_remote(void *arg, struct ol__span section, struct ol__span subsection,
                        struct ol__span key, struct ol__span value)
{
    struct remotes *r = arg;
    if (ol__span_equal(section, OL_SPAN_LIT("branch")) && subsection.size > 0 &&
        ol__span_equal(subsection, r->branch) && ol__span_equal(key, OL_SPAN_LIT("remote")))
        r->upstream = ol__collect_keep(r->c, value);
    if (!ol__span_equal(section, OL_SPAN_LIT("remote")) ||
        !ol__span_equal(key, OL_SPAN_LIT("url")) || r->count == REMOTES_MAX)
        return;
    r->names[r->count] = ol__collect_keep(r->c, subsection);
    r->urls[r->count] = ol__collect_keep_url(r->c, value);
    if (r->names[r->count] != NULL && r->urls[r->count] != NULL)
        r->count++;
}

/* That of the branch, else origin, else the only one. */
static const char *find_remote(const struct repository *r, struct ol__span branch)
{
    struct remotes all = {.c = r->c, .branch = branch};
    struct ol__span text;
    const char *path = join(r->c, r->common, OL_SPAN_LIT("config"));
    if (path == NULL || ol__collect_read(r->c, path, OL_COLLECT_FILE_MAX, &text) != OL_OK)
        return NULL;
    ol__git_config_read(text, take_remote, &all);
    const char *const wanted[] = {all.upstream, "origin"};
    for (size_t k = 0; k < OL_COUNT(wanted); k++)
        for (size_t i = 0; i < all.count; i++)
            if (wanted[k] != NULL && strcmp(all.names[i], wanted[k]) == 0)
                return all.urls[i];
    return all.count == 1 ? all.urls[0] : NULL;
}

/* ---- submodules ---- */

static void take_submodule(void *arg, struct ol__span section, struct ol__span subsection,
                           struct ol__span key, struct ol__span value)
{
    const struct repository *r = arg;
    struct ol_code *code = &r->c->code;
    (void)subsection;
    if (!ol__span_equal(section, OL_SPAN_LIT("submodule")) ||
        !ol__span_equal(key, OL_SPAN_LIT("path")) ||
        code->submodule_count == OL_COLLECT_SUBMODULES_MAX || value.size == 0 ||
        value.data[0] == '/' || memmem(value.data, value.size, "..", 2) != NULL)
        return;
    struct ol_submodule *s = &r->c->submodules[code->submodule_count];
    *s = (struct ol_submodule){.struct_size = sizeof *s, .path = ol__collect_keep(r->c, value)};
    if (s->path == NULL)
        return;
    struct repository inner = {.c = r->c, .worktree = join(r->c, r->worktree, value)};
    struct ol__span branch;
    if (inner.worktree != NULL)
        inner.own = git_directory_of(r->c, inner.worktree);
    if (inner.own != NULL && find_common(&inner))
        s->commit = ol__collect_keep(r->c, read_head(&inner, &branch));
    code->submodules = r->c->submodules;
    code->submodule_count++;
}

ol_status ol__collect_code(struct ol__collected *c, const char *directory)
{
    struct repository r = {.c = c};
    struct ol__span branch, text;
    if (!find(&r, directory) || !find_common(&r))
        return OL_OK;
    struct ol__span commit = read_head(&r, &branch);
    if (commit.size == 0 && branch.size == 0)
        return OL_OK; /* no repository, or one that git alone can read */
    c->git_directory = r.own;
    c->code.vcs = OL_CODE_VCS_GIT;
    c->code.commit = ol__collect_keep(c, commit);
    c->code.branch = ol__span_equal(branch, OL_SPAN_LIT(".invalid")) /* reftable */
                         ? NULL
                         : ol__collect_keep(c, branch);
    c->code.root = ol__collect_keep(c, ol__span_text(r.worktree));
    if (commit.size > 0)
        c->code.tag = find_tag(&r, commit);
    c->code.remote = find_remote(&r, branch);
    const char *modules = join(c, r.worktree, OL_SPAN_LIT(".gitmodules"));
    if (modules != NULL && ol__collect_read(c, modules, OL_COLLECT_FILE_MAX, &text) == OL_OK)
        ol__git_config_read(text, take_submodule, &r);
    c->found |= OL_COLLECT_CODE;
    return OL_OK;
}
