"""Results in folders, as the command ``vitrail explain`` writes them, and what can be done with those."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrail import _native
from vitrail.errors import InputError, UsageError
from vitrail.explaining import Cancellation, MethodList, Target, explain_all, parse_methods, target_strings
from vitrail.explanation import Explanations
from vitrail.model import Model
from vitrail.progress import ProgressLike, cancelled_by_interrupts, listening

PREDICTIONS = 5


class Report:
    """A folder of results: one folder a photo, and ``report.html`` over all of them.

    Parameters
    ----------
    folder
        Where; made if needed. Earlier results in it stay, and are in the report.
    model
        Whose results these are.
    """

    def __init__(self, folder: str | os.PathLike[str], model: Model) -> None:
        _check_model(model)
        self._model = model
        self._folder = Path(folder)
        self._native = _native.Report(os.fspath(folder), model._native)

    def add(
        self,
        explanations: Explanations,
        *,
        name: str = "",
        record: _native.RunRecord | None = None,
    ) -> Path:
        """Writes the folder of one photo, ``result.json`` last. `name`: of the folder; default: by the photo's name."""
        if not explanations or any(e._photo is None or not e._is_photo for e in explanations):
            raise UsageError("found no explanations of a photo, expected what vitrail.explain_all gives.")
        first = explanations[0]
        assert first._photo is not None
        if record is None:
            methods = [m for e in _unique(e.method for e in explanations) for m in _native.parse_methods(e, None)]
            record = self._model.record(methods, _unique(e.target.string for e in explanations), 8, "")
        prepared = self._model._native.prepare(first._photo)
        prediction = self._model._native.predict(prepared, PREDICTIONS)
        natives = [e._native for e in explanations]
        result = _native.ImageResult(first._photo, prepared, prediction, natives, False, record)
        return Path(self._native.add(result, name))

    def add_failure(self, photo: str | os.PathLike[str], message: str, *, name: str = "") -> None:
        """Names a photo that could not be explained."""
        self._native.add_failure(os.fspath(photo), message, name)

    def finish(self) -> Path:
        """Completes ``report.html`` and returns its path."""
        return Path(self._native.finish())


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        raise UsageError(
            f"found {type(model).__name__}, expected what vitrail.load gives: results record the file of their model. "
            "vitrail.export writes one of a module."
        )


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


@dataclass(frozen=True)
class Outcome:
    """What became of a photo."""

    photo: str
    folder: Path
    status: str  # "done"; "kept": the result was there already; "failed"
    problem: str = ""


def explain_photos(
    model: Model,
    photos: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    methods: MethodList = "gradcam,sobol",
    targets: Target | Sequence[Target] = "top1",
    *,
    seed: int | None = None,
    batch: int = 8,
    budget: str = "",
    names: Sequence[str] | None = None,
    progress: ProgressLike = None,
    cancellation: Cancellation | None = None,
) -> Iterator[Outcome]:
    """Explains many photos into a folder, one after the other, each when it is asked for.

    What is there already, whole, and answers the same question is kept: a run that was killed goes on when it is made
    again. A photo that cannot be used fails alone. :class:`Report` makes the page over all of them.

    Parameters
    ----------
    model
        What :func:`vitrail.load` made.
    photos
        Paths.
    out
        The folder; each photo gets ``OUT/NAME/result.json`` and its arrays and pictures.
    methods, targets, seed, batch, budget, progress, cancellation
        As :func:`vitrail.explain_all`.
    names
        Of the photos' folders; default: their stems, numbered where they collide.
    """
    _check_model(model)
    if isinstance(photos, (str, os.PathLike)):
        raise UsageError(f"found one path, {os.fspath(photos)!r}, expected a list of paths.")
    paths = [os.fspath(photo) for photo in photos]
    folders = list(names) if names is not None else _native.folder_names(paths)
    parsed = parse_methods(methods, seed)
    strings = target_strings(targets)
    question = model.record(parsed, strings, batch, budget)
    report = Report(out, model)
    for path, name in zip(paths, folders, strict=True):
        folder = Path(out) / name
        try:
            if not Path(path).is_file():
                raise InputError(f"there is no file {path}.")
            if _native.has_result(str(folder), path, model._native, question):
                yield Outcome(path, folder, "kept")
                continue
            found = explain_all(
                model,
                path,
                methods,
                targets,
                seed=seed,
                batch=batch,
                budget=budget,
                progress=progress,
                cancellation=cancellation,
            )
            report.add(found, name=name, record=model.record(parsed, strings, batch, budget))
            yield Outcome(path, folder, "done")
        except InputError as error:
            report.add_failure(path, str(error), name=name)
            yield Outcome(path, folder, "failed", str(error))


@dataclass(frozen=True)
class Reproduction:
    """A result computed again: what is different now."""

    same: bool
    differences: list[str]  # of model, photo, version, plan, threads: sentences
    maps: list[_native.ReproducedMap]


def reproduce(
    result: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] = "",
    image: str | os.PathLike[str] = "",
    tolerance: float = 1e-5,
    progress: ProgressLike = None,
) -> Reproduction:
    """Computes a ``result.json`` again from what it records.

    Parameters
    ----------
    result
        The file, or its folder.
    model, image
        Where they are now; default: where they were.
    tolerance
        Share of a map's range that counts as the same.
    """
    path = Path(result)
    saved = _native.read_result(str(path / "result.json" if path.is_dir() else path))
    cancellation = Cancellation()
    with cancelled_by_interrupts(cancellation) as came, listening(progress) as listener:
        execution = _native.Execution(8, "", True, listener, cancellation)
        again = _native.reproduce(saved, os.fspath(model), os.fspath(image), tolerance, execution)
    if came:
        raise KeyboardInterrupt
    return Reproduction(again.same, again.differences, again.maps)
