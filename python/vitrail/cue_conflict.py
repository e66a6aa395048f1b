"""Shape or texture: what observers call images whose shape says one category and whose texture another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vitrail import _native
from vitrail.errors import UsageError


def shape_bias(
    shapes: Sequence[str],
    textures: Sequence[str],
    answers: Sequence[str],
    images: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> _native.ShapeBias:
    """Shape decisions / (shape + texture decisions) of an observer, or of several pooled (Geirhos et al. 2019).

    Parameters
    ----------
    shapes, textures, answers
        Of each decision. An answer that is neither is counted in ``other``; where shape and texture are the same there
        is nothing to decide.
    images
        Which image each decision is of, where several observers saw the same: the bootstrap draws images, with all
        their answers. Without it every decision is of its own image.
    level, resamples, seed
        Of the bootstrap interval.

    Returns
    -------
    ShapeBias
        ``.value``, ``.low``, ``.high``, and the counts ``.shape``, ``.texture``, ``.other``.

    Examples
    --------
    >>> vt.shape_bias(["cat"] * 4, ["clock"] * 4, ["cat", "clock", "clock", "dog"]).value
    0.3333333333333333
    """
    names = [str(place) for place in range(len(shapes))] if images is None else images
    if not len(names) == len(shapes) == len(textures) == len(answers):
        raise UsageError(
            f"found {len(shapes)} shapes, {len(textures)} textures, {len(answers)} answers and {len(names)} images; "
            "expected one of each a decision."
        )
    decisions = list(zip(names, shapes, textures, answers, strict=True))
    return _native.shape_bias(decisions, level, resamples, seed)


def error_consistency(right_a: npt.ArrayLike, right_b: npt.ArrayLike) -> float:
    """Cohen's kappa of two observers being right on the same images (Geirhos, Meding, Wichmann 2020).

    Parameters
    ----------
    right_a, right_b
        Whether each was right, image by image.

    Returns
    -------
    float
        1: the same errors; 0: no more than the accuracies explain; NaN of two who are always right.

    Examples
    --------
    >>> vt.error_consistency([True, True, False, False], [True, True, False, False])
    1.0
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise UsageError(f"found answers of the shapes {a.shape} and {b.shape}; expected two lists of one length.")
    return _native.error_consistency(float((a == b).mean()), float(a.mean()), float(b.mean()))
