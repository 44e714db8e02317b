#!/bin/sh
# check_pull.sh THAW THAW_DEMO_DATA JSON_CHECK HUB_SERVE: `thaw pull` as a user meets it, from a hub on this machine: the
# model is then found by its name; interrupted, killed, two at once, a full disk; and nothing else uses the network.
set -u
thaw=$1
draw=$2
json_check=$3
serve=$4
base=$(cd "$(dirname "$0")/.." && pwd)/tools/demo/base.onnx
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0
unset THAW_HUB_TOKEN HF_TOKEN
THAW_MODEL_DIR=$folder/models
THAW_HUB=http://127.0.0.1:1 # nobody: whatever goes wrong here, no real hub is asked
export THAW_MODEL_DIR THAW_HUB

# check WHAT TEST...
check() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    stdout: /' stdout | cut -c 1-300 | head -n 5
        sed 's/^/    stderr: /' stderr | cut -c 1-300 | head -n 5
    fi
}
# thaw_exits STATUS ARGUMENTS...
thaw_exits() {
    wanted=$1
    shift
    "$thaw" "$@" >stdout 2>stderr </dev/null
    got=$?
    check "thaw $*: exit status $got, not $wanted" [ $got = "$wanted" ]
}
# start_hub [PAUSE]: THAW_HUB is its address.
start_hub() {
    rm -f stop
    mkfifo stop
    "$serve" hub "$@" <stop >served &
    hub=$!
    exec 3>stop
    for _ in $(seq 100); do
        grep -q '^http' served && break
        sleep 0.05
    done
    THAW_HUB=$(grep '^http' served) || exit 1
}
# What it has seen is in the file served afterwards.
stop_hub() {
    exec 3>&-
    wait $hub
    THAW_HUB=http://127.0.0.1:1
}

# --- a hub with a model of bare weights, one of ONNX, one of several files ---------------------------------------------
mkdir -p hub/them/small hub/them/demo hub/them/shards hub/them/bad
"$serve" --weights seed.safetensors
thaw_exits 0 convert seed.safetensors seed.onnx
thaw_exits 0 convert seed.onnx hub/them/small/model.safetensors
cat >hub/them/small/config.json <<'END'
{"architecture": "mobilenetv1_100", "num_classes": 3, "label_names": ["ant", "bee", "cat"],
 "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 0.9}}
END
cp "$base" hub/them/demo/model.onnx
cp hub/them/small/model.safetensors hub/them/shards/model-00001-of-00001.safetensors
cp hub/them/small/config.json hub/them/shards/
tensors=$(grep -ao '"[a-z0-9_.]*":{"dtype"' hub/them/small/model.safetensors | sed 's/:{"dtype"/: "model-00001-of-00001.safetensors"/')
printf '{"weight_map": {%s}}' "$(echo "$tensors" | paste -sd, -)" >hub/them/shards/model.safetensors.index.json
echo '{"weight_map": {"x": "../../small/model.safetensors"}}' >hub/them/bad/model.safetensors.index.json
"$draw" --per-class 6 --seed 3 --output data >stdout 2>stderr || check "drawing data" false

thaw_exits 0 pull --list
check "nothing pulled yet" [ ! -s stdout ]
thaw_exits 4 inspect them/small
check "what would help is said" grep -q '`thaw pull them/small` would get it' stderr
start_hub
THAW_HUB_TOKEN=secret
export THAW_HUB_TOKEN
thaw_exits 0 pull them/small
check "checked by digest" grep -q '^model.safetensors .* sha256 *downloaded$' stdout
check "progress" grep -q '^download: .* MB ' stderr
check "the same bytes" cmp -s models/them/small/model.safetensors hub/them/small/model.safetensors
thaw_exits 0 pull them/small
check "nothing comes twice" [ "$(grep -c 'there already$' stdout)" = 2 ]
thaw_exits 0 pull them/demo --json --progress json
check "JSON" "$json_check" name revision commit folder bytes files <stdout
check "JSON of progress" grep -q '^{"event":"progress","phase":"download","done":889876,"total":889876' stderr
thaw_exits 0 pull them/shards --quiet
check "quiet" [ ! -s stderr ]
thaw_exits 4 pull them/bad
check "an index that leaves its folder" grep -q "tensor 'x': its file must be" stderr
thaw_exits 4 pull them/none
check "no such model" grep -q '^thaw: them/none: the hub has no such model' stderr
check "no folder of it" [ ! -e models/them/none ]
thaw_exits 4 pull them/small --file none.bin
thaw_exits 2 pull them
thaw_exits 2 pull
thaw_exits 2 pull them/small --list
thaw_exits 2 pull ../small
stop_hub
check "the token stays with the hub" grep -q '^0 tokens elsewhere$' served
unset THAW_HUB_TOKEN
thaw_exits 0 pull --list
check "a line for each" [ "$(cut -d ' ' -f 1 stdout | paste -sd ' ' -)" = "them/demo them/shards them/small" ]
thaw_exits 0 pull --list --json
check "JSON of the list" "$json_check" folder models <stdout

# --- afterwards it is a model like any other, and nobody asks the hub ---------------------------------------------------
start_hub
for name in them/small them/shards them/demo them/small/model.safetensors; do
    thaw_exits 0 inspect $name
done
thaw_exits 0 finetune --base them/small --data data --output mine.onnx --epochs 1 --json
thaw_exits 0 finetune --base them/small --data data --plan --json
image=$(find data -name '*.png' | sort | head -n 1)
thaw_exits 0 predict them/small "$image"
check "config.json is read: its class names" grep -q 'ant\|bee\|cat' stdout
thaw_exits 0 convert them/small one.onnx
thaw_exits 0 convert them/shards two.onnx
check "several files: the same model as one" cmp -s one.onnx two.onnx
stop_hub
check "no request by any of them" grep -q '^0 requests$' served

# --- a hub that is slow ------------------------------------------------------------------------------------------------
part_bytes() {
    find models/them/demo -name '.model.onnx.*.part' -size +1k 2>/dev/null | wc -l
}
for signal in INT TERM KILL; do
    rm -rf models/them
    start_hub 400000
    "$thaw" pull them/demo >stdout 2>stderr &
    process=$!
    for _ in $(seq 100); do
        [ "$(part_bytes)" = 1 ] && break
        sleep 0.05
    done
    kill -s $signal $process
    wait $process 2>/dev/null
    got=$?
    stop_hub
    if [ $signal = KILL ]; then
        check "killed" [ $got = 137 ]
    else
        check "stopped by $signal: status 130" [ $got = 130 ]
        check "stopped by $signal: what to do is said" grep -q '^thaw: them/demo: interrupted.*goes on' stderr
    fi
    check "stopped by $signal: no model yet" [ ! -e models/them/demo/model.onnx ]
    check "stopped by $signal: a part is kept" [ "$(part_bytes)" = 1 ]
    start_hub
    thaw_exits 0 pull them/demo
    stop_hub
    check "stopped by $signal: whole after the next run" cmp -s models/them/demo/model.onnx "$base"
    check "stopped by $signal: no part is left" [ "$(part_bytes)" = 0 ]
done

# --- two at once, and a full disk ---------------------------------------------------------------------------------------
rm -rf models
start_hub
"$thaw" pull them/demo >first 2>&1 &
one=$!
"$thaw" pull them/demo >second 2>&1 &
two=$!
wait $one
check "two at once: the first" [ $? = 0 ]
wait $two
check "two at once: the second" [ $? = 0 ]
check "two at once: one of them downloads" [ "$(cat first second | grep -c 'downloaded$')" = 1 ]
check "two at once: whole" cmp -s models/them/demo/model.onnx "$base"
rm -rf models
(
    ulimit -f 500
    "$thaw" pull them/demo >stdout 2>stderr
)
check "full disk: status 1" [ $? = 1 ]
check "full disk: said so" grep -q '^thaw: them/demo: .*no room on the disk' stderr
check "full disk: no model" [ ! -e models/them/demo/model.onnx ]
thaw_exits 0 pull them/demo
check "full disk: whole when there is room" cmp -s models/them/demo/model.onnx "$base"
stop_hub
thaw_exits 1 pull them/demo
check "a hub that is away" grep -q '^thaw: them/demo: http://127.0.0.1' stderr

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
