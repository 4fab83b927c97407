# SPDX-License-Identifier: Apache-2.0
foreach(name journal_writer dataset_name naming_page dataset_facets run client fork context propagate mistakes shed answer call call_answer call_receipt)
  ol_unit_test(${name} ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE emitter_help.c)
endforeach()
# They load the modules that read openlineage.yml and speak HTTP.
add_dependencies(test_client openlineage_yaml openlineage_http)
set_tests_properties(unit.client PROPERTIES
  ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:openlineage_yaml>:$ENV{LD_LIBRARY_PATH}")
target_compile_definitions(test_naming_page PRIVATE
  OL_NAMING_PAGE="${PROJECT_SOURCE_DIR}/docs/naming.md")
target_compile_definitions(test_context PRIVATE
  OL_CONTEXT_PAGE="${PROJECT_SOURCE_DIR}/docs/context.md")
target_compile_definitions(test_call_receipt PRIVATE
  OL_RECEIPT_SCHEMA="${PROJECT_SOURCE_DIR}/spec/schemas/Receipt-1-0-0.json")
target_compile_definitions(test_call_answer PRIVATE OL_AI_PAGE="${PROJECT_SOURCE_DIR}/docs/ai.md")
ol_unit_test(trace_context ol_facets)
foreach(name config_keys rules transport_http)
  ol_unit_test(${name} ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE emitter_help.c)
  add_dependencies(test_${name} openlineage_yaml openlineage_http)
  set_tests_properties(unit.${name} PROPERTIES
    ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:openlineage_yaml>:$ENV{LD_LIBRARY_PATH}")
endforeach()
# Its getaddrinfo() is the one that libcurl meets.
set_target_properties(test_transport_http PROPERTIES ENABLE_EXPORTS ON)
target_link_libraries(test_config_keys PRIVATE ol_emitter_report)
