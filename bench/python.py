"""What the Python package costs beside what it calls: the time of a call that does nothing, against 20 microseconds, and
of Sobol on a module of PyTorch, against its bare forwards in batches of the same size. In one run, interleaved, medians.

    PYTHONPATH=build/release/python bench/python.py [--rounds 5]
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch

SOURCE = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(Path(os.environ.get("VITRAIL_BUILD", SOURCE / "build" / "release")) / "python"),
    str(SOURCE / "bench"),
    str(SOURCE / "scripts"),
]
import vitrail as vt  # noqa: E402

import export_demo_model  # noqa: E402
import shapes  # noqa: E402

CALLS = 20_000
ALLOWED = 20e-6  # seconds of a call that does nothing
BATCH = 8


def seconds(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def no_op(rounds):
    model = vt.load(SOURCE / ".cache" / "demo" / "efficientnet_lite0.onnx", plan="none")
    empty = statistics.median(seconds(lambda: [None for _ in range(CALLS)]) for _ in range(rounds))
    calls = statistics.median(seconds(lambda: [model.sha256 for _ in range(CALLS)]) for _ in range(rounds))
    return (calls - empty) / CALLS


def sobol(net, rounds):
    """Time of the explanation and of its bare forwards, in the same batches."""
    x = torch.rand(3, 224, 224)
    model = vt.wrap(net)

    def explanation():
        vt.sobol(model, x, 0, grid=4, designs=4, replicates=2, batch=BATCH, progress=False)

    sizes = []
    hook = net.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    explanation()
    hook.remove()
    batches = {size: torch.rand(size, 3, 224, 224) for size in set(sizes)}

    def bare():
        with torch.no_grad():
            for size in sizes:
                net(batches[size])

    bare()
    pairs = [(seconds(explanation), seconds(bare)) for _ in range(rounds)]
    return tuple(statistics.median(column) for column in zip(*pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    call = no_op(rounds)
    print(f"a call that does nothing: {1e6 * call:.2f} us")
    ratios = {"no-op": call / ALLOWED}
    for name, net in (("demo", export_demo_model.load_network()), ("mobilenet_v2", shapes.build("mobilenet_v2"))):
        ours, bare = sobol(net, rounds)
        ratios[f"sobol/{name}"] = ours / bare
        print(f"sobol on {name}: {ours:.2f} s, its bare forwards {bare:.2f} s")
    for case, ratio in ratios.items():
        print(f"ratio python {case} {ratio:.3f}")


if __name__ == "__main__":
    main()
