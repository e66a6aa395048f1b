"""Modules of PyTorch, and any other callables, as models."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from vitrail import _native
from vitrail.errors import UsageError
from vitrail.images import ImageLike, as_tensor, read_photo
from vitrail.layout import Layout, layout_of
from vitrail.model import Prediction, Subject, subject_of_input


class Wrapped:
    """A callable as a model; made by :func:`vitrail.wrap`. One thread at a time runs it."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        arrays: Literal["torch", "numpy"],
        preprocess: _native.Preprocess | None,
        labels: Sequence[str],
        layers: Sequence[str] | None,
        output: Callable[[Any], Any] | str | int | None,
    ) -> None:
        self._function = function
        self._arrays = arrays
        self._preprocess = preprocess
        self._labels = list(labels)
        self._layers = layers
        self._output = output
        self._lock = threading.RLock()
        self._modules = dict(function.named_modules()) if isinstance(function, torch.nn.Module) else {}
        for name in layers or ():
            if name not in self._modules:
                raise UsageError(f"there is no module {name!r}. There are: {', '.join(filter(None, self._modules))}.")

    @property
    def name(self) -> str:
        """Of the class of the module, or of the function."""
        function = self._function
        return type(function).__name__ if self._modules else str(getattr(function, "__name__", type(function).__name__))

    @property
    def labels(self) -> list[str]:
        """One a class; empty where none were given."""
        return self._labels

    def __repr__(self) -> str:
        return f"<vitrail.Wrapped {self.name}>"

    def prepare(self, image: ImageLike) -> torch.Tensor:
        """The input ``[1,C,H,W]``, float32, that an image becomes."""
        return self.subject(image).prepared.input

    def predict(self, image: ImageLike, top: int = 5) -> list[Prediction]:
        """The `top` best classes of an image."""
        logits = self._logits(self.subject(image))
        chances = logits.softmax(0)
        best = logits.argsort(descending=True, stable=True)[:top].tolist()
        labels = self._labels
        return [Prediction(i, labels[i] if i < len(labels) else "", logits[i].item(), chances[i].item()) for i in best]

    # What methods ask for

    def subject(self, image: ImageLike) -> Subject:
        photo = read_photo(image)
        if photo is None:
            return subject_of_input(image)
        if self._preprocess is None:
            raise UsageError(
                f"{self.name} was wrapped without preprocessing, and the image is a photo. Expected "
                "vt.wrap(..., preprocess='imagenet', input_size=(224, 224)), or a floating-point input [C,H,W]."
            )
        return Subject(photo, _native.prepare(photo, self._preprocess), is_photo=True)

    def targets(self, strings: Sequence[str], subject: Subject) -> list[_native.Target]:
        return _native.resolve_targets(list(strings), self._logits(subject), self._labels)

    def scorer(
        self,
        targets: Sequence[_native.Target],
        subject: Subject,
        method: _native.MethodInfo,
        batch: int,
        *,
        again_and_again: bool = False,
    ) -> _native.Scorer:
        self.check_mode()
        network = Network(self, subject.prepared.input)
        if self._modules:
            return _native.PythonProbe(network, list(targets))
        kind = _native.PythonDifferentiableScorer if self._arrays == "torch" else _native.PythonScorer
        return kind(network, list(targets))

    def what_it_lacks(self) -> str:
        """For the errors of methods that ask for more."""
        if self._modules:
            return "Of a module there is no graph: vitrail.export it, and vitrail.load the file."
        if self._arrays == "torch":
            return "Of a function there are no layers and no graph: wrap a module, or load an ONNX file."
        return (
            "Of a function of NumPy arrays there are no gradients, layers or graph: wrap a function of tensors "
            "(vitrail.wrap(..., arrays='torch')) or a module, or load an ONNX file."
        )

    def check_mode(self) -> None:
        training = [name or "the module" for name, module in self._modules.items() if module.training]
        if training:
            raise UsageError(
                f"{self.name} is in training mode ({training[0]}): its scores would be random or change its "
                "statistics. Call .eval() first."
            )

    def _logits(self, subject: Subject) -> torch.Tensor:
        self.check_mode()
        with torch.no_grad():
            return self.rows(subject.prepared.input)[0].cpu()

    def rows(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores [N,K] of inputs [N,C,H,W], on the CPU, with autograd's graph where it is recorded."""
        with self._lock:
            found: Any = self._function(self._place(inputs)) if self._arrays == "torch" else self._call_on_array(inputs)
        if isinstance(self._output, (str, int)):
            found = found[self._output]
        elif self._output is not None:
            found = self._output(found)
        if not isinstance(found, (torch.Tensor, np.ndarray)):
            raise UsageError(
                f"{self.name} returned {type(found).__name__}, expected scores [N,K]. Name the part that is meant: "
                "vt.wrap(..., output=0), output='logits', or a function."
            )
        rows = as_tensor(found)
        if rows.dim() == 1:
            rows = rows.unsqueeze(1)
        if rows.dim() != 2 or rows.size(0) != inputs.size(0):
            raise UsageError(
                f"{self.name} returned shape {list(rows.shape)} for {inputs.size(0)} inputs, expected "
                f"[{inputs.size(0)},K]: one row an input. Name the part that is meant: vt.wrap(..., output=...)."
            )
        return rows.to("cpu") if rows.is_floating_point() else rows.float()

    def _call_on_array(self, inputs: torch.Tensor) -> Any:
        try:
            return self._function(inputs.detach().numpy())
        except TypeError as error:
            error.add_note("It was called with a NumPy array. A function of tensors: vitrail.wrap(f, arrays='torch').")
            raise

    def _place(self, inputs: torch.Tensor) -> torch.Tensor:
        """Where the parameters are, in their type."""
        module = self._function
        first = next(module.parameters(), None) if isinstance(module, torch.nn.Module) else None
        return inputs if first is None else inputs.to(first.device, first.dtype)

    @contextmanager
    def hooked(self, hooks: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
        """Forward hooks on modules, taken away again whatever happens; no other thread runs the module meanwhile."""
        with self._lock:
            handles = [self._modules[name].register_forward_hook(hook) for name, hook in hooks.items()]
            try:
                yield
            finally:
                for handle in handles:
                    handle.remove()


class Network:
    """What the library asks of a wrapped callable while it explains one input."""

    def __init__(self, wrapped: Wrapped, example: torch.Tensor) -> None:
        self.wrapped = wrapped
        self.example = example
        self.rows = wrapped.rows
        self._layers: dict[str, tuple[str, Layout]] | None = None

    def pixel(self, value: float, channels: int) -> torch.Tensor:
        """A pixel value in the space of the inputs, [C,1,1]."""
        if self.wrapped._preprocess is None:
            return torch.full((channels, 1, 1), value)
        return _native.pixel_in_input_space(value, self.wrapped._preprocess)

    def prepare_file(self, photo: str) -> torch.Tensor:
        return self.wrapped.prepare(photo)[0]

    def layers(self) -> dict[str, tuple[str, Layout]]:
        """Modules whose value keeps the positions of the image, by name, in the order in which they finish."""
        if self._layers is not None:
            return self._layers
        wrapped = self.wrapped
        found: dict[str, tuple[str, Layout]] = {}
        calls: dict[str, int] = {}
        values: list[torch.Tensor] = []  # kept alive, so that identities last
        samples, _, height, width = self.example.shape

        def watch(name: str) -> Callable[..., None]:
            def hook(module: torch.nn.Module, arguments: Any, value: Any) -> None:
                calls[name] = calls.get(name, 0) + 1
                if not isinstance(value, torch.Tensor) or any(value is known for known in values):
                    return  # a container's value is that of its last part, which is named already
                values.append(value)
                layout = layout_of(value.shape, samples, height, width)
                if layout is not None:
                    found[name] = (type(module).__name__, layout)

            return hook

        wanted = wrapped._layers if wrapped._layers is not None else [name for name in wrapped._modules if name]
        with torch.no_grad(), wrapped.hooked({name: watch(name) for name in wanted}):
            wrapped.rows(self.example)
        self._layers = {name: layer for name, layer in found.items() if calls[name] == 1}
        return self._layers

    def spatial_layers(self) -> list[tuple[str, str, int, int, int]]:
        """Last first, as class activation maps prefer them."""
        return [
            (name, op, layout.channels, layout.height, layout.width)
            for name, (op, layout) in reversed(self.layers().items())
        ]

    def _layout(self, layer: str) -> Layout:
        layers = self.layers()
        if layer not in layers:
            raise UsageError(
                f"{self.wrapped.name} has no layer {layer!r} that keeps positions of the image and is run once a "
                f"forward. Those that do: {', '.join(layers) or 'none'}."
            )
        return layers[layer][1]

    def activation(self, inputs: torch.Tensor, layer: str) -> torch.Tensor:
        layout = self._layout(layer)
        found: list[torch.Tensor] = []

        def keep(module: torch.nn.Module, arguments: Any, value: torch.Tensor) -> None:
            found.append(value.clone())  # what follows may write into it

        with self.wrapped.hooked({layer: keep}):
            self.wrapped.rows(inputs)
        return layout.to_planes(found[0]).cpu()

    def rows_from(self, inputs: torch.Tensor, layer: str, activation: torch.Tensor) -> torch.Tensor:
        layout = self._layout(layer)
        if inputs.size(0) == 1:
            inputs = inputs.expand(activation.size(0), -1, -1, -1)

        def replace(module: torch.nn.Module, arguments: Any, value: torch.Tensor) -> torch.Tensor:
            planes = activation.to(value.device, value.dtype)
            return layout.from_planes(planes, value.detach()).clone()  # what follows may write into it

        with self.wrapped.hooked({layer: replace}):
            return self.wrapped.rows(inputs)


def wrap(
    model: Callable[[Any], Any],
    *,
    preprocess: str | Mapping[str, object] | None = None,
    input_size: tuple[int, int] | None = None,
    labels: Sequence[str] | str | os.PathLike[str] = (),
    layers: Sequence[str] | None = None,
    output: Callable[[Any], Any] | str | int | None = None,
    arrays: Literal["torch", "numpy"] | None = None,
) -> Wrapped:
    """Makes a model of a module of PyTorch, or of any function of a batch.

    Of a module, gradients go through torch's own autograd and layers are modules by name. What changes the rules of the
    backward pass (guided backpropagation, LRP, DeepLIFT) needs a graph: :func:`vitrail.export` the module and load it.

    Parameters
    ----------
    model
        ``[N,C,H,W]`` to scores ``[N,K]``; a module in evaluation mode.
    preprocess
        How a photo becomes an input: a preset ("imagenet", "half", "unit", "raw"; then `input_size` is needed), the
        path of a JSON record, or the record. None: only floating-point inputs can be explained.
    input_size
        Height and width of the inputs.
    labels
        One a class, or the path of a file with one a line.
    layers
        Modules that may be chosen as layers; default: all.
    output
        Where the scores are in what `model` returns: an index, a key, or a function.
    arrays
        What `model` takes: "torch" tensors (the default of modules; gradients are used) or "numpy" arrays (the default of
        everything else).
    """
    is_module = isinstance(model, torch.nn.Module)
    if not callable(model):
        raise UsageError(f"found {type(model).__name__}, expected a module or a function of inputs [N,C,H,W].")
    if isinstance(labels, (str, os.PathLike)):
        labels = Path(labels).read_text(encoding="utf-8").splitlines()
    return Wrapped(
        model,
        arrays or ("torch" if is_module else "numpy"),
        None if preprocess is None else read_preprocess(preprocess, input_size),
        labels,
        layers,
        output,
    )


def read_preprocess(preprocess: str | Mapping[str, object], input_size: tuple[int, int] | None) -> _native.Preprocess:
    """A record from a preset, a path or an object."""
    if isinstance(preprocess, Mapping):
        inner = preprocess.get("preprocess", preprocess)
        return _native.Preprocess.from_json(json.dumps(inner), "preprocess")
    if preprocess.endswith(".json"):
        document = json.loads(Path(preprocess).read_text(encoding="utf-8"))
        return _native.Preprocess.from_json(json.dumps(document["preprocess"]), preprocess)
    if input_size is None:
        raise UsageError(f"the preset {preprocess!r} needs the size of the inputs: input_size=(height, width).")
    return _native.Preprocess.preset(preprocess, *input_size)
