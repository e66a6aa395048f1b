"""Captum's documented image examples by vitrail's Python package, on small nets with the layers of its tutorials.

Maps have one value a pixel: Captum's channels are reduced as the method says. Where each channel counts, they lie one
under the other as one plane (`Unfolded`), and nothing is reduced. Same numbers: to 1e-4 of the largest one.
"""

import sys
from collections import OrderedDict

import captum.attr
import numpy as np
import PIL.Image
import pytest
import torch
from conftest import BUILD, smooth_photo
from peer_nets import randomised
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(BUILD / "python"))
import vitrail as vt  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
TARGET = 3


def lenet(activation=nn.ReLU, pool=nn.MaxPool2d, between=nn.Identity):
    """The net of the CIFAR tutorial; `between` stands before each pooling."""
    layers = [("conv1", nn.Conv2d(3, 6, 5)), ("act1", activation()), ("between1", between()), ("pool1", pool(2, 2))]
    layers += [("conv2", nn.Conv2d(6, 16, 5)), ("act2", activation()), ("between2", between()), ("pool2", pool(2, 2))]
    layers += [("flat", nn.Flatten()), ("fc1", nn.Linear(400, 120)), ("act3", activation())]
    layers += [("fc2", nn.Linear(120, 84)), ("act4", activation()), ("fc3", nn.Linear(84, 10))]
    return randomised(nn.Sequential(OrderedDict(layers)))


def smooth_lenet():
    return lenet(nn.Softplus, nn.AvgPool2d)


class Copy(nn.Module):
    def forward(self, x):
        return x.clone()


class Classifier(nn.Module):
    """Convolutions, global pooling, linear: of images of any size, as those of the ImageNet tutorial."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 5, 2, 2), nn.Conv2d(8, 12, 3, padding=1)
        self.relu1, self.relu2, self.head = nn.ReLU(), nn.ReLU(), nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3)))


class Segmenter(nn.Module):
    """A backbone of stride 4 and a head of one convolution; returns a dictionary, as torchvision's do."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        scores = self.head(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return {"out": F.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=False)}


class Aggregated(nn.Module):
    """[N,K]: each class's scores added up over the pixels that were its own in the image as it is."""

    def __init__(self, segmenter, classes):
        super().__init__()
        self.segmenter, self.classes = segmenter, classes

    def forward(self, x):
        scores = self.segmenter(x)["out"]
        return (scores * torch.zeros_like(scores[:1]).scatter_(1, self.classes, 1)).sum((2, 3))


class Unfolded(nn.Module):
    """A net of inputs [N,1,3H,W], the channels one under the other."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.reshape(len(x), 3, -1, x.shape[3]))


def by_channel(method, network, x, target, **options):
    """The explanation of each channel apart, and a function that gives a map of it the shape [3,H,W]."""
    found = method(Unfolded(network).eval(), x.reshape(1, -1, x.shape[2]), target, **options)
    return found, lambda values: values.reshape(x.shape)


def picture(size):
    """[3,H,W] from -1 to 1, as the CIFAR tutorial normalises."""
    pixels = smooth_photo(size, 3).transpose(2, 0, 1).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(pixels / 127.5 - 1))


def leaf(x):
    return x[None].clone().requires_grad_()


def numbers(values):
    return np.asarray(values.detach() if isinstance(values, torch.Tensor) else values, dtype=np.float64)


def difference(ours, theirs):
    ours, theirs = numbers(ours), numbers(theirs)
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def assert_same(ours, theirs, most=1e-4):
    assert difference(ours, theirs) <= most


def assert_same_limit(ours, theirs, deviation, least_signal):
    """Two estimates of one map. `deviation`: standard deviation of their difference, pixel by pixel; 5 of them happen
    by chance once in two million values. `least_signal`: of the map's largest value, in the largest deviations."""
    ours, theirs, deviation = numbers(ours), numbers(theirs), numbers(deviation)
    assert (np.abs(ours - theirs) <= 5 * deviation).all()
    z = (ours - theirs)[deviation > 0] / deviation[deviation > 0]
    assert np.sqrt((z**2).mean()) < 1.5, "further apart than chance explains"
    assert np.abs(theirs).max() >= least_signal * deviation.max(), "too few samples to tell anything"


@pytest.fixture(scope="module")
def x():
    return picture(32)


@pytest.fixture(scope="module")
def graph(x, tmp_path_factory):
    """`lenet` as a graph, for methods with rules of their own for operators."""
    return vt.load(vt.export(lenet(), x, tmp_path_factory.mktemp("graph") / "lenet.onnx"), plan="none")


# The CIFAR tutorial


@pytest.mark.parametrize("reducer", ["max", "min", "mean", "sum"])
def test_saliency(x, reducer):
    """CIFAR tutorial, Saliency: absolute gradients on both sides; vitrail's map is their largest of a pixel's
    channels."""
    net = lenet()
    theirs = captum.attr.Saliency(net).attribute(leaf(x), target=TARGET)[0]
    reduced = {"max": theirs.amax(0), "min": theirs.amin(0), "mean": theirs.mean(0), "sum": theirs.sum(0)}[reducer]
    assert_same(vt.saliency(net, x, TARGET, reducer=reducer).map, reduced)
    found, planes = by_channel(vt.saliency, net, x, TARGET)
    assert_same(planes(found.map), theirs)


@pytest.mark.parametrize("steps", [50, 200])
def test_integrated_gradients(x, steps):
    """CIFAR (50 steps, Captum's default) and ImageNet tutorial (200), IntegratedGradients from a baseline of 0: Captum
    takes Gauss-Legendre nodes, vitrail equal intervals. On a net without kinks both are the integral."""
    net = smooth_lenet()
    theirs, delta = captum.attr.IntegratedGradients(net).attribute(
        x[None], baselines=x[None] * 0, target=TARGET, n_steps=steps, return_convergence_delta=True
    )
    ours = vt.integrated_gradients(net, x, TARGET, steps=128)
    assert_same(ours.map, theirs[0].sum(0))
    assert ours.completeness_gap == pytest.approx(float(delta), abs=1e-5)
    found, planes = by_channel(vt.integrated_gradients, net, x, TARGET, steps=128)
    assert_same(planes(found.map), theirs[0])


@pytest.mark.parametrize("nodes", [50, 200])
def test_integrated_gradients_of_a_net_with_kinks(x, nodes):
    """The same on the tutorial's own net, ReLU and maxima, at the same nodes: Captum's trapezoid weighs each of n by
    1/n, not 1/(n-1), and is multiplied back. vitrail adds no nodes where max_steps are the steps."""
    net = lenet()
    theirs = captum.attr.IntegratedGradients(net).attribute(
        x[None], baselines=x[None] * 0, target=TARGET, n_steps=nodes, method="riemann_trapezoid"
    )
    theirs = theirs * nodes / (nodes - 1)
    intervals = {"steps": nodes - 1, "max_steps": nodes - 1}
    assert_same(vt.integrated_gradients(net, x, TARGET, **intervals).map, theirs[0].sum(0))
    found, planes = by_channel(vt.integrated_gradients, net, x, TARGET, **intervals)
    assert_same(planes(found.map), theirs[0])


def test_integrated_gradients_of_a_net_with_kinks_at_the_default_nodes(x):
    """The ImageNet tutorial's call (200 steps) on that net: the nodes differ, and gradients jump between them. A rule
    with positive weights misses an integral by at most the integrand's variation times the largest weight."""
    net, steps, intervals = lenet(), 200, 1000
    theirs = captum.attr.IntegratedGradients(net).attribute(x[None], target=TARGET, n_steps=steps)[0].sum(0)
    ours = vt.integrated_gradients(net, x, TARGET, steps=intervals, max_steps=intervals).map
    integrand = []
    for way in (torch.linspace(0, 1, 4 * intervals + 1)[:, None, None, None] * x).split(200):
        way = way.requires_grad_()
        integrand.append((torch.autograd.grad(net(way)[:, TARGET].sum(), way)[0] * x).sum(1))
    variation = numbers(torch.cat(integrand).diff(dim=0).abs().sum(0))
    largest = np.polynomial.legendre.leggauss(steps)[1].max() / 2 + 1 / intervals
    assert (np.abs(numbers(ours) - numbers(theirs)) <= variation * largest + 1e-6 * np.abs(ours).max()).all()
    assert difference(ours, theirs) <= 0.02


@pytest.mark.parametrize("kind, stdev", [("smoothgrad_sq", 0.2), ("smoothgrad_sq", 1.0), ("smoothgrad", 0.2)])
def test_integrated_gradients_with_a_noise_tunnel(x, kind, stdev):
    """CIFAR tutorial (stdevs=0.2) and ImageNet tutorial (10 samples, the default of 1), NoiseTunnel: vitrail has no
    option for it, so integrated gradients of the same noisy inputs are averaged here, squared by channel as Captum
    does."""
    net, samples = smooth_lenet(), 10
    torch.manual_seed(5)
    theirs = captum.attr.NoiseTunnel(captum.attr.IntegratedGradients(net)).attribute(
        x[None], baselines=x[None] * 0, target=TARGET, nt_type=kind, nt_samples=samples, stdevs=stdev
    )
    torch.manual_seed(5)
    noisy = x + torch.normal(0, torch.full((samples, *x.shape), stdev))
    power = 2 if kind == "smoothgrad_sq" else 1
    total = 0
    for sample in noisy:
        found, planes = by_channel(vt.integrated_gradients, net, sample, TARGET, steps=100, max_steps=100)
        total = total + planes(found.map).astype(np.float64) ** power
    assert_same(total / samples, theirs[0])


@pytest.mark.parametrize("method, kind", [(vt.smoothgrad, "smoothgrad"), (vt.squaregrad, "smoothgrad_sq")])
def test_noise_tunnel_over_gradients(x, method, kind):
    """NoiseTunnel over Saliency(abs=False), its classical use. Captum's stdevs are absolute, vitrail's a share of the
    input's range; the noise of both is drawn apart, so the limits are compared."""
    net, samples, noise = lenet(), 1000, 0.1
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(net))
    torch.manual_seed(5)
    theirs = tunnel.attribute(
        leaf(x), target=TARGET, abs=False, nt_type=kind, nt_samples=samples, nt_samples_batch_size=50,
        stdevs=noise * float(x.max() - x.min()),
    )  # fmt: skip
    found, planes = by_channel(method, net, x, TARGET, noise=noise, samples=samples)
    # As many samples on both sides, of the same law: as large an error.
    assert_same_limit(planes(found.map), theirs[0], 2**0.5 * planes(found.standard_error), least_signal=20)
    assert_same(method(net, x, TARGET, noise=noise, samples=samples).map, planes(found.map).mean(0))


def test_deeplift(x, graph):
    """CIFAR tutorial, DeepLift from a baseline of 0, channels added up. For Captum every pooling reads a copy: see the
    next test."""
    net = lenet(between=Copy)
    theirs = captum.attr.DeepLift(net).attribute(x[None], baselines=x[None] * 0, target=TARGET)
    ours = vt.deeplift(graph, x, TARGET)
    assert_same(ours.map, theirs[0].sum(0))
    assert "default_rule" not in ours.plan


def test_deeplift_of_a_maximum_right_behind_a_rectifier(x, graph):
    """CIFAR tutorial, DeepLift as it stands there. vitrail is right: Captum's hook on the ReLU's output runs before
    that on the pooling's input, which is the same tensor, so that the ReLU gets the gradient instead of the pooling's
    multiplier. A copy between them changes no score, and should change no map; from other baselines completeness is
    lost."""
    plain, copied = lenet(), lenet(between=Copy)
    explain = {net: captum.attr.DeepLift(net).attribute for net in (plain, copied)}
    here, zero, other = x[None], x[None] * 0, x.flip(2)[None]
    with torch.no_grad():
        assert torch.equal(plain(here), copied(here))
        rise = {b: float((plain(here) - plain(b))[0, TARGET]) for b in (zero, other)}
    sums = {net: float(explain[net](here, baselines=other, target=TARGET).sum()) for net in (plain, copied)}
    assert sums[copied] == pytest.approx(rise[other], rel=1e-4)
    assert abs(sums[plain] - rise[other]) > 0.1 * abs(rise[other])
    ours = vt.deeplift(graph, x, TARGET)
    assert ours.map.sum() == pytest.approx(rise[zero], rel=1e-4)
    assert difference(ours.map, explain[plain](here, baselines=zero, target=TARGET)[0].sum(0)) > 0.1


# Examples of the reference pages


@pytest.mark.parametrize("method, peer", [(vt.guided_backprop, "GuidedBackprop"), (vt.deconvnet, "Deconvolution")])
def test_rules_of_relu(x, graph, method, peer):
    """Reference pages of GuidedBackprop and Deconvolution (a classifier of 3x32x32, target=3): means over channels."""
    theirs = getattr(captum.attr, peer)(lenet()).attribute(leaf(x), target=TARGET)
    assert_same(method(graph, x, TARGET).map, theirs[0].mean(0))


def test_guided_grad_cam(x, graph):
    """Reference page of GuidedGradCam, a late convolution. Captum enlarges by the nearest value, vitrail bicubically,
    which Captum has as an option."""
    net = lenet()
    theirs = captum.attr.GuidedGradCam(net, net.conv2).attribute(leaf(x), target=TARGET, interpolate_mode="bicubic")
    assert_same(vt.guided_gradcam(graph, x, TARGET, layer="conv2").map, theirs[0].mean(0))


# The ImageNet tutorial


@pytest.fixture(scope="module")
def classifier():
    return randomised(Classifier())


def best(net, x):
    with torch.no_grad():
        return int(net(x[None]).argmax())


def test_gradient_shap(x):
    """ImageNet tutorial, GradientShap with baselines 0 and the image itself, stdevs=0.0001. The image as baseline adds
    nothing: Captum's limit is half that of vitrail's expected gradients from 0 without noise, and the limits are
    compared."""
    net, theirs_n, ours_n = lenet(), 1000, 4000
    torch.manual_seed(0)
    np.random.seed(0)
    theirs = captum.attr.GradientShap(net).attribute(
        x[None], n_samples=theirs_n, stdevs=0.0001, baselines=torch.cat([x[None] * 0, x[None]]), target=best(net, x)
    )
    ours = vt.expected_gradients(net, x, noise=0.0, samples=ours_n)
    # A sample of Captum's is one of vitrail's, y, or 0: of variance E[y^2] / 2 - E[y]^2 / 4 = Var y / 2 + E[y]^2 / 4.
    mean, error = numbers(ours.map), numbers(ours.standard_error)
    variance = (error**2 * ours_n / 2 + mean**2 / 4) / theirs_n + error**2 / 4
    assert_same_limit(mean / 2, theirs[0].sum(0), variance**0.5, least_signal=20)


def occlusions(net, size, patch, stride):
    x = picture(size)
    theirs = captum.attr.Occlusion(net).attribute(
        x[None], strides=(3, stride, stride), target=best(net, x), sliding_window_shapes=(3, patch, patch), baselines=0
    )[0]
    assert torch.equal(theirs[0], theirs[1]) and torch.equal(theirs[0], theirs[2])
    return vt.occlusion(net, x, patch=patch, stride=stride, normalise_coverage=True), theirs[0]


@pytest.mark.parametrize("size, patch, stride", [(79, 15, 8), (110, 60, 50)])
def test_occlusion(classifier, size, patch, stride):
    """ImageNet tutorial, Occlusion with its windows and strides: Captum divides by the number of windows that cover a
    pixel, vitrail where it is asked to, and adds up else."""
    ours, theirs = occlusions(classifier, size, patch, stride)
    assert_same(ours.map, theirs)


@pytest.mark.parametrize("size, patch, stride", [(80, 15, 8), (150, 60, 50)])
def test_occlusion_where_windows_do_not_end_at_the_border(classifier, size, patch, stride):
    """The same at sizes like the tutorial's: Captum adds windows that are cut off by the border, vitrail takes whole
    ones, leaving pixels behind the last one at 0. The same up to where the first cut one begins."""
    ours, theirs = occlusions(classifier, size, patch, stride)
    cut = ((size - patch) // stride + 1) * stride
    assert cut < size < cut + patch
    assert_same(ours.map[:cut, :cut], theirs[:cut, :cut])


# The segmentation tutorial


@pytest.fixture(scope="module")
def segmentation():
    """The aggregated net, an image, the classes of its pixels [1,1,H,W], and a class to explain."""
    net, x = randomised(Segmenter()), picture(48)
    with torch.no_grad():
        classes = net(x[None])["out"].argmax(1, keepdim=True)
    assert len(classes.unique()) > 2
    return Aggregated(net, classes).eval(), x, classes, int(classes.unique()[1])


def test_grad_cam_of_a_segmentation(segmentation):
    """Segmentation tutorial, LayerGradCam of the last convolution: Captum keeps negative values, vitrail with
    relu=false; LayerAttribution.interpolate takes the nearest value, and is asked for vitrail's bicubic
    enlargement."""
    net, x, _, target = segmentation
    theirs = captum.attr.LayerGradCam(net, net.segmenter.conv2).attribute(x[None], target=target)
    ours = vt.gradcam(net, x, target, layer="segmenter.conv2", relu=False)
    assert_same(ours.cells, theirs[0, 0])
    large = captum.attr.LayerAttribution.interpolate(theirs, x.shape[1:], interpolate_mode="bicubic")
    assert_same(ours.map, large[0, 0])
    assert_same(vt.gradcam(net, x, target, layer="segmenter.conv2").cells, F.relu(theirs)[0, 0])


def test_feature_ablation_of_a_segmentation(segmentation, tmp_path):
    """Segmentation tutorial, FeatureAblation over the predicted labels, of the wrapping function. vitrail reads
    regions from a picture with a colour each."""
    net, x, classes, target = segmentation
    theirs = captum.attr.FeatureAblation(net).attribute(
        x[None], feature_mask=classes, perturbations_per_eval=2, target=target
    )
    PIL.Image.fromarray(classes[0, 0].numpy().astype(np.uint8)).save(tmp_path / "labels.png")
    function = vt.wrap(lambda inputs: net(inputs), arrays="torch")
    for model in (net, function):
        ours = vt.feature_ablation(model, x, target, regions=str(tmp_path / "labels.png"))
        assert_same(ours.map, theirs[0, 0])


# The feature ablation tutorial


def test_feature_ablation(classifier, tmp_path):
    """Feature ablation tutorial, groups of an annotation with the labels of PASCAL VOC: Captum wants them numbered
    without gaps, vitrail takes the picture as it is."""
    x = picture(64)
    labels = np.zeros((64, 64), np.uint8)
    labels[8:40, 10:30], labels[20:60, 34:56], labels[:, -3:] = 5, 20, 255
    PIL.Image.fromarray(labels).save(tmp_path / "annotation.png")
    numbered = torch.from_numpy(np.unique(labels, return_inverse=True)[1].reshape(1, 1, 64, 64))
    theirs = captum.attr.FeatureAblation(classifier).attribute(
        x[None], target=best(classifier, x), feature_mask=numbered
    )
    ours = vt.feature_ablation(classifier, x, regions=str(tmp_path / "annotation.png"))
    assert_same(ours.map, theirs[0, 0])
    assert len(np.unique(ours.map)) == 4
