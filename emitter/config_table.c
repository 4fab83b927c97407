/* SPDX-License-Identifier: Apache-2.0 */
/* The settings, as data. config_keys.c reads it. */
#include "config_keys.h"

#define HTTP OL_KIND_BIT(OL_KIND_HTTP)
#define FILES OL_KIND_BIT(OL_KIND_FILE)
#define JOURNAL (OL_KIND_BIT(OL_KIND_JOURNAL) | OL_KIND_BIT(OL_KIND_UNSET))
#define COMPOSITE OL_KIND_BIT(OL_KIND_COMPOSITE)
#define TRANSFORM OL_KIND_BIT(OL_KIND_TRANSFORM)

/* Initialisers: parentheses cannot be. NOLINTBEGIN(bugprone-macro-parentheses) */
#define ROOT(key_path, key_type, text) .path = key_path, .type = key_type, .help = text
#define OF(kind, key_path, key_type, text)                                                         \
    .scope = OL_SCOPE_TRANSPORT, .kinds = kind, .path = key_path, .type = key_type, .help = text
#define IN(item, key_path, key_type, text)                                                         \
    .scope = item, .path = key_path, .type = key_type, .help = text
/* NOLINTEND(bugprone-macro-parentheses) */
#define TYPES "journal|http|file|console|noop|composite|transform"

const struct ol__key_info ol__keys[OL_KEY_COUNT] = {
    /* variables alone */
    [OL_KEY_CONFIG] = {ROOT(NULL, OL_KEY_TEXT,
                            "The configuration file. Else ./openlineage.yml, then "
                            "~/.openlineage/openlineage.yml."),
                       .variable = "OPENLINEAGE_CONFIG"},
    [OL_KEY_LEGACY_URL] = {ROOT(NULL, OL_KEY_TEXT,
                                "Where no transport.type is told: http to this place; a unix: or "
                                "loopback one means the journal if an agent drains it. The url of "
                                "an http transport that has none. One more transport, "
                                "default_http, of a composite one."),
                           .variable = "OPENLINEAGE_URL"},
    [OL_KEY_LEGACY_ENDPOINT] = {ROOT(NULL, OL_KEY_TEXT, "The endpoint that goes with it."),
                                .variable = "OPENLINEAGE_ENDPOINT"},
    [OL_KEY_LEGACY_API_KEY] = {ROOT(NULL, OL_KEY_TEXT, "The API key that goes with it."),
                               .variable = "OPENLINEAGE_API_KEY", .is_secret = true},
    [OL_KEY_PARENT_ID] = {ROOT(NULL, OL_KEY_TEXT,
                               "NAMESPACE/NAME/UUID of the run that started this program, see "
                               "openlineage(3)."),
                          .variable = "OPENLINEAGE_PARENT_ID"},
    [OL_KEY_ROOT_PARENT_ID] = {ROOT(NULL, OL_KEY_TEXT, "The same of the run at the top."),
                               .variable = "OPENLINEAGE_ROOT_PARENT_ID"},
    [OL_KEY_CLIENT_LOGGING] = {ROOT(NULL, OL_KEY_TEXT,
                                    "A log level: the host's log function decides here."),
                               .variable = "OPENLINEAGE_CLIENT_LOGGING", .use = OL_USE_NONE},
    /* the file, and OPENLINEAGE__ variables */
    [OL_KEY_DISABLED] = {ROOT("disabled", OL_KEY_BOOL,
                              "Emit nothing. True in the file or in the variable is enough."),
                         .variable = "OPENLINEAGE_DISABLED", .default_value = "false"},
    [OL_KEY_NAMESPACE] = {ROOT("namespace", OL_KEY_TEXT, "Name space of jobs."),
                          .aliases = "job.namespace", .variable = "OPENLINEAGE_NAMESPACE",
                          .default_value = "default"},
    [OL_KEY_EVENT_MAX] = {ROOT("event_max_bytes", OL_KEY_INT,
                               "The largest event. A larger one is sent without its largest "
                               "optional facets, and says so in its facet lineaged_shed."),
                          .default_value = "16777214", .min = 4096, .max = 16777214},
    [OL_KEY_TRANSPORT] = {ROOT("transport", OL_KEY_SECTION, "Where events go.")},
    [OL_KEY_FILTERS] = {ROOT("filters", OL_KEY_ITEMS, "Runs of the jobs named here emit nothing."),
                        .max = 100},
    [OL_KEY_TAGS_JOB] = {ROOT("tags.job", OL_KEY_TAGS,
                              "Tags of every job. They win over tags of the same key that the "
                              "program sets."),
                         .aliases = "job.tags jobs.tags"},
    [OL_KEY_TAGS_RUN] = {ROOT("tags.run", OL_KEY_TAGS, "Tags of every run, likewise."),
                         .aliases = "run.tags"},
    [OL_KEY_OWNERS] = {ROOT("job.owners", OL_KEY_MAP,
                            "Owners of every job: type of owner, and name.")},
    [OL_KEY_JOB_NAME] = {ROOT("job.name", OL_KEY_TEXT, "Job names are the program's own."),
                         .use = OL_USE_NONE},
    [OL_KEY_ENVIRONMENT] = {ROOT("facets.environment_variables", OL_KEY_TEXTS,
                                 "Names of the environment variables that every run's "
                                 "environmentVariables facet shows. What the program itself put "
                                 "there wins."),
                            .aliases = "facets.custom_environment_variables", .max = 1000},
    [OL_KEY_FACETS_DISABLED] = {ROOT("facets.disabled", OL_KEY_TEXTS,
                                     "Keys of facets that are left out of events."),
                                .max = 1000},
    [OL_KEY_SOURCE_LOCATION] = {ROOT("facets.source_code_location", OL_KEY_ANY,
                                     "The library reads no .git; the program sets the facet, or "
                                     "'lineage run' does."),
                                .use = OL_USE_NONE},
    [OL_KEY_FACET_SWITCH] = {ROOT("facets.*.disabled", OL_KEY_BOOL,
                                  "Leave out the facet of this key."),
                             .default_value = "false"},
    [OL_KEY_REDACTIONS] = {ROOT("redactions", OL_KEY_ITEMS,
                                "What must not leave this process inside facets."),
                           .max = 100},
    [OL_KEY_DATASET] = {ROOT("dataset", OL_KEY_ANY,
                             "Dataset names are as the program gives them; the agent's rules can "
                             "rename."),
                        .use = OL_USE_NONE},
    [OL_KEY_CIRCUIT_BREAKER] = {ROOT("circuitBreaker", OL_KEY_ANY,
                                     "There is no virtual machine to guard; http has a deadline "
                                     "and remembers a dead server."),
                                .use = OL_USE_NONE},
    [OL_KEY_METRICS] = {ROOT("metrics", OL_KEY_ANY,
                             "The library sends no metrics; the agent has some."),
                        .use = OL_USE_NONE},

    /* transports */
    [OL_KEY_TYPE] = {OF(0, "type", OL_KEY_CHOICE,
                        "Which one. async_http is http. Transports that only other clients have "
                        "(kafka, msk-iam, kinesis, s3, gcs, gcplineage, amazon_datazone_api, "
                        "datadog, nats, or a class name) mean the journal: the agent delivers."),
                     .choices = TYPES, .default_value = "journal"},
    [OL_KEY_NAME] = {OF(0, "name", OL_KEY_TEXT, "Its name inside a composite transport.")},
    [OL_KEY_PRIORITY] = {OF(0, "priority", OL_KEY_INT,
                            "Its place where a composite transport sorts: the highest first."),
                         .default_value = "0", .min = -1000000, .max = 1000000},
    [OL_KEY_DIRECTORY] = {OF(JOURNAL, "directory", OL_KEY_TEXT,
                             "The journal's directory. Else /var/lib/lineaged/journal where it "
                             "exists, else $XDG_STATE_HOME/lineaged/journal.")},
    [OL_KEY_DURABILITY] = {OF(JOURNAL, "durability", OL_KEY_CHOICE,
                              "disk: fdatasync(2) before an emit returns."),
                           .choices = "process|disk", .default_value = "process"},
    [OL_KEY_LOCATION] = {OF(FILES, "location", OL_KEY_TEXT,
                            "The file that lines are appended to. Remote places (s3://...) mean "
                            "the journal."),
                         .aliases = "log_file_path"},
    [OL_KEY_APPEND] = {OF(FILES, "append", OL_KEY_BOOL,
                          "Lines are always appended; false (a new file for each event) is not "
                          "done."),
                       .default_value = "true"},
    [OL_KEY_FILESYSTEM] = {OF(FILES, "filesystem", OL_KEY_ANY, "A Python file system."),
                           .use = OL_USE_ELSEWHERE},
    [OL_KEY_FS_KWARGS] = {OF(FILES, "fs_kwargs", OL_KEY_ANY, "Options of a Python file system."),
                          .use = OL_USE_NONE, .is_secret = true},
    [OL_KEY_STORAGE_OPTIONS] = {OF(FILES, "storage_options", OL_KEY_ANY,
                                   "Options of a Python file system."),
                                .use = OL_USE_NONE, .is_secret = true},
    [OL_KEY_PROTOCOL] = {OF(FILES, "protocol", OL_KEY_TEXT, "The file system of a remote place."),
                         .use = OL_USE_NONE},
    [OL_KEY_DEBUG_MODE] = {OF(FILES, "debug_mode", OL_KEY_ANY, "A switch of the Python client."),
                           .use = OL_USE_NONE},
    [OL_KEY_URL] = {OF(HTTP, "url", OL_KEY_TEXT,
                       "http://, https:// or unix:/path. A path in it is used as it is, unless "
                       "endpoint is told, which is resolved against it.")},
    [OL_KEY_ENDPOINT] = {OF(HTTP, "endpoint", OL_KEY_TEXT,
                            "Where the server takes events; default api/v1/lineage.")},
    [OL_KEY_TIMEOUT] = {OF(HTTP, "timeout", OL_KEY_SECONDS,
                           "Deadline of a whole emit in seconds, looking the name up and "
                           "connecting included. Default 0.2."),
                        .min = 1, .max = 600000},
    [OL_KEY_TIMEOUT_MS] = {OF(HTTP, "timeoutInMillis", OL_KEY_MS, "The same in milliseconds."),
                           .default_value = "200", .min = 1, .max = 600000},
    [OL_KEY_VERIFY] = {OF(HTTP, "verify", OL_KEY_BOOL, "Check the server's certificate."),
                       .default_value = "true"},
    [OL_KEY_COMPRESSION] = {OF(HTTP, "compression", OL_KEY_CHOICE, "gzip: the body is compressed."),
                            .choices = "none|gzip", .default_value = "none"},
    [OL_KEY_HEADERS] = {OF(HTTP, "custom_headers", OL_KEY_MAP, "Header fields of each request."),
                        .aliases = "headers", .max = 100, .is_secret = true},
    [OL_KEY_URL_PARAMS] = {OF(HTTP, "urlParams", OL_KEY_MAP, "Query parameters of each request."),
                           .max = 100},
    [OL_KEY_AUTH_TYPE] = {OF(HTTP, "auth.type", OL_KEY_TEXT,
                             "api_key. jwt, oauth2 and classes of other clients mean the journal."),
                          .default_value = NULL},
    [OL_KEY_AUTH_API_KEY] = {OF(HTTP, "auth.apiKey", OL_KEY_TEXT, "Sent as a bearer token."),
                             .aliases = "apiKey", .is_secret = true},
    [OL_KEY_AUTH_OTHER] = {OF(HTTP, "auth.*", OL_KEY_ANY, "Of jwt and oauth2, see auth.type."),
                           .is_secret = true},
    [OL_KEY_CA_CERT] = {OF(HTTP, "sslContext.caCertPath", OL_KEY_TEXT,
                           "File of the authorities that vouch for the server (PEM).")},
    [OL_KEY_CLIENT_CERT] = {OF(HTTP, "sslContext.clientCertPath", OL_KEY_TEXT,
                               "File of the client's certificate (PEM).")},
    [OL_KEY_CLIENT_KEY] = {OF(HTTP, "sslContext.clientKeyPath", OL_KEY_TEXT,
                              "File of its key (PEM).")},
    [OL_KEY_KEY_STORE] = {OF(HTTP, "sslContext.*", OL_KEY_ANY, "A Java key store."),
                          .use = OL_USE_ELSEWHERE, .is_secret = true},
    [OL_KEY_PROXY_HOST] = {OF(HTTP, "proxy.host", OL_KEY_TEXT,
                              "An HTTP proxy; none from the environment is used.")},
    [OL_KEY_PROXY_PORT] = {OF(HTTP, "proxy.port", OL_KEY_INT, "Its port."), .min = 1, .max = 65535},
    [OL_KEY_PROXY_NOT] = {OF(HTTP, "proxy.nonProxyHosts", OL_KEY_TEXTS,
                             "Hosts that are reached without it."),
                          .max = 100},
    [OL_KEY_RETRY] = {OF(HTTP, "retry", OL_KEY_ANY,
                         "An emit tries once; what the server does not take goes to the journal, "
                         "and the agent retries."),
                      .use = OL_USE_NONE},
    [OL_KEY_QUEUE] = {OF(HTTP, "max_queue_size", OL_KEY_ANY,
                         "There is no queue in memory: the journal is it."),
                      .use = OL_USE_NONE},
    [OL_KEY_CONCURRENT] = {OF(HTTP, "max_concurrent_requests", OL_KEY_ANY,
                              "An emit makes one request, on the thread that calls."),
                           .use = OL_USE_NONE},
    [OL_KEY_TRANSPORTS_LIST] = {OF(COMPOSITE, "transports", OL_KEY_TRANSPORTS,
                                   "The transports, as a list or a map by name."),
                                .max = 16},
    [OL_KEY_CONTINUE_FAILURE] = {OF(COMPOSITE, "continue_on_failure", OL_KEY_BOOL,
                                    "Go on after one that fails. With false the emit fails."),
                                 .default_value = "true"},
    [OL_KEY_CONTINUE_SUCCESS] = {OF(COMPOSITE, "continue_on_success", OL_KEY_BOOL,
                                    "Go on after one that takes the event; with false the others "
                                    "are for when it does not."),
                                 .default_value = "true"},
    [OL_KEY_SORT] = {OF(COMPOSITE, "sort_transports", OL_KEY_BOOL, "In order of priority."),
                     .default_value = "false"},
    [OL_KEY_THREAD_POOL] = {OF(COMPOSITE, "withThreadPool", OL_KEY_ANY,
                               "The library makes no threads: one after the other."),
                            .use = OL_USE_NONE},
    [OL_KEY_INNER] = {OF(TRANSFORM, "transport", OL_KEY_SECTION, "Where the changed events go.")},
    [OL_KEY_TRANSFORMER_CLASS] = {OF(TRANSFORM, "transformer_class", OL_KEY_TEXT,
                                     "JobNamespaceReplaceTransformer, with or without the "
                                     "module's name before it. Others cannot be loaded here.")},
    [OL_KEY_NEW_NAMESPACE] = {OF(TRANSFORM, "transformer_properties.new_job_namespace", OL_KEY_TEXT,
                                 "The name space that jobs get.")},
    [OL_KEY_INCLUDE_PARENT] = {OF(TRANSFORM, "transformer_properties.include_parent_facet",
                                  OL_KEY_BOOL, "Also in the parent facet, root included."),
                               .default_value = "true"},

    [OL_KEY_FILTER_TYPE] = {IN(OL_SCOPE_FILTER, "type", OL_KEY_CHOICE, "How names are compared."),
                            .choices = "exact|regex"},
    [OL_KEY_FILTER_MATCH] = {IN(OL_SCOPE_FILTER, "match", OL_KEY_TEXT, "exact: the job's name.")},
    [OL_KEY_FILTER_REGEX] = {IN(OL_SCOPE_FILTER, "regex", OL_KEY_TEXT,
                                "regex: what the name begins with, as an extended regular "
                                "expression (regex(7)) with \\d, \\w and \\s; at most 512 "
                                "bytes.")},
    [OL_KEY_REDACT_FACET] = {IN(OL_SCOPE_REDACTION, "facet", OL_KEY_TEXT,
                                "Key of the facet; all of them if not told.")},
    [OL_KEY_REDACT_POINTER] = {IN(OL_SCOPE_REDACTION, "pointer", OL_KEY_TEXT,
                                  "JSON pointer from the facet, where * is any step; all texts in "
                                  "it if not told.")},
    [OL_KEY_REDACT_PATTERN] = {IN(OL_SCOPE_REDACTION, "pattern", OL_KEY_TEXT,
                                  "Only what this regular expression finds in the text.")},
    [OL_KEY_REDACT_WITH] = {IN(OL_SCOPE_REDACTION, "with", OL_KEY_TEXT, "What is put there."),
                            .default_value = "[redacted]"},
};
