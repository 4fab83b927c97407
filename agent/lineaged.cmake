# SPDX-License-Identifier: Apache-2.0
# lineaged itself, and its manual pages: the settings in lineaged.yaml(5) come from the program's own table.
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/deliver/deliver.c AND TARGET agent_intake AND TARGET agent_spool AND TARGET agent_deliver AND TARGET agent_store AND TARGET agent_admin)
  add_executable(lineaged main.c parts.c notify.c)
  target_link_libraries(lineaged PRIVATE agent_intake agent_admin agent_deliver agent_store agent_spool agent_common)
  install(TARGETS lineaged RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
