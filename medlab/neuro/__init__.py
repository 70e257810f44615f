"""Heads: skull stripping, defacing, and what the proof of either is."""

from medlab.neuro.deface import Defacing
from medlab.neuro.extraction import Extraction, ExtractionOptions, Mesh, extract_brain
from medlab.neuro.head_files import find_heads, find_series, read_head
from medlab.neuro.head_measures import dice, mask_scores, run_trials
from medlab.neuro.head_study import deface
from medlab.neuro.nifti_header import clean_header
from medlab.neuro.volume import load, save

__all__ = [
    "Defacing",
    "Extraction",
    "ExtractionOptions",
    "Mesh",
    "clean_header",
    "deface",
    "dice",
    "extract_brain",
    "find_heads",
    "find_series",
    "load",
    "mask_scores",
    "read_head",
    "run_trials",
    "save",
]
