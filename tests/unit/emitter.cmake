# SPDX-License-Identifier: Apache-2.0
foreach(name journal_writer dataset_name run)
  ol_unit_test(${name} ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE emitter_help.c)
endforeach()
