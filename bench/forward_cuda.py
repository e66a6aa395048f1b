"""Forwards on a CUDA device: vitrail's plan in fp16 and float32 against eager PyTorch, channels-last and in the same
precision, and ONNX Runtime where its CUDA provider is there: on the same device, in the same run, interleaved, medians.
Inputs begin on the device and outputs end on the CPU. Above 1 vitrail is faster.

    bench/forward_cuda.py [--nets resnet50 vit_s16 ...] [--batches 1 8 32 256] [--rounds 10]
"""

import argparse
import time
import warnings

import numpy as np
import onnxruntime
import torch

from forward import Table, Vitrail, cases, input_shape


def eager(net, x, half, benchmark):
    """The network as it is, in chunks of the whole batch."""
    dtype = torch.half if half else torch.float
    net = net.to("cuda", dtype, memory_format=torch.channels_last)
    there = torch.from_numpy(x).to("cuda", dtype).contiguous(memory_format=torch.channels_last)

    def run():
        net.to(dtype)  # the networks of a comparison share their parameters
        torch.backends.cudnn.benchmark = benchmark
        with torch.inference_mode():
            net(there)
            torch.cuda.synchronize()
            begin = time.perf_counter()
            net(there).float().cpu()
        return time.perf_counter() - begin

    return run


def onnx_runtime(model, x):
    """None where this ONNX Runtime has no CUDA provider. Its input comes from the CPU."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    session = onnxruntime.InferenceSession(str(model), providers=["CUDAExecutionProvider"])
    name = session.get_inputs()[0].name

    def run():
        begin = time.perf_counter()
        session.run(None, {name: x})
        return time.perf_counter() - begin

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", default=[])
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8, 32, 256])
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to compare")
        return
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    print(torch.cuda.get_device_name())
    table = Table(arguments.rounds)
    for name, path, net in cases(arguments.nets):
        shape = input_shape(path)
        for batch in arguments.batches:
            x = np.random.default_rng(0).standard_normal([batch, *shape]).astype(np.float32)
            for half in (True, False):
                suffix = "fp16" if half else "float32"
                modes = {f"vitrail {suffix}": suffix if half else "plan"}
                modes[f"vitrail {suffix} without graphs"] = "kernels-fp16" if half else "kernels"
                engines = {}
                for engine, mode in modes.items():
                    run = Vitrail(path, batch, mode, 1, "cuda")
                    if run.works:
                        engines[engine] = run
                    else:
                        print(f"{name}: no {engine}: {run.complaint}")
                ours = list(engines.values())
                if net is not None:
                    engines[f"eager {suffix}"] = eager(net, x, half, benchmark=False)
                    engines[f"eager {suffix}, cuDNN's search"] = eager(net, x, half, benchmark=True)
                ort = None if half else onnx_runtime(path, x)
                if ort:
                    engines["onnxruntime"] = ort
                table.compare(name, batch, 1, engines)
                for run in ours:
                    run.close()
    table.print()


if __name__ == "__main__":
    main()
