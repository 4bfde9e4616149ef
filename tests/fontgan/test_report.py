"""What a report says of runs whose numbers were made by hand."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from callbacks.page import Gauge, Picture, Section, SortableTable, Verdict, page
from callbacks.run_directory import RunDirectory
from fontgan import LETTERS, sentences
from fontgan.metrics.strokes import RankCorrelation
from fontgan.report import sections

FAIR = 1 / 26


def columns(epochs: int, shares: dict[str, list[float]] | None = None, **others: Any) -> Any:
    """Columns of `metrics.csv`: every letter at its fair share, except for those given."""
    metrics = {"epoch": np.arange(epochs, dtype=float), "batch": 500.0 * np.arange(1, epochs + 1)}
    for letter in LETTERS:
        metrics[f"letters/{letter}"] = np.array((shares or {}).get(letter, [FAIR] * epochs))
    return metrics | {name.replace("_", "/", 1): np.array(v, float) for name, v in others.items()}


def run_of(tmp_path: Path, **parts: Any) -> RunDirectory:
    config = {"app": "fontgan", "name": "hand", "data": {"_target_": "nowhere.Data"}}
    summary = {"status": "finished", "final": {}, "floor": {}, "ceiling": {}, "verdict": None}
    empty: dict[str, Any] = {"metrics": {}, "losses": {}, "verdicts": []}
    parts = {"config": config, "summary": summary} | empty | parts
    return RunDirectory(path=tmp_path, **parts)


def named(made: list[Section], title: str) -> Section:
    return next(section for section in made if section.title == title)


def test_letters_lost_are_named_with_their_epoch():
    """Q and X are alive for six epochs and gone from the seventh on; J never lived."""
    falls = [FAIR] * 6 + [0.0] * 6
    metrics = columns(12, {"Q": falls, "X": falls, "J": [0.0] * 12})
    lives = sentences.lives(metrics, drawn=2000)
    assert sentences.survival(lives) == "Lost: Q and X since epoch 7. Never alive: J."
    life = lives[LETTERS.index("Q")]
    assert (life.born, life.lost, life.share, life.deaths) == (1, 7, 0.5, (7,))
    life = lives[LETTERS.index("J")]
    assert (life.born, life.lost, life.share) == (None, None, 0)


def test_sheets_that_a_sample_has_left_are_shown(tmp_path: Path):
    Image.new("L", (8, 8)).save(tmp_path / "grid.png")
    summary = {"status": "finished", "final": {}, "verdict": "98% of 104 samples are a letter"}
    made = named(sections(run_of(tmp_path, summary=summary)), "What was made")
    (picture,) = made.parts
    assert isinstance(picture, Picture) and picture.png == (tmp_path / "grid.png").read_bytes()
    assert made.text == "98% of 104 samples are a letter" and picture.alt == "Grid."


def test_letters_that_all_live():
    """L comes last; F dies in epoch 3 and comes back."""
    metrics = columns(6, {"L": [0, 0, 0, 0, FAIR, FAIR], "F": [FAIR, FAIR, 0, FAIR, FAIR, FAIR]})
    assert sentences.survival(sentences.lives(metrics, 2000)) == (
        "No letter is lost; the last to come alive was L, in epoch 5. "
        "F died on the way and came back."
    )


def test_epochs_that_were_not_measured_are_passed_over():
    """Only every second epoch has letters: W is lost in the sixth, the fourth that was not."""
    shares = [np.nan, FAIR] * 2 + [np.nan, 0.0] * 4
    metrics = columns(12, dict.fromkeys(LETTERS, [np.nan, FAIR] * 6) | {"W": shares})
    assert sentences.survival(sentences.lives(metrics, 2000)) == "Lost: W since epoch 6."
    assert sentences.lives({"epoch": np.arange(3.0)}, 2000) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["noise", "healthy", "healthy"], "No collapse set in."),
        (["noise", "noise"], "The verdict was never better than noise."),
        (
            ["noise", "losing letters", "healthy", "collapsed", "collapsed"],
            "A collapse set in at epoch 4 (collapsed at the end).",
        ),
        (
            ["healthy", "one style", "noise", "healthy"],
            "A collapse set in at epoch 2 and passed (epochs 2–3).",
        ),
        (
            ["healthy", "noise", "healthy", "noise"],
            "A collapse set in at epoch 4 (noise at the end).",
        ),
        ([], ""),
    ],
)
def test_the_onset_of_a_collapse(words: list[str], said: str):
    assert sentences.collapse([(i + 1, word) for i, word in enumerate(words)]) == said


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ([2, 20, 25, 24], "Having come to 25, the letters never fell to half the alphabet."),
        ([2, 20, 14, 13, 9], "Having come to 20, the letters fell to 13 or fewer at epoch 4."),
        ([2, 9, 5], "Half the alphabet was never passed: the most were 9 letters."),
    ],
)
def test_the_onset_without_verdicts(letters: list[float], said: str):
    assert sentences.halving(columns(len(letters), coverage_letters=letters)) == said


def test_coverage_stands_between_noise_and_real_glyphs():
    metrics = columns(
        3, coverage_letters=[2, 26, 25], coverage_accepted=[0.1, 0.8, 0.9],
        coverage_hash=[1, 1, 0.96],
    )  # fmt: skip
    floor = {"coverage/letters": 0.0, "coverage/accepted": 0.0, "coverage/hash": 0.77}
    ceiling = {"coverage/letters": 26.0, "coverage/accepted": 0.94}
    assert sentences.coverage(metrics, floor, ceiling).replace("\N{NO-BREAK SPACE}", " ") == (
        "The last epoch drew 25 of 26 letters (noise gets 0, real glyphs of unseen families 26); "
        "the most were 26, first after epoch 2. 90 % of its samples are a letter at all (noise "
        "gets 0 %, real glyphs of unseen families 94 %). The course report's hash claims 0.96 of "
        "all letters here, and 0.77 of noise."
    )


def test_losses_that_calm_down_and_losses_that_break():
    generator = [0, 4, 0, 4, 2, 2.5, 2, 2.5, 2]
    rows = {
        "epoch": np.array([0.0] * 6 + [1.0] * 3),
        "batch": 50.0 * np.arange(1, 10),
        "loss/generator": np.array([0, 4, 0, 4, 2, 2, 2, 2.5, 2.1]),
        "loss/discriminator": np.full(9, 0.5),
    }
    assert sentences.unrest(np.array(generator[:4])) == 4
    assert sentences.losses(rows) == (
        "In the last epoch the generator's loss is 2.20 and the discriminator's 0.50 on average. "
        "The run became steadier: from one block of batches to the next the generator's loss moves "
        "by 4 in the first third and by 0.45 in the last (medians)."
    )
    rows["loss/generator"][-3:] = [2, 6, 2.1]
    assert "The run is as steady at the end as at the beginning" in sentences.losses(rows)
    rows["loss/generator"][4] = np.nan
    assert sentences.losses(rows) == "The losses are no numbers from batch 250 on."
    assert sentences.losses({}) == ""


def test_the_balance_is_a_geometric_mean():
    metrics = columns(
        2, update_ratio=[1, 4], gradient_generator=[9, 8], gradient_discriminator=[1, 3]
    )
    assert sentences.balance(metrics) == (
        "A batch moves the discriminator 2 times as far as the generator, relative to their "
        "weights (mean over epochs; 1 to 4, 1 is balanced). In epoch 2 its gradient has a norm of "
        "3, the generator's one of 8."
    )


def test_strokes_must_be_surer_the_more_were_tried():
    weak = RankCorrelation(0.4, 0.1, 0.7, 0.03)
    strong = RankCorrelation(-0.6, -0.8, -0.3, 0.002)
    said = sentences.strokes({"holes": weak, "complexity": weak})
    assert said.startswith("No measure of strokes tells which letters are drawn often")
    said = sentences.strokes({"holes": weak, "complexity": strong})
    assert said.startswith("Letters with more complexity are drawn less often (Spearman's ρ -0.60")


def test_a_run_of_two_epochs_that_was_interrupted(tmp_path: Path):
    """The verdict and the measures are those of its last epoch."""
    metrics = columns(
        2, {"B": [FAIR, 0.0]}, coverage_letters=[26, 25], coverage_accepted=[0.5, 0.8]
    )
    rows = [
        {"epoch": "1", "word": "noise", "sentence": "noise: only so many"},
        {"epoch": "2", "word": "losing letters", "sentence": "losing letters: B is hardly drawn"},
    ]
    made = sections(run_of(tmp_path, metrics=metrics, verdicts=rows))
    titles = [section.title for section in made]
    assert titles == [
        *("Verdict", "Mode coverage", "Which letters survive", "Do strokes say which?"),
        "All measures",
    ]
    first = made[0]
    assert Verdict("losing letters", "mixed", "B is hardly drawn", "verdict after epoch 2") in (
        first.parts
    )
    assert Gauge("letters drawn, of 26", 25.0, None, None, False) in first.parts
    assert first.text.startswith("It has no final measures: these are of epoch 2")
    assert "A collapse" not in named(made, "Mode coverage").text
    assert named(made, "Do strokes say which?").text.startswith(
        "The real letters are not at hand ("
    )
    table = named(made, "Which letters survive").parts[-1]
    assert isinstance(table, SortableTable) and len(table.rows) == 26
    assert table.rows[1] == ("B", 0.0, None, 1, 2, 50.0, 1)
    assert page("t", "", {}, made).count("<table") == 2


def test_an_evaluation_shows_what_it_measured(tmp_path: Path):
    """No epochs: shares with their true intervals, strokes from its own table, its samples."""
    final = {f"letters/{letter}": FAIR for letter in LETTERS}
    final |= {"coverage/letters": 26.0, "coverage/accepted": 0.93, "coverage/hash": 1.0}
    ceiling = {"coverage/accepted": 0.94, "letters/A": 0.036}
    summary = {"status": "finished", "final": final, "floor": {"coverage/accepted": 0.0}}
    summary |= {"ceiling": ceiling, "verdict": "healthy: all 26 letters are drawn; health 0.9"}
    header = ["letter", "share", "true_share", "low", "high", "complexity", "holes"]
    with (tmp_path / "letters.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i, letter in enumerate(LETTERS):
            writer.writerow([letter, FAIR, FAIR, 0.03, 0.05, i, i % 2])
        writer.writerow(["junk", 0.07, 0.05, 0.04, 0.06, "", ""])
    (tmp_path / "samples").mkdir()
    images = np.zeros((40, 28, 28), np.uint8)
    np.savez_compressed(tmp_path / "samples" / "final.npz", images=images)
    made = sections(run_of(tmp_path, summary=summary))
    titles = [section.title for section in made]
    assert titles == [
        *("Verdict", "Which letters survive", "Do strokes say which?", "Samples"),
        "All measures",
    ]
    assert (
        Verdict("healthy", "good", "all 26 letters are drawn; health 0.9", "verdict at the end")
        in made[0].parts
    )
    assert named(made, "Which letters survive").text == "All 26 letters are alive."
    measured = named(made, "Do strokes say which?").parts[0]
    assert isinstance(measured, SortableTable)
    # Every letter has the same share, so nothing can rank as it does.
    assert [row[:5] for row in measured.rows] == [
        ("complexity", 0.0, -1.0, 1.0, 1.0), ("holes", 0.0, -1.0, 1.0, 1.0)
    ]  # fmt: skip
    (sheet,) = named(made, "Samples").parts
    assert isinstance(sheet, Picture) and "none chosen: 93" in sheet.alt
    assert "the judge counts 26 of 26" in named(made, "All measures").text


def test_figures_of_the_run_are_used(tmp_path: Path):
    from PIL import Image

    (tmp_path / "figures").mkdir()
    names = [f"samples_epoch_{epoch:03d}" for epoch in range(1, 12)]
    for name in (*names, "interpolation_A_C_E", "gradient_balance", "samples_final"):
        Image.new("RGB", (4, 4)).save(tmp_path / "figures" / f"{name}.png")
    metrics = columns(11, coverage_letters=range(11, 22), coverage_accepted=[0.5] * 11)
    made = sections(run_of(tmp_path, metrics=metrics))
    sheets = named(made, "Letters while it learned").parts
    captions = [part.caption for part in sheets if isinstance(part, Picture)]
    assert [c.replace("\N{NO-BREAK SPACE}", " ") for c in captions] == [
        f"Epoch {e}: {e + 10} of 26 letters, 50 % of samples are one." for e in (1, 3, 5, 7, 9, 11)
    ]
    titles = [section.title for section in made]
    assert titles.index("Interpolation") < titles.index("Samples") < titles.index("All measures")
    assert titles[-1] == "Balance of the networks"
