"""The table of operators in docs/ is what the code says."""

import importlib.util
import os
import pathlib
import subprocess

from conftest import ROOT

BUILD = pathlib.Path(os.environ.get("VITRAIL_BUILD", ROOT / "build/release"))


def test_the_table_of_operators_is_up_to_date():
    cases = pathlib.Path(importlib.util.find_spec("onnx").origin).parent / "backend/test/data/node"
    run = subprocess.run([BUILD / "tests/operator_table", cases], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (ROOT / "docs/operators.md").read_text() == run.stdout, "run `make operators`"
