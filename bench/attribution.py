"""Explanations of vitrail against those of its peers, side by side in one run, on the ImageNet nets of the corpus and the
demonstration net, on real photos: the time that vitrail takes to be as good as the peer at the peer's defaults, divided
by the peer's time. Below 1 vitrail is faster.

    bench/attribution.py [--cases rise ig ...] [--nets demo ...] [--photos 3] [--seeds 1 2] [--scale 1]

As good: for sampling methods, the rank correlation with a converged map on 8x8 cells (attribution_parts/references.py), mean over
photos and seeds; the cheapest setting of a ladder that reaches the peer's is taken. For the others, the same map (cosine),
or for integrated gradients the same gap of completeness.
Timed: the explanation alone, on one thread on both sides. On vitrail's side that is `seconds` of the result, which the
command measures around the method: not loading, the plan, the photo's decoding, files. On the peer's side a call in a
warm process: not imports or conversion. Medians over photos.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
PEERS = SOURCE / ".venv-peers" / "bin" / "python"
if __name__ == "__main__" and importlib.util.find_spec("captum") is None:
    if not PEERS.exists():
        sys.exit("bench/attribution.py: no peers in .venv-peers (scripts/setup makes it)")
    os.execv(PEERS, [str(PEERS), *sys.argv])

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import PIL.Image  # noqa: E402
import torch  # noqa: E402

sys.path[:0] = [str(SOURCE / folder) for folder in ("tests/peers/standin", "scripts", "bench/attribution_parts")]
import references  # noqa: E402

import peers  # noqa: E402

COMMAND = Path(os.environ.get("VITRAIL_COMMAND", SOURCE / "build" / "release" / "vitrail"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
GIVEN = CORPUS.parent / "golden" / "attribution" / "sobol_total_8x8.tsv"
CACHE = SOURCE / ".cache" / "bench-attribution"
DEMO = SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx"
NETS = ("mobilenet_v1_0.25_224", "tiny_darknet_224", "mobilenet_v2_1.0_224", "demo")
PHOTOS = (
    "imagenette-train/n03028079_church/n03028079_10103.JPEG",
    "imagenette-train/n03888257_parachute/n03888257_10844.JPEG",
    "imagenette-train/n01440764_tench/n01440764_10293.JPEG",
)
REPEAT_BELOW = 2.0  # seconds: what is shorter is run three times


@dataclass
class Case:
    gate: float
    peer: str  # what is run on the other side
    ladder: tuple  # of vitrail's settings, cheapest first; one: fixed
    reference: str = ""  # of references.DEFINITIONS; empty: the peer's own map
    tolerance: float = 0.0  # of the rank correlation
    least: float | None = None  # mean rank correlation wanted, instead of the peer's
    size: int = 224


MORRIS = tuple(f"morris:designs={n},replicates=4" for n in (2, 3, 4, 6, 8, 16))
BLEND = tuple(
    f"dgsm_morris:designs={n},samples={m},replicates=4" for n, m in ((2, 4), (2, 8), (2, 16), (4, 16), (8, 32))
)
CASES = {
    "sobol-quick": Case(1 / 12, "sobol", ("dgsm:samples=16,replicates=4",), "sobol", least=0.87),
    "sobol-gradient": Case(1 / 5, "sobol", BLEND, "sobol", tolerance=0.01),
    "sobol-blackbox": Case(1 / 4, "sobol", MORRIS, "sobol", tolerance=0.01),
    "rise": Case(1 / 4, "rise", tuple(f"rise:masks={n}" for n in (250, 500, 1000, 1500, 2000, 3000, 4000)), "rise"),
    "kernelshap": Case(
        1 / 6,
        "kernel_shap",
        tuple(f"kernel_shap:coalitions={n}" for n in (32, 64, 96, 128, 192, 256, 384, 512)),
        "shapley",
    ),
    "partition": Case(
        1 / 8, "partition", tuple(f"owen:evaluations={n}" for n in (170, 250, 330, 490, 714, 938, 1364)), "owen"
    ),
    "occlusion-224": Case(1 / 3, "occlusion", ("occlusion:patch=32,stride=16,normalise_coverage=true",)),
    "occlusion-448": Case(1 / 5, "occlusion", ("occlusion:patch=32,stride=16,normalise_coverage=true",), size=448),
    "ig": Case(1 / 3, "ig", ("integrated_gradients:max_steps=1024,tolerance={gap}",)),
    "smoothgrad": Case(1 / 2, "smoothgrad", ("smoothgrad:samples=50",)),
    "scorecam": Case(1 / 2, "scorecam", ("scorecam",)),
}
EQUAL = 0.999  # cosine of two maps that are the same


@dataclass
class Setup:
    """A net at a size, with what both sides need."""

    name: str
    model: Path
    size: int
    network: torch.nn.Module
    record: dict
    photos: list = field(default_factory=list)  # (name, PNG, Problem)


def cosine(a, b):
    return float(np.ravel(a) @ np.ravel(b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def prepare(name, size, count):
    """The model at the size, its network in PyTorch, the photos as both sides see them, bit by bit the same."""
    import onnx2torch

    import export_demo_model

    original = DEMO if name == "demo" else CORPUS / "models" / "imagenet" / f"{name}.onnx"
    folder = CACHE / f"{name}-{size}"
    model = folder / "model.onnx"
    proto = onnx.load(original)
    for dim in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = size
    if size != 224:
        del proto.graph.value_info[:]  # sizes of another input
    with references.written_whole(model) as path:
        onnx.save(proto, path)
    record = json.loads(original.with_suffix(".json").read_text())
    record["preprocess"].update(size=[size, size], resize={"rule": "none"}, crop="none")
    record.pop("labels", None)
    with references.written_whole(model.with_suffix(".json")) as path:
        path.write_text(json.dumps(record))
    network = (export_demo_model.load_network() if name == "demo" else onnx2torch.convert(proto)).eval()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    setup = Setup(name, model, size, network, record["preprocess"])
    for photo in PHOTOS[:count]:
        image = PIL.Image.open(CORPUS / "images" / photo).convert("RGB").resize((size, size), PIL.Image.BICUBIC)
        png = folder / f"{Path(photo).stem}.png"
        with references.written_whole(png) as path:
            image.save(path)
        setup.photos.append((photo, png, problem(setup, np.asarray(image))))
    return setup


def problem(setup, pixels):
    scale, mean, std = (np.array(setup.record[key], np.float32) for key in ("scale", "mean", "std"))
    x = np.ascontiguousarray(((pixels.astype(np.float32) * scale - mean) / std).transpose(2, 0, 1))[None]
    session = onnxruntime.InferenceSession(str(setup.model), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: x})[0]
    with torch.no_grad():
        found = setup.network(torch.from_numpy(x)).numpy()
    if np.abs(found - expected).max() > 1e-3 * np.abs(expected).max():
        sys.exit(f"{setup.name}: the network in PyTorch is not that of the file")
    return peers.Problem(setup.network, torch.from_numpy(x), int(expected.argmax()))


def timed(call):
    """What it returns, and its seconds: the median of three where they are few."""
    seconds = []
    while not seconds or (seconds[0] < REPEAT_BELOW and len(seconds) < 3):
        begin = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begin)
    return result, statistics.median(seconds)


def vitrail(setup, png, target, method, seed=1):
    """(map, cells or None, seconds, explanation): medians as on the other side."""
    with tempfile.TemporaryDirectory() as folder:
        found = None
        for repeats in (1, 2):
            command = [COMMAND, "explain", setup.model, png, "-t", str(target), "--threads", "1", "--seed", str(seed)]
            command += ["-o", folder, "--quiet", *["-m", method] * repeats]
            subprocess.run(command, check=True)
            result = next(Path(folder).glob("*/result.json"))
            explanations = json.loads(result.read_text())["explanations"]
            seconds = [e["seconds"] for e in explanations] + ([found[2]] if found else [])
            first = explanations[0]
            cells = np.load(result.parent / first["cells"]) if first["cells"] else None
            found = np.load(result.parent / first["map"]), cells, statistics.median(seconds), first
            if found[2] > REPEAT_BELOW:
                break
        return found


def on_cells(map_, cells):
    """A map on 8x8 cells."""
    return cells if cells is not None and cells.shape == (8, 8) else peers.cells(map_)


def run_peer(case, setup, task, layer, known={}):  # noqa: B006
    """(map or cells, seconds, gap); what several cases compare with is run once."""
    key = case.peer, setup.name, setup.size, task.input.numpy().tobytes()
    if key not in known:
        known[key] = run_peer_now(case, setup, task, layer)
    return known[key]


def run_peer_now(case, setup, task, layer):
    run = getattr(peers, {"ig": "integrated_gradients"}.get(case.peer, case.peer), None)
    if case.peer == "partition":
        run(task, 10)  # compiles
    if case.peer == "scorecam":
        shape = np.shape(layer)
        module = peers.last_spatial_module(setup.network, task.input, shape)
        _, seconds = timed(lambda: run(task, module))
        return run(task, module, peers.ScoreCamOfThePaper), seconds, None
    result, seconds = timed(lambda: run(task))
    return (result[0], seconds, result[1]) if case.peer == "ig" else (result, seconds, None)


def reference_of(case, setup, photo, task, given, scale):
    if (setup.name, photo) in given and case.reference == "sobol":
        return given[setup.name, photo]
    return references.converged(
        case.reference, setup.model, task.input[0].numpy(), task.target, CACHE, scale, os.cpu_count()
    )


class Result:
    """One case on one net: a row a photo."""

    def __init__(self, case, net):
        self.case, self.net, self.ratios, self.notes, self.setting = case, net, [float("inf")], "", "failed"
        self.reached, self.correlation = False, 0.0

    @property
    def ratio(self):
        return statistics.median(self.ratios) if self.reached else float("inf")


def sampled(name, case, setup, arguments, given):
    """The cheapest setting that ranks the cells as well as the peer, mean over photos and seeds."""
    result = Result(name, setup.name)
    wanted, peer_seconds, goals = [], [], []
    for photo, _, task in setup.photos:
        reliability, goal = reference_of(case, setup, photo, task, given, arguments.scale)
        found, seconds, _ = run_peer(case, setup, task, None)
        found = found if found.shape == (8, 8) else peers.cells(found)
        goals.append(goal)
        wanted.append(references.spearman(found, goal))
        peer_seconds.append(seconds)
        print(
            f"    {Path(photo).stem}: peer {seconds:.2f} s, correlation {wanted[-1]:.3f} (reference reliable to {reliability:.3f})",
            flush=True,
        )
    least = case.least if case.least is not None else statistics.fmean(wanted) - case.tolerance
    for setting in case.ladder:
        correlations, times = [], []
        for (_, png, task), goal in zip(setup.photos, goals):
            runs = [vitrail(setup, png, task.target, setting, seed) for seed in arguments.seeds]
            correlations.append(statistics.fmean(references.spearman(on_cells(r[0], r[1]), goal) for r in runs))
            times.append(statistics.median(r[2] for r in runs))
        result.ratios = [ours / theirs for ours, theirs in zip(times, peer_seconds)]
        result.setting = setting
        result.correlation = statistics.fmean(correlations)
        result.reached = result.correlation >= least
        result.notes = f"{statistics.median(times):.2f} s / {statistics.median(peer_seconds):.2f} s, correlation {statistics.fmean(correlations):.3f} / {statistics.fmean(wanted):.3f}"
        print(f"    {setting}: {result.notes}", flush=True)
        if result.reached:
            break
    return result


def same_map(name, case, setup, arguments):
    """The same map, or for integrated gradients the same gap."""
    result = Result(name, setup.name)
    ours, theirs, agreements = [], [], []
    for _, png, task in setup.photos:
        layer = (
            vitrail(setup, png, task.target, case.ladder[0])[3]["plan"].get("layer")
            if case.peer == "scorecam"
            else None
        )
        found, seconds, gap = run_peer(case, setup, task, layer and activation(setup, task, layer))
        setting = case.ladder[0].format(gap=f"{gap or 0:.3g}")
        map_, cells, own_seconds, explanation = vitrail(setup, png, task.target, setting)
        ours.append(own_seconds)
        theirs.append(seconds)
        if case.peer == "ig":
            rise = explanation["score"] - float(task.score(torch.zeros_like(task.input)))
            own_gap = abs(explanation["completeness_gap"] / rise)
            agreements.append(own_gap <= gap)
            result.notes = f"gap {own_gap:.2g} / {gap:.2g}, {explanation['plan'].get('steps')} nodes"
        elif case.peer == "smoothgrad":  # other random numbers: as near to the expectation as the peer
            exact = expectation(setup, png, task)
            correlations = references.spearman(map_, exact), references.spearman(found, exact)
            agreements.append(correlations[0] >= correlations[1] - 0.02)
            result.notes = "correlation with 1600 samples {:.3f} / {:.3f}".format(*correlations)
        else:
            value = cosine(cells if cells is not None and cells.shape == found.shape else map_, found)
            agreements.append(value >= EQUAL)
            result.notes = f"cosine {value:.4f}"
        result.notes += f", {statistics.median(ours):.3f} s / {statistics.median(theirs):.3f} s"
        print(f"    {png.stem}: {result.notes}", flush=True)
    result.ratios = [a / b for a, b in zip(ours, theirs)]
    result.setting, result.reached = setting, all(agreements)
    return result


def expectation(setup, png, task):
    """SmoothGrad's map from many samples, by PyTorch."""
    generator = torch.Generator().manual_seed(5)
    sigma = 0.15 * float(task.input.max() - task.input.min())
    total = torch.zeros(setup.size, setup.size)
    for _ in range(200):
        noise = torch.randn(8, *task.input.shape[1:], generator=generator) * sigma
        x = (task.input + noise).requires_grad_()
        total += torch.autograd.grad(setup.network(x)[:, task.target].sum(), x)[0].mean(1).sum(0)
    return total.numpy()


def activation(setup, task, layer):
    """The value [C,h,w] of a layer that vitrail names, by ONNX Runtime: for its shape."""
    info = json.loads(
        subprocess.run([COMMAND, "inspect", setup.model, "--json"], capture_output=True, text=True, check=True).stdout
    )
    value = next(entry["value"] for entry in info["layers"] if layer in (entry["name"], entry["value"]))
    proto = onnx.load(setup.model)
    proto.graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([value], {session.get_inputs()[0].name: task.input.numpy()})[0][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=NETS)
    parser.add_argument("--photos", type=int, default=len(PHOTOS), help=f"how many, at most {len(PHOTOS)}")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of the samples of converged maps: less for a quick look"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not CORPUS.is_dir():
        print(f"skipped: the corpus is not at {CORPUS} (VITRAIL_CORPUS)", file=sys.stderr)
        return
    listed = json.loads(
        subprocess.run([COMMAND, "methods", "--json"], capture_output=True, text=True, check=True).stdout
    )
    known = {method["name"] for method in listed["methods"]}
    given = references.load_given(GIVEN)
    results = []
    for name in arguments.cases:
        case = CASES[name]
        method = case.ladder[0].split(":")[0]
        if method not in known:
            print(f"{name}: skipped, vitrail has no method {method}")
            continue
        for net in arguments.nets:
            setup = prepare(net, case.size, arguments.photos)
            print(f"  {name} on {net}", flush=True)
            try:
                if case.reference:
                    results.append(sampled(name, case, setup, arguments, given))
                else:
                    results.append(same_map(name, case, setup, arguments))
            except subprocess.CalledProcessError as error:  # one case must not cost the results of all others
                print(f"    FAILED: {error}", flush=True)
                results.append(Result(name, net))
    report(results)


def report(results):
    for name in (name for name, case in CASES.items() if case.least is not None):  # a mean over nets, too
        rows = [r for r in results if r.case == name]
        for r in rows:
            r.reached = statistics.fmean(row.correlation for row in rows) >= CASES[name].least
    print(f"\n{'case':<16}{'net':<24}{'ratio':>8}  {'gate':>6}  setting; last photo or means, vitrail / peer")
    for r in results:
        print(
            f"{r.case:<16}{r.net:<24}{r.ratio:>8.3f}  {CASES[r.case].gate:>6.3f}  {r.setting}; {r.notes}{'' if r.reached else '; NOT AS GOOD AS THE PEER'}"
        )
    print("\nmedian over nets and photos, against the gate:")
    for name in dict.fromkeys(r.case for r in results):
        rows = [r for r in results if r.case == name]
        reached = [r for r in rows if r.reached]
        ratio = statistics.median(x for r in rows for x in (r.ratios if r.reached else [float("inf")] * len(r.ratios)))
        verdict = "pass" if ratio <= CASES[name].gate else "FAIL"
        print(
            f"  {verdict}  {name:<16} {ratio:.3f} (gate {CASES[name].gate:.3f}), as good as the peer on {len(reached)} of {len(rows)} nets"
        )
    for r in results:
        print(f"ratio attribution {r.case}/{r.net} {r.ratio:.3f}")


if __name__ == "__main__":
    main()
