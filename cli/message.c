/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include "cli.h"

/** One write a message, so that it stays whole beside what the command says. */
static void say(const char *before, const char *format, va_list args, const char *after)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, args); /* a longer one is cut */
    fprintf(stderr, "%s%s%s\n", before, text, after);
}

void cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("lineage: ", format, args, "");
    va_end(args);
}

int cli_usage(const char *verb, const char *format, ...)
{
    char before[64], after[64];
    va_list args;
    snprintf(before, sizeof before, "lineage %s: ", verb);
    snprintf(after, sizeof after, "\nTry 'lineage %s --help'.", verb);
    va_start(args, format);
    say(before, format, args, after);
    va_end(args);
    return CLI_USAGE;
}
