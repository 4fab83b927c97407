/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_KEYS_H
#define OL_CONFIG_KEYS_H
/** @file
 * The one table of settings: what each key of openlineage.yml and each variable is called here and
 * in the other clients, what it may say, what it does. The checks, `lineage config` and the manual
 * page openlineage.yml(5) are made from it. Threads: any; the table is constant.
 */
#include "buf.h"
#include "config_tree.h"
#include "log.h"

enum ol__transport_kind {
    OL_KIND_UNSET,
    OL_KIND_JOURNAL,
    OL_KIND_HTTP,
    OL_KIND_FILE,
    OL_KIND_CONSOLE,
    OL_KIND_NOOP,
    OL_KIND_COMPOSITE,
    OL_KIND_TRANSFORM,
    OL_KIND_ELSEWHERE /**< another client's, or settings only it has: the journal and the agent */
};
#define OL_KIND_BIT(kind) (1u << (kind))

enum ol__key_scope {
    OL_SCOPE_ROOT,
    OL_SCOPE_TRANSPORT, /**< below transport, transports.NAME or transports[] */
    OL_SCOPE_FILTER,    /**< an element of filters */
    OL_SCOPE_REDACTION  /**< an element of redactions */
};

enum ol__key_type {
    OL_KEY_TEXT,
    OL_KEY_BOOL,
    OL_KEY_MS,      /**< whole milliseconds */
    OL_KEY_SECONDS, /**< seconds, maybe with a fraction */
    OL_KEY_INT,
    OL_KEY_CHOICE,
    OL_KEY_TEXTS,      /**< a list of texts; one text is a list of one */
    OL_KEY_MAP,        /**< keys of the user's, each with a text */
    OL_KEY_TAGS,       /**< a map, or a list of KEY, KEY:VALUE, KEY:VALUE:SOURCE */
    OL_KEY_ITEMS,      /**< a list of maps; their keys have a scope of their own */
    OL_KEY_TRANSPORTS, /**< a list of transports, or a map by name */
    OL_KEY_SECTION,    /**< one transport */
    OL_KEY_ANY         /**< not looked into */
};

enum ol__key_use {
    OL_USE_YES,
    OL_USE_NONE,     /**< means nothing here: told once */
    OL_USE_ELSEWHERE /**< only another client has it: told once, and events go to the journal */
};

enum ol__key {
    OL_KEY_CONFIG,
    OL_KEY_DISABLED,
    OL_KEY_NAMESPACE,
    OL_KEY_EVENT_MAX,
    OL_KEY_LEGACY_URL,
    OL_KEY_LEGACY_ENDPOINT,
    OL_KEY_LEGACY_API_KEY,
    OL_KEY_PARENT_ID,
    OL_KEY_ROOT_PARENT_ID,
    OL_KEY_CLIENT_LOGGING,
    OL_KEY_TRANSPORT,
    OL_KEY_FILTERS,
    OL_KEY_TAGS_JOB,
    OL_KEY_TAGS_RUN,
    OL_KEY_OWNERS,
    OL_KEY_JOB_NAME,
    OL_KEY_ENVIRONMENT,
    OL_KEY_FACETS_DISABLED,
    OL_KEY_SOURCE_LOCATION,
    OL_KEY_FACET_SWITCH,
    OL_KEY_REDACTIONS,
    OL_KEY_DATASET,
    OL_KEY_CIRCUIT_BREAKER,
    OL_KEY_METRICS,
    /* transports */
    OL_KEY_TYPE,
    OL_KEY_NAME,
    OL_KEY_PRIORITY,
    OL_KEY_DIRECTORY,
    OL_KEY_DURABILITY,
    OL_KEY_LOCATION,
    OL_KEY_APPEND,
    OL_KEY_FILESYSTEM,
    OL_KEY_FS_KWARGS,
    OL_KEY_STORAGE_OPTIONS,
    OL_KEY_PROTOCOL,
    OL_KEY_DEBUG_MODE,
    OL_KEY_URL,
    OL_KEY_ENDPOINT,
    OL_KEY_TIMEOUT,
    OL_KEY_TIMEOUT_MS,
    OL_KEY_VERIFY,
    OL_KEY_COMPRESSION,
    OL_KEY_HEADERS,
    OL_KEY_URL_PARAMS,
    OL_KEY_AUTH_TYPE,
    OL_KEY_AUTH_API_KEY,
    OL_KEY_AUTH_OTHER,
    OL_KEY_CA_CERT,
    OL_KEY_CLIENT_CERT,
    OL_KEY_CLIENT_KEY,
    OL_KEY_KEY_STORE,
    OL_KEY_PROXY_HOST,
    OL_KEY_PROXY_PORT,
    OL_KEY_PROXY_NOT,
    OL_KEY_RETRY,
    OL_KEY_QUEUE,
    OL_KEY_CONCURRENT,
    OL_KEY_TRANSPORTS_LIST,
    OL_KEY_CONTINUE_FAILURE,
    OL_KEY_CONTINUE_SUCCESS,
    OL_KEY_SORT,
    OL_KEY_THREAD_POOL,
    OL_KEY_INNER,
    OL_KEY_TRANSFORMER_CLASS,
    OL_KEY_NEW_NAMESPACE,
    OL_KEY_INCLUDE_PARENT,
    /* elements of lists */
    OL_KEY_FILTER_TYPE,
    OL_KEY_FILTER_MATCH,
    OL_KEY_FILTER_REGEX,
    OL_KEY_REDACT_FACET,
    OL_KEY_REDACT_POINTER,
    OL_KEY_REDACT_PATTERN,
    OL_KEY_REDACT_WITH,
    OL_KEY_COUNT
};

struct ol__key_info {
    const char *path;     /**< dotted, within its scope; '*' is any key; NULL: a variable only */
    const char *aliases;  /**< more paths, with spaces between; NULL: none */
    const char *variable; /**< besides OPENLINEAGE__PATH; NULL: none */
    const char *choices;  /**< CHOICE: "process|disk" */
    const char *default_value;
    const char *help; /**< for the manual; of a key that is not used: why, after a colon */
    enum ol__key_scope scope;
    enum ol__key_type type;
    enum ol__key_use use;
    unsigned kinds; /**< TRANSPORT: bits of the kinds that have it; 0: all */
    int64_t min, max;
    bool is_secret;
};
extern const struct ol__key_info ol__keys[OL_KEY_COUNT];

/** The kind that @p type means; OL_KIND_UNSET: no client knows it. */
enum ol__transport_kind ol__transport_kind_of(const char *type);
/** The name of a kind; "" for UNSET. */
const char *ol__transport_kind_name(enum ol__transport_kind kind);

/** Look at everything in @p map, which is in @p scope (a transport of @p kind): each key and value
 * is checked. What means nothing here is told to @p log. @p ret_elsewhere (may be NULL) gets the
 * first value that only another client can serve.
 *  @return OL_OK; OL_CONFIG: err names place and key, what is allowed, and what may be meant. */
OL_NODISCARD ol_status ol__keys_check(const struct ol__conf *map, enum ol__key_scope scope,
                                      enum ol__transport_kind kind, const struct ol__log *log,
                                      const struct ol__conf **ret_elsewhere, struct ol_error *err);

/** The row for dotted @p path in @p scope; OL_KEY_COUNT: none. @p ret_is_section (may be NULL)
 * tells whether keys of the table lie below the path. */
enum ol__key ol__key_of(enum ol__key_scope scope, const char *path, bool *ret_is_section);
/** The value of @p key in a map of the key's scope, under any of its names; NULL: not told. */
const struct ol__conf *ol__key_find(const struct ol__conf *map, enum ol__key key);
/** Of a map that was checked: the value, or the default (NULL if there is none). */
const char *ol__key_text(const struct ol__conf *map, enum ol__key key);
bool ol__key_bool(const struct ol__conf *map, enum ol__key key);
/** INT, MS and SECONDS (in ms). */
int64_t ol__key_number(const struct ol__conf *map, enum ol__key key);

/** "SOURCE: 'VALUE' is not allowed; expected ALLOWED". */
ol_status ol__conf_refuse(const struct ol__conf *node, const char *allowed, struct ol_error *err);
/** The key of @p scope nearest to @p path, if it is near enough to be meant; else NULL. */
const char *ol__key_suggest(enum ol__key_scope scope, const char *path);
#endif
