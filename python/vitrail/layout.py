"""How the value of a module of PyTorch lies over the image: planes, channels last, or tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

MOST_TOKENS_WITHOUT_PLACE = 8  # class, distillation and register tokens before those of the image


@dataclass(frozen=True)
class Layout:
    """Of a value with the positions of a grid [height,width]."""

    kind: Literal["planes", "channels_last", "tokens"]
    height: int
    width: int
    channels: int
    others: int = 0  # tokens without a place, which come first

    def to_planes(self, value: torch.Tensor) -> torch.Tensor:
        """[N,channels,height,width]"""
        if self.kind == "planes":
            return value
        if self.kind == "tokens":
            value = value[:, self.others :].reshape(-1, self.height, self.width, self.channels)
        return value.permute(0, 3, 1, 2)

    def from_planes(self, planes: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
        """Back; tokens without a place are those of `original`."""
        if self.kind == "planes":
            return planes
        last = planes.permute(0, 2, 3, 1)
        return last if self.kind == "channels_last" else torch.cat([original[:, : self.others], last.flatten(1, 2)], 1)


def layout_of(shape: torch.Size, samples: int, height: int, width: int) -> Layout | None:
    """Of a value of this shape, for so many inputs of height x width; None where it keeps no positions, or where they are
    those of windows in the place of samples."""

    def is_grid(h: int, w: int) -> bool:
        return h * w > 1 and h <= height and w <= width and abs(h * width - w * height) <= max(height, width)

    if not shape or shape[0] != samples:
        return None
    if len(shape) == 4:
        if is_grid(shape[2], shape[3]):
            return Layout("planes", shape[2], shape[3], shape[1])
        if is_grid(shape[1], shape[2]):
            return Layout("channels_last", shape[1], shape[2], shape[3])
    if len(shape) == 3:
        for others in range(MOST_TOKENS_WITHOUT_PLACE + 1):
            tokens = shape[1] - others
            if tokens < 2:
                break
            h = round((tokens * height / width) ** 0.5)
            if h > 0 and tokens % h == 0 and is_grid(h, tokens // h):
                return Layout("tokens", h, tokens // h, shape[2], others)
    return None
