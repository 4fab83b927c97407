# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(spool_segment agent_spool)
