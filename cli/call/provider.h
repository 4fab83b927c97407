/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_PROVIDER_H
#define CALL_PROVIDER_H
/** @file What differs between those who answer AI calls: one row each. Threads: any; constant. */
#include "buf.h"

/** Where a provider takes what a caller says of a request. */
enum provider_metadata {
    PROVIDER_METADATA_NONE,
    PROVIDER_METADATA_OBJECT,  /**< member `metadata`: an object of texts */
    PROVIDER_METADATA_USER_ID, /**< metadata.user_id: one text */
    PROVIDER_METADATA_LABELS   /**< member `labels`: an object of lower-case texts */
};

struct provider {
    const char *name;       /**< on the command line */
    const char *gen_ai;     /**< gen_ai.provider.name of OpenTelemetry */
    const char *key_env;    /**< where its key is by custom; NULL: it needs none */
    const char *key_header; /**< header of the key, and what stands before the key in it */
    const char *key_prefix;
    const char *header;    /**< another header that it wants; NULL */
    const char *id_header; /**< of the client's request id: as ol_call_client_request_header() */
    const char *model_in;  /**< the model stands behind this in the URL's path; NULL: a member */
    enum provider_metadata metadata;
};

/** NULL: there is none called so. */
const struct provider *provider_find(const char *name);
const struct provider *provider_find_gen_ai(const char *name);
/** gen_ai.operation.name by what the URL asks for; NULL: not known. */
const char *provider_operation(const char *url);
/** All names, separated by ", ". */
void provider_names(struct ol__buf *out);

/** The URL with another model where this provider's stands. @return OL_OK; OL_NOT_FOUND: no model
 * stands there; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status provider_set_model(const struct provider *provider, const char *url,
                                          const char *model, struct ol__buf *out);
/** What may be shown of a URL: the values of its query are left out, but for those that say which
 * version or form of the answer is wanted. */
void provider_show_url(const char *url, struct ol__buf *out);
/** NULL: it can be called, or what is wrong with it: static text. @p has_key: a key goes with it.
 */
const char *provider_url_problem(const char *url, bool has_key, bool allows_http);
#endif
