"""What the tests of the command share: the binary, a small network with labels, photos, the corpus."""

import json
import os
import pathlib
import pty
import select
import subprocess

import numpy
import onnx
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = os.environ.get("VITRAIL_COMMAND", str(ROOT / "build/release/vitrail"))
CORPUS = pathlib.Path(os.environ.get("VITRAIL_CORPUS", ROOT / "../shared/corpus"))
LABELS = ["tench, Tinca tinca", "tabby cat", "golden_retriever", "church", "parachute"]


def vitrail(*arguments, timeout=600, **keywords):  # for what hangs: how fast a machine is, is no test
    """Runs the command as a user's script would: no terminal."""
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **keywords)


def peak(*arguments):
    """Runs the command; its exit code and the most memory that it held, in bytes."""
    process = subprocess.Popen([COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024, message


class OnTerminal:
    """A run of the command whose standard error is a terminal."""

    def __init__(self, *arguments, environment=(), stdout=subprocess.DEVNULL):
        self.controller, terminal = pty.openpty()
        settings = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
        self.process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            stdout=stdout,
            stderr=terminal,
            env=settings | dict(environment),
        )
        os.close(terminal)
        self.seen = ""

    def read_until(self, words):
        while words not in self.seen:
            assert self._read(), f"ended before it said {words}: {self.seen}"

    def read_to_the_end(self):
        """Its exit code."""
        while self._read():
            pass
        os.close(self.controller)
        return self.process.wait(timeout=600)

    def _read(self):
        if not select.select([self.controller], [], [], 600)[0]:
            self.process.kill()
            return False
        try:
            self.seen += os.read(self.controller, 4096).decode(errors="replace")
            return True
        except OSError:  # the other end is closed
            return False


def document(run):
    """The one JSON document on standard output, without the constants that JSON does not have."""

    def refuse(constant):
        raise AssertionError(f"{constant} in JSON")

    return json.loads(run.stdout, parse_constant=refuse)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*") if path.is_file())


def build_net(path, size=16, classes=len(LABELS), labels=True, extra_nodes=(), output="logits"):
    """Convolution, ReLU, global average, linear: deterministic weights, any batch."""
    random = numpy.random.default_rng(7)
    weights = {
        "conv.weight": random.normal(size=(6, 3, 3, 3)),
        "head.weight": random.normal(size=(6, classes)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head.weight"], ["logits"]),
        *extra_nodes,
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(value.astype("float32"), name) for name, value in weights.items()],
    )
    domains = {node.domain for node in extra_nodes if node.domain}
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    if labels:
        (path.parent / "labels.txt").write_text("\n".join(LABELS))
    record = {
        "preprocess": {
            "colour": "RGB",
            "layout": "NCHW",
            "size": [size, size],
            "resize": {"rule": "whole", "filter": "bilinear", "antialias": True},
            "crop": "none",
            "scale": 1 / 255,
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
        }
    }
    path.with_suffix(".json").write_text(json.dumps(record | ({"labels": "labels.txt"} if labels else {})))
    return path


def save_photo(path, seed=0, size=(40, 30)):
    pixels = numpy.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype="uint8")
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def net(tmp_path_factory):
    return build_net(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture
def photo(tmp_path):
    return save_photo(tmp_path / "photo.png")


@pytest.fixture(scope="session")
def corpus():
    if CORPUS.is_dir():
        return CORPUS
    if os.environ.get("VITRAIL_REQUIRE_CORPUS") == "1":
        pytest.fail(f"the corpus is required and not at {CORPUS} (VITRAIL_CORPUS)")
    pytest.skip(f"the corpus is not at {CORPUS} (VITRAIL_CORPUS)")
