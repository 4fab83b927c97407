# SPDX-License-Identifier: Apache-2.0
# lineaged itself, and its manual pages: the settings in lineaged.yaml(5) come from the program's own table.
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/deliver/deliver.c AND TARGET agent_intake AND TARGET agent_spool AND TARGET agent_deliver AND TARGET agent_store AND TARGET agent_admin)
  add_executable(lineaged main.c parts.c notify.c rules_command.c)
  target_link_libraries(lineaged PRIVATE agent_intake agent_rules agent_admin agent_deliver agent_store agent_spool agent_common)
  install(TARGETS lineaged RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

  set(page ${CMAKE_CURRENT_BINARY_DIR}/lineaged.yaml.5)
  add_custom_command(OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:lineaged> -DOUTPUT=${page}
            -DTEMPLATE=${CMAKE_CURRENT_SOURCE_DIR}/lineaged.yaml.5.in
            -P ${CMAKE_CURRENT_SOURCE_DIR}/manual.cmake
    DEPENDS lineaged lineaged.yaml.5.in manual.cmake
    COMMENT "Describing the settings in lineaged.yaml(5)" VERBATIM)
  add_custom_target(lineaged_manual ALL DEPENDS ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
  install(FILES lineaged.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
endif()
