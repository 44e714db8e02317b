#!/usr/bin/env python3
"""What fastai's lr_find suggests (fastai/callback/schedule.py: valley and steep) on curves that tests/test_train.c makes
too. Prints the rows of its table."""
import math


def valley(rates, losses):
    longest, start, end = [1] * len(losses), 0, 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and longest[i] < longest[j] + 1:
                longest[i] = longest[j] + 1
            if longest[end] < longest[i]:
                end = i
                start = end - longest[end]
    sections = (end - start) / 3
    return rates[start + int(sections) + int(sections / 2)]


def steep(rates, losses):
    slopes = [(b - a) / (math.log(s) - math.log(r)) for a, b, r, s in zip(losses, losses[1:], rates, rates[1:])]
    return rates[slopes.index(min(slopes))]


for count, bottom in ((100, 0.7), (100, 0.5), (137, 0.9), (200, 0.2), (20, 0.6)):
    rates = [1e-7 * 1e8 ** (i / (count - 1)) for i in range(count)]
    losses = []
    for i in range(count):
        x = i / (count - 1) - bottom
        losses.append(2 - 1.5 * math.exp(-8 * x * x) + (9 * x * x if x > 0 else 0) + 0.01 * math.sin(3 * i))
    seen = slice(count // 10, -5)
    print(f"        {{{count}, {bottom}, {valley(rates[seen], losses[seen]):.9g}, {steep(rates[seen], losses[seen]):.9g}}},")
