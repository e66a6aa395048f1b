"""--memory is a promise: what the system counts for the process stays below it, and does not grow with the samples."""

import pytest
from conftest import ROOT, build_net, document, peak, save_photo, vitrail

DEMO = ROOT / ".cache/demo/efficientnet_lite0.onnx"
PHOTO = ROOT / ".cache/demo/chelsea.png"
BYTES = {"512M": 512e6, "1G": 1e9, "4G": 4e9}


@pytest.mark.parametrize("limit", BYTES)
def test_the_process_stays_below_the_limit(tmp_path, limit):
    methods = "sobol:grid=4,designs=8,replicates=2,rise:masks=64,ig:steps=16,max_steps=16,smoothgrad:samples=32,gradcam"
    code, held, message = peak(
        "explain", DEMO, PHOTO, "-m", methods, "-o", tmp_path, "--memory", limit, "--batch", 64
    )  # fmt: skip
    print(f"--memory {limit}: {held / 1e6:.0f} MB at most")
    assert code == 0, message
    assert held <= BYTES[limit]


def test_more_samples_take_no_more_memory(tmp_path):
    few = peak("explain", DEMO, PHOTO, "-m", "rise:masks=100", "-o", tmp_path / "few")[1]
    many = peak("explain", DEMO, PHOTO, "-m", "rise:masks=1000", "-o", tmp_path / "many")[1]
    print(f"100 samples: {few / 1e6:.0f} MB, 1000 samples: {many / 1e6:.0f} MB")
    assert many < few + 50e6


SAMPLERS = {  # 4096 masks each; 448 x 448 pixels of all of them would be 3.3 GB
    "rise": "rise:masks=4096",
    "sobol": "sobol:grid=8,designs=16,replicates=4",
    "kernel_shap": "kernel_shap:coalitions=4096",
}


@pytest.mark.parametrize("method", SAMPLERS)
def test_4096_masks_of_448_pixels_stay_below_the_limit(tmp_path, method):
    listed = document(vitrail("methods", "--json"))["methods"]
    if method not in {entry["name"] for entry in listed}:
        pytest.skip(f"vitrail has no method {method}")
    model, photo = build_net(tmp_path / "net.onnx", size=448), save_photo(tmp_path / "photo.png", size=(448, 448))
    code, held, message = peak("explain", model, photo, "-m", SAMPLERS[method], "-o", tmp_path, "--memory", "512M")
    print(f"{SAMPLERS[method]} at 448 px: {held / 1e6:.0f} MB at most")
    assert code == 0, message
    assert held <= BYTES["512M"]


def test_a_limit_that_is_too_small_is_an_error_of_the_machine(tmp_path):
    run = vitrail("explain", DEMO, PHOTO, "-m", "gradcam", "-o", tmp_path, "--memory", "100M")
    assert run.returncode == 5
    assert "--memory allows 100 MB" in run.stderr


@pytest.mark.parametrize("size", ["much", "12", "4X", "-1G", "1e9", "0.1K"])
def test_a_size_that_is_none(net, photo, size):
    run = vitrail("explain", net, photo, f"--memory={size}")
    assert run.returncode == 2
    assert "--memory" in run.stderr
