#!/bin/sh
# Transfer learning in two minutes: sets up, builds, and teaches a small pre-trained network five things that it has
# never seen, once from scratch, once with all of it frozen, once fine-tuned. Everything goes into build/ and
# demo_output/.
set -eu
cd "$(dirname "$0")/.."
output=demo_output
thaw=build/tools/thaw
draw=build/tools/thaw_demo_data
base=tools/demo/base.onnx

heading() {
    printf '\n== %s\n' "$1"
}
# Shows a command as one would type it, then runs it.
show() {
    printf '$ %s\n' "$*"
    "$@"
}

# train NAME OPTION...: finetune to $output/NAME.onnx, what it prints kept in NAME.txt.
train() {
    name=$1
    shift
    set -- "$thaw" --progress none finetune "$@" --data "$output/data" --output "$output/$name.onnx"
    printf '$ %s\n' "$*"
    "$@" >"$output/$name.txt"
    cat "$output/$name.txt"
}
seconds() {
    sed -n 's/^took *\([0-9.]*\) s$/\1/p' "$output/$1.txt"
}
# number KEY NAME: the value of a key in NAME.json.
number() {
    tr ',{}' '\n\n\n' <"$output/$2.json" | sed -n "s/^ *\"$1\" *: *//p"
}
# row NAME WHAT SECONDS: evaluates NAME.onnx on the new pictures; a line of the table.
row() {
    "$thaw" --json --progress none -q evaluate "$output/$1.onnx" --data "$output/new" >"$output/$1.json"
    echo "$(number top1 "$1") $(number top1_low "$1") $(number top1_high "$1") $3" | awk -v what="$2" '
        { printf "%-36s %8.1f %%   %4.1f to %5.1f %% %8.1f s\n", what, 100 * $1, 100 * $2, 100 * $3, $4 }'
}

sh tools/packages.sh

heading "Building (into build/)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake -S . -B build -DTHAW_BUILD_TESTS=OFF && cmake --build build --parallel "$(nproc)"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "demo.sh: the build failed" >&2
    exit 1
fi
echo "done: $thaw"

heading "1. The data: five classes, 24 pictures each"
rm -rf "$output"
mkdir -p "$output"
show "$draw" --task target --seed 1 --output "$output/data"
echo "Classes: $(cd "$output/data" && echo *). Drawn as photographs are taken: turned, shaded, noisy, cluttered."

heading "2. The base: a small network that tells twenty other things apart, arrows to wheels"
echo "\$ $thaw inspect $base"
"$thaw" inspect "$base" >"$log"
sed -e 's/^block1_first_conv .*/.../' -e '/^block[12]_/d' "$log"

heading "3. Three ways to teach it the five classes, from the same pictures"
echo "The base's structure with random weights, all of it trained: what one would do without transfer."
train scratch --base "$base" --from-scratch --epochs 60
echo
echo "Transfer: every layer frozen, a new head fitted to what they see."
train frozen --base "$base" --recipe probe
echo
echo "Fine-tuning: on from there, the head and the two stages below it."
train tuned --base "$output/frozen.onnx" --unfreeze 2 --epochs 20

heading "4. How good are they? On 500 pictures drawn just now"
"$draw" --task target --seed 2 --per-class 100 --output "$output/new"
printf '%-36s %10s %18s %10s\n' "" "right" "95 % interval" "trained in"
row scratch "from scratch" "$(seconds scratch)"
row frozen "frozen, new head" "$(seconds frozen)"
row tuned "fine-tuned, the head's time included" "$(echo "$(seconds frozen) $(seconds tuned)" | awk '{ print $1 + $2 }')"
echo "Guessing gives 20 %."
echo
show "$thaw" --progress none evaluate "$output/tuned.onnx" --data "$output/new"

heading "5. One of them"
show "$thaw" --progress none predict "$output/tuned.onnx" "$output/new/key/key_0000.png"

heading "The result"
cat <<END
$output/tuned.onnx is an ordinary ONNX file: the frozen layers bit for bit as they were, the new head,
the class names and the preprocessing in its metadata. It runs in ONNX Runtime and elsewhere as it is.
Your own pictures, a folder for each class:
  $thaw finetune --base model.onnx --data photos/ --output mine.onnx
END
