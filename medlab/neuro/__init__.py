"""Heads: skull stripping, defacing, and what the proof of either is."""

from medlab.neuro import bet, extraction, fsl, header, scores, series, surface, trials, volume
from medlab.neuro.deface import Defacing, deface
from medlab.neuro.extraction import Extraction, Mesh, extract_brain
from medlab.neuro.header import clean_header
from medlab.neuro.scores import dice, mask_scores
from medlab.neuro.trials import find_heads, find_series, read_head, run_trials
from medlab.neuro.volume import load, save

__all__ = [
    "Defacing",
    "Extraction",
    "Mesh",
    "bet",
    "clean_header",
    "deface",
    "dice",
    "extract_brain",
    "extraction",
    "find_heads",
    "find_series",
    "fsl",
    "header",
    "load",
    "mask_scores",
    "read_head",
    "run_trials",
    "save",
    "scores",
    "series",
    "surface",
    "trials",
    "volume",
]
