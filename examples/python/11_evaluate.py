"""Is the explanation any good? Methods judged by metrics, beside a control that knows nothing of the network."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
photos = [sys.argv[2]]  # many, in earnest
found = vt.evaluate(model, photos, "gradcam,occlusion:patch=56,stride=56,random", "deletion,insertion,gini")
for row in found.rows:
    print(f"{row.method} by {row.metric}: {row.mean:.2f}, {row.n} photo")
