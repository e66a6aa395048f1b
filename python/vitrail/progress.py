"""Progress of a computation: a bar by tqdm on terminals and in notebooks, or whatever a caller makes of the events."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from vitrail import _native

BAR_AFTER = 2.0  # seconds: what is shorter needs no bar


class Progress(NamedTuple):
    """An event: `done` of about `total` forwards and backwards of a method."""

    method: str
    done: int
    total: int


ProgressLike = bool | Callable[[Progress], object] | None
"""None: a bar where somebody looks; False: nothing; True: a bar; a function: it is called with each event."""


def is_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def is_watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or is_notebook()


class Bar:
    """A bar of tqdm a method, shown when it lasts."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.method = ""

    def __call__(self, method: str, done: int, total: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a notebook without widgets: a bar of text does
            from tqdm.auto import tqdm

        if self.bar is None or done == 0 or method != self.method:
            self.close()
            self.method = method
            self.bar = tqdm(total=total, desc=method, unit="step", delay=BAR_AFTER, leave=False)
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@contextmanager
def listening(progress: ProgressLike) -> Iterator[Callable[[str, int, int], object] | None]:
    """What the library calls with (method, done, total)."""
    if callable(progress):
        listener = progress
        yield lambda method, done, total: listener(Progress(method, done, total))
    elif progress or (progress is None and is_watched()):
        bar = Bar()
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield None


@contextmanager
def cancelled_by_interrupts(cancellation: _native.Cancellation) -> Iterator[list[bool]]:
    """Within, Ctrl-C cancels, once; a second one raises KeyboardInterrupt at once. Yields a list that is no longer empty
    after the first. Only the main thread gets signals, and handlers of other programs are left alone.
    """
    came: list[bool] = []
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return

    def cancel(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(True)
        cancellation.cancel()

    signal.signal(signal.SIGINT, cancel)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
