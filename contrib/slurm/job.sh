#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#SBATCH --job-name=train --signal=B:TERM@60
# A job that leaves a receipt itself: one attempt at a step of the run that was begun where it was submitted
# (eval "$(lineage begin --export)"; sbatch job.sh). A requeued job is the next attempt. What it starts are its children.
eval "$(lineage start --step train --input data.csv --output model.bin --export)"
trap 'lineage finish --if-open --status "$?"' EXIT
trap 'lineage finish --if-open --abort --status 143; exit 143' TERM # the time limit is near
lineage run --job prepare -i data.csv -o clean.csv -- sort data.csv -o clean.csv
${TRAIN:-cp clean.csv model.bin} &
wait $!
