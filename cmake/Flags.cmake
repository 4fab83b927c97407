# SPDX-License-Identifier: Apache-2.0
# Warnings, hardening and sanitizers, once for every target: link ol_flags.
add_library(ol_flags INTERFACE)
target_compile_definitions(ol_flags INTERFACE _GNU_SOURCE OL_VERSION="${PROJECT_VERSION}")
target_compile_options(ol_flags INTERFACE
  -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wundef -Wvla -Wnull-dereference
  -Wdouble-promotion -Wimplicit-fallthrough -fno-common -fstack-protector-strong
  -ffunction-sections -fdata-sections)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ol_flags INTERFACE -Wlogical-op -Wduplicated-cond -fstack-clash-protection)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ol_flags INTERFACE -fcf-protection)
endif()
if(OL_WERROR)
  target_compile_options(ol_flags INTERFACE -Werror)
endif()
if(OL_CRASHPOINTS)
  target_compile_definitions(ol_flags INTERFACE OL_CRASHPOINTS=1)
endif()
if(OL_SANITIZE)
  target_compile_options(ol_flags INTERFACE -fsanitize=${OL_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(ol_flags INTERFACE -fsanitize=${OL_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(ol_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(OL_FUZZ)
  target_compile_options(ol_flags INTERFACE -fsanitize=fuzzer-no-link) # so that libFuzzer sees coverage
endif()
target_link_options(ol_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
set(CMAKE_EXE_LINKER_FLAGS "${CMAKE_EXE_LINKER_FLAGS} -pie")
