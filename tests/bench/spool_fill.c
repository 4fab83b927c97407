/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_fill.h"

#include "bench.h"
#include "event_read.h"

struct spool *bench_spool_fill(const char *directory, struct ol__span event, unsigned count,
                               unsigned run_length)
{
    struct ol_error err = {0};
    struct spool *spool = NULL;
    struct spool_options options = {.directory = directory, .min_free_bytes = -1};
    if (spool_open(&options, &spool, &err) != OL_OK)
        bench_die("spool: %s", err.message);
    for (unsigned i = 0; i < count; i++) {
        struct spool_record record = {.type = SPOOL_EVENT,
                                      .source = SPOOL_FROM_HTTP,
                                      .lane_kind = OL_LANE_RUN_UUID,
                                      .uid = SPOOL_UID_UNKNOWN,
                                      .data = event};
        ol__put_le32(record.lane, i / run_length);
        if (spool_group_add(spool, &record, &err) != OL_OK ||
            ((i % 256 == 255 || i + 1 == count) && spool_group_commit(spool, &err) != OL_OK))
            bench_die("spool: %s", err.message);
    }
    return spool;
}
