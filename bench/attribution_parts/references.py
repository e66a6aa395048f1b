"""Converged maps for bench/attribution.py, computed by ONNX Runtime and NumPy from the definitions, and kept: nothing of
vitrail or of a peer is in them. Each is made of independent halves, whose correlation says how far it can be trusted.
"""

import contextlib
import csv
import hashlib
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.nn import functional as F

GRID = 8
D = GRID * GRID


@contextlib.contextmanager
def written_whole(path):
    """A path to write to that becomes `path` at the end: whoever reads it meanwhile, in another run, reads a whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        yield Path(folder) / path.name
        os.replace(Path(folder) / path.name, path)


class Engine:
    """Scores of a class for batches of inputs."""

    def __init__(self, model, target, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.target = target

    def __call__(self, x):
        rows = [self.session.run(None, {self.name: x[i : i + 8]})[0][:, self.target] for i in range(0, len(x), 8)]
        return np.concatenate(rows).astype(np.float64)


def cell_scores(engine, x, masks):
    """Scores of x [3,H,W] with its cells faded to 0 by masks [n,64]."""
    step = x.shape[-1] // GRID
    scores = []
    for i in range(0, len(masks), 64):
        mask = masks[i : i + 64].astype(np.float32).reshape(-1, 1, GRID, GRID)
        scores.append(engine(x[None] * mask.repeat(step, 2).repeat(step, 3)))
    return np.concatenate(scores)


def sobol_total(engine, x, designs, seed):
    """Jansen on Latin-hypercube pairs: designs x 65 forwards."""
    rng = np.random.default_rng([seed, 1])
    ranks = rng.permuted(np.tile(np.arange(designs), (2 * D, 1)), axis=1).T
    points = (ranks + rng.random((designs, 2 * D))) / designs
    a, b = points[:, :D], points[:, D:]
    c = np.repeat(a[:, None], D, 1)
    c[:, np.arange(D), np.arange(D)] = b
    y_a = cell_scores(engine, x, a)
    y_c = cell_scores(engine, x, c.reshape(-1, D)).reshape(designs, D)
    return ((y_a[:, None] - y_c) ** 2).mean(0) / (2 * y_a.var(ddof=1))


def shapley(engine, x, forwards, seed):
    """Complementary pairs drawn by the Shapley kernel, constrained least squares."""
    rng = np.random.default_rng([seed, 2])
    sizes = np.arange(1, D)
    chances = 1.0 / (sizes * (D - sizes))
    drawn = rng.choice(sizes, forwards // 2, p=chances / chances.sum())
    shown = np.zeros((len(drawn), D))
    for row, size in zip(shown, drawn):
        row[rng.permutation(D)[:size]] = 1
    odd = (cell_scores(engine, x, shown) - cell_scores(engine, x, 1 - shown)) / 2
    total = cell_scores(engine, x, np.ones((1, D)))[0] - cell_scores(engine, x, np.zeros((1, D)))[0]
    # sum phi = total: substitute phi = total / d + Q u with Q orthogonal to ones.
    basis = np.linalg.qr(np.column_stack([np.ones(D), np.eye(D)[:, 1:]]))[0][:, 1:]
    design = shown - 0.5
    rest = odd - design.sum(1) * total / D
    return total / D + basis @ np.linalg.lstsq(design @ basis, rest, rcond=None)[0]


def owen(engine, x, forwards=0, seed=0):
    """Owen values of the halves of halves of the 8x8 cells, rows first: all 5460 coalitions of the hierarchy, no sampling."""
    order = []  # per level: the parts as lists of cells, in pairs of siblings
    parts = [np.arange(D).reshape(GRID, GRID)]
    while parts[0].size > 1:
        halves = [
            half for part in parts for half in np.array_split(part, 2, axis=0 if part.shape[0] >= part.shape[1] else 1)
        ]
        order.append(halves)
        parts = halves
    levels = len(order)
    # A cell's value is the mean over the 2^levels choices of whether the sibling of each of its ancestors shows.
    known = {}

    def score(masks):
        new = [mask for mask in masks if mask.tobytes() not in known]
        unique = list({mask.tobytes(): mask for mask in new}.values())
        if unique:
            for mask, value in zip(unique, cell_scores(engine, x, np.stack(unique))):
                known[mask.tobytes()] = value
        return np.array([known[mask.tobytes()] for mask in masks])

    values = np.zeros(D)
    for cell in range(D):
        siblings = []
        for halves in order:
            own = next(i for i, half in enumerate(halves) if cell in half)
            siblings.append(halves[own ^ 1].ravel())
        masks = []
        for choice in range(2**levels):
            mask = np.zeros(D, np.uint8)
            for level, sibling in enumerate(siblings):
                mask[sibling] = choice >> level & 1
            masks.append(mask)
        without = score(masks)
        for mask in masks:
            mask[cell] = 1
        values[cell] = (score(masks) - without).mean()
    return values


def rise_cells(engine, x, masks, seed, grid=7):
    """The mean over the masks of RISE on the 8x8 cells: sum of score x mask / sum of mask."""
    rng = np.random.default_rng([seed, 3])
    size, large = x.shape[-1], math.ceil(x.shape[-1] * (1 + 1 / grid))
    weighted, shown = np.zeros((size, size)), np.zeros((size, size))
    for first in range(0, masks, 64):
        n = min(64, masks - first)
        bits = torch.from_numpy((rng.random((n, 1, grid, grid)) < 0.5).astype(np.float32))
        wide = F.interpolate(bits, (large, large), mode="bilinear")[:, 0].numpy()
        shifts = rng.integers(0, large - size + 1, (n, 2))
        mask = np.stack([wide[k, r : r + size, c : c + size] for k, (r, c) in enumerate(shifts)])
        weighted += np.tensordot(engine(x[None] * mask[:, None]), mask, 1)
        shown += mask.sum(0)
    step = size // GRID
    return (weighted / shown).reshape(GRID, step, GRID, step).mean((1, 3)).ravel()


def spearman(a, b):
    def ranks(values):
        return np.argsort(np.argsort(np.ravel(values))).astype(float)

    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


# name -> (function, what a half takes): forwards a half in brackets
DEFINITIONS = {
    "sobol": (sobol_total, 128),  # designs [8320]
    "shapley": (shapley, 8192),
    "owen": (owen, 0),  # exact
    "rise": (rise_cells, 8192),
}


def load_given(path):
    """{(model, image): (reliability, values)} of a table of converged maps made elsewhere, where there is one."""
    if not path.exists():
        return {}
    with path.open() as table:
        return {
            (row["model"], row["image"]): (float(row["reliability"]), np.array(row["values"].split(), dtype=float))
            for row in csv.DictReader(table, delimiter="\t")
        }


def converged(kind, model, x, target, folder, scale=1.0, threads=2):
    """(reliability, values [64]): two halves, kept in `folder`. `scale` shrinks the samples, for a quick look."""
    function, samples = DEFINITIONS[kind]
    samples = int(samples * scale)
    key = hashlib.sha256(model.read_bytes() + x.tobytes() + f"{kind} {target} {samples}".encode()).hexdigest()[:16]
    path = folder / f"{kind}-{key}.npy"
    if not path.exists():
        engine = Engine(model, target, threads)
        halves = [function(engine, x, samples, seed) for seed in ((1,) if kind == "owen" else (1, 2))]
        with written_whole(path) as place:
            np.save(place, np.stack(halves))
    halves = np.load(path)
    r = spearman(halves[0], halves[-1])
    return 2 * r / (1 + r), halves.mean(0)  # Spearman-Brown
