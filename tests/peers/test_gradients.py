"""The gradient family against Captum."""

import captum.attr
import numpy as np
import onnx2torch
import pytest
import torch
from conftest import Side, assert_agree, corpus, cosine
from peer_nets import NETS, SIZE

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["plain", "normalised", "smooth", "resnet20"])
def side(request, tmp_path):
    if request.param != "resnet20":
        return Side(tmp_path, NETS[request.param](), SIZE)
    model = corpus() / "models" / "cifar10" / "resnet20.onnx"
    return Side(
        tmp_path, onnx2torch.convert(str(model)), 32, model, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )


@pytest.fixture
def make(tmp_path):
    return lambda name: Side(tmp_path, NETS[name](), SIZE)


def test_saliency(side):
    theirs = captum.attr.Saliency(side.network).attribute(side.leaf(), target=side.target)
    ours = side.explain("saliency")[0]["map"]
    assert_agree(ours, theirs[0].amax(0), 1)


def test_gradient_x_input(side):
    theirs = captum.attr.InputXGradient(side.network).attribute(side.leaf(), target=side.target).detach()
    ours = side.explain("gradient_x_input")[0]["map"]
    assert_agree(ours, theirs[0].mean(0), 1)


@pytest.mark.parametrize("intervals", [8, 50])
def test_integrated_gradients_at_the_same_nodes(side, intervals):
    """The peer's trapezoid weighs n nodes by 1 / n, where n - 1 intervals have 1 / (n - 1): a constant factor off, so that its
    gap does not vanish as it should."""
    explainer = captum.attr.IntegratedGradients(side.network)
    theirs = explainer.attribute(side.leaf(), target=side.target, n_steps=intervals + 1, method="riemann_trapezoid") * (
        (intervals + 1) / intervals
    )
    ours = side.explain(f"integrated_gradients:steps={intervals},max_steps={intervals}")[0]
    assert_agree(ours["map"], theirs[0].sum(0).detach(), 1)
    rise = float(side.scores[side.target] - side.score(torch.zeros_like(side.x)))
    gap = float(theirs.sum()) - rise
    assert ours["completeness_gap"] == pytest.approx(gap, abs=1e-3 * (1 + abs(float(side.scores.max()))))


def test_expected_gradients_without_noise_is_gradient_shap(make):
    side = make("smooth")
    torch.manual_seed(1)
    theirs = captum.attr.GradientShap(side.network).attribute(
        side.x, baselines=torch.zeros_like(side.x), target=side.target, n_samples=3000, stdevs=0.0
    )
    ours = side.explain("expected_gradients:samples=3000,noise=0")[0]["map"]
    assert_agree(ours, theirs[0].sum(0).detach(), 1)


@pytest.mark.parametrize("method, kind, reduce", [
    ("smoothgrad", "smoothgrad", lambda values: values.mean(0)),
    ("squaregrad", "smoothgrad_sq", lambda values: values.mean(0)),
    ("vargrad", "vargrad", lambda values: values.mean(0)),
])  # fmt: skip
def test_noise_tunnel(make, method, kind, reduce):
    """At convergence: the noise of both is drawn apart. Captum's sigma is absolute, vitrail's a share of the range."""
    side = make("smooth")
    noise, torch_samples = 0.15, 4000
    torch.manual_seed(2)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(side.network))
    theirs = tunnel.attribute(
        side.leaf(), target=side.target, nt_type=kind, nt_samples=torch_samples, nt_samples_batch_size=50,
        stdevs=noise * float(side.x.max() - side.x.min()), abs=False,
    )  # fmt: skip
    ours = side.explain(f"{method}:samples={torch_samples},noise={noise}")[0]["map"]
    # Of variances from 4000 samples each value is known to 2 %; their pattern to three digits.
    assert_agree(ours, reduce(theirs[0].detach()), 1)


@pytest.mark.parametrize("method, peer", [("guided_backprop", "GuidedBackprop"), ("deconvnet", "Deconvolution")])
@pytest.mark.parametrize("net", ["plain", "normalised"])
def test_rules_of_relu(make, net, method, peer):
    side = make(net)
    theirs = getattr(captum.attr, peer)(side.network).attribute(side.leaf(), target=side.target).detach()
    ours = side.explain(method)[0]["map"]
    assert_agree(ours, theirs[0].mean(0) if ours.ndim == 2 else theirs[0])


def test_guided_backprop_on_relu6_is_not_the_gradient(make):
    """vitrail is right: Guided Backprop is a rule for rectifiers, ReLU6 is one, and Captum hooks modules of the class
    nn.ReLU only, so that on this net it returns the plain gradient without a word."""
    side = make("relu6")
    theirs = captum.attr.GuidedBackprop(side.network).attribute(side.leaf(), target=side.target).detach()
    gradient = torch.autograd.grad(side.network(leaf := side.leaf())[0, side.target], leaf)[0]
    assert torch.equal(theirs, gradient)
    ours = side.explain("guided_backprop")[0]["map"]
    expected = guided_by_hand(side)
    assert_agree(ours, expected[0].mean(0))
    assert cosine(ours, gradient[0].mean(0)) < 0.99


def guided_by_hand(side):
    """Guided Backprop of a sequence of layers, backwards by hand."""
    values = [side.x]
    for module in side.network:
        values.append(module(values[-1]))
    gradient = torch.zeros_like(values[-1])
    gradient[0, side.target] = 1
    for module, before in zip(reversed(list(side.network)), reversed(values[:-1])):
        before = before.detach().requires_grad_()
        gradient = torch.autograd.grad(module(before), before, gradient)[0]
        if isinstance(module, torch.nn.ReLU6):
            gradient = gradient.clamp(min=0)
    return gradient


@pytest.mark.parametrize("net", ["average", "normalised", "smooth"])
def test_deeplift(make, require, net):
    require("deeplift")
    side = make(net)
    theirs = captum.attr.DeepLift(side.network).attribute(side.leaf(), target=side.target).detach()
    ours = side.explain("deeplift")[0]
    assert_agree(ours["map"], theirs[0].sum(0), 1)


def test_deeplift_on_relu6_is_complete(make, require):
    """vitrail is right: the map adds up to the rise of the score. Captum's rules are for classes of its table; ReLU6 is none
    of them and gets the gradient, so that its sum misses the rise, and nothing says so."""
    require("deeplift")
    side = make("relu6")
    theirs = captum.attr.DeepLift(side.network).attribute(side.leaf(), target=side.target).detach()
    rise = float(side.score(side.x) - side.score(torch.zeros_like(side.x)))
    ours = side.explain("deeplift")[0]
    assert ours["map"].sum() == pytest.approx(rise, rel=1e-3, abs=1e-4)
    assert abs(float(theirs.sum()) - rise) > 10 * abs(ours["map"].sum() - rise)


@pytest.mark.parametrize("net", ["plain", "normalised"])
def test_conductance_and_influence(make, require, net):
    from peer_nets import LAST

    require("conductance", "internal_influence")
    side = make(net)
    module = side.network.get_submodule(LAST[net])
    steps = 400
    conductance = captum.attr.LayerConductance(side.network, module).attribute(
        side.x, target=side.target, n_steps=steps
    )
    influence = captum.attr.InternalInfluence(side.network, module).attribute(side.x, target=side.target, n_steps=steps)
    ours = side.explain(
        f"conductance:layer={LAST[net]},steps={steps}", f"internal_influence:layer={LAST[net]},steps={steps}"
    )
    assert_agree(ours[0]["cells"], conductance[0].sum(0).detach(), 1)
    assert_agree(ours[1]["cells"], influence[0].sum(0).detach(), 1)


@pytest.mark.parametrize("net", ["plain", "normalised"])
def test_integrated_gradients_of_a_layer(make, require, net):
    from peer_nets import LAST

    require("layer_ig")
    side = make(net)
    module = side.network.get_submodule(LAST[net])
    theirs = captum.attr.LayerIntegratedGradients(side.network, module).attribute(
        side.x, baselines=torch.zeros_like(side.x), target=side.target, n_steps=64
    )
    ours = side.explain(f"layer_ig:layer={LAST[net]},steps=64")[0]["cells"]
    assert_agree(ours, theirs[0].sum(0).detach(), 1)


def test_the_gradient_of_relu6_nets_agrees(make):
    side = make("relu6")
    theirs = captum.attr.Saliency(side.network).attribute(side.leaf(), target=side.target)
    assert_agree(side.explain("saliency")[0]["map"], np.asarray(theirs[0].amax(0)), 1)
