/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_error.h"

#include <stdio.h>

bool kafka_error_is_setting(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__SSL:
        return true;
    default:
        return false;
    }
}

bool kafka_error_is_bad_event(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

enum route_cause kafka_error_cause(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return CAUSE_TOPIC;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return CAUSE_AUTH;
    case RD_KAFKA_RESP_ERR__SSL:
        return CAUSE_TLS;
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return CAUSE_DNS;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return CAUSE_CONNECT;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return CAUSE_TIMEOUT;
    default:
        return CAUSE_OTHER;
    }
}

static const char *about_topic(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "is not there, and is not made by us";
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return "has a name that the broker refuses";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "may not be written by this user";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "may not be written idempotently by this user";
    default:
        return NULL;
    }
}

void kafka_error_tell(const struct kafka_settings *settings, rd_kafka_resp_err_t code,
                      const char *text, char *out, size_t size)
{
    const char *about = about_topic(code);
    if (about != NULL)
        snprintf(out, size, "topic '%.100s' %s (%s)", settings->config->topic, about, text);
    else if (kafka_error_cause(code) == CAUSE_TLS)
        snprintf(out, size, "TLS with the broker: %s", text);
    else if (kafka_error_cause(code) == CAUSE_AUTH && kafka_settings_have_old_scram(settings))
        snprintf(out, size,
                 "login at the broker (librdkafka %s cannot do SCRAM with newer brokers, 2.6.1 can)"
                 ": %s",
                 settings->lib->version_str(), text);
    else if (kafka_error_cause(code) == CAUSE_AUTH)
        snprintf(out, size, "login at the broker: %s", text);
    else
        snprintf(out, size, "broker: %s", text);
}
