"""Methods of protection: the catalogue, and each on one value, one column, one header.

Each verb of `suppression`, `randomization`, `pseudonymization`, `bucketization` and `encryption`
takes a value or a pandas Series and gives back the same kind, so that the result still fits its
DICOM VR.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
