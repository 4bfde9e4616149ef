"""What reaches W&B beside numbers, read back with W&B's own reader."""

import json
import warnings
import wave
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import WandbLogger

from callbacks.groove_grid import GrooveGrid
from callbacks.letter_histogram import LetterHistogram, living
from callbacks.mode_coverage import ModeCoverage
from callbacks.posterior_collapse import COLUMNS, dimension_rows
from callbacks.sample_grid import SampleGrid
from conf.tracking import finish, on_test_data, wandb_logger
from drumvae.midi import write_bar
from drumvae.sound import write_wav
from drumvae.verdict import verdicts

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture
def logger(tmp_path: Path) -> Any:
    logger = wandb_logger("modekeeper", "media", "fontgan", str(tmp_path))
    yield logger
    finish([logger], exit_code=0)


def table(directory: Path, name: str) -> dict[str, Any]:
    (file,) = directory.glob(f"wandb/offline-run-*/files/media/table/tables/{name}_*.table.json")
    return json.loads(file.read_text())


def epochs_of(items: list[dict[str, Any]], name: str) -> list[int]:
    return [item["epoch"] for item in items if f"{name}._type" in item]


def test_letters_stand_at_the_epoch_they_were_drawn_in(
    run: Any, measure: Any, logger: WandbLogger, tmp_path: Path, read_back: Any
):
    coverage, histogram = ModeCoverage(measure, samples=200, final_samples=300), LetterHistogram()
    grid = SampleGrid(rows=2, columns=3, epochs=[1, 3])
    trainer, model = run([coverage, histogram, grid], epochs=3, test=False, logger=logger)
    with on_test_data([logger]):
        trainer.test(model, trainer.datamodule, verbose=False)
    finish([logger], exit_code=0)
    logged = read_back(tmp_path)

    # Epochs count from 0 in W&B. The grid has one name, so that its pictures are one row of them.
    assert [row["epoch"] for row in logged.rows] == [0, 1, 2]
    assert epochs_of(logged.items, "figures/samples") == [0, 2, 2]
    assert epochs_of(logged.items, "letters") == [0, 1, 2]
    for name in ("figures/letter_histogram", "figures/letter_survival", "tables/letters"):
        assert set(epochs_of(logged.items, name)) == {2}
    pictures = {key for item in logged.items for key in item if key.startswith("figures/")}
    assert {key.partition(".")[0] for key in pictures} == {
        "figures/samples", "figures/letter_histogram", "figures/letter_survival",
        "figures/mode_coverage",
    }  # fmt: skip

    # The histogram of an epoch is its row of letters; the table is of the test.
    bars = [item["letters.values"] for item in logged.items if "letters._type" in item]
    for row, values in zip(logged.rows, bars, strict=True):
        assert values == pytest.approx([row[f"letters/{letter}"] for letter in ALPHABET], abs=1e-6)
    letters = table(tmp_path, "letters")
    assert letters["columns"] == ["letter", "share", "fair share", "alive", "epochs alive"]
    assert [row[0] for row in letters["data"]] == list(ALPHABET)
    for letter, share, fair, _, _ in letters["data"]:
        assert share == pytest.approx(float(trainer.callback_metrics[f"letters/{letter}"]))
        assert fair == 1 / 26
    alive = living([row[1] for row in letters["data"]], [1 / 26] * 26)
    assert [row[3] for row in letters["data"]] == alive.tolist()
    lived = [living(row["shares"], [1 / 26] * 26) for row in histogram.history]
    for column, (*_, part) in enumerate(letters["data"]):
        assert part == pytest.approx(sum(row[column] for row in lived) / 3)


def test_grooves_can_be_heard(logger: WandbLogger, tmp_path: Path, read_back: Any):
    with initialize_config_module("conf", version_base="1.3"):
        cfg = compose("drumvae", ["data.train=50", "data.held_out=50", "vae.encoder.width=8"])
    grid = GrooveGrid(write_bar, per_style=2, final_samples=3, play=write_wav, heard=2)
    trainer = Trainer(
        accelerator="cpu", callbacks=[grid], logger=logger, default_root_dir=tmp_path,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer.test(
            instantiate(cfg.vae, _convert_="all"), instantiate(cfg.data, _convert_="all"),
            verbose=False,
        )  # fmt: skip
    finish([logger], exit_code=0)

    grooves = table(tmp_path, "grooves")
    assert grooves["columns"] == ["style", "sound"]
    artifacts = read_back(tmp_path).of("artifact")
    kept = {
        Path(entry["path"]).name: Path(entry["local_path"])
        for artifact in artifacts
        for entry in artifact["manifest"]["contents"]
    }
    files = sorted((tmp_path / "samples" / "audio").iterdir())
    assert sorted(row[0] for row in grooves["data"]) == [file.stem for file in files]
    assert len(files) == 5
    for file in files:
        assert kept[file.name].read_bytes() == file.read_bytes()
        assert tmp_path in kept[file.name].parents
        with wave.open(str(file)) as played:
            assert played.getnchannels() == 2
            # Two bars of four beats at 120 a minute; the last strokes ring out.
            assert played.getnframes() / played.getframerate() > 4


def test_a_wrong_number_of_bars_is_named():
    with pytest.raises(ValueError, match="heard of 1 or more"):
        GrooveGrid(write_bar, play=write_wav, heard=0)


def test_the_table_of_dimensions_says_what_the_verdict_says():
    # Alive; KL without worth; neither.
    planted = {"high": [(0.5, 0.3, 0.01, 0.4), (0.5, 0.01, 0.001, 0.2)], "low": [(0, 0, 0.001, 0)]}
    values = {}
    for level, dimensions in planted.items():
        for number, (kl, cost, error, variance) in enumerate(dimensions):
            values |= {f"kl_{level}/{number}": kl, f"cost_{level}/{number}": cost}
            values |= {
                f"cost_{level}_error/{number}": error,
                f"variance_{level}/{number}": variance,
            }
        values |= {f"cost/{level}": 0.3, f"cost/{level}_error": 0.01, f"information/{level}": 0.5}
    assert len(COLUMNS) == 6
    assert dimension_rows(values, verdicts(values)) == [
        ["z_high 0", "alive", 0.5, 0.3, 0.01, 0.4],
        ["z_high 1", "in name only", 0.5, 0.01, 0.001, 0.2],
        ["z_low 0", "dead", 0, 0, 0.001, 0],
    ]
