#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# report.sh STATISTICS OUT: the statistics as a Markdown table.
set -eu
{
    echo '# Functions by file'
    echo
    echo '| file | functions | lines | longest |'
    echo '|---|---:|---:|---|'
    awk -F '\t' '{ printf "| %s | %d | %d | %s (%d) |\n", $1, $2, $3, $4, $5 }' "$1"
} >"$2"
