/* SPDX-License-Identifier: Apache-2.0 */
/* lineage restore. Promises:
 *  1. Nothing is touched before every file of the backup has the hash that its manifest says, and
 * its store can be read by this version.
 *  2. What is there is not replaced unless --force says so; a store that is replaced stays beside
 * as NAME.before-restore.
 *  3. Killed at any moment, there is the old store or the new one, whole; again, and it goes on.
 *  4. Nobody else reads or writes the store while it is replaced (store_lock.h): an agent that
 * starts in that moment waits.
 *  5. Where the spool goes on from is the store's own cursor: what the spool still has is taken in
 * again, and what it has not is a gap on record. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "backup_set.h"
#include "cli.h"
#include "config.h"
#include "json_write.h"
#include "options.h"
#include "pretty.h"
#include "store/store.h"
#include "store/store_lock.h"

#define PATH_SIZE 4096
#define LOCK_WAIT_MS 3000            /* a question that is being answered ends */
#define BESIDE_SIZE (PATH_SIZE + 32) /* and an ending */

struct restore_options {
    bool is_forced, is_json;
    const char *folder, *runs, *store;
};

static void print_help(void)
{
    puts("Usage: lineage restore [OPTION]... DIR\n"
         "Put the backup in DIR back. It is verified first; the agent has to be stopped.\n"
         "\n"
         "      --store FILE         where the store goes; default: as this place is configured\n"
         "      --runs DIR           where receipts go; default: LINEAGE_RUNS, else they are left\n"
         "                           out\n"
         "      --force              replace what is there; a store stays beside as\n"
         "                           FILE.before-restore\n"
         "      --json\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0 it is done; 1 it failed, or something is there already; 2 usage; 3 no "
         "such\n"
         "backup.");
}

static int read_options(int argc, char **argv, struct restore_options *o)
{
#define AT(member) offsetof(struct restore_options, member)
    static const struct cli_option table[] = {
        {.name = "force", .kind = OPTION_FLAG, .offset = AT(is_forced)},
        {.name = "json", .kind = OPTION_FLAG, .offset = AT(is_json)},
        {.name = "runs", .kind = OPTION_TEXT, .offset = AT(runs)},
        {.name = "store", .kind = OPTION_TEXT, .offset = AT(store)},
        OPTION_END};
#undef AT
    static const struct cli_options options = {
        .verb = "restore", .table = table, .help = print_help};
    int result = cli_options_read(&options, argc, argv, o);
    if (result != 0)
        return result;
    o->folder = optind < argc ? argv[optind++] : NULL;
    if (optind < argc || o->folder == NULL)
        return cli_usage("restore", "one folder is expected");
    const char *runs = getenv("LINEAGE_RUNS");
    if (o->runs == NULL && runs != NULL && runs[0] != '\0')
        o->runs = runs;
    return 0;
}

static void say_file(void *arg, const char *path, const char *problem)
{
    (void)arg;
    cli_say("%s: %s", path, problem);
}

/* Where the store goes, and that nobody has it open. */
static ol_status find_target(struct place *place, const struct restore_options *o, char *out,
                             size_t size, struct ol_error *err)
{
    struct ol__buf body;
    int http = 0;
    const char *path = o->store;
    ol_status status = place_find(place, err);
    if (status == OL_OK && path == NULL)
        status = place_configure(place, err);
    if (status != OL_OK)
        return status;
    const struct route_config *routes = path == NULL ? place->config->routes.items : NULL;
    for (size_t i = 0; path == NULL && i < place->config->routes.count; i++)
        if (routes[i].type == ROUTE_STORE)
            path = routes[i].path;
    if (path == NULL)
        return ol__error_set(err, OL_NOT_FOUND, "no route of type store is configured");
    snprintf(out, size, "%s", path);
    ol__buf_init(&body, 1 << 20);
    bool is_running = o->store == NULL && place_get(place, "/healthz", &http, &body, NULL) == OL_OK;
    ol__buf_release(&body);
    return is_running ? ol__error_set(err, OL_BUSY, "the agent is running: stop it first") : OL_OK;
}

/* ---- The store ---- */

/* Fold its log in, so that the file is all of it; the last to close takes the log away. The lock is
 * held: nobody else has the file (promise 4). */
static ol_status set_aside(const char *target, struct ol_error *err)
{
    char beside[BESIDE_SIZE], log[BESIDE_SIZE];
    struct store *old = NULL;
    struct ol_error why = {0};
    if (store_open_held(target, STORE_WRITE, &old, &why) == OL_OK)
        store_close(old);
    snprintf(beside, sizeof beside, "%s.before-restore", target);
    if ((unlink(beside) != 0 && errno != ENOENT) || link(target, beside) != 0)
        return ol__error_set_errno(err, errno, "'%s'", beside);
    snprintf(log, sizeof log, "%s-wal", target);
    if (access(log, F_OK) == 0) { /* it cannot be opened: its log goes with it */
        char log_beside[BESIDE_SIZE + 8];
        snprintf(log_beside, sizeof log_beside, "%s-wal", beside);
        if (rename(log, log_beside) != 0)
            return ol__error_set_errno(err, errno, "'%s'", log);
    }
    snprintf(log, sizeof log, "%s-shm", target);
    if (unlink(log) != 0 && errno != ENOENT)
        return ol__error_set_errno(err, errno, "'%s'", log);
    return OL_OK;
}

static ol_status put_store(int from_fd, const char *name, const char *target, bool is_forced,
                           struct ol_error *err)
{
    char fresh[BESIDE_SIZE], folder[PATH_SIZE] = "/";
    int fd = -1, lock = -1;
    bool is_there = access(target, F_OK) == 0;
    if (is_there && !is_forced)
        return ol__error_set(err, OL_DENIED,
                             "'%s' is there already: --force replaces it and keeps it beside",
                             target);
    const char *slash = strrchr(target, '/');
    if (slash == NULL)
        snprintf(folder, sizeof folder, ".");
    else if (slash != target)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - target), target);
    ol_status status = ol__fs_make_directories(folder, 0700, err);
    if (status == OL_OK)
        status = store_lock(target, STORE_HOLD_REPLACE, LOCK_WAIT_MS, &lock, err);
    if (status == OL_OK && !is_forced && access(target, F_OK) == 0) /* made meanwhile */
        status = ol__error_set(err, OL_DENIED, "'%s' is there already", target);
    is_there = access(target, F_OK) == 0;
    snprintf(fresh, sizeof fresh, "%s.restoring", target);
    if (status == OL_OK)
        status = backup_copy(from_fd, name, AT_FDCWD, fresh, err);
    OL_CRASHPOINT("restore.copied");
    if (status == OL_OK && is_there)
        status = set_aside(target, err);
    OL_CRASHPOINT("restore.set_aside");
    if (status == OL_OK && rename(fresh, target) != 0)
        status = ol__error_set_errno(err, errno, "'%s'", target);
    OL_CRASHPOINT("restore.renamed");
    if (status == OL_OK)
        status = ol__fs_open_directory(folder, &fd, err);
    if (status == OL_OK && fsync(fd) != 0)
        status = ol__error_set_errno(err, errno, "folder '%s': sync", folder);
    if (fd >= 0)
        close(fd);
    if (lock >= 0)
        close(lock);
    return status;
}

/* ---- Receipts ---- */

/* @p with_objects: those first, then what names them. */
static ol_status put_runs(int from_fd, const struct backup_set *set, int to_fd, bool with_objects,
                          bool is_forced, bool is_dry, int64_t *ret_put, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < set->count && status == OL_OK; i++) {
        const char *path = set->items[i].path, *to = path + 5;
        char there[OL_SHA256_TEXT + 1] = "";
        if (strncmp(path, "runs/", 5) != 0 || (strncmp(to, "objects/", 8) == 0) != with_objects)
            continue;
        ol_status found = backup_hash(to_fd, to, there, NULL);
        if (found == OL_OK && strcmp(there, set->items[i].sha256) == 0)
            continue;
        if (found != OL_NOT_FOUND && !is_forced)
            return ol__error_set(err, OL_DENIED,
                                 "'%s' is there already, and is another: --force replaces it", to);
        if (is_dry)
            continue;
        status = backup_copy(from_fd, path, to_fd, to, err);
        *ret_put += status == OL_OK;
        OL_CRASHPOINT("restore.file");
    }
    return status;
}

static ol_status tell(const struct restore_options *o, const char *store, int64_t put,
                      struct ol_error *err)
{
    struct ol__buf out;
    struct ol__json_writer w;
    struct pretty p;
    ol__buf_init(&out, 1 << 20);
    ol__json_writer_init(&w, &out);
    if (o->is_json) {
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "folder", o->folder);
        ol__json_member_text_opt(&w, "store", store);
        ol__json_member_int(&w, "receipt_files", put);
        ol__json_end_object(&w);
        ol__buf_add_char(&out, '\n');
    } else {
        ol__buf_add_format(&out, "restored: %s%s%lld files of receipts\n",
                           store != NULL ? store : "", store != NULL ? ", " : "", (long long)put);
    }
    pretty_init(&p, &out);
    bool is_written = out.status == OL_OK && pretty_flush(&p);
    ol__buf_release(&out);
    return is_written ? OL_OK
                      : ol__error_set(err, OL_IO, "it is restored, but standard output failed");
}

static ol_status restore(struct place *place, const struct restore_options *o, struct ol_error *err)
{
    struct backup_set set = {0};
    struct store *store = NULL;
    char target[PATH_SIZE], path[PATH_SIZE] = "";
    const char *name = NULL;
    int64_t problems = 0, put = 0;
    int fd = -1, runs_fd = -1;
    ol_status status = ol__fs_open_directory(o->folder, &fd, err);
    if (status == OL_OK)
        status = backup_set_read(fd, &set, err);
    if (status == OL_OK)
        status = find_target(place, o, target, sizeof target, err);
    if (status == OL_OK)
        status = backup_set_verify(fd, &set, say_file, NULL, &problems, err);
    if (status == OL_OK && problems > 0)
        status = ol__error_set(err, OL_CORRUPT, "the backup is damaged: nothing was restored");
    for (size_t i = 0; i < set.count && name == NULL; i++)
        if (strncmp(set.items[i].path, "store/", 6) == 0)
            name = set.items[i].path;
    if (status == OL_OK && name != NULL) { /* promise 1 */
        snprintf(path, sizeof path, "%s/%s", o->folder, name);
        status = store_open(path, STORE_READ, &store, err);
        store_close(store);
    }
    if (status == OL_OK && o->runs != NULL)
        status = ol__fs_make_directories(o->runs, 0777, err);
    if (status == OL_OK && o->runs != NULL)
        status = ol__fs_open_directory(o->runs, &runs_fd, err);
    if (status == OL_OK && name != NULL && access(target, F_OK) == 0 && !o->is_forced)
        status =
            ol__error_set(err, OL_DENIED,
                          "'%s' is there already: --force replaces it and keeps it beside", target);
    for (int dry = 1; dry >= 0 && runs_fd >= 0; dry--) { /* promise 2: all is looked at before */
        if (status == OL_OK)
            status = put_runs(fd, &set, runs_fd, true, o->is_forced, dry == 1, &put, err);
        if (status == OL_OK)
            status = put_runs(fd, &set, runs_fd, false, o->is_forced, dry == 1, &put, err);
    }
    if (status == OL_OK && name != NULL)
        status = put_store(fd, name, target, o->is_forced, err);
    if (status == OL_OK)
        status = tell(o, name != NULL ? target : NULL, put, err);
    backup_set_release(&set);
    if (fd >= 0)
        close(fd);
    if (runs_fd >= 0)
        close(runs_fd);
    return status;
}

int verb_restore(int argc, char **argv)
{
    struct restore_options o = {0};
    struct place place = {0};
    struct ol_error err = {.message = ""};
    int result = read_options(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = restore(&place, &o, &err);
    if (status == OL_DENIED || status == OL_VERSION_NEWER || status == OL_CORRUPT) {
        cli_say("%s", err.message);
        result = CLI_NO;
    } else
        result = status == OL_OK ? CLI_YES : cli_fail(&place, status, &err);
    place_release(&place);
    return result;
}
