"""What the error bars of sampling methods are worth on real nets and photos.

    bench/error_bars.py [--nets mobilenet_v1_0.25_224 ...] [--photos 2] [--seeds 20] [--methods rise sobol ...]

Coverage: of the intervals estimate +- t SE (nominal 95 %) of runs with different seeds, the share that holds a
converged value; and the root mean square of (estimate - converged) / SE, 1 where bars have the right length. The converged
map is the same method with many times the samples and another seed; its own error is added to the bar.
Early stop: forwards that `tolerance` takes, against the forwards of the same method without it; how far the map is off
then, as a share of its range, at its worst cell; and in how many runs every cell kept the promise (at least 95 %).
All are looked at in the middle of the cells of an 8x8 grid.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.stats

SOURCE = Path(__file__).resolve().parents[1]
COMMAND = Path(os.environ.get("VITRAIL_COMMAND", SOURCE / "build" / "release" / "vitrail"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
NETS = ("mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224")
PHOTOS = (
    "imagenette-train/n03028079_church/n03028079_10103.JPEG",
    "imagenette-train/n03888257_parachute/n03888257_10844.JPEG",
    "imagenette-train/n01440764_tench/n01440764_10293.JPEG",
)

# name -> (a run, the converged map, degrees of freedom of the standard error)
STUDIES = {
    "rise": ("rise:masks=500", "rise:masks=16000", 499),
    "sobol": ("sobol:designs=4,replicates=4", "sobol:designs=8,replicates=32", 3),
    "morris": ("morris:designs=4,replicates=4", "morris:designs=4,replicates=64", 3),
    "dgsm": ("dgsm:samples=8,replicates=4", "dgsm:samples=8,replicates=64", 3),
    "smoothgrad": ("smoothgrad:samples=50", "smoothgrad:samples=2000", 49),
    "kernel_shap": ("kernel_shap:coalitions=512", "kernel_shap:coalitions=16384", 19),
    "shapley": ("shapley:permutations=16", "shapley:permutations=256", 7),
    "lime": ("lime:samples=1000", "lime:samples=16000", 999),
    "hsic": ("hsic", "hsic:replicates=128", 7),
}
# name -> (without a tolerance, the same up to many more samples, tolerances)
STOPS = {
    "sobol": ("sobol:designs=8,replicates=64", (0.4, 0.2)),
    "morris": ("morris:designs=4,replicates=64", (0.3, 0.15)),
    "dgsm": ("dgsm:samples=8,replicates=64", (0.3, 0.15)),
    "kernel_shap": ("kernel_shap:coalitions=8192", (0.3, 0.15)),
    "hsic": ("hsic:replicates=64", (0.5, 0.3)),
}


def known_methods():
    listed = subprocess.run([COMMAND, "methods", "--json"], capture_output=True, text=True, check=True).stdout
    return {method["name"] for method in json.loads(listed)["methods"]}


def explain(net, photo, methods):
    """[(values, standard errors, forwards and backwards)] on the middles of cells, one run of the command."""
    with tempfile.TemporaryDirectory() as folder:
        model = CORPUS / "models" / "imagenet" / f"{net}.onnx"
        command = [COMMAND, "explain", model, CORPUS / "images" / photo, "-o", folder, "--quiet"]
        subprocess.run([*command, *(word for method in methods for word in ("-m", method))], check=True)
        result = next(Path(folder).glob("*/result.json"))
        found = []
        for e in json.loads(result.read_text())["explanations"]:
            maps = (np.load(result.parent / e[key]).astype(float) for key in ("map", "standard_error"))
            value, error = ((m[13::28, 13::28] + m[14::28, 14::28]) / 2 for m in maps)
            found.append((value.ravel(), error.ravel(), e["forwards"] + e["backwards"]))
        return found


def with_seed(method, seed):
    return f"{method},seed={seed}"


def coverage(net, photo, name, seeds):
    """(coverage, root mean square of z)"""
    run, many, degrees = STUDIES[name]
    (goal, goal_error, _), *runs = explain(
        net, photo, [with_seed(many, 100003), *(with_seed(run, s) for s in range(1, seeds + 1))]
    )
    t = scipy.stats.t.ppf(0.975, degrees)
    z = np.array([(value - goal) / np.hypot(error, goal_error) for value, error, _ in runs])
    return float(np.mean(np.abs(z) <= t)), float(np.sqrt(np.mean(z**2)))


def early_stop(net, photo, name, tolerance, seeds):
    """(share of the forwards, worst cell off as a share of the range, share of runs that kept the promise)"""
    method = STOPS[name][0]
    (goal, _, full), *runs = explain(
        net,
        photo,
        [with_seed(method, 100003), *(with_seed(f"{method},tolerance={tolerance}", s) for s in range(1, seeds + 1))],
    )
    forwards, off, kept = [], [], []
    for value, _, steps in runs:
        worst = np.abs(value - goal).max() / (value.max() - value.min())
        forwards.append(steps / full)
        off.append(worst)
        kept.append(worst <= tolerance)
    return float(np.mean(forwards)), float(np.mean(off)), float(np.mean(kept))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", default=[NETS[0]], choices=NETS)
    parser.add_argument("--photos", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--methods", nargs="*", default=list(dict.fromkeys([*STUDIES, *STOPS])))
    arguments = parser.parse_args()
    if not CORPUS.is_dir():
        print(f"skipped: the corpus is not at {CORPUS} (VITRAIL_CORPUS)", file=sys.stderr)
        return
    known = known_methods()
    for name in (name for name in arguments.methods if name not in known):
        print(f"skipped: vitrail has no method {name}")
    cases = [(net, photo) for net in arguments.nets for photo in PHOTOS[: arguments.photos]]
    print(f"\n{'coverage of 95 % intervals':<34}{'coverage':>9}{'rms z':>8}   net, photo")
    for name in (name for name in STUDIES if name in known and name in arguments.methods):
        for net, photo in cases:
            share, z = coverage(net, photo, name, arguments.seeds)
            print(f"{STUDIES[name][0]:<34}{share:>9.3f}{z:>8.2f}   {net}, {Path(photo).stem}", flush=True)
    print(f"\n{'early stop':<34}{'forwards':>9}{'worst off':>10}{'kept':>7}   net, photo")
    for name in (name for name in STOPS if name in known and name in arguments.methods):
        method, tolerances = STOPS[name]
        for tolerance in tolerances:
            for net, photo in cases:
                forwards, off, kept = early_stop(net, photo, name, tolerance, arguments.seeds)
                print(
                    f"{method + f' to {tolerance}':<34}{forwards:>9.2f}{off:>10.3f}{kept:>7.2f}   {net}, {Path(photo).stem}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
