/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CURSOR_BYTES_H
#define CURSOR_BYTES_H
/** @file The bytes of `.live` and `.saved` (SPOOL.md S16..S18): shared by a cursor's owner and by
 * who only looks. Threads: any. */
#include "ids.h"
#include "spool.h"

#define CURSOR_WINDOW 65536u
#define CURSOR_RING_AT 4096u
#define CURSOR_LIVE_SIZE (CURSOR_RING_AT + CURSOR_WINDOW / 8)
#define CURSOR_LOW_AT 48u
#define CURSOR_LOW_AGAIN_AT 56u /* its complement, stored after it; 0: none */

#define CURSOR_SLOT_BITS_AT 32u
#define CURSOR_SLOT_SUM_AT (CURSOR_SLOT_BITS_AT + SPOOL_CURSOR_AHEAD / 8)
#define CURSOR_SLOT_SIZE (CURSOR_SLOT_SUM_AT + 8u)
#define CURSOR_SLOT_STEP 8192u /* the slots share no block of the device */
#define CURSOR_SAVED_SIZE (CURSOR_SLOT_STEP + CURSOR_SLOT_SIZE)

/** Of a `.live` file's image. */
static inline bool cursor_bit(const uint8_t *map, uint64_t seq)
{
    return (map[CURSOR_RING_AT + seq % CURSOR_WINDOW / 8] >> (seq % 8) & 1) != 0;
}
static inline void cursor_put_bit(uint8_t *map, uint64_t seq)
{
    map[CURSOR_RING_AT + seq % CURSOR_WINDOW / 8] |= (uint8_t)(1u << (seq % 8));
}

/** The running kernel's boot id; false: not known, and then no mapping is believed (S18). */
bool cursor_read_boot_id(uint8_t out[16]);
/** The head of a live file; the ring is the caller's. */
void cursor_fill_live(const struct ol__uuid *spool, const uint8_t boot[16], uint64_t low,
                      uint8_t *map);
/** The low-water mark. A kill between its two stores, or a bit that flipped in one: the lower
 * counts, with its bits still set in the first case. Doubled at most, never lost. */
uint64_t cursor_low(const uint8_t *map);
/** Whether @p map, @p size bytes, is a live file of this spool and boot. */
bool cursor_is_believed(const struct ol__uuid *spool, const uint8_t *map, size_t size,
                        const uint8_t boot[16]);
/** @p map: an image of a live file. */
void cursor_fill_slot(const struct ol__uuid *spool, const uint8_t *map, uint64_t low,
                      uint64_t generation, uint8_t out[CURSOR_SLOT_SIZE]);
/** The better slot of a saved file, into the ring of @p map and the rest. @return whether there is
 * one. */
bool cursor_load_slots(const struct ol__uuid *spool, const uint8_t *bytes, size_t size,
                       uint8_t *map, uint64_t *ret_generation, uint64_t *ret_low);
#endif
