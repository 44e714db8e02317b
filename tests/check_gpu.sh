#!/bin/sh
# check_gpu.sh THAW_TESTS THAW: all suites on the best GPU, where there is one.
set -u
if ! "$2" --device gpu devices --check >/dev/null 2>&1; then
    echo "skipped: OpenCL shows no working GPU here"
    exit 77
fi
THAW_DEVICE=gpu exec "$1"
