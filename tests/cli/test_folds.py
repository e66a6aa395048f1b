"""MeGe and ReCo by the command: from photos to a split, from models to scores, killed and resumed, mistakes named."""

import csv
import json
import shutil
import signal
import subprocess
import time

import numpy
import onnx
import PIL.Image
import pytest
from conftest import COMMAND, OnTerminal, build_net, document, save_photo, vitrail
from onnx import numpy_helper


def add_noise(model, share, seed, out):
    """A copy with noise on the weights, of this share of each tensor's standard deviation."""
    net, random = onnx.load(model), numpy.random.default_rng(seed)
    for tensor in net.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim >= 2:
            noise = share * values.std() * random.normal(size=values.shape)
            tensor.CopyFrom(numpy_helper.from_array((values + noise).astype("float32"), tensor.name))
    onnx.save(net, out)
    shutil.copy(model.with_suffix(".json"), out.with_suffix(".json"))


def write_manifest(path, models, images, **keys):
    document = {"format": "vitrail-folds", "version": 1, "models": models, "images": images} | keys
    path.write_text(json.dumps(document))
    return path


def folds(manifest, out, *options, code=0):
    run = vitrail("evaluate", "folds", manifest, "-o", out, *options)
    assert run.returncode == code, run.stderr
    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three small networks that differ, twelve photos labelled by what the first one says."""
    folder = tmp_path_factory.mktemp("study")
    net = build_net(folder / "net.onnx")
    for number in range(3):
        add_noise(net, 0.1 * number, number, folder / f"without_{number}.onnx")
    (folder / "img").mkdir()
    photos = [save_photo(folder / f"img/{number}.png", seed=number) for number in range(12)]
    said = document(vitrail("predict", folder / "without_0.onnx", *photos, "--top", "1", "--json"))["images"]
    images = [
        {"path": f"img/{number}.png", "label": image["prediction"][0]["label"].split(",")[0], "fold": number % 3}
        for number, image in enumerate(said)
    ]
    return write_manifest(folder / "folds.json", [f"without_{number}.onnx" for number in range(3)], images)


METHODS = "gradcam,occlusion:patch=4,stride=4,random"


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The folder of one uninterrupted run, and what it said."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return out, document(folds(study, out, "-m", METHODS, "--json"))


def test_the_result_says_everything(study, whole):
    out, result = whole
    assert (result["format"], result["version"], result["distance"]) == ("vitrail-folds-result", 1, "sqrt_abs_spearman")
    assert json.loads((out / "folds-result.json").read_text()) == result
    assert (result["images"], result["failed"], result["strict"]) == (12, [], False)
    assert [method["method"] for method in result["methods"]] == ["gradcam", "occlusion", "random"]
    assert result["models"][0]["accuracy"] == 1
    assert [model["held_out"] for model in result["models"]] == [4, 4, 4]
    for method in result["methods"]:
        assert method["mege_low"] <= method["mege"] <= method["mege_high"]
    # Of each image two pairs hold the model without it.
    assert 0 < result["methods"][0]["equal"] + result["methods"][0]["different"] <= 24


def test_distances_are_those_of_the_maps(study, whole):
    out, result = whole
    rows = list(csv.DictReader((out / "02-occlusion-sqrt_abs_spearman.csv").open()))
    assert result["methods"][1]["distances"] == "02-occlusion-sqrt_abs_spearman.csv"
    maps = [numpy.load(out / f"02-occlusion-without-{fold}.npy") for fold in range(3)]
    assert maps[0].shape == (12, 16, 16)
    predicted = [numpy.load(out / f"predicted-without-{fold}.npy") for fold in range(3)]
    images = [image["path"] for image in json.loads(study.read_text())["images"]]
    equal = []
    for row in rows:
        place = images.index("img/" + row["path"].rsplit("/", 1)[1])
        first, second = int(row["first"]), int(row["second"])
        assert int(row["fold"]) == place % 3 and place % 3 in (first, second)
        right = [predicted[fold][place] == predicted[0][place] for fold in (first, second)]
        assert row["pair"] == ("equal" if all(right) else "different")
        ranks = [rank(maps[fold][place]) for fold in (first, second)]
        expected = numpy.sqrt(max(0, 1 - abs(numpy.corrcoef(*ranks)[0, 1])))
        assert float(row["distance"]) == pytest.approx(expected, abs=1e-6)
        equal += [expected] if all(right) else []
    assert result["methods"][1]["mege"] == pytest.approx(1 / (1 + numpy.mean(equal)), abs=1e-6)


def rank(values):
    """Mean ranks of ties."""
    _, places, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    last = numpy.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[places.ravel()]


def test_the_table_names_methods_and_models(study, whole):
    run = folds(study, whole[0], "-m", METHODS)
    for word in ("MeGe", "ReCo", "gradcam", "occlusion", "random", "without_2.onnx", "(12 of 12)", "folds-result.json"):
        assert word in run.stdout
    assert "going on with the maps" in run.stderr


def test_maps_that_do_not_ask_the_model_have_mege_1_and_reco_0(whole):
    random = whole[1]["methods"][2]
    assert (random["mege"], random["mege_low"], random["mege_high"]) == (pytest.approx(1, abs=1e-6),) * 3
    assert random["different"] > 0 and random["reco"] == 0 and random["threshold"] is None


def test_another_distance_takes_the_same_maps(study, whole):
    out, before = whole
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    after = document(folds(study, out, "-m", METHODS, "--distance", "l1", "--strict", "--json"))
    assert stamps == {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    assert (after["distance"], after["strict"]) == ("l1", True)
    assert after["methods"][0]["mege"] != before["methods"][0]["mege"]
    maps = [numpy.load(out / f"01-gradcam-without-{fold}.npy") for fold in range(3)]
    row = next(csv.DictReader((out / "01-gradcam-l1.csv").open()))
    place, first, second = (int(text) for text in (row["path"].rsplit("/", 1)[1][:-4], row["first"], row["second"]))
    assert float(row["distance"]) == pytest.approx(abs(maps[first][place] - maps[second][place]).sum(), rel=1e-5)


def test_strict_counts_ties_on_neither_side(study, whole):
    """All distances of the random maps are equal; those of others are not, and lose one."""
    loose = document(folds(study, whole[0], "-m", METHODS, "--json"))["methods"]
    strict = document(folds(study, whole[0], "-m", METHODS, "--json", "--strict"))["methods"]
    assert loose[0]["mege"] == strict[0]["mege"]
    assert [method["reco"] for method in loose] != [method["reco"] for method in strict]


def test_killed_again_and_again_it_goes_on(study, tmp_path):
    """Five times, each as soon as there is one array more: nothing is lost, and the end is that of one run."""
    whole, out = tmp_path / "whole", tmp_path / "killed"
    options = ["-m", "saliency,rise:masks=1000", "--quiet", "--json"]
    finished = folds(study, whole, *options).stdout
    out.mkdir()
    shutil.copy(whole / "run.json", out)  # of one plan, as the first of them would have made it
    kept = {}
    for _ in range(5):
        command = [COMMAND, "evaluate", "folds", str(study), "-o", str(out), *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("*.npy"))) <= len(kept):
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
        assert kept.items() <= stamps.items(), "nothing finished is computed again"
        kept = stamps
    assert 5 <= len(kept) < 9
    assert folds(study, out, *options).stdout == finished
    assert len(list(out.glob("*.npy"))) == 9
    for path in out.glob("*.npy"):
        assert path.read_bytes() == (whole / path.name).read_bytes()


def test_what_is_there_is_not_computed_again(study, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole[0], out)
    gone = out / "02-occlusion-without-1.npy"
    gone.unlink()
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    result = document(folds(study, out, "-m", METHODS, "--json"))
    assert result == whole[1]
    assert gone.read_bytes() == (whole[0] / gone.name).read_bytes()
    assert stamps.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}.items()


def test_a_damaged_array_is_named(study, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole[0], out)
    numpy.save(out / "01-gradcam-without-0.npy", numpy.zeros((5, 16, 16), "float32"))
    run = folds(study, out, "-m", METHODS, code=4)
    assert "01-gradcam-without-0.npy" in run.stderr and "12 images" in run.stderr and "--force" in run.stderr
    folds(study, out, "-m", METHODS, "--force")
    assert (out / "01-gradcam-without-0.npy").read_bytes() == (whole[0] / "01-gradcam-without-0.npy").read_bytes()


def test_a_folder_keeps_one_study(study, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole[0], out)
    run = folds(study, out, "-m", "gradcam", code=2)
    assert "the methods (occlusion" in run.stderr and "--force" in run.stderr
    folds(study, out, "-m", "saliency", "--force")
    assert sorted(path.name for path in out.glob("*-without-*.npy"))[0] == "01-saliency-without-0.npy"
    other = json.loads(study.read_text())
    other["images"][0]["fold"], other["images"][1]["fold"] = 1, 0
    changed = study.parent / "changed.json"
    changed.write_text(json.dumps(other))
    assert "their folds" in folds(changed, out, "-m", "saliency", code=2).stderr


def test_noise_on_the_weights_lowers_mege(corpus, tmp_path):
    """Models that noise tells apart explain less alike the more noise there is; the same model explains alike."""
    model = corpus / "models/cifar10/resnet20.onnx"
    (tmp_path / "labels.txt").write_bytes((corpus / "models/cifar10/labels.txt").read_bytes())
    images = []
    for number, row in enumerate(numpy.loadtxt(corpus / "small/cifar10_test100.csv", delimiter=",", dtype=int)[:24]):
        PIL.Image.fromarray(row[1:].reshape(32, 32, 3).astype("uint8")).save(tmp_path / f"{number}.png")
        images.append({"path": f"{number}.png", "label": int(row[0]), "fold": number % 2})
    found = {}
    for share in (0, 0.05, 0.1, 0.3):
        models = [f"noise_{share}_without_{fold}.onnx" for fold in range(2)]
        for fold, name in enumerate(models):
            add_noise(model, share, fold, tmp_path / name)
        manifest = write_manifest(tmp_path / f"{share}.json", models, images)
        result = document(folds(manifest, tmp_path / str(share), "-m", "gradcam,saliency", "--plan", "none", "--json"))
        assert all(model["accuracy"] > 0.5 for model in result["models"])
        found[share] = [method["mege"] for method in result["methods"]]
    for of_method in range(2):
        assert found[0][of_method] == pytest.approx(1, abs=1e-6)
        assert found[0][of_method] > found[0.05][of_method] > found[0.1][of_method] > found[0.3][of_method]


def test_photos_that_cannot_be_read_are_named_and_left_out(study, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(study.parent, folder)
    (folder / "img/3.png").write_bytes(b"\x89PNG")
    run = folds(folder / "folds.json", tmp_path / "out", "-m", "saliency", "--json", code=1)
    result = document(run)
    assert "3.png" in run.stderr
    assert [failed["path"].endswith("img/3.png") for failed in result["failed"]] == [True]
    assert result["models"][0]["held_out"] == 3
    assert numpy.load(tmp_path / "out/01-saliency-without-0.npy").shape[0] == 11


def test_models_that_do_not_go_together_are_refused(study, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(study.parent, folder)
    build_net(folder / "without_1.onnx", size=20)
    run = folds(folder / "folds.json", tmp_path / "out", "-m", "saliency", code=3)
    assert "without_1.onnx" in run.stderr and "prepare photos differently" in run.stderr
    build_net(folder / "without_1.onnx", labels=False)
    run = folds(folder / "folds.json", tmp_path / "out", "-m", "saliency", code=4)
    assert "without_1.onnx" in run.stderr and "no labels" in run.stderr


def test_methods_that_the_models_do_not_allow_are_left_out_of_all(study, tmp_path):
    options = ["--plan", "none", "--json", "--seed", "1"]
    run = vitrail("evaluate", "folds", study, "-o", tmp_path / "out", "-m", "attention_rollout", *options)
    assert run.returncode in (2, 3)
    small = json.loads(study.read_text())
    small["images"] = small["images"][:3]
    manifest = study.parent / "small.json"
    manifest.write_text(json.dumps(small))
    found = document(folds(manifest, tmp_path / "all", "-m", "all,rise:masks=8,sobol:grid=2", *options))["methods"]
    refused = [method["method"] for method in found if "refused" in method]
    assert "attention_rollout" in refused
    assert {"gradcam", "sobol"} <= {method["method"] for method in found if "mege" in method}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-m", "sobl"], ["sobl", "sobol"]),
        (["-m", "saliency", "--distance", "cosine"], ["cosine", "ssim"]),
        ([], ["--methods"]),
    ],
)
def test_mistakes_are_named(study, tmp_path, options, words):
    run = vitrail("evaluate", "folds", study, "-o", tmp_path / "out", *options)
    assert run.returncode == 2
    assert all(word in run.stderr for word in words), run.stderr


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"models": ["without_0.onnx"]}, 4, ["models", "two or more"]),
        ({"models": ["without_0.onnx", "nothing.onnx", "without_2.onnx"]}, 3, ["nothing.onnx", "does not exist"]),
        ({"images": [{"path": "img/0.png", "fold": 0}]}, 4, ["images[0].label is missing"]),
        ({"format": "folds"}, 4, ["vitrail-folds"]),
    ],
)
def test_manifests_that_are_none_are_refused(study, tmp_path, change, code, words):
    manifest = study.parent / "wrong.json"
    manifest.write_text(json.dumps(json.loads(study.read_text()) | change))
    run = folds(manifest, tmp_path / "out", "-m", "saliency", code=code)
    assert all(word in run.stderr for word in words), run.stderr


def test_an_interruption_says_how_to_go_on(study, tmp_path):
    run = OnTerminal("evaluate", "folds", study, "-o", tmp_path / "out", "-m", "rise:masks=200000")
    run.read_until("rise  [")  # it draws what takes longer than two seconds
    run.process.send_signal(signal.SIGINT)
    assert run.read_to_the_end() == 130
    assert "The same command goes on from here" in run.seen


def test_a_split_is_what_folds_reads(study, tmp_path):
    """Folders of classes become a manifest; with models of these names it is a study."""
    photos = tmp_path / "photos"
    for number, image in enumerate(json.loads(study.read_text())["images"]):
        (photos / image["label"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(study.parent / image["path"], photos / image["label"] / f"{number}.png")
    out = tmp_path / "nets" / "folds.json"
    out.parent.mkdir()
    run = vitrail("evaluate", "split", photos, "--folds", "3", "--seed", "5", "-o", out)
    assert run.returncode == 0, run.stderr
    assert "12 photos in 3 folds" in run.stdout and "without_0.onnx" in run.stdout
    split = json.loads(out.read_text())
    assert split["models"] == [f"without_{fold}.onnx" for fold in range(3)]
    assert sorted(image["fold"] for image in split["images"]) == sorted([0, 1, 2] * 4)
    assert all(image["path"].startswith(f"../photos/{image['label']}/") for image in split["images"])
    early = folds(out, tmp_path / "out", "-m", "saliency", code=3)
    assert "without_0.onnx" in early.stderr
    for name in ("labels.txt", *(f"without_{fold}.{end}" for fold in range(3) for end in ("onnx", "json"))):
        shutil.copy(study.parent / name, out.parent)
    assert document(folds(out, tmp_path / "out", "-m", "saliency", "--json"))["images"] == 12
    again = vitrail("evaluate", "split", photos, "-o", out)
    assert again.returncode == 2 and "may have been trained" in again.stderr
    other = out.with_name("other.json")
    assert vitrail("evaluate", "split", photos, "--folds", "3", "--seed", "6", "-o", other).returncode == 0
    assert json.loads(other.read_text())["images"] != split["images"]
    assert vitrail("evaluate", "split", tmp_path / "nothing").returncode == 4
    assert vitrail("evaluate", "split", out.parent, "-o", tmp_path / "none.json").returncode == 4
