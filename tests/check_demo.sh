#!/bin/sh
# check_demo.sh THAW THAW_DEMO_DATA: the story of tools/demo.sh with its claims checked: the same seed draws the same
# images, the frozen part stays as it was, and five new classes are learnt from 24 images each.
set -u
thaw=$1
draw=$2
source=$(cd "$(dirname "$0")/.." && pwd) || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

# check WHAT COMMAND...: counts whether the command succeeds.
check() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $what"
        failed=$((failed + 1))
    fi
}
# exits STATUS COMMAND...: does it end with that status?
exits() {
    wanted=$1
    shift
    "$@" >"$folder/output" 2>&1
    got=$?
    [ $got = "$wanted" ] || { cat "$folder/output"; echo "exit status $got, not $wanted"; return 1; }
}
# number KEY FILE: the value of a key that occurs once in a JSON file.
number() {
    tr ',{}' '\n\n\n' <"$2" | sed -n "s/^ *\"$1\" *: *//p" | head -n 1
}
above() {
    awk -v a="${1:-0}" -v b="$2" 'BEGIN { exit !(a >= b) }' || { echo "$1 is below $2"; return 1; }
}

check "drawing" exits 0 "$draw" --output "$folder/data" --seed 7
check "drawing again" exits 0 "$draw" --output "$folder/again" --seed 7
check "the same seed gives the same images" diff -rq "$folder/data" "$folder/again"
check "five classes of 24" [ "$(find "$folder/data" -name '*.png' | wc -l)" = 120 ]
check "an unknown task is refused" exits 2 "$draw" --task none --output "$folder/none"

if ! "$thaw" --json finetune --base "$source/tools/demo/base.onnx" --data "$folder/data" --output "$folder/mine.onnx" \
    >"$folder/finetune.json" 2>"$folder/errors"; then
    cat "$folder/errors"
fi
check "the frozen part is unchanged" [ "$(number frozen_unchanged "$folder/finetune.json")" = true ]
check "validation accuracy" above "$(number best_val_top1 "$folder/finetune.json")" 0.75
check "drawing others" exits 0 "$draw" --output "$folder/new" --seed 8 --per-class 60
check "evaluate" exits 0 "$thaw" --json evaluate "$folder/mine.onnx" --data "$folder/new"
check "accuracy on images that are new" above "$(number top1 "$folder/output")" 0.75
check "predict" exits 0 "$thaw" --json predict "$folder/mine.onnx" "$folder/new/key/key_0003.png"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
