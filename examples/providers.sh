#!/usr/bin/env bash
# The data factory without a key and without a cost: Gemini and ElevenLabs are played by a server on this machine, which
# answers their own SDKs, writes transcripts by rule, speaks with a local voice, and keeps a billing book.
#
#   examples/providers.sh [WORK]     default: datasets/providers
#
# With your own keys the same commands run without the two base_url settings: see configs/generate_elevenlabs.yaml.
set -euo pipefail

work=${1:-datasets/providers}
ttsd=("${TTSD:-ttsd}")
command -v "${ttsd[0]}" >/dev/null || read -ra ttsd <<<"${ttsd[0]}" # words, such as "python -m ttsd"
python=${PYTHON:-python3}
mkdir -p "$work/guides"
cp examples/study_guides/{photosynthesis,statistics_basics}.md "$work/guides"

step() { printf '\n== %s\n' "$1" >&2; }

step "the provider opens"
ready="$work/provider.url"
rm -f "$ready" # of an earlier run
"$python" -m tests.provider --state "$work/provider" --latency-s 0.3 >"$ready" &
provider=$!
trap 'kill $provider 2>/dev/null || true' EXIT
until grep -qs '^http.*$' "$ready"; do
    kill -0 $provider || { echo "the provider did not start" >&2; exit 1; }
    sleep 0.2
done
url=$(cat "$ready")
export ELEVENLABS_API_KEY=of-the-demo GEMINI_API_KEY=of-the-demo

generate=("${ttsd[@]}" generate "$work/guides" "$work/raw" --config configs/generate_elevenlabs.yaml
    --set generate.terms_acknowledged=true --set "generate.rights=a local voice, CC0"
    --set generate.elevenlabs.voice=joe
    --set "generate.elevenlabs.base_url=$url" --set "generate.gemini.base_url=$url"
    --set "paths.takes=$work/takes" --set "paths.transcripts=$work/transcripts")

step "1/5 what it would cost"
"${generate[@]}" --plan

step "2/5 generate: Gemini writes, ElevenLabs speaks"
"${generate[@]}"

step "3/5 what it would cost now"
"${generate[@]}" --plan

step "4/5 preprocess: one sample rate, one loudness, clean edges"
"${ttsd[@]}" preprocess "$work/raw" "$work/processed" --set audio.sample_rate=24000

step "5/5 qc: only clips that say their transcript are trained on"
"${ttsd[@]}" qc "$work/processed" "$work/curated" --set audio.sample_rate=24000

printf '\nDone. The transcripts are in %s, the bought takes in %s,\nand %s is a corpus to train on.\n' \
    "$work/transcripts" "$work/takes" "$work/curated"
