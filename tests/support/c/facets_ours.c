/* SPDX-License-Identifier: Apache-2.0 */
#include "facets_built.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* SHA-256 of "abc", and of nothing */
#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA_NONE "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

BUILT_OURS(artifact)
{
    return ol_dataset_set_artifact(
        h->output,
        OL_MAKE(ol_artifact, .artifact_id = SHA_ABC, .kind = OL_ARTIFACT_KIND_DIRECTORY,
                .basis = OL_ARTIFACT_BASIS_COMPUTED, .size = OL_INT(3), .media_type = "text/csv",
                .member_count = OL_INT(2), .members_sha256 = SHA_NONE));
}

BUILT_OURS(artifact_remote)
{
    return ol_dataset_set_artifact(
        h->output, OL_MAKE(ol_artifact, .kind = OL_ARTIFACT_KIND_REMOTE,
                           .basis = OL_ARTIFACT_BASIS_UNKNOWN, .reason = "named only",
                           .etag = "9bb58f26192e4ba00f01e2e7b136bbd8", .version_id = "3HL4kqtJ"));
}

BUILT_OURS(ai_call)
{
    static const char *const reasons[] = {"stop", "length"};
    static const char *const stops[] = {"\n\n"};
    static const char *const formats[] = {"float"};
    return ol_run_set_ai_call(
        h->run,
        OL_MAKE(ol_ai_call, .client_request_id = "run=r;step=ask;attempt=1", .provider = "openai",
                .operation = OL_AI_CALL_OPERATION_CHAT, .request_model = "m-4",
                .response_model = "m-4-2026-08-06", .response_id = "chatcmpl-1",
                .request_id_header = "x-request-id", .system_fingerprint = "fp_1",
                .service_tier = "default", .finish_reasons = reasons,
                .finish_reason_count = COUNT(reasons), .output_type = "json",
                .conversation_id = "c-1", .stream = OL_FALSE, .input_tokens = OL_INT(12),
                .output_tokens = OL_INT(34), .total_tokens = OL_INT(46),
                .cache_read_input_tokens = OL_INT(5), .cache_creation_input_tokens = OL_INT(0),
                .reasoning_output_tokens = OL_INT(20), .cost = OL_REAL(0.125), .currency = "USD",
                .temperature = OL_REAL(0.5), .top_p = OL_REAL(0.25), .top_k = OL_REAL(40),
                .max_tokens = OL_INT(256), .seed = OL_INT(7), .frequency_penalty = OL_REAL(0.5),
                .presence_penalty = OL_REAL(-0.5), .choice_count = OL_INT(2),
                .stop_sequences = stops, .stop_sequence_count = COUNT(stops),
                .dimension_count = OL_INT(1536), .encoding_formats = formats,
                .encoding_format_count = COUNT(formats), .tools_sha256 = SHA_NONE,
                .request_sha256 = SHA_ABC, .request_size = OL_INT(3),
                .request_redacted_sha256 = SHA_NONE, .response_sha256 = SHA_ABC,
                .response_size = OL_INT(3), .response_redacted_sha256 = SHA_NONE,
                .output_sha256 = SHA_ABC, .request_hmac = SHA_NONE, .response_hmac = SHA_NONE,
                .output_hmac = SHA_NONE, .hmac_key_id = "k1", .status_code = OL_INT(200),
                .error_type = "timeout", .tries = OL_INT(2), .latency_ms = OL_REAL(812.5),
                .time_to_first_chunk_ms = OL_REAL(90.25), .server_address = "api.example.org",
                .server_port = OL_INT(443), .url_path = "/v1/chat/completions",
                .api_version = "2026-01-01", .replay_of = SHA_ABC));
}

BUILT_OURS(prompt)
{
    static const char *const variables[] = {"question", "language"};
    return ol_run_set_prompt(h->run,
                             OL_MAKE(ol_prompt, .name = "ask", .version = "2", .registry = "git",
                                     .label = "production", .source_sha256 = SHA_ABC,
                                     .rendered_sha256 = SHA_NONE, .rendered_size = OL_INT(0),
                                     .rendered_hmac = SHA_ABC, .hmac_key_id = "k1",
                                     .variables = variables, .variable_count = COUNT(variables)));
}

BUILT_OURS(retrieval)
{
    static const struct ol_retrieved_document documents[] = {
        OL_ITEM(ol_retrieved_document, .id = "doc-7", .score = OL_REAL(0.75), .cited = OL_TRUE,
                .sha256 = SHA_ABC),
        OL_ITEM(ol_retrieved_document, .id = "doc-9")};
    return ol_run_set_retrieval(
        h->run, OL_MAKE(ol_retrieval, .index = "manuals", .index_version = "42",
                        .embedding_model = "e-3", .embedding_dimensions = OL_INT(1536),
                        .chunking_sha256 = SHA_NONE, .reranker = "r-1", .top_k = OL_INT(8),
                        .query_sha256 = SHA_ABC, .query_hmac = SHA_NONE, .hmac_key_id = "k1",
                        .documents = documents, .document_count = COUNT(documents)));
}

BUILT_OURS(reproducibility)
{
    static const struct ol_named_text seeds[] = {
        OL_ITEM(ol_named_text, .key = "python", .value = "0"),
        OL_ITEM(ol_named_text, .key = "torch", .value = "18446744073709551615")};
    static const struct ol_named_text flags[] = {
        OL_ITEM(ol_named_text, .key = "CUBLAS_WORKSPACE_CONFIG", .value = ":4096:8")};
    static const struct ol_named_text versions[] = {
        OL_ITEM(ol_named_text, .key = "cudnn", .value = "9.1")};
    static const struct ol_kept_file files[] = {
        OL_ITEM(ol_kept_file, .role = OL_KEPT_FILE_ROLE_REQUIREMENTS, .path = "requirements.txt",
                .sha256 = SHA_ABC, .size = OL_INT(3), .object = "objects/ba/7816bf"),
        OL_ITEM(ol_kept_file, .role = OL_KEPT_FILE_ROLE_SCRIPT)};
    static const struct ol_data_split splits[] = {
        OL_ITEM(ol_data_split, .name = "train", .dataset = "file//raw.csv", .sha256 = SHA_NONE,
                .rows = OL_INT(800), .seed = "13"),
        OL_ITEM(ol_data_split, .name = "test")};
    return ol_run_set_reproducibility(
        h->run,
        OL_MAKE(ol_reproducibility, .seeds = seeds, .seed_count = COUNT(seeds),
                .determinism = flags, .determinism_count = COUNT(flags), .versions = versions,
                .version_count = COUNT(versions), .files = files, .file_count = COUNT(files),
                .splits = splits, .split_count = COUNT(splits)));
}

BUILT_OURS(metrics)
{
    static const struct ol_metric items[] = {
        OL_ITEM(ol_metric, .name = "loss", .value = OL_REAL(0.25), .step = OL_INT(3),
                .split = "validation"),
        OL_ITEM(ol_metric, .name = "auc", .value = OL_REAL(0.875))};
    return ol_run_set_metrics(h->run,
                              OL_MAKE(ol_metrics, .metrics = items, .metric_count = COUNT(items)));
}

BUILT_OURS(deployment)
{
    return ol_run_set_deployment(
        h->run, OL_MAKE(ol_deployment, .id = "d-9", .name = "ranker", .environment = "production",
                        .service = "shop", .status = OL_DEPLOYMENT_STATUS_SUCCEEDED,
                        .strategy = OL_DEPLOYMENT_STRATEGY_CANARY, .traffic_percent = OL_REAL(12.5),
                        .artifact_id = SHA_ABC, .image_digest = "sha256:" SHA_NONE,
                        .replaces = "d-8", .url = "https://shop.example.org/rank",
                        .engine = "vllm 0.6", .image = "shop/ranker:7", .config_sha256 = SHA_NONE,
                        .record = "decisions/000002.json", .record_sha256 = SHA_ABC));
}

BUILT_OURS(approvals)
{
    static const struct ol_evidence evidence[] = {
        OL_ITEM(ol_evidence, .name = "report.pdf", .sha256 = SHA_NONE, .size = OL_INT(0))};
    static const struct ol_approval items[] = {
        OL_ITEM(ol_approval, .verdict = OL_APPROVAL_VERDICT_APPROVED, .by = "user:ann",
                .role = "owner", .at = "2026-11-21T09:00:00Z", .policy = "four-eyes",
                .subject = SHA_ABC, .reason = "metrics hold", .url = "https://example.org/c/7",
                .subject_kind = OL_APPROVAL_SUBJECT_KIND_DATASET,
                .regulatory_framework = "EU AI Act", .evidence = evidence,
                .evidence_count = COUNT(evidence), .record = "decisions/000001.json",
                .record_sha256 = SHA_NONE),
        OL_ITEM(ol_approval, .verdict = OL_APPROVAL_VERDICT_WAIVED, .by = "rule:night")};
    return ol_run_set_approvals(
        h->run, OL_MAKE(ol_approvals, .approvals = items, .approval_count = COUNT(items)));
}

BUILT_OURS(gates)
{
    static const struct ol_gate items[] = {
        OL_ITEM(ol_gate, .name = "budget", .command = "check --token [redacted]",
                .verdict = OL_GATE_VERDICT_PASS, .exit_code = OL_INT(0), .duration_ms = OL_INT(15),
                .output_sha256 = SHA_NONE, .message = "within"),
        OL_ITEM(ol_gate, .verdict = OL_GATE_VERDICT_ERROR, .signal_name = "SIGKILL")};
    return ol_run_set_gates(h->run, OL_MAKE(ol_gates, .gates = items, .gate_count = COUNT(items)));
}

BUILT_OURS(code)
{
    static const struct ol_submodule modules[] = {
        OL_ITEM(ol_submodule, .path = "vendor/x", .commit = "2b1e"),
        OL_ITEM(ol_submodule, .path = "vendor/y")};
    return ol_run_set_code(
        h->run,
        OL_MAKE(ol_code, .vcs = OL_CODE_VCS_GIT, .commit = "1f2e", .branch = "main", .tag = "v1",
                .remote = "https://example.org/shop.git", .root = "/src/shop", .dirty = OL_TRUE,
                .changed_count = OL_INT(2), .untracked_count = OL_INT(1), .patch_sha256 = SHA_ABC,
                .patch_size = OL_INT(3), .patch_object = "objects/ba/7816bf", .submodules = modules,
                .submodule_count = COUNT(modules)));
}

BUILT_OURS(machine)
{
    static const struct ol_gpu gpus[] = {OL_ITEM(ol_gpu, .name = "H100", .vendor = "NVIDIA",
                                                 .device = "10de:2330", .address = "0000:01:00.0",
                                                 .uuid = "GPU-1", .driver_version = "550.54",
                                                 .memory_bytes = OL_INT(85899345920)),
                                         OL_ITEM(ol_gpu, .device = "1002:740f")};
    return ol_run_set_machine(
        h->run, OL_MAKE(ol_machine, .host = "n1", .os = "Debian GNU/Linux 12",
                        .kernel = "Linux 6.1.0", .arch = "x86_64", .libc = "glibc 2.36",
                        .cpu_model = "EPYC", .cpu_count = OL_INT(64), .cpu_limit = OL_REAL(2.5),
                        .memory_bytes = OL_INT(270582939648), .memory_limit_bytes = OL_INT(4096),
                        .gpus = gpus, .gpu_count = COUNT(gpus)));
}

BUILT_OURS(container)
{
    return ol_run_set_container(
        h->run,
        OL_MAKE(ol_container, .runtime = OL_CONTAINER_RUNTIME_CRI_O, .id = SHA_ABC, .name = "clean",
                .image = "registry.example.org/shop:1", .image_id = SHA_NONE,
                .image_digest = "sha256:" SHA_NONE, .pod_name = "clean-7f", .pod_namespace = "shop",
                .pod_uid = "u-1", .node = "n1"));
}

BUILT_OURS(tools)
{
    static const struct ol_tool items[] = {
        OL_ITEM(ol_tool, .tool = OL_TOOL_TOOL_MLFLOW, .project = "ranker", .run = "0a1b",
                .name = "night", .url = "https://mlflow.example.org"),
        OL_ITEM(ol_tool, .tool = OL_TOOL_TOOL_LAKEFS, .project = "lake", .ref = "main",
                .version = "c0ffee")};
    return ol_run_set_tools(h->run, OL_MAKE(ol_tools, .tools = items, .tool_count = COUNT(items)));
}

BUILT_OURS(dvc)
{
    static const struct ol_dvc_data data[] = {
        OL_ITEM(ol_dvc_data, .path = "data/raw", .role = OL_DVC_DATA_ROLE_DEP, .stage = "clean",
                .algorithm = OL_DVC_DATA_ALGORITHM_MD5,
                .hash = "22e3f61e52c0ba45334d973244efc155.dir", .size = OL_INT(12),
                .file_count = OL_INT(2)),
        OL_ITEM(ol_dvc_data, .path = "model.bin", .role = OL_DVC_DATA_ROLE_OUT)};
    return ol_run_set_dvc(h->run, OL_MAKE(ol_dvc, .root = "/src/shop", .lock_sha256 = SHA_ABC,
                                          .total_count = OL_INT(2), .data = data,
                                          .data_count = COUNT(data)));
}
