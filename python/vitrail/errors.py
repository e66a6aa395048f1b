"""What vitrail raises. Every message says what was found, what was expected and what to do.

The exceptions are those of the C++ library, each also one that Python programs know: a wrong argument is a
``ValueError``, memory that ran out a ``MemoryError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitrail.explanation import Explanation

__all__ = [
    "Error",
    "InputError",
    "InternalError",
    "Interrupted",
    "MachineError",
    "ModelError",
    "OutOfMemoryError",
    "UsageError",
]


class Error(Exception):
    """Whatever vitrail raises on its own account."""


class UsageError(Error, ValueError):
    """The call is wrong: an unknown method, option, target or layer, a value out of range."""


class ModelError(Error, ValueError):
    """The model cannot be used: unreadable file, unsupported operator, wrong shapes."""


class InputError(Error, ValueError):
    """An input cannot be used: not an image, truncated, too large, wrong size."""


class MachineError(Error, OSError):
    """The machine failed: memory, disk, permission."""


class OutOfMemoryError(MachineError, MemoryError):
    """There is not enough memory, even for one sample at a time."""


class InternalError(Error, RuntimeError):
    """A bug in vitrail. The message names the place and asks for a report."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while an explanation was computed.

    Attributes
    ----------
    explanations : list of Explanation
        What was finished, and the partial result of the method that ran: valid, marked ``partial``, with larger
        standard errors. A program that does not catch this ends as it does by any ``KeyboardInterrupt``.
    """

    def __init__(self, explanations: list[Explanation]) -> None:
        super().__init__(f"interrupted; {len(explanations)} results, partial ones among them, are in .explanations")
        self.explanations = explanations
