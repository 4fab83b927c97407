/* SPDX-License-Identifier: Apache-2.0 */
/* Feed files, and the files of directories, to a fuzz target: what libFuzzer's own main does with
 * files. Fails when there is nothing to feed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed_file(const char *path, size_t size)
{
    /* Exactly the size, so that a read past the end is seen by ASan or valgrind. */
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");
    if (data == NULL || file == NULL || fread(data, 1, size, file) != size) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "replay: %s\n", path);
    int result = LLVMFuzzerTestOneInput(data, size);
    free(data);
    return result == 0 ? 1 : 0;
}

static int feed(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "replay: no %s\n", path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode))
        return feed_file(path, (size_t)st.st_size);
    int count = 0;
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char inner[4096];
        int size = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && size > 0 && (size_t)size < sizeof inner)
            count += feed(inner);
        free(entries[i]);
    }
    free(entries);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += feed(argv[i]);
    fprintf(stderr, "replay: %d inputs\n", count);
    return count > 0 ? 0 : 1;
}
