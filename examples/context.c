/* SPDX-License-Identifier: Apache-2.0 */
/* A caller hands its run's context on in the headers of an HTTP request; the program that is called
 * takes it up. The list of headers is as libcurl has it (struct curl_slist, curl_slist_append());
 * the request goes from one function to another here, over the network in real life.
 *
 *     cc context.c $(pkg-config --cflags --libs openlineage) && ./a.out
 */
#define _POSIX_C_SOURCE 200809L /* strdup() */
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct headers { /* struct curl_slist */
    char *data;
    struct headers *next;
};

static struct headers *append(struct headers *list, const char *line) /* curl_slist_append() */
{
    struct headers *last = list, *made = calloc(1, sizeof *made);
    if (made == NULL || (made->data = strdup(line)) == NULL) {
        free(made);
        return NULL;
    }
    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last != NULL)
        last->next = made;
    return list != NULL ? list : made;
}

static void free_all(struct headers *list) /* curl_slist_free_all() */
{
    while (list != NULL) {
        struct headers *next = list->next;
        free(list->data);
        free(list);
        list = next;
    }
}

static struct headers *find(struct headers *list, const char *key)
{
    size_t size = strlen(key);
    while (list != NULL && (strncasecmp(list->data, key, size) != 0 || list->data[size] != ':'))
        list = list->next;
    return list;
}

/* ---- the two functions of a carrier; arg is the address of the list ---- */

static const char *get_header(void *arg, const char *key)
{
    struct headers **list = arg;
    struct headers *found = find(*list, key);
    return found != NULL ? found->data + strlen(key) + strspn(found->data + strlen(key), ": ")
                         : NULL;
}

static int put_header(void *arg, const char *key, const char *value)
{
    struct headers **list = arg;
    size_t size = strlen(key) + strlen(value) + sizeof ": ";
    char *line = malloc(size);
    if (line == NULL)
        return -1;
    snprintf(line, size, "%s: %s", key, value);
    struct headers *there = find(*list, key);
    if (there != NULL) { /* in the place of what stands there */
        free(there->data);
        there->data = line;
        return 0;
    }
    struct headers *longer = append(*list, line);
    free(line);
    if (longer == NULL)
        return -1;
    *list = longer;
    return 0;
}

/* ---- the program that is called ---- */

static void serve(struct ol_client *client, struct headers *request)
{
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "score"), &run, NULL) != OL_OK)
        fprintf(stderr, "context: no lineage today\n");
    /* Headers come from anybody: what is malformed is ignored, the request is served all the same.
     */
    if (ol_context_extract(run, OL_MAKE(ol_carrier, .get = get_header, .arg = &request), &err) !=
        OL_OK)
        fprintf(stderr, "context: %s\n", err.message);
    ol_run_emit(run, OL_START, NULL);
    ol_run_emit(run, OL_COMPLETE, NULL);
    ol_run_free(run);
}

/* ---- the caller ---- */

int main(void)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/context/1.0"),
                       &client, NULL) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "train"), &run, NULL) != OL_OK)
        fprintf(stderr, "context: no lineage today\n");
    ol_run_set_ids(run, OL_MAKE(ol_ids, .run_id = "experiment 7", .step = "evaluate"));
    ol_run_emit(run, OL_START, NULL);

    struct headers *request = append(NULL, "Content-Type: application/json");
    request = append(request, "Baggage: tenant=blue"); /* of others: it stays */
    if (ol_context_inject(
            run, OL_MAKE(ol_carrier, .get = get_header, .put = put_header, .arg = &request),
            &err) != OL_OK)
        fprintf(stderr, "context: %s\n", err.message);
    for (struct headers *h = request; h != NULL; h = h->next)
        puts(h->data);
    serve(client, request);

    free_all(request);
    ol_run_emit(run, OL_COMPLETE, NULL);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return 0;
}
