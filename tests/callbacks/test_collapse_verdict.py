import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks.collapse_verdict import CollapseVerdict
from callbacks.mode_coverage import ModeCoverage
from fontgan import LETTERS
from fontgan.onset import onset
from fontgan.verdict import verdict


@dataclass(frozen=True)
class Said:
    """A verdict by hand."""

    word: str
    health: float = 0.5
    low: float = 0.4
    high: float = 0.6
    lost: str = ""
    sentence: str = "as planned"


def planned(*words: str) -> Any:
    """Rules that say these words, one after the other, whatever was measured."""
    left = list(words)
    return lambda values, drawn, ceiling: Said(left.pop(0))


def coverage(measure: Any) -> ModeCoverage:
    return ModeCoverage(measure, samples=200, final_samples=300)


def test_its_words_are_those_of_the_rules_on_what_was_measured(
    run: Any, measure: Any, tmp_path: Path
):
    callback = CollapseVerdict(verdict, onset)
    measured = coverage(measure)
    trainer, _ = run([measured, callback])
    assert [row["epoch"] for row in callback.history] == [1, 2, 3]
    for drawn, row in zip(measured.history, callback.history, strict=True):
        total = sum(row["letters"].values())
        assert total == pytest.approx(drawn["coverage/accepted"], abs=1e-5)
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    expected = verdict(values, 300, measured.ceiling)
    assert callback.verdict is not None and callback.verdict.startswith(expected.sentence)
    assert values["collapse/health"] == pytest.approx(expected.health, abs=1e-6)
    with (tmp_path / "verdicts.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["word"] for row in rows] == [row["word"] for row in callback.history]
    assert rows[0]["sentence"] == callback.history[0]["sentence"]


def test_nothing_is_done_unless_asked(run: Any, measure: Any):
    rules = planned("healthy", "collapsed", "collapsed", "collapsed")
    callback = CollapseVerdict(rules, onset)
    run([coverage(measure), callback])
    assert [row["word"] for row in callback.history] == ["healthy", "collapsed", "collapsed"]


def test_stop_ends_the_run_at_a_collapse_but_not_at_a_slow_start(run: Any, measure: Any):
    rules = planned("noise", "losing letters", "collapsed", "collapsed")
    callback = CollapseVerdict(rules, onset, on_collapse="stop")
    trainer, _ = run([coverage(measure), callback], epochs=6)
    assert [row["word"] for row in callback.history] == ["noise", "losing letters", "collapsed"]
    assert trainer.current_epoch == 3


def test_restore_goes_back_to_the_weights_from_before(run: Any, measure: Any, tmp_path: Path):
    rules = planned("healthy", "healthy", "collapsed", "healthy")
    callback = CollapseVerdict(rules, onset, on_collapse="restore")
    stopped, restored = run([coverage(measure), callback], epochs=6)
    trainer, plain = run([coverage(measure)], epochs=2, test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(restored.state_dict()[name], value), name
    for mine, theirs in zip(stopped.optimizers, trainer.optimizers, strict=True):
        for number, state in theirs.state_dict()["state"].items():
            for name, value in state.items():
                assert torch.equal(torch.as_tensor(mine.state_dict()["state"][number][name]),
                                   torch.as_tensor(value)), name  # fmt: skip
    kept = torch.load(tmp_path / "checkpoints" / "before_collapse.ckpt", weights_only=True)
    for name, value in plain.state_dict().items():
        assert torch.equal(kept["state_dict"][name], value), name


def test_what_is_undecided_is_neither_kept_nor_lost(run: Any, measure: Any, tmp_path: Path):
    """A generator that may be noise is nothing to go back to."""
    rules = planned("noise", "undecided", "noise", "undecided")
    callback = CollapseVerdict(rules, onset, on_collapse="restore")
    trainer, _ = run([coverage(measure), callback])
    assert trainer.current_epoch == 3
    assert not (tmp_path / "checkpoints" / "before_collapse.ckpt").exists()


def test_a_resumed_run_still_goes_back(run: Any, measure: Any, tmp_path: Path):
    first = CollapseVerdict(planned("healthy"), onset, on_collapse="restore")
    trainer, good = run([coverage(measure), first], epochs=1, test=False)
    good = {name: value.clone() for name, value in good.state_dict().items()}
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    second = CollapseVerdict(planned("collapsed"), onset, on_collapse="restore")
    _, resumed = run(
        [coverage(measure), second], epochs=3, test=False, resume=tmp_path / "stopped.ckpt"
    )
    for name, value in good.items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_it_says_since_when_a_letter_is_lost(run: Any, measure: Any):
    callback = CollapseVerdict(verdict, onset)
    for epoch, q in enumerate([0.04, 0.04, 0.04, 0.0, 0.0]):
        x = 0.001  # Now and then, but never alive.
        letters = {f"letters/{letter}": (0.9 - q - x) / 24 for letter in LETTERS}
        letters |= {"letters/Q": q, "letters/X": x}
        callback.history.append({"epoch": 2 * (epoch + 1), "letters": letters, "drawn": 2000})
    assert callback._since("QX") == " (Q since epoch 8, X never alive)"
    for row in callback.history:
        row["letters"] = {f"letters/{letter}": 0.0 for letter in LETTERS}
        row["letters"] |= {"letters/Q": 0.001, "letters/Z": 0.9}
    assert callback._since("QX") == " (Q X never alive)"
    assert callback._since("QXZ") == " (Q X never alive)"
    for row in callback.history:
        row["letters"] = dict.fromkeys(row["letters"], 0.0)
    assert callback._since(LETTERS) == " (no letter was ever alive)"


def test_a_resumed_run_keeps_its_words(run: Any, measure: Any, tmp_path: Path):
    first, second = (CollapseVerdict(verdict, onset) for _ in range(2))
    trainer, _ = run([coverage(measure), first], epochs=2, test=False)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    run([coverage(measure), second], epochs=3, test=False, resume=tmp_path / "stopped.ckpt")
    assert [row["epoch"] for row in second.history] == [1, 2, 3]
    assert second.history[:2] == first.history


def test_measuring_never_changes_training(run: Any, measure: Any):
    _, plain = run([], test=False)
    _, watched = run([coverage(measure), CollapseVerdict(verdict, onset)], test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_what_makes_no_sense_is_refused(run: Any):
    with pytest.raises(ValueError, match="'explode', it must be nothing, stop or restore"):
        CollapseVerdict(verdict, onset, on_collapse="explode")
    with pytest.raises(ValueError, match="mode_coverage measures; list it before"):
        run([CollapseVerdict(verdict, onset)])
