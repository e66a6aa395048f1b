"""Shared by the parity tests: where the tools and the corpus are, and running a graph on arrays."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))


def corpus() -> Path:
    """The corpus folder; skips loudly where it is missing, or fails where it is required."""
    if not CORPUS.is_dir():
        message = f"the corpus is missing: {CORPUS} (set VITRAIL_CORPUS)"
        if os.environ.get("VITRAIL_REQUIRE_CORPUS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return CORPUS


class Runner:
    """Runs graphs through tests/tools/run_graph."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0

    def _file(self, array=None) -> str:
        self.count += 1
        path = self.folder / f"{self.count}.npy"
        if array is not None:
            np.save(path, np.ascontiguousarray(array, dtype=np.float32))
        return str(path)

    def run(self, model, batches, fetch, gradient_weights=None, canonical=True, feed=None):
        """Outputs (and input gradients) for a list of inputs, and what the graph says of itself."""
        runs = []
        for i, x in enumerate(batches):
            job = {"feeds": {feed: self._file(x)}, "fetches": [fetch], "outputs": [self._file()]}
            if gradient_weights is not None:
                job["gradient"] = {
                    "of": fetch,
                    "weights": self._file(gradient_weights[i]),
                    "at": feed,
                    "output": self._file(),
                }
            runs.append(job)
        job_file = self.folder / f"job{self.count}.json"
        job_file.write_text(json.dumps({"runs": runs, "canonical": canonical}))
        done = subprocess.run([BUILD / "tests" / "run_graph", model, job_file], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs = [np.load(job["outputs"][0]) for job in runs]
        gradients = [np.load(job["gradient"]["output"]) for job in runs] if gradient_weights is not None else None
        return outputs, gradients, json.loads(done.stdout)


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def relative_error(a, b) -> float:
    """max |a - b| / max |b|"""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.abs(a - b).max() / np.abs(b).max())
