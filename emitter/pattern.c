/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An expression costs little: no back references, at most OL_PATTERN_MAX bytes, and no more
 * than REPEAT_MAX copies by counted repetitions.
 *  2. A forked child does not wait for a thread of its parent: libc keeps a lock in a compiled
 * expression, so the child compiles its own. */
#include "pattern.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include "fork_lock.h"

#define REPEAT_MAX 1000 /* product of all counted repetitions */

struct ol__pattern {
    struct ol__fork_lock lock;
    regex_t regex;
    char *text; /* owned; as libc takes it */
    bool is_compiled;
};

/* ---- from what other clients write to what libc takes ---- */

static const char *class_of(char letter, bool in_bracket)
{
    switch (letter) {
    case 'd':
        return in_bracket ? "0-9" : "[0-9]";
    case 'D':
        return in_bracket ? NULL : "[^0-9]";
    case 's':
        return in_bracket ? "[:space:]" : "[[:space:]]";
    case 'S':
        return in_bracket ? NULL : "[^[:space:]]";
    case 'w':
        return in_bracket ? "[:alnum:]_" : "[[:alnum:]_]";
    case 'W':
        return in_bracket ? NULL : "[^[:alnum:]_]";
    default:
        return NULL;
    }
}

/* \x; @return false: not known. */
static bool add_escape(char letter, bool in_bracket, struct ol__buf *out)
{
    const char *class = class_of(letter, in_bracket);
    if (class != NULL) {
        ol__buf_add_text(out, class);
        return true;
    }
    if (isalnum((unsigned char)letter) || letter == '\0')
        return false;
    if (!in_bracket)
        ol__buf_add_char(out, '\\');
    /* In brackets libc takes these as they are, but a bracket or a hyphen would mean something. */
    else if (letter == ']' || letter == '-' || letter == '^')
        return false;
    ol__buf_add_char(out, letter);
    return true;
}

/* A bracket expression from its opening on; @return what follows it, NULL: wrong. */
static const char *take_bracket(const char *p, struct ol__buf *out)
{
    ol__buf_add_char(out, *p++);
    if (*p == '^')
        ol__buf_add_char(out, *p++);
    for (bool is_first = true; *p != '\0'; is_first = false) {
        if (*p == ']' && !is_first) {
            ol__buf_add_char(out, *p);
            return p + 1;
        }
        if (*p == '[' && p[1] == ':') {
            const char *end = strstr(p, ":]");
            if (end == NULL)
                return NULL;
            ol__buf_add(out, p, (size_t)(end + 2 - p));
            p = end + 2;
        } else if (*p == '\\') {
            if (!add_escape(p[1], true, out))
                return NULL;
            p += 2;
        } else {
            ol__buf_add_char(out, *p++);
        }
    }
    return NULL;
}

/* {n,m}: promise 1. */
static bool is_cheap(const char *p, long *copies)
{
    long most = 0;
    for (p++; *p != '\0' && *p != '}'; p++) {
        char *end;
        if (!isdigit((unsigned char)*p))
            continue;
        long n = strtol(p, &end, 10);
        most = n > most ? n : most;
        p = end - 1;
    }
    if (most > REPEAT_MAX)
        return false;
    *copies *= most > 0 ? most : 1;
    return *copies <= REPEAT_MAX;
}

static const char *translate(const char *p, struct ol__buf *out)
{
    long copies = 1;
    while (*p != '\0') {
        if (*p == '[') {
            p = take_bracket(p, out);
            if (p == NULL)
                return "a bracket expression that libc does not take";
        } else if (*p == '\\') {
            if (isdigit((unsigned char)p[1]))
                return "back references are not taken";
            if (!add_escape(p[1], false, out))
                return "an escape that is not known; there are \\d \\D \\w \\W \\s \\S";
            p += 2;
        } else if (p[0] == '(' && p[1] == '?') {
            if (p[2] != ':')
                return "(? is not in extended regular expressions, but for (?:";
            ol__buf_add_char(out, '(');
            p += 3;
        } else if (strchr("*+?}", *p) != NULL && (p[1] == '?' || p[1] == '+')) {
            return "lazy and possessive repetitions are not taken";
        } else if (*p == '{' && !is_cheap(p, &copies)) {
            return "more than 1000 copies by counted repetitions";
        } else {
            ol__buf_add_char(out, *p++);
        }
    }
    return NULL;
}

/* ---- compiling ---- */

ol_status ol__pattern_new(const char *expression, struct ol__pattern **ret, struct ol_error *err)
{
    struct ol__buf text;
    char why[128];
    if (strlen(expression) > OL_PATTERN_MAX)
        return ol__error_set(err, OL_INVALID, "longer than %d bytes", OL_PATTERN_MAX);
    ol__buf_init(&text, 16 * OL_PATTERN_MAX);
    const char *trouble = translate(expression, &text);
    struct ol__pattern *p = trouble == NULL ? calloc(1, sizeof *p) : NULL;
    if (p != NULL)
        p->text = text.size > 0 ? ol__buf_take(&text) : strdup("");
    ol__buf_release(&text);
    if (trouble != NULL)
        return ol__error_set(err, OL_INVALID, "%s", trouble);
    if (p == NULL || p->text == NULL || ol__fork_lock_init(&p->lock) != OL_OK) {
        if (p != NULL)
            free(p->text);
        free(p);
        return ol__error_set(err, OL_NOMEM, "out of memory");
    }
    int bad = regcomp(&p->regex, p->text, REG_EXTENDED);
    if (bad != 0) {
        regerror(bad, &p->regex, why, sizeof why);
        ol__pattern_free(p);
        return bad == REG_ESPACE ? ol__error_set(err, OL_NOMEM, "out of memory")
                                 : ol__error_set(err, OL_INVALID, "%s", why);
    }
    p->is_compiled = true;
    *ret = p;
    return OL_OK;
}

void ol__pattern_free(struct ol__pattern *p)
{
    if (p == NULL)
        return;
    /* One that a parent compiled may be in the middle of a match there: its memory stays. */
    if (p->is_compiled && atomic_load(&p->lock.generation) == ol__fork_generation())
        regfree(&p->regex);
    ol__fork_lock_release(&p->lock);
    free(p->text);
    free(p);
}

/* ---- matching ---- */

/* @return 0: found. */
static int search(struct ol__pattern *p, const char *text, int flags, regmatch_t *ret)
{
    int result = REG_ESPACE;
    if (ol__fork_lock_take(&p->lock)) /* promise 2 */
        p->is_compiled = regcomp(&p->regex, p->text, REG_EXTENDED) == 0;
    if (p->is_compiled)
        result = regexec(&p->regex, text, 1, ret, flags);
    ol__fork_lock_give(&p->lock);
    return result;
}

bool ol__pattern_begins(struct ol__pattern *p, const char *text)
{
    regmatch_t at;
    if (strnlen(text, OL_PATTERN_SUBJECT_MAX + 1) > OL_PATTERN_SUBJECT_MAX)
        return true;
    int result = search(p, text, 0, &at);
    return result == 0 ? at.rm_so == 0 /* the leftmost there is */ : result != REG_NOMATCH;
}

bool ol__pattern_replace(struct ol__pattern *p, struct ol__span text, const char *with,
                         struct ol__buf *out)
{
    bool has_replaced = false;
    char *copy = NULL;
    if (text.size > OL_PATTERN_SUBJECT_MAX || memchr(text.data, '\0', text.size) != NULL ||
        (copy = strndup(text.data, text.size)) == NULL) {
        ol__buf_add_text(out, with);
        return true;
    }
    const char *from = copy;
    for (int flags = 0; *from != '\0'; flags = REG_NOTBOL) {
        regmatch_t at;
        int result = search(p, from, flags, &at);
        if (result == REG_NOMATCH)
            break;
        if (result != 0) { /* no memory: better too little is said than too much */
            ol__buf_add_text(out, with);
            from += strlen(from);
            has_replaced = true;
            break;
        }
        ol__buf_add(out, from, (size_t)at.rm_so);
        if (at.rm_eo > at.rm_so) {
            ol__buf_add_text(out, with);
            has_replaced = true;
        } else { /* nothing was found here: go on behind it */
            size_t step = from[at.rm_so] != '\0';
            ol__buf_add(out, from + at.rm_so, step);
            at.rm_eo = at.rm_so + (regoff_t)step;
            if (step == 0) {
                from += at.rm_so;
                break;
            }
        }
        from += at.rm_eo;
    }
    ol__buf_add_text(out, from);
    free(copy);
    return has_replaced;
}
