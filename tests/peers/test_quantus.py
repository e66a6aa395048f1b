"""The metrics of an evaluation against Quantus, Captum and pytorch-grad-cam: the same map, the same photo, the same class.

Most faithfulness metrics of Quantus count values of channels, not pixels. Grey photos, of which its network is given one
channel, make both the same; tests on colour photos say what the difference does.
"""

import math

import captum.attr
import captum.metrics
import numpy as np
import onnx2torch
import PIL.Image
import pytest
import quantus
import torch
from conftest import MEAN, STD, Side, corpus
from peer_nets import NETS, SIZE, plain, randomised
from pytorch_grad_cam.metrics.perturbation_confidence import RemoveLeastRelevantFirst
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from quantus.functions.similarity_func import correlation_spearman

pytestmark = pytest.mark.filterwarnings("ignore")

BLACK = (0 - MEAN) / STD
EXACT = ("--plan", "none")  # maps of `explain` as `evaluate` makes them, bit by bit
SIGNED = "gradient_x_input"


class OneChannel(torch.nn.Module):
    """The network as a function of one channel."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.expand(-1, 3, -1, -1))


def make_side(folder, name, grey):
    if name != "resnet20":
        return Side(folder, NETS[name](), SIZE, grey=grey)
    model = corpus() / "models" / "cifar10" / "resnet20.onnx"
    return Side(folder, onnx2torch.convert(str(model)), 32, model, grey=grey)


@pytest.fixture(scope="module", params=["plain", "resnet20"])
def grey(request, tmp_path_factory):
    return make_side(tmp_path_factory.mktemp("grey"), request.param, True)


@pytest.fixture(scope="module", params=["plain", "resnet20"])
def colour(request, tmp_path_factory):
    return make_side(tmp_path_factory.mktemp("colour"), request.param, False)


@pytest.fixture
def trapz(monkeypatch):
    """Quantus 0.6.0 calls numpy.trapz, which NumPy 2.4 has under its new name only: without this every area fails."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)


def map_of(side, method=SIGNED, known={}):  # noqa: B006
    """The map of the method, made once a photo."""
    key = side.folder, method
    if key not in known:
        known[key] = side.explain(method, options=EXACT)[0]["map"]
    return known[key]


def judge(name, side, map_, options, channels=1, copies=1, truth=None, **call):
    """What a metric of Quantus returns for the map, `copies` times."""
    metric = getattr(quantus, name)(disable_warnings=True, display_progressbar=False, **options)
    repeat = (copies, 1, 1, 1)
    return metric(
        model=OneChannel(side.network).eval() if channels == 1 else side.network,
        x_batch=np.tile(side.x[:, :channels].numpy(), repeat),
        y_batch=np.full(copies, side.target),
        a_batch=np.tile(map_[None, None].astype(np.float64), repeat),
        s_batch=None if truth is None else np.tile(truth[None, None], repeat),
        channel_first=True,
        device="cpu",
        **call,
    )


def probability(side, x):
    with torch.no_grad():
        return torch.softmax(side.network(x), 1)[:, side.target].double().numpy()


def order_of(map_):
    return np.argsort(-map_.ravel(), kind="stable")


def assert_same_mean(ours, theirs, least=0.0):
    """Means within four of their standard errors, known well enough to tell them from `least`."""
    error = math.sqrt(np.var(ours, ddof=1) / len(ours) + np.var(theirs, ddof=1) / len(theirs))
    assert abs(np.mean(ours) - np.mean(theirs)) <= 4 * error
    assert abs(np.mean(ours) - least) > 8 * error, "nothing is compared: the mean is not known well enough"


# Fidelity


@pytest.mark.parametrize("baseline, value", [("black", BLACK), ("zero", 0.0)])
def test_deletion_is_pixel_flipping(grey, require_metrics, trapz, baseline, value):
    """Their curve begins after the first step: it lacks the score of the photo, and their area, of unit steps, is neither a
    mean score nor comparable between numbers of steps. Ours is the area with that point, over the number of steps."""
    require_metrics("deletion")
    steps = grey.size
    (ours,) = grey.evaluate(SIGNED, f"deletion:steps={steps},baseline={baseline}")
    options = {"features_in_step": grey.size, "perturb_baseline": value}
    (theirs,) = judge("PixelFlipping", grey, map_of(grey), options, softmax=True)
    assert ours["y"][1:] == pytest.approx(theirs, abs=2e-5)
    curve = [probability(grey, grey.x)[0], *theirs]
    assert ours["value"] == pytest.approx(np.trapezoid(curve) / steps, abs=2e-5)
    (area,) = judge("PixelFlipping", grey, map_of(grey), options | {"return_auc_per_sample": True}, softmax=True)
    assert area == pytest.approx(ours["value"] * steps - (curve[0] + curve[1]) / 2, abs=1e-3)


def test_the_area_of_pixel_flipping_fails_on_this_numpy(tmp_path):
    if hasattr(np, "trapz"):
        pytest.skip("this NumPy still has trapz")
    side = make_side(tmp_path, "plain", True)
    options = {"features_in_step": side.size, "perturb_baseline": 0.0, "return_auc_per_sample": True}
    with pytest.raises(AttributeError, match="trapz"):
        judge("PixelFlipping", side, map_of(side), options)


def test_pixel_flipping_of_a_colour_photo_counts_channels(colour, require_metrics):
    """A map without channels is broadcast to three, and the values of channels are what is counted, though what is checked is
    that `features_in_step` divides the number of pixels: each step hides a third as many pixels as were asked for. Of
    three times as many steps every third is ours."""
    require_metrics("deletion")
    (ours,) = colour.evaluate(SIGNED, f"deletion:steps={colour.size},baseline=zero")
    options = {"features_in_step": colour.size, "perturb_baseline": 0.0}
    (theirs,) = judge("PixelFlipping", colour, map_of(colour), options, channels=3)
    assert len(theirs) == 3 * colour.size
    assert ours["y"][1:] == pytest.approx(theirs[2::3], abs=2e-5)


def test_black_of_quantus_is_the_darkest_value_of_the_photo(tmp_path, require_metrics):
    """perturb_baseline="black", the default, is the least value of what the network is given: of a photo without a black
    pixel, grey. Black is the pixel value 0."""
    require_metrics("deletion")
    side = make_side(tmp_path, "plain", True)
    pixels = np.asarray(PIL.Image.open(side.photo)).clip(60)
    PIL.Image.fromarray(pixels).save(side.photo)
    side.x = torch.from_numpy(((pixels / 255 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1))[None]
    with torch.no_grad():
        side.scores = side.network(side.x)[0]

    def flip(baseline):
        options = {"features_in_step": side.size, "perturb_baseline": baseline}
        return judge("PixelFlipping", side, map_of(side), options)[0]

    (ours,) = side.evaluate(SIGNED, f"deletion:steps={side.size},baseline=black")
    theirs = flip("black")
    assert theirs == pytest.approx(flip(float(side.x.min())), abs=1e-6)
    assert ours["y"][1:] == pytest.approx(flip(BLACK), abs=2e-5)
    assert ours["y"][-1] != pytest.approx(theirs[-1], abs=1e-3)


@pytest.mark.parametrize("method", ["random", SIGNED])
def test_faithfulness_correlation(grey, require_metrics, method):
    """Both draw their own subsets: means of many draws are the same within what they are known to."""
    require_metrics("faithfulness_correlation")
    size, subsets, draws = 40, 40, 24
    asked = [
        f"faithfulness_correlation:subsets={subsets},size={size},baseline=zero,activation=none,seed={seed}"
        for seed in range(1, draws + 1)
    ]
    ours = [score["value"] for score in grey.evaluate(method, *asked)]
    np.random.seed(5)
    theirs = judge(
        "FaithfulnessCorrelation",
        grey,
        map_of(grey, method),
        {"nr_runs": subsets, "subset_size": size, "perturb_baseline": 0.0, "return_aggregate": False},
        copies=draws,
    )
    assert_same_mean(ours, theirs, 0.0 if method == SIGNED else 1.0)


def test_squares_hidden_in_order(grey, require_metrics, known_metrics):
    """Score by score. Their numbers are curves without the photo's own score; the direction that they state for region
    perturbation, lower, is wrong: it is the drop that a good order makes large."""
    require_metrics("region_perturbation", "selectivity")
    patch = grey.size // 4
    ours, area = grey.evaluate(
        SIGNED,
        f"region_perturbation:patch={patch},regions=16,baseline=zero",
        f"selectivity:patch={patch},regions=16,baseline=zero",
    )
    map_, options = map_of(grey), {"patch_size": patch, "perturb_baseline": 0.0}
    (drops,) = judge("RegionPerturbation", grey, map_, options)
    (left,) = judge("Selectivity", grey, map_, options)
    base = probability(grey, grey.x)[0]
    assert base - np.array(ours["y"][1:]) == pytest.approx(np.asarray(drops), abs=2e-5)
    assert area["y"][1:] == pytest.approx(np.asarray(left), abs=2e-5)
    assert ours["value"] == pytest.approx(np.sum(drops) / 17, abs=2e-5)
    assert area["value"] == pytest.approx(np.trapezoid([base, *left]) / 16, abs=2e-5)
    (least_first,) = judge("RegionPerturbation", grey, map_, options | {"order": "lerf"})
    assert np.mean(drops) > np.mean(least_first)
    assert quantus.RegionPerturbation.score_direction.value == "lower"
    assert known_metrics["region_perturbation"]["direction"] == "higher"


def superpixels(side, grid):
    """The division that irof hides by: regions of one value in a map of what hiding each of them does."""
    map_ = map_of(side, f"feature_ablation:regions=slic,grid={grid}")
    values, labels = np.unique(map_, return_inverse=True)
    assert len(values) > grid
    return labels.reshape(map_.shape)


def test_irof(grey, require_metrics, trapz, monkeypatch):
    """With the same superpixels and the same colour the scores are the same. Their number is n less the area of n points of
    unit distance: the first interval is missing and it is not divided by n, so that it grows with the number of
    superpixels, which is not the same for any two photos."""
    require_metrics("irof")
    (ours,) = grey.evaluate(SIGNED, "irof:grid=4,baseline=mean")
    labels = superpixels(grey, 4)
    monkeypatch.setattr(quantus.helpers.utils, "get_superpixel_segments", lambda **_: labels)
    mean = float(grey.x.mean())
    (theirs,) = judge("IROF", grey, map_of(grey), {"perturb_baseline": mean, "return_aggregate": False})
    shares, n = np.array(ours["y"]) / ours["y"][0], labels.max() + 1
    assert len(shares) == n + 1
    assert ours["value"] == pytest.approx(1 - np.trapezoid(shares) / n, abs=1e-6)
    assert theirs - (1 + shares[1]) / 2 == pytest.approx(n * ours["value"], abs=1e-3)


def test_the_mean_of_irof_stays_the_photos(grey, require_metrics, trapz, monkeypatch):
    """Their "mean", the default, is taken of what the photo has become, anew at every step, so that superpixels are not hidden
    by one colour. Ours is the mean of the photo."""
    require_metrics("irof")
    labels = superpixels(grey, 4)
    monkeypatch.setattr(quantus.helpers.utils, "get_superpixel_segments", lambda **_: labels)
    n, map_ = labels.max() + 1, map_of(grey)
    order = np.argsort([-map_[labels == label].mean() for label in range(n)], kind="stable")
    fixed, drifting = grey.x.clone(), grey.x.clone()
    mean, kept, moved = grey.x.mean(), [], []
    for label in order:
        where = torch.from_numpy(labels == label)
        fixed[:, :, where] = mean
        drifting[:, :, where] = drifting.mean()
        kept.append(probability(grey, fixed)[0])
        moved.append(probability(grey, drifting)[0])
    base = probability(grey, grey.x)[0]
    (ours,) = grey.evaluate(SIGNED, "irof:grid=4,baseline=mean")
    assert ours["y"][1:] == pytest.approx(kept, abs=2e-5)
    (theirs,) = judge("IROF", grey, map_, {"perturb_baseline": "mean", "return_aggregate": False})
    assert theirs == pytest.approx(n - np.trapezoid(np.array(moved) / base), rel=1e-4)


def test_irof_and_road_of_a_colour_photo_fail(colour):
    """A mask of one channel is not broadcast to three, and pixels of three channels are sought in one: Quantus 0.6.0 has
    neither metric for photos with colours."""
    with pytest.raises(AssertionError, match="mask shape"):
        judge("IROF", colour, map_of(colour), {}, channels=3)
    with pytest.raises(IndexError):
        judge("ROAD", colour, map_of(colour), {"percentages": [50]}, channels=3)


def imputed(side, removed):
    """The photo without these pixels, by the imputer of pytorch-grad-cam."""
    keep = np.ones(side.size * side.size, np.float32)
    keep[removed] = 0
    return NoisyLinearImputer(noise=0)(side.x[0], torch.from_numpy(keep.reshape(side.size, side.size)))[None]


@pytest.mark.parametrize("order", ["morf", "lerf"])
def test_road_share_by_share(colour, require_metrics, order):
    require_metrics("road")
    (ours,) = colour.evaluate(SIGNED, f"road:order={order},noise=0")
    ranked = order_of(map_of(colour) * (1 if order == "morf" else -1))
    expected = [probability(colour, imputed(colour, ranked[: len(ranked) * k // 10]))[0] for k in range(1, 10)]
    assert ours["x"] == pytest.approx(np.arange(1, 10) / 10)
    assert ours["y"] == pytest.approx(expected, abs=1e-4)


def test_road_combined(colour, require_metrics):
    """Their percentile removes one pixel more than the share, and their noise is absolute; ours is a share of the range. Both
    matter less than one draw of the noise from another."""
    require_metrics("road")
    noise = 0.01 / float(colour.x.max() - colour.x.min())
    asked = [f"road:noise={noise:.8f},seed={seed}" for seed in range(1, 6)]
    ours = [score["value"] for score in colour.evaluate(SIGNED, *asked)]
    torch.manual_seed(4)
    target = [lambda scores: torch.softmax(scores, -1)[colour.target]]
    theirs = [ROADCombined()(colour.x, map_of(colour)[None], target, colour.network)[0] for _ in range(5)]
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)


def test_least_relevant_pixels_of_a_map_of_small_values():
    """pytorch-grad-cam finds the least relevant pixels in 1 - map, in float32: of a map of gradients, which are small, all are
    1, and every pixel is removed. Shares of an order are the same for a map and its multiples."""
    map_ = torch.from_numpy(np.random.default_rng(0).random((16, 16), dtype=np.float32))
    removed = {}
    for scale in (1, 1e-9):
        RemoveLeastRelevantFirst(80, lambda x, keep, scale=scale: removed.update({scale: int((keep == 0).sum())}))(
            torch.zeros(3, 16, 16), map_ * scale
        )
    assert removed[1] == pytest.approx(0.2 * 256, abs=1)
    assert removed[1e-9] == 256


def test_road_of_quantus_is_of_answers_not_scores(grey, require_metrics):
    """Their number is whether the answer stays, 0 or 1 of one photo; ours is the score. What they impute is the same."""
    require_metrics("road")
    (ours,) = grey.evaluate(SIGNED, "road:order=morf,noise=0")
    shares = list(range(10, 100, 10))
    theirs = judge("ROAD", grey, map_of(grey), {"percentages": shares, "noise": 0.0})
    ranked = order_of(map_of(grey))
    for share, y in zip(shares, ours["y"]):
        x = imputed(grey, ranked[: len(ranked) * share // 100])
        with torch.no_grad():
            answer = int(grey.network(x).argmax())
        assert theirs[share] == (answer == grey.target)
        assert y == pytest.approx(probability(grey, x)[0], abs=1e-4)


# Stability


def largest_gradient(side):
    """Saliency as vitrail defines it, for both peers."""
    saliency = captum.attr.Saliency(side.network)

    def explain(x, target):
        found = saliency.attribute(x, target=target)  # of a tuple of inputs a tuple, as Captum's metrics want it
        first = found[0] if isinstance(found, tuple) else found
        reduced = first.amax(1, keepdim=True).detach()
        return (reduced,) if isinstance(found, tuple) else reduced

    return explain


@pytest.mark.parametrize("peer", ["captum", "quantus"])
@pytest.mark.parametrize("net", ["plain", "smooth"])
def test_max_sensitivity(tmp_path, require_metrics, net, peer):
    """Other neighbours are drawn: means of many maxima are the same within what they are known to."""
    require_metrics("max_sensitivity")
    side = make_side(tmp_path, net, False)
    radius, samples, draws = 0.05, 8, 40
    asked = [f"max_sensitivity:samples={samples},radius={radius},seed={seed}" for seed in range(1, draws + 1)]
    ours = [score["value"] for score in side.evaluate("saliency", *asked)]
    explain = largest_gradient(side)
    torch.manual_seed(6)
    np.random.seed(6)
    if peer == "captum":
        theirs = captum.metrics.sensitivity_max(
            explain,
            side.x.expand(draws, -1, -1, -1),
            perturb_radius=radius,
            n_perturb_samples=samples,
            target=torch.full((draws,), side.target),
        ).numpy()
    else:
        theirs = judge(
            "MaxSensitivity",
            side,
            map_of(side, "saliency"),
            {"nr_samples": samples, "lower_bound": radius},
            channels=3,
            copies=draws,
            explain_func=lambda model, inputs, targets, **_: explain(
                torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)
            ).numpy(),
        )
    assert_same_mean(ours, theirs)


# Localisation


@pytest.fixture
def truth(colour):
    """bool [H,W], and the option that names its picture."""
    region = np.zeros((colour.size, colour.size), bool)
    region[4:15, 6:18] = True
    region[6:9, 6:9] = False
    folder = colour.folder / "masks"
    folder.mkdir(exist_ok=True)
    PIL.Image.fromarray(region.astype(np.uint8) * 255).save(folder / "photo.png")
    return region, ("--masks", folder)


@pytest.mark.parametrize("method", ["saliency", SIGNED, "random"])
@pytest.mark.parametrize("metric, peer, options", [
    ("pointing_game", "PointingGame", {}),
    ("relevance_rank", "RelevanceRankAccuracy", {}),
    ("top_k:k=50", "TopKIntersection", {"k": 50}),
    ("auc", "AUC", {}),
])  # fmt: skip
def test_localisation(colour, truth, require_metrics, method, metric, peer, options):
    require_metrics(metric.split(":")[0])
    region, masks = truth
    (ours,) = colour.evaluate(method, metric, options=masks)
    (theirs,) = judge(peer, colour, map_of(colour, method), options, truth=region)
    assert ours["value"] == pytest.approx(float(theirs), abs=1e-6)


def test_relevance_mass(colour, truth, require_metrics):
    """The same for maps without a sign. Of signed maps RelevanceMassAccuracy divides by a sum in which both signs cancel: no
    share of anything, and not within 0 and 1. Ours is the share of the positive relevance, as the paper has it, which
    AttributionLocalisation is, too, asked for it."""
    require_metrics("energy_pointing_game")
    region, masks = truth
    (ours,) = colour.evaluate("saliency", "energy_pointing_game", options=masks)
    (theirs,) = judge("RelevanceMassAccuracy", colour, map_of(colour, "saliency"), {}, truth=region)
    assert ours["value"] == pytest.approx(float(theirs), abs=1e-6)

    map_ = map_of(colour)
    (ours,) = colour.evaluate(SIGNED, "energy_pointing_game", options=masks)
    (theirs,) = judge("RelevanceMassAccuracy", colour, map_, {}, truth=region)
    assert theirs == pytest.approx(map_[region].sum() / map_.sum(), rel=1e-3)
    assert ours["value"] == pytest.approx(map_[region].clip(0).sum() / map_.clip(0).sum(), abs=1e-6)
    assert ours["value"] != pytest.approx(float(theirs), abs=1e-3)
    (positive,) = judge(
        "AttributionLocalisation", colour, map_, {"abs": False, "positive_attributions": True}, truth=region
    )
    assert ours["value"] == pytest.approx(float(positive), abs=1e-6)


def test_share_of_the_image_that_the_region_covers(colour, truth, require_metrics):
    """The weight of AttributionLocalisation is to be the region's share of the image, and is divided by the size of
    x_batch[2:], the photos from the third on, where the size of a photo, shape[2:], is meant: of one photo that is
    nothing, and the weighted value is infinite. The weighted pointing game writes shares into booleans and fails."""
    require_metrics("energy_pointing_game")
    region, masks = truth
    (ours,) = colour.evaluate("saliency", "energy_pointing_game", options=masks)
    map_ = map_of(colour, "saliency")
    (plain_,) = judge("AttributionLocalisation", colour, map_, {}, truth=region)
    (weighted,) = judge("AttributionLocalisation", colour, map_, {"weighted": True}, truth=region)
    assert ours["value"] == pytest.approx(float(plain_), abs=1e-6)
    assert ours["parts"]["covered"] == pytest.approx(region.mean())
    assert ours["parts"]["over_chance"] == pytest.approx(float(plain_) / region.mean(), rel=1e-5)
    assert not np.isfinite(weighted)
    with pytest.raises(TypeError):
        judge("PointingGame", colour, map_, {"weighted": True}, truth=np.ones_like(region))


# Complexity


@pytest.mark.parametrize("method", ["saliency", SIGNED, "random"])
@pytest.mark.parametrize("metric, peer, options, tolerance", [
    ("gini", "Sparseness", {}, 2e-5),  # they add 1e-7 to every value
    ("entropy", "Complexity", {}, 1e-5),  # and 1e-12 within the logarithm
    ("effective_complexity:share=0.05", "EffectiveComplexity", {"eps": 0.05}, 0),
])  # fmt: skip
def test_complexity(colour, require_metrics, method, metric, peer, options, tolerance):
    require_metrics(metric.split(":")[0])
    (ours,) = colour.evaluate(method, metric)
    (theirs,) = judge(peer, colour, map_of(colour, method), options)
    assert ours["value"] == pytest.approx(float(theirs), abs=tolerance)


# Sanity


def test_random_logit(tmp_path, require_metrics):
    """Of two classes the other one is no draw. Rank correlations are the same."""
    require_metrics("random_logit")
    network = randomised(plain())
    network[-1] = torch.nn.Linear(12, 2)
    side = Side(tmp_path, randomised(network), SIZE)
    (ours,) = side.evaluate("saliency", "random_logit:similarity=spearman")
    explain = largest_gradient(side)
    (theirs,) = judge(
        "RandomLogit",
        side,
        map_of(side, "saliency"),
        {"num_classes": 2, "similarity_func": correlation_spearman},
        channels=3,
        explain_func=lambda model, inputs, targets, **_: explain(
            torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)
        ).numpy(),
    )
    assert ours["value"] == pytest.approx(float(theirs), abs=1e-5)
    assert abs(ours["value"]) < 0.999
