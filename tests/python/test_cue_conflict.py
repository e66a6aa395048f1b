"""vt.shape_bias and vt.error_consistency on decisions."""

import numpy as np
import pytest
import vitrail as vt


def test_shape_bias_counts_decisions():
    answers = ["cat"] * 3 + ["clock"] * 9 + ["dog"] * 2
    found = vt.shape_bias(["cat"] * 14, ["clock"] * 14, answers)
    assert (found.shape, found.texture, found.other, found.value) == (3, 9, 2, 0.25)
    assert found.low < 0.25 < found.high
    wide = vt.shape_bias(["cat"] * 14, ["clock"] * 14, answers, level=0.999)
    assert wide.high > found.high
    # Of two images only: as unsure as two images are.
    names = ["a" if answer == "cat" else "b" for answer in answers]
    of_two = vt.shape_bias(["cat"] * 14, ["clock"] * 14, answers, names)
    assert (of_two.value, of_two.low, of_two.high) == (0.25, 0, 1)
    with pytest.raises(vt.UsageError, match="found 2 shapes, 1 textures"):
        vt.shape_bias(["cat"] * 2, ["clock"], ["cat"] * 2)


def test_error_consistency_is_kappa():
    a = np.repeat([True, False], [80, 20])
    b = np.repeat([True, False, True, False], [59, 21, 11, 9])
    assert vt.error_consistency(a, b) == pytest.approx((0.68 - 0.62) / 0.38)
    assert np.isnan(vt.error_consistency([True], [True]))
    with pytest.raises(vt.UsageError, match="two lists of one length"):
        vt.error_consistency(a, b[:3])
