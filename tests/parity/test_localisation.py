"""Maps of a cat lie on the cat: on a photo that shows more than its face, more of the map than chance is on the face."""

import json
import subprocess

import numpy as np
from conftest import BUILD, SOURCE

DEMO = SOURCE / ".cache" / "demo"
PHOTO_SIZE = (451, 300)
FACE = (135, 75, 330, 262)  # x0, y0, x1, y1 in the photo: from above the eyes to the chin, by hand
FACTOR = 1.5


def concentration(cat_map):
    """Share of the map inside the box over the box's share of the area; 1 for a map that knows nothing."""
    height, width = cat_map.shape
    x0, x1 = (round(x * width / PHOTO_SIZE[0]) for x in FACE[0::2])
    y0, y1 = (round(y * height / PHOTO_SIZE[1]) for y in FACE[1::2])
    inside = cat_map[y0:y1, x0:x1].sum() / cat_map.sum()
    return inside / ((x1 - x0) * (y1 - y0) / cat_map.size)


def test_face_of_chelsea(tmp_path):
    # The centre crop holds hardly anything but the face: show the model the whole photo instead.
    record = json.loads((DEMO / "efficientnet_lite0.json").read_text())
    record["preprocess"]["resize"] = {"rule": "whole", "filter": "bicubic"}
    record["preprocess"]["crop"] = "none"
    record["labels"] = str(DEMO / "labels.txt")
    (tmp_path / "whole.json").write_text(json.dumps(record))
    methods = "gradcam,sobol:designs=8,replicates=2"
    command = [BUILD / "vitrail", "explain", DEMO / "efficientnet_lite0.onnx", DEMO / "chelsea.png"]
    done = subprocess.run(
        [*command, "-m", methods, "--preprocess", tmp_path / "whole.json", "-o", tmp_path / "out", "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "chelsea"
    explanations = json.loads((folder / "result.json").read_text())["explanations"]
    assert [e["name"] for e in explanations] == ["gradcam", "sobol"]
    for explanation in explanations:
        cat_map = np.load(folder / explanation["map"]).clip(0)
        assert concentration(cat_map) >= FACTOR, explanation["name"]


def test_random_maps_fail():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cells = rng.random((8, 8))  # as coarse as the maps above
        assert concentration(np.kron(cells, np.ones((28, 28)))) < FACTOR
