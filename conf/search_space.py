"""What is searched and how widely: `gan.gamma=loguniform(0.01,1)`, `gan=vanilla,fixed`.

| written | drawn |
|---|---|
| `KEY=uniform(LOW,HIGH)` or `interval(LOW,HIGH)` | a number between them |
| `KEY=loguniform(LOW,HIGH)` | one whose logarithm lies between theirs |
| `KEY=integers(LOW,HIGH)` | a whole number, both ends included |
| `KEY=A,B,C` or `choice(A,B,C)` or `range(1,9,2)` | one of them, as in a sweep |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hydra.core.override_parser.overrides_parser import OverridesParser

NUMBERS = re.compile(
    r"(?P<key>[^=]+)=(?P<kind>uniform|interval|loguniform|integers)\((?P<ends>.*)\)"
)


@dataclass(frozen=True)
class Numbers:
    """A range of numbers.

    Attributes:
        low: the least.
        high: the greatest.
        scale: how they are drawn.
    """

    low: float
    high: float
    scale: Literal["uniform", "loguniform", "integers"]


Space = dict[str, Numbers | tuple[str, ...]]
"""Key of the config -> a range, or the choices as they are written on the command line."""


def read_space(overrides: Sequence[str]) -> tuple[list[str], Space]:
    """Tell what is searched from what all trials share.

    Args:
        overrides: Hydra's, with ranges and choices among them.

    Returns:
        The overrides that are fixed, and the space.

    Raises:
        ValueError: a range is none, or nothing is searched.
    """
    fixed: list[str] = []
    space: Space = {}
    for override in overrides:
        if found := NUMBERS.fullmatch(override):
            space[found["key"]] = _numbers(override, found["kind"], found["ends"])
            continue
        parsed = OverridesParser.create().parse_override(override)
        if parsed.is_sweep_override():
            space[parsed.get_key_element()] = tuple(parsed.sweep_string_iterator())
        else:
            fixed.append(override)
    if not space:
        raise ValueError(
            "nothing is searched; name at least one range, such as 'gan.gamma=loguniform(0.01,1)', "
            "or choices, such as gan=vanilla,fixed"
        )
    return fixed, space


def examples(space: Space) -> list[list[str]]:
    """Overrides that together reach every choice and both ends of every range, for a check."""
    ends = {
        key: (written(r.low, r), written(r.high, r)) if isinstance(r, Numbers) else r
        for key, r in space.items()
    }
    longest = max(len(values) for values in ends.values())
    return [
        [f"{key}={values[min(i, len(values) - 1)]}" for key, values in ends.items()]
        for i in range(longest)
    ]


def written(value: float | int | str, drawn_from: Numbers | tuple[str, ...]) -> str:
    """A value as it stands on the command line, exactly."""
    if isinstance(drawn_from, Numbers):
        return str(int(value)) if drawn_from.scale == "integers" else repr(float(value))
    return str(value)


def _numbers(override: str, kind: str, ends: str) -> Numbers:
    try:
        low, high = (float(end) for end in ends.split(","))
    except ValueError:
        raise ValueError(f"{override}: a range wants two numbers, {kind}(LOW,HIGH)") from None
    if not low < high:
        raise ValueError(f"{override}: {low:g} is not below {high:g}")
    if kind == "loguniform" and low <= 0:
        raise ValueError(f"{override}: a logarithm wants ends above 0")
    if kind == "integers" and not (low.is_integer() and high.is_integer()):
        raise ValueError(f"{override}: the ends must be whole numbers")
    return Numbers(low, high, "uniform" if kind == "interval" else kind)  # pyright: ignore
