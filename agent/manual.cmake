# SPDX-License-Identifier: Apache-2.0
# cmake -DPROGRAM=.. -DTEMPLATE=.. -DOUTPUT=.. -P manual.cmake: put the settings, as the program describes them,
# into the manual page.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${PROGRAM} --settings-manual OUTPUT_VARIABLE SETTINGS COMMAND_ERROR_IS_FATAL ANY
                OUTPUT_STRIP_TRAILING_WHITESPACE)
file(READ ${TEMPLATE} page)
string(REPLACE "@SETTINGS@" "${SETTINGS}" page "${page}")
file(WRITE ${OUTPUT} "${page}")
