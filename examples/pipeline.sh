#!/usr/bin/env bash
# From a folder of Markdown to a measured student voice, as you would type it.
#
#   examples/pipeline.sh [MARKDOWN] [WORK] [CONFIG]
#
#   MARKDOWN  folder of study guides      default: examples/study_guides
#   WORK      where everything is written default: datasets/NAME and checkpoints/NAME, by the settings' name: demo
#   CONFIG    settings                    default: configs/demo_cpu.yaml
#
# Run it again after an interruption: finished stages are found finished, and the one that was stopped goes on.
# TTSD names the command, where it is not on the PATH: a path, or words such as "python -m ttsd".
set -euo pipefail

markdown=${1:-examples/study_guides}
work=${2:-}
config=${3:-configs/demo_cpu.yaml}
ttsd=("${TTSD:-ttsd}")
command -v "${ttsd[0]}" >/dev/null || read -ra ttsd <<<"${ttsd[0]}" # words, such as "python -m ttsd"

name=$(basename "$config" .yaml) # demo_cpu is plain demo
name=${name%_cpu}
data=${work:+$work/datasets}
data=${data:-datasets/$name}
run=${work:+$work/checkpoints}
run=${run:-checkpoints/$name}

times=''
step() {
    [ -z "${stage:-}" ] || times+=$(printf '%6d s  %s' $((SECONDS - since)) "$stage")$'\n'
    stage=${1:-} since=$SECONDS
    [ -z "$stage" ] || printf '\n== %s\n' "$stage" >&2
}

step "1/6 generate: the teacher reads the guides"
"${ttsd[@]}" generate "$markdown" "$data/raw" --config "$config"

step "2/6 preprocess: one sample rate, one loudness, clean edges"
"${ttsd[@]}" preprocess "$data/raw" "$data/processed" --config "$config"

step "3/6 qc: only clips that say their transcript are trained on"
"${ttsd[@]}" qc "$data/processed" "$data/curated" --config "$config"

step "4/6 train: the student learns the voice"
"${ttsd[@]}" train "$data/curated" "$run" --config "$config"

# Not the curated corpus: qc keeps what the recogniser understood, and that choice would favour the teacher.
step "5/6 evaluate: teacher and student on sentences the student never saw"
"${ttsd[@]}" evaluate "$data/processed" --ckpt "$run/last.ckpt" --config "$config"

step "6/6 synth: the student speaks"
"${ttsd[@]}" synth "Every cell of this plant turns light into sugar." \
    --ckpt "$run/last.ckpt" --out "$run/hello.wav" --config "$config"
"${ttsd[@]}" synth "Hello. I learned this voice on an ordinary computer, from a handful of study guides." \
    --ckpt "$run/last.ckpt" --out "$run/introduction.wav" --speed 0.9 --config "$config"

step
printf '\nTime by stage:\n%s%6d s  in all\n' "$times" "$SECONDS"
printf '\nDone. Listen to %s and %s,\nand open %s in a browser.\n' \
    "$run/hello.wav" "$run/introduction.wav" "$run/evaluation/report.html"
