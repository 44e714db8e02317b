#!/bin/sh
# check_oclgrind.sh THAW_TESTS SUITE...: the kernel suites, with tiny shapes, in Oclgrind, a simulator that sees every
# invalid access and every race. A suite that outlives its time limit fails.
set -u
tests=$1
shift
suite_seconds=${THAW_OCLGRIND_SECONDS:-300}

if ! command -v oclgrind >/dev/null; then
    echo "skipped: there is no oclgrind here (package oclgrind)"
    exit 77
fi
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
export THAW_TEST_TINY=1 THAW_CACHE_DIR="$folder/cache"

passed=0 failed=0
for suite in "$@"; do
    : >"$folder/log"
    timeout "$suite_seconds" oclgrind --data-races --max-errors 20 --log "$folder/log" "$tests" "$suite" \
        >"$folder/output" 2>&1
    status=$?
    if [ $status = 0 ] && [ ! -s "$folder/log" ]; then
        passed=$((passed + 1))
        continue
    fi
    failed=$((failed + 1))
    echo "--- $suite: exit status $status"
    [ $status = 124 ] && echo "not done after $suite_seconds seconds"
    grep -vE '^(  Test: .*passed|Suite: |$)' "$folder/output" | tail -n 30
    head -n 40 "$folder/log"
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
