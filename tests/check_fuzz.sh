#!/bin/sh
# check_fuzz.sh FOLDER [SECONDS]: builds the fuzzers with clang in FOLDER and runs each for some seconds (5), from the
# models' structures in tests/gradients, a benchmark, a few safetensors files and pictures. What was found stays in FOLDER/findings.
set -u
folder=$1
seconds=${2:-5}
source=$(cd "$(dirname "$0")/.." && pwd) || exit 1

probe=$(mktemp -d) || exit 1
trap 'rm -rf "$probe"' EXIT
printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *b, size_t n) { return b && n > 9 ? 0 : 0; }\n' \
    >"$probe/probe.c"
if ! clang -fsanitize=fuzzer,address,undefined "$probe/probe.c" -o "$probe/probe" 2>/dev/null; then
    echo "no clang with libFuzzer here"
    exit 77
fi
cmake -S "$source" -B "$folder" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O1 -g" \
    -DTHAW_FUZZ=ON -DTHAW_BUILD_TESTS=OFF -DTHAW_BUILD_TOOLS=OFF >"$folder.log" 2>&1 &&
    cmake --build "$folder" --parallel 2 >>"$folder.log" 2>&1
if [ $? != 0 ]; then
    tail -n 40 "$folder.log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
mkdir -p "$folder/corpus/image" "$folder/corpus/onnx" "$folder/corpus/report" "$folder/corpus/safetensors" "$folder/findings"
cp "$source"/tests/gradients/*.onnx "$folder/corpus/onnx"
cp "$source/tests/fuzz/report.json" "$folder/corpus/report"
"$folder/tests/fuzz/fuzz_seeds" "$folder/corpus/safetensors" "$folder/corpus/image" || exit 1
export ASAN_OPTIONS=allocator_may_return_null=1
failed=0
for name in image onnx report safetensors; do
    # Folding may make constants of up to 2 GiB out of a small file: that is no finding.
    if ! "$folder/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=0 -malloc_limit_mb=8192 \
        -artifact_prefix="$folder/findings/" "$folder/corpus/$name" >"$folder/$name.log" 2>&1; then
        tail -n 40 "$folder/$name.log"
        failed=$((failed + 1))
    fi
    tail -n 1 "$folder/$name.log"
done
echo "$((4 - failed)) passed, $failed failed, 0 skipped"
[ $failed = 0 ]
