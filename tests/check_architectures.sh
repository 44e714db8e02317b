#!/bin/sh
# check_architectures.sh THAW: one architecture of each family against PyTorch, from safetensors (compare_architectures.py
# without --only takes all of them). Skipped where Python, PyTorch, or torchvision and timm are missing; THAW_PYTHON says
# which Python.
set -u
python=${THAW_PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    echo "skipped: no $python"
    exit 77
fi
exec "$python" "$(dirname "$0")/compare_architectures.py" --thaw "$1" --only \
    "resnet18;mobilenet_v1;mobilenet_v2;mobilenet_v3_small;efficientnet_b0;squeezenet1_1;vgg11;densenet121;convnext_tiny;vit_tiny"
