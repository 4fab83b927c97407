# SPDX-License-Identifier: Apache-2.0
ol_unit_test(senders agent_spool)
ol_unit_test(spool agent_spool ol_test_support PkgConfig::XXHASH)
ol_unit_test(spool_faults agent_spool ol_test_support)
ol_unit_test(spool_model agent_spool ol_test_support)
ol_unit_test(spool_torn agent_spool ol_test_support)
ol_unit_test(spool_rot agent_spool ol_test_support)
ol_unit_test(spool_cursor agent_spool ol_test_support)
ol_unit_test(dead_letters agent_spool ol_test_support)
