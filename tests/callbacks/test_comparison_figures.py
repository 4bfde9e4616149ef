import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from callbacks.comparison import Comparison, Outcome
from callbacks.comparison_figures import (
    MOST,
    curve_pictures,
    curves,
    ends,
    leading_sentence,
    looks,
    shown,
)
from callbacks.comparison_latents import kl_maps, likelihood_map, sorted_kl
from callbacks.comparison_letters import epochs_alive, survival_map
from callbacks.page import Picture
from callbacks.run_directory import RunDirectory
from callbacks.statistics import Estimate
from callbacks.variants import Variant

LETTERS = [f"letters/{letter}" for letter in "ABCD"]


def run(final: dict[str, float] | None = None, **columns: list[float]) -> RunDirectory:
    metrics = {key.replace("__", "/"): np.array(column) for key, column in columns.items()}
    summary = {"status": "finished", "final": final or {}}
    return RunDirectory(Path("run"), {"app": "fontgan", "name": "x"}, summary, metrics, {}, [])


def comparison(headline: dict[str, str], **runs: list[RunDirectory]) -> Comparison:
    variants = [Variant(name, tuple(r), tuple(range(len(r)))) for name, r in runs.items()]
    outcomes = []
    for measure, better in headline.items():
        for variant in variants:
            values = [r.summary["final"].get(measure) for r in variant.runs]
            there = tuple(value for value in values if value is not None)
            if there:
                middle = Estimate(float(np.mean(there)))
                outcomes.append(Outcome(variant.name, measure, better, there, middle, None))
    return Comparison(tuple(variants), variants[0].name, headline, tuple(outcomes), ())


def size(picture: Picture | None) -> tuple[int, int]:
    assert picture is not None
    with Image.open(io.BytesIO(picture.png)) as image:
        image.load()
        return image.size


def test_curves_cover_the_epochs_that_all_seeds_have():
    runs = (
        run(epoch=[0, 1, 2, 3], kl__high=[1.0, np.nan, 3.0, 4.0]),
        run(epoch=[0, 1, 2], kl__high=[2.0, 9.0, 5.0]),
    )
    found = curves(Variant("a", runs, (1, 2)), "kl/high")
    assert found is not None
    np.testing.assert_array_equal(found.epochs, [1, 3])
    np.testing.assert_array_equal(found.values, [[1, 3], [2, 5]])
    assert curves(Variant("a", runs, (1, 2)), "kl/low") is None
    apart = (run(epoch=[0], kl__high=[1.0]), run(epoch=[1], kl__high=[1.0]))
    assert curves(Variant("a", apart, (1, 2)), "kl/high") is None


def test_a_curve_is_told_at_the_last_epoch_that_all_variants_have():
    found = comparison(
        {"coverage/letters": "max"},
        vanilla=[run(epoch=[0, 1], coverage__letters=[3.0, 19.0])],
        fixed=[
            run(epoch=[0, 1, 2], coverage__letters=[9.0, 24.0, 7.0]),
            run(epoch=[0, 1, 2], coverage__letters=[9.0, 26.0, 8.0]),
        ],
    )
    (picture,) = curve_pictures(found)
    assert picture.caption == (
        "After epoch 2 fixed is best with 25 (2 seeds, 24 to 26) and "
        "vanilla is worst with 19 (one seed)."
    )
    assert picture.caption in picture.alt
    assert size(picture)[0] == 744


def test_figures_are_left_out_where_their_columns_are_missing():
    found = comparison({"coverage/letters": "max"}, a=[run({"coverage/letters": 3.0})])
    assert curve_pictures(found) == []
    assert survival_map(found) is kl_maps(found) is likelihood_map(found) is None


def test_ends_hold_all_that_are_alike_to_four_digits():
    means = {"a": 1.0, "b": 2.00001, "c": 2.0, "d": 1.5}
    assert ends(means, "max") == (["b", "c"], ["a"])
    assert ends(means, "min") == (["a"], ["b", "c"])
    assert ends({"a": 0.0, "b": 0.0}, "max") == (["a", "b"], [])


def test_the_leading_variant_follows_the_direction():
    runs = {name: [run({"x": value})] for name, value in {"a": 1.0, "b": 2.0, "c": 2.0}.items()}
    more = leading_sentence(comparison({"x": "max"}, **runs), "x")
    less = leading_sentence(comparison({"x": "min"}, **runs), "x")
    assert more == "On x, b, c are best with a mean of 2 and a is worst with 1 (one seed)."
    assert less == "On x, a is best with a mean of 1 (one seed) and b, c are worst with 2."
    same = {name: [run({"x": 1.0})] for name in "ab"}
    assert leading_sentence(comparison({"x": "max"}, **same), "x") == (
        "On x, both variants are at 1."
    )


def test_what_seeds_do_not_tell_apart_is_said_to_be_so():
    close = {n: [run({"x": v}) for v in vs] for n, vs in {"a": (1, 4, 2), "b": (3, 2, 1.5)}.items()}
    clear = {n: [run({"x": v + i}) for i in range(9)] for n, v in {"a": 0.0, "b": 90.0}.items()}
    doubt = "though the seeds do not tell these two apart"
    assert doubt in leading_sentence(comparison({"x": "max"}, **close), "x")
    assert doubt not in leading_sentence(comparison({"x": "max"}, **clear), "x")


def test_of_many_variants_the_best_and_the_baseline_are_shown():
    runs = {f"v{i}": [run({"x": float(i)})] for i in range(30)}
    assert [v.name for v in shown(comparison({"x": "max"}, **runs))] == [
        "v0", *(f"v{i}" for i in range(30 - MOST + 1, 30)),
    ]  # fmt: skip
    assert [v.name for v in shown(comparison({"x": "min"}, **runs))] == [
        f"v{i}" for i in range(MOST)
    ]


def test_no_two_variants_shown_look_alike():
    assert len(set(looks([str(i) for i in range(MOST)]).values())) == MOST


def test_letters_live_from_a_quarter_of_their_fair_share_on():
    # Fair is a quarter each: alive from 1/16 on; the third epoch was not measured.
    columns = {
        "letters__A": [0.25, 0.25, np.nan, 0.25],
        "letters__B": [0.0625, 0.0, np.nan, 0.1],
        "letters__C": [0.0624, 0.0, np.nan, 0.0],
        "letters__D": [0.0, 0.0, np.nan, 0.0625 * (1 - 1e-8)],
    }
    found = epochs_alive(run(epoch=[0, 1, 2, 3], **columns), LETTERS)
    assert found == pytest.approx([1, 2 / 3, 0, 1 / 3])
    assert np.isnan(epochs_alive(run(epoch=[0]), LETTERS)).all()


def test_survival_names_what_is_lost():
    final = dict(zip(LETTERS, (0.4, 0.06, 0.25, 0.0), strict=True))
    columns = {key.replace("/", "__"): [0.3, value] for key, value in final.items()}
    whole = dict.fromkeys(LETTERS, 0.25)
    found = comparison({}, a=[run(final, epoch=[0, 1], **columns)], b=[run(whole)])
    picture = survival_map(found)
    assert picture is not None
    assert "a loses B, D and has 3 alive on average over its epochs; b keeps every letter" in (
        picture.caption
    )


def test_dimensions_are_sorted_in_each_seed_before_they_are_averaged():
    # Two dimensions, two seeds: in one the first is alive in the end, in the other the second.
    kl = np.array([[[1.0, 2.0], [5.0, 0.0]], [[3.0, 0.0], [7.0, 4.0]]])
    np.testing.assert_array_equal(sorted_kl(kl), [[4.0, 3.0], [4.0, 0.0]])


def test_kl_and_likelihood_maps_count_and_rank():
    def seed(high: list[float], low: float, information: float, gap: float) -> RunDirectory:
        final = {"information/high": information, "information/low": 0.0, "likelihood/gap": gap}
        columns = {f"kl_high__{i}": [1.0, value] for i, value in enumerate(high)}
        return run(final, epoch=[0, 1], kl_low__0=[0.5, low], **columns)

    found = comparison(
        {},
        none=[seed([0.0, 0.0], 0.0, 0.1, 7.0)],
        linear=[seed([0.5, 0.0], 0.2, 1.5, 0.5), seed([0.4, 0.3], 0.2, 1.7, 0.7)],
    )
    kl, likelihood = kl_maps(found), likelihood_map(found)
    assert kl is not None
    assert "Of 3 latent dimensions these end above 0.1 nat: 0 with none, 2.5 with linear" in kl.alt
    assert likelihood is not None
    assert likelihood.caption.startswith(
        "On average linear has the least likelihood/gap, 0.6 at 1.6 nats of information; "
        "none carries the least, 7 at 0.1 nats of information."
    )
    assert size(kl)[0] == 1650
