"""Writes the seeds of the fuzz targets, from what the other tests have: nothing of it is checked in."""

import importlib.util
import json
import struct
import sys
from pathlib import Path

import onnx
import onnx.numpy_helper

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_BYTES = 4096  # of a seed: small ones are changed faster
CASES_AN_OPERATOR = 3

IMAGES = {"jpeg": "jpg", "png": "png", "webp": "webp"}

RECORD = {
    "preprocess": {
        "colour": "RGB",
        "layout": "NCHW",
        "size": [32, 24],
        "resize": {"rule": "short_side", "to": 40, "filter": "bicubic", "antialias": True, "keep_exact": False},
        "crop": "centre",
        "scale": 0.0039,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.5, 1],
    },
    "output": {"kind": "logits"},
    "labels": "labels.txt",
}


def with_constants(case: Path) -> onnx.ModelProto:
    """A node case whose integer inputs are constants: vitrail decides shapes, axes and positions while it loads."""
    model = onnx.load(case / "model.onnx")
    for i, value in reversed(list(enumerate(model.graph.input))):
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            continue
        tensor = onnx.TensorProto()
        tensor.ParseFromString((case / "test_data_set_0" / f"input_{i}.pb").read_bytes())
        tensor.name = value.name
        model.graph.initializer.append(tensor)
        del model.graph.input[i]
    return model


def node_cases():
    """A few of the ONNX project's own cases an operator: every attribute that there is."""
    taken = {}
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
    for case in sorted(folder.iterdir()):
        if "sequence" in case.name or "optional" in case.name:  # no tensors
            continue
        model = with_constants(case)
        operator = model.graph.node[0].op_type
        if taken.get(operator, 0) == CASES_AN_OPERATOR or model.ByteSize() > MOST_BYTES:
            continue
        taken[operator] = taken.get(operator, 0) + 1
        yield case.name, model.SerializeToString()


def control_flow():
    """Branches, loops and local functions, by the texts of their test."""
    path = ROOT / "tests" / "parity" / "test_control_flow.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    test = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test)
    for name, text in test.MODELS.items():
        yield name, onnx.parser.parse_model(test.HEADER + text).SerializeToString()


def external_data():
    """What FuzzedDataProvider takes: numbers from the end; texts from the front, each ended by a backslash and another byte."""
    tensor = struct.pack("<BB", 8, 1)
    for location in (
        "weights",
        "link",
        "sub/link",
        "sub/../weights",
        "out",
        "up/secret",
        "root/etc/hostname",
        "/etc/hostname",
    ):
        for offset, length in (("0", "8"), ("4", "8"), ("8", "99"), ("-", "-"), ("-4", "8")):
            texts = "".join(text + "\\ " for text in (location, offset, length))
            yield f"{location}_{offset}_{length}".replace("/", "_"), texts.encode() + bytes(range(16)) + tensor + b"\0"


def records():
    yield "whole.json", json.dumps(RECORD).encode()
    yield "preprocess.json", json.dumps(RECORD["preprocess"]).encode()
    for rule in ("whole", "none"):
        for colour, layout, channels in (("BGR", "NHWC", 3), ("grey", "flat", 1)):
            record = RECORD["preprocess"] | {"colour": colour, "layout": layout, "mean": [1] * channels}
            record |= {"std": [2] * channels, "resize": {"rule": rule, "filter": "nearest"}, "crop": "none"}
            yield f"{rule}_{colour}.json", json.dumps({"preprocess": record, "labels": "model.json"}).encode()


def write(target: str, seeds, folder: Path) -> None:
    (folder / target).mkdir(parents=True, exist_ok=True)
    for name, seed in seeds:
        (folder / target / name).write_bytes(seed)


def write_all(folder: Path) -> None:
    write("onnx", node_cases(), folder)
    write("onnx", control_flow(), folder)
    write("external_data", external_data(), folder)
    write("record", records(), folder)
    for target, ending in IMAGES.items():
        images = (ROOT / "tests" / "data" / "images").glob(f"*.{ending}")
        write(target, ((image.name, image.read_bytes()) for image in images), folder)
