# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(event_read ol_spec)
ol_fuzz_target(collect ol_facets)
