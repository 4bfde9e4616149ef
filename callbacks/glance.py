"""A run in a few words, and a number in a few digits, as pages and terminals show them."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Cell = str | float | None


class _Known(dict[str, float | str]):
    def __missing__(self, name: str) -> str:
        # Not every place that shows measures has a verdict at hand.
        if name.partition("/")[0] == "word":
            return ""
        raise KeyError(name)


def glance(texts: Sequence[str], values: Mapping[str, float | str | None]) -> str:
    """Fill in texts with measures, and with the words of a verdict.

    >>> glance(["letters {coverage/letters:.0f}/26", "{word}"], {"coverage/letters": 25.0})
    'letters 25/26'

    Args:
        texts: format strings over names of measures; `{word}` and `{word/LEVEL}` are verdicts.
        values: name -> number or word; None or NaN where a measure could not be taken.

    Returns:
        The texts, with a dot between two of them. A text whose measures are not all known is left
        out, and so is a word that is not known.

    Raises:
        ValueError: a text is no format string, or asks for a number where a word is.
    """
    known = _Known(
        (name, value)
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    )
    said = []
    for text in texts:
        try:
            said.append(text.format_map(known).strip())
        except KeyError:
            continue
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise ValueError(
                f"glance: {text!r} cannot be filled in ({error}); it must be a format string "
                "over measures, such as 'letters {coverage/letters:.0f}'"
            ) from error
    return " · ".join(filter(None, said))


def cell(value: Cell) -> str:
    """Write a value as a table shows it: four significant digits, large and whole numbers whole."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, str):
        return value
    whole = math.isfinite(value) and (float(value).is_integer() or abs(value) >= 1e5)
    if whole and abs(value) < 1e9:
        return f"{round(value):,}"
    return f"{value:.4g}"


def place(path: Path) -> str:
    """A path as one would type it from the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative
