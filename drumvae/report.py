"""The sections of a VAE's report: what the course report showed, with measures that can be trusted.

`callbacks.report` renders them. All is read from the run directory.
"""

from callbacks.page import Part, Section, SortableTable, Verdict
from callbacks.report_parts import (
    Measured,
    drawn,
    figure,
    final_table,
    gauges,
    limits,
    measured,
)
from callbacks.run_directory import RunDirectory
from drumvae import sentences
from drumvae.curves import draw_losses
from drumvae.groove_sections import others, samples
from drumvae.grooves import NOTES
from drumvae.meanings import HEADLINE, MEANINGS
from drumvae.verdict import verdicts

TONES = {"healthy": "good", "losing dimensions": "mixed", "undecided": "unknown"}
ELSEWHERE = (
    *("kl_", "cost_", "sensitivity_", "variance_", "loss/", "kl/", "beta/"),
    *("style/separation", "style/within", "style/between"),
)
"""Beginnings of measures that have a table or a figure of their own."""
RHYTHM = ("rhythm/", "overlap/", "divergence/")


def sections(run: RunDirectory) -> list[Section]:
    """All sections that a run has something for, in the order of the story."""
    found = measured(run)
    told = (
        *(_verdict, _losses, _dimensions, _map, _separation, samples, _traversals),
        *(_likelihood, _rhythm, others, _final),
    )
    made = [section(run, found) for section in told]
    return [section for section in made if section is not None]


def _ends(run: RunDirectory) -> tuple[dict[str, float], dict[str, float]]:
    floor, ceiling = limits(run)
    for level in sentences.LEVELS:
        names = run.summary.get("final") or run.metrics
        ceiling[f"earning/{level}"] = sum(name.startswith(f"kl_{level}/") for name in names)
        floor[f"earning/{level}"] = 0.0
    if "likelihood/nll" in floor and "likelihood/nll" in ceiling:
        floor["likelihood/gap"] = floor["likelihood/nll"] - ceiling["likelihood/nll"]
    return floor, ceiling


def _verdict(run: RunDirectory, found: Measured) -> Section:
    parts: list[Part] = []
    try:
        for level, said in verdicts(found.values).items():
            _, _, reason = said.sentence.partition(": ")
            subject = f"z_{level}, {found.when}"
            parts.append(Verdict(said.word, TONES.get(said.word, "bad"), reason, subject))
    except ValueError:
        # Samples of others have no latents, and older runs lack a measure that the rules ask for.
        reason = run.summary.get("verdict") or "There are no latents to judge."
        parts.append(Verdict("no verdict", "unknown", str(reason), "verdict"))
    parts += gauges(found, HEADLINE, MEANINGS, *_ends(run))
    text = sentences.no_fault(found.values)
    if found.epoch is not None:
        text = f"It has no final measures: these are of epoch {found.epoch}, on validation bars."
    return Section("Verdict", text, tuple(parts))


def _losses(run: RunDirectory, found: Measured) -> Section | None:
    text = sentences.losses(run.losses)
    if not text:
        return None
    alt = f"Losses, KL of both levels and its weights over batches. {text}"
    return Section("Losses and KL", text, (drawn(lambda f: draw_losses(f, run.losses), alt, 4),))


def _dimensions(run: RunDirectory, found: Measured) -> Section | None:
    dimensions = sentences.dimensions(found.values, run.metrics)
    if not dimensions:
        return None
    text = sentences.life(dimensions)
    alt = f"KL of each dimension over the epochs. {text}"
    parts = [
        *figure(run, "posterior_collapse", alt, turned=False),
        *figure(run, "active_units", "Units that count as active, at every threshold."),
    ]
    rows = tuple(
        (f"z_{d.level} {d.number}", d.word, d.kl, d.cost, d.variance, d.died) for d in dimensions
    )
    columns = ("dimension", "it is", "KL, nats", "cost, nats", "variance", "died in epoch")
    caption = "It died in the epoch in which its KL left 0.1 nat for good; the figure marks where "
    caption += "it falls below 0.01. Alive from a KL of 0.1 and a cost of 0.05 nat on; cost is the "
    caption += "reconstruction lost when the dimension is drawn from its prior, variance that of "
    caption += "its posterior mean."
    table = SortableTable(columns, rows, caption)
    return Section("Which dimensions live", text, (*parts, table))


def _map(run: RunDirectory, found: Measured) -> Section | None:
    text = sentences.styles(found.values, *_ends(run))
    parts = figure(run, "latent_map", f"A map of z_high, bars marked by style. {text}")
    return Section("Styles in z_high", text, tuple(parts)) if text or parts else None


def _separation(run: RunDirectory, found: Measured) -> Section | None:
    text = sentences.separation(found.values)
    if not text:
        return None
    names = [
        *("within_high", "between_high", "separation", "separation_p"),
        *("separation_active", "separation_active_p", "within_low"),
    ]
    rows = tuple(
        (f"style/{name}", found.values[f"style/{name}"], MEANINGS[f"style/{name}"].text)
        for name in names
        if f"style/{name}" in found.values
    )
    table = SortableTable(("measure", "value", "what it is"), rows, "Variances of posterior means.")
    return Section("Separation of styles", text, (table,))


def _traversals(run: RunDirectory, found: Measured) -> Section | None:
    text = sentences.traversals(found.values)
    parts = [
        *figure(run, "traversals", f"Expected hits along each dimension of z_low. {text}"),
        *figure(run, "interpolation_detail", "Bars between two, z_low moving alone.",
                "The detail walks, the style stays."),
        *figure(run, "interpolation_style", "Bars between two styles, z_high moving alone.",
                "The style walks, the detail stays."),
    ]  # fmt: skip
    return Section("What the dimensions do", text, tuple(parts)) if parts else None


def _likelihood(run: RunDirectory, found: Measured) -> Section | None:
    split = "test" if found.epoch is None else "validation"
    text = sentences.likelihood(found.values, *_ends(run), split)
    if not text:
        return None
    text = f"{text} {sentences.learned(run.metrics)}".strip()
    parts = figure(run, "likelihood", f"Validation likelihood over the epochs. {text}")
    return Section("Likelihood", text, tuple(parts))


def _rhythm(run: RunDirectory, found: Measured) -> Section | None:
    voices = tuple(f"_{voice}" for voice in NOTES)
    values = {
        name: value
        for name, value in found.values.items()
        if name.startswith(RHYTHM) and (name in MEANINGS or not name.endswith(voices))
    }
    if not values:
        return None
    floor, ceiling = _ends(run)
    table = final_table(Measured(values, found.epoch), MEANINGS, floor, ceiling)
    return Section("Rhythm", sentences.rhythm(values, ceiling), (table,))


def _final(run: RunDirectory, found: Measured) -> Section | None:
    table = final_table(found, MEANINGS, *_ends(run), (*ELSEWHERE, *RHYTHM))
    return Section("All measures", "", (table,)) if table.rows else None
