/* SPDX-License-Identifier: Apache-2.0 */
#include "retry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "profile.h"

/* First match counts. What is not here: 2xx is delivered, 3xx held (a redirect of a POST is a wrong
 * URL), other 4xx parked, 5xx suspect, everything else broken. */
static const struct {
    int status;
    enum retry_kind kind;
    int suspicion;
} statuses[] = {
    {401, RETRY_HOLD, 0},  {402, RETRY_HOLD, 0},          {403, RETRY_HOLD, 0},
    {404, RETRY_HOLD, 0}, /* the URL is wrong, or the application behind it is not there */
    {405, RETRY_HOLD, 0},  {407, RETRY_HOLD, 0},          {410, RETRY_HOLD, 0},
    {411, RETRY_HOLD, 0},  {421, RETRY_HOLD, 0},          {426, RETRY_HOLD, 0},
    {451, RETRY_HOLD, 0},  {408, RETRY_LATER, RETRY_ODD}, {425, RETRY_LATER, 0},
    {429, RETRY_LATER, 0}, {502, RETRY_LATER, 0}, /* from what stands in front of the server */
    {503, RETRY_LATER, 0}, {504, RETRY_LATER, RETRY_ODD},
};

static const struct retry_class by_failure[] = {
    [RETRY_NO_CONNECTION] = {.kind = RETRY_LATER, .suspicion = 0},
    [RETRY_TIMED_OUT] = {.kind = RETRY_LATER, .suspicion = RETRY_ODD, .is_doubtful = true},
    [RETRY_BROKEN] = {.kind = RETRY_LATER, .suspicion = RETRY_ODD, .is_doubtful = true},
    [RETRY_UNTRUSTED] = {.kind = RETRY_HOLD, .suspicion = 0},
    [RETRY_LOCAL] = {.kind = RETRY_LATER, .suspicion = 0},
};

static struct retry_class by_status(int status)
{
    for (size_t i = 0; i < OL_COUNT(statuses); i++)
        if (statuses[i].status == status)
            return (struct retry_class){.kind = statuses[i].kind,
                                        .suspicion = statuses[i].suspicion};
    if (status >= 200 && status < 300)
        return (struct retry_class){.kind = RETRY_DONE};
    if (status >= 300 && status < 400)
        return (struct retry_class){.kind = RETRY_HOLD};
    if (status >= 400 && status < 500)
        return (struct retry_class){.kind = RETRY_PARK};
    if (status >= 500 && status < 600)
        return (struct retry_class){.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT};
    return by_failure[RETRY_BROKEN]; /* no HTTP server answers so */
}

struct retry_class retry_classify(enum route_profile profile, const struct retry_answer *answer,
                                  struct ol__json_reader *reader, int64_t unix_ms, int64_t cap_ms)
{
    if (answer->failure != RETRY_ANSWERED)
        return by_failure[answer->failure];
    struct retry_class ret = by_status(answer->status);
    ret.is_doubtful = ret.kind == RETRY_LATER && (ret.suspicion > 0 || answer->status >= 500);
    if (profile_parks(profile, answer->status, answer->body, reader))
        return (struct retry_class){.kind = RETRY_PARK};
    if (ret.kind == RETRY_LATER) {
        int64_t after = retry_after_parse(answer->retry_after, unix_ms, cap_ms);
        ret.after_ms = after > 0 ? after : 0;
        ret.is_rate_limit = answer->status == 429 && after > 0;
    }
    return ret;
}

/* ---- Retry-After (RFC 9110, section 10.2.3) ---- */

static int month_of(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(names + (ptrdiff_t)3 * i, name, 3) == 0)
            return i;
    return -1;
}

/* The one form servers send: "Sun, 06 Nov 1994 08:49:37 GMT". */
static bool http_date(const char *text, int64_t *ret_unix_ms)
{
    char month[4];
    struct tm tm = {0};
    int end = 0;
    /* Every number has a width, so none can overflow. NOLINTNEXTLINE(cert-err34-c) */
    int fields = sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday,
                        month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end);
    if (fields != 6 || end == 0 || text[end] != '\0' || strlen(month) != 3)
        return false;
    tm.tm_mon = month_of(month);
    if (tm.tm_mon < 0 || tm.tm_year < 1970 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    *ret_unix_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

int64_t retry_after_parse(struct ol__span value, int64_t unix_ms, int64_t cap_ms)
{
    char text[40];
    while (value.size > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.size--;
    }
    while (value.size > 0 && strchr(" \t\r\n", value.data[value.size - 1]) != NULL)
        value.size--;
    if (value.size == 0 || value.size >= sizeof text)
        return -1;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    if (strspn(text, "0123456789") == value.size) {
        uint64_t seconds =
            strtoull(text, NULL, 10); /* past its range: its largest, hence the cap */
        return seconds >= (uint64_t)cap_ms / 1000 + 1 ? cap_ms
                                                      : OL_MIN((int64_t)seconds * 1000, cap_ms);
    }
    int64_t at;
    if (!http_date(text, &at))
        return -1;
    return OL_MAX(INT64_C(0), OL_MIN(at - unix_ms, cap_ms));
}

/* ---- Backoff ---- */

int64_t retry_ceiling(int64_t base_ms, int64_t max_ms, int level)
{
    int64_t ceiling = base_ms;
    for (int i = 0; i < level && ceiling < max_ms; i++)
        ceiling *= 2;
    return OL_MAX(INT64_C(1), OL_MIN(ceiling, max_ms));
}

int64_t retry_backoff(int64_t base_ms, int64_t max_ms, int level, uint64_t random)
{
    return 1 + (int64_t)(random % (uint64_t)retry_ceiling(base_ms, max_ms, level));
}
