/* SPDX-License-Identifier: Apache-2.0 */
/* lineage call: another program, so that this one starts without libcurl. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "cli.h"

#define CANNOT_START 126

int verb_call(int argc, char **argv)
{
    /* Beside us (a build folder, a bundle), else where it is installed. Never from PATH: what is
     * found there may be another version's. */
    static const char *const places[] = {"lineage-call", LINEAGE_LIBEXEC "/lineage-call"};
    char self[4096], path[sizeof self + 256];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)argc;
    if (size < 0) {
        cli_say("/proc/self/exe: %s", strerror(errno));
        return CANNOT_START;
    }
    self[size] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        slash[1] = '\0';
    for (size_t i = 0; i < OL_COUNT(places); i++) {
        snprintf(path, sizeof path, "%s%s", self, places[i]);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR)
            break;
    }
    cli_say("'%s': %s", path, strerror(errno));
    return CANNOT_START;
}
