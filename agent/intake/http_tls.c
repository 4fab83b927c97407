/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A connection ends its life with the identity it began with, whatever becomes of the files.
 *  2. Certificate, key and authorities are taken together or not at all. */
#include "http_tls.h"

#include <gnutls/x509.h>
#include <stdlib.h>
#include "agent.h"
#include "files.h"

#define LOOK_MS 1000

struct http_tls_identity {
    gnutls_certificate_credentials_t credentials;
    unsigned refs; /* connections, and the door while it is the newest */
};

struct http_tls {
    const struct agent_config *config;
    struct http_tls_identity *newest;
    struct stat seen[3]; /* certificate, key, authorities, as they were when they were read */
    int64_t look_after_ms;
    unsigned count; /* identities that are held */
};

static void identity_free(struct http_tls *tls, struct http_tls_identity *identity)
{
    gnutls_certificate_free_credentials(identity->credentials);
    free(identity);
    tls->count--;
}

void http_tls_unref(struct http_tls *tls, struct http_tls_identity *identity)
{
    if (identity != NULL && --identity->refs == 0)
        identity_free(tls, identity);
}

static ol_status load(const struct agent_config *config, gnutls_certificate_credentials_t to,
                      struct ol_error *err)
{
    int result = gnutls_certificate_set_x509_key_file2(to, config->tls_certificate, config->tls_key,
                                                       GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result < 0)
        return ol__error_set(err, OL_CONFIG, "intake.http.tls: certificate '%s' and key '%s': %s",
                             config->tls_certificate, config->tls_key, gnutls_strerror(result));
    if (config->tls_client_ca == NULL)
        return OL_OK;
    result = gnutls_certificate_set_x509_trust_file(to, config->tls_client_ca, GNUTLS_X509_FMT_PEM);
    if (result <= 0)
        return ol__error_set(err, OL_CONFIG, "intake.http.tls.client_ca: '%s': %s",
                             config->tls_client_ca,
                             result < 0 ? gnutls_strerror(result) : "no certificate in it");
    return OL_OK;
}

static ol_status identity_new(struct http_tls *tls, struct http_tls_identity **ret,
                              struct ol_error *err)
{
    struct http_tls_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL || gnutls_certificate_allocate_credentials(&identity->credentials) < 0) {
        free(identity);
        return ol__error_set(err, OL_NOMEM, "intake.http.tls: out of memory");
    }
    identity->refs = 1;
    tls->count++;
    ol_status status = load(tls->config, identity->credentials, err);
    if (status != OL_OK) {
        identity_free(tls, identity);
        return status;
    }
    *ret = identity;
    return OL_OK;
}

/* @return whether one of the files is another than it was. */
static bool look(struct http_tls *tls)
{
    const char *const paths[] = {tls->config->tls_certificate, tls->config->tls_key,
                                 tls->config->tls_client_ca};
    bool is_changed = false;
    for (size_t i = 0; i < OL_COUNT(paths); i++) {
        struct stat st = {0};
        if (paths[i] == NULL || stat(paths[i], &st) != 0)
            continue; /* gone: perhaps only for a moment */
        is_changed = is_changed || !ol__fs_is_unchanged(&st, &tls->seen[i]);
        tls->seen[i] = st;
    }
    return is_changed;
}

ol_status http_tls_open(const struct agent_config *config, struct http_tls **ret,
                        struct ol_error *err)
{
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return ol__error_set(err, OL_NOMEM, "intake.http.tls: out of memory");
    tls->config = config;
    OL_IGNORE(look(tls), "the first look");
    ol_status status = identity_new(tls, &tls->newest, err);
    if (status != OL_OK) {
        free(tls);
        return status;
    }
    if ((tls->seen[1].st_mode & 0004) != 0)
        log_write(LOG_LEVEL_WARNING, "intake", "'%s': every user of this machine can read the key",
                  config->tls_key);
    *ret = tls;
    return OL_OK;
}

void http_tls_close(struct http_tls *tls)
{
    if (tls == NULL)
        return;
    http_tls_unref(tls, tls->newest);
    assert(tls->count == 0);
    free(tls);
}

static void renew(struct http_tls *tls)
{
    struct ol_error err = {0};
    struct http_tls_identity *identity;
    if (identity_new(tls, &identity, &err) != OL_OK) { /* promise 2 */
        log_write(LOG_LEVEL_ERROR, "intake", "the certificate stays as it was: %s", err.message);
        return;
    }
    http_tls_unref(tls, tls->newest); /* promise 1: connections hold it on */
    tls->newest = identity;
    log_write(LOG_LEVEL_INFO, "intake", "'%s' was read again", tls->config->tls_certificate);
}

struct http_tls_identity *http_tls_begin(struct http_tls *tls, gnutls_session_t session,
                                         int64_t now_ms)
{
    if (now_ms >= tls->look_after_ms) {
        tls->look_after_ms = now_ms + LOOK_MS;
        if (look(tls))
            renew(tls);
    }
    struct http_tls_identity *identity = tls->newest;
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity->credentials) < 0)
        return NULL;
    if (tls->config->tls_client_ca != NULL) /* one without is told so by our answer, not an alert */
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    identity->refs++;
    return identity;
}

bool http_tls_peer(gnutls_session_t session, char *name, size_t size, const char **why)
{
    gnutls_typed_vdata_st use = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                 .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    gnutls_x509_crt_t certificate;
    unsigned count = 0, verdict = 0;
    const gnutls_datum_t *given = gnutls_certificate_get_peers(session, &count);
    *why = NULL;
    if (given == NULL || count == 0)
        return false;
    *why = "the client's certificate is not one of intake.http.tls.client_ca, or not valid now";
    if (gnutls_certificate_verify_peers(session, &use, 1, &verdict) < 0 || verdict != 0)
        return false;
    *why = "the client's certificate has no common name";
    if (gnutls_x509_crt_init(&certificate) < 0)
        return false;
    bool is_named = gnutls_x509_crt_import(certificate, given, GNUTLS_X509_FMT_DER) == 0 &&
                    gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
                                                  name, &size) == 0 &&
                    size > 0;
    gnutls_x509_crt_deinit(certificate);
    for (char *p = name; is_named && *p != '\0'; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '"' || *p == '\\')
            *p = '_'; /* it goes into logs and labels */
    return is_named;
}

int http_tls_no_certificate(gnutls_session_t session OL_UNUSED,
                            const gnutls_datum_t *authorities OL_UNUSED, int count OL_UNUSED,
                            const gnutls_pk_algorithm_t *algorithms OL_UNUSED,
                            int algorithm_count OL_UNUSED, gnutls_pcert_st **certificates OL_UNUSED,
                            unsigned *certificate_count OL_UNUSED, gnutls_privkey_t *key OL_UNUSED)
{
    return -1;
}
