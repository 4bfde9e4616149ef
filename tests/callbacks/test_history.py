from pathlib import Path
from typing import Any

import pytest

from callbacks.history import History


class Written(History):
    """Draws by writing the epochs that it holds into a file of the run."""

    def draw_history(self, trainer: Any) -> None:
        text = " ".join(str(row["epoch"]) for row in self.history)
        (Path(trainer.default_root_dir) / "drawn.txt").write_text(text)


class Run:
    """What a history asks of a trainer."""

    def __init__(self, folder: Path, epoch: int = 0, first: bool = True) -> None:
        self.default_root_dir, self.current_epoch, self.is_global_zero = str(folder), epoch, first


def written(*epochs: int) -> Written:
    history = Written()
    history.history = [{"epoch": epoch, "values": [epoch]} for epoch in epochs]
    return history


def test_epochs_are_counted_from_1_and_every_third_is_measured():
    history = Written(every_n_epochs=3)
    found = [history.measured_epoch(Run(Path(), epoch)) for epoch in range(7)]  # pyright: ignore
    assert found == [None, None, 3, None, None, 6, None]


def test_a_run_is_drawn_when_it_ends_and_when_it_fails(tmp_path: Path):
    written(1, 2).on_train_end(Run(tmp_path), None)  # pyright: ignore
    assert (tmp_path / "drawn.txt").read_text() == "1 2"
    written(1).on_exception(Run(tmp_path), None, KeyboardInterrupt())  # pyright: ignore
    assert (tmp_path / "drawn.txt").read_text() == "1"


def test_nothing_is_drawn_without_rows_or_by_another_process(tmp_path: Path):
    written().redraw(Run(tmp_path))  # pyright: ignore
    written(1).redraw(Run(tmp_path, first=False))  # pyright: ignore
    assert not list(tmp_path.iterdir())


def test_saved_rows_are_copies():
    first, second = written(1, 2), Written()
    state = first.state_dict()
    second.load_state_dict(state)
    first.history[0]["values"].append("later")
    state["history"][1]["values"].append("later")
    assert second.history == written(1, 2).history


def test_no_epoch_to_measure_is_refused():
    with pytest.raises(ValueError, match="Written needs every_n_epochs of 1 or more, got 0"):
        Written(every_n_epochs=0)
