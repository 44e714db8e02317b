#!/usr/bin/env python3
"""Does fine-tuning take what `--plan` promised? Prints Markdown.

usage: compare_plan.py --thaw THAW --base MODEL --data DIR [--again] OPTIONS [+ OPTIONS ...]

OPTIONS are those of `thaw finetune`, in one word or several; + begins the next case. Each case is planned, then run, with
the features of earlier runs forgotten before both; --again runs it once more after planning it once more, with what the
first run left in the cache. Time is what finetune tells (without loading, OpenCL's start and saving), memory the
process's largest resident set."""
import json
import os
import subprocess
import sys
import tempfile


def run(words):
    """The JSON that a command prints, and its largest resident set."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(words, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0)
        if status:
            sys.exit("failed: " + " ".join(words))
        return json.loads(out.read()), usage.ru_maxrss * 1024


def compare(thaw, common, options, name):
    command = [thaw, "--json", "-q", "--progress", "none", "finetune", *common, *options]
    rows = run([*command, "--plan"])[0]["plan"]
    promised = next(row for row in rows if row["taken"])
    with tempfile.TemporaryDirectory() as folder:
        result, memory = run([*command, "--output", folder + "/out.onnx"])
    tried = result["refinement"] is None or result["refinement"]["tried"]
    seconds = promised["seconds"] if tried else promised["least_seconds"]
    print("| %s | %s | %s | %.2f | %.2f | %+.0f %% | %.0f | %.0f | %.0f | %.0f |" %
          (name, " ".join(options) or "(default)", promised["recipe"] + ("" if tried else ", the probe kept untried"),
           seconds, result["seconds"], 100 * (result["seconds"] / seconds - 1), promised["device_bytes"] / 1e6,
           result["peak_device_bytes"] / 1e6, promised["process_bytes"] / 1e6, memory / 1e6), flush=True)


def main():
    words = sys.argv[1:]
    thaw, base, data = (words[words.index(name) + 1] for name in ("--thaw", "--base", "--data"))
    again = "--again" in words
    rest = words[max(words.index(name) + 2 for name in ("--thaw", "--base", "--data")):]
    rest = [word for word in rest if word != "--again"]
    cases = [[]]
    for word in " ".join(rest).split():
        if word == "+":
            cases.append([])
        else:
            cases[-1].append(word)
    print("| base, data | options | recipe | promised s | took s | off | promised device MB | took | promised process MB | "
          "took |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for options in cases:
        subprocess.run([thaw, "-q", "cache", "clear", "--only", "features"], check=True, stdout=subprocess.DEVNULL)
        name = "%s, %s" % (os.path.splitext(os.path.basename(base))[0], os.path.basename(data))
        for _ in range(1 + again):
            compare(thaw, ["--base", base, "--data", data], options, name)
            name += ", again"


main()
