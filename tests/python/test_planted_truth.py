"""Networks that know a planted rule: what must find the object does, controls score as controls, and the report says which
metrics can tell them apart."""

import os
import subprocess

import numpy as np
import PIL.Image
import planted
import pytest
import torch
import vitrail as vt
from conftest import BUILD

METHODS = ["saliency", "integrated_gradients", "gradcam", "occlusion", "sobol"]
CONTROLS = ["random", "edges", "centre"]
STRINGS = (
    "saliency,integrated_gradients,gradcam,guided_backprop,occlusion:patch=8,stride=4,sobol:grid=8,designs=4,"
    "random,edges,centre"
)
METRICS = "pointing_game,energy_pointing_game,auc,deletion,insertion,mu_fidelity:grid=8,model_randomisation:share=1,random_logit"


@pytest.fixture(scope="module", params=planted.RULES)
def study(request, tmp_path_factory):
    """The rule, its network as a file, photos, and what every metric says of every method."""
    network, accuracy = planted.train(request.param)
    assert accuracy > 0.95, "the network knows the rule"
    path = tmp_path_factory.mktemp(request.param) / "net.onnx"
    vt.export(network, torch.zeros(3, planted.SIZE, planted.SIZE), path, preprocess="unit")
    photos = planted.plant(request.param, 40, 99)
    found = vt.evaluate(
        vt.load(path, plan="none"), list(photos.pixels), STRINGS, METRICS, truths=list(photos.masks), progress=False
    )
    return request.param, path, photos, found


def better_than(found, metric):
    """Pairs of names (better, worse) of which the difference holds."""
    pairs = set()
    for pair in found.comparisons:
        if pair.metric.split(":")[0] == metric and pair.better:
            worse = pair.b if pair.better == pair.a else pair.a
            pairs.add((pair.better.split(":")[0], worse.split(":")[0]))
    return pairs


# Which methods beat which controls by a metric, on nets of each rule. Where a metric is not named it cannot tell all of
# them apart: a black square in the place of a shape is another shape, so deletion says nothing of the second rule.
MUST = {
    "colour": {metric: METHODS for metric in ("energy_pointing_game", "auc", "deletion", "mu_fidelity")},
    "shape": {"energy_pointing_game": METHODS, "pointing_game": ["integrated_gradients", "gradcam", "sobol"]},
    "position": {"energy_pointing_game": ["saliency", "integrated_gradients", "gradcam", "sobol"]},
}


def test_methods_find_what_was_planted_and_controls_do_not(study):
    rule, _, _, found = study
    for metric, methods in MUST[rule].items():
        pairs = better_than(found, metric)
        missing = [(m, c) for m in methods for c in CONTROLS if (m, c) not in pairs]
        assert not missing, f"{metric}\n{found}"


def test_controls_score_as_controls(study):
    _, _, photos, found = study
    chance = found.row("random", "auc")
    assert chance.low <= 0.51 and chance.high >= 0.49
    covered = photos.masks.mean()
    assert found.row("random", "energy_pointing_game").mean == pytest.approx(covered, abs=0.005)
    inside = np.mean([mask[15:17, 15:17].any() for mask in photos.masks])
    assert found.row("centre", "pointing_game").mean == pytest.approx(inside, abs=0.08)


def test_sanity_checks_pass_methods_and_fail_controls(study):
    rule, _, _, found = study
    for control in CONTROLS:
        assert found.row(control, "model_randomisation").mean == pytest.approx(1)
        assert found.row(control, "random_logit").mean == pytest.approx(1)
    for method in METHODS:
        assert found.row(method, "model_randomisation").high < 0.5, method
    if rule == "colour":  # guided backpropagation shows the photo rather than the class
        assert ("saliency", "guided_backprop") in better_than(found, "random_logit")


def test_the_report_says_which_metrics_tell_them_apart(study, tmp_path):
    rule, path, photos, _ = study
    if rule != "colour":
        pytest.skip("one report is enough")
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for number, (pixels, mask) in enumerate(zip(photos.pixels, photos.masks, strict=True)):
        PIL.Image.fromarray(pixels).save(tmp_path / f"photos/{number:02}.png")
        PIL.Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / f"masks/{number:02}.png")
    command = os.environ.get("VITRAIL_COMMAND", str(BUILD / "vitrail"))
    arguments = ["evaluate", path, tmp_path / "photos", "--masks", tmp_path / "masks", "-o", tmp_path / "out", "-m"]
    arguments += ["gradcam,saliency,random,centre", "--metric", "auc,deletion,gini,model_randomisation:share=1"]
    run = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "out/report.html").read_text()
    for metric in ("auc", "deletion"):
        section = text[text.index(f"<b>{metric}</b>") :][:400]
        assert "Better than every control: gradcam, saliency." in section, section
    sanity = text[text.index("<b>model_randomisation</b>") :][:400]
    assert "Fail, with the interval above .5: random, centre" in sanity, sanity
