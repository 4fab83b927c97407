/* SPDX-License-Identifier: Apache-2.0 */
#include "run_environment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "json_write.h"
#include "receipt/redact.h"

static bool is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_star = text[i] == '*' && i > 0 && i + 1 == size;
        if (!isalnum((unsigned char)text[i]) && text[i] != '_' && !is_star)
            return false;
    }
    return size > 0 && !isdigit((unsigned char)text[0]);
}

const char *run_environment_add(struct run_environment *e, const char *list)
{
    for (;;) {
        size_t size = strcspn(list, ",");
        if (!is_name(list, size))
            return "expected names of variables, NAME or PREFIX_*, with commas between";
        if (e->wanted_count == RUN_ENVIRONMENT_MAX)
            return "more than 1000 names";
        char **wanted = realloc(e->wanted, (e->wanted_count + 1) * sizeof *wanted);
        if (wanted == NULL)
            return "out of memory";
        e->wanted = wanted;
        wanted[e->wanted_count] = strndup(list, size);
        if (wanted[e->wanted_count] == NULL)
            return "out of memory";
        e->wanted_count++;
        if (list[size] == '\0')
            return NULL;
        list += size + 1;
    }
}

static bool is_wanted(const struct run_environment *e, const char *variable, size_t size)
{
    for (size_t i = 0; i < e->wanted_count; i++) {
        size_t length = strlen(e->wanted[i]);
        bool is_prefix = e->wanted[i][length - 1] == '*';
        if (is_prefix)
            length--;
        if ((is_prefix ? size >= length : size == length) &&
            strncmp(variable, e->wanted[i], length) == 0)
            return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct run_variable *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static ol_status take(struct run_environment *e, const char *variable, size_t size)
{
    struct run_variable *v = &e->items[e->count];
    struct ol__buf shown;
    const char *value = variable + size + 1;
    ol__buf_init(&shown, RUN_ENVIRONMENT_VALUE_MAX * 4);
    *v = (struct run_variable){.name = strndup(variable, size)};
    if (strlen(value) > RUN_ENVIRONMENT_VALUE_MAX)
        ol__buf_add_format(&shown, "(%zu bytes)", strlen(value));
    else if (v->name != NULL)
        redact_value(v->name, value, &shown);
    v->value = shown.size > 0 ? ol__buf_take(&shown) : strdup("");
    ol__buf_release(&shown);
    if (v->name == NULL || v->value == NULL) {
        free(v->name);
        free(v->value);
        return OL_NOMEM;
    }
    e->count++;
    return OL_OK;
}

ol_status run_environment_read(struct run_environment *e)
{
    if (e->wanted_count == 0)
        return OL_OK;
    e->items = calloc(RUN_ENVIRONMENT_MAX, sizeof *e->items);
    if (e->items == NULL)
        return OL_NOMEM;
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        const char *equals = strchr(*variable, '=');
        if (equals == NULL || !is_wanted(e, *variable, (size_t)(equals - *variable)))
            continue;
        if (e->count == RUN_ENVIRONMENT_MAX)
            break;
        if (take(e, *variable, (size_t)(equals - *variable)) != OL_OK)
            return OL_NOMEM;
    }
    qsort(e->items, e->count, sizeof *e->items, by_name);
    return OL_OK;
}

void run_environment_describe(const struct run_environment *e, struct ol_run *run)
{
    if (e->count == 0 || run == NULL)
        return;
    struct ol_environment_variable *items = calloc(e->count, sizeof *items);
    if (items == NULL)
        return; /* the receipt has them */
    for (size_t i = 0; i < e->count; i++)
        items[i] = (struct ol_environment_variable)OL_ITEM(
            ol_environment_variable, .name = e->items[i].name, .value = e->items[i].value);
    OL_IGNORE(
        ol_run_set_environment_variables(run, OL_MAKE(ol_environment_variables, .variables = items,
                                                      .variable_count = e->count)) < 0,
        "emit reports it");
    free(items);
}

struct ol__span run_environment_value(struct run_environment *e)
{
    struct ol__json_writer w;
    if (e->count == 0)
        return (struct ol__span){.data = NULL};
    ol__buf_release(&e->json);
    ol__buf_init(&e->json, (size_t)64 << 20);
    ol__json_writer_init(&w, &e->json);
    ol__json_begin_object(&w);
    for (size_t i = 0; i < e->count; i++)
        ol__json_member_text(&w, e->items[i].name, e->items[i].value);
    ol__json_end_object(&w);
    return e->json.status == OL_OK ? (struct ol__span){.data = e->json.data, .size = e->json.size}
                                   : (struct ol__span){.data = NULL};
}

void run_environment_release(struct run_environment *e)
{
    for (size_t i = 0; i < e->wanted_count; i++)
        free(e->wanted[i]);
    for (size_t i = 0; i < e->count; i++) {
        free(e->items[i].name);
        free(e->items[i].value);
    }
    free(e->wanted);
    free(e->items);
    ol__buf_release(&e->json);
    *e = (struct run_environment){.wanted = NULL};
}
