"""A sampled map has a standard error: four times the samples, half of the error. With `tolerance` or `top` among the
options a method stops by itself when its map, or the set of its largest cells, is known well enough."""

import sys

import vitrail as vt

model = vt.load(sys.argv[1])
photo = sys.argv[2]

for masks in (250, 1000):
    e = vt.rise(model, photo, masks=masks, grid=4)
    assert e.standard_error is not None
    share = e.standard_error.max() / (e.map.max() - e.map.min())
    print(f"{e.forwards:4d} masks: largest standard error {share:.2f} of the range")
