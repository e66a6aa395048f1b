"""What may be given as an image: a photo, which is prepared as the model's preprocessing says, or an input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from vitrail import _native
from vitrail.errors import InputError

if TYPE_CHECKING:
    import PIL.Image

Array: TypeAlias = "npt.NDArray[np.float32]"
Photo: TypeAlias = "str | os.PathLike[str] | PIL.Image.Image | npt.NDArray[np.uint8] | torch.Tensor"
"""A path, a PIL image, or pixels: uint8 ``[H,W,3]`` or ``[H,W]``, RGB or grey."""
Input: TypeAlias = "npt.NDArray[np.floating] | torch.Tensor"
"""A floating-point array or tensor ``[C,H,W]`` or ``[1,C,H,W]``: what the model takes, already prepared."""
ImageLike: TypeAlias = "Photo | Input"


def as_tensor(array: object) -> torch.Tensor:
    """A tensor over the memory of an array, where it can be; a tensor as it is."""
    if isinstance(array, torch.Tensor):
        return array
    values = np.ascontiguousarray(array)
    if not values.flags.writeable:  # torch has no tensors that may only be read
        values = values.copy()
    return torch.from_numpy(values)


def read_photo(image: object) -> _native.Image | None:
    """The photo that `image` is, or None where it is an input."""
    if isinstance(image, (str, os.PathLike)):
        return _native.read_image(os.fspath(image))
    if isinstance(image, (np.ndarray, torch.Tensor)):
        pixels = as_tensor(image)
        if pixels.is_floating_point():
            return None
        if pixels.dtype == torch.uint8 and pixels.dim() == 2:
            pixels = pixels.unsqueeze(2).expand(-1, -1, 3)
        if pixels.dtype == torch.uint8 and pixels.dim() == 3 and pixels.size(2) in (3, 4):  # alpha is dropped
            return _native.Image(pixels[:, :, :3].contiguous().cpu())
        raise InputError(
            f"found an array of {pixels.dtype} {list(pixels.shape)}, expected pixels uint8 [H,W,3], [H,W,4] or [H,W], "
            "or a floating-point input [C,H,W] that needs no preparation."
        )
    if hasattr(image, "convert"):  # PIL
        return _native.Image(as_tensor(np.asarray(image.convert("RGB"))))
    raise InputError(
        f"found {type(image).__name__}, expected a path, a PIL image, uint8 pixels [H,W,3], or a floating-point input."
    )


def as_input(values: object) -> torch.Tensor:
    """Float values as [1,C,H,W] on the CPU."""
    tensor = as_tensor(values).detach()
    if tensor.is_inference():  # autograd takes none
        tensor = tensor.clone()
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() != 4 or tensor.size(0) != 1:
        raise InputError(
            f"found an input of shape {list(tensor.shape)}, expected [C,H,W] or [1,C,H,W]: one image at a time."
        )
    return tensor.cpu() if tensor.dtype == torch.float64 else tensor.float().cpu()


def show_input(tensor: torch.Tensor) -> _native.Image:
    """An input as a picture: its values stretched to 0..255, for maps to lie over."""
    planes = tensor[0].float()
    planes = planes[:3] if planes.size(0) >= 3 else planes[:1].expand(3, -1, -1)
    low, high = planes.amin(), planes.amax()
    pixels = (planes - low) / (high - low if high > low else 1) * 255
    return _native.Image(pixels.permute(1, 2, 0).round().to(torch.uint8).contiguous())
