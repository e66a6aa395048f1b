"""Nets exported here, by both exporters, agree with the framework in outputs and input gradients."""

import numpy as np
import pytest
import torch
from conftest import relative_error
from nets import NETS, make

TOLERANCE = 1e-4
SIZE = 32


def export(net, path, dynamo: bool, dynamic: bool):
    x = torch.randn(1 if not dynamic else 2, 3, SIZE, SIZE)
    options = {"input_names": ["x"], "output_names": ["y"], "dynamo": dynamo}
    if dynamo:
        options.update(external_data=False, verbose=False)
        if dynamic:
            options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic:
        options["dynamic_axes"] = {"x": {0: "batch"}, "y": {0: "batch"}}
    torch.onnx.export(net, (x,), str(path), **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamic", [True, False], ids=["dynamic", "batch1"])
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", NETS)
def test_agrees_with_the_framework(name, dynamo, dynamic, runner, tmp_path):
    net = make(name)
    model = tmp_path / "net.onnx"
    export(net, model, dynamo, dynamic)
    generator = torch.Generator().manual_seed(1)
    batches, weights, expected, expected_gradients = [], [], [], []
    for batch in (1, 3, 5):
        x = torch.randn(batch, 3, SIZE, SIZE, generator=generator, requires_grad=True)
        y = net(x)
        w = torch.randn(y.shape, generator=generator)
        batches.append(x.detach().numpy())
        weights.append(w.numpy())
        expected.append(y.detach().numpy())
        expected_gradients.append(torch.autograd.grad((y * w).sum(), x)[0].numpy())
    outputs, gradients, report = runner.run(model, batches, "y", weights, feed="x")
    assert report["generalises"], report["reason"]
    for got, want in zip(outputs, expected):
        assert relative_error(got, want) <= TOLERANCE
    for got, want in zip(gradients, expected_gradients):
        assert relative_error(got, want) <= TOLERANCE
    literal, _, _ = runner.run(model, batches, "y", feed="x", canonical=False)
    for got, want in zip(literal, expected):
        assert relative_error(got, want) <= TOLERANCE


LAYERS = {
    "residual": ["conv1", "shortcut", "head"],
    "vit": ["blocks.0.attn", "blocks.1", "patch", "head"],
    "convnext": ["stem", "depthwise"],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_answer_to_module_names(name, dynamo, runner, tmp_path):
    """A module's value by name equals what a hook on the module sees."""
    net = make(name)
    model = tmp_path / "net.onnx"
    export(net, model, dynamo, dynamic=True)
    x = torch.randn(2, 3, SIZE, SIZE)
    for layer in LAYERS[name]:
        seen = {}
        handle = net.get_submodule(layer).register_forward_hook(lambda m, i, o: seen.update(value=o))
        try:
            net(x)
        finally:
            handle.remove()
        outputs, _, _ = runner.run(model, [x.numpy()], layer, feed="x")
        assert relative_error(outputs[0], seen["value"].detach().numpy()) <= TOLERANCE, layer


def test_random_parameters_matter():
    """The nets are no constants: another input gives another output, another parameter too."""
    for name in NETS:
        net = make(name)
        x = torch.randn(2, 3, SIZE, SIZE)
        y = net(x)
        assert np.abs((y[0] - y[1]).detach().numpy()).max() > 1e-4, name
