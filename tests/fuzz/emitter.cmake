# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(dataset_name ol_emitter)
ol_fuzz_target(trace_context ol_emitter)
ol_fuzz_target(origin ol_emitter)
ol_fuzz_target(facet_check ol_facets)
ol_fuzz_target(call_head ol_emitter)
ol_fuzz_target(call_body ol_emitter)
