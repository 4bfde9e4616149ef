import csv
import io
import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import mannwhitneyu, trim_mean

from callbacks.comparison import Comparison, cautions, compare
from callbacks.comparison_page import comparison_page
from callbacks.comparison_tables import csv_table, escape_latex, latex, markdown, terminal

LETTERS = {"vanilla": [19.0, 18.0, 21.0, 12.0, 19.0], "fixed": [26.0, 26.0, 25.0, 26.0]}
KL = {"vanilla": [0.3, 0.4, 0.2, 0.9, 0.25], "fixed": [0.01, 0.02, 0.015, 0.2]}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write("folder", "vanilla", seed, final, **summary)` leaves a run directory."""

    def write(where: str, name: str, seed: int, final: dict[str, Any], **summary: Any) -> Path:
        folder = tmp_path / where
        folder.mkdir(parents=True)
        headline = {"coverage/letters": "max", "coverage/kl": "min"}
        app = summary.pop("app", "fontgan")
        config = {"app": app, "name": name, "seed": seed, "headline": headline}
        config |= summary.pop("config", {})
        summary = {"status": "finished", "seed": seed, "final": final, "data": "d1"} | summary
        summary = {"judge": "j1", "seconds": 60.0 + seed, "batches": 500} | summary
        (folder / "config.yaml").write_text(json.dumps(config))
        (folder / "summary.json").write_text(json.dumps(summary))
        return folder

    return write


@pytest.fixture
def sweep(tmp_path: Path, write: Write) -> Path:
    """Five runs of `vanilla`, four of `fixed`, as the jobs of a sweep."""
    job = 0
    for name, letters in LETTERS.items():
        for seed, value in enumerate(letters):
            final = {"coverage/letters": value, "coverage/kl": KL[name][seed], "letters/A": 0.02}
            # A measure that only some have, and that may be no number.
            final["frechet/judge"] = None if name == "vanilla" else 5.0 + seed
            write(f"sweep/{job}", name, seed, final, floor={"coverage/letters": 0.0})
            job += 1
    return tmp_path / "sweep"


def outcome(found: Comparison, measure: str, variant: str) -> Any:
    return next(o for o in found.of(measure) if o.variant == variant)


def test_numbers_are_those_of_the_runs(sweep: Path):
    found = compare([sweep])
    assert [(v.name, v.seeds) for v in found.variants] == [
        ("vanilla", (0, 1, 2, 3, 4)),
        ("fixed", (0, 1, 2, 3)),
    ]
    vanilla = outcome(found, "coverage/letters", "vanilla")
    fixed = outcome(found, "coverage/letters", "fixed")
    assert (vanilla.values, vanilla.mean, vanilla.worst) == (tuple(LETTERS["vanilla"]), 17.8, 12)
    assert vanilla.middle.value == trim_mean(LETTERS["vanilla"], 0.25)
    assert (vanilla.improvement, fixed.improvement.value) == (None, 1.0)
    # Less is better: the worst is the largest, and the variant wins where it is smaller.
    kl = outcome(found, "coverage/kl", "fixed")
    assert kl.worst == 0.2
    expected = mannwhitneyu(KL["vanilla"], KL["fixed"]).statistic / 20
    assert kl.improvement.value == pytest.approx(expected, abs=1e-14)
    assert outcome(found, "seconds", "fixed").values == (60, 61, 62, 63)


def test_a_measure_without_a_direction_has_no_worst_and_only_those_that_have_it(sweep: Path):
    found = compare([sweep], baseline="van")
    (only,) = found.of("frechet/judge")
    assert (only.variant, only.worst, only.improvement) == ("fixed", None, None)
    assert [o.measure for o in found.headlines] == [
        "coverage/letters", "coverage/letters", "coverage/kl", "coverage/kl",
    ]  # fmt: skip
    assert {o.measure for o in found.others} == {"frechet/judge", "seconds", "batches"}


def test_the_baseline_can_be_named(sweep: Path):
    found = compare([sweep], baseline="fixed")
    assert outcome(found, "coverage/letters", "vanilla").improvement.value == 0
    with pytest.raises(
        ValueError, match="--baseline a b names none of the variants; they are: vanilla;"
    ):
        compare([sweep], baseline="a b")
    with pytest.raises(ValueError, match="--baseline i names 2 of the variants"):
        compare([sweep], baseline="i")


def test_runs_measured_on_different_things_are_refused(write: Write):
    final = {"coverage/letters": 26.0}
    first = write("first", "fixed", 1, final)
    for name, differs, message in (
        ("app", {"app": "drumvae"}, r"different domains \(fontgan: .*first; drumvae: .*app\)"),
        ("data", {"data": "d2"}, r"different data \(d1: .*first; d2: .*data\).* fontgan\.evaluate"),
        ("judge", {"judge": "j2"}, r"different judges \(j1: .*first; j2: .*judge\); name fewer"),
        ("none", {"judge": None}, r"different judges \(j1: .*first; none: .*none\)"),
    ):
        with pytest.raises(ValueError, match=message):
            compare([first, write(name, "fixed", 2, final, **differs)])


def test_what_is_not_finished_is_left_out_and_said(sweep: Path, write: Write, tmp_path: Path):
    final = {"coverage/letters": 1.0}
    failed = write("sweep/10", "fixed", 9, {}, status="failed", error="no memory")
    stopped = write("sweep/11", "fixed", 9, final, status="interrupted", data=None, judge=None)
    running = write("sweep/12", "fixed", 9, final)
    (running / "summary.json").unlink()
    broken = write("sweep/13", "fixed", 9, final)
    (broken / "metrics.csv").write_text("epoch\nx\n")
    unmeasured = write("sweep/14", "fixed", 9, {})
    empty = tmp_path / "empty"
    empty.mkdir()
    found = compare([sweep, empty])
    assert len(found.runs) == 9
    reasons = {each.path: each.reason for each in found.left_out}
    assert reasons.keys() == {failed, stopped, running, broken, unmeasured, empty}
    assert (reasons[failed], reasons[stopped]) == ("failed: no memory", "interrupted")
    assert "has not ended" in reasons[running]
    assert "metrics.csv is no table of numbers" in reasons[broken]
    assert (reasons[unmeasured], reasons[empty]) == (
        "it has no final measures",
        "no run has ended in it",
    )
    assert all(str(path) in markdown(found) for path in reasons)
    with pytest.raises(ValueError, match=r"no finished run to compare .*failed: no memory"):
        compare([failed])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        compare([sweep, tmp_path / "gone"])


def test_no_seed_counts_twice(write: Write):
    runs = [
        write(str(place), "fixed", seed, {"coverage/letters": letters})
        for place, (seed, letters) in enumerate([(1, 20.0), (1, 26.0), (2, 25.0)])
    ]
    os.utime(runs[0] / "summary.json", (1, 1))
    found = compare([*runs, runs[2]])
    assert outcome(found, "coverage/letters", "fixed").values == (26.0, 25.0)
    (older,) = found.left_out
    assert older.path == runs[0]
    assert str(runs[1]) in older.reason


def test_evaluations_go_by_the_runs_that_they_measured(write: Write):
    evaluated = []
    for seed, letters in ((1, 20.0), (2, 24.0)):
        trained = write(f"trained/{seed}", "fixed", seed, {"coverage/letters": 1.0}, batches=700)
        final = {"coverage/letters": letters}
        measured = {"measured": str(trained / "checkpoints" / "last.ckpt"), "batches": 0}
        config = {"config": {"headline": None}}
        evaluated.append(write(f"again/{seed}", "evaluate", 0, final, **measured, **config))
    found = compare(evaluated)
    assert [(variant.name, variant.seeds) for variant in found.variants] == [("fixed", (1, 2))]
    assert outcome(found, "coverage/letters", "fixed").worst == 20
    assert outcome(found, "batches", "fixed").values == (700, 700)


def test_what_makes_numbers_hard_to_compare_is_said(sweep: Path, write: Write):
    (few,) = cautions(compare([sweep]))
    assert few.startswith("There are fewer than 8 seeds of every variant:")
    coverage = {"mode_coverage": {"samples": 100, "every_n_epochs": 3}}
    final = {"coverage/letters": 26.0}
    other = write("other", "other", 0, final, batches=900, config={"callbacks": coverage})
    coverage = {"mode_coverage": {"samples": 200, "every_n_epochs": 1}}
    more = write("more", "other", 1, final, batches=900, config={"callbacks": coverage})
    few, budget, measured = cautions(compare([sweep, other, more]))
    assert few.startswith("There are fewer than 8 seeds of every variant:")
    assert "vanilla: 500, fixed: 500, other: 900" in budget
    assert "callbacks.mode_coverage.samples is 100 in" in measured


def test_evaluations_of_other_sample_sizes_are_named(write: Write):
    runs = []
    for seed, n in enumerate((50, 5000)):
        told = {"measured": "elsewhere/last.ckpt", "batches": 0, "samples": n}
        runs.append(write(f"e/{seed}", "e", seed, {"coverage/letters": 9.0}, **told))
    assert any("samples is 50 in" in text for text in cautions(compare(runs)))


def test_eight_seeds_are_enough_unless_some_lack_a_headline_measure(tmp_path: Path, write: Write):
    for seed in range(8):
        write(f"a/{seed}", "a", seed, {"coverage/letters": 20.0 + seed})
        write(f"b/{seed}", "b", seed, {"coverage/letters": None if seed else 20.0})
    (few,) = cautions(compare([tmp_path / "a", tmp_path / "b"]))
    assert few == "There is one seed of b, which has no interval."
    for seed in range(2):
        write(f"c/{seed}", "c", seed, {"coverage/letters": 21.0})
    (few,) = cautions(compare([tmp_path / "a", tmp_path / "c"]))
    assert few.startswith("There are fewer than 8 seeds of c:")


def test_the_csv_holds_every_number(sweep: Path):
    found = compare([sweep])
    rows = list(csv.DictReader(csv_table(found).splitlines()))
    assert len(rows) == len(found.outcomes)
    row = next(r for r in rows if (r["measure"], r["variant"]) == ("coverage/kl", "fixed"))
    middle = outcome(found, "coverage/kl", "fixed").middle
    assert {key: float(row[key]) for key in ("mean", "worst", "smallest", "low", "high")} == {
        "mean": pytest.approx(0.06125),
        "worst": 0.2,
        "smallest": 0.01,
        "low": pytest.approx(middle.low),
        "high": pytest.approx(middle.high),
    }
    assert (row["better"], row["seeds"], row["baseline"]) == ("min", "4", "vanilla")
    letters = next(r for r in rows if r["measure"] == "coverage/letters")
    assert (letters["floor"], letters["ceiling"], letters["improvement"]) == ("0", "", "")


def test_latex_has_as_many_cells_as_columns_and_nothing_unescaped(sweep: Path, write: Write):
    write("sweep/20", "50% & _odd#", 0, {"coverage/letters": 3.0})
    lines = latex(compare([sweep])).splitlines()
    columns = re.fullmatch(r"\\begin\{tabular\}\{(\w+)\}", lines[1])
    assert columns
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 1 + 3 + 2
    for row in rows:
        assert len(re.split(r"(?<!\\)&", row)) == len(columns[1])
        assert not re.search(r"(?<!\\)[%#_]", row)
    assert r"50\% \& \_odd\#" in rows[3]
    assert escape_latex(r"\a{b}~^$") == (
        r"\textbackslash{}a\{b\}\textasciitilde{}\textasciicircum{}\$"
    )


def test_names_are_no_markup(tmp_path: Path, write: Write):
    """Of a terminal, where [/b] ends something, nor of Markdown."""
    for seed, name in enumerate(("a[/b]", "[bold]x[/bold]", "<c> * `d`")):
        write(f"m/{seed}", name, 1, {"coverage/letters": 20.0})
    found = compare([tmp_path / "m"])
    console = Console(file=io.StringIO(), width=200)
    console.print(terminal(found))
    shown = console.file.getvalue()  # pyright: ignore
    assert "a[/b]" in shown and "[bold]x[/bold]" in shown
    assert r"\[bold]x\[/bold]" in markdown(found) and r"\<c> \* \`d\`" in markdown(found)


def test_markdown_cells_survive_a_bar_in_a_name(sweep: Path, write: Write):
    write("sweep/20", "a|b", 0, {"coverage/letters": 3.0})
    table = [line for line in markdown(compare([sweep])).splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in table} == {9}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.alts: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img" and found.get("src"):
            self.alts.append(found["alt"] or "")
        self.sources += [found[key] or "" for key in ("src", "href") if key in found]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_says_what_was_found_and_loads_nothing(sweep: Path, write: Write):
    write("sweep/20", "<script>", 0, {"coverage/letters": 26.0}, status="failed", error="<b>")
    text, pictures = comparison_page(compare([sweep]), "python -m callbacks.runs compare sweep")
    page = Page(text)
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert (
        "fixed is best with a mean of 25.75 (4 seeds) and vanilla is worst with 17.8" in page.words
    )
    assert "failed: <b>" in page.words
    # Dots of two headline measures, survival of the one letter; no column for a curve.
    assert len(page.alts) == 3
    assert all(page.alts)
    assert sorted(pictures) == [
        "letter_survival", "seeds_coverage_kl", "seeds_coverage_letters",
    ]  # fmt: skip
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
