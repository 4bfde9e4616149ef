"""The command behind `python -m fontgan.gauntlet`, and cases drawn at random for its verdicts."""

import argparse
import sys
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fontgan import junk, planted
from fontgan.gauntlet import CASES, HASH, LIMITS, Case, Gauntlet, Outcome


def random_case(seed: int) -> tuple[str, Case]:
    """A case that no limit was chosen on: a kind, and within it a strength, drawn at random.

    Strengths keep clear of the verdict's own limits (13 letters; 0.6 of the real letters' accepted
    share), where two words are right.
    """
    generator = torch.Generator().manual_seed(seed)
    kind = int(torch.randint(6, (), generator=generator))
    share = float(torch.rand((), generator=generator))
    kinds = {**junk.TRAINED, **junk.UNSEEN}
    some = [n for n in kinds if n not in ("halves", "overlay", "eroded", "broken", "washed")]
    name = some[int(torch.randint(len(some), (), generator=generator))]
    lost, gone = 1 + int(11 * share), 14 + int(12 * share)
    noise, trace = 0.55 + 0.45 * share, 0.15 * share
    return (
        (f"{trace:.0%} {name}", Case(planted.diluted(kinds[name], trace), ("healthy",))),
        (f"{lost} dropped", Case(planted.dropped(lost), ("losing letters",))),
        (f"{gone} dropped", Case(planted.dropped(min(25, gone)), ("collapsed",))),
        (f"{noise:.0%} {name}", Case(planted.diluted(kinds[name], noise), ("noise",))),
        ("one typeface", Case(planted.one_typeface, ("one style",), legible=True)),
        ("training set", Case(planted.memorised, ("memorised",))),
    )[kind]


def table(outcomes: dict[str, list[Outcome]]) -> Table:
    """Cases by measures: how many of the seeds raised an alarm, and whether they had to."""
    view = Table("planted", "verdict", *(short for short, _ in LIMITS.values()))
    for name, found in outcomes.items():
        case, cells = CASES[name], []
        for measure in LIMITS:
            alarms = sum(outcome.alarmed[measure] for outcome in found)
            mark = "●" if alarms == len(found) else "·" if not alarms else f"{alarms}/{len(found)}"
            if any(measure in outcome.wrong for outcome in found):
                mark += " ✗"
            elif measure in case.blind and alarms < len(found):
                mark = "✗" if measure == HASH else "blind"
            elif measure in case.either:
                mark = f"({mark})"
            cells.append(mark)
        words = sorted({outcome.word for outcome in found})
        right = "" if all("verdict" not in outcome.wrong for outcome in found) else " ✗"
        view.add_row(name, " / ".join(words) + right, *cells)
    return view


def markdown(view: Table) -> str:
    """A rich table as Markdown."""
    columns = [[str(column.header), *map(str, column.cells)] for column in view.columns]
    rows = [f"| {' | '.join(cells)} |" for cells in zip(*columns, strict=True)]
    return "\n".join([rows[0], "|---" * len(columns) + "|", *rows[1:]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a measure or a verdict is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m fontgan.gauntlet",
        description="Run every measure over planted collapses and say which are told.",
        epilog="● alarm, · none, (…) either is right, blind: ought to and cannot, ✗ wrong",
    )
    parser.add_argument("--seeds", type=int, default=5, help="times each case is planted (5)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (0)")
    parser.add_argument("--samples", type=int, default=5000, help="pictures of a case (5000)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument(
        "--verdicts", type=int, metavar="N", help="instead, judge N cases drawn at random"
    )
    options = parser.parse_args(arguments)
    from fontgan.data import BuiltinTypefaces  # Slow to import.

    data = BuiltinTypefaces()
    training, source, reference = (data.reference(s) for s in ("train", "test", "validate"))
    gauntlet = Gauntlet(
        data.judge, training, source, reference, options.samples, whole=not options.verdicts
    )
    console = Console(width=None if sys.stdout.isatty() else 220)
    if options.verdicts:
        seeds = range(options.first, options.first + options.verdicts)
        return _verdicts(gauntlet, seeds, console)
    seeds = range(options.first, options.first + options.seeds)
    runs = [(name, seed) for name in CASES for seed in seeds]
    outcomes: dict[str, list[Outcome]] = {name: [] for name in CASES}
    for name, seed in track(runs, "planting", console=Console(stderr=True)):
        outcomes[name].append(gauntlet.run(CASES[name], seed))
    view = table(outcomes)
    console.print(markdown(view) if options.markdown else view)
    return int(any(outcome.wrong for found in outcomes.values() for outcome in found))


def _verdicts(gauntlet: Gauntlet, seeds: range, console: Console) -> int:
    right = unforgivable = 0
    for seed in track(seeds, "judging", console=Console(stderr=True)):
        name, case = random_case(seed)
        word = gauntlet.run(case, 10_000 + seed).word
        right += word in case.words
        unforgivable += word == "healthy" and case.words[0] in ("noise", "collapsed")
        if word not in case.words:
            console.print(f"{name}: {word}, not {case.words[0]}")
    n = len(seeds)
    console.print(
        f"{right} of {n} verdicts right; {unforgivable} collapsed or noise called healthy"
    )
    return int(right < 0.97 * n or unforgivable > 0)
