/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_MATCH_H
#define CONFIG_MATCH_H
/** @file The settings of a struct route_match, as rows of config_table.c: a section of a route. */
#include "config.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): a member has none */
#define MATCH_LIST(section, member, name, text)                                                    \
    {                                                                                              \
        .key = #section "." name, .type = OL_SETTING_TEXT_LIST,                                    \
        .offset = offsetof(struct route_config, section.member), .max = 1000, .help = (text)       \
    }
#define MATCH_TEXT(section, member, name, text)                                                    \
    {                                                                                              \
        .key = #section "." name, .type = OL_SETTING_TEXT,                                         \
        .offset = offsetof(struct route_config, section.member), .help = (text)                    \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
#define MATCH_SETTINGS(section, which)                                                             \
    MATCH_LIST(section, name_space, "namespace",                                                   \
               which " of a job in one of these namespaces; of a DatasetEvent, its dataset's. "    \
                     "Conditions of one kind (namespace, namespace_prefix, namespace_regex) are "  \
                     "forms of which one has to hold; of different kinds all have to."),           \
        MATCH_LIST(section, namespace_prefix, "namespace_prefix",                                  \
                   which " whose namespace begins with one of these."),                            \
        MATCH_TEXT(section, namespace_regex, "namespace_regex",                                    \
                   which " whose whole namespace matches."),                                       \
        MATCH_LIST(section, job, "job", which " of a job of one of these names."),                 \
        MATCH_LIST(section, job_prefix, "job_prefix",                                              \
                   which " of a job whose name begins with one of these."),                        \
        MATCH_TEXT(section, job_regex, "job_regex", which " of a job whose whole name matches."),  \
        MATCH_LIST(section, producer, "producer", which " of one of these producers."),            \
        MATCH_LIST(section, producer_prefix, "producer_prefix",                                    \
                   which " whose producer begins with one of these."),                             \
        MATCH_TEXT(section, producer_regex, "producer_regex",                                      \
                   which " whose whole producer matches."),                                        \
        MATCH_LIST(section, event_type, "event_type",                                              \
                   which " of these types: START, RUNNING, COMPLETE, ABORT, FAIL, OTHER, or none " \
                         "for an event without eventType; JOB and DATASET for events without a "   \
                         "run."),                                                                  \
        MATCH_LIST(section, source, "source",                                                      \
                   which " that came in by one of these ways: http, journal, kafka, file, agent "  \
                         "(the inferred end of a run), import.")
#endif
