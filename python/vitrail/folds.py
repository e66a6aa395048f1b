"""MeGe and ReCo: are the explanations of a learning algorithm those of the task, or of one training run?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vitrail import _native
from vitrail.errors import Error, Interrupted, UsageError
from vitrail.explaining import Cancellation, ModelLike, Target, _explainable, parse_methods, target_strings
from vitrail.images import ImageLike
from vitrail.progress import ProgressLike, cancelled_by_interrupts, listening

Array = npt.ArrayLike | torch.Tensor


@dataclass(frozen=True)
class FoldScores:
    """MeGe and ReCo with intervals over images; what does not exist is NaN, and why not is in `reasons`."""

    mege: float  # 1 / (1 + mean distance of maps of models that are both right)
    mege_low: float
    mege_high: float
    reco: float  # how well distances tell pairs that are both right from those of which one is
    reco_low: float
    reco_high: float
    threshold: float  # a distance that gives ReCo; NaN where none is better than none
    equal: int  # distances of maps of models that are both right
    different: int  # of which exactly one is right
    undefined: int  # distances that do not exist
    reasons: dict[str, str]
    distance: str
    strict: bool

    def __str__(self) -> str:
        def show(name: str, value: float, low: float, high: float) -> str:
            if math.isnan(value):
                return f"no {name}: {self.reasons[name]}"
            return f"{name} {value:.4f}" + ("" if math.isnan(low) else f" ({low:.4f} to {high:.4f})")

        mege = show("MeGe", self.mege, self.mege_low, self.mege_high)
        reco = show("ReCo", self.reco, self.reco_low, self.reco_high)
        counted = f"{self.equal} equal, {self.different} different, {self.undefined} undefined"
        return f"{mege}; {reco}; {counted} distances ({self.distance})"


def _tensor(values: Array) -> torch.Tensor:
    return values.detach().cpu() if isinstance(values, torch.Tensor) else torch.as_tensor(np.asarray(values))


def mege(
    maps: Array | Sequence[Array],
    correct: Array,
    folds: Array,
    distance: str = "sqrt_abs_spearman",
    *,
    strict: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> FoldScores:
    """MeGe and ReCo of maps that K models, each trained without one part of N images, make of all these images.

    An image counts for two models if one of them was trained without it. The distance of their maps is `equal` if both
    are right, and `different` if exactly one is. MeGe is 1 / (1 + mean of the equal ones); ReCo is the best TPR + TNR - 1
    of a threshold that tells the two kinds apart. Maps that do not ask the model have MeGe 1 and ReCo 0: look at both.

    Parameters
    ----------
    maps
        ``[K,N,H,W]``, or K arrays ``[N,H,W]``; as ``vitrail evaluate folds`` keeps them.
    correct
        bool ``[K,N]``: the model is right about the image.
    folds
        ``[N]``: the model that was trained without the image.
    distance
        "sqrt_abs_spearman" (a map and its negative are alike), "one_minus_abs_spearman", "one_minus_spearman", "l1",
        "l2" or "ssim". MeGe is comparable within one distance only.
    strict
        Distances that equal the threshold count on neither side.
    level, resamples, seed
        Of the BCa bootstrap intervals over images, with these models as they are.

    Examples
    --------
    >>> maps = np.arange(24.0).reshape(1, 2, 3, 4).repeat(2, axis=0)  # two models that explain two images alike
    >>> scores = vt.mege(maps, [[True, True], [True, True]], [0, 1])
    >>> round(scores.mege, 6), scores.equal
    (1.0, 2)
    """
    each = [_tensor(of_model) for of_model in maps]  # type: ignore[union-attr]
    found, of_mege, of_reco = _native.mege(
        each, _tensor(correct), [int(fold) for fold in _tensor(folds)], distance, strict, level, resamples, seed
    )
    reasons = {
        "MeGe": found.mege_reason,
        "ReCo": found.reco_reason,
        "interval of MeGe": of_mege.reason,
        "interval of ReCo": of_reco.reason,
    }
    return FoldScores(
        found.mege,
        of_mege.low,
        of_mege.high,
        found.reco,
        of_reco.low,
        of_reco.high,
        found.threshold,
        found.equal,
        found.different,
        found.undefined,
        {what: why for what, why in reasons.items() if why},
        distance,
        strict,
    )


def split_folds(images: int, folds: int = 4, seed: int = 0) -> npt.NDArray[np.int64]:
    """The fold of each of so many images: a random split into parts whose sizes differ by at most one.

    Examples
    --------
    >>> sorted(vt.split_folds(6, 3).tolist())
    [0, 0, 1, 1, 2, 2]
    """
    return np.array(_native.split_folds(images, folds, seed))


class FoldStudy:
    """What K models say of N images; made by :func:`vitrail.explain_folds`.

    Attributes
    ----------
    maps
        ``[K,N,H,W]``: of each model, of each image for its label.
    correct
        bool ``[K,N]``: the model is right about the image.
    folds
        ``[N]``: the model that was trained without the image.
    method
        The canonical method string.
    """

    def __init__(
        self,
        maps: npt.NDArray[np.float32],
        correct: npt.NDArray[np.bool_],
        folds: npt.NDArray[np.int64],
        method: str,
    ) -> None:
        self.maps, self.correct, self.folds, self.method = maps, correct, folds, method
        self._scores: FoldScores | None = None

    def scores(
        self,
        distance: str = "sqrt_abs_spearman",
        *,
        strict: bool = False,
        level: float = 0.95,
        resamples: int = 2000,
        seed: int = 0,
    ) -> FoldScores:
        """MeGe and ReCo by a distance. Parameters: as :func:`vitrail.mege`."""
        return mege(
            self.maps,
            self.correct,
            self.folds,
            distance,
            strict=strict,
            level=level,
            resamples=resamples,
            seed=seed,
        )

    @property
    def _by_default(self) -> FoldScores:
        if self._scores is None:
            self._scores = self.scores()
        return self._scores

    @property
    def mege(self) -> float:
        """Mean generalisability, by the default distance."""
        return self._by_default.mege

    @property
    def reco(self) -> float:
        """Relative consistency, by the default distance."""
        return self._by_default.reco

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Of each model, the share of all images that it is right about."""
        return np.asarray(self.correct.mean(axis=1))

    @property
    def accuracy_held_out(self) -> npt.NDArray[np.float64]:
        """Likewise of the images that it was trained without."""
        return np.array([right[self.folds == fold].mean() for fold, right in enumerate(self.correct)])

    def __str__(self) -> str:
        return f"{self.method}: {self._by_default}"

    def __repr__(self) -> str:
        models, images = self.correct.shape
        return f"<FoldStudy of {models} models and {images} images by {self.method}>"


def _checked_folds(folds: Array, images: int, labels: int) -> list[int]:
    numbers = [int(fold) for fold in _tensor(folds)]
    if not images == labels == len(numbers):
        raise UsageError(
            f"found {images} images, {labels} labels and {len(numbers)} folds, expected one of each an image."
        )
    if len(set(numbers)) < 2 or set(numbers) != set(range(max(numbers) + 1)):
        raise UsageError(
            f"found the folds {sorted(set(numbers))}, expected two or more, numbered from 0, with an image in each."
        )
    return numbers


def explain_folds(
    images: Sequence[ImageLike],
    labels: Sequence[Target],
    folds: Array,
    models: Callable[[int], ModelLike] | Sequence[ModelLike],
    method: str = "gradcam",
    *,
    seed: int | None = None,
    batch: int = 8,
    progress: ProgressLike = None,
    cancellation: Cancellation | None = None,
) -> FoldStudy:
    """Explains images by several models, each trained without one part (fold) of them: the study behind MeGe and ReCo.

    Parameters
    ----------
    images
        Paths, PIL images, pixels or inputs.
    labels
        Of each image: the number of its class, or its name. It is what is explained, whether a model is right or wrong.
    folds
        Of each image: 0 to K - 1, the model that is trained without it (:func:`vitrail.split_folds`).
    models
        ``train(fold)``, which trains (or loads) a model without the images of a fold: called once for each, in order,
        with nothing else kept of the models before. Or a list of the K models. A module is wrapped
        (:func:`vitrail.wrap`), and has to be in evaluation mode.
    method
        One method string.
    seed, batch, progress, cancellation
        As :func:`vitrail.explain_all`.

    Examples
    --------
    >>> def train(fold):
    ...     return model  # of the images with folds != fold
    >>> study = vt.explain_folds([image, image], ["square", 0], [0, 1], train, "gradcam")
    >>> study.maps.shape, study.accuracy.tolist()
    ((2, 2, 32, 32), [0.5, 0.5])
    """
    numbers = _checked_folds(folds, len(images), len(labels))
    count = max(numbers) + 1
    if not callable(models) and len(models) != count:
        raise UsageError(f"found {len(models)} models for {count} folds, expected one for each.")
    strings = target_strings(labels)
    parsed = parse_methods(method, seed)
    if len(parsed) != 1:
        raise UsageError(f"{method!r} is {len(parsed)} methods, expected one.")
    cancellation = cancellation or Cancellation()
    maps, correct = [], []
    with cancelled_by_interrupts(cancellation) as came, listening(progress) as listener:
        execution = _native.Execution(batch, "", True, listener, cancellation)
        for fold in range(count):
            trained = models(fold) if callable(models) else models[fold]
            of_model = _OneModel(trained, parsed[0], batch, execution, cancellation)
            with torch.inference_mode(False):
                found = of_model.explain(images, strings)
            if found is None:
                raise Interrupted([])
            maps.append(found[0])
            correct.append(found[1])
    if came:
        raise Interrupted([])
    sizes = {of_model.shape for of_model in maps}
    if len(sizes) > 1:
        raise UsageError(f"the models give maps of different shapes, {sorted(sizes)}; expected inputs of one size.")
    return FoldStudy(np.stack(maps), np.stack(correct), np.array(numbers), parsed[0].canonical)


class _OneModel:
    """Explains all images for their labels."""

    def __init__(
        self,
        model: ModelLike,
        method: _native.Method,
        batch: int,
        execution: _native.Execution,
        cancellation: Cancellation,
    ) -> None:
        self.model = _explainable(model)
        self.method, self.batch, self.execution, self.cancellation = method, batch, execution, cancellation

    def explain(
        self, images: Sequence[ImageLike], labels: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
        """None where it was cancelled."""
        maps, correct = [], []
        for image, label in zip(images, labels, strict=True):
            try:
                found, right = self._one(image, label)
            except Error:
                if not self.cancellation.cancelled:
                    raise
                return None
            if self.cancellation.cancelled:
                return None
            maps.append(found)
            correct.append(right)
        return np.stack(maps), np.array(correct)

    def _one(self, image: ImageLike, label: str) -> tuple[npt.NDArray[np.float32], bool]:
        subject = self.model.subject(image)
        targets = self.model.targets([label, "top1"], subject)
        target, best = targets[0], targets[-1]
        if len(targets) != 2 or re.fullmatch(r"top\d+", label) or target.unit != "logit" or target.versus >= 0:
            raise UsageError(f"found the label {label!r}, expected one class: its number or its name.")
        scorer = self.model.scorer([target], subject, self.method.info, self.batch)
        found = self.method.explain(scorer, subject.prepared.input, self.execution)[0]
        return found.map.numpy(), best.index == target.index and not math.isnan(found.score)
