/* SPDX-License-Identifier: Apache-2.0 */
/* What other tools say of the run by variables, and the variables that make computation repeatable.
 * One table each. */
#include <stddef.h>
#include <stdlib.h>
#include "collect.h"

/* A field of struct ol_tool takes the first variable that is set. */
static const struct tool {
    const char *tool;
    struct {
        size_t offset;
        bool is_url;
        const char *variables[4];
    } fields[7];
} tools[] = {
    {OL_TOOL_TOOL_MLFLOW,
     {{offsetof(struct ol_tool, project),
       false,
       {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"}},
      {offsetof(struct ol_tool, run), false, {"MLFLOW_RUN_ID"}},
      {offsetof(struct ol_tool, name), false, {"MLFLOW_RUN_NAME"}},
      {offsetof(struct ol_tool, url), true, {"MLFLOW_TRACKING_URI"}}}},
    {OL_TOOL_TOOL_FEAST,
     {{offsetof(struct ol_tool, project), false, {"FEAST_PROJECT"}},
      {offsetof(struct ol_tool, name), false, {"FEAST_FEATURE_VIEW", "FEAST_FEATURE_SERVICE"}},
      {offsetof(struct ol_tool, ref), false, {"FEAST_FS_YAML_FILE_PATH", "FEATURE_REPO_DIR"}}}},
    {OL_TOOL_TOOL_LAKEFS,
     {{offsetof(struct ol_tool, project), false, {"LAKEFS_REPOSITORY", "LAKEFS_REPO"}},
      {offsetof(struct ol_tool, ref), false, {"LAKEFS_BRANCH", "LAKEFS_REF"}},
      {offsetof(struct ol_tool, version), false, {"LAKEFS_COMMIT", "LAKEFS_COMMIT_ID"}},
      {offsetof(struct ol_tool, url),
       true,
       {"LAKECTL_SERVER_ENDPOINT_URL", "LAKEFS_ENDPOINT", "LAKEFS_HOST"}}}},
    {OL_TOOL_TOOL_DVC,
     {{offsetof(struct ol_tool, run), false, {"DVC_EXP_NAME"}},
      {offsetof(struct ol_tool, name), false, {"DVC_STAGE"}},
      {offsetof(struct ol_tool, version), false, {"DVC_EXP_BASELINE_REV"}}}},
};

/* key: what stands in the facet */
struct named {
    const char *key, *variable;
};
static const struct named seeds[] = {{"PYTHONHASHSEED", "PYTHONHASHSEED"},
                                     {"PL_GLOBAL_SEED", "PL_GLOBAL_SEED"}};
static const struct named flags[] = {{"CUBLAS_WORKSPACE_CONFIG", "CUBLAS_WORKSPACE_CONFIG"},
                                     {"CUDA_LAUNCH_BLOCKING", "CUDA_LAUNCH_BLOCKING"},
                                     {"NVIDIA_TF32_OVERRIDE", "NVIDIA_TF32_OVERRIDE"},
                                     {"TF_DETERMINISTIC_OPS", "TF_DETERMINISTIC_OPS"},
                                     {"TF_CUDNN_DETERMINISTIC", "TF_CUDNN_DETERMINISTIC"},
                                     {"MKL_CBWR", "MKL_CBWR"},
                                     {"OMP_NUM_THREADS", "OMP_NUM_THREADS"},
                                     {"MKL_NUM_THREADS", "MKL_NUM_THREADS"},
                                     {"OPENBLAS_NUM_THREADS", "OPENBLAS_NUM_THREADS"}};
static const struct named versions[] = {/* as official images set them */
                                        {"python", "PYTHON_VERSION"},
                                        {"torch", "PYTORCH_VERSION"},
                                        {"cuda", "CUDA_VERSION"},
                                        {"cudnn", "NV_CUDNN_VERSION"}};

static void collect_tool(struct ol__collected *c, const struct tool *from)
{
    struct ol_tool item = {.struct_size = sizeof item, .tool = from->tool};
    bool is_there = false;
    for (size_t i = 0; i < OL_COUNT(from->fields) && from->fields[i].variables[0] != NULL; i++) {
        const char *value = NULL;
        for (size_t k = 0; k < OL_COUNT(from->fields[i].variables) && value == NULL; k++) {
            const char *name = from->fields[i].variables[k];
            if (name == NULL)
                break;
            value = from->fields[i].is_url
                        ? ol__collect_keep_url(c, ol__span_text(secure_getenv(name)))
                        : ol__collect_variable(c, name);
        }
        if (value == NULL)
            continue;
        memcpy((char *)&item + from->fields[i].offset, &value, sizeof value);
        is_there = true;
    }
    if (!is_there)
        return;
    c->tool_items[c->tools.tool_count++] = item;
    c->tools.tools = c->tool_items;
    c->found |= OL_COLLECT_TOOLS;
}

static size_t collect_named(struct ol__collected *c, const struct named *from, size_t count,
                            struct ol_named_text *to)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = ol__collect_variable(c, from[i].variable);
        if (value != NULL)
            to[found++] = (struct ol_named_text){
                .struct_size = sizeof *to, .key = from[i].key, .value = value};
    }
    return found;
}

ol_status ol__collect_tools(struct ol__collected *c)
{
    struct ol_reproducibility *r = &c->reproducibility;
    _Static_assert(OL_COUNT(tools) <= OL_COLLECT_TOOLS_MAX, "each may be there");
    _Static_assert(OL_COUNT(seeds) <= OL_COLLECT_NAMED_MAX &&
                       OL_COUNT(flags) <= OL_COLLECT_NAMED_MAX &&
                       OL_COUNT(versions) <= OL_COLLECT_NAMED_MAX,
                   "each may be there");
    for (size_t i = 0; i < OL_COUNT(tools); i++)
        collect_tool(c, &tools[i]);
    r->seeds = c->seeds;
    r->determinism = c->determinism;
    r->versions = c->versions;
    r->seed_count = collect_named(c, seeds, OL_COUNT(seeds), c->seeds);
    r->determinism_count = collect_named(c, flags, OL_COUNT(flags), c->determinism);
    r->version_count = collect_named(c, versions, OL_COUNT(versions), c->versions);
    /* an empty list is left out */
    r->seeds = r->seed_count > 0 ? r->seeds : NULL;
    r->determinism = r->determinism_count > 0 ? r->determinism : NULL;
    r->versions = r->version_count > 0 ? r->versions : NULL;
    if (r->seed_count + r->determinism_count + r->version_count > 0)
        c->found |= OL_COLLECT_SEEDS;
    return OL_OK;
}
