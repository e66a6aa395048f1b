"""Ctrl-C, cancellation, progress: in processes of their own where signals are sent."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import vitrail as vt
from conftest import BUILD

HANG = 600  # seconds: only guards against hanging


def test_progress_reaches_a_function(model, image):
    events = []
    vt.rise(model, image, masks=400, progress=events.append)
    assert all(isinstance(e, vt.Progress) and e.method == "rise" and e.total == 400 for e in events)
    done = [e.done for e in events]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 400


def test_an_exception_of_the_listener_ends_the_run(model, image):
    def refuse(event):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        vt.rise(model, image, masks=4000, progress=refuse)


def test_cancelling_from_another_thread_gives_a_partial_result(model, image):
    cancellation = vt.Cancellation()
    begun = threading.Event()

    def run(batch):
        begun.set()
        return batch.mean((1, 2, 3))

    waiter = threading.Thread(target=lambda: (begun.wait(), cancellation.cancel()))
    waiter.start()
    found = vt.explain_all(
        vt.wrap(run), np.random.rand(3, 8, 8), "rise:masks=10000000,saliency", cancellation=cancellation
    )
    waiter.join()
    assert [e.name for e in found] == ["rise"] and found[0].partial and np.isfinite(found[0].map).all()


def test_an_explanation_cancelled_before_it_began_is_partial(model, image):
    cancellation = vt.Cancellation()
    cancellation.cancel()
    assert vt.explain(model, image, "rise", cancellation=cancellation).partial


SCRIPT = """
    import numpy as np, sys, vitrail as vt
    def slow(batch):
        return batch.mean((1, 2, 3))
    first = True
    def tell(event):
        global first
        if first and event.method == "rise" and event.done > 0:
            print("running", flush=True)
            first = False
    image = np.random.default_rng(0).random((3, 32, 32))
    try:
        vt.explain_all(vt.wrap(slow), image, "occlusion,rise:masks=100000000", progress=tell if "-p" in sys.argv else None)
    except vt.Interrupted as stop:
        print([(e.name, e.partial, bool(np.isfinite(e.map).all())) for e in stop.explanations], flush=True)
    import signal
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(vt.occlusion(slow, image).partial)
"""


def test_ctrl_c_leaves_a_valid_partial_result():
    environment = dict(os.environ, PYTHONPATH=str(BUILD / "python"))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), "-p"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=HANG)
    lines = out.splitlines()
    assert "('rise', True, True)" in lines[0] and "('occlusion', False, True)" in lines[0], out
    assert lines[1] == "False" and process.returncode == 0


def test_an_interrupt_that_nobody_catches_ends_the_program():
    script = textwrap.dedent(SCRIPT).replace("except vt.Interrupted as stop", "except ValueError as stop")
    environment = dict(os.environ, PYTHONPATH=str(BUILD / "python"))
    process = subprocess.Popen(
        [sys.executable, "-c", script, "-p"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANG)
    assert process.returncode == 1 and "Interrupted" in err


def test_a_bar_is_shown_on_terminals_only(model, image, monkeypatch, capsys):
    from vitrail import progress

    vt.rise(model, image, masks=100)
    assert capsys.readouterr().err == ""  # nobody looks
    monkeypatch.setattr(progress, "BAR_AFTER", 0.0)
    vt.rise(model, image, masks=3000, progress=True)
    assert "rise" in capsys.readouterr().err
    vt.rise(model, image, masks=3000, progress=False)
    assert capsys.readouterr().err == ""
