/* SPDX-License-Identifier: Apache-2.0 */
/* Where each provider says what. A path is looked up without what streams and lists put in front:
 * the elements of an array at the root, and the members `response`, `message` and `delta`. A later
 * value replaces an earlier one, since streams repeat and complete what they said. Nothing is taken
 * but ids, names, counts and words: never a text that a person or a model wrote. */
#include "call_facts.h"

#define WORD_MAX 64

bool ol__call_text_set(struct ol__call_text *ret, struct ol__span text)
{
    if (text.data == NULL || text.size == 0 || text.size > OL_CALL_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    memcpy(ret->text, text.data, text.size);
    ret->text[text.size] = '\0';
    return true;
}

bool ol__call_is_word(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-' && c != '.' && c != ':')
            return false;
    }
    return text.size > 0 && text.size <= WORD_MAX;
}

bool ol__call_number(struct ol__span text, int64_t *ret)
{
    int64_t value = 0;
    if (text.data == NULL || text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    *ret = value;
    return true;
}

/* ---- answers ---- */

enum kind {
    TEXT_ID,
    TEXT_MODEL,
    TEXT_FINGERPRINT,
    TEXT_TIER,
    FINISH,
    FINISH_STATUS, /* only a status that is an end */
    COUNT,
    TOOL_TEXT,   /* one for each text there */
    TOOL_TYPE,   /* one for each text that says so */
    TOOL_OBJECT, /* one for each object there */
    ERROR_WORD,
    ERROR
};

struct rule {
    const char *path;
    enum kind kind;
    int which; /* of COUNT: which; of ERROR_WORD: how good, 1 the best */
};

/* clang-format off */
static const struct rule rules[] = {
    {"/id", TEXT_ID, 0},                  /* OpenAI, Anthropic, Cohere, Mistral */
    {"/responseId", TEXT_ID, 0},          /* Gemini */
    {"/model", TEXT_MODEL, 0},
    {"/modelVersion", TEXT_MODEL, 0},     /* Gemini */
    {"/system_fingerprint", TEXT_FINGERPRINT, 0},
    {"/service_tier", TEXT_TIER, 0},
    {"/usage/service_tier", TEXT_TIER, 0}, /* Anthropic */
    {"/choices/*/finish_reason", FINISH, 0},
    {"/stop_reason", FINISH, 0},          /* Anthropic */
    {"/candidates/*/finishReason", FINISH, 0}, /* Gemini */
    {"/stopReason", FINISH, 0},           /* Bedrock */
    {"/finish_reason", FINISH, 0},        /* Cohere */
    {"/done_reason", FINISH, 0},          /* Ollama */
    {"/incomplete_details/reason", FINISH, 0}, /* OpenAI's responses */
    {"/status", FINISH_STATUS, 0},        /* OpenAI's responses */
    {"/usage/prompt_tokens", COUNT, OL_CALL_INPUT},
    {"/usage/input_tokens", COUNT, OL_CALL_INPUT},
    {"/usage/inputTokens", COUNT, OL_CALL_INPUT},
    {"/usageMetadata/promptTokenCount", COUNT, OL_CALL_INPUT},
    {"/usage/tokens/input_tokens", COUNT, OL_CALL_INPUT},
    {"/meta/tokens/input_tokens", COUNT, OL_CALL_INPUT},
    {"/prompt_eval_count", COUNT, OL_CALL_INPUT},
    {"/usage/completion_tokens", COUNT, OL_CALL_OUTPUT},
    {"/usage/output_tokens", COUNT, OL_CALL_OUTPUT},
    {"/usage/outputTokens", COUNT, OL_CALL_OUTPUT},
    {"/usageMetadata/candidatesTokenCount", COUNT, OL_CALL_OUTPUT},
    {"/usage/tokens/output_tokens", COUNT, OL_CALL_OUTPUT},
    {"/meta/tokens/output_tokens", COUNT, OL_CALL_OUTPUT},
    {"/eval_count", COUNT, OL_CALL_OUTPUT},
    {"/usage/prompt_tokens_details/cached_tokens", COUNT, OL_CALL_CACHE_READ},
    {"/usage/input_tokens_details/cached_tokens", COUNT, OL_CALL_CACHE_READ},
    {"/usage/cache_read_input_tokens", COUNT, OL_CALL_CACHE_READ},
    {"/usage/cacheReadInputTokens", COUNT, OL_CALL_CACHE_READ},
    {"/usageMetadata/cachedContentTokenCount", COUNT, OL_CALL_CACHE_READ},
    {"/usage/prompt_cache_hit_tokens", COUNT, OL_CALL_CACHE_READ},
    {"/usage/cache_creation_input_tokens", COUNT, OL_CALL_CACHE_CREATION},
    {"/usage/cacheWriteInputTokens", COUNT, OL_CALL_CACHE_CREATION},
    {"/usage/completion_tokens_details/reasoning_tokens", COUNT, OL_CALL_REASONING},
    {"/usage/output_tokens_details/reasoning_tokens", COUNT, OL_CALL_REASONING},
    {"/usageMetadata/thoughtsTokenCount", COUNT, OL_CALL_REASONING},
    {"/usage/total_tokens", COUNT, OL_CALL_TOTAL},
    {"/usage/totalTokens", COUNT, OL_CALL_TOTAL},
    {"/usageMetadata/totalTokenCount", COUNT, OL_CALL_TOTAL},
    {"/choices/*/message/tool_calls/*/id", TOOL_TEXT, 0},
    {"/choices/*/delta/tool_calls/*/id", TOOL_TEXT, 0}, /* only a call's first piece has it */
    {"/content/*/type", TOOL_TYPE, 0},    /* Anthropic */
    {"/content_block/type", TOOL_TYPE, 0},
    {"/output/*/type", TOOL_TYPE, 0},     /* OpenAI's responses */
    {"/candidates/*/content/parts/*/functionCall", TOOL_OBJECT, 0},
    {"/output/message/content/*/toolUse", TOOL_OBJECT, 0}, /* Bedrock */
    {"/start/toolUse", TOOL_OBJECT, 0},
    {"/tool_calls/*/function", TOOL_OBJECT, 0}, /* Ollama, Cohere */
    {"/tool_calls/id", TOOL_TEXT, 0},     /* Cohere's stream: one call an event */
    {"/error", ERROR, 0},
    {"/error/type", ERROR_WORD, 1},
    {"/error/status", ERROR_WORD, 2},     /* Gemini */
    {"/error/code", ERROR_WORD, 3},
    {"/__type", ERROR_WORD, 1},           /* Bedrock */
};
/* clang-format on */

/* @return behind @p prefix where @p path begins with it and a step follows, else @p path. */
static const char *without(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(path, prefix, size) == 0 && path[size] == '/' ? path + size : path;
}

static const struct rule *find_rule(const char *path)
{
    path = without(path, "/*");
    path = without(path, "/response");
    path = without(path, "/delta");
    path = without(path, "/message");
    for (size_t i = 0; i < OL_COUNT(rules); i++)
        if (strcmp(rules[i].path, path) == 0)
            return &rules[i];
    return NULL;
}

/* Each once, as long as there is room. */
static void add_finish(struct ol__answer_facts *f, struct ol__span word)
{
    char *list = f->finish_reasons.text;
    size_t used = strlen(list);
    if (word.data == NULL || !ol__call_is_word(word) || used + 1 + word.size > OL_CALL_TEXT_MAX)
        return;
    for (const char *at = list; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',';
        if (ol__span_equal((struct ol__span){at, strcspn(at, ",")}, word))
            return;
    }
    if (used > 0)
        list[used++] = ',';
    memcpy(list + used, word.data, word.size);
    list[used + word.size] = '\0';
}

static bool is_end(struct ol__span status)
{
    static const char *const ends[] = {"completed", "incomplete", "failed", "cancelled"};
    for (size_t i = 0; i < OL_COUNT(ends); i++)
        if (status.data != NULL && ol__span_equal(status, ol__span_text(ends[i])))
            return true;
    return false;
}

static bool is_tool(struct ol__span type)
{
    return type.data != NULL && (ol__span_equal(type, OL_SPAN_LIT("tool_use")) ||
                                 ol__span_equal(type, OL_SPAN_LIT("function_call")));
}

static void add_error_word(struct ol__answer_facts *f, int rank, struct ol__span word)
{
    if (word.data == NULL)
        return;
    const char *hash = memchr(word.data, '#', word.size); /* Bedrock: NAMESPACE#NAME */
    if (hash != NULL)
        word = (struct ol__span){hash + 1, word.size - (size_t)(hash + 1 - word.data)};
    f->is_error = true;
    if (!ol__call_is_word(word) || (f->error_rank != 0 && rank > f->error_rank))
        return;
    if (ol__call_text_set(&f->error_type, word))
        f->error_rank = rank;
}

static void take_text(struct ol__answer_facts *f, const struct rule *rule, struct ol__span text)
{
    switch (rule->kind) {
    case TEXT_ID:
        OL_IGNORE(ol__call_text_set(&f->id, text), "else it is no id");
        return;
    case TEXT_MODEL:
        OL_IGNORE(ol__call_text_set(&f->model, text), "else it is no name");
        return;
    case TEXT_FINGERPRINT:
        OL_IGNORE(ol__call_text_set(&f->fingerprint, text), "else it is none");
        return;
    case TEXT_TIER:
        OL_IGNORE(ol__call_text_set(&f->tier, text), "else it is none");
        return;
    case FINISH_STATUS:
        if (is_end(text))
            add_finish(f, text);
        return;
    case FINISH:
        add_finish(f, text);
        return;
    case TOOL_TEXT:
        f->tool_calls++;
        return;
    case TOOL_TYPE:
        f->tool_calls += is_tool(text);
        return;
    case ERROR_WORD:
        add_error_word(f, rule->which, text);
        return;
    case ERROR: /* Ollama: the message, which is not for us */
        f->is_error = true;
        return;
    default:
        return;
    }
}

void ol__answer_fact(void *arg, const char *path, enum ol__scan_type type, struct ol__span text)
{
    struct ol__answer_facts *f = arg;
    const struct rule *rule = find_rule(path);
    int64_t number = 0;
    if (rule == NULL)
        return;
    if (type == OL_SCAN_TEXT) {
        take_text(f, rule, text);
    } else if (type == OL_SCAN_NUMBER && rule->kind == COUNT) {
        if (ol__call_number(text, &number))
            f->counts[rule->which] = (struct ol_int)OL_INT(number);
    } else if (type == OL_SCAN_NUMBER && rule->kind == ERROR_WORD) {
        add_error_word(f, rule->which, text);
    } else if (type == OL_SCAN_OBJECT) {
        f->tool_calls += rule->kind == TOOL_OBJECT;
        f->is_error = f->is_error || rule->kind == ERROR;
    }
}

/* ---- requests ---- */

static const struct {
    const char *path;
    enum ol__call_parameter which;
} parameters[] = {
    {"/temperature", OL_CALL_TEMPERATURE},
    {"/inferenceConfig/temperature", OL_CALL_TEMPERATURE},
    {"/generationConfig/temperature", OL_CALL_TEMPERATURE},
    {"/options/temperature", OL_CALL_TEMPERATURE},
    {"/top_p", OL_CALL_TOP_P},
    {"/p", OL_CALL_TOP_P},
    {"/inferenceConfig/topP", OL_CALL_TOP_P},
    {"/generationConfig/topP", OL_CALL_TOP_P},
    {"/options/top_p", OL_CALL_TOP_P},
    {"/top_k", OL_CALL_TOP_K},
    {"/k", OL_CALL_TOP_K},
    {"/generationConfig/topK", OL_CALL_TOP_K},
    {"/options/top_k", OL_CALL_TOP_K},
    {"/max_tokens", OL_CALL_MAX_TOKENS},
    {"/max_completion_tokens", OL_CALL_MAX_TOKENS},
    {"/max_output_tokens", OL_CALL_MAX_TOKENS},
    {"/inferenceConfig/maxTokens", OL_CALL_MAX_TOKENS},
    {"/generationConfig/maxOutputTokens", OL_CALL_MAX_TOKENS},
    {"/options/num_predict", OL_CALL_MAX_TOKENS},
    {"/seed", OL_CALL_SEED},
    {"/random_seed", OL_CALL_SEED},
    {"/generationConfig/seed", OL_CALL_SEED},
    {"/options/seed", OL_CALL_SEED},
    {"/frequency_penalty", OL_CALL_FREQUENCY_PENALTY},
    {"/generationConfig/frequencyPenalty", OL_CALL_FREQUENCY_PENALTY},
    {"/presence_penalty", OL_CALL_PRESENCE_PENALTY},
    {"/generationConfig/presencePenalty", OL_CALL_PRESENCE_PENALTY},
    {"/n", OL_CALL_CHOICE_COUNT},
    {"/generationConfig/candidateCount", OL_CALL_CHOICE_COUNT},
    {"/dimensions", OL_CALL_DIMENSIONS},
};

/* A number of JSON: exact with up to 15 digits and a power of ten up to 22, which is what people
 * write; no locale. */
static bool read_real(struct ol__span text, double *ret)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool is_negative = text.size > 0 && text.data[0] == '-';
    bool has_point = false;
    int64_t digits = 0;
    int count = 0, power = 0;
    size_t i = is_negative;
    for (; i < text.size && text.data[i] != 'e' && text.data[i] != 'E'; i++) {
        if (text.data[i] == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (text.data[i] < '0' || text.data[i] > '9' || ++count > 15)
            return false;
        digits = digits * 10 + (text.data[i] - '0');
        power -= has_point;
    }
    if (i < text.size) {
        bool is_down = i + 1 < text.size && text.data[i + 1] == '-';
        int64_t exponent = 0;
        i += 1 + (i + 1 < text.size && (is_down || text.data[i + 1] == '+'));
        if (!ol__call_number((struct ol__span){text.data + i, text.size - i}, &exponent) ||
            exponent > 100)
            return false;
        power += is_down ? -(int)exponent : (int)exponent;
    }
    if (count == 0 || power > 22 || power < -22)
        return false;
    double value = (double)digits;
    value = power < 0 ? value / tens[-power] : value * tens[power];
    *ret = is_negative ? -value : value;
    return true;
}

static void take_parameter(struct ol__request_facts *f, const char *path, struct ol__span text)
{
    if (text.data == NULL)
        return;
    for (size_t i = 0; i < OL_COUNT(parameters); i++) {
        if (strcmp(parameters[i].path, path) != 0)
            continue;
        enum ol__call_parameter which = parameters[i].which;
        size_t sign = text.data[0] == '-';
        int64_t seed = 0;
        if (which == OL_CALL_SEED &&
            ol__call_number((struct ol__span){text.data + sign, text.size - sign}, &seed))
            f->seed = (struct ol_int)OL_INT(sign != 0 ? -seed : seed);
        double value = 0;
        if (read_real(text, &value))
            f->parameters[which] = (struct ol_real)OL_REAL(value);
        return;
    }
}

void ol__request_fact(void *arg, const char *path, enum ol__scan_type type, struct ol__span text)
{
    struct ol__request_facts *f = arg;
    if (type == OL_SCAN_TEXT && (strcmp(path, "/model") == 0 || strcmp(path, "/modelId") == 0))
        OL_IGNORE(ol__call_text_set(&f->model, text), "else it is no name");
    else if ((type == OL_SCAN_TRUE || type == OL_SCAN_FALSE) && strcmp(path, "/stream") == 0)
        f->stream = type == OL_SCAN_TRUE ? OL_TRUE : OL_FALSE;
    else if (type == OL_SCAN_NUMBER)
        take_parameter(f, path, text);
}
