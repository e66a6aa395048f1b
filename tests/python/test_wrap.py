"""Modules of PyTorch and plain functions as models."""

import threading
import traceback

import nets
import numpy as np
import pytest
import torch
import vitrail as vt
from conftest import difference
from torch import nn

FAMILIES = ("residual", "inverted_residual", "squeeze_excitation", "convnext", "vit", "swin", "multihead_attention")
METHODS = "saliency,integrated_gradients:max_steps=32,smoothgrad:samples=8,occlusion:patch=8,stride=8,rise:masks=60,sobol:grid=4,designs=4"


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    made = {}

    def get(name):
        if name not in made:
            net = nets.make(name)
            size = 32
            x = 4 * torch.randn(3, size, size, generator=torch.Generator().manual_seed(1))
            made[name] = net, x, vt.export(net, x, folder / f"{name}.onnx")
        return made[name]

    return get


@pytest.mark.parametrize("name", FAMILIES)
def test_a_module_and_its_file_agree(name, families):
    net, x, path = families(name)
    ours = vt.explain_all(net, x, METHODS, 1)
    of_file = vt.explain_all(vt.load(path, plan="none"), x, METHODS, 1)
    for a, b in zip(ours, of_file, strict=True):
        assert a.method == b.method and a.score == pytest.approx(b.score, rel=1e-4, abs=1e-5)
        assert difference(a.map, b.map, abs(a.score) / 100) < 1e-4, (name, a.name)


@pytest.mark.parametrize("name", FAMILIES)
def test_layers_of_a_module_and_of_its_file_agree(name, families):
    net, x, path = families(name)
    model = vt.load(path, plan="none")
    of_module = {layer.name for layer in _probe(vt.wrap(net), x).spatial_layers()}
    of_file = {layer.name for layer in _probe(model, x).spatial_layers()}
    both = sorted(of_module & of_file)
    assert both, (of_module, of_file)
    for layer in (both[0], both[len(both) // 2], both[-1]):
        for method in ("gradcam", "hirescam", "layercam"):
            a, b = (vt.explain(m, x, f"{method}:layer={layer}", 1) for m in (net, model))
            assert difference(a.map, b.map, abs(a.score) / 100) < 1e-4, (name, layer, method)
    a, b = (vt.explain(m, x, f"gradient_x_input:layer={both[0]}", 1) for m in (net, model))
    assert difference(a.map, b.map, abs(a.score) / 100) < 1e-4, (name, both[0])


def _probe(model, x):
    subject = model.subject(x)
    [info] = [m for m in vt.methods() if m.name == "gradcam"]
    return model.scorer(model.targets(["1"], subject), subject, info, 8)


def test_layers_are_modules_by_name_last_first(wrapped, image):
    subject = wrapped.subject(image)
    [info] = [m for m in vt.methods() if m.name == "gradcam"]
    probe = wrapped.scorer(wrapped.targets(["top1"], subject), subject, info, 8)
    assert [(x.name, x.op, x.channels, x.height, x.width) for x in probe.spatial_layers()][:2] == [
        ("conv2", "Conv2d", 8, 16, 16),
        ("conv1", "Conv2d", 6, 16, 16),
    ]  # the ReLUs work in place: their value is that of the convolution before
    assert vt.gradcam(wrapped, image).plan["layer"] == "conv2"


def test_activations_are_what_the_module_returned_even_where_the_next_one_writes_into_it(wrapped, net, image):
    subject = wrapped.subject(image)
    x = subject.prepared.input
    [info] = [m for m in vt.methods() if m.name == "gradcam"]
    probe = wrapped.scorer(wrapped.targets(["top1"], subject), subject, info, 8)
    with torch.no_grad():
        before = net.conv1(x)
        assert torch.equal(probe.activation(x, "conv1"), before) and before.min() < 0
        assert torch.allclose(probe.score_from(x, "conv1", before), probe.score(x))
        half = probe.score_from(x, "conv1", torch.cat([before, before / 2]))  # two values for one input
        assert half.shape == (2, 1) and not torch.allclose(half[0], half[1])


def test_layers_may_be_restricted(net, image):
    few = vt.wrap(net, preprocess="unit", input_size=(32, 32), layers=["conv1"])
    assert vt.gradcam(few, image).plan["layer"] == "conv1"
    with pytest.raises(vt.UsageError, match="conv1"):
        vt.wrap(net, layers=["conv7"])


def test_a_module_that_runs_twice_is_no_layer(image):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.other = nn.Conv2d(3, 3, 3, 1, 1), nn.Conv2d(3, 3, 3, 1, 1)

        def forward(self, x):
            return self.other(self.conv(self.conv(x))).mean((2, 3))

    net = nets.randomise(Twice(), 1)
    x = torch.randn(3, 16, 16)
    assert vt.gradcam(net, x).plan["layer"] == "other"
    with pytest.raises(vt.UsageError, match="once a forward"):
        vt.gradcam(net, x, layer="conv")


def test_the_module_is_left_as_it_was(net, wrapped, image):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    vt.explain_all(wrapped, image, "saliency,gradcam,rise:masks=50")
    assert all(not m._forward_hooks for m in net.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_training_mode_is_refused(image):
    net = nn.Sequential(nn.Dropout(), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(vt.UsageError, match="eval"):
        vt.saliency(net, torch.zeros(3, 2, 2))
    net.eval()[0].train()
    with pytest.raises(vt.UsageError, match="0"):
        vt.saliency(net, torch.zeros(3, 2, 2))


def test_a_photo_without_preprocessing_is_refused(net, image):
    with pytest.raises(vt.UsageError, match="imagenet"):
        vt.saliency(net, image)
    with pytest.raises(vt.UsageError, match="input_size"):
        vt.wrap(net, preprocess="imagenet")


def test_what_needs_a_graph_says_so(net):
    for method in ("guided_backprop", "lrp", "deeplift"):
        with pytest.raises(vt.UsageError) as error:
            vt.explain(net, torch.randn(3, 32, 32), method)
        assert "vitrail.export" in error.value.__notes__[0]
    with pytest.raises(TypeError) as error:
        vt.occlusion(lambda x: torch.relu(x).flatten(1), np.ones((3, 8, 8), np.float32), 0)
    assert "arrays='torch'" in error.value.__notes__[0]


def test_functions_of_arrays(image):
    def brightness(batch):
        assert isinstance(batch, np.ndarray) and batch.shape[1:] == (3, 8, 8)
        return np.stack([batch.mean((1, 2, 3)), batch[:, :, :4, :4].sum((1, 2, 3))], 1)

    x = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    map_ = vt.occlusion(brightness, x, 1, patch=4, stride=4).map
    assert map_[0, 0] == pytest.approx(x[:, :4, :4].sum(), rel=1e-5) and abs(map_[4, 4]) < 1e-5
    with pytest.raises(vt.UsageError, match="gradient"):
        vt.saliency(brightness, x, 1)


def test_functions_of_tensors_have_gradients():
    weights = torch.arange(12.0).reshape(3, 2, 2)
    model = vt.wrap(lambda x: (x * weights).flatten(1).sum(1), arrays="torch")
    assert np.allclose(vt.gradient_x_input(model, torch.ones(3, 2, 2)).map, weights.mean(0))


@pytest.mark.parametrize("output", ["logits", 1, lambda found: found["logits"]])
def test_the_part_of_an_output_that_is_meant(output):
    def many(x):
        rows = x.flatten(1)[:, :2]
        return {"logits": rows, "other": None} if output != 1 else (None, rows)

    x = torch.randn(3, 2, 2)
    assert vt.saliency(vt.wrap(many, arrays="torch", output=output), x, 0).map[0, 0] > 0
    with pytest.raises(vt.UsageError, match="output="):
        vt.saliency(vt.wrap(many, arrays="torch"), x, 0)


def test_wrong_shapes_are_named():
    with pytest.raises(vt.UsageError, match=r"\[1,K\]"):
        vt.occlusion(lambda batch: batch, np.zeros((3, 8, 8), np.float32))
    with pytest.raises(vt.UsageError, match="function"):
        vt.wrap(3)


def test_exceptions_of_a_callable_surface_as_themselves():
    class MyError(Exception):
        pass

    def deep(batch):
        raise MyError("in here")

    for threads in (1, 2):

        def run(found):
            try:
                vt.rise(
                    vt.wrap(lambda b: deep(b) if len(b) > 1 else b.mean((1, 2, 3)), arrays="numpy"), np.ones((3, 8, 8))
                )
            except MyError as error:
                found.append(error)

        found: list[MyError] = []
        workers = [threading.Thread(target=run, args=(found,)) for _ in range(threads)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        assert len(found) == threads
        assert "deep" in "".join(traceback.format_tb(found[0].__traceback__))


def test_want_of_memory_halves_the_batch():
    seen = []

    def hungry(batch):
        seen.append(len(batch))
        if len(batch) > 2:
            raise MemoryError("not enough")
        return batch.mean((1, 2, 3))

    e = vt.occlusion(vt.wrap(hungry), np.random.rand(3, 8, 8), patch=2, stride=2, batch=8)
    assert max(seen) == 8 and e.plan["batch"] == "2" and not e.partial


def test_two_threads_explain_two_models_at_once(families):
    singles = {}
    for name in FAMILIES[:2]:
        net, x, _ = families(name)
        singles[name] = vt.explain(net, x, "rise:masks=300", 0)
    found = {}

    def work(name):
        net, x, _ = families(name)
        found[name] = [vt.explain(net, x, "rise:masks=300", 0) for _ in range(3)]

    workers = [threading.Thread(target=work, args=(name,)) for name in singles]
    [w.start() for w in workers]
    [w.join() for w in workers]
    for name, single in singles.items():
        assert all(difference(single.map, e.map) < 1e-5 for e in found[name]), name


def test_one_module_may_be_explained_by_two_threads(families):
    net, x, _ = families("residual")
    wrapped = vt.wrap(net)
    single = vt.gradcam(wrapped, x, 0)
    found = []
    workers = [
        threading.Thread(target=lambda: found.extend(vt.gradcam(wrapped, x, 0) for _ in range(5))) for _ in range(2)
    ]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert len(found) == 10 and all(difference(single.map, e.map) < 1e-5 for e in found)
