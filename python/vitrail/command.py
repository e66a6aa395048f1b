"""The command ``vitrail``, as it comes with the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Becomes the program of the package."""
    program = Path(__file__).resolve().parent / "bin" / "vitrail"
    if not program.is_file():
        sys.exit(f"vitrail: the package was built without the command ({program} is missing).")
    os.execv(program, [str(program), *sys.argv[1:]])
