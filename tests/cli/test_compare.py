"""`vitrail compare` and `vitrail reproduce`: what they say is what the files say."""

import json
import shutil

import numpy
import PIL.Image
import pytest
from conftest import build_net, document, save_photo, vitrail


def explain(net, photo, out, *options):
    run = vitrail("explain", net, photo, "-o", out, "--plan", "none", *options)
    assert run.returncode == 0, run.stderr
    return out / photo.stem


def compare(a, b, out, *options):
    run = vitrail("compare", a, b, "-o", out, "--json", *options)
    assert run.returncode == 0, run.stderr
    comparison = document(run)
    assert (comparison["format"], comparison["version"]) == ("vitrail-comparison", 1)
    return comparison


def map_of(folder, name, key="map"):
    result = json.loads((folder / "result.json").read_text())
    return numpy.load(folder / next(e for e in result["explanations"] if e["name"] == name)[key])


def ranks(values):
    return values.ravel().argsort().argsort()


def test_two_seeds_of_a_sampled_map(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "rise:masks=60,seed=1,saliency")
    b = explain(net, photo, tmp_path / "b", "-m", "rise:masks=60,seed=2,occlusion")
    comparison = compare(a / "result.json", b, tmp_path / "out")
    (pair,) = comparison["pairs"]
    first, second = map_of(a, "rise"), map_of(b, "rise")
    assert pair["rank_correlation"] == pytest.approx(numpy.corrcoef(ranks(first), ranks(second))[0, 1], abs=1e-3)
    assert pair["linear_correlation"] == pytest.approx(numpy.corrcoef(first.ravel(), second.ravel())[0, 1], abs=1e-5)
    k = pair["top"]["cells"]
    assert k == round(0.1 * 256) and pair["cells"] == 256
    common = len({*first.ravel().argsort()[-k:]} & {*second.ravel().argsort()[-k:]})
    assert pair["top"]["overlap"] == pytest.approx(common / k)
    difference = numpy.load(tmp_path / "out" / pair["difference"]["array"])
    assert numpy.allclose(difference, first - second, atol=1e-6)
    assert pair["difference"]["largest"] == pytest.approx(numpy.abs(difference).max(), rel=1e-5)
    width = numpy.load(tmp_path / "out" / pair["difference"]["half_width"])
    error = numpy.hypot(map_of(a, "rise", "standard_error"), map_of(b, "rise", "standard_error"))
    assert (width > 1.95 * error).all(), "for 256 cells at once intervals are wider than for one"
    assert pair["difference"]["differing"] == (numpy.abs(difference) > width).sum()
    for key in ("picture", "significant_picture"):
        PIL.Image.open(tmp_path / "out" / pair["difference"][key]).verify()
    assert [e["method"].split(":")[0] for e in comparison["only_a"]] == ["saliency"]
    assert [e["method"].split(":")[0] for e in comparison["only_b"]] == ["occlusion"]


def test_the_correction_and_the_level_matter(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "rise:masks=40,seed=1", "-t", "0")
    b = explain(net, photo, tmp_path / "b", "-m", "rise:masks=40,seed=2,baseline=white", "-t", "0")

    def differing(*options):
        return compare(a, b, tmp_path / "out", *options)["pairs"][0]["difference"]["differing"]

    counts = [
        differing("--correction", "bonferroni", "--level", 1e-9),
        differing("--correction", "bonferroni"),
        differing(),
    ]
    assert counts == sorted(counts) and counts[2] > 0
    widths = {}
    for level in (1e-12, 0.05):
        pair = compare(a, b, tmp_path / "out", "--level", level)["pairs"][0]
        widths[level] = numpy.load(tmp_path / "out" / pair["difference"]["half_width"])
    assert (widths[1e-12] > widths[0.05]).all()
    assert compare(a, b, tmp_path / "out", "--top", 0.5)["pairs"][0]["top"]["cells"] == 128


def test_a_result_agrees_with_itself(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "rise:masks=50,sobol:grid=3,designs=4", "-t", "top2")
    comparison = compare(a, a, tmp_path / "out")
    assert len(comparison["pairs"]) == 4 and not comparison["notes"]
    for pair in comparison["pairs"]:
        assert pair["rank_correlation"] == pytest.approx(1) and pair["top"]["overlap"] == 1
        assert pair["difference"]["largest"] == 0 and pair["difference"]["differing"] == 0
    assert comparison["pairs"][2]["cells"] == 9, "cells are the method's own"
    text = vitrail("compare", a, a, "-o", tmp_path / "out").stdout
    assert "rise" in text and "false discovery rate" in text
    assert "Bonferroni" in vitrail("compare", a, a, "-o", tmp_path / "out", "--correction", "bonferroni").stdout


def test_across_compares_methods(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "saliency,occlusion,rise:masks=30", "-t", "0", "-t", "1")
    pairs = compare(a, a, tmp_path / "out", "--across")["pairs"]
    assert len(pairs) == 2 * 3 * 3
    mixed = next(p for p in pairs if p["a"]["method"].startswith("saliency") and p["b"]["method"].startswith("rise"))
    assert mixed["difference"] is None and any("units differ" in note for note in mixed["notes"])


def test_what_else_differs_is_said(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "saliency")
    other = build_net(tmp_path / "other.onnx", size=24, labels=False)
    b = explain(other, save_photo(tmp_path / "b.png", seed=4), tmp_path / "b", "-m", "saliency", "-t", "top1")
    comparison = compare(a, b, tmp_path / "out")
    notes = " ".join(comparison["notes"] + comparison["pairs"][0]["notes"])
    assert all(word in notes for word in ("photos differ", "models differ", "different sizes")), notes


def test_what_cannot_be_compared(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "saliency")
    b = explain(net, photo, tmp_path / "b", "-m", "occlusion")
    run = vitrail("compare", a, b, "-o", tmp_path / "out")
    assert run.returncode == 4
    assert all(word in run.stderr for word in ("saliency", "occlusion", "across"))
    run = vitrail("compare", a, tmp_path / "none.json")
    assert run.returncode == 4 and "none.json" in run.stderr
    (tmp_path / "odd.json").write_text("{}")
    assert vitrail("compare", a, tmp_path / "odd.json").returncode == 4
    assert vitrail("compare", a).returncode == 2
    assert vitrail("compare", a, b, "--level", 2).returncode == 2


# Reproduce


def reproduce(path, *options, code=0, **keywords):
    run = vitrail("reproduce", path, "--json", *options, **keywords)
    assert run.returncode == code, run.stdout + run.stderr
    reproduction = document(run)
    assert (reproduction["format"], reproduction["version"]) == ("vitrail-reproduction", 1)
    assert reproduction["same"] == (code == 0)
    return reproduction


METHODS = "saliency,gradcam,smoothgrad:samples=4,rise:masks=40,seed=5,sobol:grid=3,designs=4,ig,dgsm:samples=8,grid=3"


@pytest.mark.parametrize("plan", ["none", "auto"])
def test_a_result_is_reproduced_to_the_byte(net, photo, tmp_path, plan):
    out = tmp_path / "out"
    run = vitrail("explain", net, photo, "-o", out, "-m", METHODS, "-t", "top2", "-t", "prob:1", "--plan", plan)
    assert run.returncode == 0, run.stderr
    reproduction = reproduce(out / "photo/result.json")
    assert len(reproduction["maps"]) == 7 * 3 and not reproduction["differences"]
    assert all(map["same_bytes"] for map in reproduction["maps"])
    text = vitrail("reproduce", out / "photo")
    assert text.returncode == 0 and "same bytes" in text.stdout and text.stdout.endswith("reproduced\n")


def test_paths_start_where_the_run_was(net, photo, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    for path in (net, net.with_suffix(".json"), net.parent / "labels.txt", photo):
        shutil.copy(path, here / path.name)
    run = vitrail("explain", net.name, photo.name, "-o", "out", "-m", "saliency", "--budget", "9s", cwd=here)
    assert run.returncode == 0, run.stderr
    reproduce(here / "out/photo/result.json", cwd=tmp_path)


def test_a_result_that_was_stopped(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "rise:masks=500,occlusion:patch=2,stride=2", "--budget", "30forwards")
    assert all(map["same_bytes"] for map in reproduce(a)["maps"])


def test_a_changed_model_is_said(net, photo, tmp_path):
    model = tmp_path / "m.onnx"
    shutil.copy(net, model)
    shutil.copy(net.with_suffix(".json"), model.with_suffix(".json"))
    shutil.copy(net.parent / "labels.txt", tmp_path / "labels.txt")
    a = explain(model, photo, tmp_path / "a", "-m", "saliency", "-t", "0")
    build_net(model, classes=6, labels=False)
    reproduction = reproduce(a, code=1)
    assert any("model file has changed" in sentence for sentence in reproduction["differences"])
    assert reproduction["maps"][0]["max_difference"] > 0 and not reproduction["maps"][0]["same"]
    assert "not reproduced" in vitrail("reproduce", a).stdout
    shutil.copy(net, tmp_path / "elsewhere.onnx")
    reproduce(a, "--model", tmp_path / "elsewhere.onnx")
    model.unlink()
    run = vitrail("reproduce", a)
    assert run.returncode == 3 and str(model) in run.stderr and "--model" in run.stderr


def test_a_changed_photo_is_said(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "occlusion", "-t", "0")
    moved = tmp_path / "moved.png"
    photo.rename(moved)
    run = vitrail("reproduce", a)
    assert run.returncode == 4 and str(photo) in run.stderr and "--image" in run.stderr
    reproduce(a, "--image", moved)
    save_photo(photo, seed=8)
    reproduction = reproduce(a, code=1)
    assert any("photo has changed" in sentence for sentence in reproduction["differences"])


def test_a_changed_map_and_version_are_said(net, photo, tmp_path):
    a = explain(net, photo, tmp_path / "a", "-m", "occlusion,saliency")
    path = a / "result.json"
    result = json.loads(path.read_text())
    result["vitrail"] = "0.0.9"
    result["sha256"] = {}
    path.write_text(json.dumps(result))
    reproduction = reproduce(a)
    assert any("0.0.9" in sentence for sentence in reproduction["differences"]), "said, but the maps are the same"
    name = a / result["explanations"][0]["map"]
    values = numpy.load(name)
    values[3, 3] += 0.5 * numpy.ptp(values)
    numpy.save(name, values)
    changed = reproduce(a, code=1)["maps"]
    assert not changed[0]["same"] and changed[1]["same_bytes"]
    reproduce(a, "--tolerance", 1)
    name.unlink()
    assert result["explanations"][0]["map"] in reproduce(a, code=1)["maps"][0]["problem"]


def test_what_is_no_result(tmp_path):
    assert vitrail("reproduce", tmp_path / "none.json").returncode == 4
    assert vitrail("reproduce", tmp_path).returncode == 4
    assert vitrail("reproduce").returncode == 2
