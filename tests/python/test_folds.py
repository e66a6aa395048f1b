"""vt.mege and vt.explain_folds: the numbers of the library and the command, training callbacks, mistakes named."""

import json
import os
import subprocess

import numpy as np
import PIL.Image
import pytest
import torch
import vitrail as vt
from conftest import BUILD, LABELS, Shapes, photo
from torch import nn

THREE_MODELS = {  # one pixel, so that L1 is the difference; as in the library's own test
    "maps": np.array([[0, 0, 0], [1, 2, 4], [10, 20, 40]], dtype=np.float64).reshape(3, 3, 1, 1),
    "correct": np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=bool),
    "folds": np.array([0, 1, 2]),
}


@pytest.fixture(scope="module")
def photos():
    return [np.roll(photo(), shift, axis=1) for shift in (0, 3, 7, 11, 15, 19)]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, lambda values: np.asarray(values).tolist()])
def test_a_case_by_hand(kind):
    scores = vt.mege(**{name: kind(values) for name, values in THREE_MODELS.items()}, distance="l1")
    assert scores.mege == pytest.approx(1 / (1 + (1 + 10) / 2))
    assert scores.reco == pytest.approx(0.75) and scores.threshold == 10
    assert (scores.equal, scores.different, scores.undefined) == (2, 4, 0)
    assert "MeGe 0.1538" in str(scores) and "ReCo 0.7500" in str(scores)


def test_strict_is_passed_on():
    loose, strict = (vt.mege(**THREE_MODELS, distance="l1", strict=strict) for strict in (False, True))
    assert (loose.strict, strict.strict) == (False, True)
    # At 18, of which there is one: both equal distances are below, two of four different ones above.
    assert (loose.reco, strict.reco, strict.threshold) == (0.75, 0.5, 18)


def test_what_does_not_exist_says_why():
    scores = vt.mege(THREE_MODELS["maps"], np.zeros((3, 3), bool), [0, 1, 2])
    assert np.isnan(scores.mege) and np.isnan(scores.reco) and np.isnan(scores.mege_low)
    assert "both right" in scores.reasons["MeGe"] and "no MeGe: there is no distance" in str(scores)


def test_intervals_are_of_the_options():
    random = np.random.default_rng(0)
    maps, correct = random.normal(size=(2, 40, 5, 5)), random.random((2, 40)) < 0.8
    folds = vt.split_folds(40, 2)
    scores = vt.mege(maps, correct, folds)
    assert scores.mege_low < scores.mege < scores.mege_high
    narrow = vt.mege(maps, correct, folds, level=0.5)
    assert scores.mege_low < narrow.mege_low < narrow.mege_high < scores.mege_high
    other = vt.mege(maps, correct, folds, seed=3)
    assert other.mege == scores.mege and other.mege_low != scores.mege_low


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"maps": np.zeros((1, 3, 2, 2))}, "found 1 models"),
        ({"correct": np.ones((2, 3), bool)}, "bool"),
        ({"correct": np.ones((3, 3))}, "bool"),
        ({"folds": [0, 1, 3]}, "found fold 3"),
        ({"distance": "sssim"}, "ssim"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, words):
    with pytest.raises(vt.UsageError, match=words):
        vt.mege(**(THREE_MODELS | change))


def shifted(net, amount):
    """A copy whose weights are moved."""
    copy = Shapes().eval()
    copy.load_state_dict(net.state_dict())
    with torch.no_grad():
        for number, weight in enumerate(copy.parameters()):
            weight += amount * weight.std() * torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
    return copy


def test_it_says_what_the_command_says(net, photos, tmp_path):
    images, paths = [], []
    models = [tmp_path / f"without_{fold}.onnx" for fold in range(2)]
    for fold, path in enumerate(models):
        vt.export(shifted(net, 0.3 * fold), torch.zeros(3, 32, 32), path, preprocess="unit", labels=LABELS)
    for number, pixels in enumerate(photos):
        paths.append(tmp_path / f"{number}.png")
        PIL.Image.fromarray(pixels).save(paths[-1])
        images.append({"path": paths[-1].name, "label": "square" if number % 2 else 1, "fold": number % 2})
    manifest = {"format": "vitrail-folds", "version": 1, "models": [path.name for path in models], "images": images}
    (tmp_path / "folds.json").write_text(json.dumps(manifest))
    command = os.environ.get("VITRAIL_COMMAND", str(BUILD / "vitrail"))
    out = tmp_path / "out"
    arguments = ["evaluate", "folds", tmp_path / "folds.json", "-m", "gradcam", "-o", out, "--json"]
    run = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    labels = [image["label"] for image in images]
    folds = [image["fold"] for image in images]
    study = vt.explain_folds(paths, labels, folds, lambda fold: vt.load(models[fold]), "gradcam", progress=False)
    assert study.mege == pytest.approx(said["methods"][0]["mege"], abs=1e-4)
    assert study.accuracy.tolist() == [model["accuracy"] for model in said["models"]]
    assert study.accuracy_held_out.tolist() == [model["accuracy_held_out"] for model in said["models"]]
    # The arrays that the command keeps are those that vt.mege takes.
    kept = [np.load(out / f"01-gradcam-without-{fold}.npy") for fold in range(2)]
    np.testing.assert_allclose(kept, study.maps, atol=1e-4)
    right = [np.load(out / f"predicted-without-{fold}.npy") == 1 for fold in range(2)]
    assert vt.mege(kept, right, folds).mege == pytest.approx(said["methods"][0]["mege"], rel=1e-9)


def test_a_callback_trains_each_model_without_its_fold():
    """Two classes of images by their colour: three trainings of a small network, and their maps."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(24) % 2
    images = 0.3 * torch.rand(24, 3, 12, 12, generator=generator)
    images[labels == 0, 0, 2:8, 2:8] += 0.7
    images[labels == 1, 2, 4:10, 4:10] += 0.7
    folds = vt.split_folds(24, 3, seed=1)
    trained = []

    def train(fold):
        trained.append(fold)
        with torch.random.fork_rng():
            torch.manual_seed(fold)
            net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            net.append(nn.Linear(4, 2))
        optimiser = torch.optim.Adam(net.parameters(), 0.05)
        seen = torch.as_tensor(folds != fold)
        for _ in range(60):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(images[seen]), labels[seen]).backward()
            optimiser.step()
        return net.eval()

    study = vt.explain_folds(list(images), labels.tolist(), folds, train, "gradient_x_input", progress=False)
    assert trained == [0, 1, 2]
    assert study.maps.shape == (3, 24, 12, 12) and study.method.startswith("gradient_x_input")
    assert study.accuracy.min() > 0.8
    assert 0.4 < study.mege < 1
    assert study.scores("l2").mege != study.mege
    assert "3 models and 24 images" in repr(study) and "MeGe" in str(study)
    # Maps that do not ask the model are the same for all.
    same = vt.explain_folds(list(images), labels.tolist(), folds, [train(0)] * 3, "random", progress=False)
    assert same.mege == pytest.approx(1, abs=1e-6)


def test_maps_are_of_the_label_whether_it_is_predicted_or_not(model, photos):
    labels = [number % 3 for number in range(4)]
    study = vt.explain_folds(photos[:4], labels, [0, 1, 0, 1], [model, model], "gradcam", progress=False)
    for number in range(4):
        expected = vt.explain(model, photos[number], "gradcam", labels[number], progress=False).map
        np.testing.assert_array_equal(study.maps[0, number], expected)
    assert study.correct[0].tolist() == [
        label == model.predict(image)[0].index for label, image in zip(labels, photos[:4], strict=True)
    ]


def test_a_model_without_scores_is_right_about_nothing(wrapped, photos):
    broken = vt.wrap(
        lambda x: x.mean((1, 2, 3))[:, None] * np.full((1, 3), np.nan), preprocess="unit", input_size=(32, 32)
    )
    study = vt.explain_folds(photos[:2], [0, 0], [0, 1], [wrapped, broken], "random", progress=False)
    assert not study.correct[1].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": [1]}, "2 images, 1 labels and 2 folds"),
        ({"folds": [0, 0]}, "two or more"),
        ({"folds": [0, 2]}, "an image in each"),
        ({"models": []}, "found 0 models for 2 folds"),
        ({"method": "gradcam,saliency"}, "2 methods"),
        ({"labels": ["top1", 0]}, "'top1', expected one class"),
        ({"labels": ["1-vs-2", 0]}, "expected one class"),
        ({"labels": ["hexagon", 0]}, "hexagon"),
    ],
)
def test_studies_that_are_none_are_refused(model, photos, change, words):
    study = {"images": photos[:2], "labels": [1, 1], "folds": [0, 1], "models": [model, model], "method": "gradcam"}
    with pytest.raises(vt.UsageError, match=words):
        vt.explain_folds(**(study | change), progress=False)


def test_models_of_different_sizes_are_refused(net, photos):
    sizes = [vt.wrap(net, preprocess="unit", input_size=size) for size in ((32, 32), (24, 24))]
    with pytest.raises(vt.UsageError, match="different shapes"):
        vt.explain_folds(photos[:2], [1, 1], [0, 1], sizes, "saliency", progress=False)


def test_a_cancelled_study_has_no_result(model, photos):
    cancellation = vt.Cancellation()
    cancellation.cancel()
    with pytest.raises(vt.Interrupted):
        vt.explain_folds(
            photos[:2], [1, 1], [0, 1], [model, model], "rise:masks=500", cancellation=cancellation, progress=False
        )


def test_splits_are_even_and_of_the_seed():
    folds = vt.split_folds(10, 4, seed=1)
    assert sorted(np.bincount(folds)) == [2, 2, 3, 3]
    assert (folds == vt.split_folds(10, 4, seed=1)).all() and (folds != vt.split_folds(10, 4, seed=2)).any()
    with pytest.raises(vt.UsageError, match="found 4 folds of 3 images"):
        vt.split_folds(3)
