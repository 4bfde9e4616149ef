"""W&B's own sweeps, composed as an agent would run them."""

import os
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

CONF = Path(__file__).parents[2] / "conf"
SWEEPS = sorted((CONF / "wandb_sweeps").glob("*.yml"))


def samples(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The corners of the space: all least, all most, and every listed value once."""
    ends = {
        name: entry.get("values") or [entry["min"], entry["max"]]
        for name, entry in parameters.items()
    }
    most = max(map(len, ends.values()))
    return [{name: values[i % len(values)] for name, values in ends.items()} for i in range(most)]


def command(sweep: dict[str, Any], sample: dict[str, Any]) -> list[str]:
    """What an agent runs, its macros filled in as W&B's documentation says."""
    macros = {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": ["python"],
        "${program}": [sweep["program"]],
        "${args_no_hyphens}": [f"{name}={value}" for name, value in sample.items()],
    }
    return [*chain.from_iterable(macros.get(word, [word]) for word in sweep["command"])]


@pytest.fixture(params=SWEEPS, ids=lambda path: path.stem)
def sweep(request) -> dict[str, Any]:
    return yaml.safe_load(request.param.read_text())


def test_there_is_one_for_each_domain():
    assert [path.stem for path in SWEEPS] == ["drumvae", "fontgan"]


def test_an_agent_runs_what_is_meant(sweep, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    app = sweep["program"].removesuffix(".train")
    assert app == sweep["name"]
    for sample in samples(sweep["parameters"]):
        words = command(sweep, sample)
        assert words[:4] == ["/usr/bin/env", "python", "-m", f"{app}.train"]
        with initialize_config_module("conf", version_base="1.3"):
            cfg = compose(app, words[4:], return_hydra_config=True)
        assert cfg.app == app
        # Hydra refuses a key that is not there, so each is one of the recipe's.
        assert {name: OmegaConf.select(cfg, name) for name in sample} == sample
        # Runs that start in the same second have folders of their own.
        assert cfg.hydra.run.dir == f"outputs/{app}/sweeps/s1/r1"


def test_wandb_fills_in_the_macros_likewise(sweep):
    sample = samples(sweep["parameters"])[0]
    words = create_sweep_command([*sweep["command"]])
    arguments = create_sweep_command_args({"args": {k: {"value": v} for k, v in sample.items()}})
    filled = {"env": ["/usr/bin/env"], "interpreter": ["python"], "program": [sweep["program"]]}
    filled["args_no_hyphens"] = arguments["args_no_hyphens"]
    # An agent looks for macros that are whole words; anything else is for Hydra to resolve.
    expanded = [
        filled[word[2:-1]] if word.startswith("${") and word.endswith("}") else [word]
        for word in words
    ]
    assert [*chain.from_iterable(expanded)] == command(sweep, sample)


def test_it_looks_at_a_validation_measure_in_the_right_direction(sweep):
    app = sweep["name"]
    (chosen,) = [w for w in sweep["command"] if w.startswith("optimized_metric=")]
    measure = chosen.partition("=")[2]
    listed = Path(__file__).parents[1] / "callbacks" / "logged" / f"{app}.txt"
    assert {measure, "objective"} <= set(listed.read_text().split())
    assert sweep["metric"]["name"] == "objective"
    with initialize_config_module("conf", version_base="1.3"):
        headline = compose(app).headline
    directions = {"collapse/health": "max", **headline}
    assert sweep["metric"]["goal"] == {"max": "maximize", "min": "minimize"}[directions[measure]]


def test_settings_are_keys_below_a_group(sweep):
    # W&B locks what it has chosen: a whole group of the config would be replaced by its name.
    assert all("." in name for name in sweep["parameters"])
    assert "project" in sweep  # or W&B asks, or makes one up
    assert os.path.basename(sweep["program"]) == sweep["program"]
