/* SPDX-License-Identifier: Apache-2.0 */
/* What programs print of the code and the devices. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "collect_run.h"

static bool starts(struct ol__span text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* Records end with NUL: "# branch.oid HASH", "# branch.head NAME", "1 ...", "u ...", "? ...". */
void collect_git_status(struct ol__collected *c, struct ol__span text)
{
    static const char oid[] = "# branch.oid ", head[] = "# branch.head ";
    int64_t changed = 0, untracked = 0;
    while (text.size > 0) {
        const char *end = memchr(text.data, '\0', text.size);
        struct ol__span record = {text.data, end != NULL ? (size_t)(end - text.data) : text.size};
        size_t step = OL_MIN(record.size + 1, text.size);
        text.data += step;
        text.size -= step;
        if (starts(record, oid)) {
            const struct ol__span hash = {record.data + sizeof oid - 1,
                                          record.size - (sizeof oid - 1)};
            if (c->code.commit == NULL && ol__git_is_hash(hash))
                c->code.commit = ol__collect_keep(c, hash);
        } else if (starts(record, head)) {
            const struct ol__span name = {record.data + sizeof head - 1,
                                          record.size - (sizeof head - 1)};
            if (c->code.branch == NULL && !starts(name, "(detached)"))
                c->code.branch = ol__collect_keep(c, name);
        } else if (starts(record, "1 ") || starts(record, "2 ") || starts(record, "u ")) {
            changed++;
        } else if (starts(record, "? ")) {
            untracked++;
        }
    }
    c->code.dirty = changed > 0 ? OL_TRUE : OL_FALSE;
    c->code.changed_count = (struct ol_int){.is_set = true, .value = changed};
    c->code.untracked_count = (struct ol_int){.is_set = true, .value = untracked};
}

/* Up to the next comma, which is taken as well. */
static struct ol__span column(struct ol__span *line)
{
    const char *comma = memchr(line->data, ',', line->size);
    struct ol__span text = {line->data, comma != NULL ? (size_t)(comma - line->data) : line->size};
    size_t step = OL_MIN(text.size + 1, line->size);
    line->data += step;
    line->size -= step;
    return ol__collect_trim(text);
}

/* "00000000:41:00.0" there is "0000:41:00.0" in sysfs. */
static bool is_same_address(const char *known, struct ol__span told)
{
    size_t size = known != NULL ? strlen(known) : 0;
    return size > 0 && told.size >= size &&
           strncasecmp(told.data + told.size - size, known, size) == 0;
}

void collect_gpu_list(struct ol__collected *c, struct ol__span text)
{
    struct ol_machine *m = &c->machine;
    struct ol__span line;
    while (ol__collect_line(&text, &line)) {
        struct ol__span address = column(&line), name = column(&line), uuid = column(&line),
                        driver = column(&line), memory = column(&line);
        struct ol_gpu *gpu = NULL;
        char number[24];
        if (address.size < 12 || name.size == 0)
            continue;
        for (size_t i = 0; i < m->gpu_count && gpu == NULL; i++)
            if (is_same_address(c->gpus[i].address, address))
                gpu = &c->gpus[i];
        if (gpu == NULL && m->gpu_count < OL_COLLECT_GPUS_MAX) {
            gpu = &c->gpus[m->gpu_count++];
            *gpu = (struct ol_gpu){.struct_size = sizeof *gpu,
                                   .address = ol__collect_keep(c, address)};
            m->gpus = c->gpus;
        }
        if (gpu == NULL)
            return;
        gpu->vendor = "NVIDIA";
        gpu->name = ol__collect_keep(c, name);
        gpu->uuid = ol__collect_keep(c, uuid);
        gpu->driver_version = ol__collect_keep(c, driver);
        snprintf(number, sizeof number, "%.*s", (int)OL_MIN(memory.size, sizeof number - 1),
                 memory.data);
        char *end;
        long long mebibytes = strtoll(number, &end, 10);
        if (end != number && *end == '\0' && mebibytes > 0 && mebibytes < INT64_MAX >> 20)
            gpu->memory_bytes = (struct ol_int){.is_set = true, .value = mebibytes << 20};
    }
}
