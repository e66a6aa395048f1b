"""A result on disk records how it came about: read it back, compute it again."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
report = vt.Report("out/10", model)
folder = report.add(vt.explain_all(model, sys.argv[2], "rise:masks=200,seed=4,gradcam"), name="photo")

again = vt.reproduce(folder)
for map_ in again.maps:
    print(f"{map_.method.partition(':')[0]}: {'the same' if map_.same else 'different'}")
