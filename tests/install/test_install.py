"""What is installed can be used by another project, and by hand, without the build tree."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Logits (mean red, 2 * mean green - 1), of 8 x 8 images."""
    weights = np.array([[1, 0, 0], [0, 2, 0]], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([0, -1], np.float32), "bias")],
    )
    path = tmp_path_factory.mktemp("model") / "means.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


def test_another_project_finds_and_uses_the_package(prefix, model, tmp_path):
    run("cmake", "-G", "Ninja", "-S", HERE / "consumer", "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DVITRAIL_PYTHON={sys.executable}", "-DCMAKE_BUILD_TYPE=Release")  # fmt: skip
    run("cmake", "--build", tmp_path)
    values = [float(word) for word in run(tmp_path / "consumer", model).split()]
    # The logits of an image that is 0.75 everywhere, and the gradient of their sum at one pixel.
    np.testing.assert_allclose(values, [0.75, 0.5, 1 / 64, 2 / 64, 0], rtol=1e-5, atol=1e-7)


def test_the_installed_command_runs_where_it_was_put(prefix, model):
    command = prefix / "bin" / "vitrail"
    assert run(command, "--version", cwd="/").strip().endswith(project_version())
    assert "logits" in run(command, "inspect", model, cwd="/")


def test_the_package_names_no_file_of_the_build_tree(prefix):
    for file in (prefix / "lib" / "cmake" / "vitrail").glob("*.cmake"):
        assert str(BUILD) not in file.read_text(), file


def test_a_wrong_version_is_refused(prefix, tmp_path):
    done = subprocess.run(
        ["cmake", "-G", "Ninja", "-S", HERE / "consumer", "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}",
         "-DWANTED=99.0"], capture_output=True, text=True)  # fmt: skip
    assert done.returncode != 0 and "99.0" in done.stderr


def project_version():
    line = next(line for line in (SOURCE / "CMakeLists.txt").read_text().splitlines() if line.startswith("project("))
    return line.split("VERSION ")[1].split()[0]
