"""What vt.export writes, and what it refuses to keep."""

import re

import nets
import numpy as np
import onnx
import pytest
import torch
import vitrail as vt
from conftest import LABELS, SOURCE
from torch import nn


def test_the_file_explains_itself(model_path, image, net):
    model = vt.load(model_path, plan="none")
    assert model.labels == LABELS and model.preprocess["size"] == [32, 32]
    assert "metadata" in model.preprocess_source and not model.warnings
    assert model.predict(image, 1)[0].label == "square"
    file = onnx.load(str(model_path))
    assert [(o.domain, o.version) for o in file.opset_import if o.domain == ""] == [("", 18)]
    assert list(model_path.parent.iterdir()) == [model_path]  # one file, no external data, no drafts
    for batch in (1, 2, 5):
        x = torch.randn(batch, 3, 32, 32)
        assert torch.allclose(model(x), net(x), atol=1e-5)


def test_the_file_says_nothing_of_this_machine(model_path):
    content = model_path.read_bytes()
    for word in (str(SOURCE), "site-packages", ".py", "stack_trace"):
        assert word.encode() not in content, word


def test_layers_keep_the_names_of_modules(model_path):
    names = {layer.name for layer in vt.load(model_path, plan="none").layers}
    assert {"conv1", "conv2", "head"} <= names


def test_training_mode_is_refused(tmp_path):
    with pytest.raises(vt.UsageError, match="eval"):
        vt.export(nn.Linear(2, 2).train(), torch.zeros(3, 2, 2), tmp_path / "m.onnx")


def test_another_opset_than_asked_for_is_refused(tmp_path, monkeypatch):
    """The exporter falls back by itself where it cannot convert down."""
    real = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: real(*a, **{**k, "opset_version": 20}))
    with pytest.raises(vt.ModelError, match="opset 20, asked for 18"):
        vt.export(nets.make("residual"), torch.zeros(3, 32, 32), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_computes_something_else_is_not_kept(tmp_path):
    class Liar(nn.Module):
        def forward(self, x):
            rows = x.mean((2, 3))
            return rows * 2 if torch.compiler.is_exporting() else rows

    with pytest.raises(vt.ModelError, match="not the module"):
        vt.export(Liar().eval(), torch.randn(3, 8, 8), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_example_of_another_shape_is_refused(tmp_path):
    with pytest.raises(vt.UsageError, match=re.escape("[C,H,W]")):
        vt.export(nn.Flatten().eval(), np.zeros((4, 4), np.float32), tmp_path / "m.onnx")
