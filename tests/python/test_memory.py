"""Explanations leave nothing behind; the limits of the library work from Python."""

import gc
import os
import subprocess
import sys
import textwrap

import numpy as np
import vitrail as vt
from conftest import BUILD

MEGABYTE = 1 << 20


def test_a_thousand_explanations_leave_nothing_behind(model, net):
    x = np.random.default_rng(0).random((3, 32, 32), dtype=np.float32)
    large = np.random.default_rng(0).random((3, 96, 96), dtype=np.float32)  # 108 KiB: kept ones would be 108 MiB
    calls = (
        lambda: vt.saliency(model, x),
        lambda: vt.gradcam(net, large, 1),
        lambda: vt.occlusion(net, large, 1, patch=32, stride=32),
        lambda: vt.explain(lambda batch: batch.mean((1, 2, 3)), large, "occlusion:patch=48,stride=48"),
    )
    for _ in range(50):
        [call() for call in calls]
    gc.collect()
    before = vt.memory_use().resident
    for _ in range(250):
        [call() for call in calls]
    gc.collect()
    assert vt.memory_use().resident - before < 20 * MEGABYTE


def test_an_exception_leaves_nothing_behind():
    x = np.zeros((3, 256, 256), np.float32)  # 768 KiB

    def fail(batch):
        raise ValueError("no")

    def call():
        try:
            vt.occlusion(fail, x)
        except ValueError:
            pass

    [call() for _ in range(20)]
    gc.collect()
    before = vt.memory_use().resident
    [call() for _ in range(200)]
    gc.collect()
    assert vt.memory_use().resident - before < 20 * MEGABYTE


def test_memory_can_be_limited():
    """In a process of its own: the allocator is the whole process's."""
    script = """
        import numpy as np, torch, vitrail as vt
        vt.use_caching_allocator()
        resident = vt.memory_use().resident
        vt.limit_memory(resident + 300_000_000)
        x = np.zeros((3, 512, 512), np.float32)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
        e = vt.occlusion(net, x, patch=256, stride=128, batch=8)  # 67 MB a sample
        assert int(e.plan["batch"]) < 8, e.plan
        assert vt.memory_use().kept > 0
        vt.release_kept_memory()
        assert vt.memory_use().kept == 0
        try:
            vt.limit_memory(1)  # the network is torch's, and so may the error be
            vt.occlusion(net, x, patch=256, stride=128)
        except (vt.OutOfMemoryError, torch.OutOfMemoryError):
            print("refused")
    """
    environment = dict(os.environ, PYTHONPATH=str(BUILD / "python"))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "refused\n", done.stderr
