#!/bin/sh
# check_rusticl.sh THAW_TESTS SUITE...: the kernel suites on a second OpenCL, Mesa's rusticl with its software driver.
set -u
tests=$1
shift
suite_seconds=240

export RUSTICL_ENABLE=llvmpipe THAW_DEVICE=rusticl THAW_TEST_TINY=1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
export THAW_CACHE_DIR="$folder/cache"
if [ ! -e /etc/OpenCL/vendors/rusticl.icd ]; then
    echo "skipped: there is no rusticl here (package mesa-opencl-icd)"
    exit 77
fi

passed=0 failed=0
for suite in "$@"; do
    if timeout "$suite_seconds" "$tests" "$suite" >"$folder/output" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "--- $suite: failed, or not done after $suite_seconds seconds"
        grep -vE '^(  Test: .*passed|Suite: |$)' "$folder/output" | tail -n 30
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
