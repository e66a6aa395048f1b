"""Writes the seeds of the fuzz targets, from what the other tests have: nothing of it is checked in."""

import importlib.util
import io
import json
import struct
import sys
from pathlib import Path

import numpy
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


# Layers spelled out, as exporters write them and canonicalisation finds them, and inputs without numbers.
SPELLED = {
    "layer_norm_gelu_silu": """
net (float[N, 2, 6] x) => (float[N, 2, 6] y)
<float two = {2.0}, float eps = {0.00001}, float[6] gamma = {1, 2, 3, 4, 5, 6}, float[6] beta = {6, 5, 4, 3, 2, 1},
 float root = {1.4142135}, float one = {1.0}, float half = {0.5}, float three = {3.0}, float small = {0.044715},
 float outer = {0.7978845}>
{
  mean = ReduceMean <axes = [-1]> (x)
  centred = Sub (x, mean)
  square = Pow (centred, two)
  variance = ReduceMean <axes = [-1]> (square)
  safe = Add (variance, eps)
  deviation = Sqrt (safe)
  normal = Div (centred, deviation)
  scaled = Mul (normal, gamma)
  a = Add (scaled, beta)
  inner = Div (a, root)
  erf = Erf (inner)
  gate = Add (erf, one)
  product = Mul (a, gate)
  halved = Mul (product, half)
  b = Neg (halved)
  cube = Pow (b, three)
  part = Mul (cube, small)
  sum = Add (b, part)
  argument = Mul (sum, outer)
  tanh = Tanh (argument)
  gate2 = Add (tanh, one)
  product2 = Mul (b, gate2)
  c = Mul (product2, half)
  sigmoid = Sigmoid (c)
  y = Mul (c, sigmoid)
}
""",
    "group_norm_quantised": """
net (float[N, 4, 3, 3] x) => (float[N, 4] y)
<int64[3] split = {0, 2, -1}, int64[4] back = {-1, 4, 3, 3}, float[2] ones = {1, 1}, float[2] zeros = {0, 0},
 float[4, 1, 1] weight = {1, 2, 3, 4}, float[4, 1, 1] bias = {4, 3, 2, 1}, float scale = {0.05}, int8 zero = {1}>
{
  groups = Reshape (x, split)
  normal = InstanceNormalization (groups, ones, zeros)
  whole = Reshape (normal, back)
  scaled = Mul (whole, weight)
  a = Add (scaled, bias)
  q = QuantizeLinear (a, scale, zero)
  pool = MaxPool <kernel_shape = [3, 3]> (q)
  flat = Flatten (pool)
  d = DequantizeLinear (flat, scale, zero)
  y = Softmax (d)
}
""",
    "attention": """
net (float[N, 3, 4] x) => (float[N, 3, 4] y)
<int64[4] heads = {0, 3, 2, 2}, int64[3] merge = {0, 3, 4}, float scale = {0.5}, float[4, 4] w = {
 0.1, 0.2, 0.3, 0.4, -0.1, 0.2, -0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 0.0, 1.0, 0.0}, float[1, 2, 3, 3] mask = {
 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}>
{
  p = MatMul (x, w)
  r = Reshape (p, heads)
  q = Transpose <perm = [0, 2, 1, 3]> (r)
  k = Transpose <perm = [0, 2, 3, 1]> (r)
  raw = MatMul (q, k)
  scaled = Mul (raw, scale)
  masked = Add (scaled, mask)
  weights = Softmax <axis = -1> (masked)
  o = MatMul (weights, q)
  t = Transpose <perm = [0, 2, 1, 3]> (o)
  y = Reshape (t, merge)
}
""",
    "open_sizes": """
net (float[N, C, H, W] x) => (float[N, 2, H, W] y)
<float[2, 1, 1, 1] w = {1, 2}>
{
  a = Conv <group = 2> (x, w)
  y = LogSoftmax <axis = 1> (a)
}
""",
    "large_input": """
net (float[N, 3, 20000, 20000] x) => (float[N, 3, 1, 1] y)
{
  y = GlobalAveragePool (x)
}
""",
}


def texts():
    """Branches, loops and local functions, by the texts of their test, and those above."""
    path = ROOT / "tests" / "parity" / "test_control_flow.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    test = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test)
    for name, text in (test.MODELS | SPELLED).items():
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
    layouts = {
        "yolov8": {},
        "ssd": {"format": "yxyx", "unit": "input", "activation": "softmax", "background": 0, "priors": [0.5] * 4 * 84},
        "distances": {"strides": [8, 16, 32], "score_threshold": 0.5, "classes": 2},
        "yolov5_heads": {"boxes": "boxes", "strides": [8], "anchors": [10, 13, 16, 30]},
    }
    for layout, keys in layouts.items():
        output = {"kind": "boxes", "boxes": {"layout": layout, **keys}}
        yield f"{layout}.json", json.dumps({"output": output}).encode()


def evidence():
    yield "boxes.csv", b"image,x0,y0,x1,y1,label\na.png,1,2,5,6.5,cat\nb.png,0,0,8,8,dog\n"
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 3, "bbox": [1, 2, 4, 4.5]}],
    }
    yield "coco.json", json.dumps(coco).encode()
    yield "fixations.csv", b"image,viewer,fixation,x,y,duration_ms\na.png,1,1,3.5,2.5,246\na.png,2,1,7,7,90\n"
    map_file = io.BytesIO()
    numpy.save(map_file, numpy.arange(12, dtype=numpy.float32).reshape(3, 4))
    yield "map.npy", map_file.getvalue()
    yield "categories.json", json.dumps({"cat": {"classes": [281, 282]}, "dog": {"classes": [207]}}).encode()
    heading = "observer,image,shape,texture,response,reaction_time_s"
    answers = ("subject-1,cat1-dog2.png,cat,dog,cat,0.8", "subject-2,cat1-dog2.png,cat,dog,na,NaN")
    yield "responses.csv", "\n".join([heading, *answers, "alexnet,cat1-dog2.png,cat,dog,dog,NaN"]).encode()
    folds = {
        "format": "vitrail-folds",
        "version": 1,
        "models": ["table.csv", "table.json"],
        "images": [{"path": "map.npy", "label": 3, "fold": 0}, {"path": "table.csv", "label": "cat", "fold": 1}],
    }
    yield "folds.json", json.dumps(folds).encode()


def write(target: str, seeds, folder: Path) -> None:
    (folder / target).mkdir(parents=True, exist_ok=True)
    for name, seed in seeds:
        (folder / target / name).write_bytes(seed)


def write_all(folder: Path) -> None:
    write("onnx", node_cases(), folder)
    write("onnx", texts(), folder)
    write("external_data", external_data(), folder)
    write("record", records(), folder)
    write("evidence", evidence(), folder)
    for target, ending in IMAGES.items():
        images = (ROOT / "tests" / "data" / "images").glob(f"*.{ending}")
        write(target, ((image.name, image.read_bytes()) for image in images), folder)
