# SPDX-License-Identifier: Apache-2.0
ol_unit_test(journal_intake agent_intake agent_spool ol_emitter ol_test_support)
