/* SPDX-License-Identifier: Apache-2.0 */
/* lineage artifact: the id of a file, directory, list or manifest, as a run would record it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact/cache.h"
#include "artifact_lines.h"
#include "cli.h"
#include "json_write.h"
#include "receipt/record.h"
#include "run_files.h"

#define OUTPUT_MAX ((size_t)1 << 30)

struct options {
    bool with_members, is_json;
    uint64_t limit;
    unsigned threads;
    enum artifact_caching caching;
};

static void print_help(void)
{
    puts("Usage: lineage artifact [OPTION]... ARTIFACT...\n"
         "The id (SHA-256) of each, its kind, size and path: a file, a directory, a glob, @LIST (a "
         "file\n"
         "with one path a line), manifest:FILE (JSON lines with path or id, and sha256), or a URI "
         "that\n"
         "declares its hash or version.\n"
         "\n"
         "      --members            also the members of each that has some\n"
         "      --json\n"
         "      --hash-limit SIZE    larger files have no id (default: none is too large)\n"
         "      --threads N          at most N at once; default: one for each processor\n"
         "      --no-cache           ask no hashes of an earlier command, and leave none\n"
         "      --rehash             ask none, but leave new ones\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0 each has an id or a version; 1 one has none; 2 usage.");
}

/** @return 0: go on; -1: done; what to exit with, said. */
static int parse(int argc, char **argv, struct options *o)
{
    enum { MEMBERS = 256, JSON, LIMIT, THREADS, NO_CACHE, REHASH };
    static const struct option options[] = {{"members", no_argument, NULL, MEMBERS},
                                            {"json", no_argument, NULL, JSON},
                                            {"hash-limit", required_argument, NULL, LIMIT},
                                            {"threads", required_argument, NULL, THREADS},
                                            {"no-cache", no_argument, NULL, NO_CACHE},
                                            {"rehash", no_argument, NULL, REHASH},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        char *end = NULL;
        switch (c) {
        case MEMBERS:
            o->with_members = true;
            break;
        case JSON:
            o->is_json = true;
            break;
        case LIMIT:
            if (!run_files_parse_size(optarg, &o->limit))
                return cli_usage("artifact", "--hash-limit: '%.60s' is no size (examples: 64MiB)",
                                 optarg);
            break;
        case THREADS:
            o->threads = (unsigned)strtoul(optarg, &end, 10);
            if (end == optarg || *end != '\0' || o->threads < 1 ||
                o->threads > ARTIFACT_THREADS_MAX)
                return cli_usage("artifact", "--threads: '%.60s': expected 1 to %d", optarg,
                                 ARTIFACT_THREADS_MAX);
            break;
        case NO_CACHE:
            o->caching = ARTIFACT_CACHE_NONE;
            break;
        case REHASH:
            o->caching = ARTIFACT_CACHE_REFRESH;
            break;
        case 'h':
            print_help();
            return -1;
        default:
            return cli_usage("artifact", "see the message above");
        }
    }
    return optind < argc ? 0 : cli_usage("artifact", "of what? expected a path");
}

static ol_status look_and_hash(struct artifact *items, size_t count, const struct options *o)
{
    size_t budget = ARTIFACT_MEMBERS_MAX, sum_count = 0;
    struct artifact_progress progress = {.is_drawn = false};
    struct artifact **each = malloc(count * sizeof(struct artifact *));
    ol_status status = each != NULL ? OL_OK : OL_NOMEM;
    for (size_t i = 0; status == OL_OK && i < count; i++) {
        each[i] = &items[i];
        status = artifact_look(&items[i], &budget);
    }
    struct artifact_sum **sums =
        status == OL_OK ? artifact_collect_sums(each, count, &sum_count) : NULL;
    artifact_sums_settle(sums, sum_count);
    artifact_progress_allow(&progress);
    const struct artifact_hasher hasher = {.limit = o->limit,
                                           .threads = o->threads,
                                           .progress = &progress,
                                           .cache = artifact_cache_open(o->caching)};
    artifact_hash_all(&hasher, sums, sum_count);
    artifact_cache_close(hasher.cache);
    for (size_t i = 0; status == OL_OK && i < count; i++)
        status = artifact_finish(&items[i]);
    free(sums);
    free(each);
    return status;
}

static bool has_id(const struct artifact *a)
{
    return a->sha256[0] != '\0' || a->version != NULL;
}

/* ---- output ---- */

/** Nothing in a name steers a terminal. */
static void add_shown(struct ol__buf *out, struct ol__span text, bool has_lines)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 || c == 0x7f) && !(has_lines && c == '\n'))
            ol__buf_add_format(out, "\\%03o", c);
        else
            ol__buf_add_char(out, (char)c);
    }
}

static void print_text(const struct artifact *a, bool with_members, struct ol__buf *out)
{
    ol__buf_add_format(out, "%-*s  %-9s  ", OL_SHA256_TEXT,
                       a->sha256[0] != '\0' ? a->sha256
                       : a->version != NULL ? a->version
                                            : "-",
                       artifact_kind_name(a->kind));
    if (a->size >= 0)
        ol__buf_add_format(out, "%12lld  ", (long long)a->size);
    else
        ol__buf_add_format(out, "%12s  ", "-");
    add_shown(out, ol__span_text(a->text), false);
    ol__buf_add_char(out, '\n');
    const struct ol__span members = {a->members.data, a->members.size};
    if (with_members && isatty(STDOUT_FILENO))
        add_shown(out, members, true);
    else if (with_members)
        ol__buf_add(out, members.data, members.size); /* for sha256sum --check */
}

static void write_members(struct ol__json_writer *w, const struct artifact *a, bool with_members)
{
    struct ol__span text = {a->members.data, a->members.size};
    struct ol__buf space;
    struct artifact_line line;
    ol__json_key(w, "members");
    ol__json_begin_object(w);
    ol__json_member_int(w, "count", a->member_count);
    ol__json_member_text(w, "sha256", a->members_sha256);
    if (with_members) {
        ol__buf_init(&space, ARTIFACT_TEXT_MAX);
        ol__json_key(w, "items");
        ol__json_begin_array(w);
        while (artifact_line_read(&text, &space, &line) == OL_OK) {
            ol__json_begin_object(w);
            ol__json_member_span(w, line.is_link ? "link" : "name", line.name);
            ol__json_member_text_opt(w, "sha256", line.is_link ? NULL : line.sha256);
            ol__json_end_object(w);
        }
        ol__json_end_array(w);
        ol__buf_release(&space);
    }
    ol__json_end_object(w);
}

static void write_json(struct ol__json_writer *w, const struct artifact *a, bool with_members)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "path", a->text);
    ol__json_member_text_opt(w, "namespace", a->name_space);
    ol__json_member_text_opt(w, "name", a->name);
    ol__json_member_text_opt(w, "sha256", a->sha256[0] != '\0' ? a->sha256 : NULL);
    ol__json_member_text_opt(w, "version", a->sha256[0] == '\0' ? a->version : NULL);
    if (a->size >= 0)
        ol__json_member_int(w, "size", a->size);
    ol__json_member_text(w, "kind", artifact_kind_name(a->kind));
    ol__json_member_text(w, "basis",
                         a->version != NULL     ? "declared"
                         : a->sha256[0] != '\0' ? "computed"
                                                : "unknown");
    ol__json_member_text_opt(w, "reason", a->reason[0] != '\0' ? a->reason : NULL);
    if (a->member_count >= 0)
        write_members(w, a, with_members);
    ol__json_end_object(w);
}

static int print_all(const struct artifact *items, size_t count, const struct options *o)
{
    struct ol__buf out;
    struct ol__json_writer w;
    ol__buf_init(&out, OUTPUT_MAX);
    ol__json_writer_init(&w, &out);
    int result = CLI_YES;
    if (o->is_json)
        ol__json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        if (o->is_json)
            write_json(&w, &items[i], o->with_members);
        else
            print_text(&items[i], o->with_members, &out);
        if (items[i].trouble[0] != '\0')
            cli_say("'%s': %s", items[i].text, items[i].trouble);
        if (has_id(&items[i]))
            continue;
        cli_say("'%s' has no id: %s", items[i].text, items[i].reason);
        result = CLI_NO;
    }
    if (o->is_json)
        ol__json_end_array(&w);
    if (o->is_json)
        ol__buf_add_char(&out, '\n');
    bool is_written = cli_print_buf(&out);
    ol__buf_release(&out);
    return is_written ? result : CLI_NO;
}

int verb_artifact(int argc, char **argv)
{
    struct options o = {.limit = UINT64_MAX};
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    size_t count = (size_t)(argc - optind);
    struct artifact *items = calloc(count, sizeof *items);
    ol_status status = items != NULL ? OL_OK : OL_NOMEM;
    for (size_t i = 0; status == OL_OK && i < count; i++)
        status = artifact_init(&items[i], argv[optind + (int)i], true);
    if (status == OL_OK)
        status = look_and_hash(items, count, &o);
    if (status == OL_OK)
        result = print_all(items, count, &o);
    for (size_t i = 0; items != NULL && i < count; i++)
        artifact_release(&items[i]);
    free(items);
    if (status == OL_OK)
        return result;
    cli_say("out of memory");
    return CLI_NO;
}
