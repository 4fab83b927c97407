/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. No limit lets a secret pass: a text that an expression cannot finish is taken out whole, and
 *     so is one that memory does not suffice for (the buffer fails).
 *  2. What was redacted once is not redacted again: redacting is idempotent.
 *  3. A built-in expression is compiled when a text first has the bytes that it needs. */
#include "redact_impl.h"

#include <pthread.h>
#include "builtin.h"
#include "expression.h"
#include "utf8.h"

#define BUDGET_US 5000000 /* of this thread's own time, a text */
#define ONE_EXPRESSION_MAX ((size_t)512 << 20)

/* Of the process, for ever: what the user adds holds for all that it writes. */
static struct {
    pthread_mutex_t lock;
    struct builtin_filter *filter;
    struct ol__matcher *matcher;
    struct ol__expression *builtins[BUILTIN_MAX], *own[REDACT_OWN_MAX];
    size_t own_count;
} patterns = {.lock = PTHREAD_MUTEX_INITIALIZER};

ol_status redact_add(const char *expression, struct ol_error *err)
{
    pthread_mutex_lock(&patterns.lock);
    ol_status status =
        patterns.own_count == REDACT_OWN_MAX
            ? ol__error_set(err, OL_TOO_LARGE, "more than %d expressions", REDACT_OWN_MAX)
            : ol__expression_new(expression, false, &patterns.own[patterns.own_count], err);
    if (status == OL_OK)
        patterns.own_count++;
    pthread_mutex_unlock(&patterns.lock);
    return status;
}

bool redact_is_text(struct ol__span text)
{
    return text.size == 0 ||
           (memchr(text.data, '\0', text.size) == NULL && ol__utf8_find_bad(text) == text.size);
}

/* ---- a text on its way ---- */

struct travel {
    struct ol__buf buffers[2];
    unsigned turn; /* which of them has the text */
};

static struct ol__span text_of(const struct travel *t)
{
    const struct ol__buf *buf = &t->buffers[t->turn];
    return (struct ol__span){.data = buf->data != NULL ? buf->data : "", .size = buf->size};
}

static struct ol__buf *other(struct travel *t)
{
    struct ol__buf *out = &t->buffers[1 - t->turn];
    ol_status status = t->buffers[t->turn].status;
    ol__buf_reset(out);
    out->status = status; /* sticks through all turns */
    return out;
}

static void take_whole(struct travel *t)
{
    ol__buf_add_text(other(t), REDACT_MARK);
    t->turn = 1 - t->turn;
}

/* As UTF-8, with marks that are there already as those of this text (2). */
static void arrive(struct travel *t, struct ol__span text)
{
    static const char bad[] = "\xef\xbf\xbd";
    struct ol__buf *out = &t->buffers[0];
    const unsigned char *s = (const unsigned char *)text.data, *end = s + text.size;
    while (s < end) {
        int size = ol__utf8_size(s, end);
        if (*s == '[' && (size_t)(end - s) >= sizeof REDACTED - 1 &&
            memcmp(s, REDACTED, sizeof REDACTED - 1) == 0) {
            ol__buf_add_text(out, REDACT_MARK);
            s += sizeof REDACTED - 1;
        } else if (size > 0) {
            ol__buf_add(out, s, (size_t)size);
            s += size;
        } else {
            ol__buf_add(out, bad, sizeof bad - 1);
            s -= size;
        }
    }
}

static void leave(const struct travel *t, struct ol__buf *out)
{
    struct ol__span text = text_of(t);
    size_t mark = sizeof REDACT_MARK - 1, copied = 0;
    for (size_t i = 0; i + mark <= text.size; i++) {
        if (text.data[i] != '[' || memcmp(text.data + i, REDACT_MARK, mark) != 0)
            continue;
        ol__buf_add(out, text.data + copied, i - copied);
        ol__buf_add_text(out, REDACTED);
        copied = i + mark;
        i = copied - 1;
    }
    ol__buf_add(out, text.data + copied, text.size - copied);
    if (t->buffers[t->turn].status != OL_OK && out->status == OL_OK)
        out->status = t->buffers[t->turn].status;
}

/* ---- expressions; under the lock ---- */

/* All matches of one expression. @p check as in struct builtin. */
static void replace(struct travel *t, const struct ol__expression *x,
                    size_t (*check)(struct ol__span match))
{
    struct ol__match match[OL_EXPRESSION_GROUPS];
    struct ol__span text = text_of(t);
    struct ol__buf *out = NULL;
    size_t copied = 0, from = 0;
    enum ol__found found;
    while ((found = ol__expression_find(x, patterns.matcher, text, from, match)) == OL_FOUND) {
        struct ol__span what = {.data = text.data + match[0].begin,
                                .size = match[0].end - match[0].begin};
        size_t size = check != NULL ? check(what) : what.size;
        if (size == 0) { /* it only looked like one; what is checked is ASCII */
            from = match[0].begin + 1;
            continue;
        }
        if (out == NULL)
            out = other(t);
        ol__buf_add(out, text.data + copied, match[0].begin - copied);
        ol__buf_add_text(out, REDACT_MARK);
        copied = from = match[0].begin + size;
    }
    if (found == OL_FOUND_LIMIT) { /* 1 */
        take_whole(t);
    } else if (out != NULL) {
        ol__buf_add(out, text.data + copied, text.size - copied);
        t->turn = 1 - t->turn;
    }
}

static bool has_filter(void)
{
    if (patterns.filter == NULL)
        patterns.filter = builtin_filter_new(builtin_find("all") & ~builtin_named_bit());
    return patterns.filter != NULL;
}

static bool has_builtin(size_t i)
{
    if (patterns.builtins[i] == NULL)
        OL_IGNORE(ol__expression_new(builtins[i].expression, false, &patterns.builtins[i], NULL) !=
                      OL_OK,
                  "out of memory: the text is taken out whole");
    return patterns.builtins[i] != NULL;
}

static void apply_patterns(struct travel *t)
{
    uint32_t found = has_filter() ? builtin_filter_find(patterns.filter, text_of(t), false) : 0;
    bool is_able = patterns.filter != NULL;
    if (is_able && found == 0 && patterns.own_count == 0)
        return;
    if (is_able && patterns.matcher == NULL)
        is_able = ol__matcher_new(&patterns.matcher, NULL) == OL_OK;
    if (!is_able) {
        take_whole(t); /* 1 */
        return;
    }
    ol__matcher_begin(patterns.matcher, BUDGET_US);
    for (; found != 0; found &= found - 1) {
        unsigned i = (unsigned)__builtin_ctz(found);
        if (has_builtin(i))
            replace(t, patterns.builtins[i], builtins[i].check);
        else
            take_whole(t);
    }
    for (size_t i = 0; i < patterns.own_count; i++)
        replace(t, patterns.own[i], NULL);
}

static void redact(struct ol__span text, bool is_content, struct ol__buf *out)
{
    struct travel t = {.turn = 0};
    if (text.size == 0)
        return;
    for (size_t i = 0; i < OL_COUNT(t.buffers); i++)
        ol__buf_init(&t.buffers[i], ONE_EXPRESSION_MAX);
    arrive(&t, text);
    redact_names(text_of(&t), is_content, other(&t));
    t.turn = 1;
    pthread_mutex_lock(&patterns.lock);
    apply_patterns(&t);
    pthread_mutex_unlock(&patterns.lock);
    leave(&t, out);
    for (size_t i = 0; i < OL_COUNT(t.buffers); i++)
        ol__buf_release(&t.buffers[i]);
}

void redact_text(struct ol__span text, struct ol__buf *out)
{
    redact(text, false, out);
}

bool redact_content(struct ol__span text, struct ol__buf *out)
{
    size_t before = out->size;
    redact(text, true, out);
    const char *data = out->data != NULL ? out->data + before : "";
    return out->status != OL_OK ||
           !ol__span_equal(text, (struct ol__span){.data = data, .size = out->size - before});
}

void redact_value(const char *name, const char *value, struct ol__buf *out)
{
    if (redact_is_secret_name(name))
        ol__buf_add_text(out, REDACTED);
    else
        redact_text(ol__span_text(value), out);
}

void redact_argument(const char *argument, bool *is_value, struct ol__buf *out)
{
    bool is_secret = *is_value;
    size_t dashes = strspn(argument, "-"), name = strcspn(argument + dashes, "=");
    bool has_value = argument[dashes + name] == '=';
    struct ol__span key = {.data = argument + dashes, .size = name};
    *is_value = false;
    if (is_secret) {
        ol__buf_add_text(out, REDACTED);
        return;
    }
    bool is_name = name > 0 && memchr(key.data, ' ', name) == NULL &&
                   memchr(key.data, ':', name) == NULL && memchr(key.data, '?', name) == NULL;
    if (is_name && redact_is_secret(key)) {
        if (has_value) { /* all of it: blanks and signs are of the value */
            redact_text((struct ol__span){.data = argument, .size = dashes + name + 1}, out);
            if (argument[dashes + name + 1] != '\0')
                ol__buf_add_text(out, REDACTED);
            return;
        }
        *is_value = dashes > 0;
    }
    redact_text(ol__span_text(argument), out);
}
