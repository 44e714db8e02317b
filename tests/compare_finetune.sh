#!/bin/sh
# compare_finetune.sh THAW [SEEDS [OPTION...]]: is the last stage worth training? On real photographs: a new head alone,
# then, from that model, the head and the stage below it, augmented. Every split is in three: images to train on, one
# fifth that picks the best epoch, and one fifth that neither run has seen. Prints top-1 of both models on the last two,
# for splits 1 to SEEDS (default 3), as the table of docs/accuracy.md; options replace those of the second run. Not a
# test: it takes minutes, and its numbers are for people to read. ONLY=MODEL:DATA leaves the other pairs out.
# Needs the models and images in THAW_SHARED_DIR; exits with 77 without.
set -eu
thaw=$1
seeds=${2:-3}
[ $# -gt 2 ] && shift 2 || set -- --unfreeze 1 --lr 3e-4 --epochs 15 --augment basic --cache-views 8
shared=${THAW_SHARED_DIR:-$(cd "$(dirname "$0")/.." && pwd)/shared}
[ -d "$shared/models" ] && [ -d "$shared/data" ] || { echo "skipped: no models and data in $shared"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# split DATA SEED: links to the images of each class, in data/train, data/val and test.
split() {
    rm -rf "$folder/data" "$folder/test"
    yes "$2" | head -c 100000 >"$folder/random"
    for class in "$shared/data/$1"/*/; do
        name=$(basename "$class")
        mkdir -p "$folder/data/train/$name" "$folder/data/val/$name" "$folder/test/$name"
        find "$class" -type f | sort | shuf --random-source="$folder/random" >"$folder/list"
        fifth=$(($(wc -l <"$folder/list") / 5))
        head -n "$fifth" "$folder/list" | xargs ln -s -t "$folder/test/$name"
        sed "1,${fifth}d" "$folder/list" | head -n "$fifth" | xargs ln -s -t "$folder/data/val/$name"
        sed "1,$((2 * fifth))d" "$folder/list" | xargs ln -s -t "$folder/data/train/$name"
    done
}
# number KEY: the value of a key of result.json.
number() {
    tr ',{}' '\n\n\n' <"$folder/result.json" | sed -n "s/^ *\"$1\" *: *//p"
}
# train OUTPUT OPTION...: "BEST SEEN COUNT": top-1 on the images that picked the epoch, and on those of the test.
train() {
    output=$1
    shift
    "$thaw" --json -q finetune --data "$folder/data" --output "$output" "$@" >"$folder/result.json"
    best=$(number best_val_top1)
    "$thaw" --json -q evaluate "$output" --data "$folder/test" >"$folder/result.json"
    echo "$best $(number top1) $(number count | head -n 1)"
}
# compare MODEL DATA PREPROCESSING OPTION...: a line for each split, and the means.
compare() {
    [ "${ONLY:-$1:$2}" = "$1:$2" ] || return 0
    model=$1 data=$2 preprocess=$3
    shift 3
    : >"$folder/scores"
    for seed in $(seq "$seeds"); do
        split "$data" "$seed"
        # shellcheck disable=SC2086 # the words are options
        head=$(train "$folder/head.onnx" --recipe finetune --base "$shared/models/$model.onnx" $preprocess)
        stage=$(train "$folder/stage.onnx" --base "$folder/head.onnx" "$@")
        echo "$head $stage" | tee -a "$folder/scores" | awk -v start="| $model | $data | $seed" '{
            printf "%s | %.1f %% | %.1f %% | %d | %.1f %% | %.1f %% |\n", start, 100 * $1, 100 * $4, $3, 100 * $2, 100 * $5 }'
    done
    awk -v start="| $model | $data | mean" '{ a += $1; b += $4; n += $3; c += $2; d += $5 } END {
        printf "%s | %.1f %% | %.1f %% | %d | %.1f %% | %.1f %% |\n", start, 100 * a / NR, 100 * b / NR, n, 100 * c / NR,
               100 * d / NR }' "$folder/scores"
}

echo "| base | images | split | validation: head alone | then the stage | test images | test: head alone | then the stage |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
compare mobilenet_v1_1.0_trunk sign_digits "--preprocess tf" "$@"
compare mobilenet_v1_1.0_trunk trashnet "--preprocess tf" "$@"
compare squeezenet1.1 sign_digits "--preprocess raw --channel-order bgr" "$@"
