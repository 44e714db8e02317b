#!/usr/bin/env python3
"""Do the architectures that Thaw builds from safetensors give PyTorch's numbers?

usage: compare_architectures.py --thaw THAW [--only "NAME;.."] [--names torchvision,timm] [--keep FOLDER]

Every architecture of torchvision and of timm that Thaw has gets random weights from a seed, batch norms with statistics
that matter, and is written as safetensors; then `thaw run` computes it, and it is converted to ONNX and back, twice, for
equal bytes and equal tensors. Where ONNX Runtime is installed it runs the converted model too. Prints a line for each:
the largest difference, as a share of the largest magnitude, which must be below 1e-4. Ends with status 77 where PyTorch
or both of the model libraries are missing."""
import argparse
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from safetensors.torch import load_file, save_file
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

BOUND = 1e-4
# Thaw's name: torchvision's, timm's, side of the images (convolutional ones are the same at any size)
ARCHITECTURES = {
    "resnet18": ("resnet18", "resnet18", 64),
    "resnet34": ("resnet34", "resnet34", 64),
    "resnet50": ("resnet50", "resnet50", 64),
    "resnet101": ("resnet101", "resnet101", 64),
    "resnet152": ("resnet152", "resnet152", 64),
    "resnext50_32x4d": ("resnext50_32x4d", "resnext50_32x4d", 64),
    "resnext101_32x8d": ("resnext101_32x8d", "resnext101_32x8d", 64),
    "wide_resnet50_2": ("wide_resnet50_2", "wide_resnet50_2", 64),
    "wide_resnet101_2": ("wide_resnet101_2", "wide_resnet101_2", 64),
    "mobilenet_v1": (None, "mobilenetv1_100", 96),
    "mobilenet_v1 1.25": (None, "mobilenetv1_125", 96),
    "mobilenet_v2": ("mobilenet_v2", "mobilenetv2_100", 96),
    "mobilenet_v3_small": ("mobilenet_v3_small", "mobilenetv3_small_100", 96),
    "mobilenet_v3_large": ("mobilenet_v3_large", "mobilenetv3_large_100", 96),
    "efficientnet_b0": ("efficientnet_b0", "efficientnet_b0", 96),
    "efficientnet_b1": ("efficientnet_b1", "efficientnet_b1", 96),
    "efficientnet_b2": ("efficientnet_b2", "efficientnet_b2", 96),
    "efficientnet_b3": ("efficientnet_b3", "efficientnet_b3", 96),
    "squeezenet1_0": ("squeezenet1_0", None, 97),
    "squeezenet1_1": ("squeezenet1_1", None, 97),
    "vgg11": ("vgg11", "vgg11", 224),
    "vgg11_bn": ("vgg11_bn", "vgg11_bn", 224),
    "vgg13": ("vgg13", "vgg13", 224),
    "vgg13_bn": ("vgg13_bn", "vgg13_bn", 224),
    "vgg16": ("vgg16", "vgg16", 224),
    "vgg16_bn": ("vgg16_bn", "vgg16_bn", 224),
    "vgg19": ("vgg19", "vgg19", 224),
    "vgg19_bn": ("vgg19_bn", "vgg19_bn", 224),
    "densenet121": ("densenet121", "densenet121", 64),
    "densenet169": ("densenet169", "densenet169", 64),
    "densenet201": ("densenet201", "densenet201", 64),
    "convnext_tiny": ("convnext_tiny", "convnext_tiny", 96),
    "convnext_small": ("convnext_small", "convnext_small", 96),
    "convnext_base": ("convnext_base", "convnext_base", 96),
    "vit_tiny": (None, "vit_tiny_patch16_224", 224),
    "vit_small": (None, "vit_small_patch16_224", 224),
    "vit_tiny, larger": (None, "vit_tiny_patch16_384", 384),
    "vit_small, patches of 32": (None, "vit_small_patch32_224", 224),
    "vit_tiny, deit": (None, "deit_tiny_patch16_224", 224),
    "vit_b_32": ("vit_b_32", None, 224),
    "vit_b_16": ("vit_b_16", "vit_base_patch16_224", 224),
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thaw", required=True, help="the thaw command")
    parser.add_argument("--only", help="these of Thaw's names, with semicolons")
    parser.add_argument("--names", default="torchvision,timm", help="whose tensor names")
    parser.add_argument("--keep", help="a folder for the files, instead of one that is deleted")
    return parser.parse_args()


def make(library, name):
    """The model, with weights from a seed: 7 classes, so that their number is seen to come from the file."""
    torch.manual_seed(1)
    if library == "torchvision":
        import torchvision
        model = getattr(torchvision.models, name)(weights=None, num_classes=7)
    else:
        import timm
        model = timm.create_model(name, pretrained=False, num_classes=7)
    draw_rest(model)
    return model.eval()


def draw_rest(model):
    """What is 0 or 1 at first would hide mistakes: statistics, scales and shifts, layer scales, positions, tokens."""
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.2)
            elif name.endswith("running_var"):
                tensor.uniform_(0.6, 1.5)
            elif name.endswith(("layer_scale", "gamma")):
                tensor.uniform_(0.2, 1)
            elif name.endswith(("token", "pos_embed", "pos_embedding")):
                tensor.normal_(0, 0.3)
            elif tensor.dim() == 1 and name.endswith("weight"):
                tensor.uniform_(0.7, 1.3)
            elif tensor.dim() == 1 and name.endswith("bias"):
                tensor.normal_(0, 0.1)
            elif library_head(name, tensor):
                tensor.normal_(0, 0.05)


def library_head(name, tensor):
    """Heads that are zero at first (timm's vision transformers)."""
    return tensor.dim() == 2 and tensor.shape[0] == 7 and not tensor.any()


def thaw(arguments, *words):
    subprocess.run([arguments.thaw, "-q", "--progress", "none", *words], stdout=subprocess.DEVNULL, check=True)


def difference(got, wanted):
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def same_tensors(first, second):
    """Everything but PyTorch's counters of steps is there again, to the bit."""
    before = {name: t for name, t in load_file(first).items() if not name.endswith("num_batches_tracked")}
    after = load_file(second)
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def same_bytes(first, second):
    with open(first, "rb") as a, open(second, "rb") as b:
        return a.read() == b.read()


def run_onnx(path, images):
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def compare(arguments, folder, library, name, side):
    path = os.path.join(folder, library + "-" + name)
    model = make(library, name)
    images = np.random.default_rng(2).standard_normal((2, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(images)).numpy()
    save_file(model.state_dict(), path + ".safetensors")
    np.save(path + ".npy", images)
    thaw(arguments, "run", path + ".safetensors", "--input", path + ".npy", "--output", path + ".out.npy")
    own = difference(np.load(path + ".out.npy"), wanted)
    thaw(arguments, "convert", path + ".safetensors", path + ".onnx")
    thaw(arguments, "convert", path + ".onnx", path + ".back.safetensors")
    thaw(arguments, "convert", path + ".back.safetensors", path + ".again.onnx")
    runtime = run_onnx(path + ".onnx", images)
    peer = difference(runtime, wanted) if runtime is not None else 0
    stable = same_bytes(path + ".onnx", path + ".again.onnx")
    returned = same_tensors(path + ".safetensors", path + ".back.safetensors")
    print("%-12s %-24s %.1e   ONNX Runtime %.1e   %s, %s" %
          (library, name, own, peer, "the same bytes" if stable else "OTHER BYTES",
           "the same tensors" if returned else "OTHER TENSORS"), flush=True)
    if not arguments.keep:
        for file in os.listdir(folder):
            os.remove(os.path.join(folder, file))
    return own < BOUND and peer < BOUND and stable and returned


def available(library):
    try:
        __import__(library)
    except ImportError as error:
        print("left out:", error)
        return False
    return True


def main():
    arguments = parse_arguments()
    libraries = [library for library in arguments.names.split(",") if available(library)]
    if not libraries:
        sys.exit(77)
    wanted = arguments.only.split(";") if arguments.only else list(ARCHITECTURES)
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or temporary
        os.makedirs(folder, exist_ok=True)
        for architecture in wanted:
            torchvision_name, timm_name, side = ARCHITECTURES[architecture]
            for library in libraries:
                name = torchvision_name if library == "torchvision" else timm_name
                if not name:
                    continue
                if compare(arguments, folder, library, name, side):
                    passed += 1
                else:
                    failed += 1
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
