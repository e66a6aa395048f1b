"""The package as a package: types, documentation, the check of torch, parity with the command."""

import ast
import doctest
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vitrail as vt
from conftest import BUILD, DEMO, SOURCE, photo
from vitrail import _native

COMMAND = Path(os.environ.get("VITRAIL_COMMAND", BUILD / "vitrail"))
MODULES = sorted(m.name for m in pkgutil.iter_modules([str(SOURCE / "python" / "vitrail")]))


def run_python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=SOURCE,
        env={**os.environ, "PYTHONPATH": str(BUILD / "python"), **environment},
    )


def test_types_are_strict():
    """The package and the examples, by mypy in strict mode."""
    examples = sorted(str(p) for p in (SOURCE / "examples" / "python").glob("*.py"))
    done = run_python("-m", "mypy", "--strict", "--cache-dir", str(BUILD / "mypy"), "-p", "vitrail", MYPYPATH="python")
    assert done.returncode == 0, done.stdout + done.stderr
    assert examples
    done = run_python("-m", "mypy", "--strict", "--cache-dir", str(BUILD / "mypy"), *examples, MYPYPATH="python")
    assert done.returncode == 0, done.stdout + done.stderr


def public(names):
    return {name for name in names if not name.startswith("_")}


def test_stubs_say_what_the_module_has():
    """By name: bindings do not know the types of their arguments."""
    stub = ast.parse((SOURCE / "python" / "vitrail" / "_native.pyi").read_text())
    defined = {node.name: node for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert defined.keys() == public(vars(_native))
    for name, node in defined.items():
        if isinstance(node, ast.ClassDef):
            members = {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
            assert public(members) == public(vars(getattr(_native, name))), name


def test_stubs_of_methods_are_those_of_the_registry(tmp_path):
    done = run_python("scripts/make_stubs.py", str(tmp_path / "stubs.pyi"))
    assert done.returncode == 0, done.stderr
    found = (SOURCE / "python" / "vitrail" / "method_functions.pyi").read_text()
    assert found == (tmp_path / "stubs.pyi").read_text(), "run `make catalogue`"


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, model, image):
    if name in ("_native", "ray"):
        pytest.skip("no docstrings to run: bindings, or an optional package")
    module = importlib.import_module(f"vitrail.{name}")
    names = {"vt": vt, "model": model, "image": image}
    results = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0
    if name in ("explaining", "model"):
        assert results.attempted > 0


def test_public_names_are_documented():
    assert sorted(set(vt.__all__)) == sorted(vt.__all__)
    for name in vt.__all__:
        assert (getattr(vt, name).__doc__ or "").strip(), name
    for name in ("explain", "explain_all", "stream", "wrap", "load", "export"):
        for section in ("Parameters", "----------"):
            assert section in getattr(vt, name).__doc__ or "as :func:`" in getattr(vt, name).__doc__.lower(), name


def test_another_torch_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("__version__ = '2.12.1'")
    done = run_python("-c", "import vitrail", PYTHONPATH=f"{tmp_path}:{BUILD / 'python'}")
    assert done.returncode == 1
    assert "built with torch 2.13.0 and found 2.12.1" in done.stderr and "pip install" in done.stderr


def explain_by_command(out, *arguments):
    command = [COMMAND, "explain", DEMO / "efficientnet_lite0.onnx", DEMO / "chelsea.png", "-o", out, "--quiet"]
    subprocess.run([str(word) for word in [*command, *arguments]], check=True, capture_output=True)
    folder = out / "chelsea"
    result = json.loads((folder / "result.json").read_text())
    return [np.load(folder / e["map"]) for e in result["explanations"]], result


METHODS = "gradcam,sobol:grid=4,designs=4,replicates=2,rise:masks=64,smoothgrad:samples=4"


@pytest.mark.parametrize("plan", ["none", "auto"])
def test_the_command_and_the_package_give_the_same_bytes(plan, tmp_path):
    maps, result = explain_by_command(tmp_path, "-m", METHODS, "--seed", "3", "--plan", plan)
    record = {key: value for key, value in result["run"]["plan"].items() if key != "asked"}
    model = vt.load(DEMO / "efficientnet_lite0.onnx", plan="none" if plan == "none" else record)
    found = vt.explain_all(model, DEMO / "chelsea.png", METHODS, seed=3)
    for ours, theirs, explanation in zip(found, maps, result["explanations"], strict=True):
        assert ours.method == explanation["method"]
        assert ours.map.tobytes() == theirs.tobytes(), ours.name


def test_folders_are_those_of_the_command(tmp_path):
    explain_by_command(tmp_path / "command", "-m", "gradcam", "--plan", "none")
    model = vt.load(DEMO / "efficientnet_lite0.onnx", plan="none")
    [outcome] = vt.explain_photos(model, [DEMO / "chelsea.png"], tmp_path / "python", "gradcam")
    assert outcome.status == "done"
    [ours], [theirs] = vt.open(outcome.folder), vt.open(tmp_path / "command" / "chelsea" / "result.json")
    assert ours == theirs and ours.photo is not None
    assert vt.reproduce(outcome.folder).same
    page = vt.Report(tmp_path / "python", model).finish()
    assert "chelsea" in page.read_text()


def test_photos_that_are_done_are_kept_and_bad_ones_fail_alone(model_path, tmp_path):
    import PIL.Image

    for name in "ab":
        PIL.Image.fromarray(photo()).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    paths = [tmp_path / "a.png", tmp_path / "bad.png", tmp_path / "b.png", tmp_path / "missing.png"]
    model = vt.load(model_path)
    run = vt.explain_photos(model, paths, tmp_path / "out", "rise:masks=50")
    assert next(run).status == "done"
    run.close()  # somebody stopped here
    outcomes = list(vt.explain_photos(vt.load(model_path), paths, tmp_path / "out", "rise:masks=50"))
    assert [o.status for o in outcomes] == ["kept", "failed", "done", "failed"]
    assert "bad.png" in outcomes[1].problem and "missing.png" in outcomes[3].problem
    again = list(vt.explain_photos(model, paths[:1], tmp_path / "out", "rise:masks=51"))
    assert again[0].status == "done"  # another question
