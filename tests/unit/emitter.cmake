# SPDX-License-Identifier: Apache-2.0
foreach(name journal_writer dataset_name run client fork context)
  ol_unit_test(${name} ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE emitter_help.c)
endforeach()
# They load the modules that read openlineage.yml and speak HTTP.
add_dependencies(test_client openlineage_yaml openlineage_http)
set_tests_properties(unit.client PROPERTIES
  ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:openlineage_yaml>:$ENV{LD_LIBRARY_PATH}")
