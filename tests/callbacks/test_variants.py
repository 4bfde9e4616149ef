import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from callbacks.run_directory import RunDirectory
from callbacks.variant_names import Feature, label, name_variants
from callbacks.variants import recipe, sort_into_variants


def run(
    seed: int, name: str = "fixed", typed: str = "", path: str = "run", **config: Any
) -> RunDirectory:
    """A run of a config with dotted keys (`gan__gamma=0.1`), and what was typed for it."""
    dotted = {key.replace("__", "."): value for key, value in config.items()}
    whole: Any = {"app": "fontgan", "name": name, "seed": seed, "data": {"seed": seed}}
    tree = OmegaConf.create(whole)
    for key, value in dotted.items():
        OmegaConf.update(tree, key, value)
    command = f"python -m fontgan.train {typed} seed={seed} logger=csv '~callbacks.progress_bar'"
    summary = {"status": "finished", "seed": seed, "command": command}
    plain: Any = OmegaConf.to_container(tree)
    return RunDirectory(Path(path), plain, summary, {}, {}, [])


def sorted_(*runs: RunDirectory, by: tuple[str, ...] = ()) -> dict[str, tuple[int | None, ...]]:
    return {variant.name: variant.seeds for variant in sort_into_variants(runs, by)}


def test_runs_that_differ_in_the_seed_alone_are_one_variant():
    found = sort_into_variants([run(3), run(1), run(2)])
    assert [(variant.name, variant.seeds) for variant in found] == [("fixed", (1, 2, 3))]
    assert [member.seed for member in found[0].runs] == [1, 2, 3]


def test_experiments_go_by_their_names_in_the_order_given():
    runs = [
        run(1, "vanilla", "+experiment=vanilla", gan__lr=2e-4, trainer__max_epochs=17),
        run(2, "fixed", "+experiment=fixed", gan__lr=1e-3, trainer__max_epochs=28),
        run(1, "fixed", "+experiment=fixed", gan__lr=1e-3, trainer__max_epochs=28),
    ]
    assert list(sorted_(*runs).items()) == [("vanilla", (1,)), ("fixed", (1, 2))]


def test_a_sweep_goes_by_what_was_swept():
    # `name` tells the schedules apart too, and so does what the choice put into the config.
    runs = [
        run(seed, f"recipes-{kind}", f"annealing={kind} vae.high=4", vae__annealing__end=end)
        for kind, end in (("none", 1.0), ("linear", 0.7))
        for seed in (1, 2)
    ]
    assert sorted_(*runs) == {"annealing=none": (1, 2), "annealing=linear": (1, 2)}


def test_what_only_one_of_two_experiments_has_typed_names_neither():
    runs = [
        run(1, "collapse", "+experiment=collapse", trainer__max_epochs=6),
        run(1, "fixed", "+experiment=fixed trainer.max_epochs=10", trainer__max_epochs=10),
    ]
    assert list(sorted_(*runs)) == ["collapse", "fixed"]


def test_variants_of_one_name_are_told_by_what_differs_among_them():
    runs = [
        run(1, "vanilla", gan__lr=2e-4),
        run(1, gan__lr=1e-3, gan__gamma=0.03),
        run(1, typed="gan.gamma=0.1", gan__lr=1e-3, gan__gamma=0.1),
    ]
    assert list(sorted_(*runs)) == ["vanilla", "fixed, gamma=0.03", "fixed, gamma=0.1"]


def test_a_default_that_somebody_typed_makes_no_variant():
    runs = [run(1, gan__gamma=0.1), run(2, typed="gan.gamma=1e-1", gan__gamma=0.1)]
    assert sorted_(*runs) == {"fixed": (1, 2)}


def test_what_watches_makes_a_variant_only_where_it_was_typed():
    watched = [run(1, callbacks__mode_coverage__samples=n) for n in (100, 200)]
    assert sorted_(*watched) == {"fixed": (1, 1)}
    key = "callbacks.collapse_verdict.on_collapse"
    runs = [run(1, typed=f"{key}={action}") for action in ("nothing", "restore")]
    assert list(sorted_(*runs)) == ["on_collapse=nothing", "on_collapse=restore"]


def test_where_a_run_goes_and_computes_makes_no_variant():
    runs = [
        run(1, typed="hydra.run.dir=a", trainer__accelerator="cpu", data__cache="/a", logger={}),
        run(2, typed="hydra.run.dir=b", trainer__accelerator="gpu", data__cache="/b"),
    ]
    assert sorted_(*runs) == {"fixed": (1, 2)}


def test_a_key_of_a_later_version_makes_no_variant_where_it_is_null_or_a_class_has_moved():
    runs = [
        run(1, data___target_="drumvae.data.Recipes"),
        run(2, data___target_="drumvae.drawn.Recipes", data__letters_at_once=None),
    ]
    assert sorted_(*runs) == {"fixed": (1, 2)}


def test_null_is_named_beside_a_value():
    runs = [
        run(1, typed=f"data.letters_at_once={text}", data__letters_at_once=value)
        for text, value in (("8", 8), ("null", None))
    ]
    assert list(sorted_(*runs)) == ["letters_at_once=8", "letters_at_once=null"]


def test_keys_may_be_chosen():
    runs = [
        run(seed, gan__gamma=gamma, gan__lr=lr)
        for seed, (gamma, lr) in enumerate([(0.1, 1), (0.1, 2), (0.3, 1)])
    ]
    assert sorted_(*runs, by=("gan.gamma",)) == {"gamma=0.1": (0, 1), "gamma=0.3": (2,)}
    assert len(sorted_(*runs)) == 3
    with pytest.raises(ValueError, match=r"--by gan\.gama: .* did you mean gan\.gamma\?"):
        sorted_(*runs, by=("gan.gama",))
    with pytest.raises(ValueError, match=r"--by gan is a group of keys; .* as gan\.gamma"):
        sorted_(*runs, by=("gan",))


def test_an_evaluation_goes_by_the_run_that_it_measured(tmp_path: Path):
    trained = run(7, typed="gan.gamma=0.3", gan__gamma=0.3)
    (tmp_path / "config.yaml").write_text(json.dumps(trained.config))
    (tmp_path / "summary.json").write_text(json.dumps(trained.summary))
    evaluation = run(0, "evaluate")
    evaluation.summary["measured"] = str(tmp_path / "checkpoints" / "last.ckpt")
    found = recipe(evaluation)
    assert (found.seed, found.config["name"], found.typed) == (7, "fixed", {"gan.gamma": "0.3"})
    evaluation.summary["measured"] = "pictures.npz"
    assert recipe(evaluation).config["name"] == "evaluate"


def test_names_are_as_short_as_can_be_and_never_alike():
    letters = Feature("data.pace", (1, 1, 2, 2))
    rates = Feature("gan.lr", (1, 2, 1, 2))
    useless = Feature("gan.width", (5, 5, 5, 5))
    names = name_variants(["fixed"] * 4, [useless, letters, rates])
    assert names == ["pace=1, lr=1", "pace=1, lr=2", "pace=2, lr=1", "pace=2, lr=2"]
    unique = Feature("gan.gamma", (1, 2, 3, 4))
    assert name_variants(["fixed"] * 4, [letters, rates, unique])[3] == "gamma=4"
    assert name_variants(["fixed"] * 4, [useless]) == [f"default #{n}" for n in (1, 2, 3, 4)]


def test_keys_that_end_alike_are_named_in_full():
    features = [Feature("high.end", (0.7,)), Feature("low.end", (1.0,)), Feature("name", ("a",))]
    assert label(features, 0) == "high.end=0.7, low.end=1, a"
