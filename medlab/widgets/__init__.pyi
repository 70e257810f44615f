# What this package offers; each loads when it is touched.
from .boxes import text_boxes
from .comparer import method_comparer
from .element_table import tag_explorer
from .interactive import InteractiveWidget
from .partition import partition_explorer
from .risk_map import tradeoff_explorer
from .viewer import bet_explorer, image_viewer

__all__ = [
    "InteractiveWidget",
    "bet_explorer",
    "image_viewer",
    "method_comparer",
    "partition_explorer",
    "tag_explorer",
    "text_boxes",
    "tradeoff_explorer",
]
