/* SPDX-License-Identifier: Apache-2.0 */
/* lineage config: what a program with the library is told in this environment, and by whom. */
#include <getopt.h>
#include <stdio.h>
#include "cli.h"
#include "config_report.h"

#define OUTPUT_MAX ((size_t)8 << 20)

static int finish(ol_status status, const struct ol__buf *out, const struct ol_error *err)
{
    if (!cli_print((struct ol__span){out->data, out->size}))
        return CLI_NO;
    if (status == OL_OK)
        return CLI_YES;
    cli_say("%s", err->message);
    return status == OL_CONFIG ? CLI_USAGE : CLI_NO;
}

int verb_config(int argc, char **argv)
{
    static const struct option options[] = {{"file", required_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"manual", no_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    enum ol__report_form form = OL_REPORT_TEXT;
    const char *path = NULL;
    bool is_manual = false;
    struct ol__buf out;
    struct ol_error err = {.message = "out of memory"};
    for (int option; (option = getopt_long(argc, argv, "f:jh", options, NULL)) != -1;) {
        switch (option) {
        case 'f':
            path = optarg;
            break;
        case 'j':
            form = OL_REPORT_JSON;
            break;
        case 'm':
            is_manual = true;
            break;
        case 'h':
            puts("Usage: lineage config [-f FILE] [--json]\n\n"
                 "Prints each setting of openlineage.yml and the OPENLINEAGE_ variables, its "
                 "value,\n"
                 "and where it was told; secrets are masked. --manual prints openlineage.yml(5).\n"
                 "Exit status: 0, or 2 if a client could not be opened with this.");
            return CLI_YES;
        default:
            return cli_usage("config", "wrong option");
        }
    }
    if (optind < argc)
        return cli_usage("config", "'%s': no argument is expected", argv[optind]);
    ol__buf_init(&out, OUTPUT_MAX);
    ol_status status =
        is_manual ? ol__config_manual(&out) : ol__config_report(path, form, &out, &err);
    int result = finish(status, &out, &err);
    ol__buf_release(&out);
    return result;
}
