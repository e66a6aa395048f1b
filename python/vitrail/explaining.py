"""From a model, an image and a method string to explanations."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import torch

from vitrail import _native
from vitrail.errors import Interrupted, UsageError
from vitrail.explanation import Explanation, Explanations
from vitrail.images import ImageLike
from vitrail.model import Explainable, Model, Subject
from vitrail.progress import ProgressLike, cancelled_by_interrupts, listening
from vitrail.wrapped import Wrapped, wrap

ModelLike: TypeAlias = "Model | Wrapped | torch.nn.Module | Callable[[Any], Any]"
Target: TypeAlias = "str | SupportsIndex"
"""A target string, or the number of a class."""
MethodList: TypeAlias = "str | Sequence[str]"
"""A list of method strings: one string with commas, or several strings."""
Cancellation = _native.Cancellation


def _explainable(model: ModelLike) -> Explainable:
    if isinstance(model, (str, os.PathLike)):
        raise UsageError(f"found the path {os.fspath(model)!r}, expected a model: vitrail.load(path).")
    return model if isinstance(model, (Model, Wrapped)) else wrap(model)


def target_strings(targets: Target | Sequence[Target]) -> list[str]:
    def one(target: object) -> str:
        if isinstance(target, str):
            return target
        if isinstance(target, SupportsIndex) and not isinstance(target, bool):
            return str(operator.index(target))
        raise UsageError(f"found the target {reprlib.repr(target)}, expected a string or the number of a class.")

    if isinstance(targets, Sequence) and not isinstance(targets, str):
        return [one(target) for target in targets]
    return [one(targets)]


def parse_methods(methods: MethodList, seed: int | None) -> list[_native.Method]:
    several = [methods] if isinstance(methods, str) else list(methods) if isinstance(methods, Sequence) else [methods]
    for text in several:
        if not isinstance(text, str):
            raise UsageError(f"found a method of type {type(text).__name__}, expected a string, as 'sobol:grid=8'.")
    return _native.parse_methods(",".join(several), seed)


class _Run:
    """Everything that methods on one image for some targets share."""

    def __init__(
        self,
        model: ModelLike,
        image: ImageLike,
        targets: Target | Sequence[Target],
        batch: int,
        budget: str,
        incremental: bool,
        progress: ProgressLike,
        cancellation: Cancellation | None,
    ) -> None:
        if not isinstance(budget, str):
            raise UsageError(f"found budget={budget!r}, expected a string: '2000forwards' or '30s'.")
        strings = target_strings(targets)
        for string in strings:
            _native.check_target_syntax(string)
        self.model = _explainable(model)
        self.batch, self.budget, self.incremental, self.progress = batch, budget, incremental, progress
        self.cancellation = cancellation or Cancellation()
        self.subject: Subject = self.model.subject(image)
        self.targets = self.model.targets(strings, self.subject)
        self.done: list[Explanation] = []

    def scorer(self, method: _native.Method) -> _native.Scorer:
        return self.model.scorer(self.targets, self.subject, method.info, self.batch)

    def listen(self, body: Callable[[_native.Execution], None]) -> None:
        """Runs `body` with progress and Ctrl-C looked after; what `self.done` holds then survives an interrupt."""
        with cancelled_by_interrupts(self.cancellation) as came, listening(self.progress) as progress:
            try:
                body(_native.Execution(self.batch, self.budget, self.incremental, progress, self.cancellation))
            except UsageError as error:
                if isinstance(self.model, Wrapped):
                    error.add_note(self.model.what_it_lacks())
                raise
        if came:
            raise Interrupted(self.done)

    def results(self, natives: Sequence[_native.Explanation]) -> list[Explanation]:
        subject, name = self.subject, self.model.name
        return [Explanation(n, subject.photo, subject.prepared.placed, name, subject.is_photo) for n in natives]


def explain_all(
    model: ModelLike,
    image: ImageLike,
    methods: MethodList = "sobol",
    targets: Target | Sequence[Target] = "top1",
    *,
    seed: int | None = None,
    batch: int = 8,
    budget: str = "",
    incremental: bool = True,
    progress: ProgressLike = None,
    cancellation: Cancellation | None = None,
) -> Explanations:
    """Explains an image by several methods, for several targets; the targets share the forwards of a method.

    Parameters
    ----------
    model
        What :func:`vitrail.load` or :func:`vitrail.wrap` made; a module or a function is wrapped.
    image
        A path, a PIL image, pixels uint8 ``[H,W,3]``; or an input, floating point ``[C,H,W]``.
    methods
        Method strings: ``"sobol:grid=8,designs=16,rise"``, or a list of them.
    targets
        One or several: ``"top1"``, ``"top3"``, ``281``, ``"tabby cat"``, ``"prob:281"``, ``"281-vs-285"``, ``"box:1"`` ...
    seed
        Of every method that draws numbers and does not name its own.
    batch
        Samples a forward.
    budget
        Limit of each method: "2000forwards", "30s". What is stopped is ``partial``, and valid.
    incremental
        Compute of images that differ little only what differs, where that pays.
    progress
        None: a bar where somebody looks. False: nothing. A function: it is called with a :class:`Progress`.
    cancellation
        ``cancel()`` of it, from any thread, ends the run with partial results.

    Returns
    -------
    Explanations
        Methods in the given order, targets fastest.

    Raises
    ------
    UsageError
        An unknown method, option, target or layer; a method that the model does not allow.
    Interrupted
        Ctrl-C; what is done, and the partial result of what ran, are in it.

    Examples
    --------
    >>> both = vt.explain_all(model, image, "saliency,occlusion:patch=8,stride=8")
    >>> [e.name for e in both]
    ['saliency', 'occlusion']
    """
    parsed = parse_methods(methods, seed)
    with torch.inference_mode(False):  # whatever the caller is in: methods take gradients
        return _explain_all(parsed, _Run(model, image, targets, batch, budget, incremental, progress, cancellation))


def _explain_all(parsed: Sequence[_native.Method], run: _Run) -> Explanations:
    def body(execution: _native.Execution) -> None:
        for method in parsed:
            if run.cancellation.cancelled and run.done:
                break
            run.done += run.results(method.explain(run.scorer(method), run.subject.prepared.input, execution))

    run.listen(body)
    return Explanations(run.done)


def explain(
    model: ModelLike,
    image: ImageLike,
    method: str = "sobol",
    target: Target = "top1",
    *,
    seed: int | None = None,
    batch: int = 8,
    budget: str = "",
    incremental: bool = True,
    progress: ProgressLike = None,
    cancellation: Cancellation | None = None,
) -> Explanation:
    """Explains an image by one method for one target. Parameters and errors: as :func:`explain_all`.

    Examples
    --------
    >>> why = vt.explain(model, image, "occlusion:patch=8,stride=8")
    >>> why.map.shape
    (32, 32)
    """
    found = explain_all(
        model,
        image,
        method,
        target,
        seed=seed,
        batch=batch,
        budget=budget,
        incremental=incremental,
        progress=progress,
        cancellation=cancellation,
    )
    if len(found) != 1:
        raise UsageError(
            f"{method!r} for {target!r} gives {len(found)} explanations, expected one: use vitrail.explain_all."
        )
    return found[0]


def stream(
    model: ModelLike,
    image: ImageLike,
    method: str = "rise",
    target: Target = "top1",
    *,
    first: int = 64,
    seed: int | None = None,
    batch: int = 8,
    budget: str = "",
    incremental: bool = True,
    progress: ProgressLike = False,
    cancellation: Cancellation | None = None,
) -> Iterator[Explanation]:
    """The map as it comes into focus: partial results after `first` forwards, twice as many, and so on to the whole.

    Black-box methods score no image twice for it; others begin again, which doubles their cost. Other parameters and
    errors: as :func:`explain_all`.

    Examples
    --------
    >>> [e.forwards for e in vt.stream(model, image, "rise:masks=200")]
    [64, 128, 200]
    """
    [parsed, *others] = parse_methods(method, seed)
    if others:
        raise UsageError(f"{method!r} is {len(others) + 1} methods, expected one.")
    with torch.inference_mode(False):
        run = _Run(model, image, target, batch, budget, incremental, progress, cancellation)
    if len(run.targets) != 1:
        raise UsageError(f"{target!r} is {len(run.targets)} targets, expected one.")
    with torch.inference_mode(False):
        scorer = run.scorer(parsed)
    looks = _native.PartialResults(parsed, scorer, run.subject.prepared.input, first)
    return _looks(run, looks)


def _looks(run: _Run, looks: _native.PartialResults) -> Iterator[Explanation]:
    while True:
        found: list[_native.Explanation] = []

        def body(execution: _native.Execution, found: list[_native.Explanation] = found) -> None:
            found += looks.next(execution) or []
            run.done = run.results(found)

        with torch.inference_mode(False):
            run.listen(body)
        if not found:
            return
        yield run.done[0]


def options_text(name: str, options: dict[str, object]) -> str:
    """The method string of a name and options."""

    def write(key: str, value: object) -> str:
        plain: object = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, bool):
            return "true" if plain else "false"
        if isinstance(plain, float):
            return repr(plain)
        if isinstance(plain, os.PathLike):
            plain = os.fspath(plain)
        if isinstance(plain, (int, str)) and "," not in str(plain):
            return str(plain)
        found = reprlib.repr(plain) if isinstance(plain, str) else type(plain).__name__
        raise UsageError(f"{name}: found {key}={found}, expected a number, a flag, or a word without commas.")

    settings = ",".join(f"{key}={write(key, value)}" for key, value in options.items())
    return f"{name}:{settings}" if settings else name


def explain_by(name: str, model: ModelLike, image: ImageLike, target: Target, arguments: dict[str, Any]) -> Explanation:
    """One method by its name; `arguments` are its options and those of :func:`explain`."""
    how = {key: arguments.pop(key) for key in EXECUTION if key in arguments}
    return explain(model, image, options_text(name, arguments), target, **how)


EXECUTION = ("batch", "budget", "incremental", "progress", "cancellation")
"""Keyword arguments of every method that say how, not what, is computed."""
