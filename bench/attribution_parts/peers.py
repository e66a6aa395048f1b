"""The peers' side of bench/attribution.py: each explanation as the peer's documentation calls it, at its defaults (batch
included), on one thread. A problem is a network, an input [1,3,H,W] and a class; every function returns a NumPy array.

Where no peer has a package (the Sobol design, RISE), the published algorithm is written out in plain PyTorch.
"""

import contextlib
import io
import math
import warnings
from dataclasses import dataclass

import captum.attr
import numpy as np
import scipy.stats.qmc
import shap
import torch
import torchcam.methods
from torch.nn import functional as F


@dataclass
class Problem:
    network: torch.nn.Module
    input: torch.Tensor  # [1,3,H,W]
    target: int

    @property
    def size(self):
        return self.input.shape[-1]

    def score(self, x):
        with torch.no_grad():
            return self.network(x)[:, self.target]


def grid_mask(size, grid):
    """[1,1,H,W]: the number of the cell of each pixel."""
    index = torch.arange(size) * grid // size
    return (index[:, None] * grid + index)[None, None]


def cells(map_, grid=8):
    """Sums of an [H,W] map over grid x grid cells."""
    step = map_.shape[0] // grid
    return map_[: step * grid, : step * grid].reshape(grid, step, grid, step).sum((1, 3))


def sobol(problem, designs=32, grid=8, batch=256):
    """Total-order indices by the plain Sobol' sequence and Jansen's estimator: designs x (grid^2 + 2) forwards, of which the
    usual implementation uses all but those of B."""
    d = grid * grid
    points = scipy.stats.qmc.Sobol(2 * d, scramble=False).random(designs)
    a, b = points[:, :d], points[:, d:]
    c = np.repeat(a[None], d, 0)  # cell, design, column
    c[np.arange(d), :, np.arange(d)] = b.T
    masks = torch.from_numpy(np.concatenate([a, b, c.reshape(-1, d)]).astype(np.float32)).view(-1, 1, grid, grid)
    scores = []
    for chunk in masks.split(batch):
        scores.append(problem.score(problem.input * F.interpolate(chunk, (problem.size, problem.size))))
    scores = torch.cat(scores).double().numpy()
    y_a, y_c = scores[:designs], scores[2 * designs :].reshape(d, designs)
    return (((y_a - y_c) ** 2).sum(1) / (2 * designs * y_a.var(ddof=1))).reshape(grid, grid)


def rise(problem, masks=4000, grid=7, keep=0.5, batch=32):
    """The published loop: bits on a grid, enlarged bilinearly, one shift a batch; the batch is Xplique's default."""
    generator = torch.Generator().manual_seed(0)
    size, large = problem.size, math.ceil(problem.size * (1 + 1 / grid))
    weighted, shown = torch.zeros(size, size), torch.zeros(size, size)
    for first in range(0, masks, batch):
        n = min(batch, masks - first)
        bits = (torch.rand(n, 1, grid, grid, generator=generator) < keep).float()
        row, column = torch.randint(0, large - size + 1, (2,), generator=generator).tolist()
        mask = F.interpolate(bits, (large, large), mode="bilinear")[:, :, row : row + size, column : column + size]
        score = problem.score(problem.input * mask)
        weighted += (score[:, None, None] * mask[:, 0]).sum(0)
        shown += mask[:, 0].sum(0)
    return (weighted / (shown + 1e-4)).numpy()


def kernel_shap(problem, samples=512, grid=8):
    explainer = captum.attr.KernelShap(problem.network)
    mask = grid_mask(problem.size, grid)
    with torch.no_grad():
        values = explainer.attribute(problem.input, target=problem.target, feature_mask=mask, n_samples=samples)
    step = problem.size // grid
    return values[0, 0, step // 2 :: step, step // 2 :: step].numpy()


def partition(problem, evaluations=500):
    """shap's Partition explainer as its image examples make it: with the hierarchy of the image, which takes most of the time
    of a small net and could be kept for images of the same size."""

    def function(images):
        x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float()
        with torch.no_grad():
            return problem.network(x).numpy()

    image = problem.input.permute(0, 2, 3, 1).numpy()
    explainer = shap.Explainer(function, shap.maskers.Image(np.zeros_like(image[0])), silent=True)
    with contextlib.redirect_stderr(io.StringIO()):
        values = explainer(image, max_evals=evaluations, batch_size=50, outputs=[problem.target]).values
    return values.reshape(problem.size, problem.size, 3).sum(2)


def occlusion(problem, patch=32, stride=16):
    explainer = captum.attr.Occlusion(problem.network)
    window, strides = (3, patch, patch), (3, stride, stride)
    with torch.no_grad():
        values = explainer.attribute(
            problem.input, target=problem.target, sliding_window_shapes=window, strides=strides
        )
    return values[0, 0].numpy()


def integrated_gradients(problem, steps=50):
    """The map, and how far it is from complete."""
    explainer = captum.attr.IntegratedGradients(problem.network)
    values = explainer.attribute(problem.input, target=problem.target, n_steps=steps).detach()
    rise_ = problem.score(problem.input) - problem.score(torch.zeros_like(problem.input))
    return values[0].sum(0).numpy(), abs(float(values.sum() - rise_) / float(rise_))


def smoothgrad(problem, samples=50, noise=0.15):
    explainer = captum.attr.NoiseTunnel(captum.attr.Saliency(problem.network))
    sigma = noise * float(problem.input.max() - problem.input.min())
    values = explainer.attribute(
        problem.input, target=problem.target, nt_type="smoothgrad", nt_samples=samples, stdevs=sigma, abs=False
    )
    return values.detach()[0].mean(0).numpy()


class ScoreCamOfThePaper(torchcam.methods.ScoreCAM):
    """Scales channels to [0,1] after they are enlarged. That the peer has scaled them before does not matter then."""

    def _upsample(self, activation):
        return self._normalize(super()._upsample(activation), 2)


def scorecam(problem, layer, peer=torchcam.methods.ScoreCAM):
    with peer(problem.network, target_layer=layer) as extractor:
        with torch.inference_mode():
            scores = problem.network(problem.input)
        return extractor(problem.target, scores, normalized=False)[0][0].numpy()


def last_spatial_module(network, x, shape):
    """The last leaf module whose value has the given shape [C,h,w]."""
    found, handles = [], []
    for module in network.modules():
        if not list(module.children()):
            handles.append(
                module.register_forward_hook(
                    lambda m, i, o: (
                        found.append(m) if torch.is_tensor(o) and tuple(o.shape[1:]) == tuple(shape) else None
                    )
                )
            )
    with torch.no_grad():
        network(x)
    for handle in handles:
        handle.remove()
    return found[-1]


warnings.filterwarnings("ignore", module="captum")
warnings.filterwarnings("ignore", module="torchcam")
