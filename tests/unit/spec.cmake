# SPDX-License-Identifier: Apache-2.0
ol_unit_test(facet_table ol_spec)
ol_unit_test(event_read ol_spec ol_test_support)
ol_unit_test(event_recorded ol_spec)
target_compile_definitions(test_event_recorded PRIVATE SOURCE_DIRECTORY="${PROJECT_SOURCE_DIR}")
ol_unit_test(facet_place ol_facets)
ol_unit_test(collect ol_facets)
foreach(name facets facet_encode facets_built)
  ol_unit_test(${name} ol_facets ol_test_support)
  target_sources(test_${name} PRIVATE facets_fixture.c)
endforeach()
target_sources(test_facets_built PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/c/facets_built.c
  ${PROJECT_SOURCE_DIR}/tests/support/c/facets_ours.c)
target_compile_definitions(test_facets_built PRIVATE SOURCE_DIRECTORY="${PROJECT_SOURCE_DIR}")
add_test(NAME unit.generate
         COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/test_generate.py -v)
set_tests_properties(unit.generate PROPERTIES TIMEOUT ${OL_TEST_TIMEOUT} LABELS unit
                     ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
