"""The invented heads are such that BET does on them what it does on people."""

import numpy as np
import pytest

from medlab import neuro, samples

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("patient", [1, 2, 3, 4, 5, 6])
def test_the_brain_of_an_invented_head_is_found_without_what_lies_below_it(patient):
    head = samples.head(patient)
    found = neuro.extract_brain(head.img, backend="builtin")
    mask, brain = (np.asanyarray(img.dataobj) > 0 for img in (found.mask, head.brain_mask))
    assert mask.sum() / brain.sum() == pytest.approx(1, abs=0.05)
    assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.97
    assert found.report["warnings"] == []
