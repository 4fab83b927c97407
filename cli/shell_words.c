/* SPDX-License-Identifier: Apache-2.0 */
#include "shell_words.h"

#include "receipt/redact.h"

void shell_quote(struct ol__buf *out, const char *text)
{
    ol__buf_add_char(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            ol__buf_add_text(out, "'\\''");
        else
            ol__buf_add_char(out, *text);
    }
    ol__buf_add_char(out, '\'');
}

static bool is_plain(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "_-./=:,+@%") == size;
}

void shell_word(struct ol__buf *out, const char *text)
{
    if (is_plain(text))
        ol__buf_add_text(out, text);
    else
        shell_quote(out, text);
}

void shell_shown_command(struct ol__buf *out, char *const *argv)
{
    bool is_secret = false;
    struct ol__buf shown;
    ol__buf_init(&shown, out->max);
    for (char *const *word = argv; *word != NULL; word++) {
        ol__buf_reset(&shown);
        redact_argument(*word, &is_secret, &shown);
        if (word != argv)
            ol__buf_add_char(out, ' ');
        shell_word(out, shown.size > 0 ? shown.data : "");
    }
    if (shown.status != OL_OK && out->status == OL_OK)
        out->status = shown.status;
    ol__buf_release(&shown);
}
