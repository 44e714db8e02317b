#!/bin/sh
# compare_finetune.sh THAW [SEEDS]: is the last stage worth training? On real photographs: a new head alone, then, from
# that model, the head and the stage below it at a low rate. Prints validation top-1 of both for splits 1 to SEEDS
# (default 3) as the table of docs/accuracy.md. Not a test: it takes minutes, and its numbers are for people to read.
# Needs the models and images in THAW_SHARED_DIR; exits with 77 without.
set -eu
thaw=$1
seeds=${2:-3}
shared=${THAW_SHARED_DIR:-$(cd "$(dirname "$0")/.." && pwd)/shared}
[ -d "$shared/models" ] && [ -d "$shared/data" ] || { echo "skipped: no models and data in $shared"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# best ARGUMENTS...: the best validation top-1 of a run, and how many images that was of.
best() {
    "$thaw" --json --progress none -q finetune "$@" >"$folder/result.json"
    tr ',{}' '\n\n\n' <"$folder/result.json" | sed -n 's/^ *"\(best_val_top1\|val_count\)" *: *//p' | sort -g | tr '\n' ' '
}
# compare MODEL DATA OPTION...: a line for each split, and the means.
compare() {
    model=$1 data=$2
    shift 2
    : >"$folder/scores"
    for seed in $(seq "$seeds"); do
        head=$(best --recipe finetune --base "$shared/models/$model.onnx" --data "$shared/data/$data" --split-seed "$seed" \
            --output "$folder/head.onnx" "$@")
        stage=$(best --base "$folder/head.onnx" --data "$shared/data/$data" --split-seed "$seed" \
            --output "$folder/stage.onnx" --unfreeze 1 --lr 1e-4 --warmup 15 --epochs 8)
        echo "$head $stage" | tee -a "$folder/scores" | awk -v start="| $model | $data | $seed" '
            { printf "%s | %d | %.1f %% | %.1f %% |\n", start, $2, 100 * $1, 100 * $3 }'
    done
    awk -v start="| $model | $data | mean" '{ head += $1; stage += $3 }
        END { printf "%s | | %.1f %% | %.1f %% |\n", start, 100 * head / NR, 100 * stage / NR }' "$folder/scores"
}

echo "| base | images | split | validated on | head alone | then the last stage too |"
echo "| --- | --- | --- | --- | --- | --- |"
compare mobilenet_v1_1.0_trunk sign_digits --preprocess tf
compare mobilenet_v1_1.0_trunk trashnet --preprocess tf
compare squeezenet1.1 sign_digits --preprocess raw --channel-order bgr
