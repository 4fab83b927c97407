# SPDX-License-Identifier: Apache-2.0
add_library(ol_rules_help STATIC rules_help.c)
target_include_directories(ol_rules_help PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(ol_rules_help PUBLIC agent_rules ol_flags PkgConfig::CMOCKA)
ol_unit_test(builtin ol_rules_help)
ol_unit_test(expression ol_expression)
ol_unit_test(agent_rules ol_rules_help ol_test_support)
ol_unit_test(rules_recorded ol_rules_help)
target_compile_definitions(test_rules_recorded PRIVATE SOURCE_DIRECTORY="${PROJECT_SOURCE_DIR}")
