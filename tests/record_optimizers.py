#!/usr/bin/env python3
"""Writes tests/recorded_optimizers.h: what torch.optim makes of the same weights and gradients.

    python3 tests/record_optimizers.py > tests/recorded_optimizers.h

A weight [3, 2], which decays, and a bias [3], which does not; STEPS steps with gradients that are written along."""
import math
import torch

STEPS = 6
CASES = [  # kind, momentum, nesterov, decay, clip, rate of the weight's group as a factor
    ("SGD", 0.0, False, 0.0, 0.0, 1.0),
    ("SGD", 0.9, False, 0.1, 0.0, 1.0),
    ("SGD", 0.9, True, 0.1, 0.0, 0.5),
    ("SGD", 0.9, False, 0.0, 0.25, 1.0),
    ("ADAM", 0.9, False, 0.0, 0.0, 1.0),
    ("ADAM", 0.9, False, 0.1, 0.0, 0.5),
    ("ADAMW", 0.9, False, 0.1, 0.0, 1.0),
    ("ADAMW", 0.9, False, 0.1, 0.25, 0.5),
]
RATE = 0.05


def gradients(step):
    return torch.tensor([math.cos(1.7 * step + 0.9 * i) * (0.1 + 0.07 * i) for i in range(9)], dtype=torch.float32)


def run(kind, momentum, nesterov, decay, clip, factor):
    w = torch.tensor([0.5 - 0.25 * i for i in range(6)], dtype=torch.float32).reshape(3, 2).requires_grad_()
    b = torch.tensor([0.5 - 0.25 * i for i in range(3)], dtype=torch.float32).requires_grad_()
    groups = [{"params": [w], "weight_decay": decay, "lr": RATE * factor}, {"params": [b], "weight_decay": 0.0}]
    if kind == "SGD":
        optimizer = torch.optim.SGD(groups, lr=RATE, momentum=momentum, nesterov=nesterov)
    else:
        optimizer = {"ADAM": torch.optim.Adam, "ADAMW": torch.optim.AdamW}[kind](groups, lr=RATE)
    for step in range(STEPS):
        g = gradients(step)
        w.grad, b.grad = g[:6].reshape(3, 2).clone(), g[6:].clone()
        if clip:
            torch.nn.utils.clip_grad_norm_([w, b], clip)
        optimizer.step()
    return w.detach().flatten().tolist() + b.detach().tolist()


def row(values):
    return ", ".join(f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f" for v in values)


print(f"/* Made by tests/record_optimizers.py with PyTorch {torch.__version__.split('+')[0]}. */")
print(f"enum {{ RECORDED_STEPS = {STEPS}, RECORDED_WIDTH = 9 }};")
print(f"static const double recorded_rate = {RATE};")
print("static const float recorded_gradients[RECORDED_STEPS][RECORDED_WIDTH] = {")
for step in range(STEPS):
    print(f"    {{{row(gradients(step).tolist())}}},")
print("};\nstatic const struct {\n    thaw_optimizer_kind kind;\n    double momentum;\n    bool nesterov;\n"
      "    double decay, clip, factor;\n    float wanted[RECORDED_WIDTH];\n} recorded_runs[] = {")
for case in CASES:
    kind, momentum, nesterov, decay, clip, factor = case
    print(f"    {{THAW_OPTIMIZER_{kind}, {momentum}, {str(nesterov).lower()}, {decay}, {clip}, {factor}, "
          f"{{{row(run(*case))}}}}},")
print("};")
