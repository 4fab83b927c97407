/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of questions as they come from outside: text by name into struct store_question. */
#include "store.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

enum kind { TEXT, NUMBER, FLAG };

/* Every parameter that any question knows, in the order of the alphabet. */
static const struct parameter {
    const char *key;
    enum kind kind;
    size_t offset; /* in struct store_question */
    int64_t max;   /* of a number, which is 1 at least */
} parameters[] = {
#define AT(member) offsetof(struct store_question, member)
    {"after", TEXT, AT(after), 0},
    {"all", FLAG, AT(is_all), 0},
    {"at", TEXT, AT(at), 0},
    {"by_root", FLAG, AT(by_root), 0},
    {"column", TEXT, AT(column), 0},
    {"content", TEXT, AT(content), 0},
    {"depth", NUMBER, AT(depth), STORE_DEPTH_MAX},
    {"failed", FLAG, AT(is_failed), 0},
    {"from", NUMBER, AT(from), INT64_MAX},
    {"group", TEXT, AT(group), 0},
    {"job", TEXT, AT(job), 0},
    {"kind", TEXT, AT(kind), 0},
    {"limit", NUMBER, AT(limit), STORE_LIMIT_MAX},
    {"older_than", NUMBER, AT(older_than), INT64_MAX},
    {"open_for", NUMBER, AT(open_for), INT64_MAX},
    {"other", TEXT, AT(other), 0},
    {"other_content", TEXT, AT(other_content), 0},
    {"parent", TEXT, AT(parent), 0},
    {"request", FLAG, AT(is_request), 0},
    {"since", NUMBER, AT(since), INT64_MAX},
    {"since_deploy", FLAG, AT(is_since_deploy), 0},
    {"state", TEXT, AT(state), 0},
    {"steps", FLAG, AT(has_steps), 0},
    {"subject", TEXT, AT(subject), 0},
    {"tolerance", NUMBER, AT(tolerance), INT64_MAX},
    {"until", NUMBER, AT(until), INT64_MAX},
#undef AT
};

static ol_status set_number(const struct parameter *p, int64_t *field, const char *value,
                            struct ol_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0' || number < 1 ||
        number > p->max)
        return ol__error_set(err, OL_INVALID, "%s: expected a number from 1 to %lld", p->key,
                             (long long)p->max);
    *field = number;
    return OL_OK;
}

const char *store_question_key(size_t index)
{
    return index < OL_COUNT(parameters) ? parameters[index].key : NULL;
}

ol_status store_question_set(struct store_question *question, const char *key, const char *value,
                             struct ol_error *err)
{
    for (size_t i = 0; i < OL_COUNT(parameters); i++) {
        const struct parameter *p = &parameters[i];
        if (strcmp(p->key, key) != 0)
            continue;
        void *field = (char *)question + p->offset;
        if (p->kind == NUMBER)
            return set_number(p, field, value, err);
        if (p->kind == FLAG)
            *(bool *)field = true;
        else
            *(const char **)field = value;
        return OL_OK;
    }
    return ol__error_set(err, OL_NOT_FOUND, "no question has a parameter '%.100s'", key);
}
