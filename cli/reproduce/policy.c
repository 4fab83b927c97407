/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include "files.h"

#define POLICY_MAX ((size_t)1 << 20)

static const char default_text[] =
    "# What is asked of every run. required: it can be done again; documented: somebody told;\n"
    "# optional: said if it is missing, and nothing else; ignored: not looked at.\n"
    "fields:\n"
    "  inputs: required         # each by content, and the bytes are there or can be made again\n"
    "  outputs: documented      # each by content, so that two can be compared\n"
    "  code: required           # a commit without differences, with them kept, or the text\n"
    "  command: required        # as it was called, nothing redacted\n"
    "  parameters: optional\n"
    "  seeds: optional\n"
    "  environment: documented  # the image's digest, or at least the machine\n"
    "  dependencies: optional   # a lock file that is still there, or the image's digest\n"
    "  tools: optional          # versions of interpreter and libraries\n"
    "  randomness: optional     # flags that make computation repeatable\n"
    "  calls: required          # no call of a model, unless its answer is kept\n"
    "# By job: globs over its name, or NAMESPACE/NAME; the last rule that says something counts.\n"
    "jobs:\n"
    "  - match: '*train*'\n"
    "    seeds: required\n"
    "  - match: '*fit*'\n"
    "    seeds: required\n"
    "  - match: '*sampl*'\n"
    "    seeds: required\n"
    "  - match: '*split*'\n"
    "    seeds: required\n"
    "  - match: '*tune*'\n"
    "    seeds: required\n"
    "# Globs over NAMESPACE/NAME of datasets whose versions stay where they are, e.g. "
    "s3://lake/*.\n"
    "keeps: []\n";

static const char *const names[REPRO_FIELDS] = {
    [REPRO_OUTCOME] = "outcome",
    [REPRO_INPUTS] = "inputs",
    [REPRO_OUTPUTS] = "outputs",
    [REPRO_CODE] = "code",
    [REPRO_COMMAND] = "command",
    [REPRO_PARAMETERS] = "parameters",
    [REPRO_SEEDS] = "seeds",
    [REPRO_ENVIRONMENT] = "environment",
    [REPRO_DEPENDENCIES] = "dependencies",
    [REPRO_TOOLS] = "tools",
    [REPRO_RANDOMNESS] = "randomness",
    [REPRO_CALLS] = "calls",
};

const char *repro_field_name(enum repro_field field)
{
    return names[field];
}

const char *repro_level_name(enum repro_level level)
{
    static const char *const levels[] = {"inherit", "required", "documented", "optional",
                                         "ignored"};
    return levels[level];
}

#define CHOICES "inherit|required|documented|optional|ignored"
#define LEVEL(section, of, field, name)                                                            \
    {                                                                                              \
        .key = section name, .type = OL_SETTING_ENUM,                                              \
        .offset = offsetof(struct of, levels) + sizeof(int) * (field), .default_value = "inherit", \
        .choices = CHOICES                                                                         \
    }
#define LEVELS(section, of)                                                                        \
    LEVEL(section, of, REPRO_INPUTS, "inputs"), LEVEL(section, of, REPRO_OUTPUTS, "outputs"),      \
        LEVEL(section, of, REPRO_CODE, "code"), LEVEL(section, of, REPRO_COMMAND, "command"),      \
        LEVEL(section, of, REPRO_PARAMETERS, "parameters"),                                        \
        LEVEL(section, of, REPRO_SEEDS, "seeds"),                                                  \
        LEVEL(section, of, REPRO_ENVIRONMENT, "environment"),                                      \
        LEVEL(section, of, REPRO_DEPENDENCIES, "dependencies"),                                    \
        LEVEL(section, of, REPRO_TOOLS, "tools"),                                                  \
        LEVEL(section, of, REPRO_RANDOMNESS, "randomness"),                                        \
        LEVEL(section, of, REPRO_CALLS, "calls")

static const struct ol__setting rule_settings[] = {
    {.key = "(line)", .type = OL_SETTING_INT, .offset = offsetof(struct repro_rule, line)},
    {.key = "match",
     .type = OL_SETTING_TEXT,
     .offset = offsetof(struct repro_rule, match),
     .is_required = true},
    LEVELS("", repro_rule),
    {.key = NULL}};

static const struct ol__setting policy_settings[] = {
    LEVELS("fields.", repro_policy),
    {.key = "jobs",
     .type = OL_SETTING_LIST,
     .offset = offsetof(struct repro_policy, rules),
     .max = REPRO_RULES_MAX,
     .table = rule_settings,
     .item_size = sizeof(struct repro_rule)},
    {.key = "keeps",
     .type = OL_SETTING_TEXT_LIST,
     .offset = offsetof(struct repro_policy, keeps),
     .max = REPRO_RULES_MAX},
    {.key = NULL}};

const char *repro_policy_text(void)
{
    return default_text;
}

static ol_status read_text(const char *name, struct ol__span yaml, struct repro_policy *ret,
                           struct ol_error *err)
{
    *ret = (struct repro_policy){.name = name};
    ol_status status = ol__settings_defaults(policy_settings, ret, err);
    if (status == OL_OK)
        status = ol__settings_read(policy_settings, ret, name, yaml, err);
    if (status != OL_OK)
        repro_policy_release(ret);
    return status;
}

/* What a file does not say is as the default policy has it; its jobs are instead of the default's.
 */
static void fill_in(struct repro_policy *policy, const struct repro_policy *usual)
{
    for (int i = 0; i < REPRO_FIELDS; i++)
        if (policy->levels[i] == REPRO_INHERIT)
            policy->levels[i] = usual->levels[i];
    policy->levels[REPRO_OUTCOME] = REPRO_REQUIRED;
}

ol_status repro_policy_read(const char *file, struct repro_policy *ret, struct ol_error *err)
{
    struct repro_policy usual;
    struct ol__buf text;
    ol_status status = read_text("default", ol__span_text(default_text), &usual, err);
    if (status != OL_OK)
        return status;
    fill_in(&usual, &usual);
    if (file == NULL) {
        *ret = usual;
        return OL_OK;
    }
    ol__buf_init(&text, POLICY_MAX);
    status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, file, &text, err);
    if (status == OL_OK)
        status = read_text(file, (struct ol__span){text.data != NULL ? text.data : "", text.size},
                           ret, err);
    if (status == OL_OK)
        fill_in(ret, &usual);
    ol__buf_release(&text);
    repro_policy_release(&usual);
    return status;
}

void repro_policy_release(struct repro_policy *policy)
{
    ol__settings_release(policy_settings, policy);
}

static bool is_match(const char *glob, const char *name_space, const char *name)
{
    char whole[4096];
    int size = snprintf(whole, sizeof whole, "%s/%s", name_space, name);
    return fnmatch(glob, name, 0) == 0 ||
           (size > 0 && (size_t)size < sizeof whole && fnmatch(glob, whole, 0) == 0);
}

void repro_policy_levels(const struct repro_policy *policy, const char *name_space,
                         const char *name, enum repro_level out[REPRO_FIELDS])
{
    const struct repro_rule *rules = policy->rules.items;
    for (int i = 0; i < REPRO_FIELDS; i++)
        out[i] = (enum repro_level)policy->levels[i];
    for (size_t r = 0; r < policy->rules.count; r++) {
        if (!is_match(rules[r].match, name_space, name))
            continue;
        for (int i = 0; i < REPRO_FIELDS; i++)
            if (rules[r].levels[i] != REPRO_INHERIT)
                out[i] = (enum repro_level)rules[r].levels[i];
    }
}

bool repro_policy_keeps(const struct repro_policy *policy, const char *name_space, const char *name)
{
    for (size_t i = 0; i < policy->keeps.count; i++)
        if (is_match(policy->keeps.items[i], name_space, name))
            return true;
    return false;
}
