"""What the numbers of a GAN's run say: the sentences of its report, from its rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callbacks.collapse_verdict import BAD
from callbacks.glance import cell
from callbacks.report_parts import Columns, Values, epochs, listed, percent, spans, taken
from fontgan import LETTERS
from fontgan.metrics.coverage import THRESHOLD
from fontgan.metrics.strokes import RankCorrelation
from fontgan.onset import onset
from fontgan.verdict import HALF

ALIVE = THRESHOLD / len(LETTERS)
"""Share of all samples from which on a letter is alive."""


@dataclass(frozen=True)
class Life:
    """A letter over a run, epochs counted from 1.

    Attributes:
        letter: A-Z.
        born: the first epoch in which it is alive; None where there is none.
        lost: the epoch from which on it is lost; None where it is alive at the end or, though it is
            not, no single epoch can be named.
        alive_at_end: whether it is alive in the last epoch.
        share: of the epochs in which it is alive.
        deaths: epochs in which it was not alive any more, one alive before.
    """

    letter: str
    born: int | None
    lost: int | None
    alive_at_end: bool
    share: float
    deaths: tuple[int, ...]


def lives(metrics: Columns, drawn: int) -> list[Life]:
    """The life of every letter; empty where no epoch measured them.

    Args:
        metrics: columns of `metrics.csv`.
        drawn: samples that an epoch was measured on.
    """
    numbers, _ = taken(metrics, f"letters/{LETTERS[0]}")
    if not numbers:
        return []
    columns = {f"letters/{c}": taken(metrics, f"letters/{c}")[1] for c in LETTERS}
    rows: list[Mapping[str, float]] = [
        {name: float(column[i]) for name, column in columns.items()} for i in range(len(numbers))
    ]
    found = []
    for letter in LETTERS:
        alive = columns[f"letters/{letter}"] >= ALIVE
        at = onset(letter, rows, drawn)
        found.append(
            Life(
                letter,
                born=numbers[int(alive.argmax())] if alive.any() else None,
                lost=numbers[at] if at else None,
                alive_at_end=bool(alive[-1]),
                share=float(alive.mean()),
                deaths=tuple(numbers[i] for i in range(1, len(alive)) if alive[i - 1] > alive[i]),
            )
        )
    return found


def survival(found: Sequence[Life]) -> str:
    """Which letters are lost and since when, or which came last."""
    gone = [life for life in found if not life.alive_at_end]
    if gone:
        since: dict[int, list[str]] = {}
        for life in gone:
            if life.lost is not None:
                since.setdefault(life.lost, []).append(life.letter)
        parts = [f"{listed(since[epoch])} since epoch {epoch}" for epoch in sorted(since)]
        faded = [life.letter for life in gone if life.born is not None and life.lost is None]
        parts += [f"{listed(faded)} at no clear epoch"] if faded else []
        never = [life.letter for life in gone if life.born is None]
        text = f"Lost: {'; '.join(parts)}. " if parts else ""
        return (text + (f"Never alive: {listed(never)}." if never else "")).strip()
    epoch = max(life.born or 0 for life in found)
    last = [life.letter for life in found if life.born == epoch]
    verb = "was" if len(last) == 1 else "were"
    text = f"No letter is lost; the last to come alive {verb} {listed(last)}, in epoch {epoch}."
    back = [life.letter for life in found if life.deaths]
    return text + (f" {listed(back)} died on the way and came back." if back else "")


def collapse(words: Sequence[tuple[int, str]]) -> str:
    """When a collapse set in: the first bad word after one that is not, and how it went on.

    Args:
        words: epoch (from 1) and the word of its verdict, in order.
    """
    bad = [word in BAD for _, word in words]
    if not words:
        return ""
    if all(bad):
        return f"The verdict was never better than {words[-1][1]}."
    turns = [i for i in range(1, len(bad)) if bad[i] and not bad[i - 1]]
    if not turns:
        return "No collapse set in."
    spells = spans([words[i][0] for i in range(turns[0], len(bad)) if bad[i]])
    if bad[-1]:
        return f"A collapse set in at epoch {words[turns[-1]][0]} ({words[-1][1]} at the end)."
    return f"A collapse set in at epoch {words[turns[0]][0]} and passed (epochs {spells})."


def halving(metrics: Columns) -> str:
    """When the letters fell to half the alphabet, for a run that has no verdicts."""
    numbers, letters = taken(metrics, "coverage/letters")
    if not numbers:
        return ""
    if letters.max() <= HALF:
        most = f"{letters.max():.0f} letter" + ("" if letters.max() == 1 else "s")
        return f"Half the alphabet was never passed: the most were {most}."
    fell = [i for i in range(int(letters.argmax()), len(numbers)) if letters[i] <= HALF]
    text = f"Having come to {letters.max():.0f}, the letters"
    if not fell:
        return f"{text} never fell to half the alphabet."
    return f"{text} fell to {HALF} or fewer at epoch {numbers[fell[0]]}."


def coverage(metrics: Columns, floor: Values, ceiling: Values) -> str:
    """How many letters the epochs drew, beside what noise and real glyphs get."""
    numbers, letters = taken(metrics, "coverage/letters")
    if not numbers:
        return ""
    most = int(letters.argmax())
    text = (
        f"The last epoch drew {letters[-1]:.0f} of 26 letters{_ends(floor, ceiling, 'letters')}; "
        f"the most were {letters[most]:.0f}, first after epoch {numbers[most]}."
    )
    _, accepted = taken(metrics, "coverage/accepted")
    if len(accepted):
        limits = _ends(floor, ceiling, "accepted")
        text += f" {percent(accepted[-1])} of its samples are a letter at all{limits}."
    _, claimed = taken(metrics, "coverage/hash")
    if len(claimed):
        noise = f", and {floor['coverage/hash']:.2f} of noise" if "coverage/hash" in floor else ""
        text += f" The course report's hash claims {claimed[-1]:.2f} of all letters here{noise}."
    return text


def _ends(floor: Values, ceiling: Values, name: str) -> str:
    key = f"coverage/{name}"
    if key not in floor or key not in ceiling:
        return ""
    ends = floor[key], ceiling[key]
    noise, real = map(percent, ends) if name == "accepted" else (f"{end:.0f}" for end in ends)
    return f" (noise gets {noise}, real glyphs of unseen families {real})"


def losses(rows: Columns) -> str:
    """Where the losses end, and whether they became steadier."""
    names = ("loss/generator", "loss/discriminator")
    if any(name not in rows for name in names) or not len(rows["batch"]):
        return ""
    generator, discriminator = (rows[name] for name in names)
    broken = ~(np.isfinite(generator) & np.isfinite(discriminator))
    if broken.any():
        return f"The losses are no numbers from batch {rows['batch'][broken.argmax()]:.0f} on."
    last = rows["epoch"] == rows["epoch"][-1]
    text = (
        f"In the last epoch the generator's loss is {generator[last].mean():.2f} and the "
        f"discriminator's {discriminator[last].mean():.2f} on average."
    )
    third = len(generator) // 3
    if third < 3:
        return text
    early, late = unrest(generator[:third]), unrest(generator[-third:])
    if max(early, late) < 1.25 * min(early, late):
        word = "is as steady at the end as at the beginning"
    else:
        word = "became steadier" if late < early else "became less steady"
    return text + (
        f" The run {word}: from one block of batches to the next the generator's loss moves by "
        f"{early:.2g} in the first third and by {late:.2g} in the last (medians)."
    )


def unrest(values: NDArray[np.float64]) -> float:
    """Median size of the steps of a series."""
    return float(np.median(np.abs(np.diff(values))))


def balance(metrics: Columns) -> str:
    """Which network moves further, and which is pulled harder."""
    numbers, ratio = taken(metrics, "update/ratio")
    if not numbers or (ratio <= 0).any():
        return ""
    mean = float(np.exp(np.log(ratio).mean()))
    text = (
        f"A batch moves the discriminator {cell(mean)} times as far as the generator, relative to "
        f"their weights (mean over epochs; {cell(float(ratio.min()))} to "
        f"{cell(float(ratio.max()))}, 1 is balanced)."
    )
    pulls = [taken(metrics, f"gradient/{n}")[1] for n in ("generator", "discriminator")]
    if all(len(pull) for pull in pulls):
        text += f" In epoch {numbers[-1]} its gradient has a norm of {cell(float(pulls[1][-1]))}, "
        text += f"the generator's one of {cell(float(pulls[0][-1]))}."
    return text


def sheet(metrics: Columns, epoch: int) -> str:
    """What was measured in the epoch of a sheet of samples; empty where nothing was."""
    if epoch not in epochs(metrics):
        return ""
    row = {k: float(v[epochs(metrics).index(epoch)]) for k, v in metrics.items()}
    letters, accepted = (row.get(f"coverage/{k}", np.nan) for k in ("letters", "accepted"))
    if not np.isfinite([letters, accepted]).all():
        return ""
    return f"Epoch {epoch}: {letters:.0f} of 26 letters, {percent(accepted)} of samples are one"


def strokes(correlations: Mapping[str, RankCorrelation]) -> str:
    """Whether any measure of strokes ranks letters as their shares do, all having been tried."""
    best = min(correlations, key=lambda name: correlations[name].p_value)
    found = correlations[best]
    detail = (
        f"Spearman's ρ {found.rho:.2f}, 95 % interval {found.low:.2f} to {found.high:.2f}, "
        f"p = {found.p_value:.2g}"
    )
    if found.p_value * len(correlations) > 0.05:
        return (
            f"No measure of strokes tells which letters are drawn often: the nearest to it is "
            f"{best} ({detail}; {len(correlations)} were tried)."
        )
    way = "more" if found.rho > 0 else "less"
    return f"Letters with more {best} are drawn {way} often ({detail})."


def missing(dead: Sequence[str]) -> str:
    """Which letters are not alive."""
    return f"Not alive: {listed(dead)}." if dead else "All 26 letters are alive."


def claims(values: Values) -> str:
    """What the course report's placeholder makes of samples whose letters have been counted."""
    if "coverage/hash" not in values or "coverage/letters" not in values:
        return ""
    return (
        f"By the course report's brightness hash coverage would be {values['coverage/hash']:.2f}; "
        f"the judge counts {values['coverage/letters']:.0f} of 26 letters."
    )
