"""Explains vision models: where a network looks, how strongly, and how sure the map is.

>>> import vitrail as vt
>>> why = vt.explain(model, image, "occlusion:patch=8,stride=8")  # doctest: +SKIP
>>> why.plot()  # doctest: +SKIP

A model is an ONNX file (:func:`load`), a module of PyTorch or any function (:func:`wrap`). Methods are strings
(``"sobol:grid=8"``) or functions (``vt.sobol(model, image, grid=8)``); :func:`methods` lists them.
"""

from vitrail import _libraries

_libraries.load()

from vitrail import _native  # noqa: E402
from vitrail._native import MapComparison, MethodInfo, MetricInfo, OptionInfo, ShapeBias  # noqa: E402
from vitrail.cue_conflict import error_consistency, shape_bias  # noqa: E402
from vitrail.errors import (  # noqa: E402
    Error,
    InputError,
    InternalError,
    Interrupted,
    MachineError,
    ModelError,
    OutOfMemoryError,
    UsageError,
)
from vitrail.evaluation import Evaluation, evaluate  # noqa: E402
from vitrail.explaining import Cancellation, explain, explain_all, stream  # noqa: E402
from vitrail.explanation import Explanation, Explanations  # noqa: E402
from vitrail.exporting import export  # noqa: E402
from vitrail.folds import FoldScores, FoldStudy, explain_folds, mege, split_folds  # noqa: E402
from vitrail.memory import MemoryUse, limit_memory, memory_use, release_kept_memory, use_caching_allocator  # noqa: E402
from vitrail.method_functions import *  # noqa: E402, F403
from vitrail.method_functions import __all__ as _method_names  # noqa: E402
from vitrail.model import Model, Prediction, load  # noqa: E402
from vitrail.progress import Progress  # noqa: E402
from vitrail.reports import Report, explain_photos, reproduce  # noqa: E402
from vitrail.storage import open  # noqa: E402
from vitrail.wrapped import Wrapped, wrap  # noqa: E402

__version__ = _native.version()


def methods() -> list[MethodInfo]:
    """Every method, in the order of the documentation.

    Examples
    --------
    >>> [m.name for m in vt.methods() if m.family == "perturbation"][:2]
    ['occlusion', 'rise']
    """
    return _native.methods()


def metrics() -> list[MetricInfo]:
    """Every metric of :func:`evaluate`, in the order of the documentation.

    Examples
    --------
    >>> [m.name for m in vt.metrics()][:2]
    ['deletion', 'insertion']
    """
    return _native.metrics()


__all__ = [
    "Cancellation",
    "Error",
    "Evaluation",
    "Explanation",
    "Explanations",
    "FoldScores",
    "FoldStudy",
    "InputError",
    "InternalError",
    "Interrupted",
    "MachineError",
    "MapComparison",
    "MemoryUse",
    "MethodInfo",
    "MetricInfo",
    "Model",
    "ModelError",
    "OptionInfo",
    "OutOfMemoryError",
    "Prediction",
    "Progress",
    "Report",
    "ShapeBias",
    "UsageError",
    "Wrapped",
    "error_consistency",
    "evaluate",
    "explain",
    "explain_all",
    "explain_folds",
    "explain_photos",
    "export",
    "limit_memory",
    "load",
    "mege",
    "memory_use",
    "methods",
    "metrics",
    "open",
    "release_kept_memory",
    "reproduce",
    "shape_bias",
    "split_folds",
    "stream",
    "use_caching_allocator",
    "wrap",
    *_method_names,
]
