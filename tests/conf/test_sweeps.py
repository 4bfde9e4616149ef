import contextlib
import csv
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from conf.sweep_folder import alone_in, take_up
from conf.sweep_job import Ended, read_ended, tell
from conf.sweeps import begin, begun, jobs_of

REPOSITORY = Path(__file__).parents[2]
TOY = REPOSITORY / "tests" / "conf" / "toy"
TOY_CHOICES = ["gan=toy", "data=toy", "callbacks=toy", "trainer.accelerator=cpu", "logger=csv"]
DRUMS = [
    *("-m", "annealing=none,aggressive,linear,cyclical,sigmoid", "seed=1,2"),
    *("trainer.max_epochs=2", "data.batches_per_epoch=20", "data.held_out=60", "logger=csv"),
    *("callbacks.likelihood.draws=2", "callbacks.likelihood.final_draws=[1,5]"),
    *("callbacks.likelihood.fresh=50", "callbacks.groove_grid.final_samples=100"),
    *("~callbacks.latent_map", "~callbacks.traversals", "~callbacks.report"),
]


def digest(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a training command in a process group of its own, as a shell would."""

    def begin_command(folder: Path, app: str, *arguments: str) -> subprocess.Popen[str]:
        toy = ["--config-dir", f"{TOY}/configs"] if app == "fontgan" else []
        choices = TOY_CHOICES if app == "fontgan" else []
        return subprocess.Popen(
            [sys.executable, "-m", f"{app}.train", *toy, *arguments, *choices],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{TOY}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return begin_command


def stop_when(process: subprocess.Popen[str], there: Path, number: int) -> tuple[str, str]:
    """Send a signal to the whole process group once a file is there, as Ctrl-C would."""
    while not there.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, number)
    return process.communicate(timeout=120)


def outcomes(sweep: Path) -> list[tuple[int, str, str]]:
    return [(job.job, job.outcome, job.note) for job in read_ended(sweep)]


def rows(run: Path) -> list[str]:
    return (run / "metrics.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def stopped_sweep(start, tmp_path_factory):
    """Three jobs, stopped by Ctrl-C in the second after its first epoch, and started again."""
    folder = tmp_path_factory.mktemp("stopped")
    arguments = ["-m", "seed=0,1,2", "trainer.max_epochs=3", "data.batches_per_epoch=200"]
    process = start(folder, "fontgan", *arguments, "hydra.sweep.dir=sweep")
    out, err = stop_when(process, folder / "sweep/1/checkpoints/last.ckpt", signal.SIGINT)
    between = outcomes(folder / "sweep")
    first = digest(folder / "sweep" / "0")
    (command,) = (line for line in err.splitlines() if line.startswith("stopped by SIGINT"))
    again = shlex.split(command.partition("go on with: ")[2])
    done = start(folder, "fontgan", *[a for a in again[5:] if a not in TOY_CHOICES])
    second = done.communicate(timeout=120)
    return folder / "sweep", process.returncode, out, between, first, done.returncode, second


def test_a_signal_stops_the_whole_sweep_and_the_command_that_goes_on_is_told(stopped_sweep):
    _, exit_code, out, between, _, _, _ = stopped_sweep
    assert exit_code == 128 + signal.SIGINT
    assert between == [(0, "finished", ""), (1, "stopped", "")]
    lines = out.splitlines()
    assert lines[0] == "3 jobs in sweep"
    assert lines[1].startswith("1/3  seed=0  finished  letters 7/26  ")
    assert lines[2].startswith("2/3  seed=1  stopped ")
    assert lines[3].startswith("1 finished, 1 stopped, 1 not run; ")
    assert len(lines) == 4


def test_a_sweep_started_again_runs_each_job_once(stopped_sweep, toy_run, tmp_path):
    sweep, _, _, between, first, exit_code, (out, err) = stopped_sweep
    assert (exit_code, err) == (0, "")
    assert outcomes(sweep)[len(between) :] == [
        (0, "finished", "before"),
        (1, "finished", "resumed"),
        (2, "finished", ""),
    ]
    assert out.splitlines()[0] == "3 jobs in sweep, 1 of them finished before"
    # The finished job was not touched, and the interrupted one equals one that never was.
    assert digest(sweep / "0") == first
    toy_run(tmp_path, "seed=1", "trainer.max_epochs=3", "data.batches_per_epoch=200")
    for name in ("metrics.csv", "losses.csv"):
        assert (sweep / "1" / name).read_text() == (tmp_path / name).read_text()
    weights = [
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in (sweep / "1", tmp_path)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    ended = read_ended(sweep)
    # What a sweeper gets of a job that was skipped, from the eight digits in its metrics.csv.
    assert ended[2].value == pytest.approx(ended[0].value, rel=1e-7)
    last = list(csv.DictReader(rows(sweep / "0")))[-1]
    assert ended[2].value == float(last["coverage/letters"])


@pytest.fixture
def folder_of(toy_run, tmp_path):
    """A job's folder in some state, and its config."""

    def make(*overrides: str):
        directory = tmp_path / "sweep" / "3"
        with contextlib.suppress(ArithmeticError, SystemExit):
            toy_run(directory, *overrides)
        return directory, OmegaConf.load(directory / "config.yaml")

    return make


def test_a_finished_job_is_skipped_with_its_value(toy_run, tmp_path):
    directory = tmp_path / "0"
    value = toy_run(directory, "trainer.max_epochs=2")
    before = digest(directory)
    left = take_up(OmegaConf.load(directory / "config.yaml"), directory)
    assert (left.finished, left.note) == (True, "before")
    assert left.value == pytest.approx(value, rel=1e-7)
    assert digest(directory) == before


@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "killed"])
def test_an_interrupted_job_goes_on_from_its_checkpoint(folder_of, killed):
    directory, cfg = folder_of("gan.stop_at=10")
    if killed:
        (directory / "summary.json").unlink()
    before = digest(directory)
    left = take_up(cfg, directory)
    assert (left.finished, left.note) == (False, "resumed")
    assert left.cfg.ckpt_path == str(directory / "checkpoints/last.ckpt")
    assert digest(directory) == before
    # Once more, with the checkpoint in its config: that is no other config.
    OmegaConf.save(left.cfg, directory / "config.yaml")
    assert take_up(cfg, directory).note == "resumed"


@pytest.mark.parametrize(
    ("overrides", "cut"),
    [(["gan.stop_at=3"], False), (["gan.stop_at=10"], True), (["gan.fail_at=10"], False)],
    ids=["no checkpoint yet", "a checkpoint cut short", "failed"],
)
def test_what_begins_anew_sets_aside_what_there_was(folder_of, overrides, cut):
    directory, cfg = folder_of(*overrides)
    if cut:
        checkpoint = directory / "checkpoints/last.ckpt"
        checkpoint.write_bytes(checkpoint.read_bytes()[:-40])
    before = digest(directory)
    for number in (1, 2):
        left = take_up(cfg, directory)
        assert (left.finished, left.note, left.cfg) == (False, "once more", cfg)
        assert list(directory.iterdir()) == []
        aside = directory.parent / "earlier" / f"3-{number}"
        assert digest(aside) == before
        shutil.copytree(aside, directory, dirs_exist_ok=True)


def test_a_run_of_another_config_is_refused_and_left_as_it_is(folder_of):
    directory, cfg = folder_of("trainer.max_epochs=1")
    before = digest(directory)
    cfg.gan.lr = 0.5
    with pytest.raises(ValueError, match=r"another config: gan\.lr is 0\.01 there and 0\.5 here"):
        take_up(cfg, directory)
    del cfg["glance"]
    cfg.gan.lr = 0.01
    with pytest.raises(ValueError, match="glance is not here"):
        take_up(cfg, directory)
    assert digest(directory) == before


def test_two_processes_are_not_at_work_in_one_folder(tmp_path):
    with alone_in(tmp_path / "0"):
        # Locks are of an open file, so that this process is refused as another would be.
        with pytest.raises(ValueError, match="another process is at work in"):
            with alone_in(tmp_path / "0"):
                pass
        with alone_in(tmp_path / "1"):
            pass
    with alone_in(tmp_path / "0"):
        pass


def hydra_config(*overrides: str, app: str = "fontgan"):
    """A sweep's config as Hydra hands it to its callbacks."""
    GlobalHydra.instance().clear()
    initialize_config_module("conf", version_base="1.3")
    own = [o for o in overrides if o.startswith("hydra")]
    cfg = compose(app, [*own, "hydra.mode=MULTIRUN"], return_hydra_config=True)
    cfg.hydra.overrides.task = [o for o in overrides if o not in own]
    return cfg


def test_the_jobs_of_a_sweep_are_those_that_hydra_runs():
    jobs = jobs_of(hydra_config("+experiment=vanilla,fixed", "seed=range(1,3)", "name=x"))
    assert jobs == [
        ["+experiment=vanilla", "seed=1", "name=x"],
        ["+experiment=vanilla", "seed=2", "name=x"],
        ["+experiment=fixed", "seed=1", "name=x"],
        ["+experiment=fixed", "seed=2", "name=x"],
    ]


def test_a_folder_is_for_one_sweep_which_may_grow(tmp_path, capsys):
    def started(*overrides: str, app: str = "fontgan") -> None:
        begin(hydra_config(f"hydra.sweep.dir={tmp_path}", *overrides, app=app))
        sweep = begun()
        assert sweep is not None
        sweep.lock.close()

    started("seed=1,2", "name=x")
    started("name=x", "seed=1,2")
    started("seed=1,2,3", "name=x")
    before = digest(tmp_path)
    for overrides, app, said in (
        (["seed=1,2,4", "name=x"], "fontgan", "job 2 has seed=3 there and seed=4 here"),
        (["seed=1,2,3"], "fontgan", "job 0 has name=x there and nothing here"),
        (["seed=1,2", "name=x"], "fontgan", "it has 3 jobs, this one 2"),
        (["seed=1,2,3", "name=x"], "drumvae", "it is of fontgan, not of drumvae"),
    ):
        with pytest.raises(ValueError, match=f"folder of another sweep: {said}"):
            started(*overrides, app=app)
    assert digest(tmp_path) == before
    assert [job[0] for job in json.loads((tmp_path / "sweep.json").read_text())["jobs"]] == [
        "seed=1",
        "seed=2",
        "seed=3",
    ]


def test_a_line_says_how_a_job_ended(capsys):
    tell(Ended(8, "finished", "", "letters 26/26", None, 26.0, 71.4), ("seed=1", 8, 10))
    tell(Ended(9, "finished", "before", "letters 25/26", None, 25.0, 0.1), ("seed=2", 8, 10))
    tell(Ended(0, "failed", "once more", "", "no such font", None, 9300.0), ("gan=x", 0, 0))
    assert capsys.readouterr().out.splitlines() == [
        " 9/10  seed=1    finished  letters 26/26  71 s",
        "10/10  seed=2    finished  (before)  letters 25/26",
        "1  gan=x  failed    (once more)  no such font  2 h 35 min",
    ]


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local", "submitit_slurm", "ray"])
def test_launchers_compose(launcher):
    plugin = f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher"
    if launcher != "basic" and not (find_spec("hydra_plugins") and find_spec(plugin)):
        pytest.skip(f"{plugin} is not installed")
    cfg = hydra_config(f"hydra/launcher={launcher}", "seed=1,2")
    assert cfg.hydra.runtime.choices["hydra/launcher"] == launcher
    assert cfg.hydra.launcher._target_.endswith("Launcher")


@pytest.mark.slow
def test_two_jobs_at_a_time_are_stopped_together_and_go_on(start, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher")
    arguments = [
        *("-m", "seed=0,1,2,3", "trainer.max_epochs=6", "data.batches_per_epoch=300"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=sweep"),
    ]
    process = start(tmp_path, "fontgan", *arguments)
    stop_when(process, tmp_path / "sweep/1/checkpoints/last.ckpt", signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert sorted(outcomes(tmp_path / "sweep")) == [(0, "stopped", ""), (1, "stopped", "")]
    for job in "01":
        found = json.loads((tmp_path / "sweep" / job / "summary.json").read_text())
        assert (found["status"], found["error"]) == ("interrupted", "stopped by SIGTERM")
    again = start(tmp_path, "fontgan", *arguments)
    again.communicate(timeout=300)
    assert again.returncode == 0
    assert sorted(outcomes(tmp_path / "sweep")[2:]) == [
        *((0, "finished", "resumed"), (1, "finished", "resumed")),
        *((2, "finished", ""), (3, "finished", "")),
    ]
    assert [len(rows(tmp_path / "sweep" / job)) for job in "0123"] == [7] * 4


@pytest.mark.slow
def test_five_schedules_and_two_seeds_each_run_once_however_they_are_stopped(start, tmp_path):
    process = start(tmp_path, "drumvae", *DRUMS, "hydra.sweep.dir=sweep")
    stop_when(process, tmp_path / "sweep/4/checkpoints/last.ckpt", signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT
    sweep = tmp_path / "sweep"
    first = outcomes(sweep)
    assert first == [*((n, "finished", "") for n in range(4)), (4, "stopped", "")]
    finished = {n: digest(sweep / str(n)) for n in range(4)}
    again = start(tmp_path, "drumvae", *DRUMS, "hydra.sweep.dir=sweep")
    out, err = again.communicate(timeout=500)
    assert (again.returncode, err) == (0, "")
    assert outcomes(sweep)[5:] == [
        *((n, "finished", "before") for n in range(4)),
        (4, "finished", "resumed"),
        *((n, "finished", "") for n in range(5, 10)),
    ]
    assert {n: digest(sweep / str(n)) for n in range(4)} == finished
    # Ten jobs, ten runs of two epochs each, no two of them alike.
    assert [len(rows(sweep / str(n))) for n in range(10)] == [3] * 10
    assert len({(sweep / str(n) / "metrics.csv").read_text() for n in range(10)}) == 10
    lines = out.splitlines()
    assert lines[5].startswith(" 5/10  annealing=linear seed=1      finished  (resumed)  z_high ")
    assert len(lines) == 13
