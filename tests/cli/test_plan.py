"""Scores by a plan: the same maps as by the graph, recorded in results, replayed to the byte."""

import json
import re

import numpy
import pytest
from conftest import ROOT, build_net, vitrail
from onnx import helper

DEMO = ROOT / ".cache/demo/efficientnet_lite0.onnx"
PHOTO = ROOT / ".cache/demo/chelsea.png"


def explain(model, photo, out, *options):
    run = vitrail("explain", model, photo, "-o", out, *options)
    assert run.returncode == 0, run.stderr
    folder = out / photo.stem
    explanation = json.loads((folder / "result.json").read_text())["explanations"][0]
    return explanation, (folder / explanation["map"]).read_bytes(), numpy.load(folder / explanation["map"])


@pytest.mark.parametrize("method", ["occlusion", "rise:masks=100", "sobol:grid=4,designs=4"])
def test_plan_and_graph_give_the_same_map(tmp_path, method):
    planned, _, with_plan = explain(DEMO, PHOTO, tmp_path / "plan", "-m", method)
    plain, _, without = explain(DEMO, PHOTO, tmp_path / "graph", "-m", method, "--plan", "none")
    assert planned["plan"]["engine"] == "plan" and plain["plan"]["engine"] == "plain"
    assert float(planned["plan"]["difference"]) < 1e-4
    assert numpy.abs(with_plan - without).max() <= 1e-4 * numpy.ptp(without)


def test_a_recorded_plan_gives_the_same_bytes(tmp_path):
    first, first_bytes, _ = explain(DEMO, PHOTO, tmp_path / "first", "-m", "rise:masks=100")
    record = tmp_path / "first" / PHOTO.stem / "result.json"
    again, again_bytes, _ = explain(DEMO, PHOTO, tmp_path / "again", "-m", "rise:masks=100", "--plan", record)
    assert again["plan"] == first["plan"]
    assert again_bytes == first_bytes
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"engine": "plan", "precision": "float32", "chunk": "3"}))
    assert explain(DEMO, PHOTO, tmp_path / "third", "-m", "rise:masks=100", "--plan", plan)[0]["plan"]["chunk"] == "3"


def same_map_by_changes(model, photo, method, size, folder):
    """On whole images, then by what changes as a plan that is given says; and its record replayed."""
    whole, _, expected = explain(model, photo, folder / "whole", "-m", method, "--incremental", "none")
    assert whole["plan"]["incremental"] == "none"
    folder.mkdir(exist_ok=True)
    plan = folder / "plan.json"
    record = {"engine": "plan", "precision": "float32", "chunk": "2", "incremental": f"{size}:4"}
    plan.write_text(json.dumps(record))
    local, local_bytes, found = explain(model, photo, folder / "local", "-m", method, "--plan", plan)
    assert local["plan"]["incremental"] == f"{size}:4"
    rounding = 1e-6 * abs(whole["score"])  # of the logits, whose differences the map is made of
    assert numpy.abs(found - expected).max() <= 1e-5 * numpy.ptp(expected) + rounding
    written = folder / "local" / photo.stem / "result.json"
    again, again_bytes, _ = explain(model, photo, folder / "again", "-m", method, "--plan", written)
    assert again["plan"] == local["plan"]
    assert again_bytes == local_bytes


@pytest.mark.parametrize(
    ("method", "size"),
    [("occlusion:patch=32,stride=48", "32x32"), ("morris:grid=7,designs=2,replicates=1", "32x32")],
)
def test_what_changes_gives_the_map_of_whole_images(tmp_path, method, size):
    same_map_by_changes(DEMO, PHOTO, method, size, tmp_path)


@pytest.mark.parametrize("model", ["mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224"])
def test_what_changes_on_nets_and_photos_of_the_corpus(corpus, tmp_path, model):
    path = corpus / "models/imagenet" / f"{model}.onnx"
    photo = sorted((corpus / "images/imagenet-sample").glob("*.JPEG"))[0]
    same_map_by_changes(path, photo, "occlusion:patch=32,stride=48", "32x32", tmp_path)
    same_map_by_changes(path, photo, "sobol:grid=8,designs=2,replicates=1", "28x28", tmp_path / "sobol")


def test_one_gradient_needs_no_plan(net, photo, tmp_path):
    assert explain(net, photo, tmp_path, "-m", "saliency")[0]["plan"]["engine"] == "plain"


@pytest.mark.parametrize(
    "method", ["integrated_gradients:steps=8,max_steps=8", "smoothgrad:samples=8", "dgsm:samples=4"]
)
def test_many_gradients_come_from_the_plan(tmp_path, method):
    planned, planned_bytes, with_plan = explain(DEMO, PHOTO, tmp_path / "plan", "-m", method)
    assert planned["plan"]["gradients"] == "plan"
    assert float(planned["plan"]["gradient_difference"]) < 0.05
    _, _, without = explain(DEMO, PHOTO, tmp_path / "graph", "-m", method, "--plan", "none")
    a, b = with_plan.ravel(), without.ravel()  # rounding moves some units across the ends of their activation's pieces
    assert a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b) > 0.999
    record = tmp_path / "plan" / PHOTO.stem / "result.json"
    again, again_bytes, _ = explain(DEMO, PHOTO, tmp_path / "again", "-m", method, "--plan", record)
    assert again["plan"] == planned["plan"]
    assert again_bytes == planned_bytes
    reproduced = vitrail("reproduce", record)
    assert reproduced.returncode == 0, reproduced.stdout + reproduced.stderr


def test_bf16_leaves_gradients_to_the_graph(tmp_path):
    run = vitrail("explain", DEMO, PHOTO, "-o", tmp_path, "-m", "smoothgrad:samples=2", "--precision", "bf16")
    assert run.returncode == 0, run.stderr
    plan = json.loads((tmp_path / PHOTO.stem / "result.json").read_text())["explanations"][0]["plan"]
    if plan["precision"] == "bf16":  # the processor has it, and the scores keep their order
        assert plan["gradients"] == "graph"
        assert "gradients come from the graph" in run.stderr


def test_a_precision_that_cannot_be_is_said_and_replaced(net, photo, tmp_path):
    run = vitrail("explain", net, photo, "-o", tmp_path, "-m", "occlusion", "--precision", "bf16")
    assert run.returncode == 0, run.stderr
    plan = json.loads((tmp_path / "photo/result.json").read_text())["explanations"][0]["plan"]
    if plan["precision"] == "float32":
        assert "there is no bf16 plan for this model, scores are in float32" in run.stderr or re.search(
            "bf16 is slower than float32 on this machine .*: scores are in float32", run.stderr
        )


def test_fp16_is_for_devices(net, photo, tmp_path):
    run = vitrail("explain", net, photo, "-o", tmp_path, "-m", "occlusion", "--precision", "fp16")
    assert run.returncode == 0, run.stderr
    assert "there is no fp16 plan for this model, scores are in float32: fp16 is for CUDA devices" in run.stderr
    plan = json.loads((tmp_path / "photo/result.json").read_text())["explanations"][0]["plan"]
    assert plan["precision"] == "float32" and "graphs" not in plan


def test_a_model_without_a_plan_is_explained_all_the_same(photo, tmp_path):
    """Its samples see each other, so that they run one by one."""
    nodes = [
        helper.make_node("ReduceMean", ["logits"], ["centre"], keepdims=1),
        helper.make_node("Sub", ["logits", "centre"], ["centred"]),
    ]
    model = build_net(tmp_path / "net.onnx", extra_nodes=nodes, output="centred")
    run = vitrail("explain", model, photo, "-o", tmp_path / "out", "-m", "occlusion")
    assert run.returncode == 0, run.stderr
    assert "there is no float32 plan for this model, scores come from the graph as it is" in run.stderr


@pytest.mark.parametrize(
    "content", [None, "{}", "[1, 2", '{"engine": "plan", "chunk": 4}', '{"engine": "plan", "chunk": "-1"}']
)
def test_a_file_that_records_no_plan(net, photo, tmp_path, content):
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_text(content)
    run = vitrail("explain", net, photo, "--plan", path)
    assert run.returncode == 2
    assert "plan.json" in run.stderr and "expected" in run.stderr
