"""The numbered examples, each in C++ and in Python: both run, and say the same."""

import os
import re
import subprocess
import sys

import pytest
from conftest import BUILD, DEMO, SOURCE

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NAMES = sorted(p.stem for p in (SOURCE / "examples" / "python").glob("*.py"))


def run(command, folder):
    arguments = [DEMO / "efficientnet_lite0.onnx", DEMO / "chelsea.png"]
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "python")}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_there_twice():
    assert NAMES == sorted(p.stem for p in (SOURCE / "examples" / "cpp").glob("*.cpp"))
    assert [name[:2] for name in NAMES] == [f"{i:02}" for i in range(1, 12)]


@pytest.mark.parametrize("name", NAMES)
def test_both_say_the_same(name, tmp_path):
    of_cpp = run([BUILD / "examples" / name], tmp_path)
    of_python = run([sys.executable, SOURCE / "examples" / "python" / f"{name}.py"], tmp_path)
    assert NUMBER.sub("#", of_cpp) == NUMBER.sub("#", of_python)
    for ours, theirs in zip(NUMBER.findall(of_cpp), NUMBER.findall(of_python), strict=True):
        # plans are made by timing, and round in their own way: a last digit may differ
        last_digit = 10.0 ** -len(theirs.partition(".")[2]) if "." in theirs else 0
        assert abs(float(ours) - float(theirs)) <= 1.01 * last_digit, (ours, theirs)
