"""Every corpus model agrees with its stored answers and with ONNX Runtime, at any batch."""

import json

import numpy as np
import onnxruntime
import pytest
from conftest import CORPUS, corpus, relative_error

TOLERANCE = 1e-4
RECORDS = sorted(CORPUS.glob("models/*/*.json"))


def prepare(pixels, record):
    """uint8 [N,H,W,C] -> the model's own input, by the record; no decoder or resizer involved."""
    p = record["preprocess"]
    x = (pixels.astype(np.float32) * p["scale"] - np.array(p["mean"])) / np.array(p["std"])
    if p["layout"] == "NCHW":
        x = x.transpose(0, 3, 1, 2)
    elif p["layout"] == "flat":
        x = x.reshape([len(x)] + record["input"]["shape"][1:])
    return np.ascontiguousarray(x, dtype=np.float32)


def onnx_runtime(path, x, name):
    """A file with batch 1 baked in takes one sample at a time."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if session.get_inputs()[0].shape[0] == 1:
        return np.concatenate([session.run(None, {name: one[None]})[0] for one in x])
    return session.run(None, {name: x})[0]


def test_corpus_is_there():
    assert len(list(corpus().glob("models/*/*.onnx"))) == 21


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_agrees(path, runner):
    record = json.loads(path.read_text())
    model = path.parent / record["file"]
    name, output = record["input"]["name"], record["output"]["name"]
    pixels = np.load(path.parent / record["check"]["input"])
    x = prepare(pixels, record)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, *pixels.shape[1:]), dtype=np.uint8)
    noise[: len(pixels)] = pixels[:16]
    batches = [x] + [prepare(noise[:n], record) for n in (1, 3, 16)]

    outputs, _, report = runner.run(model, batches, output, feed=name)
    stored = np.load(path.parent / record["check"]["output"])
    np.testing.assert_allclose(outputs[0].reshape(stored.shape), stored, atol=record["check"]["tolerance"])
    for x, got in zip(batches, outputs):
        assert relative_error(got, onnx_runtime(model, x, name)) <= TOLERANCE, (len(x), report["reason"])
