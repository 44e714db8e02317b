#!/bin/sh
# check_sanitizers.sh FOLDER COMPILER: builds everything with AddressSanitizer and UndefinedBehaviorSanitizer in FOLDER
# and runs all quick suites, the command's checks and the demo. Leaks inside OpenCL drivers are not ours:
# tests/leaks.supp names them.
set -u
folder=$1
compiler=$2
source=$(cd "$(dirname "$0")/.." && pwd) || exit 1

cmake -S "$source" -B "$folder" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O1 -g" \
    -DTHAW_SANITIZE=ON -DTHAW_BUILD_TESTS=ON >"$folder.log" 2>&1 &&
    cmake --build "$folder" --parallel 2 >>"$folder.log" 2>&1
if [ $? != 0 ]; then
    tail -n 40 "$folder.log"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
# use_sigaltstack: LLVM, in drivers, gives the thread in which they start a signal stack of its own, which ASan then
# tries to unmap.
# intercept_tls_get_addr: up to GCC 13 and LLVM 16, where a library's thread-local block happens to lie 16 bytes into a
# page, LeakSanitizer takes the 16 bytes before it for a header of old C libraries and dies of what it reads there
# ("has encountered a fatal error"). It finds such blocks without that, as they come from malloc().
export ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1:use_sigaltstack=0:intercept_tls_get_addr=0
export LSAN_OPTIONS="suppressions=$source/tests/leaks.supp:print_suppressions=0"
export UBSAN_OPTIONS=print_stacktrace=1
export THAW_TEST_TINY=1
# Mesa's drivers leak while they are unloaded, where no suppression can name them.
if [ -e /etc/OpenCL/vendors/pocl.icd ]; then
    export OCL_ICD_VENDORS=/etc/OpenCL/vendors/pocl.icd
fi
cd "$folder" || exit 1
mkdir -p Testing
ctest --output-on-failure --parallel 2 --output-log Testing/suites.log -L '^quick$' -E '^check_' >/dev/null
ctest --output-on-failure --output-log Testing/scripts.log -R '^check_(cli|demo|pull)$' >/dev/null
awk '/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / { if (/ Passed +[0-9.]+ sec/) passed++; else failed++ }
     END { printf "%d passed, %d failed, 0 skipped\n", passed, failed; exit failed > 0 || passed == 0 }' \
    Testing/suites.log Testing/scripts.log || { cat Testing/suites.log Testing/scripts.log; exit 1; }
