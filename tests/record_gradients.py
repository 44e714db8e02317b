#!/usr/bin/env python3
"""Writes tests/gradients/: what PyTorch makes of some of torchvision's models, for tests/test_gradients.c.

    python3 tests/record_gradients.py [NAME ...]

NAME.onnx           the model's structure: initialisers that are to be filled as in fill() have no data
NAME.gradients.npy  [modes, parameters, 1 + 8]: of each parameter's gradient the norm, and 8 sums with random signs
NAME.losses.npy     [modes, 2, 20]: the loss before each of 20 steps of SGD, and of AdamW

Everything is computed in float64 from weights and images that are float32. Modes: batch norms that use the batch's
statistics, then the same with the running statistics that the first pass has left; a model without batch norms has one.
Prints how far PyTorch's own float32 is from its float64, by the norm of each tensor."""
import copy
import io
import pathlib
import re
import sys
import numpy as np
import onnx
import torch
import torchvision

# name: the seed of the images, such that no activation lies so near to a kink (of ReLU, or ReLU6) that rounding decides
# which side it is on; the middle of the biases, above 0 where so many activations would lie around the kink that no seed
# keeps them all away from it; the rates of SGD and AdamW, small enough for steps that rounding does not lead elsewhere:
# PyTorch's own float32 stays within a third of 1e-3 of its float64 with them, but in DenseNet's AdamW with frozen
# statistics, where it is 1.3e-3 off (1.0e-3 at 1e-6, 3.5e-3 at 2e-7: lower rates don't help).
SUBJECTS = {
    "resnet18": (13, 0.0, 1e-4, 1e-5),
    "squeezenet1_1": (13, 0.0, 1e-4, 1e-5),
    "mobilenet_v2": (9, 1.0, 3e-6, 3e-6),
    "efficientnet_b0": (1, 0.0, 1e-4, 1e-5),
    "densenet121": (11, 2.5, 1e-6, 1e-5),
}
BATCH, SIZE, CLASSES, STEPS, SIGNS = 4, 64, 10, 20, 8
SEED_WEIGHTS, SEED_SIGNS = 1, 3
SMALL = 1e-4  # a gradient below this share of all gradients' norm is measured by that instead
FOLDER = pathlib.Path(__file__).parent / "gradients"


class Random:  # src/base/random.h, many numbers at once
    def __init__(self, seed):
        self.state = np.uint64(seed)

    def next(self, count):
        with np.errstate(over="ignore"):
            z = self.state + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            self.state = z[-1]
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))

    def between(self, low, high, shape):
        unit = (self.next(int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return torch.from_numpy((low + (high - low) * unit).astype(np.float32).reshape(shape))


def fill(name, shape, bias, random):
    """Weights with the variance 2 / fan-in; scales of norms around 1, biases around `bias`; statistics are computed."""
    if len(shape) > 1:
        bound = np.sqrt(6.0 / np.prod(shape[1:]))
        return random.between(-bound, bound, shape)
    if name.endswith(".weight"):
        return random.between(0.5, 1.5, shape)
    if name.endswith(".bias"):
        return random.between(bias - 0.1, bias + 0.1, shape)
    return torch.full(shape, 1.0 if name.endswith("var") else 0.0)


def make_model(name):
    model = getattr(torchvision.models, name)(num_classes=CLASSES)
    for module in model.modules():
        if isinstance(module, (torch.nn.Dropout, torchvision.ops.StochasticDepth)):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # running statistics become the last batch's
    for tensor in model.state_dict().values():  # the exporter merges tensors that are equal
        if tensor.is_floating_point():
            tensor.uniform_()
    return model


DEFAULTS = {"dilations": [1, 1], "group": 1, "strides": [1, 1], "pads": [0, 0, 0, 0], "ceil_mode": 0, "alpha": 1.0,
            "beta": 1.0, "training_mode": 0}


def shorten(name):
    """features.denseblock1.denselayer2.norm1.weight: f.d1.d2.n1.weight"""
    *modules, parameter = name.split(".")
    return ".".join([re.sub("(?<=[a-z])[^0-9]+", "", m) for m in modules] + [parameter])


def write_structure(name, model):
    """As small as it gets: no data, short names, no attributes that say what goes without saying. Names to fill."""
    file = io.BytesIO()
    torch.onnx.export(model.eval(), torch.zeros(BATCH, 3, SIZE, SIZE), file, dynamo=False, opset_version=14,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, input_names=["images"],
                      output_names=["logits"])
    structure = onnx.load_from_string(file.getvalue())
    graph, short = structure.graph, {}
    del graph.value_info[:]
    filled = [i for i in graph.initializer if i.name in model.state_dict()]
    names = [i.name for i in filled]
    for initializer in filled:
        short[initializer.name] = shorten(initializer.name)
        initializer.name = short[initializer.name]
        initializer.ClearField("raw_data")
    assert len(set(short.values())) == len(names)
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        short.update({o: f"v{len(short)}" for o in node.output if o != "logits"})
        kept = [a for a in node.attribute if DEFAULTS.get(a.name) != onnx.helper.get_attribute_value(a)]
        del node.attribute[:]
        node.attribute.extend(kept)
    for node in graph.node:
        node.input[:] = [short.get(i, i) for i in node.input]
        node.output[:] = [short.get(o, o) for o in node.output]
    (FOLDER / f"{name}.onnx").write_bytes(structure.SerializeToString())
    assert {n for n, _ in model.named_parameters()} <= set(names)
    return names


def loss_of(model, images):
    labels = torch.arange(BATCH) % CLASSES
    return torch.nn.functional.cross_entropy(model(images), labels)


def gradients_of(model, images, names):
    model.zero_grad()
    loss_of(model, images).backward()
    parameters = dict(model.named_parameters())
    return [parameters[n].grad.flatten().double().numpy().copy() for n in names if n in parameters]


def fingerprint(gradient):
    bits = Random(SEED_SIGNS).next(gradient.size)
    sums = [np.sum(np.where((bits >> np.uint64(k)) & np.uint64(1), -gradient, gradient)) for k in range(SIGNS)]
    return [np.linalg.norm(gradient)] + sums


def curve(model, images, sgd, rate):
    model = copy.deepcopy(model)
    groups = [{"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.01},
              {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9) if sgd else torch.optim.AdamW(groups, lr=rate)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, images)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def report(label, exact, single, losses, single_losses):
    every = np.sqrt(sum(np.sum(g * g) for g in exact))
    errors = np.array([np.linalg.norm(a - b) / max(np.linalg.norm(b), SMALL * every) for a, b in zip(single, exact)])
    tiny = sum(np.linalg.norm(g) < SMALL * every for g in exact)
    print(f"{label}: float32 worst {errors.max():.1e}, {np.sum(errors < 1e-4)} of {len(errors)} under 1e-4, {tiny} as "
          f"good as zero; losses {losses[0][0]:.3f} to {losses[0][-1]:.3f} and {losses[1][-1]:.3f}, float32 off by "
          f"{np.abs(np.array(single_losses) - losses).max(axis=1)}", flush=True)


def record(name):
    random, (seed, bias, *rates) = Random(SEED_WEIGHTS), SUBJECTS[name]
    images = Random(seed).between(-1.5, 1.5, (BATCH, 3, SIZE, SIZE))
    model = make_model(name)
    names = write_structure(name, model)
    weights = {n: fill(n, tuple(model.state_dict()[n].shape), bias, random) for n in names}
    model.load_state_dict(weights, strict=False)
    single, model = model, copy.deepcopy(model).double()
    has_norms = any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
    fingerprints, losses = [], []
    for training in (True, False) if has_norms else (False,):
        runs = []
        for net, x in ((model, images.double()), (single, images)):
            net.train(training)
            runs.append((gradients_of(net, x, names), [curve(net, x, i == 0, rates[i]) for i in range(2)]))
        report(f"{name} {'updated' if training else 'frozen'}", runs[0][0], runs[1][0], runs[0][1], runs[1][1])
        fingerprints.append([fingerprint(g) for g in runs[0][0]])
        losses.append(runs[0][1])
    np.save(FOLDER / f"{name}.gradients.npy", np.array(fingerprints, dtype=np.float32))
    np.save(FOLDER / f"{name}.losses.npy", np.array(losses, dtype=np.float32))


if __name__ == "__main__":
    torch.set_num_threads(1)  # sums in one order
    for name in sys.argv[1:] or SUBJECTS:
        record(name)
