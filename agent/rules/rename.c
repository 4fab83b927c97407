/* SPDX-License-Identifier: Apache-2.0 */
/* Other names for namespaces: of jobs, of datasets, and in the facets of the spec that name jobs or
 * datasets, so that an event still means one thing by one name. */
#include <strings.h>
#include "conditions.h"
#include "rules_impl.h"

/* Facets that name others by `namespace`; `lineage` names both, it goes with the datasets. */
static const struct {
    const char *key;
    bool is_job;
} naming_facets[] = {{"parent", true},         {"jobDependencies", true},
                     {"columnLineage", false}, {"symlinks", false},
                     {"lineage", false},       {"lifecycleStateChange", false}};

enum { OF_ALL, OF_JOBS, OF_DATASETS };

bool rename_is_for(const struct rule *rule, const struct ol__json_value *v, size_t facet_at)
{
    bool is_job = false;
    if (v->depth < 2 || !rules_key_is(v, v->depth - 1, "namespace"))
        return false;
    if (facet_at != SIZE_MAX) {
        size_t i = 0;
        while (i < OL_COUNT(naming_facets) && !rules_key_is(v, facet_at, naming_facets[i].key))
            i++;
        if (i == OL_COUNT(naming_facets))
            return false;
        is_job = naming_facets[i].is_job;
    } else if (v->depth == 2 && rules_key_is(v, 0, "job"))
        is_job = true;
    else if (!(v->depth == 2 && rules_key_is(v, 0, "dataset")) &&
             !(v->depth == 3 && v->path[1].is_index &&
               (rules_key_is(v, 0, "inputs") || rules_key_is(v, 0, "outputs"))))
        return false;
    return rule->config->of == OF_ALL || (rule->config->of == OF_JOBS) == is_job;
}

/* ---- hosts ---- */

static struct ol__span without_port(struct ol__span host)
{
    const char *colon = host.size > 0 ? memrchr(host.data, ':', host.size) : NULL;
    const char *bracket = host.size > 0 ? memrchr(host.data, ']', host.size) : NULL;
    if (colon != NULL && (bracket == NULL || colon > bracket))
        host.size = (size_t)(colon - host.data);
    return host;
}

static bool is_same_host(struct ol__span a, const char *b)
{
    return strlen(b) == a.size && strncasecmp(a.data, b, a.size) == 0;
}

static bool is_listed(const struct ol__text_list *hosts, struct ol__span host)
{
    struct ol__span bare = without_port(host);
    for (size_t i = 0; i < hosts->count && host.size > 0; i++)
        if (is_same_host(host, hosts->items[i]) || is_same_host(bare, hosts->items[i]))
            return true;
    return false;
}

/* SCHEME://[USER@]HOST[,HOST...][/...] whose hosts are all listed. */
static bool find_hosts(const struct ol__text_list *hosts, struct ol__span name,
                       struct ol__match *ret)
{
    const char *scheme = name.size > 0 ? memmem(name.data, name.size, "://", 3) : NULL;
    if (scheme == NULL)
        return false;
    size_t begin = (size_t)(scheme - name.data) + 3, end = begin;
    while (end < name.size && (name.data[end] == '\0' || strchr("/?#;", name.data[end]) == NULL))
        end++;
    const char *user = end > begin ? memrchr(name.data + begin, '@', end - begin) : NULL;
    if (user != NULL)
        begin = (size_t)(user - name.data) + 1;
    for (size_t at = begin; at <= end;) {
        const char *comma = at < end ? memchr(name.data + at, ',', end - at) : NULL;
        size_t stop = comma != NULL ? (size_t)(comma - name.data) : end;
        if (!is_listed(hosts, (struct ol__span){.data = name.data + at, .size = stop - at}))
            return false;
        at = stop + 1;
    }
    *ret = (struct ol__match){.begin = begin, .end = end};
    return true;
}

/* ---- names ---- */

/* $1 to $9 are groups, $0 the whole; $$ is one dollar. */
static void add_template(const char *to, struct ol__span name, const struct ol__match *groups,
                         struct ol__buf *out)
{
    for (; *to != '\0'; to++) {
        if (to[0] != '$' || (to[1] != '$' && (to[1] < '0' || to[1] > '9'))) {
            ol__buf_add_char(out, *to);
            continue;
        }
        to++;
        const struct ol__match *g = *to != '$' ? &groups[*to - '0'] : NULL;
        if (g == NULL)
            ol__buf_add_char(out, '$');
        else if (g->begin != SIZE_MAX)
            ol__buf_add(out, name.data + g->begin, g->end - g->begin);
    }
}

bool rename_apply(const struct rules *r, const struct rule *rule, struct ol__span name,
                  struct ol__buf *out, bool *ret_is_limit)
{
    const struct rule_config *c = rule->config;
    struct ol__match match[OL_EXPRESSION_GROUPS];
    size_t prefix = c->from_prefix != NULL ? strlen(c->from_prefix) : 0, before = out->size;
    if (conditions_list_has(&c->from, name)) {
        ol__buf_add_text(out, c->to);
    } else if (c->from_prefix != NULL && name.size >= prefix &&
               memcmp(name.data, c->from_prefix, prefix) == 0) {
        ol__buf_add_text(out, c->to);
        ol__buf_add(out, name.data + prefix, name.size - prefix);
    } else if (c->from_hosts.count > 0 && find_hosts(&c->from_hosts, name, match)) {
        ol__buf_add(out, name.data, match[0].begin);
        ol__buf_add_text(out, c->to);
        ol__buf_add(out, name.data + match[0].end, name.size - match[0].end);
    } else if (rule->from != NULL) {
        enum ol__found found = ol__expression_find(rule->from, r->matcher, name, 0, match);
        *ret_is_limit = found == OL_FOUND_LIMIT;
        if (found != OL_FOUND)
            return false;
        add_template(c->to, name, match, out);
    } else
        return false;
    struct ol__span after = {.data = out->data + before, .size = out->size - before};
    return out->status == OL_OK && !ol__span_equal(after, name);
}
