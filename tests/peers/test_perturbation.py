"""Black-box methods against Captum, SHAP and SciPy."""

import itertools

import captum.attr
import numpy as np
import pytest
import scipy.stats
import torch
from captum._utils.models.linear_model import SkLearnLinearRegression
from conftest import Side, assert_agree, by_cells, cosine, grid_mask
from peer_nets import NETS, SIZE

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=["plain", "normalised"])
def side(request, tmp_path):
    return Side(tmp_path, NETS[request.param](), SIZE)


def cell_game(side, grid):
    """v(S) for coalitions [n,grid*grid] of zeros and ones, or of fade levels: the score with the other cells at 0."""

    def scores(masks):
        masks = torch.as_tensor(np.asarray(masks, dtype=np.float32)).reshape(-1, 1, grid, grid)
        found = [
            side.score(side.x * m.repeat_interleave(SIZE // grid, 2).repeat_interleave(SIZE // grid, 3))
            for m in masks.split(256)
        ]
        return torch.cat(found).double().numpy()

    return scores


def shapley_by_definition(game, d):
    """From all 2^d coalitions."""
    masks = np.array(list(itertools.product([0, 1], repeat=d)), dtype=np.float32)
    v = dict(zip(map(tuple, masks.astype(int)), game(masks)))
    values = np.zeros(d)
    factorial = [1.0]
    for i in range(1, d + 1):
        factorial.append(factorial[-1] * i)
    for mask, score in v.items():
        size = sum(mask)
        for i in range(d):
            if mask[i]:
                values[i] += factorial[size - 1] * factorial[d - size] / factorial[d] * score
            else:
                values[i] -= factorial[size] * factorial[d - size - 1] / factorial[d] * score
    return values


def test_occlusion(side):
    theirs = captum.attr.Occlusion(side.network).attribute(
        side.x, target=side.target, sliding_window_shapes=(3, 6, 6), strides=(3, 3, 3)
    )
    ours = side.explain("occlusion:patch=6,stride=3,normalise_coverage=true")[0]["map"]
    assert_agree(ours, theirs[0, 0], 1)


def test_feature_ablation(side):
    theirs = captum.attr.FeatureAblation(side.network).attribute(
        side.x, target=side.target, feature_mask=grid_mask(SIZE, 4)
    )
    ours = side.explain("occlusion:patch=6,stride=6")[0]["map"]
    assert_agree(ours, theirs[0, 0], 1)


def test_exact_shapley_values(side, require):
    require("exact_shapley")
    ours = side.explain("exact_shapley:grid=3")[0]["cells"]
    assert_agree(ours, shapley_by_definition(cell_game(side, 3), 9), 1)
    theirs = captum.attr.ShapleyValues(side.network).attribute(
        side.x, target=side.target, feature_mask=grid_mask(SIZE, 2), perturbations_per_eval=1
    )
    assert_agree(side.explain("exact_shapley:grid=2")[0]["cells"], by_cells(theirs[0, 0].numpy(), 2), 1)


def test_exact_shapley_values_of_shap(side, require):
    import shap

    require("exact_shapley")
    game = cell_game(side, 3)
    explainer = shap.explainers.ExactExplainer(game, shap.maskers.Independent(np.zeros((1, 9)), max_samples=1))
    theirs = explainer(np.ones((1, 9)), silent=True).values[0]
    assert_agree(side.explain("exact_shapley:grid=3")[0]["cells"], theirs, 1)


def test_kernel_shap(side, require):
    require("kernel_shap")
    exact = shapley_by_definition(cell_game(side, 3), 9)
    torch.manual_seed(1)
    theirs = captum.attr.KernelShap(side.network).attribute(
        side.x, target=side.target, feature_mask=grid_mask(SIZE, 3), n_samples=4000, perturbations_per_eval=50
    )
    assert_agree(by_cells(theirs[0, 0].numpy(), 3), exact, least=0.99)  # Captum's penalty of the constraint, and noise
    ours = side.explain("kernel_shap:grid=3,coalitions=4000,ridge=false")[0]["cells"]
    assert_agree(ours, exact, 1)


def test_shapley_sampling(side, require):
    require("shapley")
    exact = shapley_by_definition(cell_game(side, 3), 9)
    torch.manual_seed(1)
    theirs = captum.attr.ShapleyValueSampling(side.network).attribute(
        side.x, target=side.target, feature_mask=grid_mask(SIZE, 3), n_samples=600
    )
    ours = side.explain("shapley:grid=3,permutations=600")[0]["cells"]
    assert_agree(ours, exact, 1)
    assert cosine(ours, exact) >= cosine(by_cells(theirs[0, 0].numpy(), 3), exact) - 1e-4


def test_owen_values(side, require):
    """SHAP's Partition explainer on a picture of 4 x 4 cells, with evaluations for the whole hierarchy."""
    import shap

    require("owen")
    game = cell_game(side, 4)
    masker = shap.maskers.Image(np.zeros((4, 4, 1), np.float32), (4, 4, 1))
    explainer = shap.PartitionExplainer(lambda images: game(images.reshape(len(images), 16))[:, None], masker)
    theirs = explainer(np.ones((1, 4, 4, 1), np.float32), max_evals=2000, outputs=[0], silent=True).values.reshape(4, 4)
    ours = side.explain("owen:grid=4,evaluations=2000")[0]["cells"]
    assert_agree(ours, theirs, 1)


def test_lime(side, require):
    """At convergence, with the same weights (all alike) and no penalty: least squares over independent bits."""
    require("lime")
    torch.manual_seed(1)
    explainer = captum.attr.Lime(
        side.network,
        interpretable_model=SkLearnLinearRegression(),
        similarity_func=lambda *arguments, **keywords: torch.tensor([1.0]),
    )
    theirs = explainer.attribute(
        side.x, target=side.target, feature_mask=grid_mask(SIZE, 3), n_samples=6000, perturbations_per_eval=50
    )
    ours = side.explain("lime:grid=3,samples=6000,width=1000,ridge=0")[0]["cells"]
    # The limit itself: all 512 masks, equally often.
    masks = np.array(list(itertools.product([0, 1], repeat=9)), dtype=np.float32)
    design = np.column_stack([np.ones(len(masks)), masks])
    limit = np.linalg.lstsq(design, cell_game(side, 3)(masks), rcond=None)[0][1:]
    assert_agree(ours, limit, 1)
    assert_agree(by_cells(theirs[0, 0].numpy(), 3), limit)


def test_sobol_indices(side):
    """Total-order indices at convergence against SciPy's, on the same function."""
    game = cell_game(side, 3)
    uniform = [scipy.stats.uniform()] * 9
    theirs = scipy.stats.sobol_indices(
        func=lambda x: game(x.T)[None], n=2048, dists=uniform, rng=np.random.default_rng(1)
    )
    ours = side.explain("sobol:grid=3,designs=256,replicates=8,sampler=owen")[0]["cells"]
    assert_agree(ours, np.ravel(theirs.total_order), 1)
