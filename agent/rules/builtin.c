/* SPDX-License-Identifier: Apache-2.0 */
/* The patterns that are known by name. Names and what they mean are a promise to settings: added,
 * never removed. What an expression takes out is the secret alone where it has a frame (\K keeps
 * what stands before it), so that the text still tells whose it was. Expressions work on decoded
 * text; repetitions are bounded or possessive. Each needs one of its triggers below. */
#include "builtin.h"

enum {
    PRIVATE_KEY,
    URL_PASSWORD,
    PASSWORD,
    BEARER,
    JWT,
    AWS,
    GCP,
    AZURE,
    GITHUB,
    GITLAB,
    SLACK,
    STRIPE,
    LLM,
    DATABRICKS,
    PACKAGES,
    CARD,
    SSN,
    EMAIL,
    NAMED,
    COUNT
};
static_assert(COUNT <= BUILTIN_MAX, "a bit for each");
#define BIT(name) (1u << (name))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has_luhn(struct ol__span text)
{
    unsigned sum = 0, count = 0;
    for (size_t i = text.size; i-- > 0;) {
        if (!is_digit(text.data[i]))
            continue;
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (count++ % 2 == 1)
            digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return count >= 13 && count <= 19 && sum % 10 == 0;
}

/* Other digits may follow ("... 1111 12/29"): the longest beginning that is a card's number. */
static size_t check_card(struct ol__span match)
{
    for (size_t size = match.size; size >= 13; size--) {
        bool is_end = size == match.size || !is_digit(match.data[size]);
        if (is_end && is_digit(match.data[size - 1]) &&
            has_luhn((struct ol__span){.data = match.data, .size = size}))
            return size;
    }
    return 0;
}

#define NAMED_SECRET                                                                               \
    "(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|signature|sig|auth" \
    "|credential)s?"

const struct builtin builtins[] = {
    [PRIVATE_KEY] = {"private_key", "blocks of private keys (PEM, OpenSSH, PGP)",
                     "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\\s\\S]*?"
                     "(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\\z)",
                     NULL},
    [URL_PASSWORD] =
        {"url_password",
         "passwords in URLs: user:PASSWORD@, ?token=, &password=, jdbc ;password=, Oracle "
         "user/PASSWORD@",
         "(?i)://[^\\s/?#@:\"'<>]{0,256}:\\K(?!\\[redacted:)[^\\s/?#\"'<>]{1,512}(?=@)"
         "|[?&;][\\w.-]{0,40}?" NAMED_SECRET "=\\K(?!\\[redacted:)[^&;\\s\"'<>#]{1,4096}"
         "|jdbc:oracle:[a-z0-9]{1,16}:[^/@\\s]{1,128}/\\K(?!\\[redacted:)[^@\\s]{1,256}(?=@)",
         NULL},
    [PASSWORD] =
        {"password",
         "what is assigned to a password, secret or key: password=..., \"api_key\": \"...\", "
         "--token ..., IDENTIFIED BY '...'",
         "(?i)(?:password|passwd|pwd|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token"
         "|access[_-]?token|secret[_.-]?key)[\"']?\\s{0,4}(?:=>|[:=])\\s{0,4}"
         "(?:\"\\K(?!\\[redacted:)[^\"]{1,512}|'\\K(?!\\[redacted:)[^']{1,512}"
         "|\\K(?![\"'\\s]|\\[redacted:)[^\\s\"',;&})\\]]{1,512})"
         "|(?:identified\\s{1,4}by|password)\\s{1,4}'\\K(?!\\[redacted:)[^']{1,512}(?=')"
         "|--(?:password|passwd|token|secret|api-key)[ =][\"']?\\K(?![\"'\\s]|\\[redacted:)"
         "[^\\s\"']{1,512}",
         NULL},
    [BEARER] = {"bearer", "tokens of Authorization headers: Bearer, Basic and others",
                "(?i)\\b(?:bearer|basic)\\s{1,4}\\K(?=\\S{0,4096}[0-9=])[\\w.~+/-]{8,}+=*"
                "|authorization[\"']?\\s{0,4}[:=]\\s{0,4}[\"']?(?:[a-z]{1,20}\\s{1,4})?"
                "\\K(?!\\[redacted:)[^\\s\"',;]{8,}+",
                NULL},
    [JWT] = {"jwt", "JSON web tokens",
             "(?<![\\w-])eyJ[\\w-]{8,}+\\.[\\w-]{8,}+(?:\\.[\\w-]{0,4096})?", NULL},
    [AWS] = {"aws", "AWS access key ids, secret keys, session tokens, signed URLs",
             "(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
             "|(?i:(?:aws|s3a?|fs)[\\w.]{0,30}(?:secret|session)[\\w.]{0,20}[\"']?\\s{0,4}[:=]"
             "\\s{0,4}[\"']?)\\K[A-Za-z0-9/+=]{40,}+"
             "|(?i:X-Amz-(?:Signature|Security-Token|Credential)=)\\K(?!\\[redacted:)"
             "[^&\\s\"']{1,4096}",
             NULL},
    [GCP] = {"gcp", "Google API keys, OAuth tokens and client secrets",
             "(?<![\\w-])(?:AIza[\\w-]{35}|ya29\\.[\\w-]{20,}+|GOCSPX-[\\w-]{28})(?![\\w-])", NULL},
    [AZURE] = {"azure", "Azure account and access keys, SAS signatures, client secrets",
               "(?i:\\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)\\K(?!\\[redacted:)"
               "[^;\\s\"']{16,512}"
               "|(?i:[?&;]sig=)\\K(?!\\[redacted:)[^&\\s\"']{16,512}"
               "|(?<![\\w.~-])[\\w~.-]{3}[0-9]Q~[\\w~.-]{31,34}(?![\\w~.-])",
               NULL},
    [GITHUB] = {"github", "GitHub tokens",
                "(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36,}+|github_pat_\\w{22,}+)", NULL},
    [GITLAB] = {"gitlab", "GitLab tokens",
                "(?<![A-Za-z0-9_])gl(?:pat|ptt|dt|rt|cbt|ft|oas)-[\\w-]{20,}+", NULL},
    [SLACK] = {"slack", "Slack tokens and webhooks",
               "(?<![A-Za-z0-9_])(?:xox[abeoprs]-[\\w-]{10,}+|xapp-[\\w-]{10,}+)"
               "|hooks\\.slack\\.com/(?:services|workflows|triggers)/\\K[\\w/-]{10,}+",
               NULL},
    [STRIPE] = {"stripe", "Stripe keys",
                "(?<![A-Za-z0-9])(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}+", NULL},
    [LLM] = {"llm", "keys of OpenAI, Anthropic and Hugging Face",
             "(?<![A-Za-z0-9_])(?:sk-(?=[\\w-]{0,64}[0-9])[\\w-]{20,}+|hf_[A-Za-z0-9]{30,}+)",
             NULL},
    [DATABRICKS] = {"databricks", "Databricks tokens",
                    "(?<![A-Za-z0-9_])dapi[0-9a-f]{32}(?:-[0-9])?", NULL},
    [PACKAGES] = {"packages", "tokens of npm and PyPI",
                  "(?<![A-Za-z0-9_])(?:npm_[A-Za-z0-9]{36,}+|pypi-[\\w-]{50,}+)", NULL},
    [CARD] = {"card", "payment card numbers, by prefix, length and check digit (Luhn)",
              "(?<![\\w.-])(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|6(?:011|4[4-9][0-9]|5[0-9]{2}"
              "|2[0-9]{2})|3[47][0-9]{2}|3(?:0[0-5]|[5689][0-9])[0-9])(?:[ -]?[0-9]){8,15}"
              "(?![\\w-]|\\.[0-9])",
              check_card},
    [SSN] = {"ssn", "US social security numbers, with hyphens",
             "(?<![\\w-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\\w-])", NULL},
    [EMAIL] = {"email",
               "e-mail addresses; not git@ of repositories, nor what stands before @ in URLs",
               "://[^\\s/@]{0,512}+@(*SKIP)(*FAIL)"
               "|(?<![^\\s<>()\\[\\],;:\"'\\\\/=?&|{}])(?!git@)"
               /* in URLs the sign is encoded */
               "(?:[^\\s@<>()\\[\\],;:\"'\\\\/=?&|{}]{1,64}+@"
               "|[^\\s@<>()\\[\\],;:\"'\\\\/=?&|{}%]{1,64}+%40)"
               "(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.){1,8}[A-Za-z]{2,24}(?![\\w-])",
               NULL},
    [NAMED] =
        {"named",
         "texts in facets under a name that says it: {\"db_password\": \"...\"}, or {\"name\": "
         "\"DB_PASSWORD\", \"value\": \"...\"}",
         /* on the name, not on the text */
         "(?i)(?:password|passwd|pwd|passphrase|secret|token|credential|authorization"
         "|(?:api|access|account|private|secret|shared)[_.-]?key|connection[_.-]?string)s?"
         "(?![A-Za-z])",
         NULL},
};
const size_t builtin_count = OL_COUNT(builtins);

const struct builtin_trigger builtin_triggers[] = {
    {"-----BEGIN", BIT(PRIVATE_KEY), false, false},
    {"@", BIT(URL_PASSWORD) | BIT(EMAIL), false, false},
    {"%40", BIT(EMAIL), false, false},
    {"assword", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"asswd", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"pwd", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"assphrase", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"ecret", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(AWS) | BIT(NAMED), true, false},
    {"token", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"apikey", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"api_key", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"api-key", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"ccesskey", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(AZURE) | BIT(NAMED), true, false},
    {"ccess_key", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"ccess-key", BIT(URL_PASSWORD) | BIT(PASSWORD) | BIT(NAMED), true, false},
    {"signature=", BIT(URL_PASSWORD) | BIT(AZURE), true, false},
    {"signatures=", BIT(URL_PASSWORD), true, false},
    {"sig=", BIT(URL_PASSWORD) | BIT(AZURE), true, false},
    {"sigs=", BIT(URL_PASSWORD), true, false},
    {"auth=", BIT(URL_PASSWORD), true, false},
    {"auths=", BIT(URL_PASSWORD), true, false},
    {"redential", BIT(URL_PASSWORD) | BIT(NAMED), true, false},
    {"api.key", BIT(NAMED), true, false},
    {"ccess.key", BIT(NAMED), true, false},
    {"ccount", BIT(NAMED), true, false},
    {"rivate", BIT(NAMED), true, false},
    {"hared", BIT(NAMED), true, false},
    {"onnection", BIT(NAMED), true, false},
    {"dentified", BIT(PASSWORD), true, false},
    {"bearer", BIT(BEARER), true, false},
    {"basic", BIT(BEARER), true, false},
    {"uthorization", BIT(BEARER) | BIT(NAMED), true, false},
    {"eyJ", BIT(JWT), false, false},
    {"AKIA", BIT(AWS), false, false},
    {"ASIA", BIT(AWS), false, false},
    {"ABIA", BIT(AWS), false, false},
    {"ACCA", BIT(AWS), false, false},
    {"ession", BIT(AWS), true, false},
    {"X-Amz-", BIT(AWS), true, false},
    {"AIza", BIT(GCP), false, false},
    {"ya29.", BIT(GCP), false, false},
    {"GOCSPX-", BIT(GCP), false, false},
    {"AccountKey", BIT(AZURE) | BIT(NAMED), true, false},
    {"~", BIT(AZURE), false, false},
    {"ghp_", BIT(GITHUB), false, false},
    {"gho_", BIT(GITHUB), false, false},
    {"ghu_", BIT(GITHUB), false, false},
    {"ghs_", BIT(GITHUB), false, false},
    {"ghr_", BIT(GITHUB), false, false},
    {"github_pat_", BIT(GITHUB), false, false},
    {"glpat-", BIT(GITLAB), false, false},
    {"glptt-", BIT(GITLAB), false, false},
    {"gldt-", BIT(GITLAB), false, false},
    {"glrt-", BIT(GITLAB), false, false},
    {"glcbt-", BIT(GITLAB), false, false},
    {"glft-", BIT(GITLAB), false, false},
    {"gloas-", BIT(GITLAB), false, false},
    {"xox", BIT(SLACK), false, false},
    {"xapp-", BIT(SLACK), false, false},
    {"hooks.slack.com", BIT(SLACK), false, false},
    {"k_live_", BIT(STRIPE), false, false},
    {"k_test_", BIT(STRIPE), false, false},
    {"whsec_", BIT(STRIPE), false, false},
    {"sk-", BIT(LLM), false, true},
    {"hf_", BIT(LLM), false, true},
    {"dapi", BIT(DATABRICKS), false, true},
    {"npm_", BIT(PACKAGES), false, true},
    {"pypi-", BIT(PACKAGES), false, true},
};
const size_t builtin_trigger_count = OL_COUNT(builtin_triggers);

uint32_t builtin_card_bit(void)
{
    return BIT(CARD);
}

uint32_t builtin_ssn_bit(void)
{
    return BIT(SSN);
}

uint32_t builtin_named_bit(void)
{
    return BIT(NAMED);
}

uint32_t builtin_find(const char *name)
{
    if (strcmp(name, "all") == 0)
        return (1u << COUNT) - 1;
    for (size_t i = 0; i < builtin_count; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return 1u << i;
    return 0;
}
