#!/usr/bin/env python3
"""Makes tests/recorded_probe.h: where scikit-learn's logistic regression ends up on a small problem, in float64.

    python3 record_probe.py > recorded_probe.h

The problem is made by formulas that tests/test_probe.c has too. scikit-learn minimises
C * sum(weight * loss) + |W|^2 / 2, which is ours with C = 1 / (strength * sum of weights). Label smoothing it does not
know: for that case scipy minimises the formula itself, as it does for the others, to check one with the other."""

import numpy as np
import sklearn
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

ROWS, FEATURES, CLASSES = 70, 9, 4
CASES = [(1.0, 0.0), (0.01, 0.0), (0.0001, 0.0), (0.01, 0.1)]  # strength, smoothing

i, f = np.arange(ROWS)[:, None], np.arange(FEATURES)[None, :]
labels = (np.arange(ROWS) ** 2 // 3 + np.arange(ROWS) // 5) % CLASSES
rows = (np.sin(1.7 * (i * FEATURES + f)) + 0.5 * np.cos(0.9 * (labels[:, None] + 1) * (f + 1))).astype(np.float32)
rows = rows.astype(np.float64)
weights = 1.0 + 0.5 * (np.arange(ROWS) % 3)


def objective(flat, strength, smoothing):
    parameters = flat.reshape(CLASSES, FEATURES + 1)
    logits = rows @ parameters[:, :-1].T + parameters[:, -1]
    logits -= logits.max(1, keepdims=True)
    logarithms = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    share = (weights / weights.sum())[:, None]
    residuals = share * (np.exp(logarithms) - target)
    gradient = np.hstack([residuals.T @ rows + strength * parameters[:, :-1], residuals.sum(0)[:, None]])
    penalty = strength / 2 * (parameters[:, :-1] ** 2).sum()
    return -(share * target * logarithms).sum() + penalty, gradient.ravel()


def solve(strength, smoothing):
    start = np.zeros(CLASSES * (FEATURES + 1))
    found = minimize(objective, start, (strength, smoothing), "L-BFGS-B", True,
                     options={"maxiter": 100000, "maxfun": 100000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 50})
    ours = found.x.reshape(CLASSES, FEATURES + 1)
    ours[:, -1] -= ours[:, -1].mean()  # biases are known but for what all have in common
    if smoothing == 0.0:
        model = LogisticRegression(C=1 / (strength * weights.sum()), tol=1e-12, max_iter=100000)
        model.fit(rows, labels, sample_weight=weights)
        theirs = np.hstack([model.coef_, model.intercept_[:, None] - model.intercept_.mean()])
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max(), (strength, np.abs(ours - theirs).max())
    return ours, found.fun


print("/* Made by tests/record_probe.py with scikit-learn %s. */" % sklearn.__version__)
print("#define PROBE_ROWS     %d" % ROWS)
print("#define PROBE_FEATURES %d" % FEATURES)
print("#define PROBE_CLASSES  %d" % CLASSES)
print("static const struct {")
print("    double strength, smoothing, loss;")
print("    double parameters[PROBE_CLASSES][PROBE_FEATURES + 1]; /* weights, then the bias, whose mean is 0 */")
print("} recorded[] = {")
for strength, smoothing in CASES:
    parameters, loss = solve(strength, smoothing)
    print("    {%g, %g, %.12g," % (strength, smoothing, loss))
    print("     {" + ",\n      ".join("{" + ", ".join("%.9g" % x for x in row) + "}" for row in parameters) + "}},")
print("};")
