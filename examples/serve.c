/* SPDX-License-Identifier: Apache-2.0 */
/* A service: one run as long as it serves, one event for each answer, and the headers of its
 * response. The threads of a server share the one handle. */
#include <stdio.h>
#include <string.h>
#include <openlineage/openlineage.h>

/* In a server this is its own "add a response header", e.g. MHD_add_response_header(). */
static int put(void *arg, const char *name, const char *value)
{
    (void)arg;
    printf("%s: %s\n", name, value);
    return 0;
}

static void answer(struct ol_serving *serving, const char *request_id, const char *question)
{
    static const char *const retrieved[] = {"handbook/7", "handbook/9"};
    const struct ol_answer *record =
        OL_MAKE(ol_answer, .request_id = request_id, .outcome = OL_ANSWERED, .input = question,
                .input_size = strlen(question), .retrieval_index = "handbook@12",
                .retrieved = retrieved, .retrieved_count = 2, .cited = retrieved, .cited_count = 1,
                .temperature = OL_REAL(0), .latency_ms = OL_REAL(41.5), .input_tokens = OL_INT(210),
                .output_tokens = OL_INT(38), .cache_hit = OL_FALSE);
    struct ol_error err;
    if (ol_answer_record(serving, record, &err) < 0)
        fprintf(stderr, "lineage: %s\n", err.message); /* the answer goes out all the same */
    ol_answer_headers(serving, record, OL_MAKE(ol_carrier, .put = put), NULL);
}

int main(void)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_serving *serving = NULL;
    struct ol_error err;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/serve/1.0"),
                       &client, &err) < 0)
        fprintf(stderr, "no lineage: %s\n", err.message); /* and the service goes on without */
    if (client != NULL &&
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "support.answers"), &run, &err) < 0)
        fprintf(stderr, "no lineage: %s\n", err.message);
    ol_run_set_ids(run, OL_MAKE(ol_ids, .model_version = "support-llm@41",
                                .prompt_template = "greeting@3", .corpus_sha = "sha256:5be1"));
    ol_run_emit(run, OL_START, NULL);
    if (run != NULL &&
        ol_serving_new(run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, &err) < 0)
        fprintf(stderr, "no lineage: %s\n", err.message);
    answer(serving, "req-1", "How do I reset my password?");
    answer(serving, "req-2", "And my user name?");
    ol_serving_free(serving);
    ol_run_emit(run, OL_COMPLETE, NULL);
    ol_run_free(run);
    ol_client_close(client, 1000, NULL);
    return 0;
}
