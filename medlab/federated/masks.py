"""Secure aggregation: pairwise masks that hide each update and vanish in the sum.

Numbers are whole multiples of 2^-16 modulo 2^32. Sites of a pair agree on a mask by X25519 and
HKDF; one adds it, the other subtracts it. Bonawitz et al., "Practical Secure Aggregation for
Privacy-Preserving Machine Learning", CCS 2017, without its recovery of sites that drop out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from medlab.arrays import Floats
from medlab.errors import RefusedError

_Words = NDArray[np.uint32]
SCALE = 2**16


def encode(values: Floats, sites: int) -> _Words:
    """Return values in fixed point with their sum behind them, modulo 2^32.

    Raises
    ------
    RefusedError
        If a value is so large that the sum over all sites could run over.
    """
    fixed = np.rint(values * SCALE)
    if not np.abs(fixed).max() < 2**31 / sites:
        raise RefusedError(
            f"a weight is too large for the fixed point of masks ({2**15 / sites:g} with "
            f"{sites} sites), so the round stops; scale the features or train without masks"
        )
    words = fixed.astype(np.int64).astype(np.uint32)
    return np.append(words, words.sum(dtype=np.uint32))


def decode(updates: Sequence[_Words]) -> Floats:
    """Return the sum of masked updates as numbers.

    Raises
    ------
    RefusedError
        If the sum does not agree with the sums behind the updates: masks that do not cancel, or
        an update that was altered on its way. Whoever adapts the sum as well is not noticed.
    """
    total: _Words = np.stack(updates).sum(axis=0, dtype=np.uint32)
    if total[:-1].sum(dtype=np.uint32) != total[-1]:
        raise RefusedError("the masks do not cancel: an update was altered, so the round stops")
    return np.asarray(total[:-1].view(np.int32) / SCALE)


def mask(node: str, secret: bytes, keys: Mapping[str, bytes], purpose: str, length: int) -> _Words:
    """Return what a site adds to its update; over all sites it sums to zero.

    Parameters
    ----------
    node : str
        The site itself.
    secret : bytes
        Its X25519 private key of this round.
    keys : mapping of str to bytes
        Public keys of all sites, its own among them.
    purpose : str
        What the mask is for, such as the number of the round.
    length : int
    """
    own, total = X25519PrivateKey.from_private_bytes(secret), np.zeros(length, np.uint32)
    for other in keys.keys() - {node}:
        shared = own.exchange(X25519PublicKey.from_public_bytes(keys[other]))
        info = "\n".join(["medlab mask", purpose, *sorted([node, other])]).encode()
        seed = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(shared)
        stream = Cipher(algorithms.ChaCha20(seed, bytes(16)), None).encryptor()
        words = np.frombuffer(stream.update(bytes(4 * length)), "<u4")
        total = total + words if node < other else total - words
    return total
