"""Do two maps say the same? Rank correlation, the share of the top that both have, and which cells differ by more than
the noise of sampling."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
photo = sys.argv[2]

first = vt.explain(model, photo, "sobol:grid=4,seed=1")
for other in ("sobol:grid=4,seed=2", "morris:grid=4"):
    maps = first.compare(vt.explain(model, photo, other))
    print(
        f"{other:<20} rank correlation {maps.rank_correlation:.2f}, "
        f"{100 * maps.top_overlap:.0f} % of the top {maps.top} in both, {maps.differing} cells differ"
    )
