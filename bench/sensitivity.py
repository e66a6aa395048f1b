"""How well the sensitivity methods rank the cells of a photo, and for what time: Spearman correlation with a converged map
of total-order Sobol indices, and the time relative to the usual design (32 points of the plain Sobol' sequence, Jansen)
on the same engine in the same run. Below 1 the method is faster.

    bench/sensitivity.py [--seeds 1 2 3]

The converged maps (top-1 logit, 8x8 cells, fading to 0) come with the shared material; without it this says so and ends.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[1]
COMMAND = Path(os.environ.get("VITRAIL_COMMAND", SOURCE / "build" / "release" / "vitrail"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
CONVERGED = CORPUS.parent / "golden" / "attribution" / "sobol_total_8x8.tsv"

USUAL = "sobol:designs=32,replicates=1,sampler=sobol"
METHODS = (
    USUAL,
    "sobol:designs=8,replicates=4",
    "morris:designs=4,replicates=4",
    "morris:designs=4,replicates=4,smoothing=0.2",
    "dgsm:samples=8,replicates=4",
    "dgsm:samples=16,replicates=4",
    "dgsm:samples=16,replicates=4,smoothing=0.2",
    "dgsm_morris:designs=2,samples=16,replicates=4",
)


def ranks(values):
    return np.argsort(np.argsort(values.ravel())).astype(float)


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def explain(model, photo, seed):
    """{method: (cells, seconds, forwards, backwards)}, one run of the command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "explain", model, photo, "--threads", "1", "--seed", str(seed), "-o", folder, "--quiet"]
        subprocess.run([*command, *(word for method in METHODS for word in ("-m", method))], check=True)
        result = next(Path(folder).glob("*/result.json"))
        explanations = json.loads(result.read_text())["explanations"]
        return {
            method: (np.load(result.parent / e["cells"]), e["seconds"], e["forwards"], e["backwards"])
            for method, e in zip(METHODS, explanations, strict=True)
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    arguments = parser.parse_args()
    if not CONVERGED.exists():
        print(f"skipped: no converged maps at {CONVERGED}", file=sys.stderr)
        return
    rows = list(csv.DictReader(CONVERGED.open(), delimiter="\t"))
    found = {}  # (net, method) -> [(correlation, ratio, forwards, backwards)]
    for row in rows:
        converged = np.array(row["values"].split(), dtype=float)
        for seed in arguments.seeds:
            runs = explain(
                CORPUS / "models" / "imagenet" / f"{row['model']}.onnx", CORPUS / "images" / row["image"], seed
            )
            for method, (cells, seconds, forwards, backwards) in runs.items():
                value = (spearman(cells, converged), seconds / runs[USUAL][1], forwards, backwards)
                found.setdefault((row["model"], method), []).append(value)
    print("rank correlation with the converged map: mean [worst photo]; time relative to the usual design: median\n")
    for (net, method), values in found.items():
        correlations = [value[0] for value in values]
        cost = f"{values[0][2]} forwards" + (f", {values[0][3]} backwards" if values[0][3] else "")
        print(
            f"{net:<24} {method:<52} {cost:<32} {statistics.fmean(correlations):.3f} [{min(correlations):.3f}]"
            f"   {statistics.median(value[1] for value in values):.2f}"
        )
    for (net, method), values in found.items():
        if method != USUAL:
            print(f"ratio sensitivity {net}/{method} {statistics.median(value[1] for value in values):.3f}")


if __name__ == "__main__":
    main()
