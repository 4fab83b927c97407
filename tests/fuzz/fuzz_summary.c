/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the sums of answers on disk: refused, or read and then written as they were, and
 * each of their summaries is an event that can be read. The checksum is made good first, so that
 * what is behind it is met; any bytes as an answer's event count or do not. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>
#include "summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_summary: %s\n", what);
    abort();
}

static void check_sums(struct ol__buf *bytes, struct ol__event_reader *reader)
{
    struct summaries sums = {.window_ms = 60000};
    struct ol__uuid uuid;
    struct ol__buf again, event;
    const struct ol__event *read;
    ol_status status = summaries_read(&sums, (struct ol__span){bytes->data, bytes->size}, &uuid);
    require(status == OL_OK || status == OL_CORRUPT || status == OL_NOMEM, "an outcome");
    require(status == OL_OK || sums.count == 0, "a refusal leaves nothing");
    if (status != OL_OK)
        return;
    ol__buf_init(&again, 64u << 20);
    ol__buf_init(&event, 1u << 24);
    for (size_t i = 0; i < sums.count; i++) {
        ol__buf_reset(&event);
        require(summary_write(sums.items[i], &event) == OL_OK, "an event");
        status = ol__event_read(reader, (struct ol__span){event.data, event.size}, OL_EVENT_ALL,
                                NULL, -1, &read, NULL);
        require(status == OL_OK || status == OL_INVALID, "JSON"); /* names that nobody has */
    }
    require(summaries_write(&sums, &uuid, &again) == OL_OK, "written");
    ol__buf_release(&again);
    ol__buf_release(&event);
    summaries_release(&sums);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol__event_reader *reader = NULL;
    struct ol__buf bytes;
    struct summary_answer answer;
    struct spool_record record = {
        .seq = 1, .time_ms = 1795251600000, .data = {(const char *)data, size}};
    if (size == 0 || ol__event_reader_new(&reader, NULL) != OL_OK)
        return 0;
    if (summary_answer_of(reader, &record, &answer)) {
        struct summaries sums = {.window_ms = 60000};
        require(summaries_add(&sums, &answer, &record) == OL_OK, "added");
        require(summaries_answers(&sums) == 1, "counted");
        summaries_release(&sums);
    }
    ol__buf_init(&bytes, 1u << 24);
    ol__buf_add(&bytes, data, size);
    check_sums(&bytes, reader);
    uint64_t sum = XXH3_64bits(data, size);
    for (int i = 0; i < 8; i++)
        ol__buf_add_char(&bytes, (char)(sum >> 8 * i));
    if (bytes.status == OL_OK)
        check_sums(&bytes, reader);
    ol__buf_release(&bytes);
    ol__event_reader_free(reader);
    return 0;
}
