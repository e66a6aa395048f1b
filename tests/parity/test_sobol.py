"""Sobol attribution at its default cost against converged indices of a real network.

The reference took eight times the forwards and correlates with itself at about .96. Measured at the default 2080
forwards: rank correlations .79 (church) and .93 (parachute); the usual unscrambled design reaches .4 to .9 at that
cost. The floors leave room for other seeds and roundings, not for a wrong estimator.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import BUILD, corpus
from scipy.stats import spearmanr

COMMAND = os.environ.get("VITRAIL_COMMAND", str(BUILD / "vitrail"))
ROWS = [line.split("\t") for line in (Path(__file__).parent / "sobol_total_8x8.tsv").read_text().splitlines()[2:]]
FLOOR = {"church": 0.65, "parachute": 0.75}


@pytest.mark.parametrize("model, image, designs, reliability, values", ROWS, ids=[row[1].split("/")[1] for row in ROWS])
def test_default_sobol_ranks_cells_as_the_converged_indices_do(tmp_path, model, image, designs, reliability, values):
    photo = corpus() / "images" / image
    network = corpus() / "models/imagenet" / f"{model}.onnx"
    command = [COMMAND, "explain", network, photo, "-m", "sobol", "-o", tmp_path, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / photo.stem
    explanation = json.loads((folder / "result.json").read_text())["explanations"][0]
    assert explanation["forwards"] == 2080 and not explanation["warnings"]
    cells = np.load(folder / explanation["cells"])
    converged = np.array(values.split(), dtype=float)
    floor = next(value for name, value in FLOOR.items() if name in image)
    assert spearmanr(cells.ravel(), converged).statistic > floor
    # The sum of total indices, 1 without interactions, is a property of the network. It hangs on a variance of 32
    # scores: measured 8 % and 37 % too high; a mean of four ratios of 8 scores was 83 % too high.
    assert cells.sum() == pytest.approx(converged.sum(), rel=0.5)
    # Cells are off by about as much as the standard error says (measured: 1.17 and .81 times).
    error = np.load(folder / explanation["standard_error"])[14::28, 14::28]
    assert 0.4 < np.sqrt(np.mean((cells.ravel() - converged) ** 2)) / np.sqrt(np.mean(error**2)) < 2
