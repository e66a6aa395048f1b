"""The libraries that the C++ parts need: those of PyTorch, which must be the one that they were built with, and oneDNN."""

from __future__ import annotations

import ctypes

from vitrail_command import find_onednn

from vitrail._build import TORCH


def load() -> None:
    """Loads them; ImportError where PyTorch is missing or another one."""
    try:
        import torch
    except ImportError as missing:
        raise ImportError(f"vitrail needs PyTorch: pip install torch=={TORCH}.") from missing
    found = torch.__version__.split("+")[0]
    if found != TORCH:
        raise ImportError(
            f"vitrail was built with torch {TORCH} and found {found}: their C++ parts do not fit together. "
            f"Either pip install torch=={TORCH}, or build vitrail again with the torch that is here: "
            "pip install --no-build-isolation --force-reinstall --no-deps ."
        )
    if (onednn := find_onednn()) is not None:
        ctypes.CDLL(str(onednn))
