"""One self-contained HTML page: verdicts, gauges, text, pictures, sortable tables and sounds.

Nothing is loaded from anywhere: the style, the script, pictures and sounds are in the file, and
its own policy forbids the browser to ask for more.
"""

import base64
import functools
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from callbacks.glance import Cell, cell

TONES = {"good": "✓", "mixed": "◐", "bad": "✕", "unknown": "?"}
"""What a verdict's colour means, and the sign that says it without colour."""
LONG = 28
"""Characters from which on a text in a table may be broken into lines."""
LIKE = 1000
"""The largest number of a column over the smallest, up to which they share their decimals."""


class Code(str):
    """A fact to be typed, such as a command."""


@dataclass(frozen=True)
class Picture:
    """A PNG, inlined.

    Attributes:
        png: the file.
        alt: what it shows, in words.
        caption: below it.
        half: two of these share a row.
        turned: for a reader in the dark it is turned over, white to black; not for colour scales,
            of which dark ends would shine.
        name: of a file of its own, without suffix; empty where it has none.
    """

    png: bytes
    alt: str
    caption: str = ""
    half: bool = False
    turned: bool = True
    name: str = ""


@dataclass(frozen=True)
class SortableTable:
    """A table whose columns sort by click and by keyboard; None is an empty cell and sorts last."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @functools.cached_property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold no text."""
        count = range(len(self.columns))
        return tuple(not any(isinstance(row[i], str) for row in self.rows) for i in count)

    @functools.cached_property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """What the cells say; numbers of one column that are of like size get as many decimals."""
        columns = [aligned([row[i] for row in self.rows]) for i in range(len(self.columns))]
        return tuple(zip(*columns, strict=True))

    @functools.cached_property
    def wordy(self) -> tuple[bool, ...]:
        """Which columns hold texts that need room."""
        columns = range(len(self.columns))
        return tuple(any(len(row[i]) > LONG for row in self.shown) for i in columns)


@dataclass(frozen=True)
class Sound:
    """A WAV file, playable on the page."""

    wav: bytes
    label: str


@dataclass(frozen=True)
class Verdict:
    """A word in large print, of one of the `TONES`, and the sentence that explains it.

    Raises:
        ValueError: another tone.
    """

    word: str
    tone: str
    sentence: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        if self.tone not in TONES:
            raise ValueError(f"a verdict's tone is one of {', '.join(TONES)}, got {self.tone!r}")


@dataclass(frozen=True)
class Gauge:
    """A measure as a bar between its floor and its ceiling, whichever of them is the larger.

    Attributes:
        name: of the measure.
        value: of the measure.
        floor: what knows nothing gets; None where it is not known.
        ceiling: what real data get; None where it is not known.
        barred: a bar is drawn; not where the floor is as good as the ceiling.
    """

    name: str
    value: float
    floor: float | None = None
    ceiling: float | None = None
    barred: bool = True

    @property
    def share(self) -> float | None:
        """How far from floor to ceiling, in [0, 1]; None where there is no bar."""
        if not self.barred or self.floor is None or self.ceiling is None:
            return None
        if self.floor == self.ceiling:
            return None
        share = (self.value - self.floor) / (self.ceiling - self.floor)
        return min(1.0, max(0.0, share)) if math.isfinite(share) else None


@dataclass(frozen=True)
class Listing:
    """A long text in type, folded away until it is asked for."""

    text: str
    caption: str


Part = Picture | SortableTable | Sound | Verdict | Gauge | Listing


@dataclass(frozen=True)
class Section:
    """A step of the story: a sentence or more (an empty line parts them), then what shows it."""

    title: str
    text: str
    parts: tuple[Part, ...] = ()


def aligned(column: Sequence[Cell]) -> list[str]:
    """Write the cells of a column; numbers of like size get as many decimals, whole ones none."""
    said = [cell(value) for value in column]
    sizes = {i: abs(v) for i, v in enumerate(column) if not isinstance(v, str) and v}
    sizes = {i: size for i, size in sizes.items() if math.isfinite(size)}
    if not sizes or max(sizes.values()) > LIKE * min(sizes.values()):
        return said
    fraction = max(len(said[i].partition(".")[2]) for i in sizes)
    if fraction and not any("e" in said[i] for i in sizes):
        for i in sizes:
            value = column[i]
            if not isinstance(value, str) and value is not None and value != int(value):
                said[i] = f"{value:,.{fraction}f}"
    return said


def page(title: str, lead: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Render a page as one HTML file.

    Sections with a `Verdict` come first, before the facts; the others follow in their order.

    Args:
        title: of the page.
        lead: what a reader should know first; may be empty.
        facts: what was run, name -> value.
        sections: in the order of the story.

    Returns:
        The HTML, which needs no network, follows the reader's light or dark scheme and prints.
    """
    judged = [any(isinstance(part, Verdict) for part in section.parts) for section in sections]
    return _template().render(
        title=title,
        lead=lead,
        facts=facts,
        verdicts=[s for s, first in zip(sections, judged, strict=True) if first],
        sections=[s for s, first in zip(sections, judged, strict=True) if not first],
    )


def png(figure: Figure) -> bytes:
    """Draw a figure as a PNG on white, at the resolution of the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def anchor(title: str, number: int) -> str:
    """Name a place on the page after its number and its title."""
    return f"{number}-{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}"


def breakable(text: str) -> Markup:
    """A name that may be broken into lines at its slashes and underscores."""
    return Markup(re.sub(r"([/_])(?=\w)", r"\1<wbr>", str(escape(text))))


def data_uri(data: bytes, kind: str) -> Markup:
    """Inline a file of a MIME type."""
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}")


@functools.cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"tones": TONES}
    environment.filters |= {"cell": cell, "anchor": anchor, "data_uri": data_uri, "zip": zip}
    environment.filters["breakable"] = breakable
    for kind in (Code, Picture, SortableTable, Sound, Verdict, Gauge, Listing):
        environment.tests[kind.__name__.lower()] = functools.partial(_is, kind)
    source = files("callbacks").joinpath("assets", "page.html").read_text(encoding="utf-8")
    return environment.from_string(source)


def _is(kind: type, part: object) -> bool:
    return isinstance(part, kind)
