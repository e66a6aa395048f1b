"""Memory of tensors on the CPU: kept for the next tensor instead of returned to the system, and limited."""

from __future__ import annotations

from typing import NamedTuple

from vitrail import _native


class MemoryUse(NamedTuple):
    """Bytes of this process."""

    resident: int  # as the system counts it
    live: int  # of tensors made since the caching allocator was set
    kept: int  # of freed blocks that wait for the next tensor


def use_caching_allocator() -> None:
    """Takes freed blocks again instead of asking the system, which saves up to a third of a forward. It replaces torch's
    allocator for the whole process, so nobody does it for you. Call it once, before other threads exist.
    """
    _native.use_caching_allocator()


def limit_memory(size: int) -> None:
    """Bytes that the process may hold; 0: no limit. What would go beyond takes smaller batches, or raises
    :class:`OutOfMemoryError`. Needs the caching allocator.
    """
    _native.limit_memory(size)


def memory_use() -> MemoryUse:
    """What the process holds now."""
    return MemoryUse(*_native.memory_use())


def release_kept_memory() -> None:
    """Gives kept blocks back to the system."""
    _native.release_kept_memory()
