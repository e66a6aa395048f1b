"""Shared by the tests of the Python package, which is that of the build tree."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))
sys.path[:0] = [str(BUILD / "python"), str(SOURCE / "tests" / "parity")]

import nets  # noqa: E402, F401
import vitrail as vt  # noqa: E402

DEMO = SOURCE / ".cache" / "demo"


class Shapes(nn.Module):
    """A small network for 32x32 photos."""

    def __init__(self):
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(3, 6, 5, 2, 2), nn.ReLU(inplace=True)
        self.conv2, self.relu2 = nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU(inplace=True)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.head(self.pool(x).flatten(1))


def photo(height=32, width=32) -> np.ndarray:
    """A bright square on a dark ramp."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows * 3, columns * 2, rows + columns], axis=2) % 128
    pixels[height // 4 : height // 2, width // 3 : 2 * width // 3] = (250, 200, 30)
    return pixels.astype(np.uint8)


def make_net() -> nn.Module:
    net = nets.randomise(Shapes(), 3)
    with torch.no_grad():  # the photo is a square, whatever the numbers
        logits = net(vt.wrap(net, preprocess="unit", input_size=(32, 32)).prepare(photo()))
        net.head.bias[1] += float(logits.max() - logits[0, 1]) + 1
    return net


@pytest.fixture(scope="session")
def net() -> nn.Module:
    return make_net()


LABELS = ["circle", "square", "triangle"]


@pytest.fixture(scope="session")
def model_path(net, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "shapes.onnx"
    return vt.export(net, torch.zeros(3, 32, 32), path, preprocess="unit", labels=LABELS)


@pytest.fixture
def model(model_path) -> vt.Model:
    return vt.load(model_path, plan="none")


@pytest.fixture
def wrapped(net) -> vt.Wrapped:
    return vt.wrap(net, preprocess="unit", input_size=(32, 32), labels=LABELS)


@pytest.fixture
def image() -> np.ndarray:
    return photo()


def difference(a, b, scale: float = 0.0) -> float:
    """Largest difference in units of the first one's range, or of `scale` where that is larger: a map of almost nothing
    is made of the rounding of scores."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / max(a.max() - a.min(), scale))
