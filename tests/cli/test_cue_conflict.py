"""Shape or texture: decisions of a network on images that put one against the other, beside those of people."""

import csv
import json
import shutil

import numpy
import onnxruntime
import PIL.Image
import pytest
from conftest import LABELS, build_net, document, save_photo, vitrail

MODELS = ["mobilenet_v1_0.25_224", "tiny_darknet_224"]


def kappa(a, b):
    """Of two dictionaries of who was right."""
    images = a.keys() & b.keys()
    p, q = (sum(right[image] for image in images) / len(images) for right in (a, b))
    observed = sum(a[image] == b[image] for image in images) / len(images)
    expected = p * q + (1 - p) * (1 - q)
    return (observed - expected) / (1 - expected)


def command(model, folder, *options):
    arguments = ["--categories", folder / "categories16.json", "--responses", folder / "responses.csv"]
    return vitrail("evaluate", "cue-conflict", model, folder / "images", *arguments, *options)


@pytest.mark.parametrize("name", MODELS)
def test_counts_are_those_of_the_answers(corpus, name):
    folder = corpus / "cue-conflict"
    model = corpus / "models/imagenet" / f"{name}.onnx"
    run = command(model, folder, "--json")
    assert run.returncode == 0, run.stderr
    found = document(run)
    assert (found["format"], found["version"], len(found["images"])) == ("vitrail-cue-conflict", 1, 80)
    with (folder / "responses.csv").open() as file:
        rows = list(csv.DictReader(file))
    observers = {observer["name"]: observer for observer in found["observers"]}
    right = {}
    for row in rows:
        right.setdefault(row["observer"], {})[row["image"]] = row["response"] == row["shape"]
    right[model.name] = {image["image"]: image["answer"] == image["shape"] for image in found["images"]}
    people = [who for who in right if who.startswith("subject-")]
    assert len(people) == 10
    for who in right:
        expected = numpy.mean([kappa(right[who], right[person]) for person in people if person != who])
        assert observers[who]["error_consistency"] == pytest.approx(expected, abs=1e-12), who
    for who, cue in [(who, cue) for who in people + ["alexnet", "googlenet", "vgg"] for cue in ("shape", "texture")]:
        assert observers[who][cue] == sum(row["observer"] == who and row["response"] == row[cue] for row in rows), who
    together, ours = observers["10 people"], observers[model.name]
    assert together["shape"] == sum(observers[person]["shape"] for person in people)
    assert together["shape_bias"] == pytest.approx(together["shape"] / (together["shape"] + together["texture"]))
    # Networks of ImageNet go by texture, people by shape.
    assert ours["high"] < together["low"]
    assert ours["shape_bias"] == pytest.approx(ours["shape"] / (ours["shape"] + ours["texture"]))
    assert ours["shape"] + ours["texture"] + ours["other"] == 80


def test_decisions_are_those_of_onnx_runtime(corpus):
    """Of 16 images, one a shape; normalised and averaged here."""
    folder, model = corpus / "cue-conflict", corpus / "models/imagenet/mobilenet_v1_0.25_224.onnx"
    images = {image["image"]: image for image in document(command(model, folder, "--json"))["images"]}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    categories = json.loads((folder / "categories16.json").read_text())
    for shape in sorted((folder / "images").iterdir()):
        path = sorted(shape.iterdir())[0]
        photo = PIL.Image.open(path).convert("RGB")
        assert photo.size == (224, 224)  # used as it is
        x = (numpy.asarray(photo, dtype=numpy.float32) / 255 - 0.5) / 0.5
        logits = session.run(None, {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})[0].reshape(-1)
        p = numpy.exp(logits - logits.max())
        means = {category: p[entry["classes"]].mean() for category, entry in categories.items()}
        assert images[path.name]["answer"] == max(means, key=means.get), path.name


def test_the_table_says_what_it_means(corpus):
    run = command(corpus / "models/imagenet/mobilenet_v1_0.25_224.onnx", corpus / "cue-conflict")
    assert run.returncode == 0, run.stderr
    for words in ("shape bias", "10 people", "subject-07", "80 images", "largest mean probability", "Cohen's kappa"):
        assert words in run.stdout


@pytest.fixture
def folder(tmp_path):
    """Three images for the small network, one of them without a category."""
    images = tmp_path / "images"
    (images / "cat").mkdir(parents=True)
    save_photo(images / "cat" / "cat1-church1.png", seed=1)
    save_photo(images / "church2-cat3.png", seed=2)
    classes = {"cat": {"classes": [1]}, "church": {"classes": [3, 4]}}
    (tmp_path / "categories16.json").write_text(json.dumps(classes))
    (tmp_path / "responses.csv").write_text("observer,image,shape,texture,response\n")
    return tmp_path


def test_images_without_a_category_are_named(net, folder):
    assert document(command(net, folder, "--json"))["failed"] == 0
    save_photo(folder / "images" / "cat1-chruch1.png")
    shutil.copy(folder / "images" / "church2-cat3.png", folder / "images" / "holiday.png")
    run = command(net, folder, "--json")
    assert run.returncode == 1
    assert 'Did you mean "church"' in run.stderr and "holiday.png does not say" in run.stderr
    found = document(run)
    assert (found["failed"], len(found["images"])) == (2, 2)
    assert found["observers"][0]["error_consistency"] is None


def test_mistakes_are_named(net, folder, tmp_path):
    missing = vitrail(
        "evaluate", "cue-conflict", net, tmp_path / "nowhere", "--categories", folder / "categories16.json"
    )
    assert missing.returncode == 4
    assert "nowhere is no folder" in missing.stderr
    (folder / "categories16.json").write_text(
        json.dumps({"cat": {"classes": [1]}, "church": {"classes": [len(LABELS)]}})
    )
    run = command(net, folder)
    assert run.returncode == 2
    assert "class 5, the model has classes 0 to 4" in run.stderr
    detector = build_net(tmp_path / "values.onnx")
    record = json.loads(detector.with_suffix(".json").read_text()) | {"output": {"kind": "regression"}}
    detector.with_suffix(".json").write_text(json.dumps(record))
    run = command(detector, folder)
    assert run.returncode == 2
    assert "of a classifier" in run.stderr
