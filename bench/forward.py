"""Forwards on vitrail's plan against ONNX Runtime and eager PyTorch, each at its own best chunk, and the gradient of the
input against eager PyTorch: on the same machine, in the same run, interleaved, medians. Below 1 vitrail is faster.

    bench/forward.py [--nets demo resnet50 ...] [--batches 1 8 32] [--threads 1 2] [--rounds 5]

The nets: the demonstration model, those of the corpus where it is, and nets in the shape of well-known ones (shapes.py).
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

SOURCE = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
DEMO = SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx"

sys.path[:0] = [str(SOURCE / "scripts"), str(SOURCE / "bench")]
import export_demo_model  # noqa: E402
import shapes  # noqa: E402

CHUNKS = (1, 2, 4, 8)
PAUSE = 0.02  # for idle threads of the tool before to go to sleep


class Vitrail:
    """A run of bench/time_graph: it measures itself."""

    def __init__(self, model, batch, mode, threads, device="cpu"):
        command = [BUILD / "bench" / "time_graph", model, str(batch), mode, str(threads), device]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.works = self.process.stdout.readline().strip() == "ready"
        self.complaint = "" if self.works else self.process.stderr.read().strip()

    def __call__(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


LONG = 0.5  # seconds: a run that long has its own warm-up in it


def timed(run):
    def call():
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin

    return call


def at_best_chunk(run, x):
    """`run` over all of x in the chunks that are fastest, a sample."""

    def seconds(chunk):
        one = timed(lambda: run(x[:chunk]))
        one()
        return min(one() for _ in range(2)) / chunk

    best = min({chunk for chunk in {*CHUNKS, len(x)} if chunk <= len(x)}, key=seconds)
    return timed(lambda: [run(x[i : i + best]) for i in range(0, len(x), best)])


def onnx_runtime(model, x, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    try:
        session.run(None, {name: x[:2]})
        return at_best_chunk(lambda part: session.run(None, {name: part}), x)
    except Exception:  # a file with batch 1 written into it
        return timed(lambda: [session.run(None, {name: x[i : i + 1]}) for i in range(len(x))])


def eager(net, x, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = net.to(memory_format=layout)

    def run(part):
        with torch.inference_mode():
            net(part.contiguous(memory_format=layout))

    return at_best_chunk(run, torch.from_numpy(x))


def eager_gradient(net, x):
    def run():
        leaf = torch.from_numpy(x).requires_grad_()
        torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)

    return timed(run)


def cases(wanted):
    """Name, path of the file, the network in PyTorch where there is one."""
    found = [("demo", DEMO, export_demo_model.load_network)]
    for path in sorted((CORPUS / "models" / "imagenet").glob("*.onnx")):
        found.append((path.stem, path, None))
    for name in shapes.NETS:
        found.append((name, None, lambda name=name: shapes.build(name)))
    for name, path, build in found:
        if not wanted or name in wanted:
            yield name, path or shapes.export(name), build and build()


def input_shape(model):
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0].shape[1:]


class Table:
    def __init__(self, rounds):
        self.rounds = rounds
        self.ratios = {}  # (comparison, batch, threads) -> {net: ratio}

    def compare(self, net, batch, threads, engines):
        """`engines`: name -> call; the ones whose name begins with vitrail are ours, all others their peers."""
        seconds = {name: [] for name in engines}
        long = {name: run() > LONG for name, run in engines.items()}
        for _ in range(self.rounds):
            for name, run in engines.items():
                time.sleep(PAUSE)
                if not long[name]:  # thousands of runs in a row is the use: the first after a pause is not what counts
                    run()
                seconds[name].append(run())
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        spread = {name: (max(v) - min(v)) / medians[name] for name, v in seconds.items()}
        row = "  ".join(f"{name} {1e3 * medians[name]:.1f} ms (±{50 * spread[name]:.0f} %)" for name in engines)
        print(f"{net:<24} batch {batch:<3} threads {threads}   {row}", flush=True)
        for ours in (name for name in engines if name.startswith("vitrail")):
            for peer in (name for name in engines if not name.startswith("vitrail")):
                key = (f"{ours}/{peer}", batch, threads)
                self.ratios.setdefault(key, {})[net] = medians[ours] / medians[peer]

    def print(self):
        print("\nspeed of vitrail relative to the peer (above 1: vitrail is faster): geometric mean, slowest net")
        for (what, batch, threads), ratios in self.ratios.items():
            mean = math.exp(-statistics.fmean(math.log(value) for value in ratios.values()))
            slowest = max(ratios, key=ratios.get)
            print(
                f"  {what:<34} batch {batch:<3} threads {threads}   mean {mean:.2f}   "
                f"least {1 / ratios[slowest]:.2f} ({slowest}), of {len(ratios)}"
            )
        for (what, batch, threads), ratios in self.ratios.items():
            for net, value in ratios.items():
                print(f"ratio forward {net}/{what}/batch{batch}/threads{threads} {value:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", default=[])
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8, 32])
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    table = Table(arguments.rounds)
    for name, path, net in cases(arguments.nets):
        shape = input_shape(path)
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            for batch in arguments.batches:
                x = np.random.default_rng(0).standard_normal([batch, *shape]).astype(np.float32)
                ours = {}
                for engine, mode in (("vitrail", "plan"), ("vitrail bf16", "bf16")):
                    run = Vitrail(path, batch, mode, threads)
                    if run.works:
                        ours[engine] = run
                    else:
                        print(f"{name}: no {mode}: {run.complaint}")
                peers = {"onnxruntime": onnx_runtime(path, x, threads)}
                if net is not None:
                    peers["eager"] = eager(net, x, channels_last=False)
                    peers["channels_last"] = eager(net, x, channels_last=True)
                table.compare(name, batch, threads, {**ours, **peers})
                for run in ours.values():
                    run.close()
        if name == "demo":
            torch.set_num_threads(1)
            for batch in (b for b in (1, 8) if b in arguments.batches):
                x = np.random.default_rng(0).standard_normal([batch, *shape]).astype(np.float32)
                gradient = Vitrail(path, batch, "gradient", 1)
                peers = {"eager gradient": eager_gradient(net.to(memory_format=torch.contiguous_format), x)}
                table.compare(name, batch, 1, {"vitrail gradient": gradient, **peers})
                gradient.close()
    table.print()


if __name__ == "__main__":
    main()
