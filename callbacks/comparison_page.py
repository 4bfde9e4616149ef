"""A comparison as a page: pictures with a sentence each, tables that sort, what was left out."""

import math
from collections.abc import Sequence

from callbacks.comparison import Comparison, cautions
from callbacks.comparison_figures import (
    curve_pictures,
    leading_sentence,
    seed_dots,
    selection,
)
from callbacks.comparison_latents import kl_maps, likelihood_map
from callbacks.comparison_letters import survival_map
from callbacks.comparison_tables import title
from callbacks.glance import cell
from callbacks.page import Code, Picture, Section, SortableTable, page
from callbacks.statistics import RESAMPLES, Estimate

HOW = (
    "Mean, worst and interquartile mean (IQM) are over the seeds of a variant: the IQM leaves a "
    "quarter of them out at either end. Its interval holds 95 % of {resamples:,} bootstrap "
    "resamples of the seeds (Agarwal et al. 2021)."
)
BETTER = (
    " P(better) is the chance that a seed of the variant beats one of the baseline, {baseline}, a "
    "tie counting half; 0.5 is no difference."
)
WIDE = 8
"""Variants beside each other in a table."""


def comparison_page(found: Comparison, command: str) -> tuple[str, dict[str, bytes]]:
    """Render a comparison as one HTML file, and its pictures for slides and papers.

    Args:
        found: what was compared.
        command: that made it, to be shown.

    Returns:
        The page; its pictures as PNG, by name without suffix.
    """
    lead = " ".join(leading_sentence(found, measure) for measure in list(found.headline)[:2])
    summary = found.first.summary
    facts = {
        "baseline": found.baseline,
        "data": str(summary.get("data") or "–"),
        "judge": str(summary.get("judge") or "–"),
        "command": Code(command),
    }
    sections = _sections(found)
    parts = [part for section in sections for part in section.parts]
    pictures = {part.name: part.png for part in parts if isinstance(part, Picture)}
    return page(title(found), lead, facts, sections), pictures


def _sections(found: Comparison) -> list[Section]:
    pictures: list[tuple[str, str, Sequence[Picture | None]]] = [
        (
            "Over the epochs",
            "A line is the mean over the seeds of a variant, whose number is in brackets; a band "
            "goes from the smallest to the largest of them.",
            curve_pictures(found),
        ),
        ("Which letters survive", "", [survival_map(found)]),
        ("Which latent dimensions live", "", [kl_maps(found)]),
        ("Likelihood and information", "", [likelihood_map(found)]),
    ]
    sections = [_glance(found), *([_headline(found)] if found.headline else [])]
    for name, text, candidates in pictures:
        if there := tuple(picture for picture in candidates if picture is not None):
            sections.append(Section(name, text, there))
    sections.append(_runs(found))
    return [*sections, _others(found)]


def _glance(found: Comparison) -> Section:
    """Means of the headline measures and the cost, a row for each variant."""
    rows = []
    for variant in found.variants:
        means = {o.measure: o.mean for o in found.outcomes if o.variant == variant.name}
        minutes = means["seconds"] / 60 if "seconds" in means else None
        measured = [means.get(measure) for measure in found.headline]
        seeds = float(len(variant.runs))
        rows.append((variant.name, seeds, *measured, means.get("batches"), minutes))
    last = [measure.rpartition("/")[2] for measure in found.headline]
    short = [s if last.count(s) == 1 else m for s, m in zip(last, found.headline, strict=True)]
    table = SortableTable(
        ("variant", "seeds", *short, "batches", "minutes"), tuple(rows), "Means over seeds."
    )
    return Section("At a glance", "\n\n".join(cautions(found)), (table,))


def _headline(found: Comparison) -> Section:
    text = HOW.format(resamples=RESAMPLES)
    if len(found.variants) > 1:
        text += BETTER.format(baseline=found.baseline)
    text += f"\n\nA dot is a seed, a stroke the IQM, a bar its interval{selection(found)}."
    return Section("Final values", text, (*seed_dots(found), _table(found)))


def _table(found: Comparison) -> SortableTable:
    """The headline measures, a row for each measure and variant."""
    columns = ("measure", "variant", "seeds", "mean", "worst", "IQM", "IQM 95 %")
    rows = []
    for o in found.headlines:
        seeds = float(len(o.values))
        cells = (o.measure, o.variant, seeds, o.mean, o.worst, o.middle.value, _interval(o.middle))
        gain = o.improvement
        rows.append((*cells, gain.value if gain else None, _interval(gain)))
    if len(found.variants) == 1:
        return SortableTable(columns, tuple(row[: len(columns)] for row in rows))
    caption = f"P(better) is against {found.baseline}."
    return SortableTable((*columns, "P(better)", "P 95 %"), tuple(rows), caption)


def _others(found: Comparison) -> Section:
    """Means of the other measures and the cost, a row for each measure."""
    means = {(o.measure, o.variant): o.mean for o in found.others}
    names = [variant.name for variant in found.variants]
    measures = dict.fromkeys(measure for measure, _ in means)
    tables = []
    for start in range(0, len(names), WIDE):
        some = names[start : start + WIDE]
        rows = tuple((m, *(means.get((m, name)) for name in some)) for m in measures)
        tables.append(SortableTable(("measure", *some), rows, "Means over seeds."))
    text = (
        "No direction is known of these. Ranges and intervals, single letters and dimensions are "
        "in compare.csv."
    )
    return Section("Other measures and cost", text, tuple(tables))


def _interval(estimate: Estimate | None) -> str | None:
    if estimate is None or math.isnan(estimate.low):
        return None
    return f"{cell(estimate.low)}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{cell(estimate.high)}"


def _runs(found: Comparison) -> Section:
    rows = [
        (
            variant.name,
            "–" if seed is None else float(seed),
            run.summary.get("verdict"),
            str(run.path),
        )
        for variant in found.variants
        for run, seed in zip(variant.runs, variant.seeds, strict=True)
    ]
    tables = [SortableTable(("variant", "seed", "verdict", "folder"), tuple(rows))]
    if found.left_out:
        left = tuple((str(each.path), each.reason) for each in found.left_out)
        tables.append(SortableTable(("folder", "why it was left out"), left, "Left out."))
    text = "What was compared" + (", and what was left out." if found.left_out else ".")
    return Section("The runs", text, tuple(tables))
