"""One function a method, with its options as keyword arguments: ``vitrail.sobol(model, image, grid=8)``.

They are made from the registry of the C++ library, so that names, defaults and descriptions are said once. What type
checkers read, ``method_functions.pyi``, is written from it too (``make catalogue``).
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from vitrail import _native
from vitrail.explaining import EXECUTION, ModelLike, Target, explain, explain_by
from vitrail.explanation import Explanation
from vitrail.images import ImageLike

TYPES = {"integer": int, "number": float, "flag": bool}


def default_of(option: _native.OptionInfo) -> int | float | bool | str:
    """The default as a Python value. Numbers of a baseline and the like stay words."""
    text = option.default_value
    if option.type == "flag":
        return text == "true"
    return TYPES[option.type](text) if option.type in TYPES else text


def docstring(info: _native.MethodInfo) -> str:
    """In the form of numpydoc."""
    lines = [info.summary, "", f"Map: {info.formula}.", "", "Parameters", "----------"]
    lines += ["model, image, target", "    As in :func:`vitrail.explain`."]
    for option in info.options:
        lines += [f"{option.name}", f"    {option.description} ({option.type}; default {option.default_value!r})"]
    lines += [", ".join(EXECUTION), "    How it is run: as in :func:`vitrail.explain`.", ""]
    lines += [
        "Returns",
        "-------",
        "Explanation",
        f"    {'Signed' if info.is_signed else 'Unsigned'}; unit: {info.unit}.",
        "",
    ]
    lines += [
        "Raises",
        "------",
        "UsageError",
        "    An option out of its range, or a model that does not allow the method.",
    ]
    lines += ["", "Notes", "-----"]
    lines += textwrap.wrap(f"Cost in forwards: {info.cost}. {info.guarantees[:1].upper()}{info.guarantees[1:]}", 110)
    lines += ["", "References", "----------", f".. [1] {info.source}"]
    return "\n".join(lines)


def _function(info: _native.MethodInfo) -> Callable[..., Explanation]:
    keyword = inspect.Parameter.KEYWORD_ONLY

    def method(model: ModelLike, image: ImageLike, target: Target = "top1", **arguments: Any) -> Explanation:
        bound = signature.bind(model, image, target, **arguments)  # names what is unknown, as Python does
        return explain_by(info.name, model, image, target, dict(bound.kwargs))

    base = list(inspect.signature(method).parameters.values())[:3]
    options = [inspect.Parameter(o.name, keyword, default=default_of(o)) for o in info.options]
    how = [p for p in inspect.signature(explain).parameters.values() if p.name in EXECUTION]
    signature = inspect.Signature([*base, *options, *how], return_annotation=Explanation)
    method.__name__ = method.__qualname__ = info.name
    method.__doc__ = docstring(info)
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


INFOS = {info.name: info for info in _native.methods()}
globals().update({name: _function(info) for name, info in INFOS.items()})
__all__ = [*INFOS]
