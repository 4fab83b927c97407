# SPDX-License-Identifier: Apache-2.0
ol_unit_test(store_ingest store ol_test_support)
ol_unit_test(store store)
ol_unit_test(store_decisions store)
ol_unit_test(store_question store)
ol_unit_test(store_list store)
ol_unit_test(store_answers store)
ol_unit_test(store_members store)
set_tests_properties(unit.store_members PROPERTIES ENVIRONMENT
  STORE_SCHEMA_2=${PROJECT_SOURCE_DIR}/tests/data/store/schema_2.sql)
ol_unit_test(store_retention store)
ol_unit_test(store_writer agent_store)
ol_unit_test(store_ask store ol_test_support)
ol_unit_test(store_graph store ol_test_support)
ol_unit_test(store_columns store)
ol_unit_test(store_reproducible store ol_test_support)
ol_unit_test(store_tags store)
set_tests_properties(unit.store_ingest unit.store_columns PROPERTIES ENVIRONMENT
  OPENLINEAGE_REFERENCE=${PROJECT_SOURCE_DIR}/../shared/openlineage)
