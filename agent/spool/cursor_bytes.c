/* SPDX-License-Identifier: Apache-2.0 */
#include "cursor_bytes.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#define LIVE_FORMAT 1

static const char live_magic[8] = {'O', 'L', 'C', 'U', 'R', 'S', 'O', 'R'};

bool cursor_read_boot_id(uint8_t out[16])
{
    char text[64];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    struct ol__uuid id;
    if (got < OL_UUID_TEXT ||
        !ol__uuid_parse((struct ol__span){.data = text, .size = OL_UUID_TEXT}, &id))
        return false;
    memcpy(out, id.bytes, 16);
    return true;
}

void cursor_fill_live(const struct ol__uuid *spool, const uint8_t boot[16], uint64_t low,
                      uint8_t *map)
{
    memset(map, 0, CURSOR_RING_AT);
    memcpy(map, live_magic, sizeof live_magic);
    ol__put_le32(map + 8, LIVE_FORMAT);
    ol__put_le32(map + 12, CURSOR_WINDOW);
    memcpy(map + 16, spool->bytes, 16);
    memcpy(map + 32, boot, 16);
    ol__put_le64(map + CURSOR_LOW_AT, low);
    ol__put_le64(map + CURSOR_LOW_AGAIN_AT, ~low);
}

uint64_t cursor_low(const uint8_t *map)
{
    uint64_t low = ol__get_le64(map + CURSOR_LOW_AT);
    uint64_t again = ol__get_le64(map + CURSOR_LOW_AGAIN_AT);
    return again == 0 ? low : OL_MIN(low, ~again);
}

bool cursor_is_believed(const struct ol__uuid *spool, const uint8_t *map, size_t size,
                        const uint8_t boot[16])
{
    return size == CURSOR_LIVE_SIZE && memcmp(map, live_magic, sizeof live_magic) == 0 &&
           ol__get_le32(map + 8) == LIVE_FORMAT && ol__get_le32(map + 12) == CURSOR_WINDOW &&
           memcmp(map + 16, spool->bytes, 16) == 0 && memcmp(map + 32, boot, 16) == 0;
}

void cursor_fill_slot(const struct ol__uuid *spool, const uint8_t *map, uint64_t low,
                      uint64_t generation, uint8_t out[CURSOR_SLOT_SIZE])
{
    memset(out, 0, CURSOR_SLOT_SIZE);
    ol__put_le64(out, generation);
    memcpy(out + 8, spool->bytes, 16);
    ol__put_le64(out + 24, low);
    for (uint64_t i = 0; i < SPOOL_CURSOR_AHEAD; i++)
        if (cursor_bit(map, low + 1 + i))
            out[CURSOR_SLOT_BITS_AT + i / 8] |= (uint8_t)(1u << (i % 8));
    ol__put_le64(out + CURSOR_SLOT_SUM_AT, XXH3_64bits(out, CURSOR_SLOT_SUM_AT));
}

bool cursor_load_slots(const struct ol__uuid *spool, const uint8_t *bytes, size_t size,
                       uint8_t *map, uint64_t *ret_generation, uint64_t *ret_low)
{
    const uint8_t *best = NULL;
    for (size_t at = 0; at + CURSOR_SLOT_SIZE <= size; at += CURSOR_SLOT_STEP) {
        const uint8_t *slot = bytes + at;
        if (memcmp(slot + 8, spool->bytes, 16) == 0 &&
            XXH3_64bits(slot, CURSOR_SLOT_SUM_AT) == ol__get_le64(slot + CURSOR_SLOT_SUM_AT) &&
            (best == NULL || ol__get_le64(slot) > ol__get_le64(best)))
            best = slot;
    }
    if (best == NULL)
        return false;
    *ret_generation = ol__get_le64(best);
    *ret_low = ol__get_le64(best + 24);
    memset(map + CURSOR_RING_AT, 0, CURSOR_WINDOW / 8);
    for (uint64_t i = 0; i < SPOOL_CURSOR_AHEAD; i++)
        if ((best[CURSOR_SLOT_BITS_AT + i / 8] >> (i % 8) & 1) != 0)
            cursor_put_bit(map, *ret_low + 1 + i);
    return true;
}
