"""What `pip install .` gives: the package and the command, in an environment of their own."""

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest
from conftest import BUILD, DEMO, SOURCE

SCRIPT = """
import vitrail as vt
from pathlib import Path
assert "site-packages" in vt.__file__, vt.__file__
model = vt.load({model!r})
why = vt.explain(model, {photo!r}, "sobol:grid=4,designs=2,replicates=2", progress=False)
assert why.plan["kernels"] == "oneDNN", why.plan
Path("why.png").write_bytes(why._repr_png_())
print(why.target.label)
"""


def cached(name):
    lines = (BUILD / "CMakeCache.txt").read_text().splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}:")), "")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Clean, but for a path to the packages that the build needs: fetching torch again would prove nothing. With the
    compiler and flags of this build, so that what is compiled already is found in the cache."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    with open(f"{packages}/base.pth", "w") as file:
        print(sysconfig.get_path("purelib"), file=file)
    shared = ("CMAKE_COMPILE_WARNING_AS_ERROR", "VITRAIL_SHARE_CACHE")
    flags = " ".join(f"-D{name}={cached(name) or 'OFF'}" for name in shared)
    shutil.rmtree(SOURCE / "build" / "wheel-test", ignore_errors=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-build-isolation", "--no-deps"]
    done = subprocess.run(
        [*pip, "--config-settings=build-dir=build/wheel-test", SOURCE],
        capture_output=True,
        text=True,
        env={**os.environ, "CXX": cached("CMAKE_CXX_COMPILER"), "CMAKE_ARGS": flags},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(environment, *command, cwd):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, env=clean)


def test_from_pip_install_to_a_picture(environment, tmp_path):
    script = SCRIPT.format(model=str(DEMO / "efficientnet_lite0.onnx"), photo=str(DEMO / "chelsea.png"))
    done = run(environment, environment / "bin" / "python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tiger cat\n" and (tmp_path / "why.png").stat().st_size > 10_000


def test_the_command_comes_along(environment, tmp_path):
    command = environment / "bin" / "vitrail"
    assert run(environment, command, "--version", cwd=tmp_path).stdout.startswith("vitrail 0.1.0")
    model, photo = DEMO / "efficientnet_lite0.onnx", DEMO / "chelsea.png"
    done = run(environment, command, "explain", model, photo, "-m", "gradcam", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "out" / "report.html").is_file(), done.stderr
    assert run(environment, command, "explain", "nowhere.onnx", photo, cwd=tmp_path).returncode == 3


def test_the_package_is_complete(environment, tmp_path):
    [package] = (environment / "lib").glob("python3*/site-packages/vitrail")
    names = {path.name for path in package.iterdir()}
    assert {"py.typed", "_native.pyi", "method_functions.pyi", "_build.py", "bin", "lib"} <= names
    assert not [name for name in names if name.endswith(".in")]
