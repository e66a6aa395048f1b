"""The CAM family against pytorch-grad-cam, torch-cam and Captum: the layer's own cells, before anybody scales or
enlarges them."""

import functools

import captum.attr
import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from conftest import AGREE, Side, assert_agree, cosine
from peer_nets import LAST, NETS, SIZE
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["plain", "normalised", "relu6"])
def side(request, tmp_path):
    side = Side(tmp_path, NETS[request.param](), SIZE)
    side.layer = LAST[request.param]
    side.module = side.network.get_submodule(side.layer)
    return side


def grad_cam(side, peer):
    """[h,w] of the class `peer`, without its scaling: the weighted sum, then ReLU."""
    for parameter in side.network.parameters():
        parameter.requires_grad_(True)
    targets = [ClassifierOutputTarget(side.target)]
    with getattr(pytorch_grad_cam, peer)(model=side.network, target_layers=[side.module]) as cam:
        outputs = cam.activations_and_grads(side.x)
        cam.outputs = outputs
        targets[0](outputs[0]).backward(retain_graph=True)
        activations = cam.activations_and_grads.activations[0].detach().numpy()
        gradients = cam.activations_and_grads.gradients[0].detach().numpy()
        image = cam.get_cam_image(side.x, side.module, targets, activations, gradients, False)
    for parameter in side.network.parameters():
        parameter.requires_grad_(False)
    return np.maximum(image[0], 0)


GRADIENT_CAMS = {
    "gradcam": "GradCAM",
    "hirescam": "HiResCAM",
    "elementwise_cam": "GradCAMElementWise",
    "layercam": "LayerCAM",
    "xgradcam": "XGradCAM",
}


@pytest.mark.parametrize("method", GRADIENT_CAMS)
def test_cams_of_gradients(side, require, method):
    require(method)
    ours = side.explain(f"{method}:layer={side.layer}")[0]["cells"]
    theirs = grad_cam(side, GRADIENT_CAMS[method])
    assert_agree(ours, theirs)


def test_grad_cam_plus_plus(side, require):
    """vitrail is the paper's formula. The peer adds 1e-6 to its denominator, 2 G^2 + G^3 sum A, which behind a global
    average is of that size itself: G is a weight divided by the number of positions. Without it both agree."""
    require("gradcam_pp")
    activation, gradient = value_of(side), gradient_of(side)
    total = activation.sum((1, 2), keepdims=True)

    def formula(added):
        denominator = 2 * gradient**2 + gradient**3 * total + added
        with np.errstate(all="ignore"):
            alpha = np.where(gradient != 0, gradient**2 / denominator, 0)
        return np.maximum(np.einsum("k,khw->hw", (np.maximum(gradient, 0) * alpha).sum((1, 2)), activation), 0)

    assert_agree(grad_cam(side, "GradCAMPlusPlus"), formula(1e-6))
    assert_agree(side.explain(f"gradcam_pp:layer={side.layer}")[0]["cells"], formula(0))


def gradient_of(side):
    """[K,h,w] of the score with respect to the module's value."""
    seen = {}

    def keep(module, inputs, output):
        seen["value"] = output.detach().requires_grad_()
        return seen["value"]

    handle = side.module.register_forward_hook(keep)
    score = side.network(side.x)[0, side.target]
    handle.remove()
    return torch.autograd.grad(score, seen["value"])[0][0].numpy()


def grad_cam_signed(side, peer):
    for parameter in side.network.parameters():
        parameter.requires_grad_(True)
    with getattr(pytorch_grad_cam, peer)(model=side.network, target_layers=[side.module]) as cam:
        outputs = cam.activations_and_grads(side.x)
        ClassifierOutputTarget(side.target)(outputs[0]).backward()
        activations = cam.activations_and_grads.activations[0].detach().numpy()
        gradients = cam.activations_and_grads.gradients[0].detach().numpy()
        image = cam.get_cam_image(
            side.x, side.module, [ClassifierOutputTarget(side.target)], activations, gradients, False
        )
    for parameter in side.network.parameters():
        parameter.requires_grad_(False)
    return image[0]


def first_component(values, centred):
    """[h,w]: [K,h,w] projected on its first right singular vector, as positions x channels."""
    flat = values.reshape(len(values), -1).T
    flat = flat - flat.mean(0) if centred else flat
    return (flat @ np.linalg.svd(flat, full_matrices=False)[2][0]).reshape(values.shape[1:])


@pytest.mark.parametrize("method, peer", [("eigen_cam", "EigenCAM"), ("eigen_gradcam", "EigenGradCAM")])
def test_eigen_cams(side, require, method, peer):
    """The peer subtracts each channel's mean before the decomposition: the first principal component. The paper projects on
    the first right singular vector of the values as they are, and so does vitrail. Both are NumPy's; and a singular
    vector has no sign: vitrail takes the one of the plain sum over channels, the peer what the decomposition returns,
    of which its ReLU may then leave nothing."""
    require(method)
    values = value_of(side) * (gradient_of(side) if method == "eigen_gradcam" else 1)
    ours = side.explain(f"{method}:layer={side.layer},relu=false")[0]["cells"]
    expected = first_component(values, centred=False)
    assert_agree(ours, np.sign((expected * values.sum(0)).sum()) * expected)
    theirs, component = grad_cam_signed(side, peer), first_component(values, centred=True)
    assert_agree(np.sign((theirs * component).sum()) * theirs, component)


def value_of(side):
    seen = {}
    handle = side.module.register_forward_hook(lambda m, i, o: seen.update(value=o.detach()))
    side.score(side.x)
    handle.remove()
    return seen["value"][0].numpy()


def test_grad_cam_of_captum(side):
    theirs = captum.attr.LayerGradCam(side.network, side.module).attribute(
        side.x.clone().requires_grad_(), target=side.target, relu_attributions=True
    )
    ours = side.explain(f"gradcam:layer={side.layer}")[0]["cells"]
    assert_agree(ours, theirs[0, 0].detach(), 1)


def test_score_cam(side, require):
    require("scorecam")
    ours = side.explain(f"scorecam:layer={side.layer}")[0]["cells"]
    assert_agree(ours, grad_cam(side, "ScoreCAM"))
    assert_agree(ours, torch_cam(side, torchcam.methods.ScoreCAM))


class ScoreCamOfThePaper(torchcam.methods.ScoreCAM):
    """Scales channels to [0,1] after they are enlarged. That the peer has scaled them before does not matter then."""

    def _upsample(self, activation):
        return self._normalize(super()._upsample(activation), 2)


def torch_cam(side, peer):
    """[h,w] of the class `peer`."""
    with peer(side.network, target_layer=side.module, input_shape=(3, SIZE, SIZE)) as extractor:
        with torch.inference_mode():
            scores = side.network(side.x)
        return extractor(side.target, scores, normalized=False)[0][0].numpy()


def test_masks_of_score_cam(tmp_path, monkeypatch, require):
    """vitrail is the paper's formula, M_k = s(Up(A_k)), with Up of the authors' code. torch-cam enlarges what is scaled,
    Up(s(A_k)): bilinear values lie between those of the cells, so that its masks end short of 0 and 1. pytorch-grad-cam
    enlarges from corner to corner (align_corners). Logits that differ much, as in trained networks, show it."""
    require("scorecam")
    network = NETS["plain"]()
    network[-1].weight.data *= 300
    side = Side(tmp_path, network, SIZE)
    side.layer, side.module = LAST["plain"], network.get_submodule(LAST["plain"])
    ours = side.explain(f"scorecam:layer={side.layer}")[0]["cells"]
    assert cosine(ours, torch_cam(side, torchcam.methods.ScoreCAM)) < AGREE
    assert_agree(ours, torch_cam(side, ScoreCamOfThePaper), 1, least=0.99999)
    assert cosine(ours, grad_cam(side, "ScoreCAM")) < AGREE
    monkeypatch.setattr(torch.nn, "UpsamplingBilinear2d", functools.partial(torch.nn.Upsample, mode="bilinear"))
    assert_agree(ours, grad_cam(side, "ScoreCAM"), 1, least=0.99999)


def test_ablation_cam(side, require):
    """Against the definition, (g - g without the channel) / |g|. The size of g instead of g, so that a channel that speaks
    for the target counts as that where the logit is negative too."""
    require("ablation_cam")
    activation = torch.from_numpy(value_of(side))
    weights = []
    for channel in range(len(activation)):
        changed = activation.clone()
        changed[channel] = 0
        handle = side.module.register_forward_hook(lambda m, i, o, changed=changed: changed[None])
        score = float(side.scores[side.target])
        weights.append((score - float(side.score(side.x))) / abs(score))
        handle.remove()
    expected = torch.einsum("k,khw->hw", torch.tensor(weights), activation).clamp(min=0)
    assert_agree(side.explain(f"ablation_cam:layer={side.layer}")[0]["cells"], expected)


def test_fem(side, require):
    """vitrail follows the paper: sum of the masks of rare values, A >= mean + 2 std, weighted by the channel's mean. The peer
    weights the channels themselves by the share of their rare values."""
    require("fem")
    values = value_of(side)
    mean, deviation = values.mean((1, 2), keepdims=True), values.std((1, 2), keepdims=True)
    ours = side.explain(f"fem:layer={side.layer}")[0]["cells"]
    assert_agree(ours, ((values >= mean + 2 * deviation) * mean).sum(0))
    share = (values > mean + 2 * deviation).mean((1, 2), keepdims=True)
    assert_agree(grad_cam(side, "FEM"), np.maximum((share * values).sum(0), 0))


def test_shapley_cam(side, require):
    """On nets that are piecewise linear behind the layer the curvature term is zero: Grad-CAM, on both sides."""
    require("shapley_cam")
    assert_agree(side.explain(f"shapley_cam:layer={side.layer}")[0]["cells"], grad_cam(side, "GradCAM"))


def test_fullgrad_is_complete(side, require):
    """vitrail is right that the terms add up to the score (the theorem of the paper); the peer scales every channel of
    every term to [0,1] before the sum, takes convolutions and normalisations only, and scales the result: a picture,
    whose sum means nothing. `terms=paper` is that picture."""
    require("fullgrad")
    ours = side.explain("fullgrad")[0]
    assert ours["map"].sum() == pytest.approx(float(side.scores[side.target]), rel=1e-3)
    for parameter in side.network.parameters():
        parameter.requires_grad_(True)
    with pytorch_grad_cam.FullGrad(model=side.network, target_layers=[]) as cam:
        theirs = cam(input_tensor=side.x.clone(), targets=[ClassifierOutputTarget(side.target)])[0]
    assert theirs.min() >= 0 and theirs.max() <= 1
