import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from callbacks.report import duration, write_report
from callbacks.report_parts import (
    LARGEST,
    Meaning,
    Measured,
    final_table,
    gauges,
    inlined,
    listed,
    spans,
    way,
)

SECTIONS = """
from callbacks.page import Section

def sections(run):
    return [Section("Told by " + run.name, str(sorted(run.metrics)))]

def other(run):
    return [Section("The other", "")]
"""


def make_run(path: Path, config: dict[str, Any] | None = None, **summary: Any) -> Path:
    """A run directory of a domain called `tiny`, with one epoch."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.yaml").write_text(
        yaml.safe_dump({"app": "tiny", "name": "toy"} | (config or {}))
    )
    found = {
        "status": "finished",
        "error": None,
        "command": "python -m tiny.train seed=5",
        "seed": 5,
    }
    (path / "summary.json").write_text(json.dumps(found | {"batches": 7, "seconds": 42} | summary))
    (path / "metrics.csv").write_text("epoch,batch,loss/x\n0,7,0.5\n")
    return path


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package `tiny`, which knows the sections of its runs."""
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "report.py").write_text(SECTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def reporting(target: str) -> tuple[str, ...]:
    """Overrides that add the callback to a run of the toy."""
    return (
        "+callbacks.report._target_=callbacks.report.Report",
        "+callbacks.report.sections._partial_=true",
        f"+callbacks.report.sections._target_={target}",
    )


def entry(target: str) -> dict[str, Any]:
    sections = {"_target_": target, "_partial_": True}
    return {"callbacks": {"r": {"_target_": "callbacks.report.Report", "sections": sections}}}


def test_sections_are_those_that_the_config_names(tiny: Path):
    text = write_report(make_run(tiny / "run", entry("tiny.report.other"))).read_text()
    assert "The other" in text and "Told by" not in text


def test_without_an_entry_they_are_those_of_the_domain(tiny: Path):
    path = write_report(make_run(tiny / "run"))
    assert path == tiny / "run" / "report.html"
    assert "Told by toy" in path.read_text() and "loss/x" in path.read_text()


@pytest.mark.parametrize("target", ["nowhere.report.sections", "tiny.report.absent", "sections"])
def test_sections_that_nobody_has_are_named(tiny: Path, target: str):
    with pytest.raises(ValueError, match=rf"names {target} for its report"):
        write_report(make_run(tiny / "run", entry(target)))
    assert not (tiny / "run" / "report.html").exists()


def test_facts_and_the_command(tiny: Path):
    run = make_run(
        tiny / "run",
        {"module": "gan", "gan": {"_target_": "tiny.Net"}, "data": {"_target_": "tiny.Data"}},
        data="abc123", judge="def456", versions={"torch": "2.13"},
    )  # fmt: skip
    text = write_report(run).read_text()
    assert "<h1>toy, seed 5</h1>" in text
    assert "tiny: finished, 1 epoch, 7 batches, 42 s." in text
    for fact in ("tiny.Net", "tiny.Data, fingerprint abc123", "def456", "torch 2.13"):
        assert f"<dd>{fact}</dd>" in text
    assert "<code>python -m tiny.train seed=5</code>" in text
    assert "to go on" not in text


def test_a_failed_run_says_why_and_the_way_out(tiny: Path):
    run = make_run(tiny / "run", status="failed", error="gan.width is 0")
    (run / "traceback.txt").write_text("Traceback: <here>")
    text = write_report(run).read_text()
    assert "✕</span> failed" in text and "gan.width is 0" in text
    assert "start again: there is no checkpoint" in text and "Traceback: &lt;here&gt;" in text
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    text = write_report(run).read_text()
    assert "correct the cause, then go on from the last epoch" in text
    assert f"ckpt_path={run}/checkpoints/last.ckpt hydra.run.dir={run}</code>" in text


def test_the_callback_writes_when_the_summary_is_there(toy_run: Any, tmp_path: Path):
    toy_run(tmp_path, "trainer.max_epochs=2", *reporting("fontgan.report.sections"))
    text = (tmp_path / "report.html").read_text()
    assert "<h1>toy, seed 0</h1>" in text and "fontgan: finished, 2 epochs, 14 batches" in text
    assert '<div class="gauge-value">7</div>' in text and "ceiling 26" in text


def test_an_interrupted_run_has_one_of_its_epochs(toy_run: Any, tmp_path: Path):
    with pytest.raises(SystemExit):
        toy_run(
            tmp_path,
            "gan.stop_at=10",
            f"gan.signal={signal.SIGTERM:d}",
            *reporting("fontgan.report.sections"),
        )
    text = (tmp_path / "report.html").read_text()
    assert "?</span> interrupted" in text and "stopped by SIGTERM" in text
    assert "go on from the last epoch" in text and "1 epoch, " in text


def test_a_run_without_an_epoch_has_none(toy_run: Any, tmp_path: Path):
    with pytest.raises(ArithmeticError):
        toy_run(tmp_path, "gan.fail_at=3", *reporting("fontgan.report.sections"))
    assert (tmp_path / "summary.json").exists() and not (tmp_path / "report.html").exists()


def test_a_report_that_fails_leaves_the_run_finished(
    toy_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "broken.py").write_text(
        "def sections(run):\n    raise KeyError('no such measure')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level(logging.WARNING):
        toy_run(tmp_path / "run", "trainer.max_epochs=1", *reporting("broken.sections"))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "finished"
    said = [r.getMessage() for r in caplog.records if r.name == "conf.run"]
    assert "Report: KeyError: 'no such measure'" in said
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize(
    ("seconds", "text"), [(42.4, "42 s"), (2950, "49 min"), (11100, "3 h 5 min")]
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_lists_of_words_and_of_numbers():
    assert [listed(x) for x in ((), "A", "AB", "ABC")] == ["", "A", "A and B", "A, B and C"]
    assert spans([7, 1, 2, 3]) == "1–3 and 7"


@pytest.mark.parametrize(
    ("value", "floor", "ceiling", "better", "found"),
    [
        (13, 0, 26, "more", 50), (33, 39, 31, "less", 75), (30, 0, 20, "more", 150),
        (0.8, 0.9, 0.8, "more", None), (0.8, 0.9, 0.8, "", None), (1, 0, None, "more", None),
        (1, 2, 2, "less", None),
    ],
)  # fmt: skip
def test_the_way_from_floor_to_ceiling(value, floor, ceiling, better, found):
    assert way(value, floor, ceiling, better) == found


def test_gauges_and_table_share_what_measures_mean():
    found = Measured({"a/x": 3.0, "a/y_1": 2.0, "b": 1.0, "epoch": 4.0, "left/out": 0.0})
    meanings = {
        "a/": Meaning("of a", "more"),
        "a/y_": Meaning("one of y"),
        "b": Meaning("b!", "less"),
    }
    floor, ceiling = {"a/x": 0.0, "b": 0.0}, {"a/x": 4.0, "b": 2.0}
    table = final_table(found, meanings, floor, ceiling, ("left/",))
    assert table.rows == (
        ("a/x", 3.0, 0.0, 4.0, 75.0, "of a"),
        ("a/y_1", 2.0, None, None, None, "one of y"),
        ("b", 1.0, 0.0, 2.0, None, "b!"),
    )
    made = gauges(found, {"b": "called b", "a/x": "x", "c": "c"}, meanings, floor, ceiling)
    assert [(g.name, g.share) for g in made] == [("called b", None), ("x", 0.75)]


def test_a_large_picture_is_made_smaller(tmp_path: Path):
    noise = Image.effect_noise((900, 900), 100)
    noise.save(tmp_path / "large.png")
    Image.new("RGB", (30, 20)).save(tmp_path / "small.png")
    assert (tmp_path / "large.png").stat().st_size > LARGEST
    (tmp_path / "smaller.png").write_bytes(inlined(tmp_path / "large.png"))
    with Image.open(tmp_path / "smaller.png") as image:
        assert image.width == image.height < 900
    assert inlined(tmp_path / "small.png") == (tmp_path / "small.png").read_bytes()
