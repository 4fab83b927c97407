/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include <string.h>

/* Marquez: seen on 0.51.1. lineaged: our own door. DataHub and OpenMetadata: from their
 * documentation and issues, not tried against a running one; the endpoints are those of DataHub
 * 1.x and OpenMetadata 1.12. What is not known is answered by the common rules of retry.c. */
static const struct profile profiles[PROFILE_COUNT] = {
    [PROFILE_GENERIC] = {.name = "generic",
                         .path = "/api/v1/lineage",
                         .answers = ANSWERS_EACH,
                         .batch = BATCH_ARRAY,
                         .batch_events = 1},
    [PROFILE_MARQUEZ] = {.name = "marquez",
                         .path = "/api/v1/lineage",
                         .answers = ANSWERS_SUMMARY,
                         .batch = BATCH_NONE,
                         .batch_events = 1,
                         .resends_terminal = true,
                         .looks_at_events = true},
    [PROFILE_DATAHUB] = {.name = "datahub",
                         .path = "/openapi/openlineage/api/v1/lineage",
                         .health = "/health",
                         .answers = ANSWERS_SUMMARY,
                         .batch = BATCH_ARRAY, /* proposed there: falls back where it is not */
                         .batch_events = 1},
    [PROFILE_OPENMETADATA] = {.name = "openmetadata",
                              .path = "/api/v1/openlineage/lineage",
                              .answers = ANSWERS_NONE, /* it reads COMPLETE only */
                              .batch = BATCH_OBJECT,
                              .batch_events = 1,
                              .looks_at_events = true},
    [PROFILE_LINEAGED] = {.name = "lineaged",
                          .path = "/api/v1/lineage",
                          .health = "/healthz",
                          .answers = ANSWERS_EACH,
                          .batch = BATCH_ARRAY,
                          .batch_events = 64},
};

const struct profile *profile_of(enum route_profile profile)
{
    assert(profile >= 0 && profile < PROFILE_COUNT);
    return &profiles[profile];
}

/* ---- What it is not sent ---- */

static bool ends_with(struct ol__span text, struct ol__span end)
{
    return text.size >= end.size &&
           memcmp(text.data + text.size - end.size, end.data, end.size) == 0;
}

static const char *marquez_refusal(const struct ol__event *event, uint32_t warnings)
{
    if (event->kind == OL_EVENT_RUN && event->type == OL_TYPE_ABSENT)
        return "no eventType: Marquez answers 500 and stores half of it";
    if (((warnings | event->warnings) & OL_WARN_NUL) != 0)
        return "\\u0000 in a text: Marquez's database refuses it";
    /* Only the end of schemaURL tells Marquez what it gets. */
    if (event->kind == OL_EVENT_JOB && !ends_with(event->schema_url, OL_SPAN_LIT("/JobEvent")))
        return "JobEvent whose schemaURL does not end in /JobEvent: Marquez takes it for a "
               "RunEvent";
    if (event->kind == OL_EVENT_DATASET &&
        !ends_with(event->schema_url, OL_SPAN_LIT("/DatasetEvent")))
        return "DatasetEvent whose schemaURL does not end in /DatasetEvent: Marquez takes it for a "
               "RunEvent";
    return NULL;
}

const char *profile_refusal(enum route_profile profile, const struct ol__event *event,
                            uint32_t warnings)
{
    if (profile == PROFILE_MARQUEZ)
        return marquez_refusal(event, warnings);
    if (profile == PROFILE_OPENMETADATA && event->kind != OL_EVENT_RUN)
        return "no RunEvent: OpenMetadata takes no JobEvents or DatasetEvents";
    return NULL;
}

/* ---- What it answers ---- */

static ol_status find_code(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    static const char *const path[] = {"code"};
    bool *is_400 = arg;
    if (value->type == OL_JSON_NUMBER && ol__json_at(value, path, 1)) {
        *is_400 = ol__span_equal(value->text, OL_SPAN_LIT("400"));
        return OL_END;
    }
    return OL_OK;
}

/* Marquez says "your event is bad" with status 500 and {"code":400,...}; an outage is 500 with
 * HTML. */
static bool says_code_400(struct ol__json_reader *reader, struct ol__span body)
{
    bool is_400 = false;
    OL_IGNORE(ol__json_read(reader, body, NULL, find_code, &is_400, NULL),
              "kept only in part it is no whole JSON; what was found before the cut counts");
    return is_400;
}

static bool contains(struct ol__span text, const char *part)
{
    return text.size > 0 && memmem(text.data, text.size, part, strlen(part)) != NULL;
}

bool profile_parks(enum route_profile profile, int status, struct ol__span body,
                   struct ol__json_reader *reader)
{
    if (status != 500)
        return false;
    if (profile == PROFILE_MARQUEZ)
        return says_code_400(reader, body);
    /* Released versions want run.facets.processing_engine.name, or a producer they know. */
    return profile == PROFILE_DATAHUB && contains(body, "Unable to determine orchestrator");
}

/* ---- URLs ---- */

ol_status profile_url(enum route_profile profile, const char *url, struct ol__buf *out,
                      struct ol_error *err)
{
    size_t scheme = 0;
    if (strncmp(url, "http://", 7) == 0)
        scheme = 7;
    else if (strncmp(url, "https://", 8) == 0)
        scheme = 8;
    else
        return ol__error_set(err, OL_INVALID, "url: expected http:// or https://");
    for (const char *c = url; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c == 0x7f || *c == '#')
            return ol__error_set(err, OL_INVALID,
                                 "url: a space, control character or '#' at position %zu",
                                 (size_t)(c - url));
    size_t host = strcspn(url + scheme, "/?");
    if (memchr(url + scheme, '@', host) != NULL) /* it would stand in logs and errors */
        return ol__error_set(err, OL_INVALID, "url: a user or password in it; use api_key_file");
    if (host == 0 || url[scheme] == ':')
        return ol__error_set(err, OL_INVALID, "url: no host");
    const char *rest = url + scheme + host;
    ol__buf_add(out, url, scheme + host);
    if (rest[0] == '\0' || rest[0] == '?' ||
        (rest[0] == '/' && (rest[1] == '\0' || rest[1] == '?'))) {
        ol__buf_add_text(out, profile_of(profile)->path);
        rest += rest[0] == '/';
    }
    ol__buf_add_text(out, rest);
    if (out->status != OL_OK)
        return ol__error_set(err, out->status, "url: out of memory");
    return OL_OK;
}

ol_status profile_batch_url(const char *url, struct ol__buf *out, struct ol_error *err)
{
    size_t query = strcspn(url, "?"), path = query;
    while (path > 0 && url[path - 1] == '/')
        path--;
    ol__buf_add(out, url, path);
    ol__buf_add_text(out, "/batch");
    ol__buf_add_text(out, url + query);
    if (out->status != OL_OK)
        return ol__error_set(err, out->status, "url: out of memory");
    return OL_OK;
}

ol_status profile_health_url(const char *url, const char *path, struct ol__buf *out,
                             struct ol_error *err)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : 7;
    ol__buf_add(out, url, scheme + strcspn(url + scheme, "/?"));
    ol__buf_add_text(out, path);
    if (out->status != OL_OK)
        return ol__error_set(err, out->status, "health_url: out of memory");
    return OL_OK;
}
