"""Many photos: runs that are killed and go on, shards, and what is said of results of other settings."""

import json
import random
import signal
import subprocess
import time

import jsonschema
import numpy
import onnx
import pytest
from conftest import COMMAND, ROOT, OnTerminal, build_net, document, files_below, save_photo, vitrail
from onnx import TensorProto, helper, numpy_helper

SCHEMA = json.loads((ROOT / "docs/result.schema.json").read_text())
METHODS = "saliency,rise:masks=300,seed=3,sobol:grid=3,designs=4,replicates=2"


def result_in(folder):
    result = json.loads((folder / "result.json").read_text())
    jsonschema.validate(result, SCHEMA)
    return result


def make_photos(folder, count):
    folder.mkdir()
    for number in range(count):
        save_photo(folder / f"photo{number}.png", seed=number)
    return folder


def explain(net, photos, out, *options, code=0):
    run = vitrail("explain", net, photos, "-o", out, *options)
    assert run.returncode == code, run.stderr
    return run


def arrays_below(out):
    """Every map, by name and bytes."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.npy")}


def without_time(result):
    """What of a result.json is the same in every run: all but times, the pictures that show them, and the folder."""
    result["run"].pop("directory")
    result["sha256"] = {name: sum for name, sum in result["sha256"].items() if name.endswith(".npy")}
    for explanation in result["explanations"]:
        explanation.pop("seconds")
    return result


def results_below(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/result.json")}


@pytest.fixture(scope="module")
def slow_net(tmp_path_factory):
    return build_net(tmp_path_factory.mktemp("slow") / "net.onnx", size=96)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_and_started_again(slow_net, tmp_path, seed):
    photos = make_photos(tmp_path / "photos", 8)
    begin = time.monotonic()
    explain(slow_net, photos, tmp_path / "whole", "-m", METHODS, "--plan", "none")
    whole = time.monotonic() - begin
    moments, out, done, kills = random.Random(seed), tmp_path / "out", {}, 0
    arguments = [COMMAND, "explain", slow_net, photos, "-o", out, "-m", METHODS, "--plan", "none"]
    while True:
        process = subprocess.Popen([*map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=moments.uniform(0.1, 0.6) * whole * (1 + kills / 8))  # a busy machine gets on at last
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.communicate()
        now = results_below(out) if out.exists() else {}
        assert done.items() <= now.items(), "a finished photo was lost or computed again"
        done = now
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL and kills < 100
    print(f"killed {kills} times")
    assert kills > 0
    assert len(done) == 8
    assert arrays_below(out) == arrays_below(tmp_path / "whole")
    assert files_below(out) == files_below(tmp_path / "whole"), "nothing of the killed runs is left"
    for name in done:
        assert without_time(result_in(out / name)) == without_time(result_in(tmp_path / "whole" / name))
    report = (out / "report.html").read_text()
    assert [report.count(f"<h2>photo{number}.png") for number in range(8)] == [1] * 8


def test_a_plan_is_taken_again(net, tmp_path):
    photos = make_photos(tmp_path / "photos", 3)
    out = tmp_path / "out"
    explain(net, photos / "photo1.png", out, "-m", "rise:masks=40")
    first = result_in(out / "photo1")["run"]["plan"]
    assert first["asked"] == "auto" and first["engine"] == "plan"
    run = explain(net, photos, out, "-m", "rise:masks=40")
    assert "1 photo of 3" in run.stderr and "kept" in run.stderr
    for number in range(3):
        plan = result_in(out / f"photo{number}")["run"]["plan"]
        assert (plan["chunk"], plan["side_by_side"]) == (first["chunk"], first["side_by_side"])
    replayed = ("-m", "rise:masks=40", "--plan", out / "photo1/result.json")
    explain(net, photos, tmp_path / "file", *replayed)
    assert arrays_below(tmp_path / "file") == arrays_below(out)
    times = results_below(tmp_path / "file")
    explain(net, photos, tmp_path / "file", *replayed)
    assert results_below(tmp_path / "file") == times


def test_finished_photos_are_kept_unless_forced(net, tmp_path):
    photos = make_photos(tmp_path / "photos", 3)
    out = tmp_path / "out"
    explain(net, photos, out, "-m", METHODS)
    times = results_below(out)
    run = explain(net, photos, out, "-m", METHODS, "--json")
    assert "3 photos of 3" in run.stderr and "--force" in run.stderr
    assert results_below(out) == times
    assert document(run)["images"] == [result_in(out / f"photo{number}") for number in range(3)]
    assert vitrail("explain", net, photos, "-o", out, "-m", METHODS, "--quiet").stderr == ""
    explain(net, photos, out, "-m", METHODS, "--force")
    assert all(results_below(out)[name] > times[name] for name in times)


@pytest.mark.parametrize(
    "options, words",
    [
        (("-m", "rise:masks=30"), ["methods", "masks=20", "masks=30"]),
        (("-m", "rise:masks=20", "--seed", 9), ["methods", "seed=9"]),
        (("-m", "rise:masks=20", "-t", "2"), ["targets", "top1", "now 2"]),
        (("-m", "rise:masks=20", "--plan", "none"), ["plan", "auto", "plain"]),
        (("-m", "rise:masks=20", "--exif"), ["EXIF"]),
        (("-m", "rise:masks=20", "--preprocess", "unit"), ["preprocessing"]),
    ],
)
def test_changed_settings_are_said(net, photo, tmp_path, options, words):
    out = tmp_path / "out"
    explain(net, photo, out, "-m", "rise:masks=20")
    times = results_below(out)
    run = explain(net, photo, out, *options)
    assert "the former results of 1 photo are replaced" in run.stderr
    assert all(word in run.stderr for word in words), run.stderr
    assert results_below(out) != times


def test_another_photo_or_model_under_the_same_name(net, photo, tmp_path):
    out = tmp_path / "out"
    explain(net, photo, out, "-m", "saliency")
    save_photo(photo, seed=99)
    assert "replaced: the photo" in explain(net, photo, out, "-m", "saliency").stderr
    other = build_net(tmp_path / "net.onnx", classes=4, labels=False)
    assert "replaced: the model" in explain(other, photo, out, "-m", "saliency").stderr
    for path in (out / "photo").glob("*.npy"):
        path.write_bytes(b"damaged")
    run = explain(other, photo, out, "-m", "saliency")
    assert "damaged" in run.stderr or "missing" in run.stderr
    assert "kept" in explain(other, photo, out, "-m", "saliency").stderr


def test_a_result_cut_short_by_its_budget_is_finished_for_this_budget(net, photo, tmp_path):
    out = tmp_path / "out"
    explain(net, photo, out, "-m", "rise:masks=500", "--budget", "40forwards")
    assert "kept" in explain(net, photo, out, "-m", "rise:masks=500", "--budget", "40forwards").stderr
    run = explain(net, photo, out, "-m", "rise:masks=500")
    assert "the budget (40forwards, now none)" in run.stderr
    assert result_in(out / "photo")["status"] == "complete"
    assert "kept" in explain(net, photo, out, "-m", "rise:masks=500", "--budget", "40forwards").stderr, "it has more"


def test_an_interrupted_run_goes_on(net, tmp_path):
    photos = make_photos(tmp_path / "photos", 2)
    out = tmp_path / "out"
    arguments = ["explain", net, photos, "-o", out, "-m", "saliency,rise:masks=1500000", "--plan", "none"]
    interrupted = OnTerminal(*arguments)
    interrupted.read_until(" left")
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.read_to_the_end() == 130
    assert "The same command goes on" in interrupted.seen
    assert result_in(out / "photo0")["interrupted"]
    run = explain(net, photos, out, "-m", "saliency,rise:masks=1500000", "--plan", "none", "--budget", "20forwards")
    assert "it was interrupted" in run.stderr
    assert not result_in(out / "photo0")["interrupted"]


# Shards


def test_shards_together_are_the_whole(net, tmp_path):
    photos = make_photos(tmp_path / "photos", 7)
    (tmp_path / "more").mkdir()
    for name in ("photo1.png", "photo4.jpg"):
        save_photo(tmp_path / "more" / name, seed=50)
    (tmp_path / "more/broken.png").write_text("no image")
    arguments = ["explain", net, photos, tmp_path / "more", "-m", METHODS, "--plan", "none"]
    assert vitrail(*arguments, "-o", tmp_path / "whole").returncode == 1
    out = tmp_path / "out"
    shards = [
        subprocess.Popen(
            [COMMAND, *map(str, arguments), "-o", str(out), "--shard", f"{number}/3"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    assert sorted(shard.wait(timeout=600) for shard in shards) == [0, 0, 1]
    assert arrays_below(out) == arrays_below(tmp_path / "whole")
    assert files_below(out) == files_below(tmp_path / "whole")
    assert vitrail(*arguments, "-o", out, "--shard", "1/3").returncode in (0, 1)
    report = (out / "report.html").read_text()
    assert report.count("<section>") == 10 and "broken.png" in report and "failed" in report


def test_a_shard_without_photos_is_no_failure(net, photo, tmp_path):
    run = explain(net, photo, tmp_path / "out", "--shard", "2/2")
    assert "nothing to do" in run.stderr


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "1/0", "x/2", "-1/2"])
def test_a_shard_that_is_none(net, photo, shard):
    run = vitrail("explain", net, photo, f"--shard={shard}")
    assert run.returncode == 2 and shard in run.stderr and "2/8" in run.stderr


def test_the_report_shows_earlier_runs_and_failures(net, tmp_path):
    out = tmp_path / "out"
    for seed, name in enumerate(("first.png", "second.png")):
        explain(net, save_photo(tmp_path / name, seed=seed), out, "-m", "saliency")
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    assert vitrail("explain", net, bad, "-m", "saliency", "-o", out).returncode == 4
    failure = json.loads((out / "bad/failure.json").read_text())
    assert failure["image"]["path"] == str(bad) and failure["error"]
    other = build_net(tmp_path / "other.onnx", classes=4, labels=False)
    explain(other, save_photo(tmp_path / "third.png", seed=5), out, "-m", "saliency")
    (tmp_path / "first.png").unlink()
    explain(net, tmp_path / "second.png", out, "-m", "saliency")
    report = (out / "report.html").read_text()
    assert report.count("<section>") == 4
    assert all(word in report for word in ("first.png", "second.png", "third.png", "bad.png", "another model"))
    assert "no longer there" in report
    save_photo(bad)
    explain(net, bad, out, "-m", "saliency")
    assert not (out / "bad/failure.json").exists()


# Every method


def dense_net(path):
    """Fully connected: no layer keeps positions."""
    weight = numpy_helper.from_array(numpy.random.default_rng(3).normal(size=(3 * 8 * 8, 4)).astype("float32"), "w")
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        "dense",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 4])],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_all_means_every_method_that_the_model_allows(net, photo, tmp_path):
    listed = document(vitrail("methods", "--json"))["methods"]
    names = [method["name"] for method in listed if method["family"] != "control"]  # they explain nothing
    out = tmp_path / "out"
    explain(net, photo, out, "-m", "all,sobol:grid=3,designs=4,replicates=2", "--budget", "400forwards")
    result = result_in(out / "photo")
    ran = [e["name"] for e in result["explanations"]]
    refused = [e["method"].split(":")[0] for e in result["not_applicable"]]
    assert sorted({*ran, *refused}) == sorted(names) and len(ran) + len(refused) == len(names)
    assert "sobol" in ran and "gradcam" in ran
    assert next(e for e in result["explanations"] if e["name"] == "sobol")["method"].startswith("sobol:baseline")
    assert len(result["run"]["methods"]) == len(names)


def test_methods_that_do_not_apply_are_named_and_no_failure(photo, tmp_path):
    net = dense_net(tmp_path / "dense.onnx")
    arguments = ("-m", "all", "--preprocess", "unit", "--budget", "200forwards")
    run = explain(net, save_photo(tmp_path / "p.png", size=(8, 8)), tmp_path / "out", *arguments)
    result = result_in(tmp_path / "out/p")
    refused = {e["method"].split(":")[0]: e["reason"] for e in result["not_applicable"]}
    assert "gradcam" in refused and refused["gradcam"]
    assert "gradcam does not apply" in run.stderr
    assert "gradcam" in (tmp_path / "out/report.html").read_text()
    assert {"saliency", "occlusion", "rise"} <= {e["name"] for e in result["explanations"]}
    again = explain(net, tmp_path / "p.png", tmp_path / "out", *arguments)
    assert "kept" in again.stderr, again.stderr
    named = vitrail("explain", net, photo, "-m", "gradcam", "--preprocess", "unit", "-o", tmp_path / "named")
    assert named.returncode in (2, 3), "a method that is named is a mistake where it does not apply"


def test_the_layer_and_its_alternatives_are_printed(net, photo, tmp_path):
    run = explain(net, photo, tmp_path / "out", "-m", "gradcam")
    plan = result_in(tmp_path / "out/photo")["explanations"][0]["plan"]
    assert f"gradcam took the layer {plan['layer']}" in run.stderr
    assert plan["layer_alternatives"] in run.stderr


def test_error_bars_are_printed(net, photo, tmp_path):
    run = explain(net, photo, tmp_path / "out", "-m", "rise:masks=50,occlusion")
    rise, occlusion = (line for line in run.stdout.splitlines() if "rise " in line or "occlusion " in line)
    assert "of the range" in rise and "+-" in rise
    assert "+-" not in occlusion
