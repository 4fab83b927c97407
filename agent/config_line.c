/* SPDX-License-Identifier: Apache-2.0 */
#include "config_line.h"

#include <stdio.h>
#include <yaml.h>

#define DEPTH_MAX 16

/* A path through mappings: the keys that were entered, joined by dots. Sequences are not entered by
 * name, so nothing inside one is ever found. */
struct walk {
    char path[256];
    size_t path_end[DEPTH_MAX]; /* size of the path outside level i */
    bool is_mapping[DEPTH_MAX];
    bool has_key[DEPTH_MAX]; /* a key was read, its value is due */
    int depth;
};

static void value_done(struct walk *w)
{
    if (w->depth > 0 && w->is_mapping[w->depth - 1]) {
        w->has_key[w->depth - 1] = false;
        w->path[w->path_end[w->depth - 1]] = '\0';
    }
}

static void enter_key(struct walk *w, const char *key)
{
    size_t end = w->path_end[w->depth - 1];
    snprintf(w->path + end, sizeof w->path - end, "%s%s", end > 0 ? "." : "", key);
    w->has_key[w->depth - 1] = true;
}

static bool open_level(struct walk *w, bool is_mapping)
{
    if (w->depth == DEPTH_MAX)
        return false;
    if (!is_mapping || (w->depth > 0 && !w->is_mapping[w->depth - 1]))
        snprintf(w->path + strlen(w->path), sizeof w->path - strlen(w->path), "[]");
    w->path_end[w->depth] = strlen(w->path);
    w->is_mapping[w->depth] = is_mapping;
    w->has_key[w->depth] = false;
    w->depth++;
    return true;
}

static void close_level(struct walk *w)
{
    w->depth--;
    w->path[w->path_end[w->depth]] = '\0';
    value_done(w);
}

int64_t config_line(struct ol__span yaml, const char *key)
{
    yaml_parser_t parser;
    struct walk w = {0};
    int64_t line = 0;
    bool is_over = false;
    if (yaml.size == 0 || !yaml_parser_initialize(&parser))
        return 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml.data, yaml.size);
    while (!is_over && line == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event))
            break;
        switch (event.type) {
        case YAML_SCALAR_EVENT:
            if (w.depth > 0 && w.is_mapping[w.depth - 1] && !w.has_key[w.depth - 1]) {
                enter_key(&w, (const char *)event.data.scalar.value);
                if (strcmp(w.path, key) == 0)
                    line = (int64_t)event.start_mark.line + 1;
            } else
                value_done(&w);
            break;
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT:
            is_over = !open_level(&w, event.type == YAML_MAPPING_START_EVENT);
            break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
            close_level(&w);
            break;
        case YAML_STREAM_END_EVENT:
            is_over = true;
            break;
        default:
            break;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return line;
}
