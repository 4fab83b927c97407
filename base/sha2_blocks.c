/* SPDX-License-Identifier: Apache-2.0 */
#include "sha2_blocks.h"

/* Fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void expand(const uint8_t *p, uint32_t w[64])
{
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

static void add_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8]; /* a to h of the standard */
    expand(p, w);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + K[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void ol__sha2_blocks_portable(uint32_t h[8], const uint8_t *data, size_t count)
{
    for (; count > 0; count--, data += 64)
        add_block(h, data);
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define NATIVE __attribute__((target("sha,ssse3,sse4.1")))

/* Four rounds; @p s0 is a, b, e, f and @p s1 c, d, g, h, as the instructions want them. */
NATIVE static inline void rounds(__m128i *s0, __m128i *s1, __m128i words, const uint32_t *k)
{
    __m128i sum = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)(const void *)k));
    *s1 = _mm_sha256rnds2_epu32(*s1, *s0, sum);
    *s0 = _mm_sha256rnds2_epu32(*s0, *s1, _mm_shuffle_epi32(sum, 0x0e));
}

/* The four words that follow sixteen. */
NATIVE static inline __m128i next(__m128i w0, __m128i w4, __m128i w8, __m128i w12)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4));
    return _mm_sha256msg2_epu32(sum, w12);
}

NATIVE static inline __m128i load(const uint8_t *p)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), big_endian);
}

NATIVE static void native_block(__m128i *s0, __m128i *s1, const uint8_t *p)
{
    const __m128i a = *s0, c = *s1;
    __m128i w0 = load(p), w4 = load(p + 16), w8 = load(p + 32), w12 = load(p + 48);
    for (const uint32_t *k = K; k < K + 64; k += 16) {
        rounds(s0, s1, w0, k);
        w0 = next(w0, w4, w8, w12); /* of the last sixteen nobody needs the next */
        rounds(s0, s1, w4, k + 4);
        w4 = next(w4, w8, w12, w0);
        rounds(s0, s1, w8, k + 8);
        w8 = next(w8, w12, w0, w4);
        rounds(s0, s1, w12, k + 12);
        w12 = next(w12, w0, w4, w8);
    }
    *s0 = _mm_add_epi32(*s0, a);
    *s1 = _mm_add_epi32(*s1, c);
}

NATIVE static void native_blocks(uint32_t h[8], const uint8_t *data, size_t count)
{
    __m128i *out = (__m128i *)(void *)h;
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(out), 0xb1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(out + 1), 0x1b);
    __m128i s0 = _mm_alignr_epi8(cdab, efgh, 8), s1 = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; count > 0; count--, data += 64)
        native_block(&s0, &s1, data);
    __m128i feba = _mm_shuffle_epi32(s0, 0x1b), dchg = _mm_shuffle_epi32(s1, 0xb1);
    _mm_storeu_si128(out, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(out + 1, _mm_alignr_epi8(dchg, feba, 8));
}

/* Asking takes microseconds in a virtual machine, so once. Two threads that ask at a time find the
 * same. */
static bool has_native(void)
{
    static atomic_schar known; /* 0: not asked yet; 1: no; 2: yes */
    signed char is = atomic_load_explicit(&known, memory_order_relaxed);
    if (is == 0) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        bool has_sse =
            __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0;
        bool has_sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & 1U << 29) != 0;
        is = has_sse && has_sha ? 2 : 1;
        atomic_store_explicit(&known, is, memory_order_relaxed);
    }
    return is == 2;
}

bool ol__sha2_blocks_native(uint32_t h[8], const uint8_t *data, size_t count)
{
    bool has = has_native();
    if (has)
        native_blocks(h, data, count);
    return has;
}
#else
bool ol__sha2_blocks_native(uint32_t h[8] OL_UNUSED, const uint8_t *data OL_UNUSED,
                            size_t count OL_UNUSED)
{
    return false;
}
#endif
