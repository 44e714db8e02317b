#!/bin/sh
# Sets up, builds with warnings as errors, runs the tests.
#
#   sh tools/test.sh [LABEL]     LABEL: quick (under a minute), full (the slow ones), gpu; default: everything
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only where nothing failed.
set -u
cd "$(dirname "$0")/.." || exit 1
label=${1:-}
build=build-test
processors=$(nproc 2>/dev/null || echo 2)

sh tools/packages.sh tests || exit $?

# A failure to build has no tests to count: it is one failure.
build_failed() {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
cmake -S . -B "$build" -DTHAW_WERROR=ON -DTHAW_BUILD_TESTS=ON >"$build.log" 2>&1 || {
    cat "$build.log"
    build_failed
}
rm -f "$build.log"
cmake --build "$build" --parallel "$processors" || build_failed

outcomes=Testing/outcomes.log
details=Testing/Temporary/LastTest.log
cd "$build" || exit 1
rm -f "$outcomes" "$details"
mkdir -p Testing
ctest --output-on-failure --parallel 2 --output-log "$outcomes" ${label:+-L "^$label\$"}

# A suite or a script prints its own counts, which are in the details. Where one printed none, or failed without
# having counted a failure (it crashed, or ran out of time), it counts as one.
counts=$(awk '
    FNR == NR && / Testing: /                                     { name = $3 }
    FNR == NR && /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
        counted[name] = 1; passed += $1; failed += $3; skipped += $5; failed_in[name] += $3
    }
    FNR != NR && /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
        sub(/.*Test +#[0-9]+: /, ""); name = $1; tests++
        if (/ Passed +[0-9.]+ sec/) passed += !counted[name]
        else if (/\*\*\*Skipped/) skipped += !counted[name]
        else failed += !failed_in[name]
    }
    END { printf "%d passed, %d failed, %d skipped\n", passed, tests ? failed : 1, skipped }' "$details" "$outcomes")
echo "$counts"
case $counts in
*" 0 failed,"*) exit 0 ;;
esac
exit 1
