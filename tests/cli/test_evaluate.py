"""Which method explains best: scores, intervals, shards, and runs that are killed at any moment."""

import html.parser
import json
import random
import shutil
import signal
import subprocess
import time

import jsonschema
import pytest
from conftest import COMMAND, OnTerminal, build_net, document, save_photo, vitrail

NUMBER = {"type": ["number", "null"]}
SCHEMA = {
    "type": "object",
    "required": ["format", "version", "rows", "comparisons", "concordance", "photos", "failed", "model", "run"],
    "properties": {
        "format": {"const": "vitrail-evaluation"},
        "version": {"const": 1},
        "rows": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["method", "metric", "direction", "mean", "low", "high", "n", "undefined", "forwards", "seconds"],
                "properties": {
                    "direction": {"enum": ["higher", "lower"]},
                    "mean": NUMBER,
                    "low": NUMBER,
                    "high": NUMBER,
                    "n": {"type": "integer", "minimum": 0},
                    "undefined": {"type": "integer", "minimum": 0},
                    "forwards": {"type": "number", "minimum": 0},
                    "seconds": {"type": "number", "minimum": 0},
                },
            },
        },
        "comparisons": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["metric", "a", "b", "difference", "low", "high", "p", "adjusted_p", "effect", "n", "better"],
            },
        },
    },
}  # fmt: skip
METHODS = "saliency,occlusion:patch=4,stride=4,random"
METRICS = "deletion,insertion,mu_fidelity:grid=4,subsets=40"


def make_photos(folder, count):
    folder.mkdir()
    for number in range(count):
        save_photo(folder / f"photo{number:04}.png", seed=number)
    return folder


def evaluate(net, photos, out, *options, code=0):
    run = vitrail("evaluate", net, photos, "-o", out, *options)
    assert run.returncode == code, run.stderr
    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("data") / "photos", 9)


def test_scores_have_intervals_and_pairs_have_tests(net, photos, tmp_path):
    run = evaluate(net, photos, tmp_path / "out", "-m", METHODS, "--metric", METRICS, "--json")
    evaluation = document(run)
    jsonschema.validate(evaluation, SCHEMA)
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == evaluation
    rows = {(row["method"], row["metric"]): row for row in evaluation["rows"]}
    assert len(rows) == 9
    for row in rows.values():
        assert row["n"] + row["undefined"] == 9
        assert row["low"] <= row["mean"] <= row["high"]
    assert rows["saliency", "deletion"]["forwards"] == 1 + 11
    assert rows["random", "insertion"]["forwards"] == 11
    assert len(evaluation["comparisons"]) == 9
    # The mean is that of the photos' own scores, which are kept.
    lines = [json.loads(line) for line in (tmp_path / "out/scores.jsonl").read_text().splitlines()]
    values = [line["methods"][0]["scores"][0]["value"] for line in lines]
    assert rows["saliency", "deletion"]["mean"] == pytest.approx(sum(values) / 9, rel=1e-12)
    assert [line["place"] for line in lines] == list(range(9))


def test_the_table_names_every_method(net, photos, tmp_path):
    run = evaluate(net, photos, tmp_path / "out", "-m", METHODS, "--metric", METRICS)
    for word in ("saliency", "occlusion", "random", "deletion (lower)", "mu_fidelity (higher)", "report.html"):
        assert word in run.stdout


def test_namesakes_are_told_apart_by_their_options(net, photos, tmp_path):
    metrics = "deletion:steps=4,deletion:steps=8,insertion"
    run = evaluate(net, photos, tmp_path / "out", "-m", "saliency,random:seed=1,random:seed=2", "--metric", metrics)
    for words in ("deletion:steps=4 (lower)", "deletion:steps=8 (lower)", "random:seed=2", "\ninsertion (higher)"):
        assert words in run.stdout, run.stdout


def test_what_differs_is_computed_only_where_that_is_asked_for(net, photos, tmp_path):
    """`--incremental auto` gives equal scores up to rounding, and run.json says so."""
    options = ("-m", "saliency", "--metric", "region_perturbation")
    values, plans = {}, {}
    for name, choice in {"default": (), "none": ("--incremental", "none"), "auto": ("--incremental", "auto")}.items():
        evaluate(net, photos, tmp_path / name, *options, *choice)
        lines = (tmp_path / name / "scores.jsonl").read_text().splitlines()
        values[name] = [json.loads(line)["methods"][0]["scores"][0]["value"] for line in lines]
        plans[name] = json.loads((tmp_path / name / "run.json").read_text())["run"]["plan"]["asked"]
    assert plans == {"default": "auto, whole images", "none": "auto, whole images", "auto": "auto"}
    assert values["default"] == values["none"]
    assert values["auto"] == pytest.approx(values["none"], abs=1e-5)
    refused = evaluate(net, photos, tmp_path / "none", *options, "--incremental", "auto", code=2)
    assert "whole images" in refused.stderr
    assert "none (default)" in " ".join(vitrail("evaluate", "--help").stdout.split())


def test_repeats_divide_the_spread_and_go_on_with_the_same_bytes(net, photos, tmp_path):
    options = ("-m", "saliency,random", "--metric", "deletion:steps=4", "--repeats", "3")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run = evaluate(net, photos, whole, *options)
    assert "var. photos" in run.stdout and "var. draws" in run.stdout
    assert "where the spread comes from" in (whole / "report.html").read_text()
    for line in map(json.loads, (whole / "scores.jsonl").read_text().splitlines()):
        saliency, drawn = line["methods"]
        assert "repeats" not in saliency
        values = drawn["repeats"][0]
        assert len(set(values)) == 3
        assert drawn["scores"][0]["value"] == pytest.approx(sum(values) / 3)
    rows = json.loads((whole / "evaluation.json").read_text())["rows"]
    assert (rows[0]["variance_images"], rows[0]["variance_sampling"]) == (None, None)
    assert rows[1]["variance_sampling"] > 0
    assert rows[1]["forwards"] == 3 * 5  # of all repeats together
    # A second and a third seed, each a run of its own.
    second = evaluate(net, photos, tmp_path / "second", "-m", "random:seed=2", "--metric", "deletion:steps=4", "--json")
    lines = [json.loads(line) for line in (whole / "scores.jsonl").read_text().splitlines()]
    mean = sum(line["methods"][1]["repeats"][0][1] for line in lines) / 9
    assert document(second)["rows"][0]["mean"] == pytest.approx(mean)
    # Killed after two photos it goes on; in shards it is the same.
    killed = tmp_path / "killed"
    shutil.copytree(whole, killed)
    written = (whole / "scores.jsonl").read_bytes()
    (killed / "scores.jsonl").write_bytes(b"".join(written.splitlines(keepends=True)[:2]) + b'{"place": 2, "pa')
    evaluate(net, photos, killed, *options)
    assert (killed / "scores.jsonl").read_bytes() == written
    parts.mkdir()
    shutil.copy(whole / "run.json", parts)
    for number in (1, 2):
        evaluate(net, photos, parts, *options, "--shard", f"{number}/2")
    merged = vitrail("evaluate", "merge", parts, "--json")
    assert (parts / "scores.jsonl").read_bytes() == written
    assert without_seconds(document(merged))["rows"] == without_seconds({"rows": rows})["rows"]
    other = evaluate(net, photos, whole, *options[:-1], "2", code=2)
    assert "the repeats" in other.stderr


class References(html.parser.HTMLParser):
    """What a page refers to, and its elements."""

    def __init__(self):
        super().__init__()
        self.outside, self.elements = [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        for name, value in attributes:
            if name in ("src", "href") and not value.startswith("data:"):
                self.outside.append(value)


def test_the_report_is_one_file(net, photos, tmp_path):
    evaluate(net, photos, tmp_path / "out", "-m", METHODS, "--metric", METRICS)
    text = (tmp_path / "out/report.html").read_text()
    page = References()
    page.feed(text)
    assert page.outside == []
    assert page.elements.count("svg") == 5  # an interval plot a metric, curves of two
    assert page.elements.count("img") == 4 * 3  # two best and two worst photos, each by every method
    assert "script" not in page.elements
    assert "It tells no method from all controls." in text or "Better than every control" in text
    assert "share of the pixels that is hidden</text>" in text and "share of the pixels that is shown</text>" in text


def test_a_curve_of_one_point_is_not_drawn(net, photos, tmp_path):
    """Of one stage of randomisation; of two it is."""
    for stages, curves in ((1, 0), (2, 1)):
        out = tmp_path / str(stages)
        evaluate(
            net, photos, out, "-m", "saliency,occlusion", "--metric", f"model_randomisation:share=1,stages={stages}"
        )
        text = (out / "report.html").read_text()
        assert text.count("<svg") == 1 + curves
        assert text.count("share of the layers with weights, the last first</text>") == curves


def test_unreadable_photos_are_named_and_counted(net, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    run = evaluate(net, photos, tmp_path / "out", broken, "-m", "saliency", "--metric", "deletion", "--json", code=1)
    assert "broken.jpg" in run.stderr
    evaluation = document(run)
    assert (evaluation["photos"], evaluation["failed"]) == (10, 1)
    assert evaluation["rows"][0]["n"] == 9
    again = evaluate(net, photos, tmp_path / "out", broken, "-m", "saliency", "--metric", "deletion", code=1)
    assert "10 photos have their scores" in again.stderr


def test_undefined_scores_are_counted_with_their_reason(net, photos, tmp_path):
    run = evaluate(
        net, photos, tmp_path / "out", "-m", "saliency", "--metric", "faithfulness_correlation:size=1000", "--json"
    )
    row = document(run)["rows"][0]
    assert (row["n"], row["undefined"], row["mean"]) == (0, 9, None)
    assert list(row["reasons"].values()) == [9]
    assert "1000 pixels" in next(iter(row["reasons"]))


def test_metrics_without_evidence_are_left_out_or_refused(net, photos, tmp_path):
    run = evaluate(net, photos, tmp_path / "out", "--limit", "2", "-m", "saliency,random", "--json")
    assert not {"pointing_game", "human_spearman"} & {row["metric"] for row in document(run)["rows"]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metric", "deletoin"], ["deletoin", "deletion"]),
        (["--metric", "deletion:stpes=3"], ["stpes", "steps"]),
        (["-m", "sobl"], ["sobl", "sobol"]),
        (["-t", "top3", "-m", "saliency"], ["3 targets", "top1"]),
        (["--shard", "3/2"], ["3/2", "i/n"]),
    ],
)
def test_mistakes_are_named(net, photos, tmp_path, options, words):
    run = vitrail("evaluate", net, photos, "-o", tmp_path / "out", *options)
    assert run.returncode == 2
    assert all(word in run.stderr for word in words), run.stderr


def test_without_a_model_it_says_what_it_wants():
    run = vitrail("evaluate")
    assert run.returncode == 2
    assert "MODEL" in run.stderr


def test_a_folder_keeps_one_evaluation(net, photos, tmp_path):
    evaluate(net, photos, tmp_path / "out", "-m", "saliency", "--metric", "deletion")
    run = evaluate(net, photos, tmp_path / "out", "-m", "saliency", "--metric", "insertion", code=2)
    assert "the metrics" in run.stderr and "--force" in run.stderr
    run = evaluate(net, photos, tmp_path / "out", "-m", "random", "--metric", "deletion", code=2)
    assert "the methods (saliency" in run.stderr
    evaluate(net, photos, tmp_path / "out", "-m", "saliency", "--metric", "insertion", "--force")


def test_an_interruption_says_how_to_go_on(tmp_path):
    net = build_net(tmp_path / "net.onnx", size=96)
    photos = make_photos(tmp_path / "photos", 40)
    arguments = ("evaluate", net, photos, "-o", tmp_path / "out", "-m", "rise:masks=2000", "--metric", "deletion")
    run = OnTerminal(*arguments)
    run.read_until("rise  [")  # it draws what takes longer than two seconds
    run.process.send_signal(signal.SIGINT)
    assert run.read_to_the_end() == 130
    assert "The same command goes on from here" in run.seen


def test_shards_are_the_whole(net, photos, tmp_path):
    options = ("-m", METHODS, "--metric", METRICS)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    evaluate(net, photos, whole, *options)
    parts.mkdir()
    shutil.copy(whole / "run.json", parts)  # of one plan, as the first shard would have made it
    for number in (2, 1):
        run = evaluate(net, photos, parts, *options, "--shard", f"{number}/3")
        assert f"evaluate merge {parts}" in run.stderr
    early = vitrail("evaluate", "merge", parts)
    assert early.returncode == 4
    assert "number 3 has no scores yet" in early.stderr
    evaluate(net, photos, parts, *options, "--shard", "3/3")
    merged = vitrail("evaluate", "merge", parts, "--json")
    assert merged.returncode == 0, merged.stderr
    assert (parts / "scores.jsonl").read_bytes() == (whole / "scores.jsonl").read_bytes()
    assert without_seconds(document(merged)) == without_seconds(json.loads((whole / "evaluation.json").read_text()))


def without_seconds(evaluation):
    for row in evaluation["rows"]:
        row.pop("seconds")
    return evaluation


def test_killed_ten_times_the_file_is_that_of_one_run(corpus, net, tmp_path):
    """1000 photos, six methods, four metrics."""
    photos = sorted((corpus / "small/cifar10-jpeg").iterdir())
    methods = "saliency,gradient_x_input,gradcam,random,edges,centre"
    options = ["-m", methods, "--metric", "deletion,insertion,mu_fidelity:grid=4,subsets=30,average_drop", "--quiet"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    evaluate(net, photos[0], whole, *photos[1:], *options)
    killed.mkdir()
    shutil.copy(whole / "run.json", killed)
    final = (whole / "scores.jsonl").read_bytes()
    assert final.count(b"\n") == 1000
    scores = killed / "scores.jsonl"
    scores.touch()
    draw, kept = random.Random(3), b""
    for _ in range(10):
        process = subprocess.Popen(
            [COMMAND, "evaluate", str(net), *map(str, photos), "-o", str(killed), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        goal = kept.count(b"\n") + draw.randint(1, 80)  # photos, however fast the machine is just now
        while scores.read_bytes().count(b"\n") < goal:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines = scores.read_bytes()
        finished = lines[: lines.rfind(b"\n") + 1]
        assert final.startswith(finished), "what was finished stays as it was"
        assert len(finished) >= len(kept), "nothing finished is computed again"
        kept = finished
    assert 0 < len(kept) < len(final)
    evaluate(net, photos[0], killed, *photos[1:], *options)
    assert (killed / "scores.jsonl").read_bytes() == final
    whole_rows, killed_rows = (
        without_seconds(json.loads((folder / "evaluation.json").read_text())) for folder in (whole, killed)
    )
    assert killed_rows == whole_rows
