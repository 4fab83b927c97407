/* SPDX-License-Identifier: Apache-2.0 */
#include "cause.h"

#include <stdio.h>
#include <strings.h>
#include "ol_base.h"
#include "times.h"

/* First match counts. */
static const struct {
    int first, last;
    enum route_cause cause;
} statuses[] = {
    {300, 399, CAUSE_NOT_FOUND}, {401, 401, CAUSE_AUTH}, {403, 403, CAUSE_AUTH},
    {404, 405, CAUSE_NOT_FOUND}, {407, 407, CAUSE_AUTH}, {408, 408, CAUSE_TIMEOUT},
    {410, 410, CAUSE_NOT_FOUND}, {425, 425, CAUSE_BUSY}, {429, 429, CAUSE_BUSY},
    {400, 499, CAUSE_REFUSED},   {503, 503, CAUSE_BUSY}, {504, 504, CAUSE_TIMEOUT},
    {500, 599, CAUSE_SERVER},    {200, 299, CAUSE_NONE},
};

/* X509_V_ERR_..., fixed by OpenSSL's interface. */
enum { CERT_NOT_YET_VALID = 9, CERT_HAS_EXPIRED = 10, HOSTNAME_MISMATCH = 62 };

enum route_cause cause_of_status(int status)
{
    for (size_t i = 0; i < OL_COUNT(statuses); i++)
        if (status >= statuses[i].first && status <= statuses[i].last)
            return statuses[i].cause;
    return CAUSE_BROKEN;
}

static enum route_cause cause_of_certificate(long verify, const char *detail)
{
    if (verify == CERT_HAS_EXPIRED || verify == CERT_NOT_YET_VALID ||
        strstr(detail, "expired") != NULL || strstr(detail, "not yet valid") != NULL)
        return CAUSE_TLS_EXPIRED;
    /* The chain is fine: libcurl compares the name itself. */
    if (verify == HOSTNAME_MISMATCH || strstr(detail, "does not match") != NULL ||
        strstr(detail, "subject name") != NULL)
        return CAUSE_TLS_NAME;
    return CAUSE_TLS_UNTRUSTED;
}

enum route_cause cause_of_transfer(CURLcode result, long verify, const char *detail)
{
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return CAUSE_DNS;
    case CURLE_COULDNT_CONNECT:
        return CAUSE_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        /* Connected, and then no answer to our first TLS message: it speaks something else. */
        return strncmp(detail, "SSL ", 4) == 0 ? CAUSE_TLS : CAUSE_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
        return CAUSE_TLS;
    case CURLE_PEER_FAILED_VERIFICATION:
        return cause_of_certificate(verify, detail);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return CAUSE_CREDENTIALS;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
        return CAUSE_OTHER;
    default:
        return CAUSE_BROKEN;
    }
}

enum route_cause cause_of_answer(CURL *easy, CURLcode result, int status, const char *trouble,
                                 char *reason, size_t size)
{
    long verify = 0;
    if (result == CURLE_OK) {
        snprintf(reason, size, "status %d", status);
        return cause_of_status(status);
    }
    snprintf(reason, size, "%s", trouble[0] != '\0' ? trouble : curl_easy_strerror(result));
    OL_IGNORE(curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify) != CURLE_OK,
              "the words tell as well");
    return cause_of_transfer(result, verify, trouble);
}

void cause_note_clock(struct cause_clock *clock, struct route_metrics *metrics, const char *data,
                      size_t size)
{
    if (size < 6 || size >= sizeof clock->text || strncasecmp(data, "date:", 5) != 0 ||
        (memcmp(clock->text, data, size) == 0 && clock->text[size] == '\0'))
        return;
    memcpy(clock->text, data, size);
    clock->text[size] = '\0';
    int64_t theirs = (int64_t)curl_getdate(clock->text + 5, NULL) * 1000;
    int64_t away = ol__time_now_ms() - theirs;
    if (theirs >= 0) /* it tells whole seconds, and the way of an answer counts as nothing */
        atomic_store(&metrics->clock_skew_ms, away >= 0 && away < 1000 ? 0 : away);
}
