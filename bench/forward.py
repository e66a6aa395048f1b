"""A forward on the plain executor against ONNX Runtime, and a forward with the input's gradient against
eager PyTorch, on the same machine in the same run: interleaved, medians. Below 1 vitrail is faster.

    bench/forward.py [--rounds 15] [--threads 1]
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release"))
CORPUS = Path(os.environ.get("VITRAIL_CORPUS", SOURCE.parent / "shared" / "corpus"))
DEMO = SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx"


class Vitrail:
    def __init__(self, model, batch, mode, threads):
        self.process = subprocess.Popen(
            [BUILD / "bench" / "time_graph", model, str(batch), mode, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline().strip() == "ready"

    def __call__(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def onnx_runtime(model, batch, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    x = np.random.default_rng(0).standard_normal([batch, *entry.shape[1:]]).astype(np.float32)
    return timed(lambda: session.run(None, {entry.name: x}))


def eager_gradient(batch, threads):
    import torch

    sys.path.insert(0, str(SOURCE / "scripts"))
    from export_demo_model import load_network

    torch.set_num_threads(threads)
    net = load_network()
    x = torch.randn(batch, 3, 224, 224)

    def run():
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)

    return timed(run)


def timed(run):
    def call():
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin

    return call


def compare(name, case, ours, peer, rounds):
    ours(), peer()  # warm up
    pairs = [(ours(), peer()) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) for column in zip(*pairs))
    print(f"{name:<10} {case:<42} vitrail {mine * 1e3:8.1f} ms   peer {theirs * 1e3:8.1f} ms")
    return f"ratio {name} {case} {mine / theirs:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    models = [
        DEMO,
        *(CORPUS / "models" / "imagenet" / f"{n}.onnx" for n in ("mobilenet_v1_0.25_224", "mobilenet_v2_1.0_224")),
    ]
    ratios = []
    for model in (m for m in models if m.exists()):
        for batch in (1, 8):
            ours = Vitrail(model, batch, "forward", arguments.threads)
            peer = onnx_runtime(model, batch, arguments.threads)
            ratios.append(compare("forward", f"{model.stem}/batch{batch}/onnxruntime", ours, peer, arguments.rounds))
            ours.close()
    for batch in (1, 8):
        ours = Vitrail(DEMO, batch, "gradient", arguments.threads)
        peer = eager_gradient(batch, arguments.threads)
        ratios.append(compare("gradient", f"{DEMO.stem}/batch{batch}/pytorch", ours, peer, arguments.rounds))
        ours.close()
    print("\n".join(ratios))


if __name__ == "__main__":
    main()
