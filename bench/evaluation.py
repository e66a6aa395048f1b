"""Metrics of vitrail against those of its peers, side by side in one run, on ImageNet nets of the corpus and real photos: the
time of vitrail divided by the peer's. Below 1 vitrail is faster.

    bench/evaluation.py [--cases deletion road ...] [--nets tiny_darknet_224 ...] [--photos 3] [--rounds 3] [--quick]

Timed: the metric alone, of one photo, on one thread on both sides. On vitrail's side that is the metric's number in
seconds.jsonl: not loading, the plan, decoding, the map, files; the first photo of a run is left out, it warms up. On the
peer's side a call in a warm process, not imports or conversion. Sides take turns; medians over rounds, then over photos.
Values are printed for both, as a check that the same is measured: deletion, insertion and ROAD are the same number up to
noise, the others draw their own.
"""

import argparse
import importlib.util
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
PEERS = SOURCE / ".venv-peers" / "bin" / "python"


def leave(missing, required):
    """Without what is compared with there is nothing to time."""
    print(f"{'FAILED' if os.environ.get(required) == '1' else 'skipped'}: {missing}", file=sys.stderr)
    sys.exit(os.environ.get(required) == "1")


if __name__ == "__main__" and any(importlib.util.find_spec(name) is None for name in ("captum", "quantus")):
    if not PEERS.exists() or Path(sys.prefix) == PEERS.parents[1]:
        leave("no Quantus in .venv-peers (scripts/setup makes it)", "VITRAIL_REQUIRE_PEERS")
    os.execv(PEERS, [str(PEERS), *sys.argv])

sys.path[:0] = [str(SOURCE / folder) for folder in ("tests/peers/standin", "bench")]

import captum.attr  # noqa: E402
import captum.metrics  # noqa: E402
import numpy as np  # noqa: E402
import quantus  # noqa: E402
import scipy.stats  # noqa: E402
import torch  # noqa: E402
from pytorch_grad_cam.metrics.road import ROADCombined  # noqa: E402

from attribution import COMMAND, CORPUS, NETS, PHOTOS, prepare  # noqa: E402

STEPS, LOOP_BATCH, FLIPPED = 100, 50, 1792  # FLIPPED: values of channels, 84 steps of a photo
GRID, SUBSETS, SHARE = 9, 200, 0.2
SAMPLES, RADIUS = 10, 0.02


@dataclass
class Photo:
    png: Path
    x: torch.Tensor  # [1,3,H,W]
    target: int
    map: torch.Tensor  # [H,W], saliency as vitrail defines it


@dataclass
class Work:
    """What one call did: of one photo."""

    seconds: float
    forwards: int
    values: list


@dataclass
class Case:
    gate: float
    metrics: tuple  # of vitrail; their times are added up
    peer: object  # (network, photos) -> values, a list a photo
    batched: bool = False  # the peer is given all photos in one call
    per_forward: bool = False


def probabilities(network, x, target):
    with torch.no_grad():
        return torch.softmax(network(x), 1)[:, target]


def walk(network, photo, deletes):
    """The plain loop: curves of a mask a step, in batches."""
    pixels = photo.map.numel()
    ranks = torch.empty(pixels, dtype=torch.long)
    ranks[photo.map.flatten().argsort(descending=True, stable=True)] = torch.arange(pixels)
    ranks = ranks.view(1, 1, *photo.map.shape)
    scores = []
    for sizes in (torch.arange(STEPS + 1) * pixels // STEPS).split(LOOP_BATCH):
        chosen = ranks < sizes.view(-1, 1, 1, 1)
        scores.append(probabilities(network, photo.x * (~chosen if deletes else chosen), photo.target))
    return float(torch.trapezoid(torch.cat(scores)) / STEPS)


def deletion_loop(network, photos):
    return [[walk(network, photo, True), walk(network, photo, False)] for photo in photos]


def mu_fidelity_loop(network, photos):
    results = []
    for photo in photos:
        side = photo.x.shape[-1]
        index = torch.arange(side) * GRID // side
        cells = index[:, None] * GRID + index
        sums = torch.zeros(GRID * GRID).index_add_(0, cells.flatten(), photo.map.flatten())
        subsets = torch.rand(SUBSETS, GRID * GRID) < SHARE
        base = probabilities(network, photo.x, photo.target)
        drops = []
        for chunk in subsets.split(LOOP_BATCH):
            shown = ~chunk[:, cells][:, None]
            drops.append(base - probabilities(network, photo.x * shown, photo.target))
        said = subsets.float() @ sums
        results.append([float(scipy.stats.spearmanr(said.numpy(), torch.cat(drops).numpy()).statistic)])
    return results


def batch_of(photos):
    return {
        "x_batch": np.concatenate([photo.x.numpy() for photo in photos]),
        "y_batch": np.array([photo.target for photo in photos]),
        "a_batch": np.stack([photo.map.numpy()[None] for photo in photos]),
        "channel_first": True,
        "device": "cpu",
    }


def pixel_flipping(network, photos):
    metric = quantus.PixelFlipping(features_in_step=FLIPPED, perturb_baseline=0.0, disable_warnings=True)
    curves = metric(model=network, softmax=True, **batch_of(photos))
    return [[float(np.trapezoid(curve)) / (len(curve) - 1)] for curve in curves]


def largest_gradient(network, x, target):
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        score = network(x).gather(1, target.view(-1, 1)).sum()
    return torch.autograd.grad(score, x)[0].abs().amax(1, keepdim=True)


def sensitivity_captum(network, photos):
    saliency = captum.attr.Saliency(network)
    results = []
    for photo in photos:
        x = photo.x.clone().requires_grad_()
        value = captum.metrics.sensitivity_max(
            saliency.attribute, x, perturb_radius=RADIUS, n_perturb_samples=SAMPLES, target=photo.target
        )
        results.append([float(value)])
    return results


def sensitivity_quantus(network, photos):
    def explain(model, inputs, targets, **_):
        return largest_gradient(network, torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)).numpy()

    metric = quantus.MaxSensitivity(nr_samples=SAMPLES, lower_bound=RADIUS, disable_warnings=True)
    return [[float(value)] for value in metric(model=network, explain_func=explain, **batch_of(photos))]


def road_grad_cam(network, photos):
    results = []
    for photo in photos:
        target = [lambda scores, photo=photo: torch.softmax(scores, -1)[photo.target]]
        results.append([float(ROADCombined()(photo.x, photo.map.numpy()[None], target, network)[0])])
    return results


CURVES = tuple(f"{name}:steps={STEPS},baseline=zero" for name in ("deletion", "insertion"))
SENSITIVITY = (f"max_sensitivity:samples={SAMPLES},radius={RADIUS}",)
MU = (f"mu_fidelity:grid={GRID},subsets={SUBSETS},share={SHARE},baseline=zero",)
CASES = {
    "deletion": Case(1 / 1.8, CURVES, deletion_loop),
    "pixelflipping": Case(1 / 1.3, CURVES[:1], pixel_flipping, batched=True, per_forward=True),
    "maxsensitivity-captum": Case(1 / 3, SENSITIVITY, sensitivity_captum),
    "maxsensitivity-quantus": Case(1 / 3, SENSITIVITY, sensitivity_quantus, batched=True),
    "road": Case(1 / 5, ("road",), road_grad_cam),
    "mufidelity": Case(1 / 2, MU, mu_fidelity_loop),
}


def run_peer(case, network, photos):
    """A Work a photo."""
    counted = [0]
    hook = network.register_forward_pre_hook(lambda module, inputs: counted.__setitem__(0, counted[0] + len(inputs[0])))
    works = []
    for some in [photos] if case.batched else [[photo] for photo in photos]:
        counted[0] = 0
        begin = time.perf_counter()
        values = case.peer(network, some)
        seconds = (time.perf_counter() - begin) / len(some)
        works += [Work(seconds, counted[0] // len(some), found) for found in values]
    hook.remove()
    return works


def run_vitrail(case, model, photos):
    """A Work a photo, from one run of the command on the first photo, which is not counted, and all of them."""
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first.png"
        shutil.copy(photos[0].png, first)
        out = Path(folder) / "out"
        command = [COMMAND, "evaluate", model, first, *(photo.png for photo in photos), "-m", "saliency"]
        command += [word for metric in case.metrics for word in ("--metric", metric)]
        subprocess.run([*command, "--threads", "1", "-o", out, "--quiet"], check=True)
        lines = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
        times = [json.loads(line)["seconds"][0][1:] for line in (out / "seconds.jsonl").read_text().splitlines()]
    works = []
    for line, seconds, photo in zip(lines[1:], times[1:], photos, strict=True):
        scores = line["methods"][0]["scores"]
        if line["target"]["index"] != photo.target:
            sys.exit(f"{model}: the sides explain different classes of {photo.png}")
        if any(score["value"] is None for score in scores):
            sys.exit(f"{model}: no value: {scores}")
        forwards = sum(score["forwards"] for score in scores)
        works.append(Work(sum(seconds), forwards, [score["value"] for score in scores]))
    return works


@dataclass
class Result:
    case: str
    net: str
    ours: list = field(default_factory=list)  # seconds of every photo: of a forward, or of the metric
    theirs: list = field(default_factory=list)
    values: tuple = ()

    @property
    def ratio(self):
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs)) if self.ours else math.inf


def measure(name, case, setup, photos, rounds):
    result = Result(name, setup.name)
    run_peer(case, setup.network, photos[:1])  # warms up
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(run_peer(case, setup.network, photos))
        ours.append(run_vitrail(case, setup.model, photos))

    def medians(runs):
        cost = [[work.seconds / (work.forwards if case.per_forward else 1) for work in works] for works in runs]
        return [statistics.median(of_photo) for of_photo in zip(*cost)]

    result.ours, result.theirs = medians(ours), medians(theirs)
    result.values = tuple(np.mean([work.values for work in runs[0]], axis=0) for runs in (ours, theirs))
    return result


def report(results):
    print(f"\n{'case':<24}{'net':<24}{'ratio':>7}  {'gate':>6}  milliseconds and mean values, vitrail / peer")
    for r in results:
        unit = " a forward" if CASES[r.case].per_forward else ""
        times = (
            " / ".join(f"{1e3 * statistics.median(side):.2f}" for side in (r.ours, r.theirs)) if r.ours else "failed"
        )
        values = " / ".join(" ".join(f"{value:.4f}" for value in side) for side in r.values)
        print(f"{r.case:<24}{r.net:<24}{r.ratio:>7.3f}  {CASES[r.case].gate:>6.3f}  {times}{unit}; {values}")
    print("\nmedian over nets, against the gate:")
    for name in dict.fromkeys(r.case for r in results):
        ratio = statistics.median(r.ratio for r in results if r.case == name)
        print(
            f"  {'pass' if ratio <= CASES[name].gate else 'FAIL'}  {name:<24}{ratio:.3f} (gate {CASES[name].gate:.3f})"
        )
    for r in results:
        print(f"ratio evaluation {r.case}/{r.net} {r.ratio:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=NETS)
    parser.add_argument("--photos", type=int, default=len(PHOTOS), help=f"how many, at most {len(PHOTOS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one net, one photo, one round: whether it runs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.nets, arguments.photos, arguments.rounds = arguments.nets[:1], 1, 1
    if not CORPUS.is_dir():
        leave(f"the corpus is not at {CORPUS} (VITRAIL_CORPUS)", "VITRAIL_REQUIRE_CORPUS")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    np.random.seed(1)
    listed = json.loads(
        subprocess.run([COMMAND, "metrics", "--json"], capture_output=True, text=True, check=True).stdout
    )
    known = {metric["name"] for metric in listed["metrics"]}
    results = []
    for net in arguments.nets:
        setup = prepare(net, 224, arguments.photos)
        photos = []
        for _, png, task in setup.photos:
            map_ = largest_gradient(setup.network, task.input, torch.tensor([task.target]))[0, 0]
            photos.append(Photo(png, task.input, task.target, map_))
        for name in arguments.cases:
            case = CASES[name]
            if missing := [metric for metric in case.metrics if metric.split(":")[0] not in known]:
                print(f"{name}: skipped, vitrail has no metric {missing[0].split(':')[0]}")
                continue
            print(f"  {name} on {net}", flush=True)
            try:
                results.append(measure(name, case, setup, photos, arguments.rounds))
            except subprocess.CalledProcessError as error:  # one case must not cost the results of all others
                print(f"    FAILED: {error}", flush=True)
                results.append(Result(name, net))
    report(results)


if __name__ == "__main__":
    main()
