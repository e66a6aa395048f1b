"""A data set explained by two Ray workers, one of which is killed in the middle."""

import contextlib
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import vitrail as vt
from conftest import BUILD, photo

ray = pytest.importorskip("ray")

PHOTOS = 24
METHOD = "rise:masks=400"


@pytest.fixture(scope="module")
def cluster():
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(BUILD / "python"), "OMP_NUM_THREADS": "1"}},
    )
    yield
    ray.shutdown()


@pytest.fixture
def photos(tmp_path):
    paths = []
    for i in range(PHOTOS):
        pixels = np.roll(photo(), i, axis=1)
        paths.append(tmp_path / f"photo{i:02}.png")
        PIL.Image.fromarray(pixels).save(paths[-1])
    return paths


def workers():
    """Process numbers of the actors of the pool."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"MapWorker(MapBatches(Worker)" in line.read_bytes():
                found.append(int(line.parent.name))
    return found


def test_a_killed_worker_loses_nothing(cluster, model_path, photos, tmp_path):
    import vitrail.ray

    options = {"plan": "none"}
    dataset = vitrail.ray.explain(
        model_path, photos, tmp_path / "out", METHOD, 1, workers=2, photos_a_task=3, load=options
    )
    killed, rows = 0, []
    for row in dataset.iter_rows():
        rows.append(row)
        if not killed:
            for process in workers()[:1]:
                os.kill(process, signal.SIGKILL)
                killed += 1
    assert killed == 1
    assert Counter(row["photo"] for row in rows) == Counter(str(p) for p in photos)  # none lost, none twice
    assert all(row["status"] in ("done", "kept") for row in rows), rows
    model = vt.load(model_path, plan="none")
    for row in rows:
        [found] = vt.open(row["folder"])
        assert found == vt.explain(model, row["photo"], METHOD, 1)
    again = vitrail.ray.explain(
        model_path, photos, tmp_path / "out", METHOD, 1, workers=2, photos_a_task=3, load=options
    )
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("result.json")}
    assert Counter(row["status"] for row in again.iter_rows()) == {"kept": PHOTOS}
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("result.json")}


def test_mistakes_are_the_callers(model_path, photos, tmp_path):
    import vitrail.ray

    with pytest.raises(vt.UsageError, match="sobol"):
        vitrail.ray.explain(model_path, photos, tmp_path, "sobbol")
