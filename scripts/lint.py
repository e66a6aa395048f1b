#!/usr/bin/env python3
"""Checks the house rules that no compiler knows. Prints one line a breach, `file:line: what and why`.

Folders may include only those below them; public headers stay cheap to compile; the library
neither prints nor aborts; nothing is left for later.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What each folder of src/ may include, with all that those may.
BELOW = {
    "ops": set(),
    "onnx": {"ops"},
    "graph": {"onnx"},
    "image": set(),
    "model": {"graph", "image"},
    "attribution": {"model"},
    "report": {"attribution"},
}
CHEAP_TORCH = {"ATen/core/Tensor.h", "c10/core/Device.h"}  # for public headers
COSTLY_TORCH = {"ATen/ATen.h", "torch/torch.h", "torch/extension.h", "torch/all.h"}  # for nobody
PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|\b(printf|fprintf|puts|perror)\s*\(")
ENDS = re.compile(r"\b(std::)?(abort|terminate|quick_exit|_Exit)\s*\(|\bstd::exit\s*\(|\bassert\s*\(")
LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def reachable(folder: str) -> set[str]:
    return {folder}.union(*(reachable(below) for below in BELOW[folder]))


def include_breaches(path: Path, header: str):
    top, *rest = path.relative_to(ROOT).parts
    if header in COSTLY_TORCH:
        yield f"{header} costs 8 to 17 s a file; include the operators' own headers <ATen/ops/...>"
    if top == "include" and header.startswith(("ATen/", "torch/", "c10/")) and header not in CHEAP_TORCH:
        yield f"public headers include at most {' and '.join(sorted(CHEAP_TORCH))}, not {header}"
    if top == "include" and not header.startswith(("vitrail/", "ATen/", "torch/", "c10/")) and "/" in header:
        yield f"public headers do not reach into {header}"
    if top == "src" and rest[0] in BELOW:
        folder, target = rest[0], header.split("/")[0]
        if target in BELOW and target not in reachable(folder):
            yield f"src/{folder} may not include {header}: dependencies point down only"


def breaches(path: Path):
    in_library = path.is_relative_to(ROOT / "src") or path.is_relative_to(ROOT / "include")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if LATER.search(line):
            yield number, "nothing is left for later: do it, or open an issue"
        if path.suffix not in {".h", ".cpp"}:
            continue
        if found := INCLUDE.match(line):
            yield from ((number, what) for what in include_breaches(path, found[1]))
        code = line.split("//")[0]
        if in_library and not path.stem.endswith("_test") and PRINTS.search(code):
            yield number, "the library does not print: report through an event or an exception"
        if in_library and not path.stem.endswith("_test") and ENDS.search(code):
            yield number, "the library does not end the program: throw"
    if path.suffix == ".h" and "#pragma once" not in path.read_text(encoding="utf-8"):
        yield 1, "a header says #pragma once"


def main() -> int:
    count = 0
    for path in tracked("*.h", "*.cpp", "*.py", "*.cmake", "CMakeLists.txt", "Makefile", "scripts/setup"):
        if path == Path(__file__).resolve():
            continue
        for number, what in breaches(path):
            print(f"{path.relative_to(ROOT)}:{number}: {what}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
