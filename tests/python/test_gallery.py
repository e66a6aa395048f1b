"""The gallery notebook: it runs from the first cell to the last, and its pictures show what they should. They are left in
BUILD/gallery for people to look at."""

import base64
import io
import os
import re

import nbformat
import numpy as np
import PIL.Image
import pytest
from conftest import BUILD, DEMO, SOURCE
from nbclient import NotebookClient

NOTEBOOK = SOURCE / "examples" / "gallery.ipynb"
HANG = 600  # seconds: only guards against hanging
PHOTO = np.s_[16:442, 16:656]  # in the picture of an explanation of a photo of the demonstration
PANELS = {  # pictures by the headings above them, in order; rows and columns of overlays, None for two charts
    "one-explanation": (1, 1),
    "several-methods-side-by-side": (2, 3),
    "error-bars": None,
    "a-map-that-comes-into-focus": (2, 2),
    "targets": (1, 3),
    "comparing-two-maps": None,
    "a-network-of-your-own": (1, 3),
    "export": (1, 1),
    "saving": (1, 1),
}


def slug(heading):
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """What the cells below each heading gave: texts and pictures."""
    folder = tmp_path_factory.mktemp("gallery")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = {
        **os.environ,
        "PYTHONPATH": str(BUILD / "python"),
        "VITRAIL_DEMO": str(DEMO),
        "IPYTHONDIR": str(folder / "ipython"),
        "TMPDIR": str(folder),
    }
    client = NotebookClient(
        notebook, timeout=HANG, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment)
    heading, texts, pictures = "", {}, {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = slug(re.search(r"^#+ (.*)", cell.source, re.MULTILINE)[1])
            continue
        for output in cell.outputs:
            assert output.output_type != "error", f"{heading}: {output.ename}: {output.evalue}"
            if output.output_type == "stream" and output.name == "stdout":
                texts[heading] = texts.get(heading, "") + output.text
            if "image/png" in output.get("data", {}):
                pictures.setdefault(heading, []).append(base64.b64decode(output.data["image/png"]))
    (BUILD / "gallery").mkdir(exist_ok=True)
    for old in (BUILD / "gallery").glob("*.png"):
        old.unlink()
    for number, (name, [png, *others]) in enumerate(pictures.items(), 1):
        assert not others, f"{name}: {1 + len(others)} pictures"
        (BUILD / "gallery" / f"{number:02}-{name}.png").write_bytes(png)
    return texts, {name: np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB")) for name, [png] in pictures.items()}


def warm(pixels):
    """The share of yellow and red that maps have, and the fur of the cat has not."""
    r, g, b = np.moveaxis(pixels.astype(int), 2, 0)
    return np.mean((r > 210) & (r - b > 120) | (r - g > 85) & (r - b > 60))


def cold(pixels):
    """The share of blue and purple, the lower ends of the scales of signed and unsigned maps."""
    r, g, b = np.moveaxis(pixels.astype(int), 2, 0)
    return np.mean((b - r > 15) | (r - g > 20) & (b - g > 20))


def panels(picture, rows, columns):
    """The photos in a picture, without colour bars and captions, which are of all colours whatever the map is."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    for row in range(rows):
        for column in range(columns):
            panel = picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
            yield panel[: int(0.8 * height), : int(0.82 * width)]


def charts(picture):
    """The insides of two charts beside each other, without titles and the colour bar."""
    height, width, _ = picture.shape
    for left, right in ((0.02, 0.4), (0.46, 0.8)):
        yield picture[int(0.12 * height) : int(0.9 * height), int(left * width) : int(right * width)]


def test_the_notebook_is_stored_without_what_it_gave():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


def test_every_heading_has_its_picture(gallery):
    _, pictures = gallery
    assert list(pictures) == list(PANELS)


def test_texts_say_what_they_should(gallery):
    texts, _ = gallery
    assert re.match(r"chelsea +0\.\d+  tiger cat \(282\)", texts["gallery"])
    errors = [float(e) for e in re.findall(r"error ([\d.]+) of", texts["a-map-that-comes-into-focus"])]
    assert len(errors) == 4 and errors == sorted(errors, reverse=True) and errors[-1] < errors[0] / 2
    noise, real = (int(n) for n in re.findall(r"(\d+) of 36 cells", texts["comparing-two-maps"]))
    assert noise <= 2 and real >= 10
    assert float(texts["export"].split()[-1]) < 1e-5
    assert texts["saving"].endswith("the same as before: True\n")


@pytest.mark.parametrize("name", PANELS)
def test_pictures_are_whole(name, gallery):
    picture = gallery[1][name]
    height, width, _ = picture.shape
    assert 400 < height < 1500 and 700 < width < 2500
    frame = np.concatenate([picture[:3].reshape(-1, 3), picture[-3:].reshape(-1, 3)])
    frame = np.concatenate([frame, picture[:, :3].reshape(-1, 3), picture[:, -3:].reshape(-1, 3)])
    assert (frame == frame[0]).all() and frame[0].min() > 240, "something is cut at the edge"
    blank_rows = (np.abs(picture.astype(int) - frame[0]) < 8).all((1, 2))
    assert blank_rows.mean() < 0.17, "mostly empty"
    inside = panels(picture, *PANELS[name]) if PANELS[name] else charts(picture)
    for panel in inside:
        assert panel.std((0, 1)).max() > (25 if PANELS[name] else 8), "one flat colour"


def test_a_photo_alone_would_not_pass():
    """The bounds of the next test are about maps: the cat itself is neither warm nor cold."""
    cat = np.asarray(PIL.Image.open(DEMO / "chelsea.png").convert("RGB"))
    assert warm(cat) < 0.001 and cold(cat) < 0.0005


@pytest.mark.parametrize("name", ["one-explanation", "several-methods-side-by-side", "a-map-that-comes-into-focus"])
def test_maps_lie_over_the_cat(name, gallery):
    shown = list(panels(gallery[1][name], *PANELS[name]))
    assert np.mean([warm(panel) for panel in shown]) > 0.005
    for panel in shown:
        assert cold(panel) > 0.001
        assert not any(np.array_equal(panel, other) for other in shown if other is not panel)


def test_the_map_lies_over_what_the_model_sees(gallery):
    """Nothing outside the centre crop is coloured."""
    photo = gallery[1]["one-explanation"][PHOTO]
    outside = np.concatenate([photo[:, :120], photo[:, -120:]], axis=1)
    assert warm(outside) == 0 and cold(outside) < 0.0005
    assert warm(photo[:, 140:-140]) > 0.05 and cold(photo[:, 140:-140]) > 0.05


def test_what_was_saved_shows_the_same(gallery):
    _, pictures = gallery
    assert np.array_equal(pictures["saving"][PHOTO], pictures["one-explanation"][PHOTO])


def test_targets_have_different_signs(gallery):
    """The inside of the cup speaks for an espresso, and against a cup."""
    espresso, cup, contrast = panels(gallery[1]["targets"], *PANELS["targets"])
    assert cold(cup) > 10 * cold(espresso) and cold(cup) > 10 * cold(contrast)
