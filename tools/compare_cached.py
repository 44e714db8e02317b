#!/usr/bin/env python3
"""Frozen training beside PyTorch's: the same images, epochs and trainable layers, side by side in one run.

usage: compare_cached.py --thaw THAW --base MODEL.onnx --data DIR [--part head|stage] [--epochs N]
       [--torch-epochs N] [--threads 2]

DIR holds a folder of images for each class; four fifths are trained on, one fifth is validated after each epoch. MODEL is
torchvision's NAME.onnx. head: a new head alone, ten epochs. stage: the head and the last stage (layer4), three epochs.
PyTorch does what its users do: ImageFolder and a DataLoader with PIL in two workers, everything frozen without gradients
and in evaluation mode, eager, channels last, nothing kept between epochs. Thaw compiles and chooses algorithms once
before, as PyTorch comes compiled, then begins with an empty feature cache in a folder of its own. Times are whole
processes, with starting, loading and saving; epochs as each side tells them, the first with all that comes before it.
With --torch-epochs PyTorch runs only so many, and its total is made up by their mean: its epochs are all alike. Prints
Markdown."""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

TORCH = """
import sys, time
start = time.perf_counter()
import torch, torchvision
name, data, part, epochs, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(threads)
torch.manual_seed(1)
T = torchvision.transforms
transform = T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(),
                       T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
images = torchvision.datasets.ImageFolder(data, transform)
train, held_out = torch.utils.data.random_split(images, [len(images) - len(images) // 5, len(images) // 5])
loaders = [torch.utils.data.DataLoader(part, batch_size=32, shuffle=i == 0, num_workers=2, persistent_workers=True)
           for i, part in enumerate((train, held_out))]
model = getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False)
model.fc = torch.nn.Linear(model.fc.in_features, len(images.classes))
if part == "stage":
    model.layer4.requires_grad_(True)
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
loss_of = torch.nn.CrossEntropyLoss()
for epoch in range(epochs):
    for x, y in loaders[0]:
        loss = loss_of(model(x.to(memory_format=torch.channels_last)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = sum((model(x.to(memory_format=torch.channels_last)).argmax(1) == y).sum().item() for x, y in loaders[1])
    print(time.perf_counter() - start, flush=True)
torch.save(model.state_dict(), "/dev/null")
"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thaw", required=True, help="the thaw command")
    parser.add_argument("--base", required=True, help="torchvision's resnet as NAME.onnx")
    parser.add_argument("--data", required=True, help="a folder of images for each class")
    parser.add_argument("--part", choices=("head", "stage"), default="head", help="what is trained (default head)")
    parser.add_argument("--epochs", type=int, help="default 10 for the head, 3 for the stage")
    parser.add_argument("--torch-epochs", type=int, help="that PyTorch really runs, 2 at least (default: all)")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch (default 2)")
    arguments = parser.parse_args()
    arguments.epochs = arguments.epochs or (10 if arguments.part == "head" else 3)
    arguments.torch_epochs = arguments.torch_epochs or arguments.epochs
    return arguments


def run(words, environment=None):
    """What a command prints, and its seconds."""
    start = time.perf_counter()
    process = subprocess.run(words, stdout=subprocess.PIPE, env=environment, check=True)
    return process.stdout.decode(), time.perf_counter() - start


def run_thaw(arguments, folder):
    """Seconds of one forward pass, of the first and the second run; of the first run's epochs; the device."""
    environment = dict(os.environ, THAW_CACHE_DIR=folder + "/cache")
    quiet = [arguments.thaw, "--json", "-q", "--progress", "none"]
    depth = ["--unfreeze", "1"] if arguments.part == "stage" else []
    train = [*quiet, "finetune", "--recipe", "finetune", "--base", arguments.base, "--data", arguments.data, *depth]
    whole = [*train, "--epochs", str(arguments.epochs), "--output"]
    forward = [*quiet, "features", arguments.base, "--data", arguments.data, "--output", folder + "/f.npy"]
    run([*train, "--epochs", "1", "--no-cache", "--output", folder + "/warm.onnx"], environment)
    forward_seconds = run([*forward, "--no-cache"], environment)[1]
    told, first_seconds = run([*whole, folder + "/first.onnx"], environment)
    second_seconds = run([*whole, folder + "/second.onnx"], environment)[1]
    with open(folder + "/first.onnx", "rb") as first, open(folder + "/second.onnx", "rb") as second:
        same = first.read() == second.read()
    told = json.loads(told)
    later = [epoch["seconds"] for epoch in told["epochs"][1:]]
    return forward_seconds, first_seconds, second_seconds, told["seconds"] - sum(later), later, same, told["device"]


def run_torch(arguments):
    """Seconds of the whole, and of its epochs, without the first one and what comes before it."""
    name = os.path.splitext(os.path.basename(arguments.base))[0]
    told, seconds = run([sys.executable, "-c", TORCH, name, arguments.data, arguments.part,
                         str(arguments.torch_epochs), str(arguments.threads)])
    ends = [float(line) for line in told.split()]
    later = [b - a for a, b in zip(ends, ends[1:])]
    return seconds + (arguments.epochs - arguments.torch_epochs) * sum(later) / max(len(later), 1), later


def machine_name():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return "%s, %d threads, %s" % (names[0] if names else platform.processor(), os.cpu_count(), platform.system())


def main():
    arguments = parse_arguments()
    mean = lambda numbers: sum(numbers) / max(len(numbers), 1)
    with tempfile.TemporaryDirectory() as folder:
        forward, first, second, first_epoch, later, same, device = run_thaw(arguments, folder)
    versions = run([sys.executable, "-c", "import torch, torchvision, PIL; print(torch.__version__, "
                    "torchvision.__version__, PIL.__version__)"])[0].split()
    print("- machine: %s" % machine_name())
    print("- device: %s" % device)
    print("- %s; PyTorch %s, torchvision %s, Pillow %s" % (run([arguments.thaw, "--version"])[0].strip(), *versions))
    print("- %s, %d epochs, %s trained" % (os.path.basename(arguments.base), arguments.epochs,
                                           "head" if arguments.part == "head" else "head and last stage"))
    print("\n| | seconds | |\n| --- | ---: | --- |")
    print("| Thaw: one forward pass over all images (`features`) | %.2f | |" % forward)
    print("| Thaw: all | %.2f | %.2f x the forward pass |" % (first, first / forward))
    print("| Thaw: epoch 1, with features | %.2f | |" % first_epoch)
    print("| Thaw: each epoch after it | %.4f | %.1f x faster than epoch 1 |" % (mean(later), first_epoch / mean(later)))
    print("| Thaw: all, a second time | %.2f | %.1f x faster; %s |" %
          (second, first / second, "the same file" if same else "ANOTHER FILE"), flush=True)
    torch_seconds, torch_epochs = run_torch(arguments)
    note = "" if arguments.torch_epochs == arguments.epochs else " (%d epochs run)" % arguments.torch_epochs
    print("| PyTorch: all%s | %.1f | %.1f x Thaw |" % (note, torch_seconds, torch_seconds / first))
    print("| PyTorch: each epoch after the first | %.2f | %.1f x Thaw's |" %
          (mean(torch_epochs), mean(torch_epochs) / mean(later)))


main()
