"""Layers are names: a class activation map of one, and any method on the value of another."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
photo = sys.argv[2]

print("gradcam chose", vt.gradcam(model, photo).plan["layer"])
for layer in ("_blocks.5", "_blocks.10", "_blocks.15"):
    cam = vt.gradcam(model, photo, layer=layer)
    inside = vt.gradient_x_input(model, photo, layer=layer)
    assert cam.cells is not None and inside.cells is not None
    rows, columns = cam.cells.shape
    total = inside.cells.sum()
    print(
        f"{layer:<11} {rows}x{columns} positions; "
        f"gradient times activation adds up to {total:.3f} of the score {inside.score:.3f}"
    )
