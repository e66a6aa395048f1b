"""From a module of PyTorch to an ONNX file that explains itself."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitrail.errors import ModelError, UsageError
from vitrail.images import as_tensor
from vitrail.model import load
from vitrail.wrapped import read_preprocess

OPSET = 18
LARGEST_BATCH = 4096
TOLERANCE = 1e-4  # of the largest output: what counts as the same
EXPORTER = ("onnx", "onnxscript")  # packages that torch's exporter needs


def export(
    module: torch.nn.Module,
    example: torch.Tensor | np.typing.NDArray[np.floating],
    path: str | os.PathLike[str],
    *,
    preprocess: str | Mapping[str, object] | None = None,
    labels: Sequence[str] = (),
    opset: int = OPSET,
) -> Path:
    """Writes a module as one ONNX file, with preprocessing and labels inside, and checks what was written.

    Batches may be of any size. The file holds no paths or stack traces of this machine. Its outputs are compared with the
    module's, by vitrail and by ONNX Runtime where that is installed, at batches that the exporter has not seen; a file that
    differs is not kept.

    Parameters
    ----------
    module
        In evaluation mode; ``[N,C,H,W]`` to scores ``[N,K]``.
    example
        An input ``[C,H,W]`` or ``[N,C,H,W]``, for its size.
    path
        Of the file.
    preprocess
        As in :func:`vitrail.wrap`; the size is the example's.
    labels
        One a class.
    opset
        Of the file: it is checked, since exporters write others than they are asked for.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    UsageError
        The module is in training mode, or the packages ``onnx`` and ``onnxscript`` are missing.
    ModelError
        The exporter wrote another opset, the file does not load, or it computes something else than the module.
    """
    target = Path(path)
    if any(part.training for part in module.modules()):
        raise UsageError("the module is in training mode: call .eval() before it is exported.")
    inputs = as_tensor(example).detach()
    inputs = inputs.unsqueeze(0) if inputs.dim() == 3 else inputs
    if inputs.dim() != 4:
        raise UsageError(f"found an example of shape {list(inputs.shape)}, expected [C,H,W] or [N,C,H,W].")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent} to write {target.name} into.")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        draft = Path(folder) / target.name
        _write(module, inputs, draft, opset)
        _finish(draft, inputs, preprocess, labels, opset)
        _compare(module, inputs, draft)
        os.replace(draft, target)
    return target


def _write(module: torch.nn.Module, inputs: torch.Tensor, path: Path, opset: int) -> None:
    pair = inputs[:1].repeat(2, 1, 1, 1)  # a batch of one would be taken for a constant
    batch = torch.export.Dim("N", min=1, max=LARGEST_BATCH)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it misses torchvision, which is not needed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            torch.onnx.export(
                module,
                (pair,),
                str(path),
                input_names=["input"],
                output_names=["logits"],
                dynamic_shapes=({0: batch},),
                opset_version=opset,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except ImportError as missing:
        raise UsageError(
            f"the export needs the packages {' and '.join(EXPORTER)}: pip install 'vitrail[export]'."
        ) from missing
    finally:
        logger.setLevel(level)


def _finish(
    path: Path,
    inputs: torch.Tensor,
    preprocess: str | Mapping[str, object] | None,
    labels: Sequence[str],
    opset: int,
) -> None:
    """What the exporter leaves undone."""
    import onnx

    model = onnx.load(str(path))
    written = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if written != opset:
        raise ModelError(f"the exporter wrote opset {written}, asked for {opset}. Take opset={written}.")
    _forget_machine(model)
    properties = {}
    if preprocess is not None:
        size = (int(inputs.shape[2]), int(inputs.shape[3]))
        properties["vitrail.preprocess"] = read_preprocess(preprocess, size).to_json()
    if labels:
        properties["vitrail.labels"] = "\n".join(labels)
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, str(path))


def _forget_machine(model: Any) -> None:
    """Stack traces, source paths and documentation strings, wherever the format has a place for them. What names a
    layer (the path of modules) stays."""
    keep = ("namespace", "pkg.torch.onnx.class_hierarchy", "pkg.torch.onnx.name_scopes")

    def clean(holder: Any) -> None:
        holder.doc_string = ""
        kept = [(p.key, p.value) for p in holder.metadata_props if p.key in keep]
        del holder.metadata_props[:]
        for key, value in kept:
            holder.metadata_props.add(key=key, value=value)

    def clean_graph(graph: Any) -> None:
        clean(graph)
        for values in (graph.input, graph.output, graph.value_info, graph.initializer):
            for value in values:
                clean(value)
        for node in graph.node:
            clean(node)
            for attribute in node.attribute:
                attribute.doc_string = ""
                if attribute.HasField("g"):
                    clean_graph(attribute.g)

    clean(model)
    clean_graph(model.graph)
    for function in model.functions:
        clean(function)
        for node in function.node:
            clean(node)


def _compare(module: torch.nn.Module, inputs: torch.Tensor, path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    scale = float(inputs.std()) or 1.0
    samples = float(inputs.mean()) + scale * torch.randn(3, *inputs.shape[1:], generator=generator)
    first = next(module.parameters(), torch.zeros(()))
    with torch.no_grad():
        expected = module(samples.to(first.device, first.dtype)).float().cpu().numpy()
    model = load(path, plan="none")
    engines: dict[str, Callable[[], Any]] = {"vitrail": lambda: model(samples).numpy()}
    try:
        import onnxruntime
    except ImportError:
        pass
    else:

        def by_onnxruntime() -> Any:
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            return session.run(None, {session.get_inputs()[0].name: samples.numpy()})[0]

        engines["ONNX Runtime"] = by_onnxruntime
    for name, run in engines.items():
        found = run()
        if found.shape != expected.shape:
            raise ModelError(
                f"the exported file gives shape {list(found.shape)} by {name}, the module {list(expected.shape)}."
            )
        difference = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-30))
        if not difference <= TOLERANCE:
            raise ModelError(
                f"the exported file is not the module: by {name} the outputs differ by {difference:.2g} of the "
                f"largest one (allowed: {TOLERANCE:g}). Nothing was kept. Does the module do something else in export?"
            )
