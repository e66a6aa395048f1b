"""Which method explains a model best, and how sure is that?"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from vitrail import _native
from vitrail.errors import Error, InputError, Interrupted, ModelError, UsageError
from vitrail.explaining import Cancellation, MethodList, ModelLike, Target, _explainable, parse_methods, target_strings
from vitrail.images import ImageLike
from vitrail.model import Model
from vitrail.progress import ProgressLike, cancelled_by_interrupts, listening

Plane = npt.NDArray[Any] | torch.Tensor
"""An array ``[height,width]`` at the size of the model's input; of human maps also ``[people,height,width]``."""


class Evaluation:
    """Mean scores of methods by metrics, with intervals, and which differences are more than chance.

    Attributes
    ----------
    rows
        One a method and metric: ``.method``, ``.metric``, ``.direction``, ``.mean``, ``.low``, ``.high``, ``.n``,
        ``.undefined`` (photos without a value), ``.reasons``, ``.forwards`` and ``.seconds`` a photo; with ``repeats``
        ``.variance_images`` and ``.variance_sampling``, else NaN.
    comparisons
        One a metric and pair of methods: ``.difference``, ``.low``, ``.high``, ``.p``, ``.adjusted_p``, ``.effect``,
        ``.better`` (empty where that is open).
    ceilings
        One a metric of human alignment, where several people's maps were given: how well the map of each agrees with
        the mean of the others': ``.metric``, ``.mean``, ``.low``, ``.high``, ``.n``.
    photos
        The scores photo by photo.
    """

    def __init__(self, native: _native.Evaluation, photos: Sequence[_native.PhotoEvaluation]) -> None:
        self._native = native
        self.photos = list(photos)
        self.rows = native.rows
        self.comparisons = native.comparisons
        self.ceilings = native.ceilings

    @property
    def concordance(self) -> float:
        """Kendall's W of the metrics about the methods: 1 where all agree; NaN of fewer than two."""
        return self._native.concordance

    @property
    def failed(self) -> int:
        """Photos without scores."""
        return self._native.failed

    def row(self, method: str, metric: str) -> _native.EvaluationRow:
        """The row of a method and a metric, by their names or whole strings."""
        for row in self.rows:
            if method in (row.method, row.method_string) and metric in (row.metric, row.metric_string):
                return row
        known = sorted({f"{row.method} by {row.metric}" for row in self.rows})
        raise UsageError(f"there is no row of {method!r} by {metric!r}. Known: {', '.join(known)}.")

    def scores(self, method: str, metric: str) -> npt.NDArray[np.float64]:
        """The scores of the photos, in their order; NaN where there is none."""
        place = self.rows.index(self.row(method, metric))
        metrics = len({row.metric_string for row in self.rows})
        values = []
        for photo in self.photos:
            found = photo.methods[place // metrics].scores if photo.methods else []
            values.append(found[place % metrics].value if found else np.nan)
        return np.array(values)

    def __str__(self) -> str:
        return self._native.table()

    def __repr__(self) -> str:
        methods, metrics = ({getattr(row, name) for row in self.rows} for name in ("method_string", "metric_string"))
        return f"<Evaluation of {len(methods)} methods by {len(metrics)} metrics on {len(self.photos)} photos>"


def _plane(planes: Mapping[int, Plane] | Sequence[Plane | None] | None, place: int) -> torch.Tensor | None:
    if planes is None:
        return None
    plane = planes.get(place) if isinstance(planes, Mapping) else planes[place]
    return None if plane is None else torch.as_tensor(np.asarray(plane))


def _people(
    maps: torch.Tensor | None, metrics: Sequence[_native.Metric]
) -> tuple[torch.Tensor | None, dict[str, float]]:
    """The map that methods are compared with, and the ceiling of each metric where there are several people."""
    if maps is None or maps.ndim != 3:
        return maps, {}
    ceilings = _native.human_ceilings(metrics, maps) if len(maps) > 1 else {}
    return _native.mean_human_map(maps), ceilings


def _name(image: ImageLike, place: int) -> str:
    return os.fspath(image) if isinstance(image, (str, pathlib.Path)) else f"image {place}"


class _Judge:
    """Explains and judges image by image."""

    def __init__(
        self,
        model: ModelLike,
        methods: Sequence[_native.Method],
        metrics: Sequence[_native.Metric],
        target: str,
        batch: int,
        leave_out: bool,
        repeats: int,
    ) -> None:
        self.model = _explainable(model)
        self.methods, self.metrics, self.target = methods, metrics, target
        self.batch, self.leave_out = batch, leave_out
        self.repeats = repeats
        self.black_box = _native.parse_methods("occlusion", None)[0].info

    def image(
        self,
        image: ImageLike,
        truth: torch.Tensor | Literal["target"] | None,
        human_map: torch.Tensor | None,
        execution: _native.Execution,
    ) -> list[_native.MethodEvaluation]:
        subject = self.model.subject(image)
        targets = self.model.targets([self.target], subject)
        if len(targets) != 1:
            raise UsageError(f"the target {self.target!r} stands for {len(targets)} targets; an evaluation wants one.")
        if isinstance(truth, str):
            truth = _native.truth_of_target(targets[0], subject.prepared)
        native = self.model._native if isinstance(self.model, Model) else None
        probable = _native.as_probability(targets[0])
        fast = self.model.scorer(targets, subject, self.black_box, self.batch)
        probability = None
        if probable is not None:
            probability = self.model.scorer([probable], subject, self.black_box, self.batch)

        def judged(method: _native.Method) -> _native.MethodEvaluation:
            scorer = self.model.scorer(targets, subject, method.info, self.batch, again_and_again=True)
            try:
                explanation = method.explain(scorer, subject.prepared.input, execution)[0]
            except (UsageError, ModelError) as error:
                if not self.leave_out:
                    raise
                return _native.MethodEvaluation(str(error))
            return _native.judge(
                explanation, scorer, probability, fast, subject.prepared.input, method, native, targets[0], truth,
                human_map, self.metrics, self.leave_out, execution,
            )  # fmt: skip

        found = []
        for method in self.methods:
            seeds = [_native.reseeded(method, by) for by in range(1, self.repeats)]
            drawn = [judged(method), *(judged(other) for other in seeds if other)]
            found.append(drawn[0] if len(drawn) == 1 else _native.average_repeats(drawn))
        return found


def evaluate(
    model: ModelLike,
    images: Sequence[ImageLike],
    methods: MethodList,
    metrics: str | Sequence[str] = "deletion,insertion,mu_fidelity",
    target: Target = "top1",
    *,
    truths: Mapping[int, Plane] | Sequence[Plane | None] | Literal["target"] | None = None,
    human_maps: Mapping[int, Plane] | Sequence[Plane | None] | None = None,
    seed: int | None = None,
    repeats: int = 1,
    batch: int = 8,
    level: float = 0.95,
    resamples: int = 2000,
    progress: ProgressLike = None,
    cancellation: Cancellation | None = None,
) -> Evaluation:
    """Explains images by several methods and judges every map by several metrics.

    Parameters
    ----------
    model
        As :func:`vitrail.explain` takes it. Metrics that look into a network (``model_randomisation``, ``robustness``)
        want an ONNX model.
    images
        Paths, PIL images, pixels or inputs. What cannot be read is counted in ``failed``.
    methods, metrics
        Method and metric strings: ``"gradcam,sobol:grid=8,random"``, ``"deletion:steps=20,insertion"``; the controls
        ``random``, ``edges`` and ``centre`` know nothing of the model. ``"all"``: every one that can be.
    target
        One target for every image: "top1", a class, "box:1".
    truths
        Of each image, or of some by their number: where the target is, bool ``[height,width]``. "target": where the
        target itself is, the box of "box:1" or the zone of "zone:x:y".
    human_maps
        Likewise where people look: ``[height,width]``, or ``[people,height,width]``; then methods are compared with the
        mean, and people with each other (``ceilings``).
    seed
        Of every method and metric that draws numbers and does not name its own.
    repeats
        How often every method that draws numbers explains an image, with the seeds ``seed``, ``seed + 1`` ...: scores
        and maps' costs are then means and sums of all, and the rows say how much of the variance of a score is between
        images (``variance_images``) and how much between maps of one image (``variance_sampling``).
    level, resamples
        Of the bootstrap intervals.

    Examples
    --------
    >>> found = vt.evaluate(model, [image, image], "saliency,random", "deletion")
    >>> found.row("saliency", "deletion").n
    2
    """
    if isinstance(truths, str) and truths != "target":
        raise UsageError(f'truths is {truths!r}; expected regions, or "target".')
    if repeats < 1:
        raise UsageError(f"repeats is {repeats}; expected at least 1.")
    strings = target_strings(target)
    parsed = parse_methods(methods, seed)
    text = metrics if isinstance(metrics, str) else ",".join(metrics)
    judged_by = _native.parse_metrics(text, seed)
    everything = "all" in text.split(",") or "all" in ",".join(
        [methods] if isinstance(methods, str) else methods
    ).split(",")
    judge = _Judge(model, parsed, judged_by, strings[0], batch, everything, repeats)
    cancellation = cancellation or Cancellation()
    found: list[_native.PhotoEvaluation] = []
    with torch.inference_mode(False), cancelled_by_interrupts(cancellation) as came, listening(progress) as listener:
        execution = _native.Execution(batch, "", False, listener, cancellation)
        for place, image in enumerate(images):
            if came or cancellation.cancelled:
                break
            try:
                human_map, ceilings = _people(_plane(human_maps, place), judged_by)
                truth = truths if isinstance(truths, str) else _plane(truths, place)
                scores = judge.image(image, truth, human_map, execution)
                found.append(_native.PhotoEvaluation(_name(image, place), "", scores, ceilings))
            except InputError as error:
                found.append(_native.PhotoEvaluation(_name(image, place), str(error), [], {}))
            except Error:
                if not (came or cancellation.cancelled):
                    raise
    if came or cancellation.cancelled:
        raise Interrupted([])
    native = _native.summarise(found, [m.canonical for m in parsed], judged_by, level, resamples, seed or 1)
    return Evaluation(native, found)
