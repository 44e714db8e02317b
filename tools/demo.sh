#!/bin/sh
# Transfer learning in a minute: sets up, builds, and teaches a small pre-trained network five things that it has never
# seen. Everything goes into build/ and demo_output/.
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

heading "3. Transfer: every layer frozen but a new head for the five classes"
show "$thaw" --progress none finetune --base "$base" --data "$output/data" --output "$output/mine.onnx"

heading "4. How good is it? On 500 pictures drawn just now"
"$draw" --task target --seed 2 --per-class 100 --output "$output/new"
show "$thaw" --progress none evaluate "$output/mine.onnx" --data "$output/new"
echo "Guessing gives 20 %, and so does the same network trained from scratch on the 120 pictures."

heading "5. One of them"
show "$thaw" --progress none predict "$output/mine.onnx" "$output/new/key/key_0000.png"

heading "The result"
cat <<END
$output/mine.onnx is an ordinary ONNX file: the same frozen layers, bit for bit, with the new head, the
class names and the preprocessing in its metadata. It runs in ONNX Runtime and elsewhere as it is.
Your own pictures, a folder for each class:
  $thaw finetune --base model.onnx --data photos/ --output mine.onnx
END
