#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh OUT SOURCE...: sources -> symbol table -> statistics -> report. Two steps are wrapped by `lineage run`; the
# one in the middle is a C program that uses the library. Needs `lineage` and `statistics` in PATH.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
inputs=
for source in "$@"; do
    inputs="$inputs -i $source" # names of sources hold no spaces here
done
# shellcheck disable=SC2086
lineage run --job symbols $inputs -o "$out/symbols.tsv" -- "$here/symbols.sh" "$out/symbols.tsv" "$@"
statistics "$out/symbols.tsv" "$out/statistics.tsv"
lineage run --job report -i "$out/statistics.tsv" -o "$out/report.md" -- \
    "$here/report.sh" "$out/statistics.tsv" "$out/report.md"
