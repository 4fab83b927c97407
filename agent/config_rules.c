/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one rule, once, as in config_table.c; what they mean is made in rules/. Texts,
 * lists and sizes have no defaults here, so that a key which a rule's type does not have is seen.
 */
#include "config.h"

#define AT(member) offsetof(struct rule_config, member)
#define LIST_MAX 1000
#define GIB (INT64_C(1024) * 1024 * 1024)
#define TEXTS(name, member, text)                                                                  \
    {                                                                                              \
        .key = (name), .type = OL_SETTING_TEXT_LIST, .offset = AT(member), .max = LIST_MAX,        \
        .help = (text)                                                                             \
    }
#define TEXT(name, member, text)                                                                   \
    {                                                                                              \
        .key = (name), .type = OL_SETTING_TEXT, .offset = AT(member), .help = (text)               \
    }

const struct ol__setting rule_settings[] = {
    {.key = "(line)", .type = OL_SETTING_INT, .offset = AT(line)},
    {.key = "name",
     .type = OL_SETTING_TEXT,
     .offset = AT(name),
     .is_required = true,
     .help = "Names the rule in metrics, messages and replacements: 1 to 64 of a-z, 0-9, '_' and "
             "'-', unique."},
    {.key = "type",
     .type = OL_SETTING_ENUM,
     .offset = AT(type),
     .is_required = true,
     .choices = "redact|drop|rename|tag|shed",
     .help = "What it does: redact takes secrets out of texts; drop answers the event as taken and "
             "keeps nothing of it; rename gives namespaces other names; tag adds tags to the run "
             "or the job; shed leaves out facets that are too large."},
    TEXTS("job", job, "Only events of a job of one of these names."),
    TEXTS("job_prefix", job_prefix, "Only events of a job whose name begins with one of these."),
    TEXT("job_regex", job_regex, "Only events of a job whose whole name matches."),
    TEXTS("namespace", name_space,
          "Only events of a job in one of these namespaces; of a DatasetEvent, its dataset's."),
    TEXTS("namespace_prefix", namespace_prefix,
          "Only events whose namespace begins with one of these."),
    TEXT("namespace_regex", namespace_regex, "Only events whose whole namespace matches."),
    TEXTS("producer", producer, "Only events of one of these producers."),
    TEXTS("producer_prefix", producer_prefix,
          "Only events whose producer begins with one of these."),
    TEXT("producer_regex", producer_regex, "Only events whose whole producer matches."),
    TEXTS("event_type", event_type,
          "Only events of these types: START, RUNNING, COMPLETE, ABORT, FAIL, OTHER, or none for "
          "an event without eventType; JOB and DATASET for events without a run."),
    TEXTS("builtin", builtin,
          "redact: patterns that are built in, by name, or all; lineaged rules list shows them."),
    TEXT("pattern", pattern,
         "redact: a regular expression (PCRE2); what it matches in texts is replaced. What stands "
         "before \\K in it stays."),
    TEXT("facet", facet,
         "redact: only in facets of this name; without builtin and pattern every value of it is "
         "replaced."),
    TEXT("pointer", pointer,
         "redact: only at and below this JSON pointer, * for any one step: from the event's root, "
         "or with facet from inside of the facet. Without builtin and pattern every value there is "
         "replaced: a text by with, a number or truth value by null."),
    TEXT("with", with,
         "redact: what stands in place of what was taken out. Default: [redacted:NAME], the name "
         "of the built-in pattern or of the rule."),
    TEXTS("from", from, "rename: namespaces, whole."),
    TEXT("from_prefix", from_prefix, "rename: what namespaces begin with; the rest of them stays."),
    TEXT("from_regex", from_regex,
         "rename: an expression that a whole namespace matches; $1 to $9 in to are its groups."),
    TEXTS("from_hosts", from_hosts,
          "rename: hosts, each with or without a port. A namespace SCHEME://HOSTS whose hosts, "
          "commas between, are all in this list gets to in place of its hosts, in whatever order "
          "they stand."),
    TEXT("to", to, "rename: the new name."),
    {.key = "of",
     .type = OL_SETTING_ENUM,
     .offset = AT(of),
     .default_value = "all",
     .choices = "all|jobs|datasets",
     .help = "rename: whose namespaces; facets that name jobs or datasets (parent, columnLineage, "
             "symlinks and others) are renamed with them."},
    TEXTS("run_tags", run_tags,
          "tag: KEY, KEY:VALUE or KEY:VALUE:SOURCE for the tags facet of runs. It replaces a tag "
          "of the same key; without a value it is \"true\", without a source CONFIG."),
    TEXTS("job_tags", job_tags, "tag: the same for jobs."),
    {.key = "max_facet",
     .type = OL_SETTING_SIZE,
     .offset = AT(max_facet),
     .min = 0,
     .max = GIB,
     .help = "shed: facets larger than this are left out, required ones apart; the facet "
             "lineaged_shed says which. 0: no limit."},
    {.key = "max_event",
     .type = OL_SETTING_SIZE,
     .offset = AT(max_event),
     .min = 0,
     .max = GIB,
     .help = "shed: of an event larger than this as many facets are left out as it takes, the "
             "largest first. 0: no limit."},
    TEXTS("keep", keep, "shed: facets, by name, that stay whatever their size."),
    {.key = NULL}};
