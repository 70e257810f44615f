# What this package offers; each loads when it is touched.
from .domain import Axis, draft_domain, read_domain

__all__ = ["Axis", "draft_domain", "read_domain"]
