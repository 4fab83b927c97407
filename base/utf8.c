/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

int ol__utf8_size(const unsigned char *s, const unsigned char *end)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf; /* of the second byte */
    int more;
    if (*s < 0x80)
        return 1;
    if (*s >= 0xc2 && *s <= 0xdf) {
        more = 1;
    } else if ((*s & 0xf0) == 0xe0) {
        more = 2;
        if (*s == 0xe0)
            low = 0xa0; /* overlong below */
        else if (*s == 0xed)
            high = 0x9f; /* surrogates above */
    } else if (*s >= 0xf0 && *s <= 0xf4) {
        more = 3;
        if (*s == 0xf0)
            low = 0x90;
        else if (*s == 0xf4)
            high = 0x8f; /* past U+10FFFF */
    } else {
        return -1;
    }
    int size = 1;
    for (; more > 0; more--, size++) {
        if (s + size == end || s[size] < low || s[size] > high)
            return -size;
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

/* Past bytes below 0x80, many at a time. */
static const unsigned char *skip_ascii(const unsigned char *s, const unsigned char *end)
{
#ifdef __SSE2__
    while (end - s >= 32) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)s);
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(s + 16));
        if (_mm_movemask_epi8(_mm_or_si128(a, b)) != 0)
            break;
        s += 32;
    }
#else
    for (uint64_t v; end - s >= 8; s += 8) {
        memcpy(&v, s, 8);
        if ((v & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
#endif
    while (s < end && *s < 0x80)
        s++;
    return s;
}

size_t ol__utf8_find_bad(struct ol__span text)
{
    if (text.size == 0)
        return 0;
    const unsigned char *start = (const unsigned char *)text.data;
    const unsigned char *end = start + text.size;
    const unsigned char *s = skip_ascii(start, end);
    while (s < end) {
        int size = ol__utf8_size(s, end);
        if (size < 0)
            break;
        s += size;
        if (s < end && *s < 0x80)
            s = skip_ascii(s, end);
    }
    return (size_t)(s - start);
}

size_t ol__utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
