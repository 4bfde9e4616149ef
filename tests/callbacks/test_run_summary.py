import csv
import math
from pathlib import Path

import pytest

from callbacks.run_summary import RunSummary, Table, best_values, write_atomically


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_blocks_and_epochs_hold_known_means(toy_run, tmp_path):
    # 7 batches an epoch in blocks of 3: loss/count is 1, 2, 3, ..., and loss/even is 2 or missing.
    toy_run(tmp_path, "trainer.max_epochs=2")
    losses = read(tmp_path / "losses.csv")
    assert [(r["epoch"], r["batch"], r["loss/count"]) for r in losses] == [
        ("0", "3", "2"),
        ("0", "6", "5"),
        ("0", "7", "7"),
        ("1", "10", "9"),
        ("1", "13", "12"),
        ("1", "14", "14"),
    ]
    metrics = read(tmp_path / "metrics.csv")
    assert [(r["epoch"], r["batch"], r["loss/count"]) for r in metrics] == [
        ("0", "7", "4"),
        ("1", "14", "11"),
    ]
    # The three batches of four that have it count, not the others.
    assert {row["loss/even"] for row in losses + metrics} == {"2"}


def test_epoch_means_weigh_blocks_by_their_batches(toy_run, tmp_path):
    toy_run(tmp_path, "trainer.max_epochs=1")
    blocks = [float(row["loss/generator"]) for row in read(tmp_path / "losses.csv")]
    expected = (3 * blocks[0] + 3 * blocks[1] + blocks[2]) / 7
    row = read(tmp_path / "metrics.csv")[0]
    assert float(row["loss/generator"]) == pytest.approx(expected, rel=1e-6)


def test_a_measure_not_taken_in_an_epoch_leaves_its_cell_empty(toy_run, tmp_path):
    toy_run(tmp_path, "trainer.max_epochs=4")
    rows = read(tmp_path / "metrics.csv")
    assert [row["coverage/kl"] for row in rows] == ["", "1", "", "3"]
    assert all(row["coverage/letters"] for row in rows)


def test_table_grows_by_columns_and_drops_later_epochs(tmp_path):
    path = tmp_path / "table.csv"
    table = Table(path)
    table.append({"epoch": 0, "a": 0.5})
    table.append({"epoch": 1, "a": 1 / 3, "b": math.nan})
    assert path.read_text() == "epoch,a,b\n0,0.5,\n1,0.33333333,nan\n"
    again = Table(path)
    again.keep_before(1)
    assert again.rows == [{"epoch": 0, "a": 0.5}]
    again.append({"epoch": 1, "a": 1 / 3, "b": math.nan})
    assert path.read_text() == "epoch,a,b\n0,0.5,\n1,0.33333333,nan\n"
    again.keep_before(0)
    assert not path.exists()


def test_best_values_follow_their_direction_and_skip_nan():
    rows = [{"up": 1.0, "down": 5.0}, {"up": 3.0, "down": math.nan}, {"down": 4.0}]
    headline = {"up": "max", "down": "min", "never": "max"}
    assert best_values(rows, headline) == {"up": 3.0, "down": 4.0}
    with pytest.raises(ValueError, match="'upwards'"):
        best_values(rows, {"up": "upwards"})


def test_write_atomically_leaves_nothing_beside_the_file(tmp_path):
    write_atomically(tmp_path / "new" / "file.txt", "one")
    write_atomically(tmp_path / "new" / "file.txt", "two")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["file.txt"]
    assert (tmp_path / "new" / "file.txt").read_text() == "two"


def test_a_block_needs_a_batch():
    with pytest.raises(ValueError, match="block is 0"):
        RunSummary(block=0)
