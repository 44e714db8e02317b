#!/usr/bin/env python3
"""Thaw beside ONNX Runtime and PyTorch: the same models, the same machine, taking turns.

usage: compare_peers.py --thaw THAW --models FOLDER [--train] [--gpu] [--batch 8,1] [--threads 2] [--rounds 9]
                        [--repeat 5] [NAME...]

FOLDER holds NAME.onnx or NAME.safetensors with an image input [N,3,224,224] (and, for the check of outputs,
NAME.input.npy and NAME.output.npy). PyTorch runs torchvision's architecture of that name. Whatever of onnxruntime and torch is not installed
is left out. In each round every runtime computes `repeat` batches after a warm-up and gives the median of their times;
printed is the median over the rounds, as Markdown, with Thaw's speed as a multiple of the others'.

With --train it is a step of training beside PyTorch's (forward, cross-entropy, backward, SGD with momentum), of everything
and of the last stage and the head behind a frozen trunk; FOLDER holds models whose batch norms were not folded. Each
turn is a process of its own, whose largest resident memory is printed too.

With --gpu Thaw runs on OpenCL's best GPU and PyTorch on CUDA's first, in float32 without TF32; memory is then the
device's.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

NAMES = ["resnet18", "resnet50", "vgg11", "squeezenet1_1", "mobilenet_v2", "efficientnet_b0"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thaw", required=True, help="the thaw command")
    parser.add_argument("--models", required=True, help="folder of ONNX files")
    parser.add_argument("--train", action="store_true", help="steps of training (batch 16 unless given)")
    parser.add_argument("--gpu", action="store_true", help="on a GPU; PyTorch by CUDA")
    parser.add_argument("--batch", help="batch sizes, with commas (default 8,1)")
    parser.add_argument("--threads", type=int, default=2, help="of each runtime (default 2)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each runtime (default 9)")
    parser.add_argument("--repeat", type=int, default=5, help="timed batches in a turn (default 5)")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    arguments = parser.parse_args()
    arguments.batch = arguments.batch or ("16" if arguments.train else "8,1")
    return arguments


def model_path(arguments, name):
    path = os.path.join(arguments.models, name)
    return path + (".onnx" if os.path.exists(path + ".onnx") else ".safetensors")


def model_name(path):
    return os.path.splitext(os.path.basename(path))[0]


def median_seconds(run, repeat, warm_up=1):
    """The median time of `repeat` calls after `warm_up` that are not counted."""
    times = []
    for turn in range(repeat + warm_up):
        start = time.perf_counter()
        run()
        if turn >= warm_up:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


class Thaw:
    """A process for each turn, which times the model without what comes before: start, reading, compiling, planning."""

    name = "Thaw"

    def __init__(self, arguments):
        self.command = arguments.thaw
        self.environment = dict(os.environ, POCL_MAX_PTHREAD_COUNT=str(arguments.threads))
        self.gpu = arguments.gpu
        if self.gpu:
            self.environment["THAW_DEVICE"] = "gpu"
        self.version = self.output(["--version"]).split()[-1]

    def output(self, arguments):
        done = subprocess.run([self.command, *arguments], env=self.environment, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def prepare(self, path, batch):
        profile = ["--json", "-q", "profile", path, "--batch", str(batch), "--whole", "--repeat"]
        self.output([*profile, "1"])  # compiles, and chooses algorithms
        return lambda repeat: json.loads(self.output([*profile, str(repeat)]))["median_seconds"]

    def device(self):
        devices = json.loads(self.output(["--json", "devices"]))["devices"]
        return next("{name} ({platform}, {version})".format(**d) for d in devices if d["selected"])

    def largest_error(self, path):
        """Against the recorded output, relative to its largest magnitude; None without a record."""
        import numpy
        record = os.path.splitext(path)[0]
        if not os.path.exists(record + ".output.npy"):
            return None
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "output.npy")
            self.output(["-q", "run", path, "--input", record + ".input.npy", "--output", output])
            got, expected = numpy.load(output), numpy.load(record + ".output.npy")
        return float(numpy.abs(got - expected).max() / numpy.abs(expected).max())


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, arguments):
        import onnxruntime
        if arguments.gpu:
            raise ImportError("not compared on a GPU")
        self.runtime, self.version, self.threads = onnxruntime, onnxruntime.__version__, arguments.threads

    def prepare(self, path, batch):
        import numpy
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = self.runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        images = numpy.random.default_rng(1).random((batch, 3, 224, 224), numpy.float32)
        feed = {session.get_inputs()[0].name: images}
        return lambda repeat: median_seconds(lambda: session.run(None, feed), repeat)


class PyTorch:
    name = "PyTorch"

    def __init__(self, arguments):
        import torch
        import torchvision
        self.torch, self.models, self.version = torch, torchvision.models, torch.__version__
        torch.set_num_threads(arguments.threads)
        self.device = "cuda" if arguments.gpu else "cpu"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True

    def prepare(self, path, batch):
        torch = self.torch
        model = getattr(self.models, model_name(path))(weights=None).eval()
        model = model.to(self.device, memory_format=torch.channels_last)
        images = torch.rand(batch, 3, 224, 224, device=self.device).to(memory_format=torch.channels_last)

        def run():
            with torch.inference_mode():
                model(images)
            if self.device == "cuda":
                torch.cuda.synchronize()

        return lambda repeat: median_seconds(run, repeat, 1 if self.device == "cpu" else 3)


# Where the last stage begins: the same layers as `thaw profile --train --unfreeze 1` trains.
LAST_STAGE = {"resnet18": ["layer4", "fc"], "squeezenet1_1": ["features.9", "features.10", "features.11",
              "features.12", "classifier"], "mobilenet_v2": ["features.14", "features.15", "features.16",
              "features.17", "features.18", "classifier"]}

# In a process of its own: name, batch, threads, repeat, layers to train with commas ("": all), device. Prints seconds
# and kilobytes.
PYTORCH_STEP = """
import resource, statistics, sys, time
import torch, torchvision
name, batch, threads, repeat, layers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
device = sys.argv[6]
torch.set_num_threads(threads)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True
model = getattr(torchvision.models, name)(weights=None).to(device, memory_format=torch.channels_last).train()
if layers:
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    for layer in layers.split(","):
        part = model.get_submodule(layer).train()
        for parameter in part.parameters():
            parameter.requires_grad = True
images = torch.rand(batch, 3, 224, 224, device=device).to(memory_format=torch.channels_last)
labels = torch.randint(1000, (batch,), device=device)
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-6, momentum=0.9)
times = []
for turn in range(repeat + 2):
    start = time.perf_counter()
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()
    if device == "cuda":
        torch.cuda.synchronize()
    times.append(time.perf_counter() - start)
memory = torch.cuda.max_memory_allocated() // 1024 if device == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(statistics.median(times[2:]), memory)
"""


def run_measured(command, environment):
    """The output of a child, and its largest resident memory in kilobytes."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError("%s failed" % command[0])
    return output, usage.ru_maxrss


def thaw_step(thaw, path, batch, repeat, last):
    command = [thaw.command, "--json", "-q", "profile", path, "--train", "--whole", "--batch", str(batch), "--repeat",
               str(repeat)] + (["--unfreeze", "1"] if last else [])
    output, kilobytes = run_measured(command, thaw.environment)
    result = json.loads(output)
    return result["median_seconds"], result["peak_device_bytes"] // 1024 if thaw.gpu else kilobytes


def pytorch_step(name, batch, arguments, last):
    layers = ",".join(LAST_STAGE[name]) if last else ""
    output, _ = run_measured([sys.executable, "-c", PYTORCH_STEP, name, str(batch), str(arguments.threads),
                              str(arguments.repeat), layers, "cuda" if arguments.gpu else "cpu"],
                             dict(os.environ))
    seconds, kilobytes = output.split()
    return float(seconds), int(kilobytes)


def compare_training(arguments):
    thaw = Thaw(arguments)
    print("| model | trained | batch | Thaw images/s | PyTorch images/s | x PyTorch | Thaw MB | PyTorch MB | x memory |")
    print("| --- | --- %s|" % ("| ---: " * 7), flush=True)
    names = list(LAST_STAGE) if arguments.names is NAMES else arguments.names
    for name in names:
        path = model_path(arguments, name)
        for last in (False, True):
            for batch in (int(b) for b in arguments.batch.split(",")):
                thaw_step(thaw, path, batch, 1, last)  # compiles, and chooses algorithms
                turns = [(thaw_step(thaw, path, batch, arguments.repeat, last),
                          pytorch_step(name, batch, arguments, last)) for _ in range(arguments.rounds)]
                (a, a_memory), (b, b_memory) = ([statistics.median(turn[side][i] for turn in turns) for i in (0, 1)]
                                                for side in (0, 1))
                print("| %s | %s | %d | %.1f | %.1f | %.2f | %.0f | %.0f | %.2f |" % (
                    name, "last stage + head" if last else "everything", batch, batch / a, batch / b, b / a,
                    a_memory / 1024, b_memory / 1024, a_memory / b_memory), flush=True)


def installed_runtimes(arguments):
    runtimes = [Thaw(arguments)]
    for peer in (OnnxRuntime, PyTorch):
        try:
            runtimes.append(peer(arguments))
        except ImportError as error:
            print("left out %s: %s" % (peer.name, error), file=sys.stderr)
    return runtimes


def measure(runtimes, path, batch, arguments):
    """The median time of one batch on each runtime."""
    runs = [runtime.prepare(path, batch) for runtime in runtimes]
    times = [[] for _ in runtimes]
    for _ in range(arguments.rounds):
        for i, run in enumerate(runs):
            times[i].append(run(arguments.repeat))
    return [statistics.median(t) for t in times]


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def print_head(runtimes, arguments):
    print("- machine: %s, %d threads, %s" % (processor(), arguments.threads, platform.system()))
    print("- device: %s" % runtimes[0].device())
    print("- versions: %s" % ", ".join("%s %s" % (r.name, r.version) for r in runtimes))
    print("- medians of %d rounds in turn, each the median of %d batches\n" % (arguments.rounds, arguments.repeat))
    columns = ["model", "batch"] + ["%s ms" % r.name for r in runtimes]
    columns += ["x %s" % r.name for r in runtimes[1:]] + ["largest error"]
    print("| %s |" % " | ".join(columns))
    print("| --- %s|" % ("| ---: " * (len(columns) - 1)), flush=True)


def main():
    arguments = parse_arguments()
    if arguments.train:
        compare_training(arguments)
        return
    runtimes = installed_runtimes(arguments)
    print_head(runtimes, arguments)
    for name in arguments.names:
        path = model_path(arguments, name)
        error = runtimes[0].largest_error(path)
        for batch in (int(b) for b in arguments.batch.split(",")):
            seconds = measure(runtimes, path, batch, arguments)
            cells = [name, str(batch)] + ["%.1f" % (1e3 * s) for s in seconds]
            cells += ["%.2f" % (s / seconds[0]) for s in seconds[1:]]
            cells.append("-" if error is None else "%.1g" % error)
            print("| %s |" % " | ".join(cells), flush=True)


main()
