"""Planted posterior collapses, and what each measure must say of them.

Each row is a posterior by hand (`drumvae.planted_cases`), each column a measure
(`drumvae.planted_claims`): right, blind where its honest reading misleads, wrong. The last two
columns are claims of the course report, which fail in public. The exit status is 1 where any other
column is wrong.

    python -m drumvae.gauntlet --seeds 5
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from drumvae.gaussian import standard
from drumvae.metrics.measures import LEVELS, GrooveMeasures, Values
from drumvae.planted_cases import CASES, Case
from drumvae.planted_claims import BLIND, MEASURES, RIGHT, SILENT, WRONG
from drumvae.planted_models import PlantedVAE, planted_bars

_GRAVITY = (SILENT, RIGHT, BLIND, WRONG)
_COLOURS = {RIGHT: "green", BLIND: "yellow", WRONG: "bold red", SILENT: "dim"}

Outcomes = Mapping[str, Mapping[str, str]]
"""Case → measure → outcome."""


def measured(case: Case, seed: int) -> Values:
    """All that `GrooveMeasures` measures of a case's latents, and the report's KL.

    `reported_high/0` … and `reported_low/0` … are KL(q ‖ N(0, 1)) of both levels, nats: the report
    takes it of z_low too, whose prior is another.
    """
    model, bars = PlantedVAE(case), planted_bars(seed, case.shuffled)
    measures = GrooveMeasures(seed=seed)
    values = measures.collapse(model, bars.tensor) | measures.sensitivity(model, bars.tensor)
    values |= measures.styles(model, bars)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q = model.encode(bars.tensor)
    for level, part in zip(LEVELS, (q.high, q.low), strict=True):
        kl = part.kl(standard(part.mean)).mean(0).tolist()
        values |= {f"reported_{level}/{i}": value for i, value in enumerate(kl)}
    return values


def run(case: Case, seeds: int) -> dict[str, str]:
    """Outcome of each measure over seeds 0, 1, …: the worst, or the middle one if by chance."""
    every = [measured(case, seed) for seed in range(seeds)]
    found = {}
    for measure in MEASURES:
        outcomes = sorted((measure.outcome(case, v) for v in every), key=_GRAVITY.index)
        found[measure.name] = outcomes[seeds // 2 if measure.by_chance else -1]
    return found


def failures(outcomes: Outcomes) -> list[str]:
    """What is wrong and must not be, as "case: measure"."""
    must = [measure.name for measure in MEASURES if measure.planted is not None]
    return [
        f"{case}: {name}" for case, row in outcomes.items() for name in must if row[name] == WRONG
    ]


def markdown(outcomes: Outcomes) -> str:
    """The table for a page."""
    heads = ["case", *(measure.name for measure in MEASURES)]
    rows = [heads, ["---"] * len(heads), *([case, *row.values()] for case, row in outcomes.items())]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def pictured(outcomes: Outcomes) -> Table:
    """The table for a terminal."""
    table = Table(box=SIMPLE, pad_edge=False)
    for head in ("case", *(measure.name for measure in MEASURES)):
        table.add_column(head.replace(" ", "\n"), no_wrap=True)
    for case, row in outcomes.items():
        table.add_row(case, *(f"[{_COLOURS[o]}]{o}[/]" for o in row.values()))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all cases and print the table; 1 where a measure was wrong that must be right."""
    parser = argparse.ArgumentParser(prog="python -m drumvae.gauntlet", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="bars and draws of each case (5)")
    parser.add_argument("--markdown", action="store_true", help="print the table for a page")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {options.seeds}")
    outcomes = {case.name: run(case, options.seeds) for case in CASES}
    if options.markdown:
        print(markdown(outcomes))
    else:
        table = pictured(outcomes)
        # Where it is wider than the terminal, lines wrap: cut-off words could not be read.
        Console(width=Console(width=1000).measure(table).maximum).print(table)
    wrong = failures(outcomes)
    for failure in wrong:
        print(f"wrong: {failure}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
