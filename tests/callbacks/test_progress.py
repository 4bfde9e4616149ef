import csv
import io
import json
import math
import re
import shlex
from types import SimpleNamespace

import pytest
from lightning import Callback
from rich.console import Console

from callbacks import progress
from callbacks.glance import glance, place
from callbacks.progress import VerdictBar
from callbacks.run_end import measures, resume

BAR = [
    "+callbacks.bar._target_=callbacks.progress.VerdictBar",
    "+callbacks.bar.said=['letters {coverage/letters:.3f}/26','kl {coverage/kl:.0f}','{word}']",
]
END = "+callbacks.end._target_=callbacks.run_end.RunEnd"


@pytest.mark.parametrize(
    ("texts", "values", "said"),
    [
        (
            ["letters {coverage/letters:.0f}/26", "{word}"],
            {"coverage/letters": 25.6},
            "letters 26/26",
        ),
        (["{a:.2f}", "{b}", "{a:.0f}"], {"a": 1.0, "b": None}, "1.00 · 1"),
        (["{a}", "{word}"], {"a": math.nan, "word": "noise"}, "noise"),
        (
            ["z_low {kl_low/0:.1f} {word/low}"],
            {"kl_low/0": 2.0, "word/low": "dead"},
            "z_low 2.0 dead",
        ),
        (["z_low {kl_low/0:.1f} {word/low}"], {"kl_low/0": 2.0}, "z_low 2.0"),
        ([], {"a": 1.0}, ""),
    ],
)
def test_a_glance_says_what_is_known(texts, values, said):
    assert glance(texts, values) == said


@pytest.mark.parametrize("text", ["{a:q}", "{a", "{}", "{a.b}", "{word:.2f}"])
def test_a_glance_that_is_no_format_is_named(text):
    with pytest.raises(ValueError, match=r"glance: .* cannot be filled in"):
        glance([text], {"a": 1.0, "word": "noise"})


def test_without_a_terminal_there_is_a_plain_line_an_epoch(toy_run, tmp_path, capsys):
    toy_run(tmp_path, "trainer.max_epochs=11", *BAR)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    rows = list(csv.DictReader((tmp_path / "metrics.csv").read_text().splitlines()))
    assert len(lines) == 11
    kl = ""
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), start=1):
        # What was not measured in an epoch is what it was before.
        kl = f" · kl {row['coverage/kl']}" if row["coverage/kl"] else kl
        letters = f"{float(row['coverage/letters']):.3f}"
        start = f"epoch {number:>2}/11 · letters {letters}/26{kl} · "
        assert re.fullmatch(rf"{re.escape(start)}\d+ s", line)


def test_plain_lines_come_as_seldom_as_wanted(toy_run, tmp_path, capsys):
    toy_run(tmp_path, "trainer.max_epochs=7", *BAR, "+callbacks.bar.every_n_epochs=3")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.partition(" · ")[0] for line in lines] == ["epoch 3/7", "epoch 6/7"]


def test_in_a_sweep_nothing_is_said_where_there_is_no_terminal(toy_run, tmp_path, capsys):
    toy_run(tmp_path, "trainer.max_epochs=2", "hydra.mode=MULTIRUN", *BAR, END)
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ShownOn(VerdictBar):
    """The bar on a terminal of the test's own."""

    screen = Terminal()

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.console = Console(file=self.screen, force_terminal=True, width=100, color_system=None)


class KeepsVerdicts(Callback):
    """A verdict in every epoch, as CollapseVerdict has."""

    def __init__(self) -> None:
        self.history: list[dict[str, str]] = []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.history.append({"word": f"word {trainer.current_epoch}"})


@pytest.fixture
def shown(toy_run, tmp_path, monkeypatch):
    """What the bar draws on a terminal while the clock stands still: frames of a run."""
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 100.0))

    def frames(*overrides: str, rules=None) -> list[str]:
        monkeypatch.setattr(ShownOn, "screen", Terminal())
        named = [BAR[1], f"+callbacks.bar._target_={__name__}.ShownOn"]
        verdicts = f"+callbacks.verdicts._target_={__name__}.KeepsVerdicts"
        toy_run(tmp_path / str(len(list(tmp_path.iterdir()))), *overrides, verdicts, *named)
        parts = re.split(r"\x1b\[2K|\x1b\[1A|\r|\n", ShownOn.screen.getvalue())
        plain = (re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", part).strip() for part in parts)
        return [frame for frame in plain if frame]

    return frames


def test_the_bar_has_the_verdict_in_it_and_vanishes(shown):
    frames = shown("trainer.max_epochs=2")
    assert any(re.match(r"epoch 1/2 ━+\s+measuring", frame) for frame in frames)
    (second,) = {f for f in frames if "epoch 2/2" in f and "word 0" in f and "left" in f}
    assert re.fullmatch(r"epoch 2/2 ━{5} {6}letters -?\d\.\d{3}/26 · word 0 0:00 left", second)
    (third,) = {f for f in frames if "epoch 2/2" in f and "word 1" in f}
    assert re.fullmatch(r"epoch 2/2 ━{10} letters -?\d\.\d{3}/26 · kl 1 · word 1 0:00 left", third)
    assert frames[-1].startswith("test ")
    # Cleared at the end: the cursor goes up a line and wipes it.
    assert ShownOn.screen.getvalue().endswith("\x1b[1A\x1b[2K")


def test_drawing_does_not_depend_on_the_number_of_batches(shown):
    # With a clock that stands still only the ends of epochs are drawn.
    few = shown("trainer.max_epochs=2")
    many = shown("trainer.max_epochs=2", "data.batches_per_epoch=100")
    assert len(many) == len(few)


def test_jobs_that_share_a_terminal_have_no_bar(shown):
    sweep = ("trainer.max_epochs=1", "hydra.mode=MULTIRUN")
    assert shown(*sweep) != []
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher")
    assert shown(*sweep, "hydra/launcher=joblib") == []


def test_words_of_levels_come_from_the_rules():
    seen = {}

    def rules(values):
        seen.update(values)
        if "kl" not in values:
            raise ValueError("a verdict needs kl")
        return {"low": SimpleNamespace(word="collapsed" if values["kl"] < 0.1 else "healthy")}

    bar = VerdictBar(["z_low {word/low}", "NLL {nll:.1f}"], rules)
    trainer = SimpleNamespace(callbacks=[bar], callback_metrics={"nll": 32.41})
    assert bar._in_words(trainer) == "z_low · NLL 32.4"
    trainer.callback_metrics["kl"] = 0.02
    assert bar._in_words(trainer) == "z_low collapsed · NLL 32.4"
    assert seen == {"nll": 32.41, "kl": 0.02}


def test_the_end_of_a_run_is_told_with_floor_and_ceiling(toy_run, tmp_path, capsys):
    toy_run(tmp_path, "trainer.max_epochs=2", END, "+callbacks.end.next=['look at {run}/x']")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["measure", "floor", "final", "ceiling"]
    assert lines[1].split() == ["coverage/letters", "0", "7", "26"]
    assert lines[2].split() == ["run", str(tmp_path)]
    assert lines[3].split() == ["checkpoint", f"{tmp_path}/checkpoints/last.ckpt"]
    assert lines[4].split(maxsplit=1) == ["next", f"look at {tmp_path}/x"]
    assert lines[5].startswith("longer      python -m fontgan.train ")
    assert lines[5].endswith(
        f"trainer.max_epochs=4 ckpt_path={tmp_path}/checkpoints/last.ckpt hydra.run.dir={tmp_path}"
    )
    assert len(lines) == 6


def test_an_interrupted_run_is_told_how_it_goes_on(toy_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        toy_run(tmp_path, "trainer.max_epochs=3", "gan.stop_at=10", END)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["interrupted", str(tmp_path)]
    words = shlex.split(lines[1].removeprefix("go on").strip())
    assert words[:3] == ["python", "-m", "fontgan.train"]
    own = ("hydra.", "gan=", "data=", "callbacks=", "logger=", "trainer.acc", "gan.stop_at")
    toy_run(tmp_path, *(word for word in words[3:] if not word.startswith(own)))
    assert json.loads((tmp_path / "summary.json").read_text())["batches"] == 21


def test_a_failed_run_has_no_table(toy_run, tmp_path, capsys):
    with pytest.raises(ArithmeticError):
        toy_run(tmp_path, "trainer.max_epochs=3", "gan.fail_at=10", END)
    assert capsys.readouterr().out == ""


def test_a_command_goes_on_in_place_of_what_it_said_before(tmp_path):
    command = "python -m drumvae.train 'a=[1, 2]' trainer.max_epochs=3 ckpt_path=x hydra.run.dir=y"
    (tmp_path / "checkpoints").mkdir()
    run = place(tmp_path)
    assert resume({"command": command}, tmp_path) == (
        f"python -m drumvae.train 'a=[1, 2]' trainer.max_epochs=3 ckpt_path=x hydra.run.dir={run}"
    )
    (tmp_path / "checkpoints/last.ckpt").touch()
    assert resume({"command": command}, tmp_path, max_epochs=6) == (
        "python -m drumvae.train 'a=[1, 2]' trainer.max_epochs=6 "
        f"ckpt_path={run}/checkpoints/last.ckpt hydra.run.dir={run}"
    )


def test_measures_that_were_never_taken_are_left_out():
    summary = {"final": {"a": 0.12345678, "b": None}, "floor": {"a": 0.0}, "ceiling": {}}
    table = measures(summary, ["a", "b", "c"])
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    assert cells == [["a", "b"], ["0", "–"], ["0.1235", "–"], ["–", "–"]]


def test_a_wrong_interval_is_named():
    with pytest.raises(ValueError, match="every_n_epochs is 0"):
        VerdictBar(every_n_epochs=0)
