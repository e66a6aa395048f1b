#!/usr/bin/env python3
"""Writes python/vitrail/method_functions.pyi: what type checkers read of the functions that vitrail makes of its methods.

PYTHONPATH=build/release/python scripts/make_stubs.py [FILE]
"""

import sys
from pathlib import Path

from vitrail import method_functions

SOURCE = Path(__file__).resolve().parents[1]
HEAD = """# Written by scripts/make_stubs.py (`make catalogue`) from the registry of methods.

from typing import Literal

from vitrail._native import MethodInfo
from vitrail.explaining import Cancellation, ModelLike, Target
from vitrail.explanation import Explanation
from vitrail.images import ImageLike
from vitrail.progress import ProgressLike

"""
HELPERS = """INFOS: dict[str, MethodInfo]

def default_of(option: object) -> int | float | bool | str: ...
def docstring(info: MethodInfo) -> str: ...
"""
HOW = (
    "    batch: int = 8,",
    '    budget: str = "",',
    "    incremental: bool = True,",
    "    progress: ProgressLike = None,",
    "    cancellation: Cancellation | None = None,",
)


def quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def stub(info: object) -> str:
    lines = [
        f"def {info.name}(",
        "    model: ModelLike,",
        "    image: ImageLike,",
        '    target: Target = "top1",',
        "    *,",
    ]
    for option in info.options:
        value = method_functions.default_of(option)
        words = option.type.split("|")
        if len(words) > 1:
            known = f"Literal[{', '.join(map(quoted, words))}]"
        else:
            known = "str | float" if option.type == "text" else type(value).__name__
        lines.append(f"    {option.name}: {known} = {quoted(value)},")
    return "\n".join([*lines, *HOW, ") -> Explanation: ...", ""])


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE / "python" / "vitrail" / "method_functions.pyi"
    names = "".join(f'    "{name}",\n' for name in method_functions.INFOS)
    head = f"{HEAD}__all__ = [\n{names}]\n\n{HELPERS}"
    path.write_text(head + "".join(stub(info) for info in method_functions.INFOS.values()), encoding="utf-8")


if __name__ == "__main__":
    main()
