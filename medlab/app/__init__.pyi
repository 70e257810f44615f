# What this package offers; each loads when it is touched.
from .panels import page
from .server import serve

__all__ = [
    "page",
    "serve",
]
