"""A page layout detector whose eight outputs are scores and distributions of distances at four strides."""

import json

import numpy as np
import onnx
import onnxruntime
import PIL.Image
import pytest
from conftest import LAYOUT, PAGE, corners, model_of, overlap, vitrail, write_record

SIZE = (800, 608)
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    model = model_of(LAYOUT, "layout_cdla")
    folder = tmp_path_factory.mktemp("layout")
    names = {entry.key: entry.value for entry in onnx.load(model).metadata_props}["character"]
    (folder / "labels.txt").write_text(names)
    return model, write_record(folder, *SIZE, "NCHW", MEAN, STD, labels="labels.txt")


def reference(model):
    """Boxes in pixels of the photo and class scores, by ONNX Runtime and the definition of the outputs."""
    photo = PIL.Image.open(PAGE).convert("RGB")
    pixels = np.asarray(photo.resize(SIZE[::-1], PIL.Image.BILINEAR), dtype=np.float64) / 255
    x = ((pixels - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"image": x})
    boxes = []
    for stride, bins in zip((8, 16, 32, 64), outputs[4:]):
        rows, columns = -(-SIZE[0] // stride), -(-SIZE[1] // stride)
        weights = np.exp(bins[0].reshape(-1, 4, 8).astype(np.float64))
        sides = (weights / weights.sum(2, keepdims=True) * np.arange(8)).sum(2) * stride
        centre = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), -1).reshape(-1, 2) * stride
        boxes.append(np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], axis=1))
    to_photo = np.array([photo.width / SIZE[1], photo.height / SIZE[0]] * 2)
    return np.concatenate(boxes) * to_photo, np.concatenate([scores[0] for scores in outputs[:4]])


def test_boxes_are_those_of_onnx_runtime(detector):
    model, record = detector
    found = json.loads(vitrail("predict", model, PAGE, "--preprocess", record, "--json"))["images"][0]["prediction"]
    boxes, scores = reference(model)
    assert len(found) > 0
    best = scores.max(1).argmax()
    assert found[0]["index"] == scores[best].argmax()
    assert np.abs(corners(found[0]["box"]) - boxes[best]).max() < 0.2
    for line in found:
        box = corners(line["box"])
        match = overlap(boxes, box).argmax()
        nearest = np.abs(boxes - box).max(1)
        assert nearest.min() < 0.2
        assert scores[nearest < 0.2, line["index"]].max() == pytest.approx(line["probability"], abs=2e-3), match


def test_explains_a_box_of_the_page(detector, tmp_path):
    model, record = detector
    out = tmp_path / "out"
    vitrail("explain", model, PAGE, "--preprocess", record, "-m", "saliency,occlusion:patch=100,stride=100", "-o", out)
    result = json.loads((out / "page/result.json").read_text())
    assert result["explanations"][0]["target"]["string"] == "top1"
    box = corners(result["explanations"][0]["target"]["boxes"][0])
    width, height = result["image"]["width"], result["image"]["height"]
    for explanation in result["explanations"]:
        values = np.abs(np.load(out / "page" / explanation["map"]))
        x0, x1 = (int(np.clip(at / width, 0, 1) * values.shape[1]) for at in box[0::2])
        y0, y1 = (int(np.clip(at / height, 0, 1) * values.shape[0]) for at in box[1::2])
        inside = values[y0:y1, x0:x1].sum() / values.sum()
        assert inside / ((y1 - y0) * (x1 - x0) / values.size) > 1.2, explanation["name"]
