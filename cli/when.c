/* SPDX-License-Identifier: Apache-2.0 */
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include "options.h"
#include "times.h"

bool when_span(const char *text, int64_t *ret_ms)
{
    return cli_duration_read(text, 1, INT64_MAX, ret_ms);
}

bool when_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    char full[32];
    int64_t span;
    if (when_span(text, &span)) {
        *ret_ms = now_ms - span;
        return *ret_ms > 0;
    }
    if (strlen(text) == sizeof "2026-11-21" - 1) {
        snprintf(full, sizeof full, "%sT00:00:00Z", text);
        text = full;
    }
    return ol__time_parse(ol__span_text(text), ret_ms, NULL) == OL_OK && *ret_ms > 0;
}

void when_number(int64_t ms, char out[WHEN_TEXT])
{
    snprintf(out, WHEN_TEXT, "%" PRId64, ms);
}

void when_shown(int64_t ms, char *out, size_t size)
{
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(out, size, "%" PRId64 " ms", ms);
    else if (ms < 10000)
        snprintf(out, size, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
    else if (s < 60)
        snprintf(out, size, "%" PRId64 " s", s);
    else if (s < 3600)
        snprintf(out, size, "%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
    else if (s < 172800)
        snprintf(out, size, "%" PRId64 " h %02" PRId64 " min", s / 3600, s / 60 % 60);
    else
        snprintf(out, size, "%" PRId64 " d", s / 86400);
}
