import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fontgan import LETTERS
from fontgan.data import BuiltinTypefaces
from fontgan.metrics.strokes import letter_strokes
from fontgan.survival import main, shares

CONFIG = "data:\n  _target_: fontgan.data.BuiltinTypefaces\n"


def run(path: Path, values: Any, data: str = "d", status: str = "finished") -> Path:
    path.mkdir()
    final = {f"letters/{letter}": value for letter, value in zip(LETTERS, values, strict=False)}
    summary = {"status": status, "final": final, "data": data}
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "config.yaml").write_text(CONFIG)
    return path


def test_survival_by_complexity_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    test = BuiltinTypefaces().reference("test")
    measures = letter_strokes(test.images.float() / 255, test.letters)
    rank = measures["complexity"].argsort().argsort()
    runs = [run(tmp_path / name, (1 + rank) / 351) for name in "ab"]
    main([*map(str, runs)])
    rows = {line.split("│")[1].strip(): line for line in capsys.readouterr().out.splitlines()
            if line.count("│") > 3 and line.split("│")[1].strip()}  # fmt: skip
    assert "+1.00" in rows["complexity"]
    assert "+1.00" not in rows["holes"]
    assert len(rows) == len(measures)


def test_shares_are_read_run_by_run(tmp_path: Path):
    first, second = np.arange(26) / 325, np.full(26, 1 / 26)
    found, data = shares([run(tmp_path / "a", first), run(tmp_path / "b", second)])
    np.testing.assert_allclose(found, np.stack([first, second]))
    assert data == "d"


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path):
    good = run(tmp_path / "good", np.full(26, 1 / 26))
    other = run(tmp_path / "other", np.full(26, 1 / 26), data="e")
    failed = run(tmp_path / "failed", [], status="failed")
    with pytest.raises(ValueError, match="saw different data"):
        shares([good, other])
    with pytest.raises(ValueError, match="failed is failed and has no final letters"):
        shares([good, failed])
    with pytest.raises(FileNotFoundError, match="it is no run directory"):
        shares([tmp_path])
    with pytest.raises(SystemExit, match=r"error: .*no run directory"):
        main([str(tmp_path)])
