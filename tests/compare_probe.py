#!/usr/bin/env python3
"""Is the probe as good as scikit-learn's logistic regression? On real photographs, the same features, the same splits.

usage: compare_probe.py --thaw THAW --shared FOLDER [--time-budget 5m] [--seeds 5 [--first-seed 0]] [--bases NAME,..]
       [--data NAME,..]

FOLDER is the material beside the repository (docs/testing.md). Features are what `thaw features` gives. Each seed is a
stratified split, a quarter to validate on, laid out as DIR/train and DIR/val for Thaw. scikit-learn standardises by the
training images; it is given the strength that Thaw's probe chose, its default (C = 1), and LogisticRegressionCV's choice
among ten by the held-out log-loss of five folds. Prints Markdown: validation top-1. With --time-budget it is
the default recipe that runs, the probe and then fine-tuning: its mean, and in how many splits it kept which."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BASES = {
    "mobilenet_v1_1.0_trunk": ["--preprocess", "tf"],
    "mobilenet_v1_0.25": ["--preprocess", "tf"],
    "squeezenet1.1": ["--preprocess", "raw", "--channel-order", "bgr"],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thaw", required=True, help="the thaw command")
    parser.add_argument("--shared", required=True, help="folder with models/ and data/")
    parser.add_argument("--time-budget", help="for the recipe probe-then-finetune (default: the probe alone)")
    parser.add_argument("--seeds", type=int, default=5, help="splits (default 5)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first split's (default 0): to go on from there")
    parser.add_argument("--bases", default=",".join(BASES))
    parser.add_argument("--data", default="sign_digits,trashnet")
    return parser.parse_args()


def thaw(arguments, *words):
    command = [arguments.thaw, "--json", "--progress", "none", "-q", *words]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def features_of(arguments, folder, base, data):
    """Features [n, width], labels and paths of all images."""
    model = os.path.join(arguments.shared, "models", base + ".onnx")
    where = os.path.join(arguments.shared, "data", data)
    paths = thaw(arguments, "features", model, "--data", where, "--output", folder + "/f.npy", *BASES[base])["paths"]
    features = np.load(folder + "/f.npy")
    if features.ndim == 4:  # the head averages maps
        features = features.mean((2, 3))
    labels = [os.path.basename(os.path.dirname(path)) for path in paths]
    return features.reshape(len(paths), -1).astype(np.float64), np.array(labels), np.array(paths)


def lay_out(folder, part, paths):
    for path in paths:
        target = os.path.join(folder, part, os.path.basename(os.path.dirname(path)))
        os.makedirs(target, exist_ok=True)
        os.symlink(os.path.abspath(path), os.path.join(target, os.path.basename(path)))


def run_thaw(arguments, base, paths, train, held_out):
    model = os.path.join(arguments.shared, "models", base + ".onnx")
    with tempfile.TemporaryDirectory() as folder:
        lay_out(folder, "train", paths[train])
        lay_out(folder, "val", paths[held_out])
        how = ["--time-budget", arguments.time_budget] if arguments.time_budget else ["--recipe", "probe"]
        return thaw(arguments, "finetune", "--base", model, "--data", folder, "--output", folder + "/out.onnx", *how,
                    *BASES[base])


def run_peers(features, labels, train, held_out, strength):
    """Accuracy with Thaw's strength, with C = 1, and with the C that is chosen."""
    same = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (strength * len(train)), max_iter=5000, tol=1e-6))
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    chosen = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=np.logspace(-4, 2, 10), cv=5, max_iter=2000,
                                                                  scoring="neg_log_loss", use_legacy_attributes=False,
                                                                  l1_ratios=(0,)))
    return [np.mean(peer.fit(features[train], labels[train]).predict(features[held_out]) == labels[held_out])
            for peer in (same, plain, chosen)]


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore")
    print("| base | images | Thaw's probe, by split | mean | scikit-learn, Thaw's strength | C = 1 | C chosen | "
          "default recipe | kept |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for base in arguments.bases.split(","):
        for data in arguments.data.split(","):
            with tempfile.TemporaryDirectory() as folder:
                features, labels, paths = features_of(arguments, folder, base, data)
            ours, theirs, recipe, kept = [], [], [], []
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
                train, held_out = train_test_split(np.arange(len(paths)), test_size=0.25, stratify=labels,
                                                   random_state=seed)
                result = run_thaw(arguments, base, paths, train, held_out)
                ours.append(100 * result["probe"]["val_top1"])
                recipe.append(100 * result["best_val_top1"])
                scores = run_peers(features, labels, train, held_out, result["probe"]["strength"])
                theirs.append([100 * score for score in scores])
                if result["refinement"]:
                    kept.append(result["refinement"]["kept"] if result["refinement"]["tried"] else "probe, not tried")
                print(base, data, seed, ours[-1], theirs[-1], result["probe"]["strength"], result["refinement"],
                      result["seconds"], file=sys.stderr, flush=True)
            told = ", ".join("%d %s" % (kept.count(which), which) for which in sorted(set(kept)))
            print("| %s | %s | %s | %.1f %% | %.1f %% | %.1f %% | %.1f %% | %s | %s |" %
                  (base, data, " ".join("%.1f" % score for score in ours), np.mean(ours), *np.mean(theirs, 0),
                   "%.1f %%" % np.mean(recipe) if kept else "", told), flush=True)


if __name__ == "__main__":
    main()
