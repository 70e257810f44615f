"""Runs: what a notebook calls to begin, and what executes notebooks without a screen.

`book` is imported by notebooks and stays light; `plan` and `execute`
need papermill and nbconvert and load when touched.
"""

from __future__ import annotations

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
