# What this package offers; each loads when it is touched.
from . import noise

__all__ = ["noise"]
