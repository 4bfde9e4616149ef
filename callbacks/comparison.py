"""Runs compared: variants × seeds × measures, refused where the numbers would not be comparable."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callbacks.comparable import LeftOut, check_alike, final, gather, measured_differently, some
from callbacks.run_directory import RunDirectory
from callbacks.statistics import Estimate, improvement_probability, interquartile_mean_estimate
from callbacks.variants import Variant, sort_into_variants, trained_run

COST = ("seconds", "batches")
"""What a run cost, from its summary, beside the measures."""

PART = re.compile(r".*/([A-Z]|\d+)")
"""Measures of one letter or one dimension: too many for a table that is read."""

FEW = 8
"""Seeds, below which a bootstrap interval of the interquartile mean covers less than 93 %."""


@dataclass(frozen=True)
class Outcome:
    """What a measure says of a variant.

    Attributes:
        variant: its name.
        measure: its name.
        better: `"max"`, `"min"`, or `""` where nobody said which way is up.
        values: one for each seed that has it.
        middle: their interquartile mean.
        improvement: probability of improvement over the baseline; None of the baseline itself,
            and where no direction is known.
    """

    variant: str
    measure: str
    better: str
    values: tuple[float, ...]
    middle: Estimate
    improvement: Estimate | None

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def worst(self) -> float | None:
        """Of the seeds; None where no direction is known."""
        worst = {"max": min, "min": max}.get(self.better)
        return worst(self.values) if worst else None


@dataclass(frozen=True)
class Comparison:
    """Variants of one domain, measured by one judge on the same data.

    Attributes:
        variants: in the order in which they were named.
        baseline: name of the variant that the others are held against.
        headline: measure -> `"max"` or `"min"`.
        outcomes: measures in the order of the headline, then of the summaries, then the cost; of
            each, the variants that have it.
        left_out: what took no part.
    """

    variants: tuple[Variant, ...]
    baseline: str
    headline: dict[str, str]
    outcomes: tuple[Outcome, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def first(self) -> RunDirectory:
        """A run, for what all of them share: `app`, and in the summary `data` and `judge`."""
        return self.variants[0].runs[0]

    @property
    def runs(self) -> list[RunDirectory]:
        return [run for variant in self.variants for run in variant.runs]

    def of(self, measure: str) -> list[Outcome]:
        """Outcomes of a measure."""
        return [outcome for outcome in self.outcomes if outcome.measure == measure]

    @property
    def others(self) -> list[Outcome]:
        """Outcomes of other measures and cost, without single letters and dimensions."""
        return [
            outcome
            for outcome in self.outcomes
            if outcome.measure not in self.headline and not PART.fullmatch(outcome.measure)
        ]

    @property
    def headlines(self) -> list[Outcome]:
        """Outcomes of the headline measures."""
        return [outcome for outcome in self.outcomes if outcome.measure in self.headline]


def compare(
    paths: Sequence[Path], baseline: str | None = None, by: Sequence[str] = ()
) -> Comparison:
    """Compare runs.

    Args:
        paths: run directories, and folders of them, such as that of a sweep.
        baseline: name of a variant, or a part that only one has; the first without.
        by: config keys that alone make the variants.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no run is finished, they cannot be compared, or there is no such baseline.
    """
    runs, left_out = gather(paths)
    check_alike(runs)
    variants, repeated = _without_repeated(runs, by)
    name = _baseline(baseline, [variant.name for variant in variants])
    headline: dict[str, str] = {}
    for run in runs:
        headline = (trained_run(run).config.get("headline") or {}) | headline
    names = dict.fromkeys([*headline, *(key for run in runs for key in final(run)), *COST])
    outcomes = [
        outcome
        for measure in names
        for outcome in _outcomes(measure, headline.get(measure, ""), variants, name)
    ]
    measured = {outcome.measure for outcome in outcomes}
    headline = {measure: way for measure, way in headline.items() if measure in measured}
    left_out = (*left_out, *repeated)
    return Comparison(tuple(variants), name, headline, tuple(outcomes), left_out)


def cautions(found: Comparison) -> list[str]:
    """What to keep in mind when reading the numbers, a sentence for each."""
    said = []
    seeds = {variant.name: len(variant.runs) for variant in found.variants}
    for outcome in found.headlines:  # of some seeds a measure may be missing
        seeds[outcome.variant] = min(seeds[outcome.variant], len(outcome.values))
    if one := [name for name, count in seeds.items() if count == 1]:
        who = "every variant" if 1 < len(one) == len(found.variants) else some(one)
        said.append(f"There is one seed of {who}, which has no interval.")
    if few := [name for name, count in seeds.items() if 1 < count < FEW]:
        all_few = len(few) == len(found.variants)
        who = "every variant" if all_few and len(few) > 1 else some(few)
        said.append(
            f"There are fewer than {FEW} seeds of {who}: there intervals of the interquartile "
            "mean, which of fewer than four is the mean, are too narrow."
        )
    batches = {o.variant: sorted(set(o.values)) for o in found.of("batches")}
    if len({tuple(values) for values in batches.values()}) > 1:
        listed = [f"{k}: {' or '.join(f'{v:,.0f}' for v in vs)}" for k, vs in batches.items()]
        said.append(f"Not all were trained for as many batches ({some(listed, 12)}).")
    return said + [f"{text}." for text in measured_differently(found.runs)]


def _without_repeated(
    runs: Sequence[RunDirectory], by: Sequence[str]
) -> tuple[list[Variant], list[LeftOut]]:
    """Variants in which no seed counts twice: of runs alike to the seed, the last to end stays."""
    repeated = []
    for variant in sort_into_variants(runs):
        last: dict[int, RunDirectory] = {}
        for run, seed in zip(variant.runs, variant.seeds, strict=True):
            if seed is None:
                continue
            older, newer = sorted([last.get(seed, run), run], key=lambda run: run.ended)
            last[seed] = newer
            if older is not newer:
                reason = f"{newer.path} is the same run (variant {variant.name}, seed {seed})"
                repeated.append(LeftOut(older.path, f"{reason}, and ended later"))
    paths = {each.path for each in repeated}
    return sort_into_variants([run for run in runs if run.path not in paths], by), repeated


def _baseline(asked: str | None, names: Sequence[str]) -> str:
    if asked is None:
        return names[0]
    found = [name for name in names if name == asked] or [name for name in names if asked in name]
    if len(found) != 1:
        raise ValueError(
            f"--baseline {asked} names {len(found) or 'none'} of the variants; they are: "
            f"{'; '.join(names)}"
        )
    return found[0]


def _outcomes(
    measure: str, better: str, variants: Sequence[Variant], baseline: str
) -> list[Outcome]:
    """What a measure says of every variant that has it."""
    values = {variant.name: _values(measure, variant) for variant in variants}
    sign = -1 if better == "min" else 1
    outcomes = []
    for name, own in values.items():
        if not own:
            continue
        improvement = None
        if better and name != baseline and values[baseline]:
            improvement = improvement_probability(
                [sign * v for v in own], [sign * v for v in values[baseline]]
            )
        middle = interquartile_mean_estimate(own)
        outcomes.append(Outcome(name, measure, better, own, middle, improvement))
    return outcomes


def _values(measure: str, variant: Variant) -> tuple[float, ...]:
    sources: list[Mapping[str, float]] = [
        trained_run(run).summary if measure in COST else final(run) for run in variant.runs
    ]
    found = (source.get(measure) for source in sources)
    return tuple(float(value) for value in found if value is not None)
