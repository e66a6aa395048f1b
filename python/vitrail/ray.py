"""Explanations of a data set by a pool of Ray Data actors.

    import vitrail.ray
    for row in vitrail.ray.explain("model.onnx", photos, "out", "sobol", workers=8).iter_rows():
        print(row["photo"], row["status"])

Every worker loads the model once and writes the folders of its photos; a folder appears with its ``result.json`` last.
A worker that dies is replaced and its photos are handed out again, those that are finished are kept; so they are when the
whole run is made again. The folder must be one that all workers see. :class:`vitrail.Report` makes the page over all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import vitrail
from vitrail import _native
from vitrail.errors import UsageError
from vitrail.explaining import MethodList, Target, parse_methods

try:
    import ray.data
except ImportError as missing:
    raise ImportError("vitrail.ray needs Ray: pip install 'vitrail[ray]'.") from missing


class Worker:
    """An actor: the model, and the question that is asked of every photo."""

    def __init__(self, model: str, out: str, question: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.model = vitrail.load(model, **options)
        self.out, self.question = out, question

    def __call__(self, rows: dict[str, np.ndarray[Any, Any]]) -> dict[str, list[Any]]:
        photos, names = [str(p) for p in rows["photo"]], [str(n) for n in rows["name"]]
        outcomes = list(
            vitrail.explain_photos(self.model, photos, self.out, names=names, progress=False, **self.question)
        )
        return {
            "photo": [o.photo for o in outcomes],
            "folder": [str(o.folder) for o in outcomes],
            "status": [o.status for o in outcomes],
            "problem": [o.problem for o in outcomes],
        }


def explain(
    model: str | os.PathLike[str],
    photos: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    methods: MethodList = "gradcam,sobol",
    targets: Target | Sequence[Target] = "top1",
    *,
    workers: int = 2,
    cpus_a_worker: float = 1,
    photos_a_task: int = 8,
    seed: int | None = None,
    batch: int = 8,
    budget: str = "",
    load: Mapping[str, Any] | None = None,
) -> ray.data.Dataset:
    """A Ray data set with a row a photo: ``photo``, ``folder``, ``status`` ("done", "kept", "failed"), ``problem``. Ray
    computes it when it is read.

    Parameters
    ----------
    model
        Path of the ONNX file, which every worker sees.
    photos, out, methods, targets, seed, batch, budget
        As :func:`vitrail.explain_photos`.
    workers
        Actors, each with `cpus_a_worker` processors.
    photos_a_task
        Handed to a worker at a time: what is lost, and done again, when one dies is at most the photo it was at.
    load
        Keyword arguments of :func:`vitrail.load`.
    """
    if workers < 1 or photos_a_task < 1:
        raise UsageError(f"found workers={workers}, photos_a_task={photos_a_task}, expected 1 or more.")
    paths = [os.path.abspath(photo) for photo in photos]
    question = {"methods": methods, "targets": targets, "seed": seed, "batch": batch, "budget": budget}
    parse_methods(methods, seed)  # mistakes are the caller's to see, not a worker's
    rows = [{"photo": path, "name": name} for path, name in zip(paths, _native.folder_names(paths), strict=True)]
    blocks = max(1, -(-len(rows) // photos_a_task))
    return ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        Worker,
        batch_size=photos_a_task,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=cpus_a_worker,
        fn_constructor_args=(os.path.abspath(model), os.path.abspath(out), question, dict(load or {})),
    )
