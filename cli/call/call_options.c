/* SPDX-License-Identifier: Apache-2.0 */
#include "call_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "body.h"
#include "cli.h"
#include "receipt/redact.h"

static void print_help(void)
{
    struct ol__buf names;
    ol__buf_init(&names, 4096);
    provider_names(&names);
    puts("Usage: lineage call --provider NAME --step NAME [OPTION]... URL @REQUEST.json\n"
         "       lineage call --replay RECEIPT --step NAME [--model M] [OPTION]... [URL]\n"
         "Send a request to a model, print the answer, and keep both with a receipt for each "
         "try.\n"
         "REQUEST: a file, or @- for standard input.\n");
    printf("      --provider NAME      %s\n", names.data != NULL ? names.data : "");
    ol__buf_release(&names);
    puts(
        "      --model M            in the place of the request's\n"
        "      --param NAME=VALUE   another member of the request (NAME.NAME: within an object); "
        "VALUE\n"
        "                           is JSON, else a text\n"
        "      --metadata           also put run, step and attempt into the request's own "
        "metadata\n"
        "      --header 'NAME: VALUE'\n"
        "      --key-env NAME, --key-file FILE\n"
        "                           where the key is; default: the provider's usual variable\n"
        "      --key-header NAME    the header that it goes into\n"
        "      --allow-http         send a key without TLS to another machine\n"
        "      --no-request-id      send no id of our own in a header\n"
        "      --idempotency-header NAME\n"
        "                           send one key, the same for all tries, in this header\n"
        "  -o, --output FILE        write the answer there, whole or not at all\n"
        "      --json               print a summary in the place of the answer\n"
        "      --timeout, --connect-timeout TIME\n"
        "                           of one try (default 10m, 10s); e.g. 500ms, 30s, 2m\n"
        "      --retries N          tries again on 408, 409, 429, 5xx and broken connections "
        "(default 2)\n"
        "      --retry-wait-max TIME\n"
        "                           longest wait before one, whatever is asked (default 1m)\n"
        "      --answer-limit SIZE  larger answers are cut off, and count as none (default 64MiB)\n"
        "      --cacert FILE        trust these authorities in place of the system's\n"
        "      --prompt-template NAME[@VERSION]=FILE\n"
        "      --corpus NAME@sha256:HASH\n"
        "      --replay RECEIPT     send the request of that receipt again, and say what differs\n"
        "      --dry-run            print what would be sent\n"
        "\n"
        "What is kept, in the folder of the attempt (spec/RECEIPT.md):\n"
        "      --redact REGEX       take this out as well, besides secrets and personal data\n"
        "      --as-sent            keep request and answer as they are\n"
        "      --no-store           keep neither, only hashes\n"
        "      --hmac-key-file FILE, --hmac-key-id NAME\n"
        "                           keyed hashes, where the text could be guessed\n"
        "      --seq, --task-id, --runs, --pipeline, --job, --namespace, --tag, --group\n"
        "                           as for 'lineage run'\n"
        "  -q, --quiet\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0 answered; 1 the provider refused; 2 usage; 3 no answer; 4 the answer is "
        "cut\n"
        "short or an error; 5 it could not be written; 6 nothing to replay; 128+N signal N.");
}

/* ---- values ---- */

static bool parse_time(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0]))
        return false;
    long long n = strtoll(text, &end, 10);
    for (size_t i = 0; i < OL_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && errno == 0 && n > 0 &&
            n <= INT64_C(86400000) / units[i].ms) {
            *ret_ms = n * units[i].ms;
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *text, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || n > most)
        return false;
    *ret = n;
    return true;
}

static bool is_sha256(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* NAME[@VERSION]=FILE, split in place. */
static bool take_template(struct call_options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return false;
    *equals = '\0';
    char *at = strrchr(text, '@');
    if (at == text || (at != NULL && at[1] == '\0'))
        return false;
    if (at != NULL)
        *at = '\0';
    o->template_name = text;
    o->template_version = at != NULL ? at + 1 : NULL;
    o->template_file = equals + 1;
    return true;
}

static bool take_corpus(struct call_options *o, char *text)
{
    static const char mark[] = "@sha256:";
    char *at = strstr(text, mark);
    if (at == NULL || at == text || !is_sha256(at + sizeof mark - 1))
        return false;
    *at = '\0';
    o->corpus = text;
    o->corpus_sha256 = at + sizeof mark - 1;
    return true;
}

/* "Name: value", and no more: what follows a line end would be another header. */
static bool is_header(const char *text)
{
    static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789!#$%&'*+-.^_`|~";
    size_t size = strspn(text, name_chars);
    if (size == 0 || text[size] != ':')
        return false;
    for (const char *c = text + size; *c != '\0'; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    }
    return true;
}

/* ---- options ---- */

enum option_code {
    PROVIDER = 256,
    STEP,
    SEQ,
    TASK_ID,
    RUNS,
    PIPELINE,
    JOB,
    NAMESPACE,
    TAG,
    GROUP,
    MODEL,
    PARAM,
    METADATA,
    HEADER,
    KEY_ENV,
    KEY_FILE,
    KEY_HEADER,
    ALLOW_HTTP,
    NO_REQUEST_ID,
    IDEMPOTENCY_HEADER,
    JSON,
    TIMEOUT,
    CONNECT_TIMEOUT,
    RETRIES,
    RETRY_WAIT_MAX,
    ANSWER_LIMIT,
    CACERT,
    PROMPT_TEMPLATE,
    CORPUS,
    REPLAY,
    DRY_RUN,
    REDACT,
    AS_SENT,
    NO_STORE,
    HMAC_KEY_FILE,
    HMAC_KEY_ID
};
static const struct option table[] = {
    {"provider", required_argument, NULL, PROVIDER},
    {"step", required_argument, NULL, STEP},
    {"seq", required_argument, NULL, SEQ},
    {"task-id", required_argument, NULL, TASK_ID},
    {"runs", required_argument, NULL, RUNS},
    {"pipeline", required_argument, NULL, PIPELINE},
    {"job", required_argument, NULL, JOB},
    {"namespace", required_argument, NULL, NAMESPACE},
    {"tag", required_argument, NULL, TAG},
    {"group", required_argument, NULL, GROUP},
    {"model", required_argument, NULL, MODEL},
    {"param", required_argument, NULL, PARAM},
    {"metadata", no_argument, NULL, METADATA},
    {"header", required_argument, NULL, HEADER},
    {"key-env", required_argument, NULL, KEY_ENV},
    {"key-file", required_argument, NULL, KEY_FILE},
    {"key-header", required_argument, NULL, KEY_HEADER},
    {"allow-http", no_argument, NULL, ALLOW_HTTP},
    {"no-request-id", no_argument, NULL, NO_REQUEST_ID},
    {"idempotency-header", required_argument, NULL, IDEMPOTENCY_HEADER},
    {"output", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, JSON},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"connect-timeout", required_argument, NULL, CONNECT_TIMEOUT},
    {"retries", required_argument, NULL, RETRIES},
    {"retry-wait-max", required_argument, NULL, RETRY_WAIT_MAX},
    {"answer-limit", required_argument, NULL, ANSWER_LIMIT},
    {"cacert", required_argument, NULL, CACERT},
    {"prompt-template", required_argument, NULL, PROMPT_TEMPLATE},
    {"corpus", required_argument, NULL, CORPUS},
    {"replay", required_argument, NULL, REPLAY},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"redact", required_argument, NULL, REDACT},
    {"as-sent", no_argument, NULL, AS_SENT},
    {"no-store", no_argument, NULL, NO_STORE},
    {"hmac-key-file", required_argument, NULL, HMAC_KEY_FILE},
    {"hmac-key-id", required_argument, NULL, HMAC_KEY_ID},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0}};

/* Options that are a text and nothing else. */
static const char **text_of(int code, struct call_options *o)
{
    switch (code) {
    case TASK_ID:
        return &o->task_id;
    case RUNS:
        return &o->runs;
    case PIPELINE:
        return &o->pipeline;
    case JOB:
        return &o->job;
    case NAMESPACE:
        return &o->job_namespace;
    case MODEL:
        return &o->model;
    case KEY_ENV:
        return &o->key_env;
    case KEY_FILE:
        return &o->key_file;
    case CACERT:
        return &o->ca_file;
    case REPLAY:
        return &o->replay;
    case HMAC_KEY_FILE:
        return &o->hmac_key_file;
    case HMAC_KEY_ID:
        return &o->hmac_key_id;
    case 'o':
        return &o->output;
    default:
        return NULL;
    }
}

static bool *flag_of(int code, struct call_options *o)
{
    switch (code) {
    case METADATA:
        return &o->has_metadata;
    case ALLOW_HTTP:
        return &o->allows_http;
    case NO_REQUEST_ID:
        return &o->has_no_id;
    case JSON:
        return &o->is_json;
    case DRY_RUN:
        return &o->is_dry_run;
    case AS_SENT:
        return &o->is_as_sent;
    case NO_STORE:
        return &o->is_not_stored;
    case 'q':
        return &o->is_quiet;
    default:
        return NULL;
    }
}

static const char *take_number(int code, struct call_options *o)
{
    switch (code) {
    case SEQ:
        return parse_number(optarg, 999999, &o->seq) ? NULL : "expected 0 to 999999";
    case RETRIES:
        return parse_number(optarg, CALL_RETRIES_MAX, &o->retries) ? NULL : "expected 0 to 100";
    case TIMEOUT:
        return parse_time(optarg, &o->timeout_ms) ? NULL : "expected a time, e.g. 30s, up to 24h";
    case CONNECT_TIMEOUT:
        return parse_time(optarg, &o->connect_timeout_ms) ? NULL
                                                          : "expected a time, e.g. 5s, up to 24h";
    case RETRY_WAIT_MAX:
        return parse_time(optarg, &o->retry_wait_max_ms) ? NULL
                                                         : "expected a time, e.g. 1m, up to 24h";
    default:
        return run_files_parse_size(optarg, &o->answer_max) && o->answer_max > 0 &&
                       o->answer_max <= RECEIPT_FILE_MAX * 16
                   ? NULL
                   : "expected a size up to 1GiB, e.g. 16MiB";
    }
}

static const char *take_param(struct call_options *o, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return "expected NAME=VALUE";
    if (o->param_count == CALL_PARAMS_MAX)
        return "more than 256";
    *equals = '\0';
    o->params[o->param_count++] = (struct call_param){.path = text, .value = equals + 1};
    return NULL;
}

/* @return NULL, or what is wrong with the option's value. */
static const char *take_value(int code, struct call_options *o)
{
    struct ol_error err = {.message = ""};
    switch (code) {
    case PROVIDER:
        o->provider_name = optarg;
        o->provider = provider_find(optarg);
        return o->provider != NULL ? NULL : "no such provider ('lineage call --help' has them)";
    case STEP:
        o->step = optarg;
        return receipt_step_problem(optarg);
    case TAG:
        return run_pairs_add(&o->tags, optarg);
    case GROUP:
        return run_pairs_add(&o->groups, optarg);
    case PARAM:
        return take_param(o, optarg);
    case HEADER:
        if (!is_header(optarg))
            return "expected 'NAME: VALUE'";
        if (o->header_count == CALL_HEADERS_MAX)
            return "more than 64";
        o->headers[o->header_count++] = optarg;
        return NULL;
    case KEY_HEADER:
    case IDEMPOTENCY_HEADER: {
        char line[128];
        int size = snprintf(line, sizeof line, "%s:", optarg);
        *(code == KEY_HEADER ? &o->key_header : &o->idempotency_header) = optarg;
        return size < (int)sizeof line && is_header(line) && strchr(optarg, ':') == NULL
                   ? NULL
                   : "expected the name of a header";
    }
    case PROMPT_TEMPLATE:
        return take_template(o, optarg) ? NULL : "expected NAME[@VERSION]=FILE";
    case CORPUS:
        return take_corpus(o, optarg) ? NULL : "expected NAME@sha256: and 64 hexadecimal digits";
    case REDACT:
        return redact_add(optarg, &err) == OL_OK ? NULL : "expected a regular expression (PCRE2)";
    default:
        return take_number(code, o);
    }
}

static int take_option(int code, struct call_options *o)
{
    const char **text = text_of(code, o);
    bool *flag = flag_of(code, o);
    const char *name = "", *problem = NULL;
    for (size_t i = 0; table[i].name != NULL; i++) {
        if (table[i].val == code)
            name = table[i].name;
    }
    if (code == '?')
        return cli_usage("call", "see the message above");
    if (flag != NULL)
        *flag = true;
    else if (text != NULL) {
        *text = optarg;
        problem = optarg[0] == '\0' ? "expected a text" : NULL;
    } else
        problem = take_value(code, o);
    /* what stands behind these may be a secret, or a prompt */
    bool is_hidden = code == HEADER || code == PARAM;
    if (problem == NULL)
        return 0;
    return is_hidden ? cli_usage("call", "--%s: %s", name, problem)
                     : cli_usage("call", "--%s: '%.60s': %s", name, optarg, problem);
}

/* ---- what a receipt may show of it ---- */

/* Whether @p word is the option @p name, or short for it, with its value ("--name=value",
 * *ret_value) or before it. */
static bool is_option(const char *word, const char *name, const char **ret_value)
{
    size_t size = strcspn(word, "=");
    *ret_value = NULL;
    if (size < 3 || strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, size - 2) != 0)
        return false;
    if (word[size] == '=')
        *ret_value = word + size + 1;
    return true;
}

/* The value of --header or --param without what may be a secret or a prompt. */
static void show_value(const char *value, bool is_header_line, struct ol__buf *out)
{
    char mark = is_header_line ? ':' : '=';
    size_t name = strcspn(value, (char[]){mark, '\0'});
    ol__buf_add(out, value, name);
    if (value[name] == '\0')
        return;
    ol__buf_add_char(out, mark);
    if (!is_header_line && body_is_plain(value + name + 1))
        ol__buf_add_text(out, value + name + 1);
    else
        ol__buf_add_text(out, is_header_line ? " " REDACTED : REDACTED);
}

static char *show_word(const char *word, const char *before)
{
    static const char *const hidden[] = {"header", "param", "redact"};
    const char *value = NULL, *ignored = NULL;
    struct ol__buf out;
    ol__buf_init(&out, 1u << 20);
    for (size_t i = 0; i < OL_COUNT(hidden); i++) {
        bool is_behind =
            before != NULL && is_option(before, hidden[i], &ignored) && ignored == NULL;
        if (!is_behind && !(is_option(word, hidden[i], &value) && value != NULL))
            continue;
        if (!is_behind)
            ol__buf_add(&out, word, (size_t)(value - word));
        if (i == 2)
            ol__buf_add_text(&out, REDACTED); /* it may quote what it looks for */
        else
            show_value(is_behind ? word : value, i == 0, &out);
        return ol__buf_take(&out);
    }
    if (strstr(word, "://") != NULL)
        provider_show_url(word, &out);
    else
        ol__buf_add_text(&out, word);
    return ol__buf_take(&out);
}

static char **show_argv(int argc, char **argv)
{
    char **shown = calloc((size_t)argc + 2, sizeof *shown);
    if (shown == NULL)
        return NULL;
    shown[0] = strdup("lineage");
    shown[1] = strdup("call");
    for (int i = 1; i < argc; i++)
        shown[i + 1] = show_word(argv[i], i > 1 ? argv[i - 1] : NULL);
    for (int i = 0; i <= argc; i++) {
        if (shown[i] != NULL)
            continue;
        for (int j = 0; j <= argc; j++)
            free(shown[j]);
        free(shown);
        return NULL;
    }
    return shown;
}

/* ---- the whole ---- */

static int check(struct call_options *o)
{
    if (o->step == NULL)
        return cli_usage("call", "expected --step NAME");
    if (o->replay == NULL && o->provider == NULL)
        return cli_usage("call", "expected --provider NAME");
    if (o->replay == NULL && (o->url == NULL || o->request == NULL))
        return cli_usage("call", "expected: URL @REQUEST.json");
    if (o->replay != NULL && o->request != NULL)
        return cli_usage("call", "--replay: the request is that of the receipt; expected no file");
    if (o->request != NULL && o->request[0] != '@')
        return cli_usage("call", "'%.60s': expected @FILE, or @- for standard input", o->request);
    if (o->key_env != NULL && o->key_file != NULL)
        return cli_usage("call", "--key-env and --key-file: expected one of them");
    if (o->is_as_sent && o->is_not_stored)
        return cli_usage("call", "--as-sent and --no-store: expected one of them");
    if (o->hmac_key_id != NULL && o->hmac_key_file == NULL)
        return cli_usage("call", "--hmac-key-id: expected --hmac-key-file as well");
    if (o->has_metadata && o->provider != NULL && o->provider->metadata == PROVIDER_METADATA_NONE)
        return cli_usage("call", "--metadata: requests to %s have no place for it",
                         o->provider->name);
    return 0;
}

int call_options_parse(int argc, char **argv, struct call_options *o)
{
    *o = (struct call_options){.seq = -1,
                               .timeout_ms = 600000,
                               .connect_timeout_ms = 10000,
                               .retry_wait_max_ms = 60000,
                               .retries = 2,
                               .answer_max = RECEIPT_FILE_MAX};
    o->argv = show_argv(argc, argv);
    if (o->argv == NULL) {
        cli_say("out of memory");
        return CALL_USAGE;
    }
    for (int c; (c = getopt_long(argc, argv, "o:qh", table, NULL)) != -1;) {
        if (c == 'h')
            print_help();
        if (c == 'V')
            puts("lineage-call " OL_VERSION);
        if (c == 'h' || c == 'V')
            return -1;
        int result = take_option(c, o);
        if (result != 0)
            return result;
    }
    if (argc - optind > 2)
        return cli_usage("call", "'%.60s': too many arguments; expected URL @REQUEST.json",
                         argv[optind + 2]);
    o->url = optind < argc ? argv[optind] : NULL;
    o->request = optind + 1 < argc ? argv[optind + 1] : NULL;
    return check(o);
}

void call_options_release(struct call_options *o)
{
    for (size_t i = 0; o->argv != NULL && o->argv[i] != NULL; i++)
        free(o->argv[i]);
    free(o->argv);
    free(o->tags.items);
    free(o->groups.items);
    *o = (struct call_options){0};
}
