"""A vision transformer with a dense head of one class, sigmoid behind."""

import json

import numpy as np
import onnxruntime
import PIL.Image
import pytest
from conftest import ASTRONAUT, FOCUS, model_of, vitrail, write_record

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    model = model_of(FOCUS, "vit_s_focus")
    return model, write_record(
        tmp_path_factory.mktemp("focus"), 224, 224, "NCHW", MEAN, STD, output={"kind": "segmentation"}
    )


def probabilities(model):
    photo = PIL.Image.open(ASTRONAUT).convert("RGB")
    pixels = np.asarray(photo.resize((224, 224), PIL.Image.BILINEAR), dtype=np.float64) / 255
    x = ((pixels - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"input_image": x})[0][0, 0]


def test_the_zone_is_what_lies_above_a_half(net):
    model, record = net
    found = json.loads(vitrail("predict", model, ASTRONAUT, "--preprocess", record, "--json"))["images"][0][
        "prediction"
    ]
    p = probabilities(model)
    assert found[0]["area"] == pytest.approx((p > 0.5).mean(), abs=2 / p.size + 1e-4)
    assert found[0]["probability"] == pytest.approx(p[p > 0.5].mean(), abs=1e-3)


def test_maps_of_a_zone_lie_on_it(net, tmp_path):
    model, record = net
    p = probabilities(model)
    y, x = np.unravel_index(p.argmax(), p.shape)
    target = f"zone:{(x + 0.5) * 512 / p.shape[1]:.0f}:{(y + 0.5) * 512 / p.shape[0]:.0f}"
    out = tmp_path / "out"
    options = ("-m", "saliency,occlusion:patch=56,stride=56", "-t", target, "-t", "class:0", "-o", out)
    vitrail("explain", model, ASTRONAUT, "--preprocess", record, *options)
    explanations = json.loads((out / "astronaut/result.json").read_text())["explanations"]
    logits = np.log(p / (1 - p))
    assert explanations[1]["score"] == pytest.approx(logits[p > 0.5].mean(), rel=2e-2)
    large = np.kron(p > 0.5, np.ones((224 // p.shape[0], 224 // p.shape[1])))
    for explanation in explanations:
        values = np.abs(np.load(out / "astronaut" / explanation["map"]))
        assert (values * large).sum() / values.sum() > large.mean(), explanation["target"]["string"]
