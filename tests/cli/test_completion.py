"""Completion in the shells themselves: bash typed at and asked, zsh and fish asked."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from conftest import COMMAND, build_net, document, vitrail

FOLDER = str(pathlib.Path(COMMAND).resolve().parent)
ENVIRONMENT = {**os.environ, "PATH": FOLDER + os.pathsep + os.environ["PATH"], "TERM": "dumb"}
METHODS = [method["name"] for method in document(vitrail("methods", "--json"))["methods"]]


@pytest.fixture
def folder(net, tmp_path):
    """A folder with a model and a photo, to stand in."""
    for path in (net, net.with_suffix(".json"), net.parent / "labels.txt"):
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "cat.png").touch()
    (tmp_path / "photos").mkdir()
    return tmp_path


def bash(line, folder):
    """What the function offers: words as readline would put them in place of the last one."""
    script = """
    exec 3>&2  # the script silences compopt, which only works while readline completes
    source <(vitrail completion bash)
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=(vitrail) COMP_CWORD=1
    compopt() { echo "compopt $*" >&3; }
    _vitrail
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    run = subprocess.run(
        ["bash", "-c", script, "bash", line], capture_output=True, text=True, env=ENVIRONMENT, cwd=folder, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split("\n")[:-1], run.stderr


@pytest.mark.parametrize(
    "line, expected",
    [
        ("vitrail exp", ["explain"]),
        ("vitrail explain net.onnx --pla", ["--plan"]),
        ("vitrail evaluate fol", ["folds"]),
        ("vitrail evaluate folds folds.json -m occ", ["occlusion"]),
        ("vitrail evaluate folds folds.json --distance ss", ["ssim"]),
        ("vitrail explain net.onnx cat.png --precision ", ["float32", "bf16", "fp16"]),
        ("vitrail explain net.onnx cat.png --precision=b", ["bf16"]),
        ("vitrail explain net.onnx -m occ", ["occlusion"]),
        ("vitrail explain net.onnx -m saliency,occ", ["saliency,occlusion"]),
        ("vitrail explain net.onnx -m sobol:gr", ["grid="]),
        ("vitrail explain net.onnx -m sobol:grid=8,des", ["8,designs="]),
        ("vitrail explain net.onnx -m sobol:sampler=o", ["owen"]),
        ("vitrail explain net.onnx --methods=sobol:sampler=o", ["owen"]),
        ("vitrail explain net.onnx -t tab", ["tabby_cat"]),
        ("vitrail explain net.onnx -t TIN", ["Tinca_tinca"]),
        ('vitrail explain net.onnx -t "tabby', ["tabby_cat"]),
        ("vitrail explain net.onnx -t prob:gol", ["golden_retriever"]),
        ("vitrail explain net.onnx -t top1-vs-ch", ["top1-vs-church"]),
        ("vitrail explain net.onnx -m gradcam:layer=r", None),
        ("vitrail methods sobo", ["sobol"]),
        ("vitrail completion fi", ["fish"]),
        ("vitrail inspect --stage can", ["canonical"]),
        ("vitrail nonsense ", [""]),
        ("vitrail inspect net.onnx more", [""]),
    ],
)
def test_bash_offers_what_fits(folder, line, expected):
    words, _ = bash(line, folder)
    if expected is None:
        layers = [layer["name"] for layer in document(vitrail("inspect", folder / "net.onnx", "--json"))["layers"]]
        start = line.rsplit("=", 1)[1]
        expected = [name for name in layers if name.startswith(start)] or [""]
    assert words == expected


def test_bash_offers_every_command_method_and_layer(folder):
    help_text = vitrail("--help").stdout
    for command in bash("vitrail ", folder)[0]:
        assert re.search(rf"^  {command} ", help_text, re.MULTILINE)
    assert bash("vitrail explain net.onnx -m ", folder)[0] == [*METHODS, "all"]
    layers = [layer["name"] for layer in document(vitrail("inspect", folder / "net.onnx", "--json"))["layers"]]
    assert layers and bash("vitrail explain net.onnx -m gradcam:layer=", folder)[0] == ["auto", *layers]


def test_bash_offers_files_and_folders(folder):
    assert "net.onnx" in bash("vitrail explain ", folder)[0]
    words, options = bash("vitrail explain net.onnx ", folder)
    assert "cat.png" in words and "photos" in words and "-o filenames" in options
    assert bash("vitrail explain net.onnx cat.png -o ", folder)[0] == ["photos"]
    assert set(bash("vitrail predict net.onnx --preprocess ", folder)[0]) >= {"imagenet", "net.json"}
    assert set(bash("vitrail evaluate net.onnx cat.png --boxes ", folder)[0]) >= {"target", "net.json"}
    assert set(bash("vitrail evaluate net.onnx cat.png --human-maps ", folder)[0]) >= {"photos", "net.json"}
    assert "net.json" in bash("vitrail evaluate folds ", folder)[0]
    assert "net.json" in bash("vitrail evaluate net.onnx cat.png --boxes ", folder)[0]
    assert "-o nospace" in bash("vitrail explain net.onnx -m sobol:gr", folder)[1]
    assert "-o nospace" not in bash("vitrail explain net.onnx -m occ", folder)[1]


def test_a_model_that_is_none_offers_no_layers_and_no_noise(folder):
    (folder / "bad.onnx").write_text("no model")
    words, noise = bash("vitrail explain bad.onnx -m gradcam:layer=", folder)
    assert words == ["auto"] and "error" not in noise
    assert bash("vitrail explain missing.onnx -t top", folder)[0] == ["top1", "top2"]


def test_labels_with_quotes_are_quoted(folder):
    (folder / "labels.txt").write_text("potter's wheel\ntabby cat\na\nb\nc")
    assert bash("vitrail explain net.onnx -t pot", folder)[0] == ["potter\\'s_wheel"]


def typed(keys, folder):
    """What an interactive bash shows after these keys."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-i"], stdin=follower, stdout=follower, stderr=follower,
        env={**ENVIRONMENT, "PS1": "> ", "INPUTRC": "/dev/null"}, cwd=folder, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    os.write(leader, b"source <(vitrail completion bash); bind 'set bell-style none'; echo re''ady\n")
    shown = b""

    def wait_for(text, seconds=300):
        nonlocal shown
        end = time.monotonic() + seconds
        while text not in shown and time.monotonic() < end:
            if select.select([leader], [], [], 0.1)[0]:
                shown += os.read(leader, 65536)
        assert text in shown, shown

    try:
        wait_for(b"ready")
        shown = b""
        for piece, expected in keys:
            os.write(leader, piece.encode())
            wait_for(expected.encode())
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return shown.decode(errors="replace")


def test_bash_completes_what_is_typed(folder):
    typed([("vitrail repro\t", "vitrail reproduce ")], folder)
    typed([("vitrail explain net.onnx -m sobol:gri\t", "sobol:grid="), ("8,des\t", "grid=8,designs=")], folder)
    typed([("vitrail explain net.onnx -t gold\t", "-t golden_retriever ")], folder)
    typed([("vitrail explain ne\t", "net.")], folder)


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@needs("fish")
@pytest.mark.parametrize(
    "line, expected",
    [
        ("vitrail exp", ["explain"]),
        ("vitrail explain net.onnx -m sobol:gr", ["sobol:grid="]),
        ("vitrail explain net.onnx -m sobol:grid=8,des", ["sobol:grid=8,designs="]),
        ("vitrail explain net.onnx -t tab", ["tabby_cat"]),
        ("vitrail explain net.onnx --precision b", ["bf16"]),
        ("vitrail explain net.o", ["net.onnx"]),
        ("vitrail explain net.onnx cat.png -o ph", ["photos/"]),
    ],
)
def test_fish_offers_what_fits(folder, line, expected):
    script = "vitrail completion fish | source; complete -C $argv[1]"
    run = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        capture_output=True, text=True, cwd=folder, env={**ENVIRONMENT, "HOME": str(folder)}, timeout=600,
    )  # fmt: skip
    assert [offer.split("\t")[0] for offer in run.stdout.splitlines()] == expected, run.stderr


@needs("zsh")
@pytest.mark.parametrize(
    "words, expected",
    [
        (["vitrail", "exp"], ["explain"]),
        (["vitrail", "explain", "net.onnx", "-m", "sobol:grid=8,des"], ["sobol:grid=8,designs="]),
        (["vitrail", "explain", "net.onnx", "-t", "tab"], ["tabby_cat"]),
        (["vitrail", "explain", "net.onnx", "--precision", ""], ["float32", "bf16", "fp16"]),
        (["vitrail", "explain", "net"], ["files"]),
        (["vitrail", "explain", "net.onnx", "cat.png", "-o", ""], ["folders"]),
        (["vitrail", "explain", "net.onnx", "-m", "rise:baseline=b"], ["rise:baseline=black", "rise:baseline=blur"]),
    ],
)
def test_zsh_offers_what_fits(folder, words, expected):
    script = """
    compadd() { print -l -- "${(@P)@[-1]}" }
    _files() { [[ $1 == -/ ]] && print folders || print files }
    source <(vitrail completion zsh)
    words=("$@") CURRENT=$# PREFIX=$@[-1]
    _vitrail
    """
    run = subprocess.run(
        ["zsh", "-f", "-c", script, "zsh", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_whole(shell):
    script = vitrail("completion", shell)
    assert script.returncode == 0 and "vitrail" in script.stdout
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script.stdout, text=True, capture_output=True)
        assert checked.returncode == 0, checked.stderr
    assert vitrail("completion", "csh").returncode == 2


def test_a_model_with_several_outputs_offers_them(tmp_path):
    net = build_net(tmp_path / "two.onnx", labels=False)
    words, _ = bash(f"vitrail predict {net} --output lo", tmp_path)
    assert words == ["logits"]
