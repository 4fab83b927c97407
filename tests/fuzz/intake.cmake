# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(journal agent_intake agent_spool)
