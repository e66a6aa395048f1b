"""What is explained: a class, its probability, or why this class and not that one. Targets share the forwards."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
targets: list[str | int] = ["top1", "prob:top1", "top1-vs-top2", 281]

for e in vt.explain_all(model, sys.argv[2], "occlusion:patch=56,stride=56", targets):
    print(
        f"{e.target.string:<14} {e.target.unit:<11} score {e.score:.3f}, map from {e.map.min():.3f} to {e.map.max():.3f}"
    )
