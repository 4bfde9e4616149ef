import hashlib
import json
import math
import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from conf.sweep_folder import alone_in


def digest(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def summary(directory: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((directory / "summary.json").read_text(), parse_constant=refuse)


def assert_same(one, other) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def assert_same_run(one: Path, other: Path) -> None:
    states = [torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (one, other)]
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "random_state", "epoch"):
        assert_same(states[0][key], states[1][key])
    for name in ("metrics.csv", "losses.csv"):
        assert (one / name).read_text() == (other / name).read_text()


def test_a_finished_run_describes_itself(toy_run, tmp_path):
    returned = toy_run(tmp_path, "trainer.max_epochs=3", "seed=5")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "losses.csv",
        "metrics.csv",
        "summary.json",
    ]
    found = summary(tmp_path)
    assert list(found) == [
        *("status", "error", "command", "ended", "seed", "final", "best", "floor", "ceiling"),
        *("verdict", "seconds", "batches", "versions", "data", "judge"),
    ]
    ago = datetime.now().astimezone() - datetime.fromisoformat(found["ended"])
    assert timedelta(0) <= ago < timedelta(minutes=10)
    assert (found["status"], found["error"], found["seed"]) == ("finished", None, 5)
    assert found["batches"] == 21
    # The test measures, where NaN has no place in JSON; and what the measuring callback knows.
    assert found["final"] == {"coverage/letters": 7.0, "coverage/any": None}
    assert found["floor"] == {"coverage/letters": 0.0}
    assert found["ceiling"] == {"coverage/letters": 26.0, "coverage/kl": None}
    assert (found["data"], found["judge"], found["verdict"]) == ("toy-data", None, None)
    assert found["versions"]["torch"] == torch.__version__
    assert found["command"].startswith("python -m fontgan.train ")
    assert "seed=5" in found["command"]
    # Best is the best validation row, and what a sweeper gets is the last one: never a test value.
    lines = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().split()]
    letters = [float(line[lines[0].index("coverage/letters")]) for line in lines[1:]]
    assert found["best"]["coverage/letters"] == pytest.approx(max(letters), rel=1e-6)
    assert returned == pytest.approx(letters[-1], rel=1e-6)


def test_config_is_written_resolved(toy_run, tmp_path):
    toy_run(tmp_path, "trainer.max_epochs=1", "gan.lr=0.5")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["gan"] == OmegaConf.to_container(OmegaConf.create(config["gan"]), resolve=True)
    assert "${" not in (tmp_path / "config.yaml").read_text()
    assert (config["name"], config["app"], config["gan"]["lr"]) == ("toy", "fontgan", 0.5)


def test_same_seed_same_bits_and_another_seed_others(toy_run, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        toy_run(tmp_path / name, "trainer.max_epochs=1", f"seed={seed}")
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a/losses.csv").read_text() != (tmp_path / "c/losses.csv").read_text()


def test_a_resumed_run_equals_one_never_stopped(toy_run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    toy_run(whole, "trainer.max_epochs=4")
    toy_run(parts, "trainer.max_epochs=2")
    seconds = summary(parts)["seconds"]
    checkpoint = parts / "checkpoints/last.ckpt"
    toy_run(parts, "trainer.max_epochs=4", f"ckpt_path={checkpoint}")
    assert_same_run(whole, parts)
    assert summary(parts)["batches"] == 28
    assert summary(parts)["seconds"] > seconds / 2


def test_a_run_stopped_after_its_last_epoch_keeps_what_it_measured(toy_run, tmp_path):
    value = toy_run(tmp_path / "run", "trainer.max_epochs=2")
    best, rows = summary(tmp_path / "run")["best"], (tmp_path / "run/metrics.csv").read_text()
    assert value is not None and best
    (tmp_path / "run/summary.json").unlink()
    last = f"ckpt_path={tmp_path}/run/checkpoints/last.ckpt"
    assert toy_run(tmp_path / "run", "trainer.max_epochs=2", last) == pytest.approx(value, rel=1e-7)
    assert summary(tmp_path / "run")["best"] == pytest.approx(best, rel=1e-7)
    assert (tmp_path / "run/metrics.csv").read_text() == rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_run_resumes_from_its_last_epoch(toy_run, tmp_path, number):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    toy_run(whole, "trainer.max_epochs=3")
    before = signal.signal(number, signal.SIG_DFL)  # under nohup a hang-up is ignored
    with pytest.raises(SystemExit) as stop:
        toy_run(parts, "trainer.max_epochs=3", "gan.stop_at=18", f"gan.signal={number:d}")
    signal.signal(number, before)
    assert stop.value.code == 128 + number
    assert summary(parts)["status"] == "interrupted"
    assert summary(parts)["error"] == f"stopped by {number.name}"
    # A block of the unfinished third epoch was written down, and goes when that epoch runs again.
    assert "\n2,17," in (parts / "losses.csv").read_text()
    toy_run(parts, "trainer.max_epochs=3", f"ckpt_path={parts}/checkpoints/last.ckpt")
    assert_same_run(whole, parts)
    assert summary(parts)["status"] == "finished"


def test_a_failed_run_keeps_what_it_has_and_says_why(toy_run, tmp_path):
    with pytest.raises(ArithmeticError):
        toy_run(tmp_path, "trainer.max_epochs=3", "gan.fail_at=10")
    found = summary(tmp_path)
    assert (found["status"], found["error"]) == ("failed", "ArithmeticError: the toy broke")
    assert found["final"] == {}
    assert "coverage/letters" in found["best"]
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 2
    assert (tmp_path / "checkpoints/last.ckpt").is_file()
    assert "the toy broke" in (tmp_path / "traceback.txt").read_text()


def test_a_part_that_cannot_be_built_is_a_failed_run(toy_run, tmp_path):
    with pytest.raises(Exception, match="width is 0"):
        toy_run(tmp_path, "gan.width=0")
    assert summary(tmp_path)["error"] == "gan: width is 0, it must be at least 1"
    # Nothing was trained, so the same folder may be used again.
    toy_run(tmp_path, "trainer.max_epochs=1")
    assert summary(tmp_path)["status"] == "finished"
    assert not (tmp_path / "traceback.txt").exists()


def test_a_folder_in_which_another_process_is_at_work_is_left_alone(toy_run, tmp_path):
    with alone_in(tmp_path / "run"), pytest.raises(ValueError, match="another process is at work"):
        toy_run(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    toy_run(tmp_path / "run", "trainer.max_epochs=1")


def test_another_run_in_the_same_folder_is_refused(toy_run, tmp_path):
    toy_run(tmp_path / "a", "trainer.max_epochs=1")
    toy_run(tmp_path / "b", "trainer.max_epochs=1")
    before = digest(tmp_path)
    with pytest.raises(ValueError, match="holds a run already"):
        toy_run(tmp_path / "a", "trainer.max_epochs=1")
    with pytest.raises(ValueError, match="holds a run already"):
        toy_run(tmp_path / "a", f"ckpt_path={tmp_path}/b/checkpoints/last.ckpt")
    assert digest(tmp_path) == before


BROKEN = {
    "cut in half": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data[:-40],
    "empty": lambda data: b"",
    "no checkpoint": lambda data: b"loss,epoch\n",
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_checkpoint_leaves_the_run_as_it_was(toy_run, tmp_path, damage):
    toy_run(tmp_path, "trainer.max_epochs=1")
    broken = tmp_path / "checkpoints/last.ckpt"
    broken.write_bytes(damage(broken.read_bytes()))
    before = digest(tmp_path)
    with pytest.raises(ValueError, match=r"last\.ckpt cannot be read as a checkpoint"):
        toy_run(tmp_path, "trainer.max_epochs=2", f"ckpt_path={broken}")
    assert digest(tmp_path) == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gan._target_=toy_gan.OtherGAN", r"checkpoint of toy_gan\.ToyGAN.*toy_gan\.OtherGAN"),
        ("gan.width=5", r"another model: generator\.0\.bias is \(3,\) there and \(5,\) here"),
        ("trainer.max_epochs=1", r"2 epochs old and trainer\.max_epochs=1"),
    ],
)
def test_a_checkpoint_that_does_not_fit_leaves_the_run_as_it_was(
    toy_run, tmp_path, override, message
):
    toy_run(tmp_path, "trainer.max_epochs=2")
    before = digest(tmp_path)
    with pytest.raises(ValueError, match=message):
        checkpoint = f"ckpt_path={tmp_path}/checkpoints/last.ckpt"
        toy_run(tmp_path, "trainer.max_epochs=3", checkpoint, override)
    assert digest(tmp_path) == before


def test_weights_alone_cannot_be_resumed(toy_run, tmp_path):
    toy_run(tmp_path, "trainer.max_epochs=1", "+callbacks.checkpoint.save_weights_only=true")
    with pytest.raises(ValueError, match="holds no optimizer_states"):
        toy_run(tmp_path, f"ckpt_path={tmp_path}/checkpoints/last.ckpt")


def test_a_missing_checkpoint_is_named(toy_run, tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at nowhere"):
        toy_run(tmp_path, "ckpt_path=nowhere.ckpt")


@pytest.mark.parametrize(
    "override",
    ["seed=-1", "seed=1.5", "seed=null", "trainer.max_epochs=ten", "trainer.max_epochs=0"],
)
def test_a_wrong_value_is_named(toy_run, tmp_path, override):
    key, value = override.split("=")
    with pytest.raises(ValueError, match=f"{key} is .*{value.replace('null', 'None')}"):
        toy_run(tmp_path, override)


def test_a_sweep_over_several_devices_is_refused(toy_run, tmp_path):
    with pytest.raises(ValueError, match="a sweep with 2 processes in a job is refused"):
        toy_run(tmp_path, "hydra.mode=MULTIRUN", "trainer.devices=2")
    assert summary(tmp_path)["status"] == "failed"


def test_the_last_checkpoint_is_kept_by_the_default_callbacks(toy_run, tmp_path):
    # conf/callbacks/fontgan.yaml, less what measures letters.
    letters = (
        "mode_coverage",
        "collapse_verdict",
        "letter_histogram",
        "sample_grid",
        "gradient_balance",
    )
    left_out = [f"~callbacks.{name}" for name in (*letters, "progress_bar")]
    toy_run(tmp_path, "callbacks=fontgan", *left_out, "trainer.max_epochs=2")
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "epoch=001.ckpt",
        "last.ckpt",
    ]


def test_callbacks_can_be_left_out_one_by_one(toy_run, tmp_path):
    assert toy_run(tmp_path, "trainer.max_epochs=1", "~callbacks.run_summary") is None
    assert not (tmp_path / "metrics.csv").exists()
    assert summary(tmp_path)["status"] == "finished"
    assert math.isfinite(summary(tmp_path)["final"]["coverage/letters"])
