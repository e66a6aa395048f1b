"""ONNX models, and what every kind of model offers to the methods."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, overload

import numpy as np
import numpy.typing as npt
import torch

from vitrail import _native
from vitrail.errors import UsageError
from vitrail.images import ImageLike, as_input, as_tensor, read_photo, show_input


@dataclass(frozen=True)
class Prediction:
    """One line of what a model says of an image. What does not exist is NaN or None."""

    index: int
    label: str
    logit: float
    probability: float
    area: float | None = None  # of a segmentation: share of the cells
    box: tuple[float, float, float, float] | None = None  # of a detector: x0, y0, x1, y1 in pixels of the photo


def _prediction(found: _native.Prediction) -> Prediction:
    box = None if found.box is None else (found.box.x0, found.box.y0, found.box.x1, found.box.y1)
    return Prediction(found.index, found.label, found.logit, found.probability, found.area, box)


@dataclass(frozen=True)
class Subject:
    """An image as a model sees it."""

    photo: _native.Image  # of an input, a picture of it
    prepared: _native.PreparedImage
    is_photo: bool


class Explainable(Protocol):
    """What a model offers to :func:`vitrail.explain`."""

    @property
    def name(self) -> str: ...

    def subject(self, image: ImageLike) -> Subject: ...

    def targets(self, strings: Sequence[str], subject: Subject) -> list[_native.Target]: ...

    def scorer(
        self,
        targets: Sequence[_native.Target],
        subject: Subject,
        method: _native.MethodInfo,
        batch: int,
        *,
        again_and_again: bool = False,
    ) -> _native.Scorer: ...


def subject_of_input(values: object) -> Subject:
    prepared = _native.PreparedImage(as_input(values))
    return Subject(show_input(prepared.input), prepared, is_photo=False)


class Model:
    """An ONNX network with its preprocessing and labels; made by :func:`vitrail.load`. Safe to use from several threads.

    Black-box methods score by a plan for this machine (layers fused, laid out and packed for the processor), made with
    the first image that needs one.
    """

    def __init__(
        self,
        native: _native.Model,
        plan: Literal["auto", "none"] | Mapping[str, str] = "auto",
        output: str = "",
        input_size: tuple[int, int] | None = None,
    ) -> None:
        self._native = native
        self._plan = plan
        self._output, self._input_size = output, input_size
        self._planned: _native.Model | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The file that it came from."""
        return self._native.path

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""
        return self._native.sha256

    @property
    def labels(self) -> list[str]:
        """One a class; empty where the model has none."""
        return self._native.labels

    @property
    def classes(self) -> int:
        """How many scores it gives."""
        return self._native.classes

    @property
    def layers(self) -> list[_native.LayerInfo]:
        """Every named place of the network, in order: ``.name``, ``.op``, ``.shape``."""
        return self._native.layers

    @property
    def preprocess(self) -> dict[str, object]:
        """The record of its preprocessing."""
        return dict(json.loads(self._native.preprocess.to_json()))

    @property
    def preprocess_source(self) -> str:
        """Where the record came from: "sidecar m.json", "preset imagenet" ..."""
        return self._native.preprocess_source

    @property
    def warnings(self) -> list[str]:
        """What loading found."""
        return (self._planned or self._native).warnings

    @property
    def plan(self) -> dict[str, str]:
        """What computes scores, as results record it; given to :func:`vitrail.load` as `plan` it is made again."""
        return (self._planned or self._native).plan_record

    def __repr__(self) -> str:
        return f"<vitrail.Model {self.name}: {self._native.output_description}>"

    def prepare(self, image: ImageLike) -> torch.Tensor:
        """The input ``[1,C,H,W]``, float32, that an image becomes."""
        return self.subject(image).prepared.input

    def predict(self, image: ImageLike, top: int = 5) -> list[Prediction]:
        """The `top` best classes (boxes, values) of an image.

        Examples
        --------
        >>> [best] = model.predict(image, top=1)
        >>> best.label
        'square'
        """
        return [_prediction(p) for p in self._native.predict(self.subject(image).prepared, top)]

    @overload
    def __call__(self, inputs: torch.Tensor) -> torch.Tensor: ...
    @overload
    def __call__(self, inputs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]: ...
    def __call__(self, inputs: torch.Tensor | npt.NDArray[np.floating]) -> torch.Tensor | npt.NDArray[np.floating]:
        """Logits ``[N,K]`` of inputs ``[N,C,H,W]``. Gradients of any order flow through, where the inputs ask for them."""
        logits = self._native.logits(as_tensor(inputs))
        return logits if isinstance(inputs, torch.Tensor) else logits.detach().numpy()

    def run(self, feeds: Mapping[str, torch.Tensor], fetches: Sequence[str]) -> list[torch.Tensor]:
        """Feeds tensors at any values or layers, fetches any values. Differentiable."""
        return self._native.run(list(feeds.items()), list(fetches))

    # What methods ask for

    def subject(self, image: ImageLike) -> Subject:
        photo = read_photo(image)
        if photo is None:
            return subject_of_input(image)
        return Subject(photo, self._native.prepare(photo), is_photo=True)

    def targets(self, strings: Sequence[str], subject: Subject) -> list[_native.Target]:
        return self._native.targets(list(strings), subject.prepared)

    def scorer(
        self,
        targets: Sequence[_native.Target],
        subject: Subject,
        method: _native.MethodInfo,
        batch: int,
        *,
        again_and_again: bool = False,
    ) -> _native.Scorer:
        """`again_and_again`: the method will explain many inputs, and then also one gradient of each is worth a plan's."""
        by_gradients = method.repeats_gradients or (again_and_again and method.needs == "gradient")
        by_plan = method.uses_plan or by_gradients
        native = self.planned(subject, batch, by_gradients) if by_plan else self._native
        return native.probe(list(targets))

    def record(
        self, methods: Sequence[_native.Method], targets: Sequence[str], batch: int, budget: str
    ) -> _native.RunRecord:
        """What results say of a run, so that it can be reproduced."""
        by_plan = self._plan != "none" and any(method.info.uses_plan for method in methods)
        asked = "none" if not by_plan else "auto" if self._plan == "auto" else "file"
        return _native.RunRecord(
            (self._planned if by_plan and self._planned is not None else self._native),
            [method.canonical for method in methods],
            list(targets),
            batch,
            budget,
            asked,
            self._output,
            list(self._input_size or ()),
        )

    def planned(self, subject: Subject, batch: int, gradients: bool) -> _native.Model:
        """With a plan, made once; one for scores is made anew when gradients are wanted too."""
        if self._plan == "none":
            return self._native
        with self._lock:
            known = self._planned
            if known is None or (gradients and known.has_plan and not known.plan_gives_gradients):
                recorded = self._plan if isinstance(self._plan, Mapping) else known.plan_record if known else {}
                self._planned = self._native.with_plan(
                    subject.prepared.input, "float32", batch, gradients, dict(recorded)
                )
            assert self._planned is not None
            return self._planned


def load(
    path: str | os.PathLike[str],
    *,
    preprocess: str | Mapping[str, object] = "",
    output: str = "",
    input_size: tuple[int, int] | None = None,
    device: str = "cpu",
    double: bool = False,
    plan: Literal["auto", "none"] | Mapping[str, str] = "auto",
) -> Model:
    """Loads an ONNX model.

    Parameters
    ----------
    path
        Of the ``.onnx`` file. Preprocessing and labels come from `preprocess`, else the file's metadata, else
        ``NAME.json`` beside it, else a guess that ``model.warnings`` mentions.
    preprocess
        A preset ("imagenet", "half", "unit", "raw"), the path of a JSON record, or the record itself.
    output
        Which output to explain, where there are several.
    input_size
        Height and width, where the file leaves them open.
    device
        "cpu", "cuda", "cuda:1".
    double
        float64 parameters and arithmetic, for checks.
    plan
        "auto": a plan for this machine, chosen by timing. "none": the graph as it is. Or what ``model.plan`` said
        before: the same plan again, and so the same bytes.

    Raises
    ------
    ModelError
        The file is unreadable or uses operators that vitrail does not know.
    """
    if isinstance(plan, str) and plan not in ("auto", "none"):
        raise UsageError(f"found plan={plan!r}, expected 'auto', 'none' or the record of a plan.")
    record = preprocess if isinstance(preprocess, str) else json.dumps(preprocess)
    return Model(
        _native.Model.load(os.fspath(path), record, output, list(input_size or ()), device, double),
        "none" if double else plan,
        output,
        input_size,
    )
