/* SPDX-License-Identifier: Apache-2.0 */
#include "provider.h"

#include <strings.h>

#define BEARER "Authorization", "Bearer "
#define CLIENT_ID "X-Client-Request-Id"
#define AZURE_ID "x-ms-client-request-id"

/* Bedrock: its API keys are bearer tokens. Signature version 4 is not done here. */
static const struct provider providers[] = {
    {"openai", "openai", "OPENAI_API_KEY", BEARER, NULL, CLIENT_ID, NULL, PROVIDER_METADATA_OBJECT},
    {"anthropic", "anthropic", "ANTHROPIC_API_KEY", "x-api-key", "",
     "anthropic-version: 2023-06-01", CLIENT_ID, NULL, PROVIDER_METADATA_USER_ID},
    {"azure", "azure.ai.openai", "AZURE_OPENAI_API_KEY", "api-key", "", NULL, AZURE_ID,
     "/deployments/", PROVIDER_METADATA_OBJECT},
    {"gemini", "gcp.gemini", "GEMINI_API_KEY", "x-goog-api-key", "", NULL, CLIENT_ID, "/models/",
     PROVIDER_METADATA_NONE},
    {"google", "gcp.vertex_ai", NULL, BEARER, NULL, CLIENT_ID, "/models/",
     PROVIDER_METADATA_LABELS},
    {"bedrock", "aws.bedrock", "AWS_BEARER_TOKEN_BEDROCK", BEARER, NULL, CLIENT_ID, "/model/",
     PROVIDER_METADATA_NONE},
    {"litellm", "litellm", "LITELLM_API_KEY", BEARER, NULL, CLIENT_ID, NULL,
     PROVIDER_METADATA_OBJECT},
    {"ollama", "ollama", NULL, BEARER, NULL, CLIENT_ID, NULL, PROVIDER_METADATA_OBJECT},
    {"vllm", "vllm", "VLLM_API_KEY", BEARER, NULL, CLIENT_ID, NULL, PROVIDER_METADATA_OBJECT},
};

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; i < OL_COUNT(providers); i++) {
        if (strcmp(providers[i].name, name) == 0)
            return &providers[i];
    }
    return NULL;
}

const struct provider *provider_find_gen_ai(const char *name)
{
    for (size_t i = 0; i < OL_COUNT(providers); i++) {
        if (strcmp(providers[i].gen_ai, name) == 0)
            return &providers[i];
    }
    return NULL;
}

void provider_names(struct ol__buf *out)
{
    for (size_t i = 0; i < OL_COUNT(providers); i++)
        ol__buf_add_format(out, "%s%s", i > 0 ? ", " : "", providers[i].name);
}

/* Where the path begins, behind scheme and authority; the end if there is none. */
static const char *path_of(const char *url)
{
    const char *authority = strstr(url, "://");
    authority = authority != NULL ? authority + 3 : url;
    return authority + strcspn(authority, "/?#");
}

const char *provider_operation(const char *url)
{
    static const struct {
        const char *ending, *operation;
    } table[] = {{"/chat/completions", "chat"},
                 {"/messages", "chat"},
                 {"/responses", "chat"},
                 {"/converse", "chat"},
                 {"/converse-stream", "chat"},
                 {"/api/chat", "chat"},
                 {"/completions", "text_completion"},
                 {"/api/generate", "text_completion"},
                 {"/embeddings", "embeddings"},
                 {"/api/embed", "embeddings"},
                 {":embedContent", "embeddings"},
                 {":batchEmbedContents", "embeddings"},
                 {":generateContent", "generate_content"},
                 {":streamGenerateContent", "generate_content"}};
    const char *path = path_of(url);
    size_t size = strcspn(path, "?#");
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        size_t length = strlen(table[i].ending);
        if (size >= length && memcmp(path + size - length, table[i].ending, length) == 0)
            return table[i].operation;
    }
    return NULL;
}

ol_status provider_set_model(const struct provider *provider, const char *url, const char *model,
                             struct ol__buf *out)
{
    const char *path = path_of(url), *query = path + strcspn(path, "?#");
    const char *found =
        provider->model_in != NULL ? strstr(path, provider->model_in) : NULL; /* the first */
    if (found == NULL || found >= query)
        return OL_NOT_FOUND;
    const char *from = found + strlen(provider->model_in);
    /* "MODEL:generateContent" of one, "ANTHROPIC.MODEL-V1:0/converse" of another */
    size_t size = strcspn(from, "/?#");
    if (strncmp(provider->name, "g", 1) == 0)
        size = OL_MIN(size, strcspn(from, ":"));
    ol__buf_add(out, url, (size_t)(from - url));
    ol__buf_add_text(out, model);
    return ol__buf_add_text(out, from + size);
}

void provider_show_url(const char *url, struct ol__buf *out)
{
    static const char *const shown[] = {"api-version=", "alt=", "beta="};
    const char *query = strchr(url, '?');
    if (query == NULL) {
        ol__buf_add_text(out, url);
        return;
    }
    ol__buf_add(out, url, (size_t)(query - url) + 1);
    for (const char *s = query + 1; *s != '\0';) {
        size_t size = strcspn(s, "&#"), name = strcspn(s, "=&#");
        bool is_shown = s[name] != '=';
        for (size_t i = 0; i < OL_COUNT(shown) && !is_shown; i++)
            is_shown = strncasecmp(s, shown[i], strlen(shown[i])) == 0;
        ol__buf_add(out, s, is_shown ? size : name + 1);
        if (!is_shown)
            ol__buf_add_text(out, "[redacted]");
        s += size;
        if (*s == '#')
            break; /* never sent */
        if (*s == '&')
            ol__buf_add_char(out, *s++);
    }
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < OL_COUNT(names); i++) {
        size_t size = strlen(names[i]);
        if (strncasecmp(host, names[i], size) == 0 && strchr(":/?#", host[size]) != NULL)
            return true;
    }
    return false;
}

const char *provider_url_problem(const char *url, bool has_key, bool allows_http)
{
    bool is_plain = strncasecmp(url, "http://", 7) == 0;
    if (!is_plain && strncasecmp(url, "https://", 8) != 0)
        return "expected https://... (or http://...)";
    const char *host = url + (is_plain ? 7 : 8);
    size_t size = strcspn(host, "/?#");
    if (size == 0)
        return "expected a host name";
    if (memchr(host, '@', size) != NULL)
        return "a password in a URL is seen by others; expected --key-env or --key-file";
    for (const char *c = url; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return "a URL has no spaces or control characters";
    }
    if (is_plain && has_key && !allows_http && !is_loopback(host))
        return "a key would be sent unencrypted; expected https://, or --allow-http";
    return NULL;
}
