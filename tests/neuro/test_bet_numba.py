import numpy as np
import pytest

from medlab import neuro


@pytest.mark.needs("neuro")
def test_numba_gives_the_same_surface_to_the_last_bit(head, few_steps):
    plain, fast = (
        neuro.extract_brain(head[0], g=0.1, backend="builtin", accelerate=a) for a in (False, True)
    )
    assert np.array_equal(plain.mesh.vertices, fast.mesh.vertices)
    assert np.array_equal(plain.mask.dataobj, fast.mask.dataobj)
