/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "json_doc.h"

/** One write a message, so that it stays whole beside what the command says. */
OL_PRINTF(2, 0)
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

ol_status cli_write(struct ol__span text, struct ol_error *err)
{
    errno = 0; /* of a write that failed before, stdio knows no reason */
    bool is_written = text.size == 0 || fwrite(text.data, 1, text.size, stdout) == text.size;
    if (is_written && fflush(stdout) == 0 && !ferror(stdout))
        return OL_OK;
    return ol__error_set_errno(err, errno != 0 ? errno : EIO, "standard output");
}

bool cli_print(struct ol__span text)
{
    struct ol_error err = {.message = ""};
    if (cli_write(text, &err) == OL_OK)
        return true;
    cli_say("%s", err.message);
    return false;
}

bool cli_print_buf(const struct ol__buf *out)
{
    if (out->status == OL_OK)
        return cli_print((struct ol__span){out->data, out->size});
    cli_say("the answer: %s", ol_status_name(out->status));
    return false;
}

int cli_fail(const struct place *place, ol_status status, const struct ol_error *err)
{
    if (status == OL_DENIED && place->is_system) {
        cli_say("the system agent is not running, and only it can answer you: %s", place->socket);
        return CLI_NOT_KNOWN;
    }
    cli_say("%s", err->message);
    return status == OL_CONFIG || status == OL_INVALID ? CLI_USAGE
           : status == OL_NOT_FOUND                    ? CLI_NOT_KNOWN
                                                       : CLI_NO;
}

char *cli_answer_message(struct ol__span body, const char *fallback)
{
    struct json_doc doc;
    const char *text = NULL;
    bool is_read = json_doc_read(&doc, body, NULL) == OL_OK;
    if (is_read)
        text = json_get_text(json_get_items(doc.root, "errors"), "message");
    char *out = strdup(text != NULL ? text : fallback);
    if (is_read)
        json_doc_release(&doc);
    return out;
}

ol_status cli_answer_read(int status, struct ol__span body, struct json_doc *ret,
                          struct ol_error *err)
{
    if (status == 200) {
        ol_status st = json_doc_read(ret, body, err);
        return st == OL_OK ? OL_OK : ol__error_prefix(err, st, "the agent's answer");
    }
    char *message = cli_answer_message(body, "the agent answers with an error");
    ol_status st = ol__error_set(err,
                                 status == 404   ? OL_NOT_FOUND
                                 : status == 403 ? OL_DENIED
                                 : status == 400 ? OL_INVALID
                                                 : OL_IO,
                                 "%s", message != NULL ? message : "out of memory");
    free(message);
    return st;
}
