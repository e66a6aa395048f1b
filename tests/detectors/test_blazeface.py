"""A face detector on a photo with a face: its boxes are those of ONNX Runtime, and maps of the best box lie on it."""

import json

import numpy as np
import onnxruntime
import PIL.Image
import pytest
from conftest import ASTRONAUT, BLAZEFACE, corners, model_of, overlap, vitrail, write_record

FACE = np.array([168, 62, 280, 208])  # from the hairline to the chin, by hand, in the photo's 512 x 512 pixels
METHODS = "saliency,smoothgrad:samples=20,gradcam,occlusion,rise:masks=600,sobol:grid=8,designs=8,replicates=2"
SIDES = {"face_detection_front_128x128_barracuda": 128, "face_detection_back_256x256_barracuda": 256}


@pytest.fixture(params=SIDES, scope="module")
def detector(request, tmp_path_factory):
    side = SIDES[request.param]
    model = model_of(BLAZEFACE, request.param, may_fetch=True)
    folder = tmp_path_factory.mktemp("blazeface")
    (folder / "labels.txt").write_text("face\n")
    record = write_record(folder, side, side, "NHWC", [0.5] * 3, [0.5] * 3, labels="labels.txt")
    return model, record, side


def reference(model, side):
    """Boxes in pixels of the photo and their probabilities, by ONNX Runtime and the formula of the detector."""
    photo = PIL.Image.open(ASTRONAUT).convert("RGB")
    pixels = np.asarray(photo.resize((side, side), PIL.Image.BILINEAR), dtype=np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    scores_a, scores_b, boxes_a, boxes_b = session.run(None, {session.get_inputs()[0].name: pixels[None] / 127.5 - 1})
    centres = []
    for cells, anchors in ((16, 2), (8, 6)):
        x, y = np.meshgrid((np.arange(cells) + 0.5) / cells, (np.arange(cells) + 0.5) / cells)
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), anchors, axis=0))
    boxes = np.concatenate([boxes_a[0], boxes_b[0]])[:, :4] / side
    boxes[:, :2] += np.concatenate(centres)
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    logits = np.concatenate([scores_a[0], scores_b[0]])[:, 0]
    return np.concatenate([low, high], axis=1) * photo.width, 1 / (1 + np.exp(-logits))


def test_the_best_box_is_that_of_onnx_runtime(detector):
    model, record, side = detector
    found = json.loads(vitrail("predict", model, ASTRONAUT, "--preprocess", record, "--json"))["images"][0][
        "prediction"
    ]
    boxes, probabilities = reference(model, side)
    best = probabilities.argmax()
    assert found[0]["label"] == "face" and found[0]["logit"] is None
    assert found[0]["probability"] == pytest.approx(probabilities[best], abs=1e-3)
    assert np.abs(corners(found[0]["box"]) - boxes[best]).max() < 0.2
    assert overlap(corners(found[0]["box"]), FACE) > 0.5
    assert found[0]["probability"] > 0.7
    for other in found[1:]:
        assert overlap(corners(other["box"]), corners(found[0]["box"])) <= 0.45


def concentration(values, box):
    """Share of a map inside a box of the photo over the box's share of the area; 1 for a map that knows nothing."""
    side = values.shape[0]
    x0, y0, x1, y1 = (round(at * side / 512) for at in box)
    return values[y0:y1, x0:x1].sum() / values.sum() / ((x1 - x0) * (y1 - y0) / values.size)


def test_maps_of_the_best_box_lie_on_it(detector, tmp_path):
    model, record, side = detector
    out = tmp_path / "out"
    vitrail("explain", model, ASTRONAUT, "--preprocess", record, "-m", METHODS, "-t", "box:1", "-o", out, "--seed", 1)
    result = json.loads((out / "astronaut" / "result.json").read_text())
    assert result["model"]["output"]["kind"] == "boxes"
    for explanation in result["explanations"]:
        assert explanation["target"]["label"] == "face" and explanation["target"]["unit"] == "box score"
        box = corners(explanation["target"]["boxes"][0])
        assert np.allclose(box, corners(result["prediction"][0]["box"]))
        # The best box matches itself.
        assert explanation["score"] == pytest.approx(result["prediction"][0]["probability"], rel=1e-3)
        values = np.load(out / "astronaut" / explanation["map"])
        assert values.shape == (side, side)
        # A detector looks around a face too: half of its size on every side.
        margin = (box[2:] - box[:2]) / 2
        near = np.clip(np.concatenate([box[:2] - margin, box[2:] + margin]), 0, 512)
        y, x = np.unravel_index(values.argmax(), values.shape)
        peak = (np.array([x, y]) + 0.5) * 512 / side
        assert (near[:2] <= peak).all() and (peak <= near[2:]).all(), f"{explanation['name']} peaks at {peak}"
        if explanation["name"] in ("rise", "sobol"):
            assert explanation["plan"]["engine"] == "plan"
        if explanation["name"] != "rise":  # a mean score: its level is everywhere
            assert concentration(values.clip(0), box) > 1.5, explanation["name"]


def test_metrics_prefer_maps_that_lie_on_the_box(detector, tmp_path):
    model, record, _ = detector
    metrics = "deletion,insertion,pointing_game,energy_pointing_game"
    options = ["-t", "box:1", "-m", "gradcam,rise:masks=200,random", "--metric", metrics, "--boxes", "target"]
    text = vitrail("evaluate", model, ASTRONAUT, "--preprocess", record, *options, "-o", tmp_path / "out", "--json")
    found = {(row["method"], row["metric"]): row["mean"] for row in json.loads(text)["rows"]}
    for method in ("gradcam", "rise"):
        assert found[method, "insertion"] > found["random", "insertion"] + 0.3
        assert found[method, "pointing_game"] == 1
        assert found[method, "energy_pointing_game"] > found["random", "energy_pointing_game"]
    assert found["gradcam", "energy_pointing_game"] > 10 * found["random", "energy_pointing_game"]
    assert found["rise", "deletion"] < found["random", "deletion"]


def test_random_maps_fail():
    rng = np.random.default_rng(0)
    assert all(concentration(np.kron(rng.random((8, 8)), np.ones((16, 16))), FACE) < 1.5 for _ in range(20))


def test_parts_rectangles_and_refusals(detector, tmp_path):
    model, record, _ = detector
    targets = ["box:1", "box:all", "rect:168:62:280:208", "rect:300:300:500:500", "box:1:position", "class:face"]
    options = [word for target in targets for word in ("-t", target)]
    vitrail("explain", model, ASTRONAUT, "--preprocess", record, "-m", "saliency", *options, "-o", tmp_path / "out")
    explanations = json.loads((tmp_path / "out/astronaut/result.json").read_text())["explanations"]
    scores = {e["target"]["string"]: e["score"] for e in explanations}
    assert scores["rect:168:62:280:208"] > 0.5 * scores["box:1"]
    assert scores["rect:300:300:500:500"] < 0.1
    assert scores["box:1:position"] == pytest.approx(1, abs=1e-4)
    assert scores["class:face"] == pytest.approx(scores["box:1"], rel=1e-3)
    warned = {e["target"]["string"]: " ".join(e["warnings"]) for e in explanations}
    assert "zero at the photo by construction" in warned["box:1:position"]
    assert "zero at the photo" not in warned["box:1"]
