/* SPDX-License-Identifier: Apache-2.0 */
/* lineage key: an API key for lineaged's HTTP door. The key goes to who sends, its SHA-256 into the
 * agent's settings; nothing is stored here, so a key that is lost is made anew. */
#include <stdio.h>
#include <string.h>
#include "cli.h"
#include "config.h"
#include "hash.h"
#include "ids.h"

#define KEY_PREFIX "olk_" /* tells people and secret scanners what it is */
#define KEY_BYTES 32
#define KEY_MAX 4096

static const char usage_text[] =
    "Usage: lineage key new NAME\n"
    "       lineage key hash NAME < KEY\n\n"
    "new prints a fresh random key, once, and the line for intake.http.api_keys of\n"
    "lineaged.yaml(5) that lets its owner send as NAME. hash prints that line for a key\n"
    "that is there already, read from standard input.\n"
    "In intake.http.api_keys_file the line is: NAME SHA256\n"
    "Exit status: 0; 1 it could not be made, or no key came; 2 usage.\n";

/** The first line of standard input. @return its size, 0: none, or too long. */
static size_t read_key(char *out, size_t size)
{
    if (fgets(out, (int)size, stdin) == NULL)
        return 0;
    size_t length = strcspn(out, "\r\n");
    return length + 1 < size ? length : 0;
}

static int print_line(const char *name, const char *key, size_t size)
{
    struct ol_error err = {0};
    char text[OL_SHA256_TEXT + 1];
    if (ol__sha256_text((struct ol__span){key, size}, text, &err) != OL_OK) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    printf("- { name: %s, sha256: %s }\n", name, text);
    return cli_print((struct ol__span){0}) ? CLI_YES : CLI_NO;
}

static int new_key(const char *name)
{
    uint8_t bytes[KEY_BYTES];
    char key[sizeof KEY_PREFIX + (size_t)2 * KEY_BYTES] = KEY_PREFIX;
    ol__random(bytes, sizeof bytes);
    ol__hex(bytes, sizeof bytes, key + sizeof KEY_PREFIX - 1);
    fputs("The sender's key, shown only now, and the line for intake.http.api_keys:\n", stderr);
    puts(key);
    return print_line(name, key, strlen(key));
}

int verb_key(int argc, char **argv)
{
    char key[KEY_MAX];
    if (argc >= 2 && (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0)) {
        fputs(usage_text, stdout);
        return CLI_YES;
    }
    bool is_new = argc == 3 && strcmp(argv[1], "new") == 0;
    if (!is_new && !(argc == 3 && strcmp(argv[1], "hash") == 0))
        return cli_usage("key", "expected new NAME or hash NAME");
    const char *name = argv[2];
    if (name[0] == '-' || !config_is_key_name(name, strlen(name))) /* a mistyped option */
        return cli_usage("key", "'%s': expected a name of 1 to %d of " API_KEY_NAME_MARKS, name,
                         API_KEY_NAME_MAX);
    ol__sha256_read_no_config();
    if (is_new)
        return new_key(name);
    size_t size = read_key(key, sizeof key);
    if (size == 0)
        return cli_usage("key", "expected a key on standard input, of at most %d bytes",
                         KEY_MAX - 2);
    return print_line(name, key, size);
}
