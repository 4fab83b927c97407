/* SPDX-License-Identifier: Apache-2.0 */
/* Proves every row of the table of settings: what it takes is shown with its value and the line
 * that told it, what it does not take is refused with place, key and what is allowed. Then what
 * file and variables mean together, and that no secret is shown. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "config_report.h"

struct fixture {
    char *home, before[1024];
    struct ol__buf out;
    struct ol_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    ol__buf_init(&f->out, 1 << 20);
    *state = f;
    return getcwd(f->before, sizeof f->before) == NULL || chdir(f->home) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int result = chdir(f->before);
    help_clean_environment("/");
    help_remove(f->home);
    ol__buf_release(&f->out);
    free(f);
    return result;
}

static void write_file(const char *text)
{
    FILE *out = fopen("openlineage.yml", "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* The report with one space where it has more. */
static ol_status report(struct fixture *f, const char *yaml)
{
    ol__buf_reset(&f->out);
    f->err.message[0] = '\0';
    if (yaml != NULL)
        write_file(yaml);
    else
        unlink("openlineage.yml");
    ol_status status = ol__config_report(NULL, OL_REPORT_TEXT, &f->out, &f->err);
    size_t to = 0;
    for (size_t i = 0; i < f->out.size; i++)
        if (f->out.data[i] != ' ' || to == 0 || f->out.data[to - 1] != ' ')
            f->out.data[to++] = f->out.data[i];
    f->out.data[to] = '\0';
    return status;
}

static void expect(const struct fixture *f, const char *text, const char *of)
{
    if (strstr(f->out.data, text) == NULL)
        fail_msg("%s: no '%s' in:\n%s%s", of, text, f->out.data, f->err.message);
}

#define T "transport:\n  type: "
#define H T "http\n  url: http://h:1\n"
#define F "openlineage.yml:"

static const struct row {
    enum ol__key key;
    const char *good, *shown; /* good NULL: a variable, in `shown` NAME VALUE */
    const char *bad, *error;  /* NULL: everything is taken */
} rows[] = {
    {OL_KEY_CONFIG, NULL, NULL, NULL, NULL}, /* below */
    {OL_KEY_DISABLED, "disabled: no\n", "disabled no " F "1", "disabled: maybe\n",
     F "1: disabled: 'maybe' is not allowed; expected true or false"},
    {OL_KEY_NAMESPACE, "job: {namespace: n}\n", "job.namespace n " F "1", "namespace: [a]\n",
     F "1: namespace: a list is not allowed; expected a text"},
    {OL_KEY_LEGACY_URL, NULL, "OPENLINEAGE_URL http://(set)@h/x OPENLINEAGE_URL", NULL, NULL},
    {OL_KEY_LEGACY_ENDPOINT, NULL, "OPENLINEAGE_ENDPOINT e/f OPENLINEAGE_ENDPOINT", NULL, NULL},
    {OL_KEY_LEGACY_API_KEY, NULL, "OPENLINEAGE_API_KEY (set) OPENLINEAGE_API_KEY", NULL, NULL},
    {OL_KEY_PARENT_ID, NULL, "OPENLINEAGE_PARENT_ID a/b/c OPENLINEAGE_PARENT_ID", NULL, NULL},
    {OL_KEY_ROOT_PARENT_ID, NULL, "OPENLINEAGE_ROOT_PARENT_ID a/b/c OPENLINEAGE_ROOT", NULL, NULL},
    {OL_KEY_CLIENT_LOGGING, NULL, "OPENLINEAGE_CLIENT_LOGGING DEBUG OPENLINEAGE_CLIENT_LOGGING",
     NULL, NULL},
    {OL_KEY_EVENT_MAX, "event_max_bytes: 4096\n", "event_max_bytes 4096 " F "1",
     "event_max_bytes: 4095\n",
     F "1: event_max_bytes: '4095' is not allowed; expected a whole number, 4096 to 16777214"},
    {OL_KEY_TRANSPORT, T "noop\n", "transport.type noop " F "2", "transport: noop\n",
     F "1: transport: 'noop' is not allowed; expected a mapping"},
    {OL_KEY_FILTERS, "filters: [{type: exact, match: a}]\n",
     "filters [{type: exact, match: a}] " F "1", "filters:\n  - a\n",
     F "2: filters[0]: 'a' is not allowed; expected a mapping"},
    {OL_KEY_FILTER_TYPE, "filters: [{type: regex, regex: 'a\\d'}]\n", "filters [{type: regex",
     "filters:\n  - {type: exakt, match: a}\n",
     F
     "2: filters[0].type: 'exakt' is not allowed; expected exact or regex (did you mean 'exact'?"},
    {OL_KEY_FILTER_MATCH, "filters: [{type: exact, match: a}]\n", "match: a",
     "filters: [{type: exact, regex: a}]\n", F "1: filters[0].type: exact needs match"},
    {OL_KEY_FILTER_REGEX, "filters: [{type: regex, regex: '^(?:a|b)[\\w-]+'}]\n", "regex: ^(?:a",
     "filters: [{type: regex, regex: '(a'}]\n", F "1: filters[0].regex: "},
    {OL_KEY_TAGS_JOB, "job: {tags: [k, 'k:v:s']}\n", "job.tags [k, k:v:s] " F "1",
     "tags: {job: x}\n",
     F "1: tags.job: 'x' is not allowed; expected a mapping, or a list of KEY:VALUE:SOURCE"},
    {OL_KEY_TAGS_RUN, "tags: {run: {a: b}}\n", "tags.run {a: b} " F "1", "run: {tags: {a: [b]}}\n",
     F "1: run.tags: a mapping is not allowed"},
    {OL_KEY_OWNERS, "job:\n  owners: {team: x}\n", "job.owners {team: x} " F "2",
     "job: {owners: [x]}\n", F "1: job.owners: a list is not allowed; expected a mapping of texts"},
    {OL_KEY_JOB_NAME, "job: {name: x}\n", "note: " F "1: job.name: not used: ", NULL, NULL},
    {OL_KEY_ENVIRONMENT, "facets: {custom_environment_variables: [A]}\n",
     "facets.custom_environment_variables [A] " F "1", "facets: {environment_variables: {A: b}}\n",
     F "1: facets.environment_variables: a mapping is not allowed; expected a list of texts"},
    {OL_KEY_FACETS_DISABLED, "facets: {disabled: [a]}\n", "facets.disabled [a] " F "1",
     "facets: {disabled: {a: b}}\n", F "1: facets.disabled: a mapping is not allowed"},
    {OL_KEY_SOURCE_LOCATION, "facets: {source_code_location: {disabled: false}}\n",
     "note: " F "1: facets.source_code_location: not used: ", NULL, NULL},
    {OL_KEY_FACET_SWITCH, "facets: {spark.plan: {disabled: true}}\n",
     "facets.spark.plan {disabled: true} " F "1", "facets: {a: {b: {disabled: x}}}\n",
     F "1: facets.a.b.disabled: 'x' is not allowed; expected true or false"},
    {OL_KEY_REDACTIONS, "redactions: [{facet: sql}]\n", "redactions [{facet: sql}] " F "1",
     "redactions: {a: b}\n", F "1: redactions: a mapping is not allowed; expected a list of mapp"},
    {OL_KEY_REDACT_FACET, "redactions: [{facet: sql}]\n", "facet: sql", "redactions: [{with: x}]\n",
     F "1: redactions[0]: a redaction needs a facet, a pointer or a pattern"},
    {OL_KEY_REDACT_POINTER, "redactions: [{pointer: /a/*}]\n", "pointer: /a/*",
     "redactions: [{pointer: a}]\n",
     F "1: redactions[0].pointer: 'a' is not allowed; expected a J"},
    {OL_KEY_REDACT_PATTERN, "redactions: [{pattern: 'a{2}'}]\n", "pattern: a{2}",
     "redactions: [{pattern: '(a)\\1'}]\n",
     F "1: redactions[0].pattern: back references are not taken"},
    {OL_KEY_REDACT_WITH, "redactions: [{facet: sql, with: '-'}]\n", "with: -",
     "redactions: [{facet: sql, with: [x]}]\n", F "1: redactions[0].with: a list is not allowed"},
    {OL_KEY_DATASET, "dataset: {a: b}\n", "note: " F "1: dataset: not used: ", NULL, NULL},
    {OL_KEY_CIRCUIT_BREAKER, "circuitBreaker: {type: noop}\n",
     "note: " F "1: circuitBreaker: not used: ", NULL, NULL},
    {OL_KEY_METRICS, "metrics: {type: statsd}\n", "note: " F "1: metrics: not used: ", NULL, NULL},

    {OL_KEY_TYPE, T "async_http\n  url: https://h\n", "transport.type async_http " F "2", T "htp\n",
     F "2: transport.type: 'htp' is not allowed; expected journal, http, file, console, noop, "
       "composite or transform (did you mean 'http'?)"},
    {OL_KEY_NAME, T "noop\n  name: x\n", "transport.name x " F "3", T "noop\n  name: {}\n",
     F "3: transport.name: a mapping is not allowed; expected a text"},
    {OL_KEY_PRIORITY, T "noop\n  priority: -3\n", "transport.priority -3 " F "3",
     T "noop\n  priority: high\n",
     F "3: transport.priority: 'high' is not allowed; expected a who"},
    {OL_KEY_DIRECTORY, "transport: {directory: /d}\n", "transport.directory /d " F "1",
     "transport: {directory: [a]}\n", F "1: transport.directory: a list is not allowed"},
    {OL_KEY_DURABILITY, T "journal\n  durability: DISK\n", "transport.durability DISK " F "3",
     T "journal\n  durability: disc\n",
     F "3: transport.durability: 'disc' is not allowed; expected process or disk (did you mean '"},
    {OL_KEY_LOCATION, T "file\n  log_file_path: /x\n", "transport.log_file_path /x " F "3",
     T "file\n", F "1: transport: file needs a location (or log_file_path)"},
    {OL_KEY_APPEND, T "file\n  location: /x\n  append: false\n",
     "note: " F "4: transport.append: a new file for each event is not made here",
     T "file\n  location: /x\n  append: x\n", F "4: transport.append: 'x' is not allowed"},
    {OL_KEY_FILESYSTEM, T "file\n  location: /x\n  filesystem: a.b\n",
     "note: " F "4: transport.filesystem: 'a.b' is nothing this library has; events go to the j",
     NULL, NULL},
    {OL_KEY_FS_KWARGS, T "file\n  location: /x\n  fs_kwargs: {a: b}\n",
     "transport.fs_kwargs {a: (set)} " F "4", NULL, NULL},
    {OL_KEY_STORAGE_OPTIONS, T "file\n  location: s3://b/x\n  storage_options: {a: b}\n",
     "transport.storage_options {a: (set)} " F "4", NULL, NULL},
    {OL_KEY_PROTOCOL, T "file\n  location: /x\n  protocol: s3\n",
     "note: " F "4: transport.protocol: not used: ", NULL, NULL},
    {OL_KEY_DEBUG_MODE, T "file\n  location: /x\n  debug_mode: true\n",
     "note: " F "4: transport.debug_mode: not used: ", NULL, NULL},
    {OL_KEY_URL, H, "transport.url http://h:1 " F "3", T "http\n  url: ftp://h\n",
     F "3: transport.url: 'ftp://h' is not allowed; expected http://, https:// or unix:/path"},
    {OL_KEY_ENDPOINT, H "  endpoint: /x\n", "transport.endpoint /x " F "4",
     H "  endpoint: {a: b}\n", F "4: transport.endpoint: a mapping is not allowed"},
    {OL_KEY_TIMEOUT, H "  timeout: 0.5\n", "transport.timeout 0.5 " F "4", H "  timeout: 5s\n",
     F "4: transport.timeout: '5s' is not allowed; expected seconds, 0.001 to 600"},
    {OL_KEY_TIMEOUT_MS, H "  timeoutInMillis: 250\n", "transport.timeoutInMillis 250 " F "4",
     H "  timeoutInMillis: 0\n",
     F
     "4: transport.timeoutInMillis: '0' is not allowed; expected whole milliseconds, 1 to 600000"},
    {OL_KEY_VERIFY, H "  verify: False\n", "transport.verify False " F "4", H "  verify: /ca\n",
     F "4: transport.verify: '/ca' is not allowed; expected true or false"},
    {OL_KEY_COMPRESSION, H "  compression: gzip\n", "transport.compression gzip " F "4",
     H "  compression: zstd\n", F "4: transport.compression: 'zstd' is not allowed; expected none"},
    {OL_KEY_HEADERS, H "  headers: {X: hush}\n", "transport.headers {X: (set)} " F "4",
     H "  custom_headers: [a]\n", F "4: transport.custom_headers: a list is not allowed; expected"},
    {OL_KEY_URL_PARAMS, H "  url_params: {a: b}\n", "transport.url_params {a: b} " F "4",
     H "  urlParams: x\n",
     F "4: transport.urlParams: 'x' is not allowed; expected a mapping of te"},
    {OL_KEY_AUTH_TYPE, H "  auth: {type: jwt}\n",
     "note: " F "4: transport.auth.type: 'jwt' is nothing this library has", H "  auth: key\n",
     F "4: transport.auth: 'key' is not allowed; expected a mapping"},
    {OL_KEY_AUTH_API_KEY, H "  auth: {type: api_key, api_key: hush}\n",
     "transport.auth.api_key (set) " F "4", H "  auth: {type: api_key}\n",
     F "4: transport.auth.type: api_key needs auth.apiKey"},
    {OL_KEY_AUTH_OTHER, H "  auth: {type: oauth2, scope: hush}\n", "transport.auth.scope (set) " F,
     NULL, NULL},
    {OL_KEY_CA_CERT, H "  sslContext: {caCertPath: /c}\n", "transport.sslContext.caCertPath /c " F,
     H "  sslContext: {caCertPath: []}\n", F "4: transport.sslContext.caCertPath: a list is not"},
    {OL_KEY_CLIENT_CERT, H "  sslContext: {clientCertPath: /c}\n",
     "transport.sslContext.clientCertPath /c " F, H "  sslContext: {clientCertPath: []}\n",
     F "4: transport.sslContext.clientCertPath: a list"},
    {OL_KEY_CLIENT_KEY, H "  sslContext: {clientKeyPath: /c}\n",
     "transport.sslContext.clientKeyPath /c " F, H "  sslContext: {clientKeyPath: []}\n",
     F "4: transport.sslContext.clientKeyPath: a list"},
    {OL_KEY_KEY_STORE, H "  sslContext: {keyStorePath: /k, storePassword: hush}\n",
     "note: " F "4: transport.sslContext.keyStorePath: '/k' is nothing this library has", NULL,
     NULL},
    {OL_KEY_PROXY_HOST, H "  proxy: {host: p}\n", "transport.proxy.host p " F "4", H "  proxy: p\n",
     F "4: transport.proxy: 'p' is not allowed; expected a mapping"},
    {OL_KEY_PROXY_PORT, H "  proxy: {host: p, port: 3128}\n", "transport.proxy.port 3128 " F "4",
     H "  proxy: {port: 70000}\n",
     F "4: transport.proxy.port: '70000' is not allowed; expected a whole number, 1 to 65535"},
    {OL_KEY_PROXY_NOT, H "  proxy: {host: p, nonProxyHosts: '*.x|y'}\n",
     "transport.proxy.nonProxyHosts *.x|y " F "4", H "  proxy: {nonProxyHosts: {a: b}}\n",
     F "4: transport.proxy.nonProxyHosts: a mapping is not allowed"},
    {OL_KEY_RETRY, H "  retry: {total: 5}\n", "note: " F "4: transport.retry: not used: ", NULL,
     NULL},
    {OL_KEY_QUEUE, H "  max_queue_size: 5\n",
     "note: " F "4: transport.max_queue_size: not used: ", NULL, NULL},
    {OL_KEY_CONCURRENT, H "  max_concurrent_requests: 5\n",
     "note: " F "4: transport.max_concurrent_requests: not used: ", NULL, NULL},
    {OL_KEY_TRANSPORTS_LIST,
     T "composite\n  transports:\n    - {type: noop}\n    - {type: kafka}\n",
     "note: " F "5: transport.transports[1].type: 'kafka' is nothing this library has",
     T "composite\n  transports: {a: {type: http}}\n",
     F "3: transport.transports.a: http needs a url"},
    {OL_KEY_CONTINUE_FAILURE,
     T "composite\n  continueOnFailure: false\n  transports: [{type: noop}]\n",
     "transport.continueOnFailure false " F "3",
     T "composite\n  continue_on_failure: x\n  transports: [{type: noop}]\n",
     F "3: transport.continue_on_failure: 'x' is not allowed"},
    {OL_KEY_CONTINUE_SUCCESS,
     T "composite\n  continue_on_success: false\n  transports: [{type: noop}]\n",
     "transport.continue_on_success false " F "3",
     T "composite\n  continue_on_success: x\n  transports: [{type: noop}]\n",
     F "3: transport.continue_on_success: 'x' is not allowed"},
    {OL_KEY_SORT, T "composite\n  sort_transports: true\n  transports: [{type: noop}]\n",
     "transport.sort_transports true " F "3",
     T "composite\n  sort_transports: x\n  transports: [{type: noop}]\n",
     F "3: transport.sort_transports: 'x' is not allowed"},
    {OL_KEY_THREAD_POOL, T "composite\n  withThreadPool: true\n  transports: [{type: noop}]\n",
     "note: " F "3: transport.withThreadPool: not used: ", NULL, NULL},
    {OL_KEY_INNER,
     T "transform\n  transformer_class: a.JobNamespaceReplaceTransformer\n"
       "  transformer_properties: {new_job_namespace: n}\n  transport: {type: console}\n",
     "transport.transport.type console " F "5", T "transform\n  transport: {type: noop}\n",
     F "1: transport: transform needs transformer_class and transport"},
    {OL_KEY_TRANSFORMER_CLASS,
     T "transform\n  transformerClass: JobNamespaceReplaceTransformer\n"
       "  transformerProperties: {new_job_namespace: n}\n  transport: {type: noop}\n",
     "transport.transformerClass JobNamespaceReplaceTransformer " F "3",
     T "transform\n  transformerClass: a.Mine\n  transport: {type: noop}\n",
     F "3: transport.transformerClass: 'a.Mine' is not allowed; expected JobNamespaceReplaceTran"},
    {OL_KEY_NEW_NAMESPACE,
     T "transform\n  transformer_class: JobNamespaceReplaceTransformer\n"
       "  transformer_properties: {new_job_namespace: n}\n  transport: {type: noop}\n",
     "transport.transformer_properties.new_job_namespace n " F "4",
     T
     "transform\n  transformer_class: JobNamespaceReplaceTransformer\n  transport: {type: noop}\n",
     F "3: transport.transformer_class: needs transformer_properties.new_job_namespace"},
    {OL_KEY_INCLUDE_PARENT,
     T "transform\n  transformer_class: JobNamespaceReplaceTransformer\n  transport: {type: noop}\n"
       "  transformer_properties: {new_job_namespace: n, include_parent_facet: false}\n",
     "transport.transformer_properties.include_parent_facet false " F "5",
     T "transform\n  transformer_class: JobNamespaceReplaceTransformer\n  transport: {type: noop}\n"
       "  transformer_properties: {new_job_namespace: n, include_parent_facet: x}\n",
     F "5: transport.transformer_properties.include_parent_facet: 'x' is not allowed"},
};

static void every_row(void **state)
{
    struct fixture *f = *state;
    bool has_row[OL_KEY_COUNT] = {false};
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        has_row[r->key] = true;
        help_clean_environment(f->home);
        if (r->good == NULL && r->shown != NULL) { /* NAME VALUE NAME; a masked value is another */
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(r->shown, " "), r->shown);
            const char *value = r->key == OL_KEY_LEGACY_URL        ? "http://u:hush@h/x"
                                : r->key == OL_KEY_LEGACY_API_KEY  ? "hush"
                                : r->key == OL_KEY_CLIENT_LOGGING  ? "DEBUG"
                                : r->key == OL_KEY_LEGACY_ENDPOINT ? "e/f"
                                                                   : "a/b/c";
            setenv(name, value, 1);
        }
        if (report(f, r->good) != OL_OK)
            fail_msg("row %zu: %s", i, f->err.message);
        if (r->shown != NULL)
            expect(f, r->shown,
                   ol__keys[r->key].path != NULL ? ol__keys[r->key].path
                                                 : ol__keys[r->key].variable);
        assert_null(strstr(f->out.data, "hush")); /* no secret is shown */
        if (r->bad == NULL)
            continue;
        ol_status status = report(f, r->bad);
        if (status != OL_CONFIG || strncmp(f->err.message, r->error, strlen(r->error)) != 0)
            fail_msg("row %zu: %s '%s' expected '%s'", i, ol_status_name(status), f->err.message,
                     r->error);
    }
    for (size_t i = 0; i < OL_KEY_COUNT; i++)
        if (!has_row[i])
            fail_msg("no test of %s",
                     ol__keys[i].path != NULL ? ol__keys[i].path : ol__keys[i].variable);
}

/* What variables say, nested and as JSON, and who wins. */
static void file_and_variables(void **state)
{
    static const struct {
        const char *yaml, *variables[6], *shown;
    } cases[] = {
        {NULL,
         {"OPENLINEAGE__TRANSPORT", "{\"type\":\"console\"}", "OPENLINEAGE__TRANSPORT__TYPE",
          "http"},
         "transport.type console OPENLINEAGE__TRANSPORT\n"},
        {T "console\n", {"OPENLINEAGE__TRANSPORT__TYPE", "http"}, "transport.type console " F "2"},
        {T "http\n",
         {"OPENLINEAGE__TRANSPORT__URL", "http://v:1"},
         "transport.url http://v:1 OPENLINEAGE__TRANSPORT__URL"},
        {T "http\n", {"OPENLINEAGE_URL", "http://v:1"}, "transport.url http://v:1 OPENLINEAGE_URL"},
        {NULL,
         {"OPENLINEAGE_URL", "http://v:1", "OPENLINEAGE_API_KEY", "hush"},
         "transport.apiKey (set) OPENLINEAGE_API_KEY"},
        {T "composite\n  transports: {a: {type: noop}}\n",
         {"OPENLINEAGE_URL", "http://v:1"},
         "transport.transports.default_http.url http://v:1 OPENLINEAGE_URL"},
        {T "composite\n  transports: {a: {type: noop}}\n",
         {"OPENLINEAGE_URL", "http://v:1", "OPENLINEAGE__TRANSPORT__TRANSPORTS__DEFAULT_HTTP",
          "{}"},
         "transport.transports.a.type noop " F "3"},
        {NULL,
         {"OPENLINEAGE__TRANSPORT__TYPE", "http", "OPENLINEAGE__TRANSPORT__URL", "http://a",
          "OPENLINEAGE__TRANSPORT__AUTH", "{\"type\":\"api_key\",\"apiKey\":\"hush\"}"},
         "transport.auth.apiKey (set) OPENLINEAGE__TRANSPORT__AUTH"},
        {NULL, {"OPENLINEAGE__TAGS__JOB__ENV", "prod"}, "tags.job {env: prod} OPENLINEAGE__TAGS"},
        {NULL,
         {"OPENLINEAGE__FACETS__ENVIRONMENT_VARIABLES", "[\"A\", \"B\"]"},
         "facets.environment_variables [A, B] OPENLINEAGE__FACETS__ENVIRONMENT_VARIABLES"},
        {NULL,
         {"OPENLINEAGE__NAMESPACE", "{broken"},
         "note: OPENLINEAGE__NAMESPACE: taken as text: not JSON"},
        {NULL,
         {"OPENLINEAGE__NAMESPAZE", "x"},
         "not known to this client, not used (did you mean "
         "'namespace'?)"},
        {"namespace: file\n", {"OPENLINEAGE_NAMESPACE", "variable"}, "namespace file " F "1"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        char of[32];
        snprintf(of, sizeof of, "case %zu", i);
        help_clean_environment(f->home);
        for (int k = 0; k < 6 && cases[i].variables[k] != NULL; k += 2)
            setenv(cases[i].variables[k], cases[i].variables[k + 1], 1);
        if (report(f, cases[i].yaml) != OL_OK)
            fail_msg("%s: %s", of, f->err.message);
        expect(f, cases[i].shown, of);
        assert_null(strstr(f->out.data, "hush"));
        if (i == 6)
            assert_null(strstr(f->out.data, "default_http"));
    }
}

static void files_are_found_in_order(void **state)
{
    struct fixture *f = *state;
    FILE *out = fopen("named.yml", "w");
    assert_true(out != NULL && fputs("namespace: named\n", out) >= 0 && fclose(out) == 0);
    setenv("OPENLINEAGE_CONFIG", "named.yml", 1);
    assert_int_equal(report(f, "namespace: here\n"), OL_OK);
    expect(f, "namespace named named.yml:1", "OPENLINEAGE_CONFIG");
    setenv("OPENLINEAGE_CONFIG", "absent.yml", 1);
    assert_int_equal(report(f, NULL), OL_CONFIG);
    unsetenv("OPENLINEAGE_CONFIG");
    assert_int_equal(report(f, "namespace: here\n"), OL_OK);
    expect(f, "namespace here openlineage.yml:1", "working directory");
}

/* The manual names every key, and nothing in it is no roff. */
static void manual_has_every_key(void **state)
{
    struct fixture *f = *state;
    ol__buf_reset(&f->out);
    assert_int_equal(ol__config_manual(&f->out), OL_OK);
    for (size_t i = 0; i < OL_KEY_COUNT; i++) {
        char line[128];
        const char *name = ol__keys[i].path != NULL ? ol__keys[i].path : ol__keys[i].variable;
        snprintf(line, sizeof line, ".B %s\n", name);
        if (strchr(name, '-') == NULL)
            expect(f, line, name);
        assert_true(ol__keys[i].help != NULL && strlen(ol__keys[i].help) > 5);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row),
        TEST(file_and_variables),
        TEST(files_are_found_in_order),
        TEST(manual_has_every_key),
    };
    return cmocka_run_group_tests_name("config_keys", tests, NULL, NULL);
}
