"""Heads: skull stripping, defacing, and what the proof of either is."""

from medlab.neuro.extraction import Extraction, Mesh, extract_brain
from medlab.neuro.scores import dice, mask_scores
from medlab.neuro.volume import load

__all__ = ["Extraction", "Mesh", "dice", "extract_brain", "load", "mask_scores"]
