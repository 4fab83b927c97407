/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_H
#define CONFIG_H
/** @file
 * The agent's settings, from one table (config_table.c), and the places they default to (DESIGN
 * "Places"). Set up before any thread starts, then constant.
 */
#include "listen.h"
#include "settings.h"

enum route_type { ROUTE_HTTP, ROUTE_KAFKA, ROUTE_FILE, ROUTE_STORE };
enum route_on_lag { ON_LAG_DEFAULT, ON_LAG_PIN, ON_LAG_DETACH };
enum route_auth { AUTH_API_KEY, AUTH_OAUTH2, AUTH_JWT };
enum route_profile {
    PROFILE_GENERIC,
    PROFILE_MARQUEZ,
    PROFILE_DATAHUB,
    PROFILE_OPENMETADATA,
    PROFILE_LINEAGED,
    PROFILE_COUNT
};

/** Conditions on an event, each in several forms of which one has to hold; what is empty asks
 * nothing. The keys are those of rules. */
struct route_match {
    struct ol__text_list job, job_prefix, name_space, namespace_prefix, producer, producer_prefix,
        event_type, source;
    char *job_regex, *namespace_regex, *producer_regex;
};

/** What becomes of answers of a service (facet lineaged_answer). */
enum route_answers { ANSWERS_DEFAULT, ANSWERS_EACH, ANSWERS_SUMMARY, ANSWERS_NONE };

struct route_config {
    int64_t line; /**< in the file; 0: built in */
    char *name;   /**< [a-z0-9_-], required, unique */
    int type;     /**< enum route_type, required */
    int on_lag;   /**< enum route_on_lag; DEFAULT: pin for the first, detach for the others */
    /* http */
    char *url;          /**< base URL or whole path; the profile's path is added to one without */
    int profile;        /**< enum route_profile */
    char *api_key_file; /**< Bearer token, read again when it changes */
    char *api_key;   /**< secret; ${NAME} is the environment's, as in client_secret and headers */
    int auth;        /**< enum route_auth */
    char *token_url; /**< oauth2, jwt */
    char *client_id, *client_secret, *client_secret_file, *scope;
    int client_auth;                   /**< oauth2: 0 basic, 1 post */
    char *grant_type, *response_type;  /**< jwt */
    struct ol__text_list token_fields; /**< of the token endpoint's answer */
    int64_t token_ahead_ms;
    struct ol__text_list headers; /**< "Name: value", secret */
    char *ca_file, *cert_file, *key_file;
    char *proxy; /**< URL, or "environment" */
    char *proxy_auth_file;
    int compression;      /**< 0 none, 1 gzip */
    int64_t batch_events; /**< 0: as the profile */
    char *health_url;
    int64_t timeout_ms;
    int64_t max_in_flight;
    int64_t retry_max_ms; /**< ceiling of the backoff */
    int64_t hold_ms;      /**< between the probes of a held route */
    int64_t poison_tries; /**< tries of an event that keeps drawing 500 while others succeed */
    int answers;          /**< enum route_answers */
    int64_t answer_window_ms;
    int64_t dead_letter_bytes;
    struct route_match only, except; /**< route_filter.h */
    int64_t rate_events, rate_bytes; /**< a second; 0: no limit */
    /* kafka */
    char *brokers;
    char *topic;
    int key;                         /**< 0 lane (the lane key), 1 job */
    struct ol__text_list properties; /**< librdkafka settings, "name=value" */
    /* file, store */
    char *path;
    int64_t rotate_bytes;
    int64_t rotate_every_ms;                    /**< file: 0: never for its age */
    int64_t keep_files;                         /**< file: 0: all */
    int64_t retention_ms;                       /**< store: 90 days */
    int64_t retention_bytes;                    /**< store: 2 GiB */
    int64_t retention_answers_ms;               /**< store: 0: as retention_ms */
    int64_t retention_keep_last;                /**< store: the last so many runs of each job */
    struct ol__setting_items retention_classes; /**< store: struct retention_config */
    bool raw_events;                            /**< store: keep each event's bytes */
};

/** Runs that a store keeps differently. */
struct retention_config {
    int64_t line;
    char *name; /**< [a-z0-9_-], required, unique, not "default" */
    char *job, *name_space, *type, *tag, *state;
    int64_t keep_ms, keep_last; /**< keep 0: never removed for its age */
    bool is_held;
};

#define API_KEY_NAME_MAX 64
#define API_KEY_NAME_MARKS "a-z, A-Z, 0-9, '.', '_', '@' and '-'"
struct api_key_config {
    int64_t line;
    char *name; /**< API_KEY_NAME_MARKS; of several keys one name may be the same */
    char *sum;  /**< SHA-256 of the key, 64 hexadecimal digits */
};

/** Whose doors ask for a key or a certificate. */
enum http_authentication {
    AUTHENTICATION_REMOTE, /**< those that are neither loopback nor a unix socket */
    AUTHENTICATION_TCP,    /**< those on loopback too */
    AUTHENTICATION_NONE
};

enum rule_type { RULE_REDACT, RULE_DROP, RULE_RENAME, RULE_TAG, RULE_SHED };

/** One rule (agent/rules/). Lists, texts and sizes that were not given are empty, NULL, 0. */
struct rule_config {
    int64_t line;
    char *name; /**< [a-z0-9_-], required, unique */
    int type;   /**< enum rule_type, required */
    /* which events */
    struct ol__text_list job, job_prefix, name_space, namespace_prefix, producer, producer_prefix,
        event_type;
    char *job_regex, *namespace_regex, *producer_regex;
    /* redact */
    struct ol__text_list builtin;
    char *pattern, *facet, *pointer, *with;
    /* rename */
    struct ol__text_list from, from_hosts;
    char *from_prefix, *from_regex, *to;
    int of; /**< 0 all, 1 jobs, 2 datasets */
    /* tag */
    struct ol__text_list run_tags, job_tags;
    /* shed */
    int64_t max_facet, max_event;
    struct ol__text_list keep;
};

struct agent_config {
    /* intake */
    struct ol__text_list http_listen; /**< "unix:PATH", "ADDRESS:PORT", "tls:ADDRESS:PORT" */
    struct ol__text_list http_paths;  /**< taken besides those that end in /lineage; "*": any */
    int64_t http_max_body, http_max_connections, http_idle_ms;
    int64_t http_max_header, http_max_ratio, http_max_per_peer;
    int64_t http_rate, http_burst; /**< events a second for each sender; 0: any */
    int64_t http_min_rate, http_slow_ms;
    int http_authentication;                /**< enum http_authentication */
    struct ol__setting_items http_api_keys; /**< struct api_key_config */
    char *http_api_keys_file;
    char *tls_certificate, *tls_key, *tls_client_ca;
    char *http_socket_mode, *http_socket_group; /**< see config_socket_file() */
    int64_t max_depth;                          /**< of an event's JSON */
    struct ol__text_list journal_directories;
    int64_t journal_orphan_after_ms, journal_poll_ms;
    struct ol__text_list files_paths; /**< patterns of foreign files */
    int64_t files_poll_ms;
    bool journal_infer_abort;
    int64_t journal_abort_grace_ms;
    int validation;                 /**< 0 lenient, 1 strict */
    struct ol__setting_items rules; /**< struct rule_config */
    int64_t rules_budget_ms;        /**< for one event, and again for each MiB of it */
    /* spool */
    char *spool_directory;
    int64_t spool_max_bytes, spool_segment_bytes;
    int64_t spool_min_free_bytes; /**< 0: the smaller of 5 % and 1 GiB */
    /* admin */
    char *admin_socket;
    int64_t drain_ms;                /**< SIGTERM: how long delivery may go on */
    int log_level, log_format;       /**< error|warning|info|debug; text|json */
    struct ol__setting_items routes; /**< struct route_config */
    /* not from the file */
    bool is_system;
    char *config_path; /**< the file read; NULL: none */
};

extern const struct ol__setting agent_settings[];
extern const struct ol__setting route_settings[];
extern const struct ol__setting rule_settings[];      /**< config_rules.c */
extern const struct ol__setting retention_settings[]; /**< config_retention.c */

/** Defaults of this place, then the file (@p path NULL: the place's own file if it exists), then
 * checks across settings. Touches nothing on disk but the file it reads. @return OL_OK, OL_CONFIG,
 * OL_NOT_FOUND, OL_NOMEM. */
OL_NODISCARD ol_status config_load(struct agent_config *config, const char *path, bool is_system,
                                   struct ol_error *err);
void config_release(struct agent_config *config);

/** Whether API_KEY_NAME_MARKS are all that is in it, and its length is right. */
bool config_is_key_name(const char *name, size_t size);
/** Read 64 hexadecimal digits. */
bool config_read_sum(const char *text, uint8_t out[32]);
/** Mode and group of the door's unix sockets. @return OL_OK; OL_CONFIG: err says which group is not
 * there, or that the mode is none. */
OL_NODISCARD ol_status config_socket_file(const struct agent_config *config,
                                          struct listen_file *ret, struct ol_error *err);
#endif
