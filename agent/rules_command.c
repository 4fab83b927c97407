/* SPDX-License-Identifier: Apache-2.0 */
/* `lineaged rules list` and `lineaged rules test`: what the rules are, and what they do to events
 * from a file. Touches nothing but the settings and that file; no agent is asked.
 * Promise: what is shown after "after" is, byte for byte, what would go into the spool. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "files.h"
#include "json_write.h"
#include "main.h"
#include "rules.h"
#include "spool/spool.h"
#include "times.h"

#define INPUT_MAX ((size_t)256 << 20)
#define SHOWN_MAX 4096 /* bytes of one value */

static const char usage_text[] =
    "usage: lineaged rules list [--system] [--config FILE]\n"
    "       lineaged rules test [--system] [--config FILE] FILE...\n"
    "\n"
    "list: the rules of the settings, and the patterns that are built in.\n"
    "test: what the rules make of events: before, after, and which rule changed what. FILE holds\n"
    "one event, an array of events, or one event on each line; - is standard input. No agent is\n"
    "asked, nothing is sent.\n"
    "Status: 0 every event was read; 1 some input is no event, or cannot be read; 2 usage or\n"
    "settings.\n";

struct command {
    struct agent_config config;
    struct rules *rules; /* NULL: none */
    struct ol__event_reader *reader;
    struct ol__json_reader *json;
    struct ol__buf changes; /* of the event under way, as they are shown */
    const char *file;
    struct ol__span text; /* of the file */
    bool is_bad;          /* some input was no event */
    bool is_array;
};

static const struct rule_config *rule_configs(const struct command *c)
{
    return c->config.rules.items;
}

/* ---- list ---- */

static int list(const struct command *c)
{
    static const char *const types[] = {"redact", "drop", "rename", "tag", "shed"};
    printf("rules%s%s:%s\n", c->config.config_path != NULL ? " of " : "",
           c->config.config_path != NULL ? c->config.config_path : "",
           c->config.rules.count == 0 ? " none" : "");
    for (size_t i = 0; i < c->config.rules.count; i++)
        printf("  %-20s %-7s line %lld\n", rule_configs(c)[i].name, types[rule_configs(c)[i].type],
               (long long)rule_configs(c)[i].line);
    puts("built-in patterns:");
    for (size_t i = 0; rules_builtin_name(i) != NULL; i++)
        printf("  %-20s %s\n", rules_builtin_name(i), rules_builtin_help(i));
    return EXIT_SUCCESS;
}

/* ---- test ---- */

/* As JSON text, so that nothing in it speaks to the terminal. */
static void add_value(struct ol__buf *out, char sign, struct ol__span value)
{
    struct ol__json_writer w;
    ol__buf_add_format(out, "    %c ", sign);
    ol__json_writer_init(&w, out);
    ol__json_span(&w, (struct ol__span){value.data, OL_MIN(value.size, (size_t)SHOWN_MAX)});
    ol__buf_add_text(out, value.size > SHOWN_MAX ? "...\n" : "\n");
}

static void note_change(void *arg, const char *rule, const char *pointer, struct ol__span before,
                        struct ol__span after)
{
    struct command *c = arg;
    if (pointer[0] == '\0') { /* all of it: dropped */
        ol__buf_add_format(&c->changes, "  %s\n", rule);
        return;
    }
    ol__buf_add_format(&c->changes, "  %s %s\n", rule, pointer);
    if (before.size > 0)
        add_value(&c->changes, '-', before);
    if (after.size > 0)
        add_value(&c->changes, '+', after);
}

static void show(const char *what, struct ol__span text)
{
    printf("%s\n", what);
    fwrite(text.data, 1, text.size, stdout);
    if (text.size == 0 || text.data[text.size - 1] != '\n')
        putchar('\n');
}

/* @return OL_OK: an event, whatever the rules did; else why
 * not. */
static ol_status test_event(struct command *c, struct ol__span event, struct ol_error *err)
{
    const struct ol__event_limits limits = {.size_max = SPOOL_PAYLOAD_MAX,
                                            .depth_max = (size_t)c->config.max_depth,
                                            .is_strict = c->config.validation == 1};
    const struct rules_watch watch = {.changed = note_change, .arg = c};
    const struct ol__event *read;
    struct ol__span after = event;
    ol_status status =
        ol__event_read(c->reader, event, OL_EVENT_CORE, &limits, ol__time_now_ms(), &read, err);
    if (status != OL_OK)
        return status;
    ol__buf_reset(&c->changes);
    if (c->rules != NULL)
        status = rules_apply(c->rules, event, read, &watch, &after, err);
    if (status < 0)
        return status;
    show("before:", event);
    if (status == OL_OK)
        puts("after: unchanged, byte for byte");
    else if (status == OL_END)
        puts("after: dropped");
    else
        show("after:", after);
    if (c->changes.size > 0)
        printf("by rule:\n%s", c->changes.data);
    putchar('\n');
    return OL_OK;
}

static void refuse(struct command *c, struct ol__span event, const char *why)
{
    size_t line = 1;
    for (const char *s = c->text.data; s < event.data; s++)
        line += *s == '\n';
    fflush(stdout);
    fprintf(stderr, "lineaged: %s:%zu: no event: %s\n", c->file, line, why);
    c->is_bad = true;
}

static ol_status element(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct command *c = arg;
    struct ol_error why = {0};
    (void)err;
    if (v->depth == 0) {
        c->is_array = v->type == OL_JSON_ARRAY || v->type == OL_JSON_ARRAY_END;
        return c->is_array ? OL_OK : OL_END;
    }
    if (v->depth != 1 || v->type == OL_JSON_OBJECT || v->type == OL_JSON_ARRAY)
        return OL_OK; /* its end has the range */
    struct ol__span event = {.data = c->text.data + v->begin, .size = v->end - v->begin};
    if (test_event(c, event, &why) != OL_OK)
        refuse(c, event, why.message);
    return OL_OK;
}

static void test_lines(struct command *c)
{
    struct ol__span rest = c->text;
    while (rest.size > 0) {
        struct ol_error why = {0};
        const char *newline = memchr(rest.data, '\n', rest.size);
        size_t size = newline != NULL ? (size_t)(newline - rest.data) : rest.size;
        struct ol__span line = {.data = rest.data, .size = size};
        bool is_control = size >= 12 && memcmp(line.data, "{\"ol_journal", 12) == 0;
        if (strspn(line.data, " \t\r\n") < size && !is_control && /* a journal is good as well */
            test_event(c, line, &why) != OL_OK)
            refuse(c, line, why.message);
        size += newline != NULL;
        rest.data += size;
        rest.size -= size;
    }
}

/* One event, an array, or lines: what it is as a whole decides. */
static void test_text(struct command *c)
{
    struct ol_error why = {0};
    c->is_array = false;
    if (ol__json_read(c->json, c->text, NULL, NULL, NULL, NULL) != OL_OK) {
        test_lines(c);
        return;
    }
    ol_status status = ol__json_read(c->json, c->text, NULL, element, c, &why);
    if (status == OL_OK && !c->is_array)
        status = test_event(c, c->text, &why);
    if (status != OL_OK)
        refuse(c, c->text, why.message);
}

/* A pipe, perhaps. */
static ol_status read_input(struct ol__buf *out, struct ol_error *err)
{
    size_t got = 1;
    while (got > 0 && out->status == OL_OK) {
        char *room = ol__buf_room(out, 65536);
        got = room != NULL ? fread(room, 1, 65536, stdin) : 0;
        if (got > 0)
            ol__buf_grow(out, got);
    }
    if (out->status != OL_OK)
        return ol__error_set(err, out->status, "standard input: %s", ol__status_name(out->status));
    return ferror(stdin) == 0 ? OL_OK : ol__error_set_errno(err, errno, "standard input: read");
}

static int test(struct command *c, char **files, int count)
{
    struct ol_error err = {0};
    struct ol__buf text;
    ol_status status = ol__event_reader_new(&c->reader, &err);
    if (status == OL_OK)
        status = ol__json_reader_new(&c->json, &err);
    ol__buf_init(&text, INPUT_MAX);
    ol__buf_init(&c->changes, INPUT_MAX);
    for (int i = 0; i < count && status != OL_NOMEM; i++) {
        bool is_input = strcmp(files[i], "-") == 0;
        c->file = is_input ? "standard input" : files[i];
        ol__buf_reset(&text);
        status = is_input ? read_input(&text, &err)
                          : ol__fs_read_file(&ol__fs_real, AT_FDCWD, files[i], &text, &err);
        if (status == OL_OK && text.size > 0) {
            c->text = (struct ol__span){.data = text.data, .size = text.size};
            test_text(c);
        } else {
            fprintf(stderr, "lineaged: %s\n", status != OL_OK ? err.message : "nothing to read");
            c->is_bad = true;
        }
    }
    ol__buf_release(&text);
    ol__buf_release(&c->changes);
    ol__json_reader_free(c->json);
    ol__event_reader_free(c->reader);
    return c->is_bad || status == OL_NOMEM ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command ---- */

static int usage_error(const char *what)
{
    fprintf(stderr, "lineaged rules: %s\n%s", what, usage_text);
    return EXIT_USAGE;
}

static int run(struct command *c, const char *verb, char **files, int count)
{
    struct ol_error err = {0};
    ol_status status = rules_new(&c->config, NULL, &c->rules, &err);
    if (status != OL_OK) {
        fprintf(stderr, "lineaged: %s\n", err.message);
        return status == OL_NOMEM ? EXIT_FAILURE : EXIT_USAGE;
    }
    int result = strcmp(verb, "list") == 0 ? list(c) : test(c, files, count);
    rules_free(c->rules);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "lineaged: standard output: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    return result;
}

int rules_command(int argc, char **argv)
{
    static const struct option table[] = {{"system", no_argument, NULL, 's'},
                                          {"config", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct command c = {.rules = NULL};
    struct ol_error err = {0};
    const char *path = NULL;
    bool is_system = false;
    int option;
    while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage_text, stdout);
            return EXIT_SUCCESS;
        }
        if (option == '?')
            return usage_error("unknown option");
        is_system = is_system || option == 's';
        path = option == 'c' ? optarg : path;
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    bool is_list = strcmp(verb, "list") == 0;
    if (!is_list && strcmp(verb, "test") != 0)
        return usage_error("say list or test");
    if (is_list != (optind == argc))
        return usage_error(is_list ? "list takes no file" : "test needs a file, or -");
    ol_status status = config_load(&c.config, path, is_system, &err);
    if (status != OL_OK) {
        fprintf(stderr, "lineaged: %s\n", err.message);
        return status == OL_NOMEM ? EXIT_FAILURE : EXIT_USAGE;
    }
    int result = run(&c, verb, argv + optind, argc - optind);
    config_release(&c.config);
    return result;
}
