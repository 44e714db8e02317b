#!/usr/bin/env python3
"""Prints the losses that PyTorch has in the run of tests/test_training.c's as_pytorch(): the same pictures, the same
first weights, all 36 images in one batch, SGD."""
import math
import torch

MASK = (1 << 64) - 1
SIZE, CLASSES, PER_CLASS, EPOCHS = 12, 3, 12, 8


class Random:  # src/base/random.h
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def pictures():  # tests/pictures.c
    random, images, labels = Random(3), [], []
    for k in range(CLASSES):
        for _ in range(PER_CLASS):
            image = torch.zeros(3, SIZE, SIZE)
            for y in range(SIZE):
                for x in range(SIZE):
                    for c in range(3):
                        bright = 150 if (x - 3 - 3 * k) ** 2 + (y - 9 + 3 * k) ** 2 < 7 and c == k else 0
                        image[c, y, x] = bright + int(random.uniform() * 60)
            images.append(image)
            labels.append(k)
    return torch.stack(images) / 127.5 - 1, torch.tensor(labels)


def linear(random, inputs, outputs, head=False):
    layer = torch.nn.Linear(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    weight = torch.tensor([random.uniform() for _ in range(inputs * outputs)], dtype=torch.float64)
    layer.weight.data = ((2 * weight - 1) * bound).float().reshape(outputs, inputs)
    # Biases of tests/onnx_subject.c count up in steps of 1/8; the new head's begin at 0.
    layer.bias.data = torch.zeros(outputs) if head else torch.arange(outputs) / 8.0
    return layer


images, labels = pictures()
random = Random(11)
net = torch.nn.Sequential(torch.nn.Flatten(), linear(random, 3 * SIZE * SIZE, 16), linear(random, 16, 8),
                          linear(Random(1), 8, CLASSES, head=True))
weights = [p for p in net.parameters() if p.dim() > 1]
biases = [p for p in net.parameters() if p.dim() == 1]
optimizer = torch.optim.SGD([{"params": weights, "weight_decay": 0.01}, {"params": biases}], lr=0.02, momentum=0.9,
                            nesterov=True)
for epoch in range(EPOCHS):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(images), labels, label_smoothing=0.1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    print(f"{loss.item():.7f},", end=" ")
print()
