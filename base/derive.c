/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. The same facts give the same id in every process, for ever, and the id that the Python or
 * Java client gives (tests/e2e/test_names.py asks them).
 *  2. Nothing is allocated and nothing fails but for a wrong argument.
 */
#include "derive.h"

#include <stdio.h>
#include "sha1.h"
#include "times.h"

#define FOREIGN_MAX 4096 /* bytes */
#define HEX_DIGITS 32
/* Microseconds that a double holds exactly: 2255. */
#define EXACT_US (INT64_C(1) << 53)

const struct ol__uuid ol__foreign_space = {{0xc3, 0x05, 0x7f, 0x10, 0x38, 0xd5, 0x5c, 0x24, 0x9e,
                                            0xb2, 0x2d, 0x15, 0x26, 0x75, 0xaa, 0x95}};

struct instant {
    int64_t ms;  /* rounded down */
    uint32_t ns; /* past it */
    char text[sizeof "2026-11-21T09:00:00"];
};

static bool read_instant(struct ol__span text, struct instant *ret)
{
    bool has_zone = false;
    char whole[OL_TIME_TEXT + 1];
    if (ol__time_parse_ns(text, &ret->ms, &ret->ns, &has_zone) != OL_OK || !has_zone ||
        ret->ms >= EXACT_US / 1000 || ret->ms <= -EXACT_US / 1000)
        return false;
    ol__time_format(ret->ms, whole);
    memcpy(ret->text, whole, sizeof ret->text - 1);
    ret->text[sizeof ret->text - 1] = '\0';
    return true;
}

/* Nanoseconds past the second. */
static uint32_t fraction_of(const struct instant *at)
{
    return (uint32_t)((at->ms % 1000 + 1000) % 1000) * 1000000 + at->ns;
}

/* As datetime.isoformat() and Instant.toString() have it. */
static void python_text(const struct instant *at, char *out, size_t size)
{
    uint32_t us = fraction_of(at) / 1000;
    if (us != 0)
        snprintf(out, size, "%s.%06u+00:00", at->text, (unsigned)us);
    else
        snprintf(out, size, "%s+00:00", at->text);
}

static void java_text(const struct instant *at, char *out, size_t size)
{
    uint32_t ns = fraction_of(at);
    if (ns == 0)
        snprintf(out, size, "%sZ", at->text);
    else if (ns % 1000000 == 0)
        snprintf(out, size, "%s.%03uZ", at->text, (unsigned)(ns / 1000000));
    else if (ns % 1000 == 0)
        snprintf(out, size, "%s.%06uZ", at->text, (unsigned)(ns / 1000));
    else
        snprintf(out, size, "%s.%09uZ", at->text, (unsigned)ns);
}

/* int(timestamp() * 1000): through a double, cut towards zero. 1.001 s becomes 1000 ms. */
static uint64_t python_ms(const struct instant *at)
{
    int64_t us = at->ms * 1000 + at->ns / 1000;
    double seconds = (double)us / 1e6;
    return (uint64_t)(int64_t)(seconds * 1000.0);
}

static void put_head(struct ol__uuid *uuid, uint64_t ms)
{
    for (int i = 0; i < 6; i++)
        uuid->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x70);
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

static void digest(const char *time, const struct ol__span *parts, size_t count,
                   uint8_t out[OL_SHA1_SIZE])
{
    struct ol__sha1 sha;
    ol__sha1_init(&sha);
    ol__sha1_add(&sha, time, strlen(time));
    for (size_t i = 0; i < count; i++)
        ol__sha1_add(&sha, parts[i].data, parts[i].size);
    ol__sha1_finish(&sha, out);
}

static ol_status python_of(struct ol__span instant, const struct ol__span *parts, size_t count,
                           struct ol__uuid *ret)
{
    struct instant at;
    struct ol__uuid uuid;
    uint8_t sum[OL_SHA1_SIZE];
    char time[64];
    if (!read_instant(instant, &at))
        return OL_INVALID;
    python_text(&at, time, sizeof time);
    digest(time, parts, count, sum);
    /* The sum's upper 76 bits are the id's lower 76: the sum shifted by half a byte. */
    uuid.bytes[6] = sum[0] >> 4;
    for (int i = 0; i < 9; i++)
        uuid.bytes[7 + i] = (uint8_t)(sum[i] << 4 | sum[i + 1] >> 4);
    put_head(&uuid, python_ms(&at));
    *ret = uuid;
    return OL_OK;
}

ol_status ol__derive_python(struct ol__span instant, struct ol__span data, struct ol__uuid *ret)
{
    return python_of(instant, &data, 1, ret);
}

ol_status ol__derive_java(struct ol__span instant, struct ol__span data, struct ol__uuid *ret)
{
    struct instant at;
    struct ol__uuid uuid;
    uint8_t sum[OL_SHA1_SIZE];
    char time[64];
    if (!read_instant(instant, &at))
        return OL_INVALID;
    java_text(&at, time, sizeof time);
    digest(time, &data, 1, sum);
    memcpy(uuid.bytes, sum, sizeof uuid.bytes);
    put_head(&uuid, (uint64_t)at.ms);
    *ret = uuid;
    return OL_OK;
}

/* ---- Airflow ---- */

struct number {
    char text[24];
    int size;
};

static struct number to_text(int64_t value)
{
    struct number n;
    n.size = snprintf(n.text, sizeof n.text, ".%lld", (long long)value);
    return n;
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

ol_status ol__derive_airflow_task(const char *name_space, const char *dag_id, const char *task_id,
                                  int64_t try_number, int64_t map_index, const char *logical_date,
                                  struct ol__uuid *ret)
{
    if (is_empty(name_space) || is_empty(dag_id) || is_empty(task_id) || is_empty(logical_date))
        return OL_INVALID;
    struct number attempt = to_text(try_number), map = to_text(map_index);
    struct ol__span parts[] = {ol__span_text(name_space),   OL_SPAN_LIT("."),
                               ol__span_text(dag_id),       OL_SPAN_LIT("."),
                               ol__span_text(task_id),      {attempt.text, (size_t)attempt.size},
                               {map.text, (size_t)map.size}};
    return python_of(ol__span_text(logical_date), parts, OL_COUNT(parts), ret);
}

ol_status ol__derive_airflow_dag(const char *name_space, const char *dag_id, int64_t clear_number,
                                 const char *logical_date, struct ol__uuid *ret)
{
    if (is_empty(name_space) || is_empty(dag_id) || is_empty(logical_date))
        return OL_INVALID;
    struct number clear = to_text(clear_number);
    struct ol__span parts[] = {ol__span_text(name_space),
                               OL_SPAN_LIT("."),
                               ol__span_text(dag_id),
                               {clear.text, (size_t)clear.size}};
    return python_of(ol__span_text(logical_date), parts, OL_COUNT(parts), ret);
}

/* ---- foreign ids ---- */

/* 32 digits to the text of a UUID, which ol__uuid_parse() judges. */
static bool parse_hex(struct ol__span text, struct ol__uuid *ret)
{
    char dashed[OL_UUID_TEXT + 1];
    if (text.size != HEX_DIGITS)
        return false;
    snprintf(dashed, sizeof dashed, "%.8s-%.4s-%.4s-%.4s-%.12s", text.data, text.data + 8,
             text.data + 12, text.data + 16, text.data + 20);
    return ol__uuid_parse((struct ol__span){dashed, OL_UUID_TEXT}, ret);
}

static bool has_prefix(struct ol__span text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (text.size < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != prefix[i])
            return false;
    }
    return true;
}

/* {UUID} and urn:uuid:UUID. */
static bool parse_spelt(struct ol__span text, struct ol__uuid *ret)
{
    if (text.size == OL_UUID_TEXT + 2 && text.data[0] == '{' && text.data[text.size - 1] == '}')
        return ol__uuid_parse((struct ol__span){text.data + 1, OL_UUID_TEXT}, ret);
    if (has_prefix(text, "urn:uuid:"))
        return ol__uuid_parse((struct ol__span){text.data + 9, text.size - 9}, ret);
    return ol__uuid_parse(text, ret);
}

static bool parse_receipt(struct ol__span text, struct ol__uuid *ret)
{
    if (text.size < HEX_DIGITS + 2 || text.data[text.size - HEX_DIGITS - 1] != '_' ||
        text.data[0] < '0' || text.data[0] > '9')
        return false;
    for (size_t i = 0; i < text.size - HEX_DIGITS - 1; i++)
        if (text.data[i] == '\0' || strchr("0123456789TZ:.-", text.data[i]) == NULL)
            return false;
    return parse_hex((struct ol__span){text.data + text.size - HEX_DIGITS, HEX_DIGITS}, ret);
}

static struct ol__uuid name_text(struct ol__span system, struct ol__span text)
{
    struct ol__sha1 sha;
    struct ol__uuid uuid;
    uint8_t sum[OL_SHA1_SIZE];
    ol__sha1_init(&sha);
    ol__sha1_add(&sha, ol__foreign_space.bytes, sizeof ol__foreign_space.bytes);
    ol__sha1_add(&sha, system.data, system.size);
    ol__sha1_add(&sha, "/", 1);
    ol__sha1_add(&sha, text.data, text.size);
    ol__sha1_finish(&sha, sum);
    memcpy(uuid.bytes, sum, sizeof uuid.bytes);
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x50);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

ol_status ol__derive_foreign(struct ol__span system, struct ol__span text, struct ol__uuid *ret,
                             enum ol__foreign *ret_form)
{
    if (text.size == 0 || text.size > FOREIGN_MAX || system.size > FOREIGN_MAX ||
        (system.size > 0 && memchr(system.data, '/', system.size) != NULL))
        return OL_INVALID;
    if (parse_spelt(text, ret)) {
        *ret_form = ol__uuid_is_canonical(text) ? OL_FOREIGN_UUID : OL_FOREIGN_SPELT_UUID;
    } else if (parse_hex(text, ret)) {
        *ret_form = OL_FOREIGN_HEX;
    } else if (parse_receipt(text, ret)) {
        *ret_form = OL_FOREIGN_RECEIPT;
    } else {
        *ret = name_text(system, text);
        *ret_form = OL_FOREIGN_TEXT;
    }
    return OL_OK;
}
