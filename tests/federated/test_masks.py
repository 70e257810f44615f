"""Masks vanish in the sum and hide what is under them."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medlab.errors import RefusedError
from medlab.federated import masks


def ring(sites):
    secrets = {str(number): X25519PrivateKey.generate() for number in range(1, sites + 1)}
    keys = {node: secret.public_key().public_bytes_raw() for node, secret in secrets.items()}
    return {node: secret.private_bytes_raw() for node, secret in secrets.items()}, keys


def masked(values, purpose="1"):
    secrets, keys = ring(len(values))
    words = [masks.encode(row, len(values)) for row in values]
    return [
        row + masks.mask(node, secrets[node], keys, purpose, len(row))
        for node, row in zip(keys, words, strict=True)
    ]


@given(
    st.integers(2, 6).flatmap(
        lambda sites: arrays(float, (sites, 7), elements=st.floats(-32767 / sites, 32767 / sites))
    )
)
def test_the_sum_of_masked_updates_errs_by_half_a_step_a_site_at_most(values):
    found = masks.decode(masked(values))
    assert np.abs(found - values.sum(axis=0)).max() <= len(values) * 2**-17 + 1e-9


def test_a_masked_update_is_spread_over_all_words_and_tells_nothing_of_what_is_under_it():
    values = np.tile(np.linspace(-1, 1, 20_000), (2, 1))
    seen = masked(values)[0][:-1]
    assert abs(np.corrcoef(seen.astype(float), values[0])[0, 1]) < 5.5 / np.sqrt(20_000)
    assert abs(seen.mean() / 2**32 - 0.5) < 5.5 / np.sqrt(12 * 20_000)


def test_masks_of_two_rounds_and_of_two_pairs_differ():
    secrets, keys = ring(3)
    one = masks.mask("1", secrets["1"], keys, "1", 8)
    assert not np.array_equal(one, masks.mask("1", secrets["1"], keys, "2", 8))
    pairs = [
        masks.mask("1", secrets["1"], {n: keys[n] for n in ("1", other)}, "1", 8) for other in "23"
    ]
    assert not np.array_equal(*pairs)
    assert np.array_equal(pairs[0] + pairs[1], one)


@given(st.integers(0, 2), st.integers(0, 7), st.integers(1, 2**32 - 1))
def test_a_word_that_was_altered_is_noticed(site, place, by):
    updates = masked(np.ones((3, 7)))
    updates[site][place : place + 1] += np.uint32(by)
    with pytest.raises(RefusedError, match="do not cancel"):
        masks.decode(updates)


@pytest.mark.parametrize("value", [2**15 / 3, -(2**15) / 3, np.inf, np.nan])
def test_what_could_run_over_in_the_sum_is_refused(value):
    with pytest.raises(RefusedError, match="too large"):
        masks.encode(np.array([0.0, value]), 3)
