#!/bin/sh
# check_demo.sh THAW THAW_DEMO_DATA: the story of tools/demo.sh with its claims checked: the same seed draws the same
# images, the frozen part stays as it was, five new classes are learnt from 24 images each, and transfer is what it takes.
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

check "drawing others" exits 0 "$draw" --output "$folder/new" --seed 8 --per-class 60

# teach NAME OPTION...: trains NAME.onnx on the pictures and evaluates it on those that are new, into two JSON files.
teach() {
    name=$1
    shift
    check "$name: training" exits 0 "$thaw" --json --progress none -q finetune --data "$folder/data" \
        --output "$folder/$name.onnx" "$@"
    cp "$folder/output" "$folder/$name.json"
    check "$name: the frozen part is unchanged" [ "$(number frozen_unchanged "$folder/$name.json")" = true ]
    check "$name: evaluation" exits 0 "$thaw" --json --progress none -q evaluate "$folder/$name.onnx" \
        --data "$folder/new"
    cp "$folder/output" "$folder/$name.new.json"
}
new() {
    number "$2" "$folder/$1.new.json"
}
teach scratch --base "$source/tools/demo/base.onnx" --from-scratch --epochs 60
teach frozen --base "$source/tools/demo/base.onnx" --recipe probe
teach tuned --base "$folder/frozen.onnx" --unfreeze 2 --epochs 20
check "a head for other classes is replaced" [ "$(number head_kept "$folder/frozen.json")" = false ]
check "fine-tuning goes on from the trained head" [ "$(number head_kept "$folder/tuned.json")" = true ]
check "frozen: right on pictures that are new" above "$(new frozen top1)" 0.75
check "frozen is better than from scratch, far beyond chance" above "$(new frozen top1_low)" \
    "$(new scratch top1_high | awk '{ print $1 + 0.2 }')"
check "fine-tuned is not worse than frozen, beyond chance" above "$(new tuned top1_high)" "$(new frozen top1)"
check "predict" exits 0 "$thaw" --json predict "$folder/tuned.onnx" "$folder/new/key/key_0003.png"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
