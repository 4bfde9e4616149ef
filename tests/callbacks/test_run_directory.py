import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from callbacks.run_directory import find_open_runs, find_runs, read_run

CONFIG = {
    "app": "fontgan",
    "name": "fixed",
    # What YAML could mistake for something else.
    "tricky": ["1e-3", "yes", "null", "2024-05-01", "12:30:00", "0x10", "~", "1_000", "é"],
    "numbers": [1e-05, 1e20, -0.0, float("inf"), 3, True, None],
}


def write(folder: Path, config: object = CONFIG, **summary: object) -> Path:
    """A run directory with the two files that make one."""
    folder.mkdir(parents=True)
    text = OmegaConf.to_yaml(OmegaConf.create(config)) if isinstance(config, dict) else str(config)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps({"status": "finished"} | summary))
    return folder


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    folder = write(tmp_path / "run", seed=3)
    (folder / "metrics.csv").write_text("epoch,coverage/letters\n0,\n1,12.5\n2\n")
    (folder / "losses.csv").write_text("epoch,batch,loss/generator\n0,50,1e-3\n")
    (folder / "verdicts.csv").write_text('epoch,word,lost\n1,losing letters,"A, B"\n')
    (folder / "figures").mkdir()
    for name in ("b.png", "a.png", "notes.txt"):
        (folder / "figures" / name).touch()
    run = read_run(folder)
    assert (run.app, run.name, run.seed, run.finished) == ("fontgan", "fixed", 3, True)
    # A cell that is empty, and one that a killed process never wrote.
    np.testing.assert_array_equal(run.metrics["coverage/letters"], [np.nan, 12.5, np.nan])
    np.testing.assert_array_equal(run.losses["loss/generator"], [0.001])
    assert run.verdicts == [{"epoch": "1", "word": "losing letters", "lost": "A, B"}]
    assert list(run.figures) == ["a", "b"]


def test_a_config_is_what_omegaconf_reads(tmp_path: Path):
    folder = write(tmp_path / "run")
    expected = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    assert read_run(folder).config == expected == CONFIG


def test_a_failed_run_is_read_as_far_as_it_came(tmp_path: Path):
    run = read_run(write(tmp_path / "run", status="failed", error="no memory"))
    assert (run.finished, run.seed, run.metrics, run.losses) == (False, None, {}, {})
    assert (run.verdicts, run.figures) == ([], {})


def test_what_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="gone is no folder"):
        read_run(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"no summary\.json and no config\.yaml"):
        read_run(tmp_path)
    folder = write(tmp_path / "unended")
    (folder / "summary.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no summary\.json: .* not ended yet"):
        read_run(folder)


def test_files_that_cannot_be_read_are_named(tmp_path: Path):
    folder = write(tmp_path / "cut")
    (folder / "summary.json").write_text('{"status": "fin')
    with pytest.raises(ValueError, match="cut cannot be read: Unterminated string"):
        read_run(folder)
    with pytest.raises(ValueError, match="yaml cannot be read"):
        read_run(write(tmp_path / "yaml", config="a: [1"))
    with pytest.raises(ValueError, match=r"config\.yaml is not what a run writes: it has no app"):
        read_run(write(tmp_path / "other", config="a: 1"))
    folder = write(tmp_path / "words")
    (folder / "metrics.csv").write_text("epoch,loss\n0,high\n")
    with pytest.raises(ValueError, match=r"metrics\.csv is no table of numbers"):
        read_run(folder)


def test_runs_are_found_at_any_depth_and_in_order(tmp_path: Path):
    sweep, single = tmp_path / "sweeps" / "t", tmp_path / "a" / "b" / "c"
    for folder in (single, sweep / "1", sweep / "0", sweep / "earlier" / "0-1"):
        write(folder)
    (sweep / "sweep.json").write_text("{}")
    (write(sweep / "2") / "summary.json").unlink()
    # Nobody's sweep: a folder may be called so.
    other = write(tmp_path / "earlier" / "x")
    assert find_runs(tmp_path) == [single, other, sweep / "0", sweep / "1"]
    assert find_runs(single) == [single]
    assert find_open_runs(tmp_path) == [sweep / "2"]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        find_runs(tmp_path / "gone")
