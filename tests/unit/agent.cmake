# SPDX-License-Identifier: Apache-2.0
ol_unit_test(dedup agent_intake)
ol_unit_test(config agent_common)
ol_unit_test(handover agent_common)
# The door and the group commit, over a running intake.
if(TARGET agent_spool)
  add_library(ol_intake_fixture STATIC intake_fixture.c)
  target_include_directories(ol_intake_fixture PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(ol_intake_fixture PUBLIC agent_intake agent_admin agent_spool ol_test_support PkgConfig::CMOCKA)
  ol_unit_test(http_door ol_intake_fixture PkgConfig::ZLIB)
  ol_unit_test(intake ol_intake_fixture Threads::Threads)
  ol_unit_test(admin ol_intake_fixture)
endif()
