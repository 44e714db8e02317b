#!/bin/sh
# Transfer learning in a minute: sets up, builds, and teaches a small pre-trained network five things that it has never
# seen. Everything goes into build/ and demo_output/.
set -eu
cd "$(dirname "$0")/.."
output=demo_output
thaw=build/tools/thaw
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
show build/tools/thaw_demo_data --task target --seed 1 --output "$output/data"
echo "Classes: $(cd "$output/data" && echo *). Drawn as photographs are taken: turned, shaded, noisy, cluttered."

heading "2. The base: a network that knows twenty other things"
echo "It tells $(sed -n 's/.*\["arrow", \(.*\)"wheel"\].*/an arrow from \1a wheel/p' "$base" 2>/dev/null | tr -d '"' || true)"
show "$thaw" inspect "$base"

heading "3. Transfer: all layers frozen, a new head of five classes trained"
show "$thaw" finetune --base "$base" --data "$output/data" --output "$output/mine.onnx"

heading "4. How good is it on the pictures it was not trained on?"
show "$thaw" evaluate "$output/mine.onnx" --data "$output/data"

heading "5. One prediction, on a picture drawn just now"
build/tools/thaw_demo_data --task target --seed 2 --per-class 1 --output "$output/new"
show "$thaw" predict "$output/mine.onnx" "$output/new/key/key_0000.png"

heading "The result"
cat <<END
$output/mine.onnx is an ordinary ONNX file: the same frozen layers, bit for bit, with the new head, the
class names and the preprocessing in its metadata. It runs in ONNX Runtime and elsewhere as it is.
Your own pictures, a folder for each class:
  $thaw finetune --base model.onnx --data photos/ --output mine.onnx
END
