"""The result of a method: a map and everything needed to read it, as a Python object."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
import torch

from vitrail import _native
from vitrail.errors import UsageError
from vitrail.images import show_input
from vitrail.progress import is_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Map = npt.NDArray[np.float32]

ARRAYS = ("map", "cells", "standard_error")


def _array(tensor: torch.Tensor | None) -> Map | None:
    return None if tensor is None else tensor.numpy()


class Explanation:
    """Where one method says that a model looks, on one image, for one target.

    Made by :func:`vitrail.explain` and its kin. Comparable: two explanations are equal where method, target and the
    bytes of the maps are. Picklable. In a notebook it shows itself.
    """

    def __init__(
        self,
        native: _native.Explanation,
        photo: _native.Image | None = None,
        placed: _native.Rectangle | None = None,
        model: str = "",
        is_photo: bool = True,
    ) -> None:
        self._native = native
        self._photo = photo
        self._placed = placed
        self._model = model
        self._is_photo = is_photo  # else the photo is only a picture of an input

    @property
    def map(self) -> Map:
        """float32 ``[H,W]``, at the size of the model's input. Shares the memory of the result."""
        return self._native.map.numpy()

    @property
    def cells(self) -> Map | None:
        """float32, the native values before they were enlarged (a grid, a layer), where the method has some."""
        return _array(self._native.cells)

    @property
    def standard_error(self) -> Map | None:
        """float32 ``[H,W]``, in the map's unit, where the method samples."""
        return _array(self._native.standard_error)

    @property
    def extras(self) -> dict[str, Map]:
        """Further values from the same samples, by name."""
        return {name: values.numpy() for name, values in self._native.extras.items()}

    @property
    def method(self) -> str:
        """The method with all of its options: parses back to the same method."""
        return self._native.method

    @property
    def name(self) -> str:
        """The method's name alone."""
        return self._native.name

    @property
    def target(self) -> _native.Target:
        """What was explained: ``.string``, ``.index``, ``.label``, ``.unit``, ``.title``."""
        return self._native.target

    @property
    def is_signed(self) -> bool:
        """Whether negative values speak against the target; else the map is importance without direction."""
        return self._native.is_signed

    @property
    def unit(self) -> str:
        """Of a value of the map: "logit", "share of variance", "logit per input unit" ..."""
        return self._native.unit

    @property
    def score(self) -> float:
        """Of the target on the image itself."""
        return self._native.score

    @property
    def forwards(self) -> int:
        """Samples that went through the model, shared by the targets of one run."""
        return self._native.forwards

    @property
    def backwards(self) -> int:
        """Gradients that were taken."""
        return self._native.backwards

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self._native.seconds

    @property
    def seed(self) -> int:
        """Of the random numbers; 0 where none were drawn."""
        return self._native.seed

    @property
    def baseline(self) -> str:
        """What replaced hidden parts; empty where nothing was hidden."""
        return self._native.baseline

    @property
    def completeness_gap(self) -> float | None:
        """Sum of the map less the score's difference to the baseline, where the method promises that they agree."""
        return self._native.completeness_gap

    @property
    def partial(self) -> bool:
        """Stopped early, by a budget or an interrupt."""
        return self._native.partial

    @property
    def plan(self) -> dict[str, str]:
        """Choices made on the way: layer, batch, engine, steps used."""
        return self._native.plan

    @property
    def warnings(self) -> list[str]:
        """What a reader of the map should know."""
        return self._native.warnings

    @property
    def photo(self) -> npt.NDArray[np.uint8] | None:
        """The photo that was explained, or a picture of the input, uint8 ``[H,W,3]``; None where it is not known."""
        return None if self._photo is None else self._photo.pixels.numpy()

    def summary(self) -> str:
        """A few lines for people: method, target, score, cost, error, warnings."""
        return self._native.summary()

    def __repr__(self) -> str:
        return f"<vitrail.Explanation: {self.name} of {self.target.title}, {self.map.shape[0]}x{self.map.shape[1]}>"

    # Identity

    @property
    def hash(self) -> str:
        """SHA-256 of method, target and the bytes of map, cells and standard error, hexadecimal."""
        digest = hashlib.sha256()
        for word in (self.method, self.target.string, self.target.slug, self.unit):
            digest.update(word.encode() + b"\0")
        for name in ARRAYS:
            values = getattr(self, name)
            digest.update(name.encode() + b"\0" if values is None else f"{name} {values.shape}\0".encode())
            digest.update(b"" if values is None else values.tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Explanation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    # To and from plain values

    def state(self) -> dict[str, Any]:
        """Everything as plain values and arrays, for files and pickles."""
        state = dict(self._native.state())
        state.update({name: getattr(self, name) for name in ARRAYS}, extras=self.extras)
        placed = self._placed
        state["placed"] = None if placed is None else (placed.x0, placed.y0, placed.x1, placed.y1)
        state["photo"], state["model"], state["is_photo"] = self.photo, self._model, self._is_photo
        return state

    @staticmethod
    def from_state(state: dict[str, Any]) -> Explanation:
        """The explanation of which :meth:`state` is."""
        native = dict(state)
        photo, placed, model = native.pop("photo"), native.pop("placed"), native.pop("model")
        is_photo = native.pop("is_photo")
        for name in ARRAYS:
            native[name] = None if state[name] is None else torch.from_numpy(state[name])
        native["extras"] = {name: torch.from_numpy(values) for name, values in state["extras"].items()}
        return Explanation(
            _native.Explanation.from_state(native),
            None if photo is None else _native.Image(torch.from_numpy(photo)),
            None if placed is None else _native.Rectangle(*placed),
            model,
            is_photo,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Explanation.from_state, (self.state(),)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one file (NumPy's ``.npz``) that :func:`vitrail.open` reads back, photo included."""
        Explanations([self]).save(path)

    # Pictures

    def picture(self) -> npt.NDArray[np.uint8]:
        """The map over the photo, with colour bar and caption: uint8 ``[H,W,3]``."""
        height, width = self.map.shape
        photo = self._photo or show_input(torch.zeros(1, 3, height, width))
        placed = self._placed or _native.Rectangle(0, 0, photo.width, photo.height)
        return _native.draw(self._native, photo, placed).numpy()

    def _repr_png_(self) -> bytes:
        return _native.encode_png(torch.from_numpy(self.picture()))

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self._repr_png_()).decode()
        text = html.escape(self.summary())
        return (
            f'<figure style="margin:0"><img alt="{html.escape(repr(self))}" style="max-width:100%" '
            f'src="data:image/png;base64,{picture}"/><figcaption><details><summary>{html.escape(self.name)}</summary>'
            f"<pre>{text}</pre></details></figcaption></figure>"
        )

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the picture with matplotlib.

        Parameters
        ----------
        axes
            Where; default: a figure of its own.
        """
        if axes is None:
            axes = _pyplot().figure(figsize=(5, 5), layout="constrained").add_subplot()
        axes.imshow(self.picture())
        axes.set_axis_off()
        return axes

    def compare(
        self, other: Explanation, *, level: float = 0.05, top: float = 0.1, correction: str = "fdr"
    ) -> _native.MapComparison:
        """This map beside another: do they order the image alike, and which differences are more than noise?

        Parameters
        ----------
        other
            Of the same image.
        level
            Of the error that `correction` speaks of.
        top
            Share of the cells that counts as the top.
        correction
            "fdr" (of the cells called different at most `level` are so by accident, on average) or "bonferroni".
        """
        if correction not in ("fdr", "bonferroni"):
            raise UsageError(f"found correction={correction!r}, expected 'fdr' or 'bonferroni'.")
        return _native.compare_maps(self._native, other._native, level, top, correction)


class Explanations(Sequence[Explanation]):
    """Several explanations of one image: methods in the given order, targets fastest."""

    def __init__(self, explanations: Sequence[Explanation]) -> None:
        self._all = list(explanations)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> Explanations: ...
    def __getitem__(self, index: int | slice) -> Explanation | Explanations:
        return Explanations(self._all[index]) if isinstance(index, slice) else self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == other._all if isinstance(other, Explanations) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<vitrail.Explanations: {', '.join(e.name + ' of ' + e.target.title for e in self)}>"

    def _repr_html_(self) -> str:
        cells = "".join(f'<div style="flex:1 1 20em;max-width:32em">{e._repr_html_()}</div>' for e in self)
        return f'<div style="display:flex;flex-wrap:wrap;gap:1em">{cells}</div>'

    def summary(self) -> str:
        """The summaries, one after the other."""
        return "\n".join(e.summary() for e in self)

    def plot(self, columns: int = 3) -> Figure:
        """All pictures side by side, with matplotlib, in rows of `columns`."""
        if not self._all:
            raise UsageError("there is no explanation to plot.")
        columns = min(columns, len(self))
        rows = -(-len(self) // columns)
        height, width = max(e.picture().shape[:2] for e in self)
        size = (4.5 * columns, 4.5 * rows * height / width)
        figure: Figure = _pyplot().figure(figsize=size, layout="constrained")
        for place, explanation in enumerate(self, 1):
            explanation.plot(figure.add_subplot(rows, columns, place))
        if is_notebook():  # shows what a cell returns, and what is open: once is enough
            _pyplot().close(figure)
        return figure

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one file (NumPy's ``.npz``) that :func:`vitrail.open` reads back, photos included."""
        from vitrail.storage import write

        write(Path(path), self._all)


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as missing:
        raise UsageError("plots need matplotlib: pip install 'vitrail[plot]'.") from missing
    return pyplot
