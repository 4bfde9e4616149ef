"""What the numbers of a VAE's run say: the sentences of its report, from its rows alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from callbacks.report_parts import Columns, Values, epochs, listed, percent, taken
from drumvae.metrics.collapse import ALIVE, DEAD, IN_NAME_ONLY, dimension_verdict
from drumvae.verdict import onset

LEVELS = ("high", "low")


@dataclass(frozen=True)
class Dimension:
    """A latent dimension at the end of a run.

    Attributes:
        level: "high" or "low".
        number: of the dimension.
        kl: nats.
        cost: nats of reconstruction that are lost without it; NaN where it was not measured.
        variance: of its posterior mean; NaN where it was not measured.
        word: alive, in name only, or dead.
        died: first epoch (from 1) after its death; None where it lives or never lived.
    """

    level: str
    number: int
    kl: float
    cost: float
    variance: float
    word: str
    died: int | None


def dimensions(values: Values, metrics: Columns) -> list[Dimension]:
    """Every dimension of both levels, those of z_high first.

    Args:
        values: the measures at the end.
        metrics: columns of `metrics.csv`, for the deaths; may be empty.
    """
    found = []
    for level in LEVELS:
        died = _deaths(metrics, level)
        for i in range(sum(name.startswith(f"kl_{level}/") for name in values)):
            kl = values[f"kl_{level}/{i}"]
            cost = values.get(f"cost_{level}/{i}", math.nan)
            variance = values.get(f"variance_{level}/{i}", math.nan)
            word = dimension_verdict(kl, cost, variance)
            gone = died.get(i) if word != ALIVE else None
            found.append(Dimension(level, i, kl, cost, variance, word, gone))
    return found


def _deaths(metrics: Columns, level: str) -> dict[int, int]:
    """Dimension -> first epoch (from 1) after its death."""
    names = [name for name in metrics if name.startswith(f"kl_{level}/")]
    if not names:
        return {}
    rows = [
        {"epoch": float(epoch)} | {name: float(metrics[name][i]) for name in names}
        for i, epoch in enumerate(epochs(metrics))
    ]
    # An epoch in which nothing was measured has empty cells.
    rows = [row for row in rows if all(map(math.isfinite, row.values()))]
    return onset(rows, level)


def life(found: Sequence[Dimension]) -> str:
    """Which dimensions are alive, which are dead and since when."""
    parts = []
    for level in LEVELS:
        mine = [d for d in found if d.level == level]
        if not mine:
            continue
        alive = [d.number for d in mine if d.word == ALIVE]
        text = f"z_{level}: {len(alive)} of {len(mine)} dimensions are alive"
        numbers = listed(f"#{number}" for number in alive)
        text += f" ({numbers})" if alive and len(alive) < len(mine) else ""
        for word, said in ((IN_NAME_ONLY, "in name only"), (DEAD, "dead")):
            some = [d for d in mine if d.word == word]
            if some:
                text += f"; {said}: {_numbers(some, len(mine))}"
        parts.append(text + ".")
    return " ".join(parts)


def _numbers(some: Sequence[Dimension], total: int) -> str:
    died = [d for d in some if d.died is not None]
    if len(some) == total and not died:
        return "all of them"
    since = listed(f"#{d.number} since epoch {d.died}" for d in died)
    return listed(f"#{d.number}" for d in some) + (f" ({since})" if died else "")


def losses(rows: Columns) -> str:
    """What a bar costs in the last epoch, and where the KL of each level had its highest."""
    if not len(rows.get("batch", ())) or "loss/reconstruction" not in rows:
        return ""
    last = rows["epoch"] == rows["epoch"][-1]
    text = f"In the last epoch a bar costs {rows['loss/reconstruction'][last].mean():.2f} nats"
    parts = []
    for level in LEVELS:
        if (kl := rows.get(f"kl/{level}")) is not None:
            most = int(np.nanargmax(kl))
            parts.append(f"z_{level} costs {kl[last].mean():.2f} nats of KL")
            parts[-1] += f" (the most were {kl[most]:.2f}, at batch {rows['batch'][most]:.0f})"
    return f"{text} to rebuild; {listed(parts)}."


def likelihood(values: Values, floor: Values, ceiling: Values, split: str = "test") -> str:
    """How probable bars of a split are, between what knows nothing and the truth."""
    if "likelihood/nll" not in values:
        return ""
    text = f"A {split} bar has {values['likelihood/nll']:.2f} nats"
    ends = []
    if "likelihood/nll" in floor:
        ends.append(f"independent cells have {floor['likelihood/nll']:.2f}")
    if "likelihood/nll" in ceiling:
        ends.append(f"the truth has {ceiling['likelihood/nll']:.2f}")
    text += f"; {listed(ends)}." if ends else "."
    if "likelihood/gap" in values:
        error = values.get("likelihood/gap_error", math.nan)
        text += f" On bars drawn anew it lies {values['likelihood/gap']:.3f} nats above the truth"
        text += f" (standard error {error:.3f})." if math.isfinite(error) else "."
    return text


def no_fault(values: Values) -> str:
    """What dead dimensions could be worth at most, where the truth is known."""
    if "likelihood/gap" not in values:
        return ""
    return (
        f"The truth of these data is known, and the model lies {values['likelihood/gap']:.2f} nats "
        "above it: whatever a dead dimension could add is worth no more than that."
    )


def styles(values: Values, floor: Values, ceiling: Values) -> str:
    """What z_high knows of the style."""
    if "style/probe" not in values:
        return ""
    text = f"A linear probe reads the style of {percent(values['style/probe'])} of bars from z_high"
    if "style/probe" in floor and "style/probe" in ceiling:
        text += f" (the commonest style alone: {percent(floor['style/probe'])}, a probe of the "
        text += f"hits: {percent(ceiling['style/probe'])})"
    if "style/information" in values:
        text += f"; it knows {values['style/information']:.2f}"
        if "style/information" in ceiling:
            text += f" of {ceiling['style/information']:.2f}"
        text += " nats of it"
    return text + "."


def separation(values: Values) -> str:
    """How far the styles lie apart in z_high, and whether chance would do as well."""
    if "style/separation" not in values:
        return ""
    p = values.get("style/separation_p", math.nan)
    chance = "more than shuffled labels do" if p <= 0.05 else "no more than shuffled labels may"
    return (
        f"In z_high the variance between styles is {values['style/separation']:.3g} times that "
        f"within them, {chance} (p = {p:.2g}). The ratio is free of scale: a dimension that "
        "carries nothing can separate too, so it counts only beside the KL."
    )


def traversals(values: Values) -> str:
    """Which dimension of z_low moves most hits."""
    moved = {k: v for k, v in values.items() if k.startswith("sensitivity_low/")}
    if not moved:
        return ""
    most = max(moved, key=lambda name: moved[name])
    still = sum(share < 0.001 for share in moved.values())
    if still == len(moved):
        return "No dimension of z_low changes one hit in a thousand cells."
    return (
        f"Dimension {most.rpartition('/')[2]} of z_low moves most: {100 * moved[most]:.2g} % of "
        f"the cells change their hit; {still} of {len(moved)} move{'s' * (still == 1)} less than "
        "one in a thousand."
    )


def rhythm(values: Values, ceiling: Values) -> str:
    """How many bars have no fault, and the backbone, beside real ones."""
    parts = []
    for name, said in (("valid", "have no fault"), ("backbone", "have the backbone of rock")):
        if f"rhythm/{name}" in values:
            text = f"{percent(values[f'rhythm/{name}'])} of the bars {said}"
            if f"rhythm/{name}" in ceiling:
                text += f" ({percent(ceiling[f'rhythm/{name}'])} of real ones)"
            parts.append(text)
    return f"{listed(parts)}." if parts else ""


def learned(metrics: Columns) -> str:
    """When the validation likelihood was best."""
    numbers, nll = taken(metrics, "likelihood/nll")
    if not numbers:
        return ""
    best = int(nll.argmin())
    return f"On validation bars the best epoch was {numbers[best]} with {nll[best]:.2f} nats."
