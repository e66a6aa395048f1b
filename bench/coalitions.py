"""How many forwards the read-outs of random masks and coalitions need: Spearman correlation with a converged map of the
same engine, for each method at several numbers of forwards, and the forwards that one way of reading them needs for what
another reaches with 1024, by interpolation (below 1: fewer).

    bench/coalitions.py [--seeds 1 2 3] [--nets mobilenet_v1_0.25_224 ...] [--photos PATH ...]

Maps of 8x8 cells (rise: its own grid of 7, compared on the means of its map over 8x8 cells), top-1 logit, fading to 0.
"""

import argparse
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
NETS = ("mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224")
PHOTOS = ("imagenette-train/n03028079_church/n03028079_10103.JPEG", "imagenet-sample/n01806143_peacock.JPEG")

FORWARDS = (128, 256, 512, 1024)
# family: the converged map, and the ways to spend n forwards. The first way is what the others are compared with.
FAMILIES = {
    "rise": (
        "rise:masks=16000,readout=mean",
        {
            "mean": lambda n: f"rise:masks={n},readout=mean",
            "mean, antithetic": lambda n: f"rise:masks={n},readout=mean,antithetic=true",
            "least squares": lambda n: f"rise:masks={n}",
            "least squares, antithetic": lambda n: f"rise:masks={n},antithetic=true",
        },
    ),
    "shapley": (
        "kernel_shap:coalitions=16000",
        {
            "kernel_shap, one by one": lambda n: f"kernel_shap:coalitions={n},paired=false,sizes=kernel",
            "kernel_shap, kernel sizes": lambda n: f"kernel_shap:coalitions={n},sizes=kernel",
            "kernel_shap": lambda n: f"kernel_shap:coalitions={n}",
            "shapley, one by one": lambda n: f"shapley:permutations={round(n / 63)},antithetic=false",
            "shapley": lambda n: f"shapley:permutations={round(n / 126) * 2}",
            "owen": lambda n: f"owen:evaluations={n}",
        },
    ),
    "hsic": (
        "hsic:designs=1024,replicates=8",
        {
            "kernel": lambda n: f"hsic:designs={n // 8}",
            "regression": lambda n: f"hsic:designs={n // 8},readout=regression",
            "kernel, median_output": lambda n: f"hsic:designs={n // 8},width=median_output",
        },
    ),
    "lime": (
        "lime:samples=16000",
        {
            "one by one": lambda n: f"lime:samples={n}",
            "antithetic": lambda n: f"lime:samples={n},antithetic=true",
        },
    ),
}


def ranks(values):
    return np.argsort(np.argsort(values.ravel())).astype(float)


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def cells_of(result, explanation):
    if explanation.get("cells"):
        return np.load(result.parent / explanation["cells"])
    values = np.load(result.parent / explanation["map"])
    height, width = values.shape
    return values.reshape(8, height // 8, 8, width // 8).mean((1, 3))


def explain(net, photo, methods, seed):
    """[(cells, forwards)] of the methods, one run of the command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "explain", CORPUS / "models" / "imagenet" / f"{net}.onnx", CORPUS / "images" / photo]
        command += ["--threads", "1", "--seed", str(seed), "-o", folder, "--quiet"]
        subprocess.run([*command, *(word for method in methods for word in ("-m", method))], check=True)
        result = next(Path(folder).glob("*/result.json"))
        explanations = json.loads(result.read_text())["explanations"]
        return [(cells_of(result, e), e["forwards"]) for e in explanations]


def needed(correlations, wanted):
    """Forwards at which a way reaches the correlation `wanted`, by interpolation over the logarithm."""
    found = [statistics.fmean(correlations[n]) for n in FORWARDS]
    if max(found) < wanted:
        return None
    return float(2 ** np.interp(wanted, np.maximum.accumulate(found), np.log2(FORWARDS)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--photos", nargs="*", default=list(PHOTOS))
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    arguments = parser.parse_args()
    if not (CORPUS / "models").exists():
        print(f"skipped: no nets at {CORPUS}", file=sys.stderr)
        return
    ratios = []
    for net in arguments.nets:
        for family in arguments.families:
            reference, ways = FAMILIES[family]
            found = {way: {n: [] for n in FORWARDS} for way in ways}
            for photo in arguments.photos:
                converged = explain(net, photo, [reference], 1000)[0][0]
                strings = [(way, n, ways[way](n)) for way in ways for n in FORWARDS]
                for seed in arguments.seeds:
                    maps = explain(net, photo, [method for _, _, method in strings], seed)
                    for (way, n, _), (cells, _) in zip(strings, maps, strict=True):
                        found[way][n].append(spearman(cells, converged))
            first, *others = ways
            goal = statistics.fmean(found[first][1024])
            for way in ways:
                row = "  ".join(f"{n}: {statistics.fmean(found[way][n]):.3f}" for n in FORWARDS)
                print(f"{net:<22} {family:<8} {way:<28} {row}", flush=True)
            for way in others:
                forwards = needed(found[way], goal)
                if forwards is not None:
                    ratios.append((f"{net}/{family}/{way.replace(', ', '-').replace(' ', '-')}", forwards / 1024))
    for case, ratio in ratios:
        print(f"ratio coalitions {case} {ratio:.3f}")


if __name__ == "__main__":
    main()
