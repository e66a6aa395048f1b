"""Whether the PyTorch that is here is the one that the package was built with."""

from __future__ import annotations

from vitrail._build import TORCH


def check_torch() -> None:
    """Imports torch, which loads its libraries; ImportError where it is another one."""
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
