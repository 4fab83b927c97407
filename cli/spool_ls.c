/* SPDX-License-Identifier: Apache-2.0 */
/* lineage spool ls. One document is made from the files; --json prints it, else it becomes tables.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"
#include "json_write.h"
#include "segment.h"
#include "spool_positions.h"
#include "spool_verb.h"
#include "times.h"
#include "tree.h"

#define DOCUMENT_MAX ((size_t)256 << 20)

struct lister {
    struct place *place;
    struct spool_look *look;
    struct ol__json_writer w;
    uint64_t newest_seq, newest_records;
    struct positions positions;
    struct ol_error *err;
};

static ol_status see_newest(void *arg, const struct spool_record *record, bool is_complete,
                            struct ol_error *err)
{
    struct lister *l = arg;
    l->newest_seq = OL_MAX(l->newest_seq, record->seq);
    l->newest_records++;
    return positions_replay(&l->positions, record, is_complete, err);
}

static void member_time(struct ol__json_writer *w, const char *key, int64_t unix_ms)
{
    char text[OL_TIME_TEXT + 1];
    ol__time_format(unix_ms, text);
    ol__json_member_text(w, key, text);
}

static ol_status write_segments(struct lister *l, struct ol_error *err)
{
    size_t count = 0;
    const struct look_segment *segments = spool_look_segments(l->look, &count);
    ol_status st = OL_OK;
    ol__json_key(&l->w, "segments");
    ol__json_begin_array(&l->w);
    for (size_t i = 0; i < count && st == OL_OK; i++) {
        const struct look_segment *s = &segments[i];
        char name[SEGMENT_NAME_SIZE];
        segment_name(s->number, s->state == LOOK_FREE, name);
        uint64_t last = s->last_seq;
        if (s->state == LOOK_NEWEST) { /* how far it goes, only reading tells; positions with it */
            const struct look_sink sink = {.record = see_newest, .arg = l};
            l->newest_seq = s->first_seq - 1;
            st = spool_look_walk_one(l->look, i, 0, UINT64_MAX, &sink, err);
            last = l->newest_seq;
        }
        ol__json_begin_object(&l->w);
        ol__json_member_text(&l->w, "file", name);
        ol__json_member_text(&l->w, "state", look_state_name(s->state));
        ol__json_member_uint(&l->w, "bytes", s->size);
        if (s->state <= LOOK_NEWEST) {
            ol__json_member_uint(&l->w, "first", s->first_seq);
            ol__json_member_uint(&l->w, "last", last);
            ol__json_member_uint(&l->w, "records", last + 1 - s->first_seq);
            member_time(&l->w, "born", s->born_ms);
        }
        ol__json_end_object(&l->w);
    }
    ol__json_end_array(&l->w);
    return st;
}

static bool is_pinned(const struct agent_config *config, size_t i)
{
    const struct route_config *routes = config->routes.items;
    return routes[i].on_lag == ON_LAG_PIN || (routes[i].on_lag == ON_LAG_DEFAULT && i == 0);
}

static void write_cursor(struct lister *l, const char *name, const char *on_lag)
{
    struct look_cursor c;
    struct ol_error err = {.message = ""};
    ol_status st = spool_verb_cursor(l->place, l->look, name, &c, &err);
    ol__json_begin_object(&l->w);
    ol__json_member_text(&l->w, "route", name);
    ol__json_member_text(&l->w, "on_lag", on_lag);
    if (st != OL_OK) {
        ol__json_member_text(&l->w, "problem",
                             st == OL_NOT_FOUND ? "no place on record yet" : err.message);
    } else {
        uint64_t done = c.low + c.ahead;
        ol__json_member_uint(&l->w, "low", c.low);
        ol__json_member_uint(&l->w, "done_above", c.ahead);
        ol__json_member_uint(&l->w, "waiting", l->newest_seq > done ? l->newest_seq - done : 0);
        ol__json_member_uint(&l->w, "gaps", c.gap_count);
        ol__json_member_uint(&l->w, "given_up", c.gap_sequences);
        spool_look_cursor_release(&c);
    }
    ol__json_end_object(&l->w);
}

/* Of routes that are not configured any more: they hold nothing back. */
static ol_status write_unknown(void *arg, const char *name)
{
    struct lister *l = arg;
    const struct agent_config *config = l->place->config;
    const struct route_config *routes = config != NULL ? config->routes.items : NULL;
    for (size_t i = 0; config != NULL && i < config->routes.count; i++)
        if (strcmp(routes[i].name, name) == 0)
            return OL_OK;
    write_cursor(l, name, config != NULL ? "no such route" : "?");
    return OL_OK;
}

static ol_status write_cursors(struct lister *l, struct ol_error *err)
{
    const struct agent_config *config = l->place->config;
    const struct route_config *routes = config != NULL ? config->routes.items : NULL;
    ol__json_key(&l->w, "routes");
    ol__json_begin_array(&l->w);
    for (size_t i = 0; config != NULL && i < config->routes.count; i++)
        write_cursor(l, routes[i].name, is_pinned(config, i) ? "pin" : "detach");
    ol_status st = spool_look_cursor_names(l->look, write_unknown, l, err);
    ol__json_end_array(&l->w);
    return st;
}

static void write_quarantine(struct lister *l)
{
    uint64_t files = 0, bytes = 0;
    int fd =
        openat(spool_look_directory(l->look), "quarantine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (const struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        struct stat s;
        if (fstatat(fd, e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode)) {
            files++;
            bytes += (uint64_t)s.st_size;
        }
    }
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    ol__json_key(&l->w, "quarantine");
    ol__json_begin_object(&l->w);
    ol__json_member_uint(&l->w, "files", files);
    ol__json_member_uint(&l->w, "bytes", bytes);
    ol__json_end_object(&l->w);
}

static ol_status write_gap(void *arg, const struct look_gap *gap)
{
    struct lister *l = arg;
    ol__json_begin_object(&l->w);
    ol__json_member_uint(&l->w, "first", gap->first);
    ol__json_member_uint(&l->w, "last", gap->last);
    member_time(&l->w, "from", gap->from_ms);
    member_time(&l->w, "to", gap->to_ms);
    ol__json_end_object(&l->w);
    return OL_OK;
}

static ol_status write_route_gaps(void *arg, const char *name)
{
    struct lister *l = arg;
    struct look_cursor c;
    if (spool_look_cursor(l->look, name, &c, NULL) == OL_OK) {
        uint64_t count = c.gap_count;
        spool_look_cursor_release(&c);
        if (count == 0)
            return OL_OK;
    }
    ol__json_begin_object(&l->w);
    ol__json_member_text(&l->w, "route", name);
    ol__json_key(&l->w, "given_up");
    ol__json_begin_array(&l->w);
    ol_status st = spool_look_gaps(l->look, name, write_gap, l, l->err);
    ol__json_end_array(&l->w);
    ol__json_end_object(&l->w);
    return st;
}

static ol_status write_document(struct lister *l, const char *directory, struct ol_error *err)
{
    char uuid[OL_UUID_TEXT + 1];
    ol__uuid_format(spool_look_uuid(l->look), uuid);
    ol__json_begin_object(&l->w);
    ol__json_member_text(&l->w, "directory", directory);
    ol__json_member_text(&l->w, "uuid", uuid);
    ol_status st = write_segments(l, err);
    if (st == OL_OK)
        st = write_cursors(l, err);
    if (st != OL_OK)
        return st;
    ol__json_member_uint(&l->w, "journal_positions", l->positions.count);
    write_quarantine(l);
    ol__json_key(&l->w, "gaps");
    ol__json_begin_array(&l->w);
    st = spool_look_cursor_names(l->look, write_route_gaps, l, err);
    ol__json_end_array(&l->w);
    ol__json_end_object(&l->w);
    ol__buf_add_char(l->w.out, '\n');
    if (st == OL_OK && l->w.out->status != OL_OK)
        st = ol__error_set(err, l->w.out->status, "the list is too large");
    return st;
}

static bool table(struct pretty *p, const struct json_node *array, const char *const *heads,
                  const char *const *keys, size_t columns, size_t texts)
{
    struct ol__arena arena = {.first = NULL};
    struct pretty_table t = {.arena = &arena, .columns = columns, .flexible = -1};
    bool is_whole = true;
    for (size_t i = 0; i < columns; i++) {
        t.heads[i] = heads[i];
        t.is_right[i] = i >= texts;
    }
    for (const struct json_node *n = array->first; n != NULL && is_whole; n = n->next) {
        const char **row = pretty_table_row(&t);
        is_whole = row != NULL;
        for (size_t i = 0; i < columns && is_whole; i++)
            row[i] = json_get_text(n, keys[i]);
    }
    pretty_table_print(p, &t, 0);
    pretty_table_release(&t);
    ol__arena_reset(&arena, 0);
    return is_whole;
}

static int print_people(struct ol__span document)
{
    static const char *const segment_heads[] = {"FILE", "STATE",   "FIRST",
                                                "LAST", "RECORDS", "BYTES"};
    static const char *const segment_keys[] = {"file", "state",   "first",
                                               "last", "records", "bytes"};
    static const char *const route_heads[] = {"ROUTE", "ON LAG",  "PROBLEM",
                                              "LOW",   "WAITING", "GIVEN UP"};
    static const char *const route_keys[] = {"route", "on_lag",  "problem",
                                             "low",   "waiting", "given_up"};
    struct json_doc doc;
    struct ol__buf text;
    struct pretty p;
    struct ol_error err = {.message = ""};
    if (json_doc_read(&doc, document, &err) != OL_OK) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    ol__buf_init(&text, DOCUMENT_MAX);
    pretty_init(&p, &text);
    pretty_text(&p, PRETTY_BOLD, json_get_text(doc.root, "directory"));
    ol__buf_add_char(&text, '\n');
    bool is_whole = table(&p, json_get(doc.root, "segments"), segment_heads, segment_keys, 6, 2);
    ol__buf_add_char(&text, '\n');
    is_whole = table(&p, json_get(doc.root, "routes"), route_heads, route_keys, 6, 3) && is_whole;
    const struct json_node *quarantine = json_get(doc.root, "quarantine");
    ol__buf_add_format(&text, "\n%s journal positions; in quarantine: %s files, %s bytes\n",
                       json_get_text(doc.root, "journal_positions"),
                       json_get_text(quarantine, "files"), json_get_text(quarantine, "bytes"));
    is_whole = pretty_flush(&p) && is_whole;
    ol__buf_release(&text);
    json_doc_release(&doc);
    return is_whole ? CLI_YES : CLI_NO;
}

int spool_ls(struct place *place, const struct spool_words *words)
{
    struct ol_error err = {.message = ""};
    struct ol__buf out;
    struct lister l = {.place = place, .err = &err};
    const char *directory = NULL;
    ol__buf_init(&out, DOCUMENT_MAX);
    ol__json_writer_init(&l.w, &out);
    positions_init(&l.positions, 1000000);
    ol_status st = spool_verb_directory(place, words, &directory, &err);
    if (st == OL_OK)
        st = spool_look_open(directory, &l.look, &err);
    if (st == OL_OK)
        st = write_document(&l, directory, &err);
    int result = CLI_YES;
    struct ol__span document = {.data = out.data, .size = out.size};
    if (st != OL_OK)
        result = cli_fail(place, st, &err);
    else if (!words->is_json)
        result = print_people(document);
    else if (!cli_print(document))
        result = CLI_NO;
    positions_release(&l.positions);
    spool_look_close(l.look);
    ol__buf_release(&out);
    return result;
}
