#!/bin/sh
# check_gpu.sh THAW_TESTS THAW: all suites on the best GPU, where there is one.
set -u
if ! "$2" --json devices | grep -q '"type": *"gpu"'; then
    echo "skipped: OpenCL shows no GPU here"
    exit 77
fi
THAW_DEVICE=gpu exec "$1"
