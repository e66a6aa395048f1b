"""Nets quantised by ONNX Runtime's own tools, in every format it writes, agree with ONNX Runtime, and their input
gradients point where those of the floating net do."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

SIZE = 16


def make_net(path):
    """Convolution, ReLU, max pooling, convolution, ReLU, mean, linear."""
    random = np.random.default_rng(3)
    weights = {
        "conv1.weight": random.normal(size=(8, 3, 3, 3)) / 5,
        "conv1.bias": random.normal(size=8) / 5,
        "conv2.weight": random.normal(size=(12, 8, 3, 3)) / 8,
        "conv2.bias": random.normal(size=12) / 8,
        "head.weight": random.normal(size=(12, 5)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["c1"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "conv2.weight", "conv2.bias"], ["c2"], name="conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"], name="mean"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "head.weight"], ["y"], name="head"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(value.astype("float32"), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


class Samples(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(4)
        self.samples = iter([{"x": random.normal(size=(1, 3, SIZE, SIZE)).astype("float32")} for _ in range(16)])

    def get_next(self):
        return next(self.samples, None)


def static(quant_format, per_channel, kind):
    def quantise(source, target):
        quantize_static(
            source,
            target,
            Samples(),
            quant_format,
            op_types_to_quantize=["Conv", "MatMul", "MaxPool"],  # others become operators of ONNX Runtime's own
            per_channel=per_channel,
            activation_type=kind,
            weight_type=QuantType.QInt8,
        )

    return quantise


FORMATS = {
    "qdq": static(QuantFormat.QDQ, False, QuantType.QUInt8),
    "qdq_per_channel": static(QuantFormat.QDQ, True, QuantType.QInt8),
    "operators": static(QuantFormat.QOperator, False, QuantType.QUInt8),
    "operators_per_channel": static(QuantFormat.QOperator, True, QuantType.QUInt8),
    "dynamic": lambda source, target: quantize_dynamic(source, target, weight_type=QuantType.QUInt8),
}


@pytest.mark.parametrize("name", FORMATS)
def test_agrees_with_onnx_runtime(name, runner, tmp_path):
    source, model = tmp_path / "net.onnx", tmp_path / "quantised.onnx"
    make_net(source)
    FORMATS[name](str(source), str(model))
    assert any("uantize" in node.op_type or "Integer" in node.op_type for node in onnx.load(model).graph.node)
    random = np.random.default_rng(5)
    batches = [random.normal(size=(n, 3, SIZE, SIZE)).astype("float32") for n in (1, 4)]
    weights = [random.normal(size=(n, 5)).astype("float32") for n in (1, 4)]
    # The scale of a dynamic quantisation is that of the whole batch: samples one by one.
    if name == "dynamic":
        batches, weights = [x[:1] for x in batches], [w[:1] for w in weights]

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    outputs, gradients, _ = runner.run(model, batches, "y", weights if name != "dynamic" else None, feed="x")
    literal, _, _ = runner.run(model, batches, "y", feed="x", canonical=False)
    for x, got, plain in zip(batches, outputs, literal):
        expected = session.run(None, {"x": x})[0]
        # Sums in another order round a few values to the neighbouring step of 1/255 of their range.
        step = np.ptp(expected) / 100
        assert np.abs(got - expected).max() <= step
        assert np.abs(plain - expected).max() <= step

    if gradients is None:
        return
    _, floating, _ = runner.run(source, batches, "y", weights, feed="x")
    for got, want in zip(gradients, floating):
        cosine = (got * want).sum() / np.sqrt((got**2).sum() * (want**2).sum())
        assert cosine >= 0.95
