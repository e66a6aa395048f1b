"""Targets of detectors and segmentations through the command: small nets, every file, every refusal."""

import json

import numpy
import onnx
import onnxruntime
import PIL.Image
import pytest
import scipy.ndimage
from conftest import document, save_photo, vitrail
from onnx import TensorProto, helper, numpy_helper
from test_results import explain

PREPROCESS = {
    "colour": "RGB", "layout": "NCHW", "size": [16, 16], "resize": {"rule": "whole", "filter": "bilinear"},
    "crop": "none", "scale": 1 / 255, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25],
}  # fmt: skip
BOXES = {"layout": "distances", "strides": [4], "boxes": "distances", "scores": "scores", "score_threshold": 0.7}


def save_net(path, nodes, weights, outputs, record):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(numpy.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    (path.parent / "labels.txt").write_text("cat\ndog\nbird\n")
    path.with_suffix(".json").write_text(json.dumps({"preprocess": PREPROCESS, "labels": "labels.txt", **record}))
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """Cells of 4 pixels; two outputs: class scores, and distances of the four sides."""
    random = numpy.random.default_rng(3)
    weights = {
        "wd": (random.random((4, 3, 4, 4)) * 0.05).astype("float32"),
        "bd": numpy.full(4, 0.8, "float32"),
        "ws": (random.normal(size=(3, 3, 4, 4)) * 0.3).astype("float32"),
        "four": numpy.array([0, 4, 16]),
        "three": numpy.array([0, 3, 16]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "wd", "bd"], ["d"], strides=[4, 4]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("Reshape", ["r", "four"], ["df"]),
        helper.make_node("Transpose", ["df"], ["distances"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["image", "ws"], ["s"], strides=[4, 4]),
        helper.make_node("Sigmoid", ["s"], ["p"]),
        helper.make_node("Reshape", ["p", "three"], ["pf"]),
        helper.make_node("Transpose", ["pf"], ["scores"], perm=[0, 2, 1]),
    ]
    outputs = {"scores": ["N", 16, 3], "distances": ["N", 16, 4]}
    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    return save_net(path, nodes, weights, outputs, {"output": {"kind": "boxes", "boxes": BOXES}})


@pytest.fixture(scope="module")
def segmentation(tmp_path_factory):
    weights = {"w": numpy.random.default_rng(4).normal(size=(3, 3, 2, 2)).astype("float32")}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["logits"], strides=[2, 2]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
    ]
    path = tmp_path_factory.mktemp("segmentation") / "segmentation.onnx"
    return save_net(path, nodes, weights, {"p": ["N", 3, 8, 8]}, {"output": {"kind": "segmentation"}})


def test_predict_lists_boxes_in_pixels_of_the_photo(detector, photo):
    found = document(vitrail("predict", detector, photo, "--json", "--top", 3))["images"][0]["prediction"]
    assert 1 <= len(found) <= 3
    assert all(set(line["box"]) == {"x0", "y0", "x1", "y1"} and line["logit"] is None for line in found)
    assert all(line["box"]["x0"] < line["box"]["x1"] for line in found)
    text = vitrail("predict", detector, photo).stdout
    assert f"box {found[0]['box']['x0']:.0f}"[:6] in text and "logit" not in text


def test_explain_writes_boxes(detector, photo, tmp_path):
    methods = "saliency,gradcam,occlusion,rise:masks=20,sobol:grid=2,designs=4,replicates=2"
    options = ("-m", methods, "-t", "top1", "-t", "box:all", "-t", "rect:2:3:30:20:dog")
    result = explain(detector, photo, tmp_path / "out", *options)
    assert result["model"]["output"]["kind"] == "boxes"
    assert len(result["explanations"]) == 15
    best, every, rectangle = result["explanations"][:3]
    assert best["map"] == "01-saliency-box-1.npy"
    assert best["target"]["boxes"] == [result["prediction"][0]["box"]]
    assert best["score"] == pytest.approx(result["prediction"][0]["probability"], rel=1e-4)
    assert len(every["target"]["boxes"]) >= len(result["prediction"])
    assert rectangle["target"]["boxes"] == [{"x0": 2.0, "y0": 3.0, "x1": 30.0, "y1": 20.0}]
    assert rectangle["target"]["label"] == "dog" and rectangle["map"] == "03-saliency-rect-2-3-30-20-dog.npy"
    assert all(numpy.load(tmp_path / "out/photo" / e["map"]).any() for e in result["explanations"][:3])
    # All targets come from the same forwards: the scores do not depend on the company.
    alone = explain(detector, photo, tmp_path / "alone", "-m", "rise:masks=20", "-t", "box:all", "--plan", "none")
    together = explain(
        detector, photo, tmp_path / "two", "-m", "rise:masks=20", "-t", "box:1", "-t", "box:all", "--plan", "none"
    )
    a = numpy.load(tmp_path / "alone/photo" / alone["explanations"][0]["map"])
    b = numpy.load(tmp_path / "two/photo" / together["explanations"][1]["map"])
    assert numpy.allclose(a, b, atol=1e-5 * numpy.ptp(a))


def test_the_overlay_outlines_the_box(detector, photo, tmp_path):
    result = explain(detector, photo, tmp_path / "out", "-m", "occlusion", "-t", "rect:10:5:30:25")
    picture = numpy.asarray(
        PIL.Image.open(tmp_path / "out/photo" / result["explanations"][0]["overlay"]).convert("RGB")
    )
    factor, margin = 640 / 40, 16  # long side of the overlay over the photo's; margin around
    x0, y0, x1, y1 = (round(value * factor) + margin for value in (10, 5, 30, 25))
    middle_y, middle_x = (y0 + y1) // 2, (x0 + x1) // 2
    for y, x in ((y0, middle_x), (y1 - 1, middle_x), (middle_y, x0), (middle_y, x1 - 1)):
        assert (picture[y, x] == 255).all(), (y, x)
    assert not (picture[middle_y, middle_x] == 255).all()


def test_zones_classes_and_masks(segmentation, photo, tmp_path):
    mask = numpy.zeros((30, 40, 3), "uint8")
    mask[:15] = 255
    mask[15:, :, 0] = 255
    PIL.Image.fromarray(mask).save(tmp_path / "mask.png")
    targets = ["top1", "zone:12:7", "zone:12:7:inner", f"mask:{tmp_path / 'mask.png'}:bird", "class:dog"]
    options = [word for target in targets for word in ("-t", target)]
    result = explain(segmentation, photo, tmp_path / "out", "-m", "saliency,sobol:grid=2,designs=4", *options)
    assert result["model"]["output"]["kind"] == "segmentation"
    assert sum(line["area"] for line in result["prediction"]) == pytest.approx(1)
    top, zone, _, signed, dog = result["explanations"][:5]
    assert top["score"] == pytest.approx(result["prediction"][0]["logit"], rel=1e-4)
    assert zone["map"] == "02-saliency-zone-12-7.npy"
    assert signed["target"]["label"] == "bird" and signed["map"] == "04-saliency-mask-mask-2.npy"
    assert dog["target"]["label"] == "dog"


@pytest.mark.parametrize(
    "target, code, words",
    [
        ("box:90", 4, "does not exist in this photo"),
        ("rect:100:100:120:120", 4, "outside of what the model sees"),
        ("zone:1:1", 2, "of the kind boxes"),
        ("box:1:horse", 2, "cat"),
        ("box:zero", 2, "box:all"),
        ("rect:1:2:3", 2, "rect:x0:y0:x1:y1"),
        ("mask:nowhere.png", 2, "nowhere.png"),
        ("similar:nowhere.png", 2, "does not exist"),
    ],
)
def test_refusals(detector, photo, tmp_path, target, code, words):
    run = vitrail("explain", detector, photo, "-m", "saliency", "-t", target, "-o", tmp_path / "out")
    assert run.returncode == code and words in run.stderr, run.stderr


def test_a_photo_without_a_box_fails_alone(detector, tmp_path):
    noise = save_photo(tmp_path / "noise.png")
    PIL.Image.new("RGB", (40, 30), (128, 128, 128)).save(tmp_path / "grey.png")
    photos = [noise, tmp_path / "grey.png"]
    run = vitrail("predict", detector, *photos, "--json")
    assert [bool(image["prediction"]) for image in document(run)["images"]] == [True, False]
    assert "nothing found" in vitrail("predict", detector, photos[1]).stdout
    run = vitrail("explain", detector, *photos, "-m", "saliency", "-o", tmp_path / "out")
    assert run.returncode == 1 and "finds no such box" in run.stderr, run.stderr
    assert (tmp_path / "out/noise/result.json").exists() and not (tmp_path / "out/grey/result.json").exists()


def test_outputs_and_contrasts_of_a_row(net, photo, tmp_path):
    other = save_photo(tmp_path / "other.png", seed=8)
    targets = ["out:1", "out:-1", "out:0:-1", "0-vs-similar", f"similar:{other}"]
    options = [word for target in targets for word in ("-t", target)]
    result = explain(net, photo, tmp_path / "out", "-m", "saliency", *options)
    logits = {p["index"]: p["logit"] for p in result["prediction"]}
    scores = [e["score"] for e in result["explanations"]]
    assert scores[0] == pytest.approx(logits[1], rel=1e-4) and scores[1] == pytest.approx(-logits[1], rel=1e-4)
    assert scores[2] == pytest.approx(logits[0] - logits[1], rel=1e-4)
    rest = sorted(value for index, value in logits.items() if index != 0)[-3:]
    assert scores[3] == pytest.approx(logits[0] - sum(rest) / 3, rel=1e-4)
    assert -1 <= scores[4] < 1
    assert [e["target"]["unit"] for e in result["explanations"]] == ["value", "value", "value", "logit", "similarity"]
    assert result["explanations"][4]["target"]["index"] is None
    minus = vitrail("explain", net, photo, "-m", "saliency", "--target=-out:1", "-o", tmp_path / "minus", "--json")
    assert document(minus)["images"][0]["explanations"][0]["score"] == pytest.approx(-logits[1], rel=1e-4)


def scores_by_target(net, photo, out, target, methods, metrics):
    """Of one photo, a list of scores a method; the truth is where the target is."""
    options = ["-t", target, "-m", methods, "--metric", metrics, "--boxes", "target", "-o", out]
    run = vitrail("evaluate", net, photo, *options)
    assert run.returncode == 0, run.stderr
    return [scored["scores"] for scored in json.loads((out / "scores.jsonl").read_text())["methods"]]


def test_the_box_itself_is_the_truth(detector, tmp_path):
    photo = save_photo(tmp_path / "photo.png", size=(16, 16))
    metrics = "deletion,insertion,pointing_game,energy_pointing_game"
    scored = scores_by_target(detector, photo, tmp_path / "out", "box:1", "saliency,random", metrics)
    result = explain(detector, photo, tmp_path / "maps", "-m", "saliency,random", "-t", "box:1")
    box = result["explanations"][0]["target"]["boxes"][0]
    centres = numpy.arange(16) + 0.5
    region = numpy.outer((centres >= box["y0"]) & (centres < box["y1"]), (centres >= box["x0"]) & (centres < box["x1"]))
    for explanation, (deletion, insertion, pointing, energy) in zip(result["explanations"], scored, strict=True):
        values = numpy.load(tmp_path / "maps/photo" / explanation["map"])
        positive = values.clip(0)
        assert energy["parts"]["covered"] == pytest.approx(region.mean())
        assert energy["value"] == pytest.approx(positive[region].sum() / positive.sum())
        assert pointing["value"] == region.flat[values.argmax()]
        # The curves end where the whole photo is shown, or hidden.
        assert [deletion["y"][0], insertion["y"][-1]] == pytest.approx([explanation["score"]] * 2, rel=1e-4)
        assert deletion["y"][-1] == pytest.approx(insertion["y"][0], rel=1e-4)


@pytest.mark.parametrize("target", ["class:dog", "zone:9:5"])
def test_the_zone_itself_is_the_truth(segmentation, tmp_path, target):
    photo = save_photo(tmp_path / "photo.png", size=(16, 16))
    session = onnxruntime.InferenceSession(segmentation, providers=["CPUExecutionProvider"])
    pixels = numpy.asarray(PIL.Image.open(photo), dtype=numpy.float32).transpose(2, 0, 1)[None]
    classes = session.run(None, {"image": (pixels / 255 - 0.5) / 0.25})[0][0].argmax(0)
    if target == "class:dog":
        zone = classes == 1
    else:
        labels, _ = scipy.ndimage.label(classes == classes[2, 4])
        zone = labels == labels[2, 4]
    region = numpy.kron(zone, numpy.ones((2, 2), dtype=bool))
    methods, metrics = "saliency,occlusion:patch=4,stride=4", "deletion,insertion,relevance_rank"
    scored = scores_by_target(segmentation, photo, tmp_path / "out", target, methods, metrics)
    result = explain(segmentation, photo, tmp_path / "maps", "-m", methods, "-t", target)
    for explanation, (deletion, insertion, rank) in zip(result["explanations"], scored, strict=True):
        assert rank["parts"]["covered"] == pytest.approx(region.mean())
        assert [deletion["y"][0], insertion["y"][-1]] == pytest.approx([explanation["score"]] * 2, rel=1e-4)
        if explanation["name"] == "saliency":  # its values differ
            values = numpy.load(tmp_path / "maps/photo" / explanation["map"]).ravel()
            highest = values.argsort()[::-1][: region.sum()]
            assert rank["value"] == pytest.approx(region.ravel()[highest].mean())


def test_a_target_without_a_place_is_no_truth(detector, photo, tmp_path):
    options = ["-m", "saliency", "--metric", "pointing_game", "--boxes", "target", "-o", tmp_path / "out"]
    run = vitrail("evaluate", detector, photo, "-t", "class:dog", *options)
    assert run.returncode == 2
    assert "'class:dog' has no place in the photo" in run.stderr
    run = vitrail("evaluate", detector, photo, "-t", "box:99", *options, "--force")
    assert run.returncode == 4
    assert f"{photo}: the target 'box:99' does not exist" in run.stderr
