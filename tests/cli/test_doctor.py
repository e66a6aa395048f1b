"""vitrail doctor: real models beside ONNX Runtime, and models that are ill."""

import os
import stat
import sys

import pytest
from conftest import ROOT, build_net, document, vitrail
from onnx import helper

DEMO = ROOT / ".cache/demo/efficientnet_lite0.onnx"
PHOTOS = [ROOT / ".cache/demo/chelsea.png", ROOT / ".cache/demo/coffee.png"]
WITH_RUNTIME = {**os.environ, "VITRAIL_PYTHON": sys.executable}


def test_the_demonstration_model_agrees_with_onnx_runtime(tmp_path):
    found = document(vitrail("doctor", DEMO, *PHOTOS, "--json", env=WITH_RUNTIME))
    assert found["operators"]["unsupported"] == []
    assert found["agreement"]["reference"].startswith("onnxruntime ")
    assert found["agreement"]["max_relative_error"] < 1e-4
    assert found["agreement"]["first_diverging_value"] is None
    assert found["agreement"]["values"] > 50
    assert found["batch"]["generalises"] is True
    assert {(s["engine"], s["batch"]) for s in found["speed"]} == {
        (engine, batch) for engine in ("plain", "plan", "onnxruntime") for batch in (1, 8)
    }
    assert [photo["label"].split(",")[0] for photo in found["photos"]] == ["tiger cat", "espresso"]
    assert 0.1 < max(s["share"] for s in found["saturation"]) <= 1
    assert found["warnings"] == []


@pytest.mark.parametrize(
    "model", ["imagenet/tiny_darknet_224", "cifar10/vit_ibp_3_3_8", "gtsrb/gtsrb_30_qconv", "mnist/self_attention"]
)
def test_models_of_the_corpus_agree_with_onnx_runtime(corpus, model):
    found = document(vitrail("doctor", corpus / "models" / f"{model}.onnx", "--json", env=WITH_RUNTIME))
    assert found["agreement"]["first_diverging_value"] is None
    assert found["agreement"]["max_relative_error"] < 1e-4
    assert bool(found["non_differentiable"]) == (model == "gtsrb/gtsrb_30_qconv")


def test_the_page_says_it_in_words(net, photo):
    run = vitrail("doctor", net, photo, env=WITH_RUNTIME)
    assert run.returncode == 0, run.stderr
    for word in ("can be explained", "all supported", "agree with onnxruntime", "images a second", "any size"):
        assert word in run.stdout, run.stdout


def lying_python(path, change):
    """A Python whose ONNX Runtime gives other values from one value on."""
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys, onnxruntime\n"
        "real = onnxruntime.InferenceSession.run\n"
        "def run(self, names, feeds):\n"
        "    found = real(self, names, feeds)\n"
        f"    return [{change} if name in ('features', 'pooled') else value for name, value in zip(names or [], found)]\n"
        "onnxruntime.InferenceSession.run = run\n"
        "script, sys.argv = sys.argv[1], sys.argv[1:]\n"
        "exec(compile(open(script).read(), script, 'exec'))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("change", ["value * 1.01", "value[..., :1]", "value * float('nan')"])
def test_the_first_value_that_differs_is_named(net, tmp_path, change):
    python = lying_python(tmp_path / "python", change)
    found = document(vitrail("doctor", net, "--json", env={**os.environ, "VITRAIL_PYTHON": str(python)}))
    assert found["agreement"]["first_diverging_value"] == "features"
    assert "Relu node" in found["agreement"]["first_diverging_node"]
    assert found["agreement"]["max_relative_error"] < 1e-4  # of the outputs, which are as they should be


@pytest.mark.parametrize("python", ["/there/is/none", "/bin/false", "/bin/true"])
def test_without_onnx_runtime_the_rest_is_told(net, python):
    run = vitrail("doctor", net, "--json", env={**os.environ, "VITRAIL_PYTHON": python})
    found = document(run)
    assert run.returncode == 0
    assert found["agreement"] == {"reference": None, "max_relative_error": None, "first_diverging_value": None}
    assert any("no comparison with ONNX Runtime" in warning for warning in found["warnings"])
    assert {s["engine"] for s in found["speed"]} >= {"plain"}


def test_operators_that_are_not_there_are_listed(tmp_path):
    nodes = [helper.make_node("Mystery", ["logits"], ["out"], domain="my.domain")]
    model = build_net(tmp_path / "net.onnx", extra_nodes=nodes, output="out")
    run = vitrail("doctor", model, "--json")
    assert run.returncode == 3
    assert "Mystery" in document(run)["operators"]["unsupported"][0]
    assert "Mystery" in vitrail("doctor", model).stdout


def test_a_file_that_is_no_model(tmp_path):
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"nothing")
    run = vitrail("doctor", garbage)
    assert run.returncode == 3 and run.stdout == ""
