#!/usr/bin/env python3
"""Thaw beside ONNX Runtime and PyTorch: the same models, the same machine, taking turns.

usage: compare_peers.py --thaw THAW --models FOLDER [--batch 8,1] [--threads 2] [--rounds 9] [--repeat 5] [NAME...]

FOLDER holds NAME.onnx with an image input [N,3,224,224] (and, for the check of outputs, NAME.input.npy and
NAME.output.npy). PyTorch runs torchvision's architecture of that name. Whatever of onnxruntime and torch is not installed
is left out. In each round every runtime computes `repeat` batches after a warm-up and gives the median of their times;
printed is the median over the rounds, as Markdown, with Thaw's speed as a multiple of the others'.
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
    parser.add_argument("--batch", default="8,1", help="batch sizes, with commas (default 8,1)")
    parser.add_argument("--threads", type=int, default=2, help="of each runtime (default 2)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each runtime (default 9)")
    parser.add_argument("--repeat", type=int, default=5, help="timed batches in a turn (default 5)")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    return parser.parse_args()


def median_seconds(run, repeat):
    """The median time of `repeat` calls after one that is not counted."""
    times = []
    for turn in range(repeat + 1):
        start = time.perf_counter()
        run()
        if turn > 0:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


class Thaw:
    """A process for each turn, which times the model without what comes before: start, reading, compiling, planning."""

    name = "Thaw"

    def __init__(self, arguments):
        self.command = arguments.thaw
        self.environment = dict(os.environ, POCL_MAX_PTHREAD_COUNT=str(arguments.threads))
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
        record = path[: -len(".onnx")]
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

    def prepare(self, path, batch):
        name = os.path.basename(path)[: -len(".onnx")]
        model = getattr(self.models, name)(weights=None).eval().to(memory_format=self.torch.channels_last)
        images = self.torch.rand(batch, 3, 224, 224).to(memory_format=self.torch.channels_last)

        def run():
            with self.torch.inference_mode():
                model(images)

        return lambda repeat: median_seconds(run, repeat)


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
    runtimes = installed_runtimes(arguments)
    print_head(runtimes, arguments)
    for name in arguments.names:
        path = os.path.join(arguments.models, name + ".onnx")
        error = runtimes[0].largest_error(path)
        for batch in (int(b) for b in arguments.batch.split(",")):
            seconds = measure(runtimes, path, batch, arguments)
            cells = [name, str(batch)] + ["%.1f" % (1e3 * s) for s in seconds]
            cells += ["%.2f" % (s / seconds[0]) for s in seconds[1:]]
            cells.append("-" if error is None else "%.1g" % error)
            print("| %s |" % " | ".join(cells), flush=True)


main()
