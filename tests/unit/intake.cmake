# SPDX-License-Identifier: Apache-2.0
foreach(name journal_intake journal_trouble journal_order journal_abort foreign)
  ol_unit_test(${name} agent_intake agent_spool ol_emitter ol_test_support)
  target_sources(test_${name} PRIVATE journal_help.c)
endforeach()
# The wall clock jumps.
target_link_options(test_journal_intake PRIVATE -Wl,--wrap=ol__time_now_ms)
target_link_options(test_journal_abort PRIVATE -Wl,--wrap=ol__time_now_ms
                    -Wl,--wrap=ol__time_monotonic_ms)
