#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# symbols.sh OUT FILE...: one line for each C function: file, first line, name, length in lines. Relies on the
# style of this project: a function's opening and closing brace stand alone in column one.
set -eu
out=$1
shift
awk '
    FNR == 1 { name = "" }
    /^[A-Za-z_].*\(/ && !/;[[:space:]]*$/ && !/^(if|for|while|switch|return|else)/ {
        head = $0
        sub(/\(.*/, "", head)
        n = split(head, words, /[ *]+/)
        name = words[n]
        first = FNR
    }
    /^\{/ { begin = FNR }
    /^\}/ && name != "" && begin > 0 {
        printf "%s\t%d\t%s\t%d\n", FILENAME, first, name, FNR - first + 1
        name = ""
        begin = 0
    }
' "$@" >"$out"
