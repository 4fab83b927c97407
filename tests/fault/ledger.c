/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct ledger *ledger_new(void)
{
    void *data = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        abort();
    return data;
}

void ledger_free(struct ledger *ledger)
{
    munmap(ledger, sizeof *ledger);
}

static void note_failure(struct ledger *ledger, ol_status status, const struct ol_error *err)
{
    if (status < 0 && ledger->told[-status]++ == 0 && ledger->message[0] == '\0')
        memcpy(ledger->message, err->message, sizeof ledger->message);
}

void ledger_tell(struct ledger *ledger, unsigned number, unsigned slot, ol_status status,
                 const struct ol_error *err)
{
    ledger->tried++;
    if (status < 0)
        ledger->refused++;
    else if (status == OL_DISABLED)
        ledger->disabled++;
    else
        ledger->accepted++;
    ledger->partial += status == OL_PARTIAL;
    ledger->told_accepted[number][slot] = status == OL_OK || status == OL_PARTIAL;
    note_failure(ledger, status, err);
}

void ledger_tell_unmade(struct ledger *ledger, ol_status status, const struct ol_error *err)
{
    ledger->not_made++;
    note_failure(ledger, status, err);
}

/* A call of a model, with all that it may hold; it emits nothing itself. */
static void call_model(struct ledger *ledger, struct ol_run *run)
{
    static const char body[] = "{\"id\":\"r\",\"model\":\"m\",\"choices\":[{\"finish_reason\":"
                               "\"stop\"}],\"usage\":{\"prompt_tokens\":3}}";
    char head[] = "HTTP/2 200\r\nx-request-id: q\r\n\r\n";
    struct ol_error err = {.message = ""};
    struct ol_call *call = NULL;
    const char *json = NULL;
    ol_status status = ol_call_new(
        run,
        OL_MAKE(ol_call_options, .provider = "openai", .operation = "chat",
                .endpoint = "https://host/v1/chat", .prompt_name = "p", .prompt_version = "v1",
                .corpus = "corpus:c", .key = "0123456789abcdef", .key_size = 16, .key_id = "k"),
        &call, &err);
    if (status != OL_OK)
        ledger_tell_unmade(ledger, status, &err);
    ol_call_begin(call, NULL);
    ol_call_request_body(call, body, sizeof body - 1);
    ol_call_header(head, 1, sizeof head - 1, call);
    ol_call_response_body(call, body, sizeof body - 1);
    status = ol_call_end(call, NULL, &err);
    if (status < 0)
        ledger_tell_unmade(ledger, status, &err);
    status = ol_call_receipt(call, &json, NULL, &err);
    if (status < 0)
        ledger_tell_unmade(ledger, status, &err);
    ol_call_free(call);
}

/* An answer of a service: the run's OTHER. */
static void answer(struct ledger *ledger, struct ol_run *run, unsigned number)
{
    static const char *const found[] = {"d1", "d2"};
    struct ol_error err = {.message = ""};
    struct ol_serving *serving = NULL;
    ol_status status =
        ol_serving_new(run, OL_MAKE(ol_serving_options, .key = "0123456789abcdef", .key_size = 16),
                       &serving, &err);
    if (status != OL_OK) {
        ledger_tell_unmade(ledger, status, &err);
        return;
    }
    status = ol_answer_record(serving,
                              OL_MAKE(ol_answer, .request_id = "q", .input = "i", .input_size = 1,
                                      .model_version = "m", .retrieved = found,
                                      .retrieved_count = 2, .latency_ms = OL_REAL(0.1)),
                              &err);
    ledger_tell(ledger, number, OL_OTHER, status, &err);
    ol_serving_free(serving);
}

void ledger_run(struct ledger *ledger, struct ol_client *client, unsigned number)
{
    static const enum ol_event events[] = {OL_START, OL_COMPLETE};
    char name[32];
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    snprintf(name, sizeof name, "job-%u", number);
    const char *foreign = number == 1 ? "0123456789abcdef0123456789abcdef" : NULL;
    ol_status status = ol_run_new(client,
                                  OL_MAKE(ol_run_options, .job_namespace = LEDGER_NAMESPACE,
                                          .job_name = name, .foreign_id = foreign,
                                          .foreign_system = foreign != NULL ? "mlflow" : NULL),
                                  &run, &err);
    if (status != OL_OK) {
        ledger_tell_unmade(ledger, status, &err);
        return;
    }
    ol_run_set_nominal_time(
        run, OL_MAKE(ol_nominal_time, .nominal_start_time = "2026-11-21T10:00:00.000Z"));
    struct ol_dataset *out = ol_run_output_named(run, "file", "/data/out");
    ol_dataset_set_output_statistics(out, OL_MAKE(ol_output_statistics, .row_count = OL_INT(7)));
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        status = ol_run_emit(run, events[i], &err);
        ledger_tell(ledger, number, events[i], status, &err);
        if (number == 2 && events[i] == OL_START)
            call_model(ledger, run);
        if (number == 1 && events[i] == OL_START)
            answer(ledger, run, number);
    }
    ol_run_free(run);
}

/* ---- reading back ---- */

static bool is_whole(const char *line)
{
    int depth = 0;
    for (const char *p = line; *p != '\0'; p++) { /* no text of ours holds a brace */
        depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
        if (depth == 0)
            return p[1] == '\0';
    }
    return false;
}

static bool find_number(const char *line, const char *prefix, unsigned *ret)
{
    char want[80];
    snprintf(want, sizeof want, "{\"namespace\":\"" LEDGER_NAMESPACE "\",\"name\":\"%s-", prefix);
    const char *at = strstr(line, want);
    if (at == NULL)
        return false;
    *ret = (unsigned)strtoul(at + strlen(want), NULL, 10);
    return *ret < LEDGER_NUMBERS;
}

static bool identify(const char *line, unsigned *number, unsigned *slot)
{
    static const char *const types[] = {
        [OL_START] = "START",       [OL_RUNNING] = "RUNNING", [OL_OTHER] = "OTHER",
        [OL_COMPLETE] = "COMPLETE", [OL_FAIL] = "FAIL",       [OL_ABORT] = "ABORT"};
    *slot = LEDGER_DATASET_EVENT;
    if (find_number(line, "set", number))
        return true;
    *slot = LEDGER_JOB_EVENT;
    if (!find_number(line, "job", number))
        return false;
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        char want[64];
        int size = snprintf(want, sizeof want, "{\"eventType\":\"%s\"", types[i]);
        if (strncmp(line, want, (size_t)size) == 0)
            *slot = i;
    }
    return true;
}

static void read_file(const struct ledger *ledger, const char *path, unsigned char *seen,
                      struct ledger_found *found)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    struct stat st;
    FILE *in = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    while (in != NULL && (n = getline(&line, &cap, in)) > 0) {
        unsigned number, slot;
        bool has_newline = line[n - 1] == '\n';
        if (has_newline)
            line[n - 1] = '\0';
        if (line[0] == '\0' || strncmp(line, "{\"ol_journal", 12) == 0)
            continue;
        if (!has_newline || !is_whole(line)) {
            found->torn++;
        } else if (!identify(line, &number, &slot) || !ledger->told_accepted[number][slot]) {
            found->unexpected++;
        } else if (seen[number * LEDGER_SLOTS + slot]++ > 0) {
            found->doubled++;
        } else {
            found->found++;
        }
    }
    free(line);
    if (in != NULL)
        fclose(in);
}

static bool is_journal(const char *name)
{
    return strlen(name) == 63 && strspn(name, "0123456789") == 20;
}

struct ledger_found ledger_compare(const struct ledger *ledger, const char *directory,
                                   const char *more)
{
    struct ledger_found found = {0};
    struct dirent *entry;
    unsigned char *seen = calloc(LEDGER_NUMBERS, LEDGER_SLOTS);
    DIR *d = opendir(directory);
    if (seen == NULL)
        abort();
    if (d == NULL)
        read_file(ledger, directory, seen, &found);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (is_journal(entry->d_name))
            read_file(ledger, path, seen, &found);
    }
    if (d != NULL)
        closedir(d);
    if (more != NULL)
        read_file(ledger, more, seen, &found);
    found.missing = ledger->accepted - found.found;
    free(seen);
    return found;
}

bool ledger_is_balanced(const struct ledger *ledger, const struct ledger_found *found)
{
    return found->missing == 0 && found->unexpected == 0 && found->doubled == 0 &&
           ledger->tried == ledger->accepted + ledger->refused + ledger->disabled &&
           ledger->counted == ledger->refused;
}
