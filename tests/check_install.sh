#!/bin/sh
# check_install.sh BUILD_FOLDER COMPILER: installs Thaw into an empty folder, moves that, builds the C program of
# README.md against it with pkg-config and with CMake, and runs each.
set -eu
build=$1
compiler=$2
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/first" >/dev/null
mv "$folder/first" "$folder/thaw"
for file in bin/thaw include/thaw/thaw.h; do
    [ -e "$folder/thaw/$file" ] || { echo "$file was not installed"; exit 1; }
done
awk '/^```/ { on = $0 == "```c"; next } on' "$source/README.md" >"$folder/example.c"
"$build/tools/thaw_demo_data" --output "$folder/data"

# run PROGRAM: it writes a model, which the installed command can read.
run() {
    rm -f "$folder/mine.onnx"
    "$1" "$source/tools/demo/base.onnx" "$folder/data" "$folder/mine.onnx"
    "$folder/thaw/bin/thaw" inspect "$folder/mine.onnx" >/dev/null
}

pc=$(find "$folder/thaw" -name thaw.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
[ "$(pkg-config --modversion thaw)" = "$("$folder/thaw/bin/thaw" --version | awk '{ print $NF; exit }')" ]
# Unquoted on purpose: flags.
"$compiler" -std=c11 -Wall -Wextra -Werror "$folder/example.c" -o "$folder/example" $(pkg-config --cflags --libs thaw)
run "$folder/example"
"$compiler" -std=c11 "$folder/example.c" -o "$folder/example_static" $(pkg-config --cflags thaw) \
    "$LD_LIBRARY_PATH/libthaw.a" $(pkg-config --static --libs thaw)
unset LD_LIBRARY_PATH
run "$folder/example_static"

cmake -S "$source/tests/install" -B "$folder/cmake" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$folder/thaw" -DEXAMPLE="$folder/example.c" >"$folder/log" 2>&1 &&
    cmake --build "$folder/cmake" >>"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
run "$folder/cmake/example_shared"
run "$folder/cmake/example_static"
echo "4 passed, 0 failed, 0 skipped"
