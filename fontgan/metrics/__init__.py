"""Measures of a letter generator: pure functions of counts, pixels and features, one idea a file.

`coverage` counts what a judge reads, `neighbours` and `frechet` compare the judge's features with
those of unseen families, `hash` keeps the report's placeholder, and `measures` puts them together.
"""

from fontgan.metrics.measures import LetterMeasures

__all__ = ["LetterMeasures"]
