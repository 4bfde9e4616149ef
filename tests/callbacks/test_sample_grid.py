from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from callbacks.sample_grid import SampleGrid, compose


def test_chosen_epochs_and_the_end(run: Any, tmp_path: Path):
    run([SampleGrid(rows=2, columns=3, epochs=[1, 3, 30])], epochs=3)
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["samples_epoch_001.png", "samples_epoch_003.png", "samples_final.png"]


def test_the_noise_is_fixed(run: Any, tmp_path: Path):
    """Nothing is trained between the last epoch and the end: the sheets are the same."""
    run([SampleGrid(rows=2, columns=3, epochs=[2])], epochs=2)
    last, end = (
        np.asarray(Image.open(tmp_path / "figures" / f"samples_{name}.png"))
        for name in ("epoch_002", "final")
    )
    assert last.shape == end.shape
    title = last.shape[0] // 8
    assert np.array_equal(last[title:], end[title:])
    assert not np.array_equal(last[:title], end[:title])


def test_training_is_not_changed(run: Any):
    _, plain = run([], test=False)
    _, watched = run([SampleGrid(rows=2, columns=3, epochs=[1, 2])], test=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


@pytest.mark.parametrize("accepted", [True, False])
def test_glyphs_lie_dark_on_paper(accepted: bool):
    images = np.zeros((2, 10, 20), dtype=np.uint8)
    images[1, 4, 5] = 255
    sheet, side, step = compose(images, np.array([True, accepted]), rows=2, columns=1)
    assert side == (10, 20) and step == (14, 22)
    assert sheet.shape == (28, 22, 3)
    assert sheet[:10].min() > 0.9, "an accepted blank is all paper"
    paper, ink = sheet[14, 1], sheet[14 + 4, 1 + 5]
    assert np.array_equal(paper, sheet[0, 1]) == accepted
    assert ink.max() < 0.5 < paper.min()
