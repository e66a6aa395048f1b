#!/usr/bin/env python3
"""Runs every fuzz target from its seeds and reports what it reached; 1 where something was found.

    tests/fuzz/run.py [TARGET...]     FUZZ_SECONDS (60): how long each
                                      FUZZ_BUILD (build/sanitize): where they were built

An input that is found stays in out/fuzz/findings/TARGET; `build/sanitize/tests/fuzz/TARGET INPUT` shows it again.
What a run learnt stays in out/fuzz/corpus/TARGET, and the next one goes on from there.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import seeds

OUT = seeds.ROOT / "out" / "fuzz"
AT_ONCE = 2

# A request for more than 64 MB fails (protobuf reserves 50 for a string, whatever the file holds), as it does on a
# machine that has no more: what is large is also slow. A loop of as many nodes as are allowed takes half a minute.
LIMITS = ["-timeout=120", "-rss_limit_mb=3072", "-max_len=8192"]
ASAN = "max_allocation_size_mb=64:quarantine_size_mb=16:allocator_may_return_null=1:detect_container_overflow=0"


def run(program: Path, seconds: int) -> bool:
    """True where nothing was found."""
    name = program.name
    corpus, findings = OUT / "corpus" / name, OUT / "findings" / name
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    arguments = [corpus, OUT / "seeds" / name, *LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={findings}/"]
    dictionary = seeds.ROOT / "tests" / "fuzz" / f"{name}.dict"
    if dictionary.exists():
        arguments.append(f"-dict={dictionary}")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"TMPDIR": folder, "OMP_NUM_THREADS": "1", "ASAN_OPTIONS": ASAN}
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
        with open(OUT / f"{name}.log", "w") as log:
            code = subprocess.run([program, *arguments], env=environment, stdout=log, stderr=log).returncode
    text = (OUT / f"{name}.log").read_text(errors="replace")
    # "#3412  DONE  cov: 1957 ft: 3624 corp: 132/3615b lim: 100 exec/s: 2028 rss: 227Mb", one a step
    steps = re.findall(r"^#(\d+)\s.* cov: (\d+) ft: (\d+) corp: (\d+)", text, re.MULTILINE)
    executions, edges, features, inputs = steps[-1] if steps else (0, 0, 0, 0)
    verdict = "nothing found" if code == 0 else f"FOUND, see {OUT.relative_to(seeds.ROOT)}/{name}.log"
    print(
        f"{name:14} {executions:>9} executions {edges:>6} edges {features:>7} features {inputs:>5} inputs  {verdict}",
        flush=True,
    )
    return code == 0


def main() -> int:
    build = seeds.ROOT / os.environ.get("FUZZ_BUILD", "build/sanitize") / "tests" / "fuzz"
    names = sys.argv[1:] or sorted(
        path.stem.removesuffix("_target") for path in Path(__file__).parent.glob("*_target.cpp")
    )
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    shutil.rmtree(OUT / "seeds", ignore_errors=True)
    seeds.write_all(OUT / "seeds")
    # The slowest target first.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return 0 if all(list(pool.map(lambda name: run(build / name, seconds), names))) else 1


if __name__ == "__main__":
    sys.exit(main())
