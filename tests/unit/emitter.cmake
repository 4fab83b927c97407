# SPDX-License-Identifier: Apache-2.0
foreach(name journal_writer dataset_name run client fork context)
  ol_unit_test(${name} ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE emitter_help.c)
endforeach()
# It loads the module that reads openlineage.yml.
add_dependencies(test_client openlineage_yaml)
set_tests_properties(unit.client PROPERTIES
  ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:openlineage_yaml>:$ENV{LD_LIBRARY_PATH}")
