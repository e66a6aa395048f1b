"""Branches, loops and local functions with constant conditions agree with ONNX Runtime, in values and through any batch."""

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import relative_error

HEADER = '<ir_version: 9, opset_import: ["" : 17, "own" : 1]>\n'

BRANCH_BY_SHAPE = """
net (float[N, 3, 4, 4] x) => (float[N, k] y)
<int64[1] axis = {2}, int64 four = {4}, float[3, 1, 1] factor = {1.0, -2.0, 0.5}>
{
  shape = Shape (x)
  rows = Gather (shape, axis)
  flat_rows = Squeeze (rows)
  is_four = Equal (flat_rows, four)
  chosen = If (is_four) <
    then_branch = yes () => (float[N, 3, 4, 4] a) { scaled = Mul (x, factor)  a = Relu (scaled) },
    else_branch = no () => (float[N, 3, 4, 4] b) { scaled = Neg (x)  b = Sigmoid (scaled) }
  >
  y = Flatten (chosen)
}
"""

NESTED_BRANCHES = """
net (float[N, 4] x) => (float[N, 4] y)
<bool on = {1}, bool off = {0}, float two = {2.0}>
{
  doubled = Mul (x, two)
  y = If (on) <
    then_branch = outer () => (float[N, 4] a) {
      half = Div (doubled, two)
      a = If (off) <
        then_branch = inner_yes () => (float[N, 4] b) { b = Exp (half) },
        else_branch = inner_no () => (float[N, 4] c) { half2 = Add (half, doubled)  c = Tanh (half2) }
      >
    },
    else_branch = other () => (float[N, 4] d) { d = Identity (x) }
  >
}
"""

LOOP = """
net (float[N, 4] x) => (float[N, 4] y, float[N, 3, 4] z)
<int64 count = {3}, bool go = {1}, float[4] step = {0.5, 1.0, -1.0, 2.0}>
{
  y, all = Loop (count, go, x) <
    body = once (int64 i, bool c, float[N, 4] v) => (bool c_out, float[N, 4] v_out, float[N, 4] row) {
      c_out = Identity (c)
      number = Cast <to = 1> (i)
      moved = Mul (step, number)
      sum = Add (v, moved)
      v_out = Tanh (sum)
      row = Mul (v_out, x)
    }
  >
  z = Transpose <perm = [1, 0, 2]> (all)
}
"""

LOOP_UNTIL = """
net (float[N, 4] x) => (float[N, 4] y)
<int64 many = {1000}, bool go = {1}, int64 last = {4}>
{
  y = Loop (many, go, x) <
    body = once (int64 i, bool c, float[N, 4] v) => (bool c_out, float[N, 4] v_out) {
      c_out = Less (i, last)
      v_out = Sin (v)
    }
  >
}
"""

FUNCTIONS = """
net (float[N, 4] x) => (float[N, 4] y)
<float[4, 4] w = {0.1, 0.2, 0.3, 0.4, -0.1, 0.2, -0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 0.0, 1.0, 0.0}>
{
  a, pre = own.block <slope = 0.3> (x, w)
  b, pre2 = own.block (a, w)
  y = Add (b, pre)
}
<domain: "own", opset_import: ["" : 17, "own" : 1]>
block <slope: float = 0.05> (v, weight) => (out, before) {
  before = MatMul (v, weight)
  inner = own.bend <alpha: float = @slope> (before)
  out = Add (inner, v)
}
<domain: "own", opset_import: ["" : 17]>
bend <alpha: float = 0.5> (v) => (out) {
  out = LeakyRelu <alpha: float = @alpha> (v)
}
"""

MODELS = {
    "branch_by_shape": BRANCH_BY_SHAPE,
    "nested_branches": NESTED_BRANCHES,
    "loop": LOOP,
    "loop_until": LOOP_UNTIL,
    "functions": FUNCTIONS,
}


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_onnx_runtime(name, runner, tmp_path):
    model = onnx.parser.parse_model(HEADER + MODELS[name])
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    random = np.random.default_rng(0)
    shape = [3, 4, 4] if name == "branch_by_shape" else [4]
    batches = [random.normal(size=(n, *shape)).astype("float32") for n in (1, 3, 8)]
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for output in (o.name for o in session.get_outputs()):
        got, _, report = runner.run(path, batches, output, feed="x")
        assert report["generalises"], report["reason"]
        for x, y in zip(batches, got):
            assert relative_error(y, session.run([output], {"x": x})[0]) <= 1e-5
