/* SPDX-License-Identifier: Apache-2.0 */
/* lineage backup: a copy of the store, of one moment, and of the receipts, into a folder that may
 * hold an earlier one: what is there already is not copied again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "backup_set.h"
#include "cli.h"
#include "config.h"
#include "ids.h"
#include "json_write.h"
#include "options.h"
#include "pretty.h"
#include "receipt/folder.h"
#include "store/backup.h"

#define DEPTH_MAX 32
#define PATH_SIZE 4096
#define LISTED_MAX 1000 /* problems in a document */

struct backup_options {
    bool is_verify, is_check, is_json;
    const char *folder, *runs, *store;
};

static void print_help(void)
{
    puts(
        "Usage: lineage backup [OPTION]... DIR\n"
        "       lineage backup --verify DIR\n"
        "       lineage backup --check [--store FILE]\n"
        "Copy the store and the receipts into DIR, while the agent runs; what an earlier backup "
        "in\n"
        "DIR has is not copied again. DIR/manifest.sha256 lists all of it, for sha256sum --check.\n"
        "\n"
        "      --store FILE         the store; default: that of this place's configuration\n"
        "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else none is copied\n"
        "      --verify             is DIR what it was, and its store whole\n"
        "      --check              is the store itself whole: every row is read\n"
        "      --json\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0 it is done, or all is as it was; 1 it failed, or a line for each problem;\n"
        "2 usage; 3 no store, no such folder.");
}

static int read_options(int argc, char **argv, struct backup_options *o)
{
#define AT(member) offsetof(struct backup_options, member)
    static const struct cli_option table[] = {
        {.name = "verify", .kind = OPTION_FLAG, .offset = AT(is_verify)},
        {.name = "json", .kind = OPTION_FLAG, .offset = AT(is_json)},
        {.name = "check", .kind = OPTION_FLAG, .offset = AT(is_check)},
        {.name = "runs", .kind = OPTION_TEXT, .offset = AT(runs)},
        {.name = "store", .kind = OPTION_TEXT, .offset = AT(store)},
        OPTION_END};
#undef AT
    static const struct cli_options options = {
        .verb = "backup", .table = table, .help = print_help};
    int result = cli_options_read(&options, argc, argv, o);
    if (result != 0)
        return result;
    o->folder = optind < argc ? argv[optind++] : NULL;
    if (optind < argc || (o->folder == NULL) != o->is_check)
        return cli_usage("backup",
                         o->is_check ? "--check takes no folder" : "one folder is expected");
    const char *runs = getenv("LINEAGE_RUNS");
    if (o->runs == NULL && runs != NULL && runs[0] != '\0')
        o->runs = runs;
    return 0;
}

/* The path of this place's store; borrowed from @p place or @p o. */
static ol_status find_store(struct place *place, const struct backup_options *o, const char **ret,
                            struct ol_error *err)
{
    *ret = o->store;
    if (o->store != NULL)
        return OL_OK;
    ol_status status = place_find(place, err);
    if (status == OL_OK)
        status = place_configure(place, err);
    if (status != OL_OK)
        return status;
    const struct route_config *routes = place->config->routes.items;
    for (size_t i = 0; i < place->config->routes.count && *ret == NULL; i++)
        if (routes[i].type == ROUTE_STORE)
            *ret = routes[i].path;
    return *ret != NULL ? OL_OK
                        : ol__error_set(err, OL_NOT_FOUND, "no route of type store is configured");
}

/* ---- Checking ---- */

/* What is found, for people as it comes, or as one document at the end. */
struct report {
    bool is_json;
    struct ol__buf text, problems; /* JSON: the members of the document; an array */
    struct ol__json_writer w, list;
    int64_t listed;
};

static void report_init(struct report *r, bool is_json)
{
    *r = (struct report){.is_json = is_json};
    ol__buf_init(&r->text, 1 << 20);
    ol__buf_init(&r->problems, CLIENT_ANSWER_MAX);
    ol__json_writer_init(&r->w, &r->text);
    ol__json_writer_init(&r->list, &r->problems);
    ol__json_begin_object(&r->w);
    ol__json_begin_array(&r->list);
}

static void report_release(struct report *r)
{
    ol__buf_release(&r->text);
    ol__buf_release(&r->problems);
}

/* @return whether it was written. */
static bool report_end(struct report *r, bool has_problems, int64_t problems)
{
    struct pretty p;
    struct ol__buf out;
    ol__json_end_array(&r->list);
    if (has_problems && r->problems.status == OL_OK) {
        ol__json_key(&r->w, "problems");
        ol__json_raw(&r->w, (struct ol__span){r->problems.data, r->problems.size});
        ol__json_member_int(&r->w, "problem_count", problems);
        ol__json_member_bool(&r->w, "truncated", r->listed < problems);
    }
    ol__json_end_object(&r->w);
    ol__buf_init(&out, CLIENT_ANSWER_MAX);
    pretty_init(&p, &out);
    ol__buf_add(&out, r->text.data, r->text.size);
    ol__buf_add_char(&out, '\n');
    bool is_whole = r->text.status == OL_OK && r->problems.status == OL_OK && out.status == OL_OK &&
                    pretty_flush(&p);
    ol__buf_release(&out);
    return is_whole;
}

static void say_problem(void *arg, const char *problem)
{
    struct report *r = arg;
    struct ol__buf line;
    struct pretty p;
    if (r->is_json) {
        if (r->listed < LISTED_MAX) {
            ol__json_text(&r->list, problem);
            r->listed++;
        }
        return;
    }
    ol__buf_init(&line, 1 << 16);
    pretty_init(&p, &line);
    pretty_text(&p, PRETTY_PLAIN, problem);
    printf("%.*s\n", (int)line.size, line.data != NULL ? line.data : "");
    ol__buf_release(&line);
}

static void say_file(void *arg, const char *path, const char *problem)
{
    char text[PATH_SIZE + 1024];
    snprintf(text, sizeof text, "%s: %s", path, problem);
    say_problem(arg, text);
}

static void say_store(struct report *r, const char *path, const struct store_found *found)
{
    if (!r->is_json) {
        printf("store: %lld runs, %lld edges, %lld facets, %lld texts read, %lld pages of which "
               "%lld have no checksum; %lld problems\n",
               (long long)found->runs, (long long)found->edges, (long long)found->facets,
               (long long)found->texts, (long long)found->pages, (long long)found->unsummed,
               (long long)found->problems);
        return;
    }
    ol__json_key(&r->w, "store");
    ol__json_begin_object(&r->w);
    ol__json_member_text(&r->w, "path", path);
    ol__json_member_int(&r->w, "runs", found->runs);
    ol__json_member_int(&r->w, "edges", found->edges);
    ol__json_member_int(&r->w, "facets", found->facets);
    ol__json_member_int(&r->w, "texts", found->texts);
    ol__json_member_int(&r->w, "pages", found->pages);
    ol__json_member_int(&r->w, "pages_without_checksum", found->unsummed);
    ol__json_end_object(&r->w);
}

static ol_status check_store(const char *path, struct report *r, int64_t *ret_problems,
                             struct ol_error *err)
{
    struct store_found found = {0};
    ol_status status = store_check(path, say_problem, r, &found, err);
    *ret_problems += found.problems;
    if (status == OL_CORRUPT) { /* it cannot even be opened: that is the answer */
        say_problem(r, err->message);
        *ret_problems += 1;
        return OL_OK;
    }
    if (status == OL_OK)
        say_store(r, path, &found);
    return status;
}

static ol_status verify(const struct backup_options *o, struct report *r, int64_t *ret_problems,
                        struct ol_error *err)
{
    struct backup_set set = {0};
    char path[PATH_SIZE];
    int fd = -1;
    ol_status status = ol__fs_open_directory(o->folder, &fd, err);
    if (status == OL_OK)
        status = backup_set_read(fd, &set, err);
    if (status == OL_OK)
        status = backup_set_verify(fd, &set, say_file, r, ret_problems, err);
    for (size_t i = 0; i < set.count && status == OL_OK && *ret_problems == 0; i++)
        if (strncmp(set.items[i].path, "store/", 6) == 0) {
            snprintf(path, sizeof path, "%s/%s", o->folder, set.items[i].path);
            status = check_store(path, r, ret_problems, err);
        }
    if (status == OL_OK && !r->is_json)
        printf("backup: %zu files; %lld problems\n", set.count, (long long)*ret_problems);
    if (status == OL_OK && r->is_json) {
        ol__json_member_text(&r->w, "folder", o->folder);
        ol__json_member_int(&r->w, "files", (int64_t)set.count);
    }
    backup_set_release(&set);
    if (fd >= 0)
        close(fd);
    return status;
}

/* ---- Copying ---- */

struct copying {
    int runs_fd, to_fd;
    const struct backup_set *old;
    struct backup_set *now;
    struct ol_error *err;
    int64_t copied, kept;
};

static ol_status copy_file(struct copying *c, const char *path)
{
    char sha256[OL_SHA256_TEXT + 1], to[PATH_SIZE + 8], there[OL_SHA256_TEXT + 1];
    struct stat st;
    snprintf(to, sizeof to, "runs/%s", path);
    ol_status status = backup_hash(c->runs_fd, path, sha256, c->err);
    if (status == OL_NOT_FOUND || status == OL_INVALID)
        return OL_OK; /* it went meanwhile, or is no file: a receipt says what it was */
    const struct backup_file *before = status == OL_OK ? backup_set_find(c->old, to) : NULL;
    bool is_there = before != NULL && strcmp(before->sha256, sha256) == 0 &&
                    fstatat(c->to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (status == OL_OK && !is_there) {
        status = backup_copy(c->runs_fd, path, c->to_fd, to, c->err);
        if (status == OL_OK) /* it may have been written anew since */
            status = backup_hash(c->to_fd, to, there, c->err);
        memcpy(sha256, status == OL_OK ? there : sha256, sizeof sha256);
        c->copied += status == OL_OK;
    } else {
        c->kept++;
    }
    return status == OL_OK ? backup_set_add(c->now, to, sha256, c->err) : status;
}

static ol_status copy_folder(struct copying *c, const char *path, int depth)
{
    int fd = openat(c->runs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    ol_status status = OL_OK;
    if (dir == NULL) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return code == ENOENT ? OL_OK : ol__error_set_errno(c->err, code, "folder '%s'", path);
    }
    if (depth > DEPTH_MAX)
        status = ol__error_set(c->err, OL_TOO_LARGE, "folder '%s': too deep", path);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;) {
        char below[PATH_SIZE];
        struct stat st;
        bool is_top = strcmp(path, ".") == 0;
        if (e->d_name[0] == '.')
            continue; /* what is not whole yet means nothing */
        if (is_top && !receipt_is_run_id(e->d_name) && strcmp(e->d_name, "decisions") != 0)
            continue; /* objects come last: what names them is copied before */
        int size = snprintf(below, sizeof below, "%s%s%s", is_top ? "" : path, is_top ? "" : "/",
                            e->d_name);
        if (size < 0 || (size_t)size >= sizeof below)
            status = ol__error_set(c->err, OL_TOO_LARGE, "'%s': too long a path", e->d_name);
        else if (fstatat(c->runs_fd, below, &st, AT_SYMLINK_NOFOLLOW) != 0)
            status = errno == ENOENT ? OL_OK : ol__error_set_errno(c->err, errno, "'%s'", below);
        else
            status = S_ISDIR(st.st_mode) ? copy_folder(c, below, depth + 1) : copy_file(c, below);
    }
    closedir(dir);
    return status;
}

/* Nobody cleans up meanwhile. */
static int hold_lock(int runs_fd)
{
    int fd = openat(runs_fd, ".gc.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        OL_IGNORE(flock(fd, LOCK_SH), "without it what goes meanwhile is left out");
    return fd;
}

static ol_status copy_runs(const char *runs, struct copying *c)
{
    ol_status status = ol__fs_open_directory(runs, &c->runs_fd, c->err);
    if (status != OL_OK)
        return status;
    int lock = hold_lock(c->runs_fd);
    status = copy_folder(c, ".", 0);
    if (status == OL_OK)
        status = copy_folder(c, "objects", 1);
    if (lock >= 0)
        close(lock);
    close(c->runs_fd);
    return status;
}

static ol_status copy_store(const char *store, const char *folder, struct copying *c)
{
    char name[32], path[PATH_SIZE], sha256[OL_SHA256_TEXT + 1];
    uint32_t number = 0;
    ol__random(&number, sizeof number);
    snprintf(name, sizeof name, "store/lineage-%08x.db", number);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdirat(c->to_fd, "store", 0700) != 0 && errno != EEXIST)
        return ol__error_set_errno(c->err, errno, "folder '%s/store'", folder);
    ol_status status = store_backup(store, path, c->err);
    OL_CRASHPOINT("backup.store");
    if (status == OL_OK)
        status = backup_hash(c->to_fd, name, sha256, c->err);
    return status == OL_OK ? backup_set_add(c->now, name, sha256, c->err) : status;
}

/* Copies of the store that no manifest names any more. */
static void forget_old_stores(struct copying *c)
{
    int fd = openat(c->to_fd, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "store/%s", e->d_name);
        if (strncmp(e->d_name, "lineage-", 8) == 0 && backup_set_find(c->now, path) == NULL)
            OL_IGNORE(unlinkat(c->to_fd, path, 0), "it only takes room");
    }
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
}

static ol_status copy_all(struct place *place, const struct backup_options *o, struct report *r,
                          struct ol_error *err)
{
    struct backup_set old = {0}, now = {0};
    struct copying c = {.runs_fd = -1, .to_fd = -1, .old = &old, .now = &now, .err = err};
    const char *store = NULL;
    ol_status status = find_store(place, o, &store, err);
    if (status == OL_OK)
        status = ol__fs_make_directories(o->folder, 0700, err);
    if (status == OL_OK)
        status = ol__fs_open_directory(o->folder, &c.to_fd, err);
    if (status == OL_OK) {
        status = backup_set_read(c.to_fd, &old, err);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    if (status == OL_OK)
        status = copy_store(store, o->folder, &c);
    if (status == OL_OK && o->runs != NULL)
        status = copy_runs(o->runs, &c);
    if (status == OL_OK)
        status = backup_set_write(c.to_fd, &now, err);
    if (status == OL_OK) {
        forget_old_stores(&c);
        if (!r->is_json)
            printf("backup: the store, %lld files copied, %lld were there\n", (long long)c.copied,
                   (long long)c.kept);
        ol__json_member_text(&r->w, "folder", o->folder);
        ol__json_member_int(&r->w, "files", (int64_t)now.count);
        ol__json_member_int(&r->w, "copied", c.copied);
        ol__json_member_int(&r->w, "were_there", c.kept);
    }
    backup_set_release(&old);
    backup_set_release(&now);
    if (c.to_fd >= 0)
        close(c.to_fd);
    return status;
}

int verb_backup(int argc, char **argv)
{
    struct backup_options o = {0};
    struct place place = {0};
    struct ol_error err = {.message = ""};
    const char *store = NULL;
    int64_t problems = 0;
    int result = read_options(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status;
    struct report r;
    report_init(&r, o.is_json);
    if (o.is_verify)
        status = verify(&o, &r, &problems, &err);
    else if (o.is_check) {
        status = find_store(&place, &o, &store, &err);
        if (status == OL_OK)
            status = check_store(store, &r, &problems, &err);
    } else
        status = copy_all(&place, &o, &r, &err);
    result = status != OL_OK ? cli_fail(&place, status, &err) : problems > 0 ? CLI_NO : CLI_YES;
    if (status == OL_OK && o.is_json && !report_end(&r, o.is_verify || o.is_check, problems))
        result = CLI_NO;
    report_release(&r);
    place_release(&place);
    return result;
}
