"""vt.evaluate: the same numbers as the command, modules too, mistakes named."""

import json
import os
import subprocess

import numpy as np
import onnx
import PIL.Image
import pytest
import torch
import vitrail as vt
from conftest import BUILD, photo
from onnx import TensorProto, helper, numpy_helper

METHODS = "saliency,occlusion:patch=8,stride=8,random"
METRICS = "deletion,insertion,mu_fidelity:grid=4,subsets=40,gini"


@pytest.fixture(scope="module")
def photos():
    return [np.roll(photo(), shift, axis=1) for shift in (0, 3, 7, 11)]


def test_it_says_what_the_command_says(model_path, photos, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = []
    for number, pixels in enumerate(photos):
        paths.append(folder / f"{number}.png")
        PIL.Image.fromarray(pixels).save(paths[-1])
    command = os.environ.get("VITRAIL_COMMAND", str(BUILD / "vitrail"))
    arguments = ["evaluate", model_path, folder, "-m", METHODS, "--metric", METRICS, "-o", tmp_path / "out", "--json"]
    run = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = {(row["method"], row["metric"]): row for row in json.loads(run.stdout)["rows"]}
    found = vt.evaluate(vt.load(model_path), paths, METHODS, METRICS, progress=False)
    assert len(found.rows) == len(said) == 12
    for row in found.rows:
        of_command = said[row.method, row.metric]
        assert row.mean == pytest.approx(of_command["mean"], abs=2e-5)
        assert (row.n, row.forwards, row.direction) == (4, of_command["forwards"], of_command["direction"])


def test_gradients_are_the_plans_where_maps_are_made_again_and_again(model_path, photos):
    model = vt.load(model_path)
    vt.explain(model, photos[0], "saliency", progress=False)
    assert "gradient_chunk" not in model.plan
    vt.evaluate(model, photos[:1], "saliency", "max_sensitivity:samples=2", progress=False)
    assert "gradient_chunk" in model.plan


def test_rows_and_scores_by_name(model, photos):
    found = vt.evaluate(model, photos, METHODS, METRICS, progress=False)
    scores = found.scores("occlusion", "deletion")
    assert scores.shape == (4,)
    assert found.row("occlusion", "deletion").mean == pytest.approx(scores.mean())
    assert "occlusion" in str(found) and "3 methods by 4 metrics on 4 photos" in repr(found)
    assert len(found.comparisons) == 3 * 4
    with pytest.raises(vt.UsageError, match="no row of 'sobol'"):
        found.row("sobol", "deletion")


def test_repeats_divide_the_spread(model, photos):
    found = vt.evaluate(model, photos, "saliency,random", "deletion", repeats=2, progress=False)
    once = vt.evaluate(model, photos, "random,random:seed=2", "deletion", progress=False)
    row = found.row("random", "deletion")
    assert row.mean == pytest.approx((once.rows[0].mean + once.rows[1].mean) / 2)
    assert row.variance_sampling > 0 and row.variance_images >= 0
    assert row.forwards == 2 * once.rows[0].forwards
    assert np.isnan(found.row("saliency", "deletion").variance_sampling)
    assert np.isnan(once.rows[0].variance_sampling)
    assert "var. draws" in str(found)
    with pytest.raises(vt.UsageError, match="repeats is 0"):
        vt.evaluate(model, photos, "random", "deletion", repeats=0, progress=False)


def test_a_module_is_judged_like_its_file(net, model, photos):
    wrapped = vt.wrap(net, preprocess="unit", input_size=(32, 32))
    of_module = vt.evaluate(wrapped, photos, METHODS, METRICS, progress=False)
    of_file = vt.evaluate(model, photos, METHODS, METRICS, progress=False)
    for a, b in zip(of_module.rows, of_file.rows, strict=True):
        assert a.mean == pytest.approx(b.mean, abs=2e-4), (a.method, a.metric)


def test_truth_is_what_maps_are_compared_with(model, photos):
    truths = []
    for pixels in photos:
        truths.append((pixels == (250, 200, 30)).all(2))
    found = vt.evaluate(
        model, photos, "edges,centre", "pointing_game,energy_pointing_game", truths=truths, progress=False
    )
    assert found.row("edges", "energy_pointing_game").mean > found.row("centre", "energy_pointing_game").mean
    some = vt.evaluate(model, photos, "edges", "energy_pointing_game", truths={1: truths[1]}, progress=False)
    assert (some.rows[0].n, some.rows[0].undefined) == (1, 3)


def test_the_zone_that_is_explained_is_the_truth(photos, tmp_path):
    """A segmentation whose two classes are red minus green and the opposite."""
    weight = numpy_helper.from_array(np.array([[1, -1, 0], [-1, 1, 0]], "float32").reshape(2, 3, 1, 1), "w")
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", c, 32, 32]) for n, c in (("x", 3), ("y", 2))]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "net", values[:1], values[1:], [weight])
    path = tmp_path / "zones.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    preprocess = {"size": [32, 32], "layout": "NCHW", "resize": {"rule": "none"}, "mean": [0] * 3, "std": [1] * 3}
    path.with_suffix(".json").write_text(json.dumps({"preprocess": preprocess, "output": {"kind": "segmentation"}}))
    arguments = (vt.load(path, plan="none"), photos[:1], "saliency", "energy_pointing_game", "class:0")
    found = vt.evaluate(*arguments, truths="target", progress=False)
    red, green = photos[0][..., 0].astype(int), photos[0][..., 1].astype(int)
    score = found.photos[0].methods[0].scores[0]
    assert score.value == 1, "the gradient of a zone lies in it"
    assert score.parts["covered"] == pytest.approx((red >= green).mean())
    with pytest.raises(vt.UsageError, match="truths is 'box'"):
        vt.evaluate(*arguments, truths="box", progress=False)


def test_what_cannot_be_read_is_counted(model, photos, tmp_path):
    found = vt.evaluate(model, [photos[0], tmp_path / "nothing.png"], "saliency", "deletion", progress=False)
    assert (found.failed, found.rows[0].n) == (1, 1)
    assert "nothing.png" in found.photos[1].problem


def test_metrics_that_need_a_network_say_so(net, photos):
    wrapped = vt.wrap(net, preprocess="unit", input_size=(32, 32))
    with pytest.raises(vt.UsageError, match="model"):
        vt.evaluate(wrapped, photos[:1], "saliency", "model_randomisation", progress=False)
    left_out = vt.evaluate(wrapped, photos[:1], "saliency", "all", progress=False)
    assert left_out.row("saliency", "model_randomisation").undefined == 1


@pytest.mark.parametrize(
    ("methods", "metrics", "words"),
    [("sobl", "deletion", "sobol"), ("saliency", "deletoin", "deletion"), ("saliency", "deletion:stps=3", "steps")],
)
def test_mistakes_are_named(model, photos, methods, metrics, words):
    with pytest.raises(vt.UsageError, match=words):
        vt.evaluate(model, photos[:1], methods, metrics, progress=False)


def test_a_cancellation_ends_it(model, photos):
    cancellation = vt.Cancellation()
    cancellation.cancel()
    with pytest.raises(vt.Interrupted):
        vt.evaluate(model, photos, "saliency", "deletion", progress=False, cancellation=cancellation)


def test_numbers_are_known():
    """On a linear network the deletion curve is a sum."""
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2)).eval()
    wrapped = vt.wrap(linear, input_size=(2, 2))
    x = torch.rand(3, 2, 2)
    found = vt.evaluate(
        wrapped, [x], "gradient_x_input", "deletion:steps=-1,baseline=zero,activation=none", target=0, progress=False
    )
    weight, bias = linear[1].weight[0].detach().view(3, 2, 2), linear[1].bias[0].detach()
    left = (weight * x).sum(0).flatten().sort().values
    curve = [float(bias + left[: 4 - k].sum()) for k in range(5)]
    area = sum((a + b) / 2 for a, b in zip(curve, curve[1:])) / 4
    assert found.rows[0].mean == pytest.approx(area, abs=1e-5)


def test_several_people_make_a_ceiling(model, photos):
    rng = np.random.default_rng(0)
    person = rng.random((2, 32, 32), dtype=np.float32)
    agreeing, mixed = np.stack([person[0], 3 * person[0] + 1]), person
    metrics = "human_spearman,human_dice"
    found = vt.evaluate(model, photos[:2], "random", metrics, human_maps=[agreeing, mixed], progress=False)
    ceilings = {ceiling.metric: ceiling for ceiling in found.ceilings}
    rank = [np.argsort(np.argsort(values.ravel())) for values in person]
    rho = np.corrcoef(*rank)[0, 1]
    assert ceilings["human_spearman"].n == 2
    assert ceilings["human_spearman"].mean == pytest.approx((1 + rho) / 2, abs=1e-6)
    assert found.photos[0].ceilings[ceilings["human_dice"].metric_string] == 1
    assert "human_spearman between people" in str(found)
    alone = vt.evaluate(model, photos[:1], "random", "human_spearman", human_maps=[person[0]], progress=False)
    assert alone.ceilings == []
