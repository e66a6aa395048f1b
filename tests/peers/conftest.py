"""What the comparisons with other toolkits share: small nets on both sides, vitrail's maps, measures of agreement.

The peers are packages of .venv-peers (scripts/setup). Each comparison uses the peer's own definition of the method; where
definitions differ, the test says who is right, and why.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))
COMMAND = os.environ.get("VITRAIL_COMMAND", str(BUILD / "vitrail"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
sys.path[:0] = [str(Path(__file__).parent / "standin"), str(Path(__file__).parent)]

if any(importlib.util.find_spec(name) is None for name in ("captum", "quantus", "saliency")):
    collect_ignore_glob = ["test_*.py"]
    if os.environ.get("VITRAIL_REQUIRE_PEERS") == "1":
        raise RuntimeError("the peers are required and not installed: scripts/setup makes .venv-peers")
    print("SKIPPED: tests/peers needs the packages of .venv-peers (scripts/setup)", file=sys.stderr)

torch.set_num_threads(2)
AGREE = 0.999
MEAN, STD = 0.5, 0.25


@pytest.fixture(scope="session")
def known():
    """The names that `vitrail methods` lists."""
    listed = subprocess.run([COMMAND, "methods", "--json"], capture_output=True, text=True, check=True).stdout
    return {method["name"] for method in json.loads(listed)["methods"]}


@pytest.fixture
def require(known):
    def check(*names):
        for name in names:
            if name not in known:
                pytest.skip(f"vitrail has no method {name}: `vitrail methods` lists {len(known)}")

    return check


@pytest.fixture(scope="session")
def known_metrics():
    """The names that `vitrail metrics` lists."""
    done = subprocess.run([COMMAND, "metrics", "--json"], capture_output=True, text=True)
    return {metric["name"]: metric for metric in json.loads(done.stdout)["metrics"]} if done.returncode == 0 else {}


@pytest.fixture
def require_metrics(known_metrics):
    def check(*names):
        for name in names:
            if name not in known_metrics:
                pytest.skip(f"vitrail has no metric {name}: `vitrail metrics` lists {len(known_metrics)}")

    return check


def cosine(a, b):
    a, b = np.ravel(np.asarray(a, dtype=np.float64)), np.ravel(np.asarray(b, dtype=np.float64))
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def assert_agree(ours, theirs, scale=None, least=AGREE):
    """The same direction, and where the unit is the same (`scale`: ours over theirs) the same length."""
    assert cosine(ours, theirs) >= least
    if scale is not None:
        ratio = np.linalg.norm(np.ravel(ours)) / np.linalg.norm(np.ravel(theirs))
        assert ratio == pytest.approx(scale, rel=2e-2)


class Side:
    """A network on both sides: the file for vitrail, the module for the peers, one photo that both see bit by bit."""

    def __init__(self, folder, network, size, model=None, seed=3, mean=MEAN, std=STD, grey=False):
        self.folder, self.size = folder, size
        self.network = network.eval()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.model = folder / "net.onnx"
        if model is None:
            export(self.network, self.model, size)
        else:
            self.model.write_bytes(model.read_bytes())
        preprocess = {
            "colour": "RGB",
            "layout": "NCHW",
            "size": [size, size],
            "resize": {"rule": "none"},
            "crop": "none",
            "scale": 1 / 255,
            "mean": np.broadcast_to(mean, 3).tolist(),
            "std": np.broadcast_to(std, 3).tolist(),
        }
        self.model.with_suffix(".json").write_text(json.dumps({"preprocess": preprocess}))
        self.photo = folder / "photo.png"
        pixels = smooth_photo(size, seed)
        if grey:
            pixels = np.repeat(pixels[..., :1], 3, axis=2)
        PIL.Image.fromarray(pixels).save(self.photo)
        x = (pixels.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)
        self.x = torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1), dtype=np.float32))[None]
        with torch.no_grad():
            self.scores = self.network(self.x)[0]
        self.target = int(self.scores.argmax())

    def explain(self, *methods, target=None, options=()):
        """[{map, cells, extras, and the entry of result.json}] of the methods, one run of the command."""
        out = self.folder / "out"
        command = [COMMAND, "explain", self.model, self.photo, "-t", str(self.target if target is None else target)]
        command += ["-o", out, "--quiet", *options, *(word for method in methods for word in ("-m", method))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        result = json.loads((out / "photo" / "result.json").read_text())
        found = []
        for entry in result["explanations"]:
            score = self.scores[entry["target"]["index"]].item()
            assert entry["score"] == pytest.approx(score, rel=1e-4, abs=1e-4), "the two networks differ"
            arrays = {
                key: np.load(out / "photo" / entry[key]) if entry[key] else None
                for key in ("map", "cells", "standard_error")
            }
            found.append({**entry, **arrays})
        return found

    def evaluate(self, method, *metrics, options=()):
        """The scores of the method's map, an entry of scores.jsonl a metric."""
        out = self.folder / "scores"
        command = [COMMAND, "evaluate", self.model, self.photo, "-t", str(self.target), "-m", method, "--plan", "none"]
        command += ["--force", "-o", out, "--quiet", *options]
        command += [word for metric in metrics for word in ("--metric", metric)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        (line,) = (out / "scores.jsonl").read_text().splitlines()
        scores = json.loads(line)["methods"][0]["scores"]
        assert len(scores) == len(metrics)
        return scores

    def score(self, x):
        with torch.no_grad():
            return self.network(x)[:, self.target]

    def leaf(self):
        return self.x.clone().requires_grad_()


def smooth_photo(size, seed):
    """uint8 [size,size,3] with structure at several scales."""
    random = np.random.default_rng(seed)
    total = np.zeros((size, size, 3))
    for cells in (2, 4, 8, size):
        coarse = PIL.Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize((size, size), PIL.Image.BICUBIC), dtype=float)
    return np.clip(total / 4 * 1.6 - 70, 0, 255).astype(np.uint8)


def export(network, path, size):
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, size, size),),
        str(path),
        input_names=["x"],
        output_names=["logits"],
        dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}},
        opset_version=17,
        dynamo=False,
    )


def corpus():
    if CORPUS.is_dir():
        return CORPUS
    if os.environ.get("VITRAIL_REQUIRE_CORPUS") == "1":
        pytest.fail(f"the corpus is required and not at {CORPUS} (VITRAIL_CORPUS)")
    pytest.skip(f"the corpus is not at {CORPUS} (VITRAIL_CORPUS)")


def grid_mask(size, grid):
    index = torch.arange(size) * grid // size
    return (index[:, None] * grid + index)[None, None]


def by_cells(values, grid):
    """One value a cell of an [H,W] map that is constant on cells: the one in the middle."""
    step = values.shape[0] // grid
    return values[step // 2 :: step, step // 2 :: step]
