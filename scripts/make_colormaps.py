#!/usr/bin/env python3
"""Writes src/image/colormap_tables.h from matplotlib's `inferno` (CC0) and a diverging map made here.

The tables are checked in; this script documents where they come from. Needs matplotlib.
"""

import numpy as np
from matplotlib import colormaps


def diverging() -> np.ndarray:
    """Blue - white - red with lightness symmetric about the middle, distinguishable with colour-blind eyes."""
    anchors = np.array(
        [[0.02, 0.19, 0.38], [0.26, 0.58, 0.76], [0.97, 0.97, 0.97], [0.84, 0.38, 0.30], [0.40, 0.0, 0.12]]
    )
    at = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(np.linspace(0, 1, 256), at, anchors[:, c]) for c in range(3)], 1)


def table(name: str, colours: np.ndarray) -> str:
    rows = np.rint(colours[:, :3] * 255).astype(int)
    triples = [f"{{{r}, {g}, {b}}}" for r, g, b in rows]
    body = ",\n    ".join(", ".join(triples[i : i + 6]) for i in range(0, len(triples), 6))
    return f"constexpr uint8_t {name}[256][3] = {{\n    {body}}};\n"


print(
    "#pragma once\n\n// Made by scripts/make_colormaps.py.\n\n#include <cstdint>\n\nnamespace vitrail {\n\n// clang-format off"
)
print(table("kSequentialColours", colormaps["inferno"](np.arange(256))))
print(table("kDivergingColours", diverging()))
print("}  // namespace vitrail")
