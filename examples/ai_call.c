/* SPDX-License-Identifier: Apache-2.0 */
/* Ask a model over HTTP and let the run say which request it was: the id that is sent along, the
 * provider's id, the model that answered, and hashes of what went over the wire. No text of the
 * question or the answer is in the events.
 *
 *     cc ai_call.c $(pkg-config --cflags --libs openlineage libcurl) -o ai_call
 *     OPENAI_API_KEY=... ./ai_call https://api.openai.com/v1/chat/completions MODEL 'Why is the sky
 * blue?'
 */
#include <curl/curl.h>
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- libcurl's side ---- */

struct exchange {
    struct ol_call *call;
    struct curl_slist *headers;
};

/* What is read is counted and hashed; what to do with it is the program's. */
static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    ol_call_response_body(x->call, data, size * n);
    return fwrite(data, size, n, stdout);
}

/* A carrier of context: traceparent, baggage and the client request id become request headers. */
static int put_header(void *arg, const char *key, const char *value)
{
    struct exchange *x = arg;
    char line[9000];
    if (snprintf(line, sizeof line, "%s: %s", key, value) >= (int)sizeof line)
        return -1;
    struct curl_slist *longer = curl_slist_append(x->headers, line);
    if (longer == NULL)
        return -1;
    x->headers = longer;
    return 0;
}

static CURLcode post(CURL *curl, const char *url, const char *body, struct exchange *x)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, ol_call_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x->call);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    return curl_easy_perform(curl);
}

/* ---- ours ---- */

static int ask(struct ol_run *run, CURL *curl, const char *url, const char *body)
{
    struct ol_error error = {.message = ""};
    struct exchange x = {.headers = NULL};
    char authorization[600];
    const char *key = getenv("OPENAI_API_KEY");
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s",
             key != NULL ? key : "");
    x.headers = curl_slist_append(NULL, "Content-Type: application/json");
    put_header(&x, "Accept", "application/json");
    x.headers = curl_slist_append(x.headers, authorization);
    if (ol_call_new(run,
                    OL_MAKE(ol_call_options, .provider = "openai", .operation = "chat",
                            .endpoint = url, .prompt_name = "sky", .prompt_version = "v1",
                            .is_own_run = true),
                    &x.call, &error) != OL_OK)
        fprintf(stderr, "no lineage of this call: %s\n", error.message); /* and on it goes */
    ol_call_inject(x.call, OL_MAKE(ol_carrier, .put = put_header, .arg = &x), NULL);
    ol_call_request_body(x.call, body, strlen(body));
    ol_call_begin(x.call, NULL);
    CURLcode code = post(curl, url, body, &x);
    ol_call_end(x.call, code == CURLE_OK ? NULL : curl_easy_strerror(code), NULL);

    struct ol_call_result result = {.struct_size = sizeof result};
    ol_call_look(x.call, &result);
    fprintf(stderr, "\nsent as %s\nanswered by %s, request %s (%s)\n",
            x.call != NULL ? ol_call_client_request_id(x.call) : "nobody",
            result.response_model != NULL ? result.response_model : "?",
            result.provider_request_id != NULL ? result.provider_request_id : "?",
            result.provider_request_header != NULL ? result.provider_request_header : "none");
    int failed = code != CURLE_OK || result.is_error;
    ol_call_free(x.call);
    curl_slist_free_all(x.headers);
    return failed;
}

int main(int argc, char **argv)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error error = {.message = ""};
    char body[4096];
    if (argc != 4 || strpbrk(argv[3], "\"\\") != NULL) {
        fprintf(stderr, "usage: ai_call URL MODEL 'QUESTION without quotes'\n");
        return 2;
    }
    snprintf(body, sizeof body,
             "{\"model\":\"%s\",\"temperature\":0,\"messages\":[{\"role\":\"user\",\"content\":"
             "\"%s\"}]}",
             argv[2], argv[3]);
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/ask/1.0"),
                       &client, &error) < 0)
        fprintf(stderr, "no lineage: %s\n", error.message);
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "ask"), &run, &error) < 0)
        fprintf(stderr, "no lineage: %s\n", error.message);
    ol_run_emit(run, OL_START, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = curl_easy_init();
    int failed = curl == NULL || ask(run, curl, argv[1], body) != 0;
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    ol_run_emit(run, failed ? OL_FAIL : OL_COMPLETE, NULL);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return failed;
}
