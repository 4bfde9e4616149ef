import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conf.code_version import code_version
from conf.tracking import outcome, sweep_name, tracking_mode, wandb_logger

REPOSITORY = Path(__file__).parents[2]
TOY = REPOSITORY / "tests" / "conf" / "toy"
HEADLINE = {
    "coverage/letters": "max", "coverage/accepted": "max", "coverage/entropy": "max",
    "coverage/kl": "min", "neighbours/recall": "max", "frechet/judge": "min",
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "mode"),
    [(None, "offline"), ("online", "offline"), ("dryrun", "offline"), ("disabled", "disabled")],
)
def test_without_a_key_nothing_goes_online(monkeypatch, asked, mode):
    if asked:
        monkeypatch.setenv("WANDB_MODE", asked)
    assert tracking_mode() == mode


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A folder with a home that was empty, and a run of the toy model, by the real command."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "home").mkdir()
    hidden = ("WANDB_", "XDG_", "HYDRA_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "home")}
    env["PYTHONPATH"] = f"{REPOSITORY}{os.pathsep}{TOY}"
    choices = ["gan=toy", "data=toy", "callbacks=toy", "trainer.accelerator=cpu", "seed=5"]
    subprocess.run(
        [sys.executable, "-m", "fontgan.train", "--config-dir", f"{TOY}/configs", *choices,
         "trainer.max_epochs=3", "gan.lr=0.5", "hydra.run.dir=run"],
        cwd=folder, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def logged(toy, read_back) -> Any:
    return read_back(toy / "run")


def test_nothing_is_written_outside_of_the_run_directory(toy):
    assert sorted(path.name for path in toy.iterdir()) == ["home", "run"]
    written = {path.relative_to(toy / "home").parts[:2] for path in toy.glob("home/**/*")}
    assert not [parts for parts in written if "wandb" in "/".join(parts)]
    assert list(toy.glob("run/wandb/cache/**/*.log"))


def test_a_run_is_found_by_what_it_is(logged):
    (started,) = logged.of("run")
    assert (started["project"], started["job_type"]) == ("modekeeper", "fontgan")
    assert started["display_name"] == "toy-5"
    assert started["tags"] == ["fontgan", "toy"]  # app, experiment and data, each once
    assert "run_group" not in started
    assert logged.state["state"] == "finished"


def test_the_whole_resolved_config_is_kept(toy, logged):
    config = yaml.safe_load((toy / "run" / "config.yaml").read_text())
    assert config["gan"]["lr"] == 0.5
    assert {name: v for name, v in logged.state["config"].items() if name != "_wandb"} == config


def test_epochs_are_the_axis_and_headline_measures_keep_their_best(logged):
    epoch, everything, *headline = logged.of("metric")
    assert epoch["name"] == "epoch"
    assert (everything["glob_name"], everything["step_metric"]) == ("*", "epoch")
    assert {metric["step_metric"] for metric in headline} == {"epoch"}
    assert {metric["name"]: metric["summary"] for metric in headline} == {
        name: {direction: True} for name, direction in HEADLINE.items()
    }


def test_a_row_is_an_epoch_of_metrics_csv(toy, logged):
    with (toy / "run" / "metrics.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
    assert len(logged.rows) == len(rows) == 3
    for row, shown in zip(rows, logged.rows, strict=True):
        del row["batch"]  # W&B counts in epochs alone
        row["objective"] = row["coverage/letters"]
        assert shown == pytest.approx(row, rel=1e-6)


def test_what_was_measured_on_test_data_is_never_taken_for_validation(logged):
    # The toy measures 7 letters on its test data, and in no epoch.
    measured = [row["coverage/letters"] for row in logged.rows]
    assert 7.0 not in measured
    summary = logged.state["summary"]
    assert summary["coverage/letters"] == {"max": pytest.approx(max(measured), rel=1e-6)}
    assert summary["objective"] == pytest.approx(measured[-1], rel=1e-6)
    assert summary["final/coverage/letters"] == 7.0
    # What could not be measured, NaN, is left out.
    assert "final/coverage/any" not in summary
    assert "coverage/any" not in summary
    assert (summary["floor/coverage/letters"], summary["ceiling/coverage/letters"]) == (0, 26)
    assert (summary["fingerprint/data"], summary["status"]) == ("toy-data", "finished")


def test_a_failed_run_says_so_and_why(toy_run, tmp_path, read_back):
    with pytest.raises(ArithmeticError):
        toy_run(tmp_path, "logger=wandb", "gan.fail_at=10")
    logged = read_back(tmp_path)
    assert (logged.state["state"], logged.state["exit_code"]) == ("failed", 1)
    summary = logged.state["summary"]
    assert (summary["status"], summary["error"]) == ("failed", "ArithmeticError: the toy broke")
    assert [row["epoch"] for row in logged.rows] == [0]
    assert not [name for name in summary if name.startswith("final/")]


def test_checkpoints_are_artifacts_where_they_are_asked_for(logged, toy_run, tmp_path, read_back):
    assert logged.of("artifact") == []  # offline, they stay where they are
    choices = ("trainer.max_epochs=1", "logger.wandb.checkpoints=always")
    toy_run(tmp_path, "logger=wandb", *choices)
    artifacts = read_back(tmp_path).of("artifact")
    kept = {entry["local_path"] for a in artifacts for entry in a["manifest"]["contents"]}
    assert kept == {str(path) for path in (tmp_path / "checkpoints").iterdir()}
    assert {artifact["type"] for artifact in artifacts} == {"model"}


def test_jobs_of_a_sweep_each_write_into_their_own_folder(toy_run, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    for name in ("a", "b"):
        toy_run(tmp_path / name, "logger=wandb", "trainer.max_epochs=1")
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / name / "wandb" / "data")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "mine"))
    monkeypatch.setattr("conf.tracking._placed", set())
    toy_run(tmp_path / "c", "logger=wandb", "trainer.max_epochs=1")
    assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / "mine")


def test_a_run_of_a_wandb_sweep_is_grouped_by_it(monkeypatch):
    assert sweep_name() is None
    monkeypatch.setenv("WANDB_SWEEP_ID", "ab12cd34")
    assert sweep_name() == "ab12cd34"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"headline": {"coverage/kl": "least"}}, r"headline\.coverage/kl is 'least'.*max.*min"),
        ({"checkpoints": "sometimes"}, "checkpoints is 'sometimes'.*online, always or never"),
    ],
)
def test_a_wrong_value_is_named_before_anything_starts(tmp_path, wrong, said):
    with pytest.raises(ValueError, match=said):
        wandb_logger("p", "n", "fontgan", str(tmp_path), **wrong)
    assert list(tmp_path.iterdir()) == []


def test_an_outcome_holds_what_is_known():
    summary = {
        "final": {"a/b": 1.0, "c/d": None}, "floor": {"a/b": 0.0, "x": 9.0}, "ceiling": {},
        "verdict": "healthy", "status": "finished", "error": None, "data": "d1", "judge": None,
    }  # fmt: skip
    values = outcome(summary, ["a/b"])
    values.pop("fingerprint/code", None)  # of the checkout, where there is one
    assert values == {
        "final/a/b": 1.0, "floor/a/b": 0.0, "verdict": "healthy", "status": "finished",
        "fingerprint/data": "d1",
    }  # fmt: skip


def test_the_code_version_is_the_commit_of_the_code_and_of_no_other_repository(tmp_path):
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    code, installed = tmp_path / "code.py", tmp_path / "venv" / "code.py"
    installed.parent.mkdir()
    for file in (code, installed):
        file.write_text("one = 1\n")
    assert code_version(code) is None
    git("init")
    git("add", "code.py")
    git("commit", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert code_version(code) == commit
    assert code_version(installed) is None  # ignored or not: it is none of the repository's files
    code.write_text("one = 2\n")
    assert code_version(code) == commit + "+changes"
