/* SPDX-License-Identifier: Apache-2.0 */
#include "times.h"

#include <stdatomic.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)
#define DAYS_FIRST INT64_C(-719162) /* 0001-01-01 */
#define DAYS_LAST INT64_C(2932896)  /* 9999-12-31 */

static int64_t read_clock_ns(clockid_t clock)
{
    struct timespec now;
    /* Fails only for clocks that do not exist; these two always do. */
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#ifdef OL_CRASHPOINTS
static const int64_t *_Atomic shift_ms; /* NULL: none */

void ol__time_shift_wall(const int64_t *ms)
{
    atomic_store(&shift_ms, ms);
}

static int64_t wall_shift_ms(void)
{
    const int64_t *ms = atomic_load(&shift_ms);
    return ms != NULL ? __atomic_load_n(ms, __ATOMIC_RELAXED) : 0;
}
#else
static int64_t wall_shift_ms(void)
{
    return 0;
}
#endif

int64_t ol__time_now_ms(void)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000 + wall_shift_ms();
}

int64_t ol__time_now_ns(void)
{
    return read_clock_ns(CLOCK_REALTIME) + wall_shift_ms() * 1000000;
}

int64_t ol__time_monotonic_ms(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t ol__time_monotonic_us(void)
{
    return read_clock_ns(CLOCK_MONOTONIC) / 1000;
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Years are counted from
 * March, so that the leap day is a year's last. */
static int64_t days_of_date(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The inverse, for DAYS_FIRST to DAYS_LAST. */
static void date_of_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint32_t z = (uint32_t)(days + 719468);
    uint32_t era = z / 146097;
    uint32_t day_of_era = z % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t m = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static void put_digits(char *out, unsigned value, int count)
{
    while (count-- > 0) {
        out[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void ol__time_format(int64_t unix_ms, char out[OL_TIME_TEXT + 1])
{
    int64_t first = DAYS_FIRST * MS_PER_DAY;
    int64_t last = DAYS_LAST * MS_PER_DAY + MS_PER_DAY - 1;
    int64_t ms = OL_MAX(first, OL_MIN(last, unix_ms));
    int64_t days = (ms - first) / MS_PER_DAY + DAYS_FIRST;
    unsigned in_day = (unsigned)((ms - first) % MS_PER_DAY);
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    date_of_days(days, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", OL_TIME_TEXT + 1);
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, in_day / 3600000, 2);
    put_digits(out + 14, in_day / 60000 % 60, 2);
    put_digits(out + 17, in_day / 1000 % 60, 2);
    put_digits(out + 20, in_day % 1000, 3);
}

/* A cursor over the text; each get_ function moves it on success. */
struct cursor {
    const char *p;
    const char *end;
};

static bool get_number(struct cursor *c, int digits, int low, int high, int *ret)
{
    if (c->end - c->p < digits)
        return false;
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (c->p[i] < '0' || c->p[i] > '9')
            return false;
        value = value * 10 + (c->p[i] - '0');
    }
    if (value < low || value > high)
        return false;
    c->p += digits;
    *ret = value;
    return true;
}

static bool get_char(struct cursor *c, const char *any_of)
{
    if (c->p == c->end || *c->p == '\0' || strchr(any_of, *c->p) == NULL)
        return false;
    c->p++;
    return true;
}

static bool get_fraction(struct cursor *c, uint32_t *ret_ns)
{
    *ret_ns = 0;
    if (!get_char(c, "."))
        return true;
    size_t digits = 0;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, digits++)
        if (digits < 9)
            *ret_ns = *ret_ns * 10 + (uint32_t)(*c->p - '0');
    for (size_t i = digits; i < 9; i++)
        *ret_ns *= 10;
    return digits > 0;
}

/* Z, an offset, or nothing. */
static bool get_zone(struct cursor *c, int *ret_minutes, bool *ret_has_zone)
{
    *ret_minutes = 0;
    *ret_has_zone = c->p < c->end;
    if (c->p == c->end || get_char(c, "Zz"))
        return true;
    bool is_west = *c->p == '-';
    int hours = 0;
    int minutes = 0;
    if (!get_char(c, "+-") || !get_number(c, 2, 0, 23, &hours) || !get_char(c, ":") ||
        !get_number(c, 2, 0, 59, &minutes))
        return false;
    *ret_minutes = (is_west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

ol_status ol__time_parse_ns(struct ol__span text, int64_t *ret_unix_ms, uint32_t *ret_ns,
                            bool *ret_has_zone)
{
    if (text.size < 19)
        return OL_INVALID;
    struct cursor c = {text.data, text.data + text.size};
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    uint32_t ns = 0;
    int offset = 0;
    bool has_zone = false;
    if (!get_number(&c, 4, 1, 9999, &year) || !get_char(&c, "-") ||
        !get_number(&c, 2, 1, 12, &month) || !get_char(&c, "-") ||
        !get_number(&c, 2, 1, days_in_month(year, month), &day) || !get_char(&c, "Tt ") ||
        !get_number(&c, 2, 0, 23, &hour) || !get_char(&c, ":") ||
        !get_number(&c, 2, 0, 59, &minute) || !get_char(&c, ":") ||
        !get_number(&c, 2, 0, 60, &second) || !get_fraction(&c, &ns) ||
        !get_zone(&c, &offset, &has_zone) || c.p != c.end)
        return OL_INVALID;
    if (second == 60)
        second = 59;
    int64_t minutes = (int64_t)hour * 60 + minute - offset;
    *ret_unix_ms = days_of_date(year, month, day) * MS_PER_DAY + minutes * 60000 +
                   (int64_t)second * 1000 + ns / 1000000;
    *ret_ns = ns % 1000000;
    if (ret_has_zone != NULL)
        *ret_has_zone = has_zone;
    return OL_OK;
}

ol_status ol__time_parse(struct ol__span text, int64_t *ret_unix_ms, bool *ret_has_zone)
{
    uint32_t ns;
    return ol__time_parse_ns(text, ret_unix_ms, &ns, ret_has_zone);
}
