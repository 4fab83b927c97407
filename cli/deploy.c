/* SPDX-License-Identifier: Apache-2.0 */
/* lineage deploy: write down which version of a model serves where. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "decide.h"
#include "run_told.h"

static void print_help(void)
{
    puts("Usage: lineage deploy [OPTION]... MODEL --endpoint E\n"
         "Write down that MODEL serves at E from now on: these bytes, or this version.\n"
         "MODEL is a file or directory, a name with a version (models:/churn@v7), or a name: then\n"
         "the version that stands now, which is said.\n"
         "\n"
         "      --endpoint E         where it answers: a URL, or a name\n"
         "      --environment NAME   e.g. production\n"
         "      --traffic PERCENT    share of the requests; 0: it serves no more\n"
         "      --strategy S         replace (default), rolling, blue_green, canary or shadow\n"
         "      --status S           succeeded (default), failed or rolled_back\n"
         "      --replaces ID        id of the deployment that it takes the place of\n"
         "      --id ID              its own id; default: that of its run\n"
         "      --name NAME\n"
         "      --image REF[@DIGEST] the image that serves it\n"
         "      --config FILE        its configuration: hashed, not kept\n"
         "      --engine NAME        what runs it, e.g. 'vllm 0.6'\n"
         "      --model-version ID   what its answers call it; default: NAME@VERSION\n"
         "      --url URL            where it answers, if E is a name\n"
         "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else "
         "'default'\n"
         "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
         "      --json\n"
         "  -q, --quiet              say nothing about lineage on standard error\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0; 1 it is not written down, or MODEL is several; 2 usage; 3 nothing is "
         "known\n"
         "by that name.");
}

struct deploy {
    struct decide d;
    const char *x, *endpoint, *environment, *traffic, *strategy, *status, *replaces, *id, *name,
        *image, *config, *engine, *model_version, *url;
    char config_sha256[OL_SHA256_TEXT + 1], default_version[OL_DATASET_NAME_SIZE + DECIDE_VERSION];
    double traffic_percent;
    bool is_json;
};

static void write_facet(const struct decide *d, struct ol__json_writer *w, const char *record,
                        const char *sha256)
{
    const struct deploy *o = d->arg;
    const char *version = d->inputs[0].version;
    const char *digest = o->image != NULL ? strrchr(o->image, '@') : NULL;
    char image[1024];
    decide_member(w, "id", o->id != NULL ? o->id : d->run_id);
    decide_member(w, "name", o->name);
    decide_member(w, "environment", o->environment);
    ol__json_member_text(w, "status", o->status);
    ol__json_member_text(w, "strategy", o->strategy);
    if (o->traffic != NULL) {
        ol__json_key(w, "traffic_percent");
        ol__json_real(w, o->traffic_percent);
    }
    if (strncmp(version, "sha256:", 7) == 0)
        ol__json_member_text(w, "artifact_id", version + 7);
    ol__json_member_text_opt(w, "image_digest", digest != NULL ? digest + 1 : NULL);
    decide_member(w, "replaces", o->replaces);
    decide_member(w, "url", o->url);
    decide_member(w, "engine", o->engine);
    if (o->image != NULL) {
        snprintf(image, sizeof image, "%.*s",
                 digest != NULL ? (int)(digest - o->image) : (int)strlen(o->image), o->image);
        decide_member(w, "image", image);
    }
    if (o->config != NULL)
        ol__json_member_text(w, "config_sha256", o->config_sha256);
    ol__json_member_text_opt(w, "record", record);
    ol__json_member_text_opt(w, "record_sha256", sha256);
}

enum {
    ENDPOINT = 256,
    ENVIRONMENT,
    TRAFFIC,
    STRATEGY,
    STATUS,
    REPLACES,
    ID,
    NAME,
    IMAGE,
    CONFIG,
    ENGINE,
    MODEL_VERSION,
    URL,
    NAMESPACE,
    RUNS,
    JSON
};

static const struct option options[] = {{"endpoint", required_argument, NULL, ENDPOINT},
                                        {"environment", required_argument, NULL, ENVIRONMENT},
                                        {"traffic", required_argument, NULL, TRAFFIC},
                                        {"strategy", required_argument, NULL, STRATEGY},
                                        {"status", required_argument, NULL, STATUS},
                                        {"replaces", required_argument, NULL, REPLACES},
                                        {"id", required_argument, NULL, ID},
                                        {"name", required_argument, NULL, NAME},
                                        {"image", required_argument, NULL, IMAGE},
                                        {"config", required_argument, NULL, CONFIG},
                                        {"engine", required_argument, NULL, ENGINE},
                                        {"model-version", required_argument, NULL, MODEL_VERSION},
                                        {"url", required_argument, NULL, URL},
                                        {"namespace", required_argument, NULL, NAMESPACE},
                                        {"runs", required_argument, NULL, RUNS},
                                        {"json", no_argument, NULL, JSON},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static const char **find_text(struct deploy *o, int code)
{
    const char **const texts[] = {&o->endpoint, &o->environment,     &o->traffic, &o->strategy,
                                  &o->status,   &o->replaces,        &o->id,      &o->name,
                                  &o->image,    &o->config,          &o->engine,  &o->model_version,
                                  &o->url,      &o->d.job_namespace, &o->d.runs};
    return code >= ENDPOINT && code < JSON ? texts[code - ENDPOINT] : NULL;
}

static bool is_among(const char *text, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

static int check(struct deploy *o)
{
    static const char *const strategies[] = {"replace", "rolling", "blue_green",
                                             "canary",  "shadow",  NULL};
    static const char *const outcomes[] = {"succeeded", "failed", "rolled_back", NULL};
    char *end = NULL;
    if (o->x == NULL || o->x[0] == '\0')
        return cli_usage("deploy", "what? expected a model");
    if (o->endpoint == NULL || o->endpoint[0] == '\0')
        return cli_usage("deploy", "where? expected --endpoint E");
    if (!is_among(o->strategy, strategies))
        return cli_usage("deploy",
                         "--strategy: '%.60s': expected replace, rolling, blue_green, canary or "
                         "shadow",
                         o->strategy);
    if (!is_among(o->status, outcomes))
        return cli_usage("deploy", "--status: '%.60s': expected succeeded, failed or rolled_back",
                         o->status);
    if (o->traffic != NULL) {
        o->traffic_percent = strtod(o->traffic, &end);
        if (end == o->traffic || *end != '\0' || !isfinite(o->traffic_percent) ||
            o->traffic_percent < 0 || o->traffic_percent > 100)
            return cli_usage("deploy", "--traffic: '%.60s': expected a number from 0 to 100",
                             o->traffic);
    }
    return 0;
}

static int parse(int argc, char **argv, struct deploy *o)
{
    for (int c; (c = getopt_long(argc, argv, "qh", options, NULL)) != -1;) {
        const char **text = find_text(o, c);
        if (text != NULL && optarg[0] == '\0')
            return cli_usage("deploy", "an option's value must not be empty");
        if (text != NULL)
            *text = optarg;
        else if (c == JSON)
            o->is_json = true;
        else if (c == 'q')
            o->d.is_quiet = true;
        else if (c == 'h') {
            print_help();
            return -1;
        } else
            return cli_usage("deploy", "see the message above");
    }
    if (optind < argc)
        o->x = argv[optind++];
    if (optind < argc)
        return cli_usage("deploy", "'%.60s': one MODEL at a time", argv[optind]);
    return check(o);
}

/* The endpoint is a dataset: what calls it reads from there. A name is one of the name space
 * `endpoint`. */
static void name_endpoint(struct deploy *o)
{
    struct decide_subject *s = &o->d.output;
    char version[DECIDE_VERSION]; /* an endpoint has none */
    s->kind = "dataset";
    if (strstr(o->endpoint, "://") != NULL &&
        ol_dataset_name(o->endpoint, s->name_space, sizeof s->name_space, s->name, sizeof s->name,
                        version, sizeof version, NULL) == OL_OK)
        return;
    snprintf(s->name_space, sizeof s->name_space, "endpoint");
    snprintf(s->name, sizeof s->name, "%s", o->endpoint);
}

/* As Docker reads a reference: without a host it is of docker.io. */
static void add_image(struct deploy *o)
{
    struct decide_subject *s = &o->d.inputs[o->d.input_count];
    char uri[2048];
    size_t host = strcspn(o->image, "/");
    bool has_host = o->image[host] == '/' &&
                    (memchr(o->image, '.', host) != NULL || memchr(o->image, ':', host) != NULL ||
                     strncmp(o->image, "localhost/", 10) == 0);
    int size = snprintf(uri, sizeof uri, "docker://%s%s%s", has_host ? "" : "docker.io/",
                        has_host || strchr(o->image, '/') != NULL ? "" : "library/", o->image);
    *s = (struct decide_subject){.kind = "dataset"};
    if (size > 0 && (size_t)size < sizeof uri &&
        ol_dataset_name(uri, s->name_space, sizeof s->name_space, s->name, sizeof s->name,
                        s->version, sizeof s->version, NULL) == OL_OK)
        o->d.input_count++;
}

static int add_config(struct deploy *o)
{
    int64_t size = 0;
    struct decide_subject *s = &o->d.inputs[o->d.input_count];
    int result = decide_hash("deploy", o->config, o->config_sha256, &size);
    if (result != CLI_YES)
        return result;
    *s = (struct decide_subject){.kind = "dataset"};
    if (ol_dataset_name(o->config, s->name_space, sizeof s->name_space, s->name, sizeof s->name,
                        s->version, sizeof s->version, NULL) == OL_OK) {
        snprintf(s->version, sizeof s->version, "sha256:%s", o->config_sha256);
        o->d.input_count++;
    }
    return CLI_YES;
}

/* "churn@v7"; of bytes their digest. */
static void name_version(struct deploy *o)
{
    const struct decide_subject *s = &o->d.inputs[0];
    if (o->model_version != NULL) {
        o->d.model_version = o->model_version;
    } else if (s->version[0] != '\0') {
        bool is_digest = strncmp(s->version, "sha256:", 7) == 0;
        snprintf(o->default_version, sizeof o->default_version, "%s%s%s", is_digest ? "" : s->name,
                 is_digest ? "" : "@", s->version);
        o->d.model_version = o->default_version;
    }
}

static int deploy(struct deploy *o)
{
    int result = decide_find("deploy", o->x, false, &o->d.inputs[0]);
    if (result != CLI_YES)
        return result;
    if (strcmp(o->d.inputs[0].kind, "dataset") != 0)
        return cli_usage("deploy", "'%.100s' is a %s: expected a model", o->x, o->d.inputs[0].kind);
    o->d.inputs[0].is_model = true;
    o->d.input_count = 1;
    if (o->d.inputs[0].version[0] == '\0' && !o->d.is_quiet)
        cli_say("deploy: '%.200s': which version it is is not known, so that no approval can be of "
                "it",
                o->x);
    name_endpoint(o);
    name_version(o);
    if (o->config != NULL)
        result = add_config(o);
    if (result != CLI_YES)
        return result;
    if (o->image != NULL)
        add_image(o);
    decide_begin(&o->d);
    result = decide_record(&o->d);
    return result == CLI_YES ? decide_print(&o->d, o->is_json, "deployed") : result;
}

int verb_deploy(int argc, char **argv)
{
    struct deploy o = {.d = {.verb = "deploy",
                             .kind = "deployment",
                             .job = "lineaged.deployment",
                             .job_type = "DEPLOYMENT",
                             .facet_key = "lineaged_deployment",
                             .schema = RUN_FACET_SCHEMA("LineagedDeploymentRunFacet"),
                             .write_facet = write_facet},
                       .strategy = "replace",
                       .status = "succeeded"};
    o.d.arg = &o;
    int result = parse(argc, argv, &o);
    return result < 0 ? CLI_YES : result > 0 ? result : deploy(&o);
}
