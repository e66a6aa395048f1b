"""Several methods beside each other, in a folder with pictures and a page for the browser."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
report = vt.Report("out/02", model)
found = vt.explain_all(model, sys.argv[2], "saliency,gradcam,occlusion:patch=56,stride=56")
for e in found:
    print(f"{e.name:<10} {e.forwards} forwards, {e.backwards} backwards, unit: {e.unit}")
report.add(found)
print(f"open {report.finish()}")
