"""Text in the pixels: find it, take it out for good, prove it is gone."""
