"""An error in a user's words: one line that names the bad value and the way out."""

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

EXPERIMENTS = Path(__file__).parent / "experiment"
DATA = Path(__file__).parent / "data"
APPS = ("fontgan", "drumvae")

# Errors that speak to the user already; any other kind is a surprise, and its type is part of it.
EXPECTED = (ValueError, OSError, HydraException, OmegaConfBaseException)
FLAGS = (
    *("help", "hydra-help", "version", "cfg", "resolve", "package", "run", "multirun", "info"),
    *("shell-completion", "config-path", "config-name", "config-dir", "experimental-rerun"),
)
"""Hydra's, without their dashes."""


def one_line(error: BaseException) -> str:
    """Tell an error in one line, the key that caused it first where one is known."""
    key = ""
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        found = re.search(r"full_key: (\S+)", str(error))
        key = f"{found[1]}: " if found else ""
        error = error.__cause__
    if isinstance(error, MissingMandatoryValue):
        missing = re.search(r"full_key: (\S+)", str(error))
        if missing:
            value = "[FOLDER]" if missing[1].endswith("dirs") else "VALUE"
            return f"{missing[1]} is not set; add '{missing[1]}={value}'"
    if isinstance(error, OSError) and error.strerror and error.filename:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = " ".join(str(error).split())
    if not isinstance(error, EXPECTED) or not text:
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return key + text


def composition_error(error: Exception, app: str, arguments: Sequence[str]) -> str:
    """Tell what is wrong with a command line that Hydra could not compose into a config.

    Args:
        error: what Hydra raised.
        app: the root config, `fontgan` or `drumvae`.
        arguments: the command line, without the program.
    """
    text = str(error)
    if isinstance(error, MissingConfigException):
        missing = re.search(r"Could not find '(?:(?P<group>[^']+)/)?(?P<name>[^'/]+)'", text)
        if missing and missing["group"]:
            return _unknown_choice(missing["group"], missing["name"], error.options or (), app)
    if group := re.search(r"Could not override '([^']+)'\.\s+No match in the defaults list", text):
        if group[1] == "experiment":
            return "experiments are added with a plus: +experiment=NAME"
        known = [name for name in _groups() if name != group[1]]
        owner = next((a for a in APPS if a != app and f"- {group[1]}:" in _root(a)), None)
        hint = f"; it belongs to {owner}" if owner else _suggestion(group[1], known)
        return f"{app} has no group {group[1]!r}{hint}"
    if key := re.search(r"Could not (?:override|delete from config\.) '?([^'\s]+)'", text):
        return (
            f"no key {key[1]!r} in this config{_suggestion(key[1], _keys(app, arguments, key[1]))} "
            f"(--cfg job prints all of them, +{key[1]}=VALUE adds a new one)"
        )
    if isinstance(error, OverrideParseException):
        if "=" not in str(error.override):
            return (
                f"cannot read the argument {error.override!r}: arguments are KEY=VALUE, such as "
                "seed=1 (--help shows more)"
            )
        key = str(error.override).partition("=")[0]
        return (
            f"cannot read the value of {error.override!r}: in quotes anything can be read, "
            f"""{key}='"VALUE"'"""
        )
    if ambiguous := re.search(r"Ambiguous value for argument '([^=]+)=([^']*)'", text):
        key, value = ambiguous.groups()
        return (
            f"{key}={value} holds several values: write {key}=[{value}] for a list, "
            f"""{key}='"{value}"' for a text, and add -m for a run of each"""
        )
    cause = error.__cause__
    return one_line(error) if text or cause is None else one_line(cause)


def experiments(app: str) -> list[str]:
    """Name the experiments that belong to `app`, by the `app:` in each file."""
    return [path.stem for path in sorted(EXPERIMENTS.glob("*.yaml")) if _app_of(path) == app]


def check_flags(arguments: Sequence[str]) -> None:
    """Refuse `--key value`: keys are set without dashes, and a parser would only list its flags.

    Raises:
        ValueError: a flag that Hydra does not know.
    """
    for here, then in pairwise([*arguments, ""]):
        asked = re.fullmatch(r"--([\w.-]+)(=.*)?", here)
        if asked and asked[1] == "experiment":
            raise ValueError("experiments are added with a plus: +experiment=NAME")
        if asked and not any(flag.startswith(asked[1]) for flag in FLAGS):
            value = asked[2] or f"={'VALUE' if not then or then.startswith('-') else then}"
            raise ValueError(
                f"no flag --{asked[1]}; keys are set without dashes: "
                f"{asked[1].replace('-', '_')}{value}"
            )


def check_seed(cfg: DictConfig) -> None:
    """Refuse a seed from which no chance can begin.

    Raises:
        ValueError: it is no whole number, or a negative one.
    """
    seed = cfg.get("seed")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed is {seed!r}, it must be a whole number from 0 up")


def check_domain(arguments: Sequence[str], app: str) -> None:
    """Refuse `+experiment=NAME` and `data=NAME` where NAME belongs to the other domain.

    Asked before Hydra composes: it would only report that a group or a key is missing.

    Raises:
        ValueError: it belongs to another command, which the message names.
    """
    domain = app.partition("_")[0]
    for argument in arguments:
        asked = re.fullmatch(r"\+{0,2}experiment=(.+)", argument)
        for name in asked[1].split(",") if asked else []:
            path = EXPERIMENTS / f"{name.strip()}.yaml"
            if path.is_file() and (owner := _app_of(path)) not in (app, None):
                raise ValueError(
                    f"experiment {path.stem!r} belongs to {owner}: "
                    f"python -m {owner}.train +experiment={path.stem}"
                )
        asked = re.fullmatch(r"data=(.+)", argument)
        for name in asked[1].split(",") if asked else []:
            owners = {path.stem: _owner(path) for path in sorted(DATA.glob("*.yaml"))}
            if owners.get(name.strip(), domain) != domain:
                known = ", ".join(stem for stem, owner in owners.items() if owner == domain)
                raise ValueError(
                    f"data={name.strip()} belongs to {owners[name.strip()]}; {domain} has {known}"
                )


def _app_of(path: Path) -> str | None:
    config = OmegaConf.load(path)
    return config.get("app") if isinstance(config, DictConfig) else None


def _owner(path: Path) -> str:
    """The domain of data, by the package of what its config makes."""
    config = OmegaConf.load(path)
    target = config.get("_target_") if isinstance(config, DictConfig) else None
    return str(target).partition(".")[0]


def _root(app: str) -> str:
    return (EXPERIMENTS.parent / f"{app}.yaml").read_text(encoding="utf-8")


def _unknown_choice(group: str, name: str, options: Iterable[str], app: str) -> str:
    choices = experiments(app) if group == "experiment" else sorted(options)
    known = ", ".join(choices) or "none"
    return f"no {group} {name!r}{_suggestion(name, choices)} (there are: {known})"


def _groups() -> list[str]:
    return [path.name for path in EXPERIMENTS.parent.iterdir() if any(path.glob("*.yaml"))]


def _keys(app: str, arguments: Sequence[str], wrong: str) -> list[str]:
    """List every dotted key of the config that the other arguments make, or else of the default."""
    own = [Path(b).absolute() for a, b in pairwise(arguments) if a in ("--config-dir", "-cd")]
    searched = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in own)}]"]
    others = [a for a in arguments if "=" in a and a.lstrip("+~").partition("=")[0] != wrong]
    for overrides in (others, []):
        GlobalHydra.instance().clear()
        try:
            with initialize_config_module("conf", version_base="1.3"):
                config = compose(app, overrides=searched + overrides)
        except (HydraException, OmegaConfBaseException):
            continue
        return list(_dotted(OmegaConf.to_container(config, resolve=False)))
    return []


def _dotted(node: object, prefix: str = "") -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def _suggestion(wrong: str, known: Sequence[str]) -> str:
    """Offer the nearest known name: the same last part elsewhere, else a likely slip."""
    last = wrong.rpartition(".")[2]
    near = [key for key in known if key.rpartition(".")[2] == last]
    near = near or difflib.get_close_matches(wrong, known, n=1, cutoff=0.6)
    if not near:
        leaves = {key.rpartition(".")[2]: key for key in known}
        near = [leaves[leaf] for leaf in difflib.get_close_matches(last, leaves, n=1, cutoff=0.75)]
    return f"; did you mean {near[0]!r}?" if near else ""
