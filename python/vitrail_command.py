"""The command ``vitrail``, as it comes with the package. Outside of it, since importing the package imports PyTorch, which
takes longer than most commands."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib import metadata
from pathlib import Path

ONEDNN = "onednn-cpu-gomp", "libdnnl.so.3"  # a package that installs outside of the folders of packages, and its file


def find_onednn() -> Path | None:
    """Wherever it is installed; None where it is not, as on machines that have no such package."""
    package, name = ONEDNN
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())).resolve() for file in files if file.name == name), None)


def folder_of(package: str) -> Path | None:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def main() -> None:
    """Becomes the program of the package, which is to find the libraries wherever they are installed."""
    package, torch, onednn = folder_of("vitrail"), folder_of("torch"), find_onednn()
    program = package / "bin" / "vitrail" if package is not None else Path()
    if not program.is_file():
        sys.exit("vitrail: the package was built without the command.")
    folders = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path]
    folders += [str(folder) for folder in (torch and torch / "lib", onednn and onednn.parent) if folder is not None]
    os.execve(program, [str(program), *sys.argv[1:]], {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)})
