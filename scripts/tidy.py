#!/usr/bin/env python3
"""Runs clang-tidy (.clang-tidy says which checks) over the sources of the library and the command.

    scripts/tidy.py [FILE...]       default: every tracked .cpp of src/ and cli/ that is no test

Needs build/release, whose compile commands it reads. Prints findings only.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"


def sources() -> list[str]:
    command = ["git", "ls-files", "src/*.cpp", "cli/*.cpp"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in names if not name.endswith("_test.cpp")]


def tidy(name: str) -> bool:
    # -w: warnings are the compiler's to give; clang knows other ones.
    command = [ROOT / ".venv" / "bin" / "clang-tidy", "-p", BUILD, "--quiet", "--extra-arg=-w", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout or done.stderr, end="", flush=True)
    return done.returncode == 0


def main() -> int:
    if not (BUILD / "compile_commands.json").is_file():
        sys.exit(f"{BUILD} is not configured; run `make build` first.")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return 0 if all(list(pool.map(tidy, sys.argv[1:] or sources()))) else 1


if __name__ == "__main__":
    sys.exit(main())
