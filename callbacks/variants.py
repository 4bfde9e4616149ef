"""Runs sorted into variants, one run for each seed.

Two runs are of one variant if their configs agree but for the seed. What only watches a run
(callbacks), where it computes and where it goes makes no variant, unless somebody typed it on the
command line of a run and not of another.
"""

import contextlib
import difflib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callbacks.run_directory import RunDirectory, read_run
from callbacks.variant_names import Feature, label, name_variants

NO_VARIANT = (
    "app", "ckpt_path", "data.cache", "data.workers", "glance", "headline", "hydra", "logger",
    "optimized_metric", "seed", "trainer.accelerator", "trainer.enable_", "trainer.log_every_n",
)  # fmt: skip
"""Keys, or beginnings of keys, that make no variant."""


@dataclass(frozen=True)
class Recipe:
    """How a model was made.

    Attributes:
        seed: of its run.
        config: dotted key -> value, a list as text; without what makes no variant.
        typed: the overrides of its command, dotted key -> text, likewise.
    """

    seed: int | None
    config: dict[str, Any]
    typed: dict[str, str]


@dataclass(frozen=True)
class Variant:
    """Runs that differ in nothing but their seeds.

    Attributes:
        name: tells it from the other variants.
        runs: in the order of their seeds.
        seeds: of the runs.
    """

    name: str
    runs: tuple[RunDirectory, ...]
    seeds: tuple[int | None, ...]


def sort_into_variants(runs: Sequence[RunDirectory], by: Sequence[str] = ()) -> list[Variant]:
    """Sort runs into variants, in the order in which the first run of each is given.

    Args:
        runs: of one domain.
        by: config keys that alone make the variants; without any, whatever differs does.

    Raises:
        ValueError: no run has such a key, or it is a whole group.
    """
    recipes = [recipe(run) for run in runs]
    values = _chosen(recipes, by) if by else _differing(recipes)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number in range(len(runs)):
        key = tuple(column[number] for column in values.values())
        groups.setdefault(key, []).append(number)
    members = [[recipes[number] for number in group] for group in groups.values()]
    if by:
        columns = zip(*groups, strict=True)
        chosen = [Feature(key, column) for key, column in zip(by, columns, strict=True)]
        names = [label(chosen, number) or "default" for number in range(len(groups))]
    else:
        names = name_variants(
            [str(group[0].config.get("name")) for group in members], _features(members, values)
        )
    found = []
    for name, group in zip(names, groups.values(), strict=True):
        group.sort(key=lambda number: (recipes[number].seed is None, recipes[number].seed or 0))
        seeds = tuple(recipes[number].seed for number in group)
        found.append(Variant(name, tuple(runs[number] for number in group), seeds))
    return found


def trained_run(run: RunDirectory) -> RunDirectory:
    """The run that an evaluation has measured, as far as it is still there; else the run itself."""
    if checkpoint := run.summary.get("measured"):
        # It may be named from where the evaluation was run: the folder that its own outputs are in.
        for start in (Path(), *run.path.resolve().parents):
            # Not so where it has measured somebody's pictures: they speak for themselves.
            with contextlib.suppress(OSError, ValueError):
                return read_run((start / checkpoint).parent.parent)
    return run


def watched(run: RunDirectory) -> RunDirectory:
    """The run whose epochs go with a run's numbers: that which an evaluation has measured alike."""
    of = trained_run(run)
    alike = all(of.summary.get(key) == run.summary.get(key) for key in ("data", "judge"))
    return of if alike else run


def recipe(run: RunDirectory) -> Recipe:
    """How the model of a run was made; for an evaluation, in the run that it measured."""
    run = trained_run(run)
    config = {key: value for key, value in _flat(run.config) if not key.startswith(NO_VARIANT)}
    words = shlex.split(run.summary.get("command") or "")
    typed = {}
    for word in words:
        key, equals, value = word.lstrip("+").partition("=")
        # What takes a callback away (~) changes no model.
        if equals and not key.startswith(("~", *NO_VARIANT)):
            typed[key] = value
    return Recipe(run.seed, config, typed)


def _differing(recipes: Sequence[Recipe]) -> dict[str, list[Any]]:
    """Key -> its value in every recipe, of all that tells two of them apart."""
    config = dict.fromkeys(key for each in recipes for key in each.config)
    typed = dict.fromkeys(key for each in recipes for key in each.typed)
    # A key that a run lacks, being of an earlier version or another model, is as good as null.
    values = {k: [each.config.get(k) for each in recipes] for k in config if not _watches(k)}
    values |= {k: [each.typed.get(k) for each in recipes] for k in typed if _watches(k)}
    return {key: column for key, column in values.items() if len(set(column)) > 1}


def _chosen(recipes: Sequence[Recipe], keys: Sequence[str]) -> dict[str, list[Any]]:
    values = {}
    for key in keys:
        column = [each.config.get(key, each.typed.get(key)) for each in recipes]
        inside = [k for each in recipes for k in each.config if k.startswith(f"{key}.")]
        if inside and None in column:
            raise ValueError(f"--by {key} is a group of keys; name one of them, as {inside[0]}")
        if all(value is None for value in column):
            known = [*recipes[0].config, *recipes[0].typed]
            near = difflib.get_close_matches(key, known, n=1) or ["name"]
            raise ValueError(f"--by {key}: no run has such a key; did you mean {near[0]}?")
        values[key] = column
    return values


def _features(members: list[list[Recipe]], differing: dict[str, list[Any]]) -> list[Feature]:
    """What may name the variants beside `name`: what was typed, then other keys, short ones first.

    An experiment goes by its name, which it has in the config.
    """
    features = []
    for key in dict.fromkeys(key for group in members for each in group for key in each.typed):
        if key not in ("name", "experiment"):
            values = tuple(_value(key, group) for group in members)
            typed = all(key in each.typed for group in members for each in group)
            features.append(Feature(key, values, typed))
    for key in sorted(differing, key=len):
        if key != "name":
            features.append(Feature(key, tuple(_value(key, group) for group in members)))
    return features


def _value(key: str, group: list[Recipe]) -> Any:
    """The value of a key in a variant's config, else as one of its runs had it typed, else None."""
    for each in group:
        if key in each.config or key in each.typed:
            value = each.config.get(key, each.typed.get(key))
            return "null" if value is None else value
    return None


def _watches(key: str) -> bool:
    return key.startswith("callbacks") or key.rpartition(".")[2] == "seed"


def _flat(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key == "_target_":
            # A class is the same wherever a later version keeps it.
            yield f"{prefix}{key}", str(value).rpartition(".")[2]
        else:
            yield f"{prefix}{key}", str(value) if isinstance(value, list) else value
