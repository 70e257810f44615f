# What this package offers; each loads when it is touched.
from . import attacks, logistic
from .training import Training, client_app, masking, train

__all__ = ["Training", "attacks", "client_app", "logistic", "masking", "train"]
