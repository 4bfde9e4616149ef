from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger

from callbacks.letter_histogram import LetterHistogram, living, turns
from callbacks.mode_coverage import ModeCoverage


def pair(measure: Any, **options: Any) -> tuple[ModeCoverage, LetterHistogram]:
    return ModeCoverage(measure, samples=200, final_samples=300), LetterHistogram(**options)


def test_history_holds_what_was_measured(run: Any, measure: Any):
    coverage, histogram = pair(measure)
    run([coverage, histogram])
    assert [row["epoch"] for row in histogram.history] == [1, 2, 3]
    for drawn, row in zip(coverage.history, histogram.history, strict=True):
        assert len(row["shares"]) == 26
        assert sum(row["shares"]) == pytest.approx(drawn["coverage/accepted"], abs=1e-6)
        alive = living(row["shares"], histogram.fair, 0.25)
        assert alive.sum() == drawn["coverage/letters"]
    assert histogram.fair == [1 / 26] * 26


def test_figures(run: Any, measure: Any, tmp_path: Path, size_of: Any):
    run(list(pair(measure)))
    assert size_of(tmp_path / "figures" / "letter_histogram.png") == (1650, 750)
    assert size_of(tmp_path / "figures" / "letter_survival.png") == (1650, 1350)


def test_a_resumed_run_draws_every_epoch(run: Any, measure: Any, tmp_path: Path):
    trainer, _ = run(list(pair(measure)), epochs=2, test=False)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    coverage, histogram = pair(measure)
    run([coverage, histogram], epochs=3, test=False, resume=tmp_path / "stopped.ckpt")
    assert [row["epoch"] for row in histogram.history] == [1, 2, 3]


def test_without_measures_it_says_what_is_missing(run: Any):
    with pytest.raises(ValueError, match="list ModeCoverage before it"):
        run([LetterHistogram()])


def test_training_is_not_changed(run: Any, measure: Any):
    _, plain = run([], test=False)
    _, watched = run(list(pair(measure)), test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_a_share_on_the_threshold_lives():
    """Logged values are float32, and 25 of 2,600 is not exact there."""
    shares = torch.tensor([25 / 2600, 24 / 2600]).tolist()
    assert living(shares, [1 / 26, 1 / 26], 0.25).tolist() == [True, False]


def test_births_and_deaths():
    alive = np.array([[1, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=bool)
    births, deaths = turns(alive)
    assert np.argwhere(births).tolist() == [[0, 3], [1, 2]]
    assert np.argwhere(deaths).tolist() == [[0, 2]]


def test_wandb_gets_images_and_histograms(
    run: Any, measure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A real offline run, looked up on the disk."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WandbLogger(save_dir=tmp_path, mode="offline")
    try:
        run(list(pair(measure)), epochs=1, logger=logger)
    finally:
        logger.experiment.finish()
    media = {path.name.split("_")[0] for path in tmp_path.glob("wandb/offline-*/**/*.png")}
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"mode_coverage", "letter_histogram", "letter_survival"}
    assert media == {"mode", "letter"}
