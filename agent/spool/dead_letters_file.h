/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEAD_LETTERS_FILE_H
#define DEAD_LETTERS_FILE_H
/** @file Reading dead-letter files (S20): shared by the owner of a file and by those who only list.
 * Threads: any. */
#include "dead_letters.h"

/** OTHER: no letter of this route, or one whose sum does not hold. */
enum dead_line_kind { DEAD_LINE_OTHER, DEAD_LINE_LETTER, DEAD_LINE_END };

/** What a line says. */
struct dead_line {
    enum dead_line_kind kind;
    uint64_t seq;
    struct dead_letter letter; /**< LETTER: borrowed for the call */
};

/** Called for each whole line, newline included. Anything but OL_OK ends the reading and is
 * returned. */
typedef ol_status dead_line_handler(void *arg, struct ol__span line, const struct dead_line *what,
                                    struct ol_error *err);

/** Read all whole lines of a file of @p route. *ret_whole: bytes up to the last newline; *ret_size:
 * all.
 *  @return OL_OK, OL_IO, OL_NOMEM, or what the handler returned. */
OL_NODISCARD ol_status dead_file_read(const struct ol__fs *fs, int fd, const char *route,
                                      dead_line_handler *each, void *arg, uint64_t *ret_whole,
                                      uint64_t *ret_size, struct ol_error *err);
/** Put the sum behind what stands in @p line from @p start on, one JSON object, and end it:
 * `,"sum":"16HEX"}` and a newline, XXH3-64 of the bytes before the comma. A failure sticks in the
 * buffer. */
void dead_line_seal(struct ol__buf *line, size_t start);
/** "ROUTE-SEQ". @return whether it is one of @p route. */
bool dead_id_parse(const char *route, struct ol__span id, uint64_t *ret_seq);
/** Open `dead/` under the spool's directory; @p make: create it. */
OL_NODISCARD ol_status dead_directory_open(const struct ol__fs *fs, const char *spool_directory,
                                           bool make, int *ret, struct ol_error *err);
#endif
