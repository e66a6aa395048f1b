"""Performance information curves against those of their authors (`saliency`, PAIR): the same map, the same photo, the same class.

Two things that theirs leaves to other libraries are put in: the bytes of a file are those of libpng, where they take
WebP, and unknown pixels are the mean of their neighbours, where they are linear on triangles. Both move the numbers of
a photo far (below); shares, order, normalisation, monotony, interpolation and area are compared, and are the same.
Their random pixels are drawn anew each time; with a share of 0 the corners alone are known at first, on both sides.
"""

import ctypes

import numpy as np
import onnx2torch
import PIL.Image
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch
from conftest import MEAN, STD, Side, corpus
from saliency.metrics import pic

SHARES = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.13, 0.21, 0.34, 0.5, 0.75]
OPTIONS = "known=0,points=1000"
PNG_RGB = 2
# A mean of neighbours half-way between two levels is rounded either way: a photo may differ in some pixels by one level,
# which moved heights by 9e-5 at most.
HEIGHT, AREA = 2e-4, 1e-4


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    model = corpus() / "models" / "cifar10" / "resnet20.onnx"
    return Side(tmp_path_factory.mktemp("curves"), onnx2torch.convert(str(model)), 32, model)


@pytest.fixture(autouse=True)
def trapz(monkeypatch):
    """saliency 0.2.1 calls numpy.trapz, which NumPy 2.4 has under its new name only."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)


class PngImage(ctypes.Structure):
    """png_image of libpng's png.h."""

    _fields_ = [
        ("opaque", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("version", "width", "height", "format", "flags", "colours", "failed")),
        ("message", ctypes.c_char * 64),
    ]


def png_bytes(pixels):
    pixels = np.ascontiguousarray(pixels)
    height, width, _ = pixels.shape
    image = PngImage(version=1, width=width, height=height, format=PNG_RGB)
    size = ctypes.c_size_t(2 * pixels.size + 4096)
    assert ctypes.CDLL("libpng16.so.16").png_image_write_to_memory(
        ctypes.byref(image),
        ctypes.create_string_buffer(size.value),
        ctypes.byref(size),
        0,
        pixels.ctypes.data_as(ctypes.c_void_p),
        0,
        None,
    ), image.message
    return size.value


def laplacian(n):
    """Of a line of n points, each joined to its neighbours."""
    joined = np.ones(n - 1)
    degree = np.r_[joined, 0] + np.r_[0, joined]
    return scipy.sparse.diags([-joined, degree, -joined], [-1, 0, 1])


def harmonic(full_img, pixel_mask, method=None):
    """Unknown pixels are the mean of their neighbours; the corners are known."""
    height, width = pixel_mask.shape
    known = pixel_mask.copy()
    known[np.ix_([0, -1], [0, -1])] = True
    known, colours = known.ravel(), full_img.reshape(height * width, -1).astype(float)
    if not known.all():
        rows = scipy.sparse.kronsum(laplacian(width), laplacian(height)).tocsr()[~known]
        colours[~known] = scipy.sparse.linalg.spsolve(rows[:, ~known].tocsc(), -rows[:, known] @ colours[known])
    return colours.round().clip(0, 255).astype(np.uint8).reshape(full_img.shape)


@pytest.fixture
def same_photos(monkeypatch):
    monkeypatch.setattr(pic, "estimate_image_entropy", png_bytes)
    monkeypatch.setattr(pic, "create_blurred_image", harmonic)


def scores(side, photos):
    x = (photos.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    with torch.no_grad():
        return side.network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))


PERFORMANCE = {
    "sic": lambda side, photos: torch.softmax(scores(side, photos), 1)[:, side.target].double().numpy(),
    "aic": lambda side, photos: (scores(side, photos).argmax(1) == side.target).double().numpy(),
}


def curve(side, metric, method, **options):
    """What PAIR's code makes of vitrail's map."""
    map_ = side.explain(method, options=("--plan", "none"))[0]["map"]
    return pic.compute_pic_metric(
        np.asarray(PIL.Image.open(side.photo)),
        map_,
        np.zeros(map_.shape, bool),
        lambda photos: PERFORMANCE[metric](side, photos),
        SHARES,
        **({"min_pred_value": 0.0} | options),
    )


@pytest.mark.parametrize("method", ["gradient_x_input", "random", "occlusion:patch=6"])
@pytest.mark.parametrize("metric", ["sic", "aic"])
def test_the_curve(side, require_metrics, same_photos, metric, method):
    require_metrics(metric)
    (ours,) = side.evaluate(method, f"{metric}:minimum=0,{OPTIONS}")
    theirs = curve(side, metric, method)
    assert ours["x"] == pytest.approx(theirs.curve_x, abs=1e-12)
    assert ours["y"] == pytest.approx(theirs.curve_y, abs=HEIGHT)
    assert ours["value"] == pytest.approx(theirs.auc, abs=AREA)
    assert 0.01 < ours["value"] < 0.99


def test_a_curve_that_may_fall(side, require_metrics, same_photos):
    require_metrics("sic")
    (ours,) = side.evaluate("random", f"sic:minimum=0,monotone=false,{OPTIONS}")
    theirs = curve(side, "sic", "random", keep_monotonous=False)
    assert ours["y"] == pytest.approx(theirs.curve_y, abs=HEIGHT)
    assert np.diff(theirs.curve_y).min() < 0, "this curve does not fall: nothing is compared"


def test_an_unsure_photo_is_left_out_by_both(side, require_metrics, same_photos):
    require_metrics("sic")
    sure = PERFORMANCE["sic"](side, np.asarray(PIL.Image.open(side.photo))[None])[0]
    (below, above) = side.evaluate(
        "random", *(f"sic:minimum={sure + offset:.6f},{OPTIONS}" for offset in (-0.001, 0.001))
    )
    assert below["value"] == pytest.approx(curve(side, "sic", "random", min_pred_value=sure - 0.001).auc, abs=AREA)
    assert above["value"] is None and "minimum" in above["undefined"]
    with pytest.raises(pic.ComputePicMetricError, match="min_pred_value"):
        curve(side, "sic", "random", min_pred_value=sure + 0.001)


def test_files_and_interpolation_decide_the_area(side, require_metrics, monkeypatch):
    """WebP moves the points of the curve sideways, and not their heights; linear interpolation shows other photos. Areas are
    comparable within one toolkit only."""
    require_metrics("sic")
    linear = pic.create_blurred_image
    monkeypatch.setattr(pic, "create_blurred_image", harmonic)
    by_webp = curve(side, "sic", "gradient_x_input")
    monkeypatch.setattr(pic, "estimate_image_entropy", png_bytes)
    by_png = curve(side, "sic", "gradient_x_input")
    monkeypatch.setattr(pic, "create_blurred_image", linear)
    by_triangles = curve(side, "sic", "gradient_x_input")
    assert by_webp.predictions == by_png.predictions
    assert by_webp.auc != pytest.approx(by_png.auc, abs=1e-3)
    assert by_triangles.auc != pytest.approx(by_png.auc, abs=0.05)
