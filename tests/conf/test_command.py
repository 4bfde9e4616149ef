import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from conf import errors

WANDB = Path(sys.executable).with_name("wandb")


def inspect(run: Path) -> list[dict]:
    """Read an offline W&B run back with W&B's own reader."""
    output = subprocess.run(
        [WANDB, "leet", "inspect", "--json", run / "wandb"],
        check=True,
        capture_output=True,
        text=True,
        cwd=run,
    )
    return [json.loads(line) for line in output.stdout.splitlines()]


def only(records: list[dict], kind: str) -> list[dict]:
    return [record[kind] for record in records if record["type"] == kind]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trainer.max_epoch=3"], "no key 'trainer.max_epoch'.* mean 'trainer.max_epochs'?"),
        (["sed=3"], "no key 'sed'.* mean 'seed'?"),
        (["max_epochs=3"], "no key 'max_epochs'.* mean 'trainer.max_epochs'?"),
        (["~callbacks.measur"], "no key 'callbacks.measur'.* mean 'callbacks.measure'?"),
        (["gan.widht=3"], "no key 'gan.widht'.* mean 'gan.width'?"),
        (["+experiment=nonesuch"], "no experiment 'nonesuch'"),
        (["experiment=fixed"], r"with a plus: \+experiment=NAME"),
        (["logger=wandbb"], "no logger 'wandbb'.* mean 'wandb'? .*csv, tensorboard, wandb"),
        (["--seed", "3"], "no flag --seed; keys are set without dashes: seed=3"),
        (["--max-epochs=3"], "no flag --max-epochs; .*without dashes: max_epochs=3"),
        (["--seed", "--cfg", "job"], "no flag --seed; .*without dashes: seed=VALUE"),
        (["+x=[1"], r"cannot read the value of '\+x=\[1': in quotes .*"),
        (["seed=1,2"], r"seed=1,2 holds several values: write seed=\[1,2\] for a list.*"),
        (["--experiment", "fixed"], r"with a plus: \+experiment=NAME"),
        (["hydra.run.dir=occupied/run"], r"cannot write the run's folder, occupied/run: Not a dir"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_code_2(train, tmp_path, arguments, said):
    (tmp_path / "occupied").write_text("a file where a folder should be")
    done = train(*arguments)
    assert done.returncode == 2
    assert re.fullmatch(f"error: .*{said}.*\n".replace("?", r"\?"), done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == ["occupied"]


@pytest.mark.parametrize("arguments", [[], ["seed=1"], ["--multirun"], ["--cfg", "job"], ["-m"]])
def test_arguments_without_unknown_flags_pass(arguments):
    errors.check_flags(arguments)


def test_an_error_in_a_job_is_one_line_and_exit_code_1(train):
    done = train("gan.width=0")
    assert (done.returncode, done.stderr) == (1, "error: gan: width is 0, it must be at least 1\n")


def test_the_traceback_comes_back_when_asked_for(train, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = train("sed=3")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_experiments_are_listed_by_domain_and_the_other_command_is_named(monkeypatch, tmp_path):
    for name, app in (("fixed", "fontgan"), ("smoke", "fontgan"), ("annealed", "drumvae")):
        (tmp_path / f"{name}.yaml").write_text(f"# @package _global_\napp: {app}\nname: {name}\n")
    monkeypatch.setattr(errors, "EXPERIMENTS", tmp_path)
    assert errors.experiments("fontgan") == ["fixed", "smoke"]
    assert errors.experiments("drumvae") == ["annealed"]
    with pytest.raises(ValueError, match=r"python -m drumvae\.train \+experiment=annealed"):
        errors.check_domain(["seed=1", "+experiment=fixed,annealed"], "fontgan")
    errors.check_domain(["+experiment=fixed", "+experiment=unknown"], "fontgan")
    unknown = errors.MissingConfigException("In 'fontgan': Could not find 'experiment/smok'")
    line = errors.composition_error(unknown, "fontgan", [])
    assert line == "no experiment 'smok'; did you mean 'smoke'? (there are: fixed, smoke)"


@pytest.mark.parametrize(
    ("arguments", "app", "said"),
    [
        (
            ["data=recipes"],
            "fontgan",
            "data=recipes belongs to drumvae; fontgan has builtin",
        ),
        (["data=fonts"], "drumvae_generate", "data=fonts belongs to fontgan; drumvae has factors"),
    ],
)
def test_data_of_the_other_domain_are_refused(arguments, app, said):
    with pytest.raises(ValueError, match=said):
        errors.check_domain(arguments, app)
    errors.check_domain(["data=fonts,report", "data.size=9", "data=unknown"], "fontgan")
    errors.check_domain(["data=groove"], "drumvae_evaluate")


def test_a_group_of_the_other_domain_is_named():
    error = errors.HydraException("Could not override 'annealing'. No match in the defaults list.")
    line = errors.composition_error(error, "fontgan", [])
    assert line == "fontgan has no group 'annealing'; it belongs to drumvae"
    error = errors.HydraException("Could not override 'anealing'. No match in the defaults list.")
    assert "did you mean 'annealing'" in errors.composition_error(error, "drumvae", [])


def test_what_must_be_given_is_asked_for():
    config = OmegaConf.create({"data": {"dirs": "???"}})
    with pytest.raises(MissingMandatoryValue) as caught:
        _ = config.data.dirs
    assert errors.one_line(caught.value) == "data.dirs is not set; add 'data.dirs=[FOLDER]'"


COMMANDS = {
    "fontgan": ("fontgan", "fontgan_evaluate", "fontgan_sample"),
    "drumvae": ("drumvae", "drumvae_evaluate", "drumvae_generate"),
}
OWN = {"fontgan": ("gan",), "drumvae": ("vae", "annealing")}


@pytest.mark.parametrize("domain", COMMANDS)
def test_help_lists_the_choices_of_its_domain_and_no_other(domain: str):
    folder = errors.EXPERIMENTS.parent

    def choices(domain: str) -> dict[str, set[str]]:
        data = {path.stem for path in errors.DATA.glob("*.yaml") if errors._owner(path) == domain}
        found = {"experiment": set(errors.experiments(domain)), "data": data}
        for group in ("trainer", "logger", *OWN[domain]):
            found[group] = {path.stem for path in (folder / group).glob("*.yaml")}
        return found

    mine = choices(domain)
    (other,) = {*COMMANDS} - {domain}
    theirs = set().union(*choices(other).values()) - set().union(*mine.values())
    for command in COMMANDS[domain]:
        text = yaml.safe_load((folder / f"{command}.yaml").read_text())["hydra"]["help"]["template"]
        groups = text.split("== Groups ==")[1].split("\n==")[0]
        words = set(re.findall(r"[a-z_]+", groups))
        for group in re.findall(r"^ {2}([a-z]+) ", groups, re.MULTILINE):
            assert mine.get(group, set()) <= words, (command, group)
        assert not theirs & words, command


def test_every_experiment_says_whose_it_is():
    owned = errors.experiments("fontgan") + errors.experiments("drumvae")
    assert sorted(owned) == sorted(path.stem for path in errors.EXPERIMENTS.glob("*.yaml"))


def test_help_needs_no_torch_and_explains_the_groups(train):
    code = "import sys, fontgan.train; print({'torch', 'lightning', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    shown = train("--help")
    assert shown.returncode == 0
    for group in ("gan", "data", "callbacks", "trainer", "logger", "experiment"):
        assert re.search(rf"^ +{group} ", shown.stdout, re.MULTILINE)
    assert shown.stdout.count("python -m fontgan.train +") + shown.stdout.count("train -m") >= 3


def test_a_sweep_has_a_wandb_run_for_each_job_and_fails_where_a_job_fails(train, tmp_path):
    # Without a key, a network or a terminal; the first failing job must not stop the others.
    done = train(
        *("-m", "gan.fail_at=10,-1", "seed=0,1", "trainer.max_epochs=2"),
        *("logger=wandb", "hydra.sweep.dir=sweep"),
    )
    assert done.returncode == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("error: job ")]
    assert [line[:12] for line in failed] == ["error: job 0", "error: job 1"]
    assert all("ArithmeticError: the toy broke" in line for line in failed)
    # One line a job, and what all of them have in common once.
    assert len(re.findall(r"^[1-4]/4  gan.fail_at=\S+ seed=\d  f", done.stdout, re.MULTILINE)) == 4
    assert done.stdout.count("upload with `wandb sync sweep/*/wandb/offline-run-*`") == 1
    assert len(done.stdout.splitlines()) == 7

    runs = [tmp_path / "sweep" / str(number) for number in range(4)]
    states = [json.loads((run / "summary.json").read_text())["status"] for run in runs]
    assert states == ["failed", "failed", "finished", "finished"]
    records = [inspect(run) for run in runs]
    started = [only(record, "run")[0] for record in records]
    assert len({run["run_id"] for run in started}) == 4
    assert {(run["project"], run["run_group"], run["job_type"]) for run in started} == {
        ("modekeeper", "sweep", "fontgan")
    }
    assert [run["display_name"] for run in started] == ["toy-0", "toy-1", "toy-0", "toy-1"]
    assert [only(record, "exit")[0].get("exit_code", 0) for record in records] == [1, 1, 0, 0]
    for run, record in zip(runs, records, strict=True):
        config: dict = {}
        for entry in only(record, "config"):
            config |= entry["update"]
        assert config["seed"] == yaml.safe_load((run / "config.yaml").read_text())["seed"]
        steps = {metric["step_metric"] for metric in only(record, "metric")[1:]}
        assert steps == {"epoch"}
    history = [entry["item"] for entry in only(records[2], "history")]
    rows = list(csv.DictReader((runs[2] / "metrics.csv").read_text().splitlines()))
    for row, item in zip(rows, history[:2], strict=True):
        assert int(row["epoch"]) == item["epoch"]
        assert float(row["coverage/letters"]) == pytest.approx(item["coverage/letters"], rel=1e-6)
