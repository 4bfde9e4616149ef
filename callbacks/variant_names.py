"""The shortest names that tell variants apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

BARE = ("experiment", "name")
"""Keys whose values speak for themselves."""

LONGEST = 40
"""Characters of a value in a name."""


@dataclass(frozen=True)
class Feature:
    """A key and its value in every variant; None where a variant has none.

    Attributes:
        typed: on the command line of every run; what somebody typed is what was to be compared.
    """

    key: str
    values: tuple[Any, ...]
    typed: bool = False

    def of(self, members: Sequence[int]) -> "Feature":
        """The feature of these variants alone."""
        return replace(self, values=tuple(self.values[number] for number in members))


def name_variants(names: Sequence[str], features: Sequence[Feature]) -> list[str]:
    """Name variants after as little as tells them apart.

    A key that was typed for all of them and tells all apart is enough: `annealing=linear`. Else
    their own names are, and, of variants that share one, what differs among these.

    >>> gamma = Feature("gan.gamma", (None, None, "0.1"))
    >>> name_variants(["vanilla", "fixed", "fixed"], [gamma])
    ['vanilla', 'fixed', 'fixed, gamma=0.1']

    Args:
        names: that the configs of the variants give.
        features: what else may tell them apart, that to be preferred first.

    Returns:
        A name for each variant, no two alike.
    """
    total = len(names)
    for feature in features:
        if total > 1 and feature.typed and _told([feature]) == total:
            return _unlike([label([feature], number) for number in range(total)])
    found = [""] * total
    for name in dict.fromkeys(names):
        members = [number for number in range(total) if names[number] == name]
        chosen = _telling([feature.of(members) for feature in features], len(members))
        for place, number in enumerate(members):
            parts = [name] if len(set(names)) > 1 or total == 1 else []
            found[number] = ", ".join([*parts, *filter(None, [label(chosen, place)])])
    return _unlike([name or "default" for name in found])


def label(features: Sequence[Feature], number: int) -> str:
    """What a variant is, by all these features: `gamma=0.1, max_epochs=28`."""
    last = [feature.key.rpartition(".")[2] for feature in features]
    parts = []
    for feature, short in zip(features, last, strict=True):
        if (value := feature.values[number]) is not None:
            key = short if last.count(short) == 1 else feature.key
            parts.append(_text(value) if key in BARE else f"{key}={_text(value)}")
    return ", ".join(parts)


def _telling(features: Sequence[Feature], total: int) -> list[Feature]:
    """Features that tell all apart: each in turn the one that tells the most; none for one."""
    chosen: list[Feature] = []
    while features and _told(chosen) < total:
        best = max(features, key=lambda f: (_told([*chosen, f]), -f.values.count(None)))
        if _told([*chosen, best]) == _told(chosen):
            break
        chosen.append(best)
    # What was chosen first may have become superfluous.
    for feature in list(chosen):
        rest = [other for other in chosen if other is not feature]
        if _told(rest) == _told(chosen):
            chosen = rest
    return sorted(chosen, key=list(features).index)


def _told(features: Sequence[Feature]) -> int:
    if not features:
        return 1
    return len(set(zip(*(map(_text, feature.values) for feature in features), strict=True)))


def _unlike(names: list[str]) -> list[str]:
    return [
        name if names.count(name) == 1 else f"{name} #{names[:number].count(name) + 1}"
        for number, name in enumerate(names)
    ]


def _text(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
