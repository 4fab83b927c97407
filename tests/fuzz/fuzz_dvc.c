/* SPDX-License-Identifier: Apache-2.0 */
/* A file of DVC's, or somebody else's. Whatever the bytes: no crash; what is told has a path and a
 * role, and is no more than is counted. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "collect_run.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct collect_dvc_list list = {.dvc = {.struct_size = sizeof list.dvc}};
    struct ol__collected *c = malloc(sizeof *c);
    CHECK(c != NULL);
    ol__collected_init(c, "");
    OL_IGNORE(collect_dvc_read(c, (struct ol__span){(const char *)data, size}, &list) != OL_OK,
              "the bytes are anybody's");
    CHECK((int64_t)list.dvc.data_count <= list.dvc.total_count.value);
    for (size_t i = 0; i < list.dvc.data_count; i++) {
        CHECK(list.dvc.data[i].path != NULL && list.dvc.data[i].role != NULL);
        CHECK((list.dvc.data[i].hash == NULL) == (list.dvc.data[i].algorithm == NULL));
    }
    collect_git_status(c, (struct ol__span){(const char *)data, size});
    collect_gpu_list(c, (struct ol__span){(const char *)data, size});
    CHECK(c->machine.gpu_count <= OL_COLLECT_GPUS_MAX);
    ol__collected_release(c);
    free(c);
    return 0;
}
