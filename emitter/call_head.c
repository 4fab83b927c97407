/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A status line begins a new answer: nothing of the one before is left.
 *  2. However the head is cut into pieces, what is found is the same.
 *  3. Of a header that comes again the first counts; a trailer counts where the head has none. */
#include "call_head.h"

/* Response headers that hold a provider's request id; the first that is there wins. Ids that one
 * provider alone has come first: Azure sends x-request-id too, but its logs know apim-request-id
 * only. The last is the network's in front of the provider. A gateway that hands the provider's own
 * headers on puts a prefix before them: these win over its own. */
#define ROW(name)                                                                                  \
    {                                                                                              \
        name, "llm_provider-" name                                                                 \
    }
static const char *const id_names[OL_HEAD_IDS][2] = {
    ROW("apim-request-id"),   /* Azure */
    ROW("x-amzn-requestid"),  /* AWS */
    ROW("x-amzn-request-id"), /* AWS, newer services */
    ROW("request-id"),        /* Anthropic */
    ROW("x-request-id"),      /* OpenAI, Groq, Together and most others */
    ROW("x-ms-request-id"),   /* Azure, behind other doors */
    ROW("x-goog-request-id"), /* Google */
    ROW("x-correlation-id"),  /* gateways */
    ROW("x-trace-id"),        /* some */
    ROW("x-litellm-call-id"), /* a gateway's own */
    ROW("cf-ray"),            /* Cloudflare */
};
#undef ROW

const char *ol__head_id_name(int from, size_t i)
{
    return id_names[i][from];
}

static void forget(struct ol__head *h)
{
    h->http_status = 0;
    h->form = OL_STREAM_UNKNOWN;
    h->wanted_id.text[0] = '\0';
    for (size_t i = 0; i < OL_HEAD_IDS; i++) {
        h->ids[0][i].text[0] = '\0';
        h->ids[1][i].text[0] = '\0';
    }
    h->error_type.text[0] = '\0';
    h->input_tokens = (struct ol_int){.is_set = false};
    h->output_tokens = (struct ol_int){.is_set = false};
    h->retry_after_ms = -1;
    h->processing_ms = -1;
}

void ol__head_init(struct ol__head *h)
{
    forget(h);
    h->size = 0;
    h->is_long = false;
    h->is_line_over = false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct ol__span trim(struct ol__span s)
{
    while (s.size > 0 && is_space(s.data[0]))
        s = (struct ol__span){s.data + 1, s.size - 1};
    while (s.size > 0 && is_space(s.data[s.size - 1]))
        s.size--;
    return s;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void set_id(struct ol__head *h, struct ol__call_text *at, struct ol__span value)
{
    if (at->text[0] != '\0' || /* promise 3 */
        (h->not_this != NULL && ol__span_equal(value, ol__span_text(h->not_this))))
        return;
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] <= 0x20 || (unsigned char)value.data[i] > 0x7e)
            return; /* nobody's id */
    OL_IGNORE(ol__call_text_set(at, value), "too long for an id");
}

/* Thousandths of a number of seconds or milliseconds with a fraction; -1: it is none. */
static int64_t milliseconds(struct ol__span value, int64_t scale)
{
    int64_t whole = 0, digit = scale / 10;
    const char *point = memchr(value.data, '.', value.size);
    size_t size = point != NULL ? (size_t)(point - value.data) : value.size;
    if (size > 12 || !ol__call_number((struct ol__span){value.data, size}, &whole))
        return -1;
    whole *= scale;
    for (size_t i = size + 1; i < value.size; i++, digit /= 10) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return -1;
        whole += digit * (value.data[i] - '0');
    }
    return whole;
}

static void set_form(struct ol__head *h, struct ol__span value)
{
    static const char frames[] = "application/vnd.amazon.eventstream",
                      events[] = "text/event-stream";
    size_t size = 0;
    char type[64];
    while (size < value.size && size < sizeof type - 1 && value.data[size] != ';' &&
           !is_space(value.data[size])) {
        type[size] = lower(value.data[size]);
        size++;
    }
    type[size] = '\0';
    if (strcmp(type, frames) == 0)
        h->form = OL_STREAM_FRAMES;
    else if (strcmp(type, events) == 0)
        h->form = OL_STREAM_EVENTS;
}

static void set_count(struct ol_int *ret, struct ol__span value)
{
    int64_t n = 0;
    if (ol__call_number(value, &n))
        *ret = (struct ol_int)OL_INT(n);
}

/* What is no id; @p name in lower case. */
static void take_other(struct ol__head *h, const char *name, struct ol__span value)
{
    if (strcmp(name, "content-type") == 0) {
        set_form(h, value);
    } else if (strcmp(name, "retry-after-ms") == 0) {
        int64_t ms = milliseconds(value, 1);
        h->retry_after_ms = ms >= 0 ? ms : h->retry_after_ms;
    } else if (strcmp(name, "retry-after") == 0 && h->retry_after_ms < 0) {
        h->retry_after_ms = milliseconds(value, 1000);
    } else if (strcmp(name, "openai-processing-ms") == 0 ||
               strcmp(name, "x-amzn-bedrock-invocation-latency") == 0 ||
               strcmp(name, "x-envoy-upstream-service-time") == 0) {
        if (h->processing_ms < 0)
            h->processing_ms = milliseconds(value, 1);
    } else if (strcmp(name, "x-amzn-bedrock-input-token-count") == 0) {
        set_count(&h->input_tokens, value);
    } else if (strcmp(name, "x-amzn-bedrock-output-token-count") == 0) {
        set_count(&h->output_tokens, value);
    } else if (strcmp(name, "x-amzn-errortype") == 0) { /* NAME:URL */
        const char *colon = memchr(value.data, ':', value.size);
        if (colon != NULL)
            value.size = (size_t)(colon - value.data);
        if (ol__call_is_word(value))
            OL_IGNORE(ol__call_text_set(&h->error_type, value), "a word has room");
    }
}

static void take_header(struct ol__head *h, struct ol__span line)
{
    char name[64];
    const char *colon = memchr(line.data, ':', line.size);
    size_t size = colon != NULL ? (size_t)(colon - line.data) : 0;
    if (size == 0 || size >= sizeof name)
        return;
    for (size_t i = 0; i < size; i++)
        name[i] = lower(line.data[i]);
    name[size] = '\0';
    struct ol__span value = trim((struct ol__span){colon + 1, line.size - size - 1});
    if (value.size == 0)
        return;
    if (h->wanted != NULL && strcmp(name, h->wanted) == 0)
        set_id(h, &h->wanted_id, value);
    for (size_t i = 0; i < OL_HEAD_IDS; i++) {
        if (strcmp(name, id_names[i][0]) == 0)
            set_id(h, &h->ids[0][i], value);
        else if (strcmp(name, id_names[i][1]) == 0)
            set_id(h, &h->ids[1][i], value);
    }
    take_other(h, name, value);
}

static bool is_status(const struct ol__head *h)
{
    return h->size >= 5 && memcmp(h->line, "HTTP/", 5) == 0;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200". */
static bool take_status(struct ol__head *h, struct ol__span line)
{
    if (!is_status(h))
        return false;
    forget(h); /* promise 1 */
    const char *space = memchr(line.data, ' ', line.size);
    if (space == NULL)
        return true;
    const char *end = line.data + line.size;
    int status = 0, digits = 0;
    for (const char *at = space + 1; at < end && *at >= '0' && *at <= '9' && digits < 4; at++) {
        status = status * 10 + (*at - '0');
        digits++;
    }
    h->http_status = digits == 3 ? status : 0;
    return true;
}

/* The header that is in h->line, folded or not, is whole. */
static bool take_line(struct ol__head *h)
{
    struct ol__span line = {h->line, h->size};
    bool is_new = false;
    if (!h->is_long && line.size > 0) {
        is_new = take_status(h, line);
        if (!is_new)
            take_header(h, line);
    }
    h->size = 0;
    h->is_long = false;
    h->is_line_over = false;
    return is_new;
}

void ol__head_finish(struct ol__head *h)
{
    OL_IGNORE(take_line(h), "an answer that is only a status line has nothing to forget");
}

static void add_byte(struct ol__head *h, char c)
{
    if (h->size < OL_HEAD_LINE_MAX)
        h->line[h->size++] = c;
    else
        h->is_long = true;
}

bool ol__head_add(struct ol__head *h, const char *data, size_t size)
{
    bool is_new = false;
    for (size_t i = 0; i < size; i++) {
        char c = data[i];
        if (h->is_line_over && is_space(c)) { /* folded: it goes on */
            h->is_line_over = false;
            add_byte(h, ' ');
            continue;
        }
        if (h->is_line_over)
            is_new = take_line(h) || is_new;
        if (c != '\n') {
            add_byte(h, c);
            continue;
        }
        while (h->size > 0 && h->line[h->size - 1] == '\r')
            h->size--;
        h->is_line_over = h->size > 0 || h->is_long;
        if (is_status(h)) /* told at once, before a body; never folded */
            is_new = take_line(h) || is_new;
    }
    return is_new;
}

const char *ol__head_id(const struct ol__head *h, const char **ret_name)
{
    *ret_name = h->wanted;
    if (h->wanted_id.text[0] != '\0')
        return h->wanted_id.text;
    for (int from = 1; from >= 0; from--)
        for (size_t i = 0; i < OL_HEAD_IDS; i++)
            if (h->ids[from][i].text[0] != '\0') {
                *ret_name = id_names[i][from];
                return h->ids[from][i].text;
            }
    *ret_name = NULL;
    return NULL;
}
