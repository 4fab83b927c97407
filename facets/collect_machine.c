/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: /proc, /sys, uname(2), and how much of it a control group (of either version) leaves
 * to this process. */
#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#include "collect.h"

#define GROUP_LEVELS_MAX 16

/* "key<sep>value" of the first line that begins with the key; empty: there is none. */
static struct ol__span value_of(struct ol__span text, const char *key, char separator)
{
    struct ol__span line;
    size_t size = strlen(key);
    while (ol__collect_line(&text, &line)) {
        if (line.size <= size || memcmp(line.data, key, size) != 0)
            continue;
        struct ol__span rest =
            ol__collect_trim((struct ol__span){line.data + size, line.size - size});
        if (rest.size > 0 && rest.data[0] == separator)
            return ol__collect_trim((struct ol__span){rest.data + 1, rest.size - 1});
    }
    return (struct ol__span){"", 0};
}

static const char *copy(struct ol__collected *c, const char *text)
{
    return ol__collect_keep(c, ol__span_text(text));
}

static void collect_system(struct ol__collected *c)
{
    struct ol_machine *m = &c->machine;
    struct utsname u;
    struct ol__span text;
    char joined[256];
    if (uname(&u) == 0) {
        m->host = copy(c, u.nodename);
        m->arch = copy(c, u.machine);
        snprintf(joined, sizeof joined, "%s %s", u.sysname, u.release);
        m->kernel = copy(c, joined);
    }
#ifdef __GLIBC__
    snprintf(joined, sizeof joined, "glibc %s", gnu_get_libc_version());
    m->libc = copy(c, joined);
#endif
    if (ol__collect_read(c, "/etc/os-release", OL_COLLECT_FILE_MAX, &text) == OL_OK ||
        ol__collect_read(c, "/usr/lib/os-release", OL_COLLECT_FILE_MAX, &text) == OL_OK) {
        struct ol__span name = value_of(text, "PRETTY_NAME", '=');
        if (name.size >= 2 && (name.data[0] == '"' || name.data[0] == '\'') &&
            name.data[name.size - 1] == name.data[0])
            name = (struct ol__span){name.data + 1, name.size - 2};
        m->os = ol__collect_keep(c, name);
    }
}

static void collect_processor(struct ol__collected *c)
{
    static const char *const keys[] = {"model name", "Processor", "cpu model", "cpu", "Hardware"};
    struct ol_machine *m = &c->machine;
    struct ol__span text = {"", 0};
    long count = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES),
         size = sysconf(_SC_PAGESIZE);
    /* the first processor's lines: the kernel works for each that is read */
    ol_status st = ol__collect_read(c, "/proc/cpuinfo", 4096, &text);
    if (st == OL_OK || st == OL_TOO_LARGE)
        for (size_t i = 0; i < OL_COUNT(keys) && m->cpu_model == NULL; i++)
            m->cpu_model = ol__collect_keep(c, value_of(text, keys[i], ':'));
    if (count > 0)
        m->cpu_count = (struct ol_int)OL_INT(count);
    if (pages > 0 && size > 0)
        m->memory_bytes = (struct ol_int)OL_INT((int64_t)pages * size);
}

/* ---- control groups ---- */

static bool read_number(struct ol__collected *c, const char *path, int64_t *ret,
                        int64_t *ret_second)
{
    struct ol__span text;
    char *end;
    if (ol__collect_read(c, path, 4096, &text) != OL_OK)
        return false;
    long long n = strtoll(text.data, &end, 10);
    if (end == text.data || n < 0) /* "max", or -1: no limit */
        return false;
    *ret = n;
    if (ret_second != NULL)
        *ret_second = strtoll(end, NULL, 10);
    return true;
}

static void lower(struct ol_real *cpu, double to)
{
    if (!cpu->is_set || to < cpu->value)
        *cpu = (struct ol_real)OL_REAL(to);
}

static void read_group(struct ol__collected *c, const char *base, const char *path)
{
    struct ol_machine *m = &c->machine;
    char file[512];
    int64_t quota, period = 0;
    snprintf(file, sizeof file, "%s%s/cpu.max", base, path);
    if (read_number(c, file, &quota, &period) && quota > 0 && period > 0)
        lower(&m->cpu_limit, (double)quota / (double)period);
    snprintf(file, sizeof file, "%s%s/cpu.cfs_quota_us", base, path);
    if (read_number(c, file, &quota, NULL) && quota > 0) {
        snprintf(file, sizeof file, "%s%s/cpu.cfs_period_us", base, path);
        if (read_number(c, file, &period, NULL) && period > 0)
            lower(&m->cpu_limit, (double)quota / (double)period);
    }
    static const char *const names[] = {"memory.max", "memory.limit_in_bytes"};
    for (size_t i = 0; i < OL_COUNT(names); i++) {
        snprintf(file, sizeof file, "%s%s/%s", base, path, names[i]);
        if (read_number(c, file, &quota, NULL) &&
            (!m->memory_limit_bytes.is_set || quota < m->memory_limit_bytes.value))
            m->memory_limit_bytes = (struct ol_int)OL_INT(quota);
    }
}

/* A group's limits are also those of the groups above. */
static void climb(struct ol__collected *c, const char *base, struct ol__span path)
{
    char at[256];
    if (path.size >= sizeof at)
        return;
    memcpy(at, path.data, path.size);
    at[path.size] = '\0';
    for (int level = 0; level < GROUP_LEVELS_MAX; level++) {
        char *slash = strrchr(at, '/');
        read_group(c, base, strcmp(at, "/") == 0 ? "" : at);
        if (slash == NULL || at[0] == '\0' || strcmp(at, "/") == 0)
            return;
        *slash = '\0';
    }
}

/* Lines "ID:CONTROLLERS:PATH"; the second version's has ID 0 and no controllers. */
static void collect_limits(struct ol__collected *c)
{
    struct ol_machine *m = &c->machine;
    struct ol__span text, line;
    cpu_set_t set;
    if (ol__collect_read(c, "/proc/self/cgroup", OL_COLLECT_FILE_MAX, &text) == OL_OK) {
        while (ol__collect_line(&text, &line)) {
            const char *first = memchr(line.data, ':', line.size);
            const char *second =
                first != NULL ? memchr(first + 1, ':', line.size - (size_t)(first + 1 - line.data))
                              : NULL;
            if (second == NULL)
                continue;
            struct ol__span names = {first + 1, (size_t)(second - first - 1)};
            struct ol__span path = {second + 1, line.size - (size_t)(second + 1 - line.data)};
            if (names.size == 0)
                climb(c, "/sys/fs/cgroup", path);
            else if (memmem(names.data, names.size, "memory", 6) != NULL)
                climb(c, "/sys/fs/cgroup/memory", path);
            else if (ol__span_equal(names, OL_SPAN_LIT("cpu,cpuacct")) ||
                     ol__span_equal(names, OL_SPAN_LIT("cpu")))
                climb(c, "/sys/fs/cgroup/cpu", path);
        }
    }
    if (sched_getaffinity(0, sizeof set, &set) == 0 && m->cpu_count.is_set &&
        CPU_COUNT(&set) < m->cpu_count.value)
        lower(&m->cpu_limit, CPU_COUNT(&set));
    if (m->memory_bytes.is_set && m->memory_limit_bytes.is_set &&
        m->memory_limit_bytes.value >= m->memory_bytes.value)
        m->memory_limit_bytes.is_set = false; /* no limit at all */
}

/* ---- graphics and compute devices ---- */

static const char *file_text(struct ol__collected *c, const char *directory, const char *name)
{
    char path[512];
    struct ol__span text;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path ||
        ol__collect_read(c, path, 4096, &text) != OL_OK)
        return NULL;
    return ol__collect_keep(c, ol__collect_trim(text));
}

static struct ol_gpu *next_gpu(struct ol__collected *c)
{
    struct ol_machine *m = &c->machine;
    if (m->gpu_count == OL_COLLECT_GPUS_MAX)
        return NULL;
    m->gpus = c->gpus;
    struct ol_gpu *gpu = &c->gpus[m->gpu_count++];
    *gpu = (struct ol_gpu){.struct_size = sizeof *gpu};
    return gpu;
}

static const char *vendor_name(const char *id)
{
    static const struct {
        const char *id, *name;
    } known[] = {{"0x10de", "NVIDIA"}, {"0x1002", "AMD"}, {"0x8086", "Intel"}};
    for (size_t i = 0; id != NULL && i < OL_COUNT(known); i++)
        if (strcmp(known[i].id, id) == 0)
            return known[i].name;
    return NULL;
}

static void add_card(struct ol__collected *c, const char *directory)
{
    char joined[64];
    struct ol__span text;
    char path[512];
    int64_t memory;
    const char *vendor = file_text(c, directory, "vendor");
    const char *device = file_text(c, directory, "device");
    struct ol_gpu *gpu =
        vendor != NULL && device != NULL && strlen(vendor) == 6 && strlen(device) == 6 ? next_gpu(c)
                                                                                       : NULL;
    if (gpu == NULL)
        return;
    snprintf(joined, sizeof joined, "%s:%s", vendor + 2, device + 2);
    gpu->device = copy(c, joined);
    gpu->vendor = vendor_name(vendor);
    gpu->name = file_text(c, directory, "product_name");
    gpu->uuid = file_text(c, directory, "unique_id");
    snprintf(path, sizeof path, "%s/uevent", directory);
    if (ol__collect_read(c, path, 4096, &text) == OL_OK)
        gpu->address = ol__collect_keep(c, value_of(text, "PCI_SLOT_NAME", '='));
    snprintf(path, sizeof path, "%s/driver/module", directory);
    gpu->driver_version = file_text(c, path, "version");
    snprintf(path, sizeof path, "%s/mem_info_vram_total", directory);
    if (read_number(c, path, &memory, NULL))
        gpu->memory_bytes = (struct ol_int)OL_INT(memory);
}

/* Of each entry of a folder whose name begins so and has no '-' (a card's connectors have). */
static void each_entry(struct ol__collected *c, const char *folder, const char *begin,
                       const char *below, void (*take)(struct ol__collected *, const char *))
{
    char path[512];
    if ((size_t)snprintf(path, sizeof path, "%s%s", c->root, folder) >= sizeof path)
        return;
    DIR *dir = opendir(path);
    int left = 1024;
    for (struct dirent *e; dir != NULL && left-- > 0 && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, begin, strlen(begin)) != 0 ||
            (begin[0] != '\0' && strchr(e->d_name, '-') != NULL))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s%s", folder, e->d_name, below) < sizeof path)
            take(c, path);
    }
    if (dir != NULL)
        closedir(dir);
}

/* NVIDIA's own driver tells of each device in a file; sysfs may know the same one by its address.
 */
static void add_nvidia(struct ol__collected *c, const char *directory)
{
    char path[512];
    struct ol__span text;
    struct ol_gpu *gpu = NULL;
    const char *slash = strrchr(directory, '/');
    snprintf(path, sizeof path, "%s/information", directory);
    if (ol__collect_read(c, path, 4096, &text) != OL_OK)
        return;
    for (size_t i = 0; i < c->machine.gpu_count && gpu == NULL; i++)
        if (c->gpus[i].address != NULL && strcasecmp(c->gpus[i].address, slash + 1) == 0)
            gpu = &c->gpus[i];
    if (gpu == NULL)
        gpu = next_gpu(c);
    if (gpu == NULL)
        return;
    gpu->vendor = "NVIDIA";
    gpu->name = ol__collect_keep(c, value_of(text, "Model", ':'));
    gpu->uuid = ol__collect_keep(c, value_of(text, "GPU UUID", ':'));
    gpu->address = copy(c, slash + 1);
    gpu->driver_version = file_text(c, "/sys/module/nvidia", "version");
}

ol_status ol__collect_machine(struct ol__collected *c)
{
    collect_system(c);
    collect_processor(c);
    collect_limits(c);
    each_entry(c, "/sys/class/drm", "card", "/device", add_card);
    each_entry(c, "/proc/driver/nvidia/gpus", "", "", add_nvidia);
    c->found |= OL_COLLECT_MACHINE;
    return OL_OK;
}
