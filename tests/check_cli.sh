#!/bin/sh
# check_cli.sh THAW THAW_DEMO_DATA JSON_CHECK: the command line as a user meets it: usage errors, help, JSON, broken
# models and data, outputs that can't be written, interruption.
set -u
thaw=$1
draw=$2
json_check=$3
base=$(cd "$(dirname "$0")/.." && pwd)/tools/demo/base.onnx
kernels=$(cd "$(dirname "$0")/../cl" && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0

pass() {
    passed=$((passed + 1))
}
# fails WHAT: counts it, with what the last command said.
fails() {
    failed=$((failed + 1))
    echo "FAILED: $1"
    sed 's/^/    stdout: /' stdout | cut -c 1-300 | head -n 5
    sed 's/^/    stderr: /' stderr | cut -c 1-300 | head -n 5
}
# check WHAT TEST...
check() {
    what=$1
    shift
    if "$@"; then pass; else fails "$what"; fi
}
# thaw_exits STATUS ARGUMENTS...: runs the command and keeps its output in the files stdout and stderr.
thaw_exits() {
    wanted=$1
    shift
    "$thaw" "$@" >stdout 2>stderr </dev/null
    got=$?
    [ $got = "$wanted" ] && pass && return
    fails "thaw $*: exit status $got, not $wanted"
}
# one_error PATTERN: stderr is one line that begins with "thaw: " and has the pattern, stdout is empty.
one_error() {
    if [ "$(wc -l <stderr)" = 1 ] && grep -q '^thaw: ' stderr && grep -q -e "$1" stderr && [ ! -s stdout ]; then
        pass
    else
        fails "one line 'thaw: ... $1 ...'"
    fi
}

# --- usage: a row for each mistake, `STATUS|what the error says|arguments` -------------------------------------------
while IFS='|' read -r status pattern arguments; do
    # shellcheck disable=SC2086 # the words of a row are the arguments
    thaw_exits "$status" $arguments
    one_error "$pattern"
done <<'END'
2|no command|
2|unknown command 'bogus'|bogus
2|did you mean 'evaluate'|evalute
2|did you mean 'devices'|dev
2|unknown option --bogus|--bogus devices
2|unknown option --bogus|devices --bogus
2|unknown option -z|devices -z
2|did you mean --epochs|finetune --epoch 3
2|auto.bar.json.none|--progress often devices
2|--lr: missing|finetune --lr
2|--json=3: .*does not take|finetune --json=3
2|--lr 'nan': expected a number|finetune --lr nan
2|--lr 'inf'|finetune --lr inf
2|--lr '0'|finetune --lr 0
2|--lr '1e-3x'|finetune --lr 1e-3x
2|--lr '0x1'|finetune --lr 0x1
2|--lr '-1'|finetune --lr -1
2|--lr ''|finetune --lr=
2|--epochs '0': expected a whole number from 1 to|finetune --epochs 0
2|--epochs '1.5'|finetune --epochs 1.5
2|--epochs '99999999999999999999'|finetune --epochs 99999999999999999999
2|--batch-size '-3'|finetune --batch-size -3
2|--seed '-1'|finetune --seed -1
2|--seed '18446744073709551616'|finetune --seed 18446744073709551616
2|--momentum '1'|finetune --momentum 1
2|--weight-decay '-1'|finetune --weight-decay -1
2|--label-smoothing '1'|finetune --label-smoothing 1
2|--val-split '0.95'|finetune --val-split 0.95
2|--warmup '-1'|finetune --warmup -1
2|--early-stop 'x'|finetune --early-stop x
2|--workers '1000'|finetune --workers 1000
2|--optimizer 'sdg': expected sgd.adam.adamw|finetune --optimizer sdg
2|--schedule 'linear'|finetune --schedule linear
2|--augment 'x': expected none.basic.strong|finetune --augment x
2|--class-weights 'x'|finetune --class-weights x
2|--batch-norm 'x': expected frozen.update|finetune --batch-norm x
2|--unfreeze '-1'|finetune --unfreeze -1
2|--lr-head 'nan'|finetune --lr-head nan
2|--lr-decay-by-depth '0'|finetune --lr-decay-by-depth 0
2|--clip-norm 'inf'|finetune --clip-norm inf
2|--accumulate '0'|finetune --accumulate 0
2|--ema '1'|finetune --ema 1
2|--cache-memory '0'|finetune --cache-memory 0
2|--cache-views '0'|finetune --cache-views 0
2|--cache-limit '0'|finetune --cache-limit 0
2|auto.fp32.fp16|finetune --cache-precision fp8
2|exclude each other|finetune --base b --data d --output o --unfreeze 1 --freeze-until x
2|exclude each other|lr-find --base b --data d --trainable x --freeze-until x
2|nesterov needs the optimizer sgd|finetune --base b --data d --output o --nesterov
2|batches of one image|finetune --base b --data d --output o --unfreeze 1 --batch-norm update --batch-size 1
2|from scratch|finetune --base b --data d --output o --from-scratch --unfreeze 1
2|to resume, a folder|finetune --base b --data d --output o --resume
2|--recipe 'prob': expected finetune.probe.probe-then-finetune|finetune --recipe prob
2|--lr: the recipe probe does not look at it|finetune --base b --data d --output o --recipe probe --lr 1e-3
2|--epochs: the recipe probe-then|finetune --base b --data d --output o --recipe probe-then-finetune --epochs 3
2|--unfreeze: the recipe probe|finetune --base b --data d --output o --recipe probe --unfreeze 1
2|--time-budget is for|finetune --base b --data d --output o --recipe probe --time-budget 1m
2|--time-budget '5x': expected|finetune --base b --data d --output o --time-budget 5x
2|--time-budget '0s': expected|finetune --base b --data d --output o --time-budget 0s
2|--checkpoint-every 'x': expected|finetune --base b --data d --output o --checkpoint c --checkpoint-every x
2|--checkpoint-every '0'|finetune --base b --data d --output o --checkpoint c --checkpoint-every 0
2|--checkpoint-every '1.5'|finetune --base b --data d --output o --checkpoint c --checkpoint-every 1.5
2|--checkpoint-every needs --checkpoint|finetune --base b --data d --output o --checkpoint-every 3s
2|--from 1 is not below --to 0.5|lr-find --base b --data d --from 1 --to 0.5
2|--steps '3'|lr-find --steps 3
2|--base MODEL is missing|lr-find --data d
2|--preprocess 'torch'|finetune --preprocess torch
2|--size '0'|finetune --size 0
2|--size '20000'|finetune --size 20000
2|--size '12x'|finetune --size 12x
2|--size 'x12'|finetune --size x12
2|--crop-pct '0'|finetune --crop-pct 0
2|--interpolation 'lanczos'|finetune --interpolation lanczos
2|--mean '1,2'|finetune --mean 1,2
2|--mean '1,2,3,4'|finetune --mean 1,2,3,4
2|--mean '1,,3'|finetune --mean 1,,3
2|--std '1,0,1'|finetune --std 1,0,1
2|--scale '1/0'|finetune --scale 1/0
2|--channel-order 'grb'|finetune --channel-order grb
2|--freeze-until: missing|finetune --freeze-until
2|--base MODEL is missing|finetune --data d --output o
2|--data DIR is missing|finetune --base b --output o
2|--output MODEL is missing|finetune --base b --data d
2|unexpected argument 'x'|finetune --base b --data d --output o x
2|--resize and --crop-pct|finetune --base b --data d --output o --resize 9 --crop-pct 0.5
2|expected MODEL|evaluate --data d
2|--data DIR is missing|evaluate m.onnx
2|unexpected argument 'n'|evaluate m n --data d
2|expected MODEL IMAGE|predict m.onnx
2|--top '0'|predict m.onnx i.png --top 0
2|expected MODEL|inspect
2|--section 'gpu': there are device, kernels and models|bench --section gpu
2|--repeat '0'|bench --repeat 0
2|--time-limit '0'|bench --time-limit 0
2|no operator behind the id|bench --assert models.resnet18.forward
2|unexpected argument 'a.json'|bench a.json
2|two files at least|bench --compare a.json
2|does not go with --quick|bench --compare --quick a.json b.json
2|goes with --html and --json|bench --compare --output c.json a.json b.json
1|no-such.json|bench --compare no-such.json b.json
1|no-such-folder/o.json|bench --output no-such-folder/o.json
1|no-such-folder/o.html|bench --html no-such-folder/o.html
2|expected MODEL|profile
2|--batch '0'|profile m.onnx --batch 0
2|--repeat '0'|profile m.onnx --repeat 0
2|expected IN OUT|convert m.onnx
2|ends with .onnx or .safetensors|convert m.onnx m.pt
2|unexpected argument 'p'|convert m.onnx n.onnx p
4|no-such.onnx|convert no-such.onnx o.safetensors
1|no-such-folder/o.onnx|convert m.onnx no-such-folder/o.onnx
2|--architecture: missing|inspect m.onnx --architecture
4|no-such.safetensors|--architecture resnet18 inspect no-such.safetensors
2|--frozen-precision 'fp8'|profile m.onnx --frozen-precision fp8
4|no-such.onnx|profile no-such.onnx
2|--input X.npy is missing|run m.onnx --output y.npy
2|--output F.npy is missing|features m.onnx --data d
4|no-such.onnx|inspect no-such.onnx
4|no-such.onnx|predict no-such.onnx i.png
4|no-such.onnx|run no-such.onnx --input x.npy --output y.npy
3|no-such-folder|evaluate m.onnx --data no-such-folder
1|no-such-folder/o.onnx|finetune --base b --data d --output no-such-folder/o.onnx
1|/dev/full|finetune --base b --data d --output /dev/full
1|folder|finetune --base b --data d --output .
END
thaw_exits 2 inspect ""
one_error "empty"

# --- help --------------------------------------------------------------------------------------------------------------
thaw_exits 0 --help
cp stdout general
for command in finetune lr-find evaluate predict features inspect profile bench run convert pull devices; do
    check "thaw --help lists $command" grep -q "^  $command " general
    thaw_exits 0 $command --help
    check "$command: usage line" grep -q "^Usage: thaw $command" stdout
    check "$command: examples" grep -q "^  thaw $command\|| thaw $command" stdout
    check "$command: own and global options" grep -q -e '--progress auto|bar|json|none' stdout
    check "$command: no errors" [ ! -s stderr ]
    check "$command: lines of 110 columns at most" [ -z "$(awk 'length > 110' stdout)" ]
    cp stdout first
    thaw_exits 0 --help $command
    check "$command: --help before or behind" cmp -s stdout first
done
thaw_exits 0 --version
check "version" grep -q '^thaw [0-9]*\.[0-9]*\.[0-9]*$' stdout

# --- where output goes -------------------------------------------------------------------------------------------------
"$thaw" devices >/dev/full 2>stderr
check "full disk: status 1" [ $? = 1 ]
: >stdout
one_error "standard output: "
"$thaw" devices >&- 2>stderr
check "closed stdout: status 1" [ $? = 1 ]
"$thaw" --help 2>stderr | :
check "a reader that goes away is no error" [ ! -s stderr ]

# --- devices -----------------------------------------------------------------------------------------------------------
thaw_exits 0 --json devices
check "devices: JSON" "$json_check" devices <stdout
check "devices: stderr is silent" [ ! -s stderr ]
cp stdout first
thaw_exits 0 devices --json
check "global options before or behind" cmp -s stdout first
thaw_exits 0 devices

# --- convert -----------------------------------------------------------------------------------------------------------
thaw_exits 0 convert "$base" base.safetensors
thaw_exits 0 convert "$base" again.safetensors --json
check "convert: the same bytes" cmp -s base.safetensors again.safetensors
check "convert: JSON" grep -q '"format": *"safetensors"' stdout
thaw_exits 0 convert "$base" base.onnx
check "convert: an ONNX file that nothing has changed" cmp -s "$base" base.onnx
thaw_exits 4 inspect base.safetensors
one_error "none of its .* tensors"
thaw_exits 2 --architecture resnet inspect base.safetensors
one_error "there are resnet18, "
thaw_exits 2 --architecture resnet18 inspect "$base"
one_error "name no architecture"
thaw_exits 4 inspect .
one_error "a folder without model.safetensors"

# --- models that are none ----------------------------------------------------------------------------------------------
"$draw" --per-class 8 --seed 3 --output data >stdout 2>stderr || fails "drawing data"
image=$(find data -name "*.png" | sort | head -n 1)
: >empty.onnx
echo "not a model" >text.onnx
head -c 20000 "$base" >short.onnx
mkdir folder.onnx
for model in empty.onnx text.onnx short.onnx folder.onnx "$image"; do
    thaw_exits 4 inspect "$model"
    one_error "$model"
    thaw_exits 4 finetune --base "$model" --data data --output o.onnx -q
    one_error "$model"
done
check "nothing written" [ ! -e o.onnx ]

# --- data that is none -------------------------------------------------------------------------------------------------
mkdir -p none one/a two/a two/b broken/a broken/b differ/train/a differ/train/b differ/val/a differ/val/c
cp "$image" one/a/
cp "$image" two/a/
for part in train/a train/b val/a val/c; do cp "$image" differ/$part/; done
for i in 1 2 3; do cp "$image" broken/a/$i.png; echo "no image" >broken/b/$i.png; done
for data in none one two differ; do
    thaw_exits 3 finetune --base "$base" --data $data --output o.onnx -q
    one_error "$data"
done
thaw_exits 3 finetune --base "$base" --data broken --output o.onnx
check "bad images are named with a reason" grep -q '^thaw: left out broken/b/1.png: .' stderr
thaw_exits 3 finetune --base "$base" --data broken --output o.onnx -q
one_error .
check "nothing written" [ ! -e o.onnx ]

# --- the main job ------------------------------------------------------------------------------------------------------
thaw_exits 0 finetune --base "$base" --data data --output small.onnx --size 48x40 --epochs 1 -q
thaw_exits 0 inspect small.onnx
check "another size is kept" grep -q 'images  48x40' stdout
thaw_exits 0 finetune --base "$base" --data data --output mine.onnx --epochs 3 --json
check "finetune: JSON" "$json_check" device classes train_count val_count epochs best_val_top1 frozen_unchanged output \
    seconds bad_images <stdout
check "finetune: an epoch a line" [ "$(grep -c '^epoch ' stderr)" = 3 ]
check "finetune: the table of stages" grep -q '^    0  thaw_head .* 485 .* 485  0.001$' stderr
check "finetune: frozen stages" grep -q '^    1  block3_first_conv - features .* 0  frozen$' stderr
check "finetune: JSON of stages" "$json_check" stages steps resumed_step features_kept frozen_parameters head_kept <stdout
check "finetune: no escapes in a file" [ "$(tr -d '\033\r' <stderr | wc -c)" = "$(wc -c <stderr)" ]
thaw_exits 0 finetune --base "$base" --data data --output mine.onnx --epochs 3 -q
check "finetune -q: silent" [ ! -s stderr ]
check "finetune: says where the result is" grep -q 'mine.onnx' stdout
thaw_exits 0 finetune --base "$base" --data data --output mine.onnx --epochs 2 --progress json
check "progress as JSON lines" [ -z "$(grep -v '^{"event":"[a-z]*",.*}$' stderr)" ]
check "an event for each epoch" [ "$(grep -c '"event":"epoch"' stderr)" = 2 ]
thaw_exits 0 finetune --base "$base" --data data --output probe.onnx --recipe probe --json
check "probe: JSON" "$json_check" device classes train_count val_count epochs best_val_top1 frozen_unchanged output \
    seconds recipe probe refinement val_top1_low val_top1_high <stdout
check "probe: keys" grep -q '"probe": {"path": \[{"strength": .*, "loss": .*, "top1": .*, "iterations": .*}\], "folds": 5, "strength": .*, "cv_count": 30, "cv_top1": .*"converged": true' stdout
check "probe: no learning rate" grep -q '^    0  thaw_head .* 485 .* 485  none, a probe$' stderr
thaw_exits 0 finetune --base "$base" --data data --output probe2.onnx --recipe probe -q
check "probe: the same bits twice" cmp probe.onnx probe2.onnx
check "probe: says how it was chosen" grep -q '^probe   strength .* in cross-validation (5 folds): ' stdout
check "probe: a small set is said to be small" grep -q '^valid .* of 10 images .*, a small set$' stdout
thaw_exits 0 finetune --base "$base" --data data --output default.onnx --json -q
check "default: probe-then-finetune" grep -q '"recipe": "probe-then-finetune"' stdout
check "default: says which was kept" grep -q '"refinement": {"tried": .*, "kept": "probe", "reason": "the probe is wrong on ' stdout
check "default: the probe" cmp probe.onnx default.onnx
thaw_exits 0 finetune --base "$base" --data data --plan --json -q
check "plan: JSON" "$json_check" device train_count val_count measured_seconds plan <stdout
check "plan: one row is taken" [ "$(grep -o '"taken": true' stdout | wc -l)" = 1 ]
thaw_exits 0 finetune --base "$base" --data data --plan -q --unfreeze 1 --epochs 2 --output none.onnx
check "plan: says what would be taken" grep -q '^\* finetune  *head + 1 ' stdout
check "plan: nothing is trained" [ ! -e none.onnx ]
thaw_exits 2 finetune --base "$base" --data data -q
one_error "--output MODEL is missing"
thaw_exits 0 finetune --base "$base" --data data --output short.onnx --unfreeze 1 --epochs 5000 --time-budget 2s -q
check "time: training is drawn in" grep -q '^time    it allowed .* of 5000 steps, to which' stdout
# Without a budget it takes a minute and more; how late it may be leaves room for a busy machine.
check "time: the budget is kept" awk '/^took/ { late = $2 > 8 } END { exit late }' stdout
mkdir -p few/a few/b
for i in 1 2 3; do cp "$image" few/a/$i.png; done
cp "$(find data -name "*.png" | sort | tail -n 1)" few/b/
thaw_exits 0 finetune --base "$base" --data few --output few.onnx --val-split 0 -q
check "four images: nothing to compare on" grep -q '^kept    the probe: no images are held out' stdout
rm few/a/2.png few/a/3.png
thaw_exits 0 finetune --base "$base" --data few --output few.onnx --recipe probe
check "one image per class: says so" grep -q '^thaw: .*one training image per class' stderr
check "one image per class: a fixed strength" grep -q '^probe   strength 0.1, fixed' stdout
thaw_exits 0 finetune --base "$base" --data data --output augmented.onnx --epochs 2 --augment strong --json -q
check "finetune --augment: JSON" grep -q '"augment": "strong"' stdout
check "finetune --augment: nothing is kept" grep -q '"features_kept": false' stdout
thaw_exits 0 finetune --base "$base" --data data --output again.onnx --epochs 2 --augment strong -q
check "finetune --augment: the same seed, the same bits" cmp augmented.onnx again.onnx
cp "$base" same.onnx
thaw_exits 0 finetune --base same.onnx --data data --output same.onnx --epochs 1 -q
thaw_exits 0 inspect same.onnx
thaw_exits 0 inspect mine.onnx --json
check "inspect: JSON" "$json_check" layers parameters trainable_parameters flops classes preprocess <stdout
check "inspect: the new head can be trained" grep -q '"trainable": true' stdout
thaw_exits 0 profile mine.onnx --batch 2 --repeat 3 --json
check "profile: JSON" "$json_check" model device batch mode images_per_second median_seconds peak_device_bytes \
    peak_gflops frozen_precision largest_difference layers <stdout
check "profile: keys of a layer" grep -q \
    '"layers": \[{"name": ".*", "op": ".*", "algorithm": ".*", "seconds": .*, "gflops": .*, "percent_of_peak": ' stdout
thaw_exits 0 profile mine.onnx --repeat 1 -q
check "profile: a table" grep -q '^name .* % peak' stdout
check "profile: totals" grep -q 'images/s$' stdout
thaw_exits 0 profile mine.onnx --whole --repeat 1 --frozen-precision fp16 -q
check "profile: what halves change" grep -q '^outputs differ from those with fp32 by ' stdout

# --- bench -------------------------------------------------------------------------------------------------------------
thaw_exits 0 bench --quick --section device --filter 'device.[dfl]*' --repeat 2 --output a.json --html a.html -q
check "bench: a table" grep -q '^device.fma.fp32 .* GFLOP/s ' stdout
check "bench: what can't be measured says why" [ "$(grep -c 'unavailable$' stdout)" = "$(grep -c ': unavailable: ' stdout)" ]
check "bench: a page" grep -q '</html>' a.html
thaw_exits 0 bench --filter 'device.latency.*' --repeat 2 --json -q
check "bench: JSON" "$json_check" schema thaw started seconds device host settings libraries entries sections peaks <stdout
cp stdout b.json
thaw_exits 0 bench --compare a.json b.json --html both.html
check "bench: compared" grep -q '^device.latency.launch' stdout
check "bench: a page of both" grep -q '</html>' both.html
thaw_exits 0 bench --compare a.json b.json --json
check "bench: a comparison as JSON" "$json_check" files warnings rows <stdout
thaw_exits 1 bench --filter device.latency.launch --repeat 2 --assert 'device.latency.launch<1e9' --assert \
    'device.latency.launch>1e9' -q
check "bench: what does not hold is told" grep -q '^thaw: bench: device.latency.launch>1000000000 does not hold' stderr
check "bench: and counted" grep -q '^thaw: bench: 1 of 2 assertions did not hold$' stderr
thaw_exits 2 bench --filter 'no.such.*'
cp -r "$kernels" spoilt_kernels
sed -i 's/a = fma(a, f, t);/a = fma(a, f, f);/' spoilt_kernels/peak.cl
THAW_KERNEL_DIR=$folder/spoilt_kernels "$thaw" bench --filter device.fma.fp32 --repeat 2 -q >stdout 2>stderr
check "bench: status 1 where a kernel is wrong" [ $? = 1 ]
check "bench: which has no figure" grep -q '^device.fma.fp32  wrong$' stdout
check "bench: but a reason" grep -q '^device.fma.fp32: wrong: .* largest relative error' stdout
# Oclgrind loads a library before all others, which AddressSanitizer does not stand (check_sanitizers.sh sets the options).
if command -v oclgrind >/dev/null && [ -z "${ASAN_OPTIONS:-}" ]; then
    oclgrind "$thaw" --device Oclgrind bench --quick -q >stdout 2>stderr
    check "bench: status 5 on a simulator" [ $? = 5 ]
    one_error "times on it mean nothing"
fi
thaw_exits 0 evaluate mine.onnx --data data --frozen-precision fp16 --json
thaw_exits 0 evaluate mine.onnx --data data --json
check "evaluate: JSON" "$json_check" count top1 top1_low top1_high top5 macro_f1 per_class confusion <stdout
check "evaluate: all images" grep -q '"count": 40,' stdout
thaw_exits 0 evaluate mine.onnx --data data --val-split 0.25 -q
check "evaluate: a split of them" grep -q '^10 images' stdout
thaw_exits 0 features mine.onnx --data data --output f.npy --json
check "features: JSON" "$json_check" count shape output paths bad_images <stdout
thaw_exits 0 features mine.onnx --data data --output again.npy -v
check "features: a second time from the cache" grep -q 'features of 40 of 40 images were kept from earlier runs' stderr
check "features: the same bits" cmp f.npy again.npy
thaw_exits 0 features mine.onnx --data data --output again.npy --no-cache -v
check "features --no-cache: computed" [ "$(grep -c 'kept from earlier runs' stderr)" = 0 ]
check "features --no-cache: the same bits" cmp f.npy again.npy
check "features: a path for each row" [ "$(wc -l <f.paths.txt)" = 40 ]
check "features: an array" [ "$(head -c 6 f.npy | tail -c 5)" = NUMPY ]

thaw_exits 5 --device no-such-device evaluate mine.onnx --data data
one_error "no-such-device"
thaw_exits 3 run mine.onnx --input no-such.npy --output y.npy
one_error "no-such.npy"

# --- what is wrong with the data ---------------------------------------------------------------------------------------
thaw_exits 2 check data --similarity 0.5
one_error "similarity"
thaw_exits 3 check no-such
one_error "no-such"
thaw_exits 0 check data -q
check "check: a summary" grep -q "^can't be read  *0$" stdout
check "check: says what was not looked for" grep -q '^labels that neighbours doubt .* needs --base' stdout
cp -r data spoilt
first=$(find spoilt -name '*.png' | sort | head -n 1)
last=$(find spoilt -name '*.png' | sort | tail -n 1)
cp "$first" "$(dirname "$last")/copy.png"
echo "no image" >"$(dirname "$first")/bad.png"
thaw_exits 0 check spoilt --json --base "$base"
check "check: JSON" "$json_check" data base count readable classes unreadable tiny monochrome grey duplicates leaks \
    conflicts surplus labels_checked doubted turned_checked turned enlarged passed seconds <stdout
check "check: the copy is found" grep -q '"likeness": "file"' stdout
check "check: it is in two classes" grep -q '"conflict": true' stdout
thaw_exits 0 check spoilt --base "$base" --limit 1 -q
check "check: the unreadable one is named with a reason" grep -q '^  .*bad.png  not a PNG' stdout
thaw_exits 1 check spoilt --strict -q
check "check --strict: says why" grep -q '^thaw: 1 unreadable images, .* in several classes$' stderr
thaw_exits 0 check data --strict -q

# --- what is trained ---------------------------------------------------------------------------------------------------
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --freeze-until block3_ad
one_error "near: block3_add"
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --trainable 'block9*'
one_error "no layer or weight 'block9\*'"
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --trainable block3_add
one_error "'block3_add' leaves nothing to be trained"
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --trainable block3_first_norm
one_error "batch norms stay frozen"
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --freeze-until thaw_head
one_error "nothing is left to be trained"
thaw_exits 2 finetune --base "$base" --data data --output o.onnx -q --unfreeze 9
one_error "the model has 4 stages below its head"
check "nothing written" [ ! -e o.onnx ]
thaw_exits 0 finetune --base "$base" --data data --output kept.onnx -q --epochs 2 --freeze-until none --batch-norm update
thaw_exits 0 finetune --base "$base" --data data --output again.onnx -q --epochs 2 --freeze-until none --batch-norm update \
    --checkpoint-activations
check "checkpointed activations: the same model" cmp -s kept.onnx again.onnx
thaw_exits 0 lr-find --base "$base" --data data --json
check "lr-find: JSON" "$json_check" suggested valley steepest diverged points <stdout
thaw_exits 0 lr-find --base "$base" --data data -q --steps 40
check "lr-find: a table" [ "$(grep -c '^ *[0-9.]*e[-+][0-9]* ' stdout)" -gt 20 ]
check "lr-find: a suggestion" grep -q '^suggested: --lr [0-9]' stdout
thaw_exits 1 finetune --base "$base" --data data --output o.onnx -q --optimizer sgd --lr 1000 --clip-norm 0 --weight-decay 10
one_error "step .* first tensor with NaN or infinities"

diverging() {
    thaw_exits 1 finetune --base "$base" --data data --output o.onnx -q --freeze-until none --optimizer sgd --lr 50 \
        --warmup 60 --clip-norm 0 --epochs 40 --checkpoint diverged "$@"
    one_error "at step 4: the first tensor with NaN or infinities is"
}
diverging
check "divergence: the last good checkpoint is kept" [ -e diverged/checkpoint-000000000003.safetensors ]
check "divergence: nothing bad is kept" [ ! -e diverged/checkpoint-000000000004.safetensors ]
diverging --resume # from a checkpoint that can be read

# --- checkpoints -------------------------------------------------------------------------------------------------------
thaw_exits 0 finetune --base "$base" --data data --output one.onnx --epochs 3 --checkpoint state -q
check "checkpoints: the last two" [ "$(find state -type f | wc -l)" = 2 ]
thaw_exits 2 finetune --base "$base" --data data --output two.onnx --epochs 3 --checkpoint state -q
one_error "resume it, or take another folder"
thaw_exits 0 finetune --base "$base" --data data --output two.onnx --epochs 3 --checkpoint state --resume --json
check "checkpoints: a finished run is finished" cmp one.onnx two.onnx
check "checkpoints: all epochs are told" [ "$(tr '{' '\n' <stdout | grep -c '"epoch"')" = 3 ]
newest=$(find state -type f | sort | tail -n 1)
printf X | dd of="$newest" bs=1 seek=900 conv=notrunc 2>dd.err
thaw_exits 0 finetune --base "$base" --data data --output two.onnx --epochs 3 --checkpoint state --resume
check "checkpoints: a damaged one is told" grep -q '^thaw: a checkpoint is damaged, going back to the one before' stderr
check "checkpoints: the result is the same" cmp one.onnx two.onnx
thaw_exits 2 finetune --base "$base" --data data --output two.onnx --epochs 3 --checkpoint state --resume -q --lr 0.1
one_error "of another run: lr is 0.001.* there, 0.1.* here"
thaw_exits 2 finetune --base "$base" --data data --output two.onnx --epochs 3 --checkpoint state --resume -q --seed 4
one_error "of another run: model is"
thaw_exits 1 finetune --base "$base" --data data --output two.onnx --checkpoint no-such/state -q
one_error "no-such/state"

# --- what is kept between runs -----------------------------------------------------------------------------------------
cache=${THAW_CACHE_DIR:-}
THAW_CACHE_DIR=$folder/cache
THAW_TUNING=off # without a folder algorithms are measured anew, and others may win: other last bits
export THAW_CACHE_DIR THAW_TUNING
thaw_exits 0 finetune --base "$base" --data data --output cold.onnx --epochs 2 --json
check "cache: nothing found" grep -q '"features_found": 0' stdout
cp -r data moved
thaw_exits 0 finetune --base "$base" --data moved --output warm.onnx --epochs 2 --json
check "cache: everything found" grep -q '"features_found": 40' stdout
check "cache: the same bits" cmp cold.onnx warm.onnx
thaw_exits 0 finetune --base "$base" --data data --output none.onnx --epochs 2 --json --no-cache
check "cache: none" grep -q '"features_found": 0' stdout
check "cache: the same bits as without" cmp cold.onnx none.onnx
thaw_exits 0 finetune --base "$base" --data data --output views.onnx --epochs 2 --cache-views 3 --cache-precision fp16 -q
check "cache: views" grep -q '^trained ' stdout
thaw_exits 0 cache info
check "cache: features" grep -q '^features  *[1-9][0-9]* entries' stdout
thaw_exits 0 cache info --json --only features
check "cache: JSON" "$json_check" caches <stdout
thaw_exits 0 cache clear --only features --json
check "cache: JSON of clear" "$json_check" removed_files removed_bytes <stdout
thaw_exits 0 cache info --only features
check "cache: empty" grep -q '^features  *0 entries' stdout
thaw_exits 2 cache
one_error "cache"
thaw_exits 2 cache empty
one_error "'empty': expected info or clear"
THAW_CACHE_DIR=/dev/null/x
thaw_exits 0 finetune --base "$base" --data data --output none.onnx --epochs 2 --progress none
check "cache: a folder that does not work: the same bits" cmp cold.onnx none.onnx
check "cache: a folder that does not work: one warning" [ "$(grep -c 'going on without' stderr)" = 1 ]
if [ -n "$cache" ]; then THAW_CACHE_DIR=$cache; else unset THAW_CACHE_DIR; fi
unset THAW_TUNING

# --- predict -----------------------------------------------------------------------------------------------------------
echo "no image" >bad.png
thaw_exits 0 predict mine.onnx "$image" --json --top 2
check "predict: JSON" "$json_check" images <stdout
check "predict: top 2" [ "$(tr '{' '\n' <stdout | grep -c '"probability"')" = 2 ]
thaw_exits 3 predict mine.onnx "$image" bad.png no-such.png --json
check "predict: JSON with bad images" "$json_check" images <stdout
check "predict: an error for each bad image" [ "$(tr '{' '\n' <stdout | grep -c '"error"')" = 2 ]
check "predict: a line for each bad image" [ "$(grep -c '^thaw: \(bad\|no-such\).png: ' stderr)" = 2 ]
find data -name '*.png' | sort | "$thaw" predict mine.onnx - --top 1 >stdout 2>stderr
check "predict: a list of paths" [ "$(grep -c '^data/' stdout)" = 40 ]
"$thaw" predict mine.onnx - </dev/null >stdout 2>stderr
check "predict: an empty list" [ $? = 3 ]
one_error "standard input"

# --- a long training that is stopped -------------------------------------------------------------------------------------
# stopped SIGNAL LIMIT OUTPUT: lets it train for an epoch, sets the size that a file may grow to, stops it. The exit
# status is in $got.
stopped() {
    "$thaw" finetune --base "$base" --data data --output "$3" --epochs 100000 --json >stdout 2>stderr &
    process=$!
    for _ in $(seq 600); do
        grep -q '^epoch ' stderr && break
        kill -0 $process 2>/dev/null || break
        sleep 0.1
    done
    prlimit --pid $process --fsize="$2"
    kill -s "$1" $process
    wait $process
    got=$?
}
for signal in INT TERM; do
    stopped $signal unlimited part.onnx
    check "stopped by $signal: status 130" [ $got = 130 ]
    check "stopped by $signal: says where the result is" grep -q '^thaw: .*interrupted.*part.onnx' stderr
    check "stopped by $signal: JSON" "$json_check" epochs best_val_top1 interrupted <stdout
    thaw_exits 0 predict part.onnx "$image"
    rm part.onnx
done
# A file that can't grow stands for a full disk.
cp mine.onnx keep.onnx
stopped INT 500000 keep.onnx
check "full disk: status 1" [ $got = 1 ]
check "full disk: one error" [ "$(grep -c '^thaw: ' stderr)" = 1 ]
check "full disk: says which file" grep -q '^thaw: .*keep.onnx' stderr
check "full disk: no result" [ ! -s stdout ]
check "full disk: the old file is whole" cmp -s keep.onnx mine.onnx
check "full disk: nothing is left behind" [ "$(find . -name '*keep*' | wc -l)" = 1 ]

echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
