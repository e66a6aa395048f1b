"""What it gains to compute only what changes: seconds of occlusion (windows of 32 pixels, steps of 16) and of morris where
only what changes is computed, relative to whole images, by plans of the same model on the same photo in the same run, one
thread. And how far the maps are apart, relative to their range. Below 1 the incremental runs are faster.

    bench/incremental.py [--model FILE ...] [--side 224 448] [--photos 2]

Sizes of pictures that a model fixes stay what they are. The models and photos come with the shared material; without it
this says so and ends.
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
MODELS = [
    *sorted((CORPUS / "models" / "imagenet").glob("*.onnx")),
    SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx",
]
METHODS = {"occlusion": "occlusion:patch=32,stride=16", "morris": "morris"}


def explain(model, photo, method, side, incremental, plan="auto"):
    """(map, seconds, plan) of one run, or None where the model takes no pictures of this size."""
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "explain", model, photo, "-m", method, "--threads", "1", "-o", folder, "--quiet"]
        command += ["--input-size", f"{side}x{side}", "--incremental", incremental, "--plan", plan]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"  left out: {model.stem} at {side}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return None
        result = next(Path(folder).glob("*/result.json"))
        document = json.loads(result.read_text())
        explanation = document["explanations"][0]
        return np.load(result.parent / explanation["map"]), explanation["seconds"], explanation["plan"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="*", type=Path, default=MODELS)
    parser.add_argument("--side", nargs="*", type=int, default=[224, 448])
    parser.add_argument("--photos", type=int, default=2)
    parser.add_argument("--method", nargs="*", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    photos = sorted((CORPUS / "images" / "imagenet-sample").glob("*.JPEG"))[: arguments.photos]
    if not photos:
        print(f"skipped: no photos at {CORPUS}", file=sys.stderr)
        return
    for model in arguments.model:
        for side in arguments.side:
            for name in arguments.method:
                ratios, differences, recorded = [], [], ""
                for photo in photos:
                    whole = explain(model, photo, METHODS[name], side, "none")
                    local = whole and explain(model, photo, METHODS[name], side, "auto")
                    if not local:
                        break
                    ratios.append(local[1] / whole[1])
                    differences.append(float(np.abs(whole[0] - local[0]).max() / np.ptp(whole[0])))
                    recorded = local[2].get("incremental", "not used")
                if ratios:
                    print(f"{model.stem} {side} {name}: {recorded}, maps differ by {max(differences):.1e}")
                    print(f"ratio incremental {name}-{side}/{model.stem} {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
