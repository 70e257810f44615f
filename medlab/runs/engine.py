"""papermill, loaded without a grammar that takes two thirds of its import.

`rfc3987_syntax` builds a grammar when it is imported; jsonschema takes it, where it is there,
to check IRIs. No notebook holds a field for which that matters.
"""

from __future__ import annotations

import sys

_GRAMMAR = "rfc3987_syntax"

_held = sys.modules.setdefault(_GRAMMAR, None)  # type: ignore[arg-type]
try:
    import papermill
finally:
    if _held is None:
        del sys.modules[_GRAMMAR]

__all__ = ["papermill"]
