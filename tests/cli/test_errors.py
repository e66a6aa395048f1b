"""Exit codes, and what the command says when something is wrong: what was found, what was expected, what to do."""

import json
import resource
import signal
import struct
import subprocess
import time
import zlib

import jsonschema
import numpy
import PIL.Image
import pytest
from conftest import COMMAND, ROOT, OnTerminal, build_net, document, files_below, peak, save_photo, vitrail
from onnx import helper

SCHEMA = json.loads((ROOT / "docs/result.schema.json").read_text())


def refuses(code, *arguments, words=(), **keywords):
    run = vitrail(*arguments, **keywords)
    assert run.returncode == code, run.stdout + run.stderr
    assert run.stdout == ""
    for word in words:
        assert word in run.stderr, run.stderr
    return run


@pytest.fixture
def garbage(tmp_path):
    """A file that exists and is no model: whoever gets as far as loading it fails with code 3."""
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"this is no model")
    return path


# 2: the command line


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), ["subcommand"]),
        (("paint",), ["paint", "explain"]),
        (("explain",), ["required"]),
        (("methods", "sobl"), ["sobl", "sobol", "rise"]),
        (("inspect", "m.onnx", "--stage", "fused"), ["fused", "canonical", "plan"]),
    ],
)
def test_a_wrong_command_line(arguments, words):
    refuses(2, *arguments, words=words)


@pytest.mark.parametrize(
    "options, words",
    [
        (("-m", "sobl"), ["sobl", "sobol"]),
        (("-m", "sobol:gird=8"), ["gird", "grid"]),
        (("-m", "sobol:grid=zero"), ["grid=zero", "expected"]),
        (("-m", "grid=8"), ["grid=8"]),
        (("-t", "prob:"), ["prob:", "top1"]),
        (("-t", "1-vs-"), ["1-vs-"]),
        (("--seed", "abc"), ["seed"]),
        (("--seed", "-1"), ["seed"]),
        (("--batch", "0"), ["batch"]),
        (("--threads", "0"), ["threads"]),
        (("--budget", "2000"), ["2000", "forwards", "30s"]),
        (("--input-size", "224"), ["224", "HEIGHTxWIDTH"]),
        (("--device", "tpu"), ["tpu", "cpu", "cuda"]),
        (("--nonsense",), ["nonsense"]),
    ],
)
def test_wrong_options_are_found_before_the_model_is_loaded(garbage, photo, options, words):
    refuses(2, "explain", garbage, photo, *options, words=words)


@pytest.mark.parametrize(
    "target, words",
    [
        ("tabby kat", ["tabby kat", "tabby cat"]),
        ("5", ["5 classes", "0 to 4"]),
        ("1-vs-1", ["itself"]),
        ("top6", ["top6"]),
    ],
)
def test_targets_that_the_model_does_not_have(net, photo, tmp_path, target, words):
    refuses(2, "explain", net, photo, "-t", target, "-o", tmp_path / "out", words=words)
    assert not (tmp_path / "out/photo").exists()


def test_a_layer_that_the_model_does_not_have(net, photo, tmp_path):
    refuses(2, "explain", net, photo, "-m", "gradcam:layer=layer9", "-o", tmp_path / "out", words=["layer9"])


def test_a_preprocessing_that_is_neither_preset_nor_file(net, photo):
    refuses(2, "predict", net, photo, "--preprocess", "imagnet", words=["imagnet", "imagenet"])


# 3: the model


def test_a_model_that_is_none(garbage, photo, tmp_path):
    refuses(3, "predict", garbage, photo, words=["garbage.onnx"])
    refuses(3, "predict", tmp_path / "none.onnx", photo, words=["none.onnx", "does not exist"])
    refuses(3, "predict", tmp_path, photo, words=["folder"])
    empty = tmp_path / "empty.onnx"
    empty.touch()
    refuses(3, "inspect", empty, words=["empty.onnx"])


def test_an_operator_that_is_not_known(photo, tmp_path):
    magic = helper.make_node("Magic", ["logits"], ["y"], domain="com.example", name="the_node")
    net = build_net(tmp_path / "magic.onnx", extra_nodes=[magic], output="y")
    refuses(3, "explain", net, photo, "-m", "saliency", "-o", tmp_path / "out", words=["Magic", "the_node"])


# 4: the inputs


def bomb(path):
    """A PNG of 65000 x 65000 pixels in a hundred bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 65000, 65000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def make_bad_input(kind, path):
    if kind == "text":
        path.write_text("Dear reader, this is no image.")
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        path.write_bytes(save_photo(path).read_bytes()[:400])
    elif kind == "bomb":
        bomb(path)


@pytest.mark.parametrize(
    "kind, words",
    [
        ("text", ["JPEG, PNG"]),
        ("empty", ["empty"]),
        ("truncated", []),
        ("bomb", ["65000"]),
        ("missing", ["does not exist"]),
    ],
)
def test_inputs_that_are_no_images(net, photo, tmp_path, kind, words):
    bad = tmp_path / "bad.png"
    make_bad_input(kind, bad)
    out = tmp_path / "out"
    refuses(4, "explain", net, bad, "-m", "saliency", "-o", out, "--quiet", words=["bad.png", *words])
    kept = [] if kind == "missing" else ["failure.json"]  # where no path is there, nothing is begun
    assert files_below(out / "bad") == kept

    run = vitrail("explain", net, bad, photo, "-m", "saliency", "-o", out)
    assert run.returncode == 1
    assert "bad.png" in run.stderr
    assert files_below(out / "bad") == ["failure.json"] and (out / "photo/result.json").exists()
    assert "bad.png" in (out / "report.html").read_text()

    run = vitrail("predict", net, bad, photo, "--json")
    assert run.returncode == 1
    images = document(run)["images"]
    assert images[0]["path"] == str(bad) and "error" in images[0] and "prediction" not in images[0]
    assert images[1]["path"] == str(photo) and "error" not in images[1]


def test_a_bomb_is_refused_before_its_pixels_exist(net, tmp_path):
    bomb(tmp_path / "bomb.png")
    explain = ("explain", net, tmp_path / "bomb.png", "-m", "saliency", "-o", tmp_path / "out", "--quiet")
    refuses(4, *explain)
    code, held, message = peak(*explain)
    assert code == 4, message
    assert held < 1e9


def test_an_empty_folder_and_a_missing_path_come_before_the_model(garbage, tmp_path):
    folder = tmp_path / "none"
    folder.mkdir()
    refuses(4, "explain", garbage, folder, words=["none", "no photo"])
    refuses(4, "predict", garbage, tmp_path / "missing.jpg", words=["missing.jpg", "does not exist"])


def test_a_photo_of_the_wrong_size_names_both(net, photo, tmp_path):
    record = json.loads(net.with_suffix(".json").read_text())
    record["preprocess"]["resize"] = {"rule": "none"}
    del record["labels"]
    (tmp_path / "none.json").write_text(json.dumps(record))
    run = vitrail("predict", net, photo, "--preprocess", tmp_path / "none.json")
    assert run.returncode == 4
    assert "40" in run.stderr and "16" in run.stderr


def test_all_failed_photos_still_make_a_document(net, tmp_path):
    (tmp_path / "a.png").touch()
    run = vitrail("predict", net, tmp_path / "a.png", "--json")
    assert run.returncode == 4
    assert "error" in document(run)["images"][0]


# 5: the machine


def test_an_output_folder_that_cannot_be_written(garbage, photo, tmp_path):
    (tmp_path / "taken").write_text("a file")
    for out in (tmp_path / "taken", tmp_path / "taken/deeper", "/proc/vitrail"):
        refuses(5, "explain", garbage, photo, "-m", "saliency", "-o", out, words=[str(out), "--out"])
    assert (tmp_path / "taken").read_text() == "a file"


def limit_files(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [900, 3000, 8000])
def test_a_full_disk_leaves_no_part_of_a_file(net, photo, tmp_path, size):
    out = tmp_path / "out"
    run = vitrail("explain", net, photo, "-m", "saliency,rise:masks=8", "-o", out, preexec_fn=limit_files(size))
    assert run.returncode == 5, run.stderr
    assert str(out) in run.stderr and "ulimit" in run.stderr
    assert not (out / "report.html").exists()
    assert not (out / "photo/result.json").exists()
    for path in out.rglob("*"):
        assert ".part" not in path.name
        if path.suffix == ".npy":
            numpy.load(path)
        if path.suffix == ".png":
            PIL.Image.open(path).verify()


def test_a_full_disk_keeps_what_was_finished_before(net, photo, tmp_path):
    out = tmp_path / "out"
    assert vitrail("explain", net, photo, "-m", "saliency", "-o", out).returncode == 0
    report = (out / "report.html").read_bytes()
    run = vitrail(
        "explain",
        net,
        save_photo(tmp_path / "second.png", seed=1),
        "-m",
        "saliency",
        "-o",
        out,
        preexec_fn=limit_files(3000),
    )
    assert run.returncode == 5
    assert (out / "report.html").read_bytes() == report
    assert (out / "photo/result.json").exists()


def test_standard_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        run = subprocess.run([COMMAND, "methods"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 5
    assert "standard output" in run.stderr


def test_memory_that_is_not_there(photo, tmp_path):
    net = build_net(tmp_path / "large.onnx", size=224)
    limit = 12 << 30
    run = vitrail(
        "explain", net, photo, "-m", "rise:masks=65536", "--batch", 65536, "-o", tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert run.returncode == 5, run.stderr
    assert "memory" in run.stderr and "--batch" in run.stderr
    assert files_below(tmp_path / "out") == []


# 130: Ctrl-C


def start_rise(net, photo, out, *options, **keywords):
    """Starts a run of minutes and returns when RISE has scored masks: the line of progress says how long it will take."""
    run = OnTerminal("explain", net, photo, "-o", out, *options, **keywords)
    run.read_until(" left")
    assert "  rise  [" in run.seen
    return run


def test_ctrl_c_leaves_a_valid_partial_result(net, photo, tmp_path):
    out = tmp_path / "out"
    with open(tmp_path / "stdout.json", "w") as stdout:
        run = start_rise(net, photo, out, "-m", "saliency,rise:masks=100000000,occlusion", "--json", stdout=stdout)
    run.process.send_signal(signal.SIGINT)
    assert run.read_to_the_end() == 130, run.seen
    assert "nterrupted" in run.seen
    result = json.loads((out / "photo/result.json").read_text())
    jsonschema.validate(result, SCHEMA)
    assert result["status"] == "partial"
    assert [(e["name"], e["partial"]) for e in result["explanations"]] == [("saliency", False), ("rise", True)]
    assert result["explanations"][1]["forwards"] > 0
    assert numpy.isfinite(numpy.load(out / "photo" / result["explanations"][1]["map"])).all()
    assert json.loads((tmp_path / "stdout.json").read_text())["images"] == [result]
    assert "nterrupted" in (out / "report.html").read_text()
    assert not [name for name in files_below(out) if ".part" in name]


def test_a_second_ctrl_c_ends_at_once(photo, tmp_path):
    net = build_net(tmp_path / "slow.onnx", size=224)
    out = tmp_path / "out"
    run = start_rise(net, photo, out, "-m", "rise:masks=100000000", "--batch", 1000)
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    run.process.send_signal(signal.SIGINT)
    assert run.read_to_the_end() == -signal.SIGINT
    assert not (out / "photo/result.json").exists()


# What people see


def test_every_help_carries_an_example():
    for arguments in ([], ["explain"], ["predict"], ["methods"], ["inspect"]):
        run = vitrail(*arguments, "--help")
        assert run.returncode == 0
        assert "Example: vitrail " + " ".join(arguments) in run.stdout
        assert run.stderr == ""


def test_version_is_that_of_the_project():
    project = (ROOT / "CMakeLists.txt").read_text()
    version = vitrail("--version").stdout.split()[-1]
    assert f"VERSION {version} " in project


def on_terminal(*arguments, environment=()):
    """Standard error of a run on a terminal."""
    run = OnTerminal(*arguments, environment=environment)
    run.read_to_the_end()
    return run.seen


def test_colours_are_for_terminals_that_want_them(tmp_path):
    wrong = ("explain", tmp_path / "none.onnx", tmp_path / "none.png")
    assert "\033[" in on_terminal(*wrong)
    assert "\033[" not in on_terminal(*wrong, environment={"NO_COLOR": "1"})
    assert "\033[" not in vitrail(*wrong).stderr


def test_progress_is_drawn_on_a_terminal_after_two_seconds(net, photo, tmp_path):
    slow = ("explain", net, photo, "-m", "rise:masks=100000000", "--budget", "4s", "-o", tmp_path / "out")
    seen = on_terminal(*slow)
    assert "photo.png (1 of 1)  rise  [" in seen and "%" in seen and "left" in seen
    assert "%" not in on_terminal(*slow, "--quiet")
    quick = ("explain", net, photo, "-m", "saliency", "-o", tmp_path / "out")
    assert "[" not in on_terminal(*quick, environment={"NO_COLOR": "1"})


def test_standard_error_is_silent_where_there_is_nothing_to_say(net, photo, tmp_path):
    run = vitrail(
        "explain", net, photo, "-m", "rise:masks=100000000", "--budget", "3s", "-o", tmp_path / "out", "--quiet"
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
