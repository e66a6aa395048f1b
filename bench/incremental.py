"""What it gains to compute only what changes: seconds of occlusion (windows of 32 pixels, steps of 16), morris and
shapley where only what changes is computed, relative to whole images, by plans of the same model on the same photo in the same run, one
thread. And how far the maps are apart, relative to their range. Below 1 the incremental runs are faster.

    bench/incremental.py [--model FILE ...] [--side 224 448] [--photos 2]

Networks without a layer of fixed size take pictures of any: a copy of the file is opened to the asked side. The models and
photos come with the shared material; without it this says so and ends.
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
import onnx

SOURCE = Path(__file__).resolve().parents[1]
COMMAND = Path(os.environ.get("VITRAIL_COMMAND", SOURCE / "build" / "release" / "vitrail"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
MODELS = [
    *sorted((CORPUS / "models" / "imagenet").glob("*.onnx")),
    SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx",
]
METHODS = {
    "occlusion": "occlusion:patch=32,stride=16",
    "morris": "morris:designs=2,replicates=2",
    "shapley": "shapley:permutations=4",
}


def opened(model, side, folder):
    """A copy of the model, and of its record, for pictures of this side."""
    network = onnx.load(model)
    del network.graph.value_info[:]
    for size in network.graph.input[0].type.tensor_type.shape.dim[2:]:
        size.dim_value = side
    record = json.loads(model.with_suffix(".json").read_text())
    preprocess = record["preprocess"]
    preprocess["resize"]["to"] = round(preprocess["resize"]["to"] * side / preprocess["size"][0])
    preprocess["size"] = [side, side]
    if "labels" in record and isinstance(record["labels"], str):
        record["labels"] = str((model.parent / record["labels"]).resolve())
    copy = Path(folder) / model.name
    onnx.save(network, copy)
    copy.with_suffix(".json").write_text(json.dumps(record))
    return copy


def explain(model, photo, method, incremental, plan="auto"):
    """(map, seconds, plan) of one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [COMMAND, "explain", model, photo, "-m", method, "--threads", "1", "-o", folder, "--quiet"]
        command += ["--incremental", incremental, "--plan", plan]
        subprocess.run(command, check=True)
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
                    with tempfile.TemporaryDirectory() as folder:
                        network = opened(model, side, folder)
                        whole = explain(network, photo, METHODS[name], "none")
                        local = explain(network, photo, METHODS[name], "auto")
                    ratios.append(local[1] / whole[1])
                    differences.append(float(np.abs(whole[0] - local[0]).max() / np.ptp(whole[0])))
                    recorded = local[2].get("incremental", "not used")
                print(f"{model.stem} {side} {name}: {recorded}, maps differ by {max(differences):.1e}")
                print(f"ratio incremental {name}-{side}/{model.stem} {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
