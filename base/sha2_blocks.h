/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SHA2_BLOCKS_H
#define OL_SHA2_BLOCKS_H
/** @file The compression function of SHA-256, twice; for sha2.c and its test only. Threads: plain
 * functions; what the processor has is asked once. */
#include "ol_base.h"

/** Take @p count blocks of 64 bytes into @p h. */
void ol__sha2_blocks_portable(uint32_t h[8], const uint8_t *data, size_t count);
/** The same by the processor's own instructions. @return false: it has none, nothing was done. */
bool ol__sha2_blocks_native(uint32_t h[8], const uint8_t *data, size_t count);
#endif
