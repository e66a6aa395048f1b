"""A map that comes into focus: partial results while the method runs."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])

for e in vt.stream(model, sys.argv[2], "rise:masks=400"):
    assert e.standard_error is not None
    whole = "" if e.partial else ", whole"
    print(f"{e.forwards:4d} forwards: standard error up to {e.standard_error.max():.3f}{whole}")
