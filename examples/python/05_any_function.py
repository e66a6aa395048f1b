"""Anything that scores a batch can be explained: here a function that looks at one corner only."""

import numpy as np
import numpy.typing as npt
import vitrail as vt


def corner(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    scores: npt.NDArray[np.float32] = x[:, :, :8, :8].sum((1, 2, 3))
    return scores[:, None]


why = vt.occlusion(corner, np.ones((3, 16, 16), np.float32), 0, patch=4, stride=4)
for row in range(0, 16, 4):
    print("".join(f"{why.map[row, column]:4.0f}" for column in range(0, 16, 4)))
