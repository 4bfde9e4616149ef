"""The numbers of a comparison as text: CSV, Markdown, LaTeX, and a table for the terminal."""

import csv
import io
import math
import re
from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from callbacks.comparison import Comparison, Outcome, cautions
from callbacks.glance import cell
from callbacks.statistics import Estimate

ARROWS = {"max": " ↑", "min": " ↓", "": ""}

CSV_COLUMNS = (
    "measure", "variant", "better", "seeds", "mean", "worst", "smallest", "largest",
    "interquartile_mean", "low", "high", "baseline", "improvement", "improvement_low",
    "improvement_high", "floor", "ceiling",
)  # fmt: skip

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "…": r"\dots{}",
}  # fmt: skip


def csv_table(found: Comparison) -> str:
    """Write all measures in long form: a row for each measure and variant."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    ends = [found.first.summary.get(end) or {} for end in ("floor", "ceiling")]
    for o in found.outcomes:
        gain = o.improvement or Estimate(math.nan)
        numbers = (o.mean, o.worst, min(o.values), max(o.values))
        numbers += (o.middle.value, o.middle.low, o.middle.high)
        writer.writerow(
            [o.measure, o.variant, o.better, len(o.values), *map(_number, numbers)]
            + [found.baseline if o.improvement else ""]
            + [_number(value) for value in (gain.value, gain.low, gain.high)]
            + [_number(end.get(o.measure)) for end in ends]
        )
    return text.getvalue()


def heads(found: Comparison) -> tuple[str, ...]:
    """Heads of the columns of `row`."""
    gain = (f"P(better than {found.baseline})",) if len(found.variants) > 1 else ()
    return ("measure", "variant", "seeds", "mean", "worst", "IQM [95 %]", *gain)


def row(found: Comparison, outcome: Outcome) -> tuple[str, ...]:
    """An outcome as people read it: under worst, the range where no direction is known."""
    worst, gain = outcome.worst, outcome.improvement
    span = f"{cell(min(outcome.values))} – {cell(max(outcome.values))}"
    cells = (
        outcome.measure + ARROWS[outcome.better],
        outcome.variant,
        str(len(outcome.values)),
        cell(outcome.mean),
        span if worst is None else cell(worst),
        _estimate(outcome.middle),
        _estimate(gain) if gain else "–",
    )
    return cells[: len(heads(found))]


def markdown(found: Comparison) -> str:
    """Write a Markdown page: headline measures, what took no part, other measures and cost."""
    parts = [f"# {title(found)}", "", *_markdown_table(found, found.headlines), ""]
    parts += [f"- {text}" for text in cautions(found)]
    if found.left_out:
        parts += ["", "Left out:", ""]
        parts += [f"- `{each.path}`: {each.reason}" for each in found.left_out]
    parts += ["", "## Other measures and cost", "", *_markdown_table(found, found.others)]
    parts += ["", "Single letters and dimensions are in `compare.csv`."]
    return "\n".join(parts) + "\n"


def latex(found: Comparison) -> str:
    r"""Write the headline measures as a LaTeX table; it needs `\usepackage{booktabs}`."""
    lines = [
        r"% \usepackage{booktabs} in the preamble; all measures are in compare.csv",
        rf"\begin{{tabular}}{{ll{'r' * (len(heads(found)) - 2)}}}",
        r"\toprule",
        " & ".join(map(escape_latex, heads(found))) + r" \\",
    ]
    last = None
    for outcome in found.headlines or found.others:
        first, *others = row(found, outcome)
        if outcome.measure != last:
            lines.append(r"\midrule")
        cells = ["" if outcome.measure == last else first, *others]
        lines.append(" & ".join(map(escape_latex, cells)) + r" \\")
        last = outcome.measure
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def terminal(found: Comparison) -> Table:
    """The headline measures for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, title=title(found), title_justify="left", pad_edge=False)
    # As Text: what stands in brackets in a name is no markup.
    for number, name in enumerate(heads(found)):
        table.add_column(Text(name), justify="left" if number < 2 else "right", overflow="fold")
    outcomes = found.headlines or found.others
    for number, outcome in enumerate(outcomes):
        first, *others = row(found, outcome)
        new = number == 0 or outcomes[number - 1].measure != outcome.measure
        ends = number + 1 == len(outcomes) or outcomes[number + 1].measure != outcome.measure
        several = len(found.variants) > 1
        cells = [Text(text) for text in (first if new else "", *others)]
        table.add_row(*cells, end_section=ends and several)
    return table


def title(found: Comparison) -> str:
    """What is compared, in a line."""
    variants, runs = len(found.variants), len(found.runs)
    which = "1 variant" if variants == 1 else f"{variants} variants"
    return f"{found.first.app}: {which}, {'1 run' if runs == 1 else f'{runs} runs'}"


def escape_latex(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """Write text so that Markdown shows it as it is, in a cell of a table."""
    return re.sub(r"([\\|<*`\[])", r"\\\1", text)


def _markdown_table(found: Comparison, outcomes: Sequence[Outcome]) -> list[str]:
    columns = heads(found)
    rule = ("---", "---", *["---:"] * (len(columns) - 2))
    rows = [columns, rule, *(row(found, outcome) for outcome in outcomes)]
    return [f"| {' | '.join(map(escape_markdown, cells))} |" for cells in rows]


def _estimate(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return cell(estimate.value)
    return f"{cell(estimate.value)} [{cell(estimate.low)}, {cell(estimate.high)}]"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.8g}"
