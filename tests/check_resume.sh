#!/bin/sh
# check_resume.sh THAW THAW_DEMO_DATA [KILLS [OPTION...]]: a fine-tuning that is killed (kill -9) at random moments and
# resumed each time ends in the same bits as one that is left alone. 4 kills by default; options replace those of the
# runs, e.g. `check_resume.sh THAW DRAW 50 --unfreeze 1 --epochs 80`.
set -u
thaw=$1
draw=$2
wanted=${3:-4}
[ $# -gt 3 ] && shift 3 || set -- --epochs 100 --ema 0.9 --clip-norm 1 --accumulate 2 --batch-size 8 --label-smoothing 0.1
base=$(cd "$(dirname "$0")/.." && pwd)/tools/demo/base.onnx
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0

# finetune NAME OPTION...: a run whose state is in NAME.state and whose result is NAME.onnx.
finetune() {
    name=$1
    shift
    exec "$thaw" finetune --base "$base" --data data --output "$name.onnx" --checkpoint "$name.state" --resume \
        --checkpoint-every 1 --progress none "$@" >"$name.out" 2>"$name.err"
}
# A number from 0 to 32767, from the system's generator: the moments are to differ from run to run.
random() {
    od -An -N2 -tu2 /dev/urandom | awk '{ print $1 % 32768 }'
}

"$draw" --per-class 16 --seed 5 --output data >draw.out 2>&1 || { cat draw.out; exit 1; }
# The first run builds kernels: its time says nothing about the others.
(finetune first "$@") || { cat first.err; exit 1; }
start=$(date +%s%N)
(finetune whole "$@") || { cat whole.err; exit 1; }
milliseconds=$((($(date +%s%N) - start) / 1000000))
cmp first.onnx whole.onnx || exit 1
kills=0 run=1
while [ $kills -lt "$wanted" ] || [ $((passed + failed)) = 0 ] || [ -e "run$run.state" ]; do
    (finetune "run$run" "$@") &
    process=$!
    if [ $kills -lt "$wanted" ]; then
        sleep "$(awk -v r="$(random)" -v ms=$milliseconds 'BEGIN { printf "%.3f", r / 32768 * 0.7 * ms / 1000 }')"
        kill -9 $process 2>/dev/null && kills=$((kills + 1))
    fi
    wait $process 2>/dev/null
    status=$?
    [ $status = 137 ] && continue
    if [ $status = 0 ] && cmp whole.onnx "run$run.onnx"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: run $run, status $status"
        cat "run$run.err"
    fi
    rm -rf "run$run".*
    run=$((run + 1))
done
echo "$kills kills in $passed runs of $milliseconds ms"
[ $((passed + failed)) = 0 ] && echo "FAILED: no run came to its end" && failed=1
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
