#!/bin/sh
# train_demo_base.sh OUTPUT.onnx: the recipe of tools/demo/base.onnx, the small network that the demo starts from. Needs
# a build (tools/test.sh or tools/demo.sh makes one) and some four minutes on two cores. Thaw trains it alone, from
# random weights; only the structure, the class names and the preprocessing are taken from the present file. Seeded: a
# second run on the same device gives the same bits, on another one about the same network.
#
# Data:      800 pictures a class for training (seed 1), 50 for validation (seed 2), 20 classes, 64 x 64 pixels, drawn
#            by thaw_demo_data. None of the demo's five classes is among them.
# Network:   3x3 convolution with stride 2, three residual blocks with stride 2 (32, 64, 96 channels), global average
#            pool, linear layer. 220 thousand parameters. Batch norms stay nodes of their own in the file.
# Training:  AdamW, one-cycle up to 4e-3, weight decay 0.02, batches of 64, 12 epochs, no augmentation.
# Result:    96 % of the validation pictures; 3 minutes of processor time. With all of it frozen and a new head from 24
#            pictures a class, 84 to 88 % of new pictures of the demo's five (tests/check_demo.sh).
set -eu
[ $# = 1 ] || { echo "usage: train_demo_base.sh OUTPUT.onnx" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd)
tools=${THAW_BUILD_DIR:-$source/build}/tools
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$tools/thaw_demo_data" --task source --per-class 800 --seed 1 --output "$folder/train"
"$tools/thaw_demo_data" --task source --per-class 50 --seed 2 --output "$folder/val"
"$tools/thaw" finetune --base "$source/tools/demo/base.onnx" --from-scratch --data "$folder" --output "$1" \
    --epochs 12 --batch-size 64 --optimizer adamw --lr 4e-3 --weight-decay 0.02 --schedule one-cycle --seed 1
