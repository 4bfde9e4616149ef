"""What a report says of runs whose numbers were made by hand."""

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from callbacks.page import Gauge, Picture, Section, SortableTable, Sound, Verdict, page
from callbacks.run_directory import RunDirectory
from drumvae import sentences
from drumvae.groove_sections import RATE, _voices, mono_wav
from drumvae.grooves import GMD_VOICES, REPORT_KIT, REPORT_VOICES, groove_of_hits
from drumvae.midi import write_bar
from drumvae.report import sections

VALUES = {
    "kl_high/0": 1.0, "cost_high/0": 5.0, "variance_high/0": 0.9, "cost_high_error/0": 0.1,
    "kl_high/1": 0.2, "cost_high/1": 0.0, "variance_high/1": 0.2, "cost_high_error/1": 0.001,
    "cost/high": 5.0, "cost/high_error": 0.1, "information/high": 1.1,
    "kl_low/0": 0.01, "cost_low/0": 0.0, "variance_low/0": 0.0, "cost_low_error/0": 0.001,
    "kl_low/1": 0.02, "cost_low/1": 0.0, "variance_low/1": 0.0, "cost_low_error/1": 0.001,
    "cost/low": 0.0, "cost/low_error": 0.001, "information/low": 0.0,
    "earning/high": 1.0, "earning/low": 0.0,
}  # fmt: skip


def columns(**others: list[float]) -> dict[str, np.ndarray]:
    """Eight epochs: dimension 1 of z_low falls in the fifth, all others stay as in `VALUES`."""
    falls = [0.8, 0.7, 0.8, 0.7, 0.02, 0.01, 0.02, 0.02]
    metrics = {"epoch": np.arange(8.0)} | {k: np.full(8, v) for k, v in VALUES.items()}
    metrics["kl_low/1"] = np.array(falls)
    return metrics | {name.replace("_", "/", 1): np.array(v) for name, v in others.items()}


def run_of(tmp_path: Path, **parts: Any) -> RunDirectory:
    config = {"app": "drumvae", "name": "hand", "data": {"voices": list(REPORT_VOICES)}}
    summary = {"status": "finished", "final": VALUES, "floor": {}, "ceiling": {}, "verdict": None}
    empty: dict[str, Any] = {"metrics": {}, "losses": {}, "verdicts": []}
    parts = {"config": config, "summary": summary} | empty | parts
    return RunDirectory(path=tmp_path, **parts)


def named(made: list[Section], title: str) -> Section:
    return next(section for section in made if section.title == title)


def test_dimensions_that_died_are_named_with_their_epoch():
    found = sentences.dimensions(VALUES, columns())
    assert [(d.level, d.number, d.word, d.died) for d in found] == [
        ("high", 0, "alive", None),
        ("high", 1, "in name only", None),
        ("low", 0, "dead", None),
        ("low", 1, "dead", 5),
    ]
    assert sentences.life(found) == (
        "z_high: 1 of 2 dimensions are alive (#0); in name only: #1. "
        "z_low: 0 of 2 dimensions are alive; dead: #0 and #1 (#1 since epoch 5)."
    )


def test_what_was_made_has_the_voices_of_the_model(tmp_path: Path):
    """Not those of data that the config names and nobody has used."""
    hits = np.zeros((9, 16, 9))
    hits[:, ::4, 0] = 1
    (tmp_path / "samples").mkdir()
    np.savez(tmp_path / "samples/final.npz", hits=hits, velocities=hits, offsets=0 * hits)
    assert _voices(run_of(tmp_path), 9) == REPORT_VOICES
    (tmp_path / "groove.json").write_text(json.dumps({"grooves": [{"voices": GMD_VOICES}]}))
    assert _voices(run_of(tmp_path), 9) == GMD_VOICES
    found = named(sections(run_of(tmp_path)), "Samples")
    assert found.text == "What was made, bar by bar; the first ones can be heard."
    picture, sound = found.parts
    assert isinstance(picture, Picture) and isinstance(sound, Sound)
    assert picture.alt.startswith("The first 8 of 9 bars") and sound.label.endswith("2 bars")


def test_a_level_that_never_lived():
    found = sentences.dimensions(VALUES, {})
    assert "z_low: 0 of 2 dimensions are alive; dead: all of them." in sentences.life(found)


def test_epochs_that_were_not_measured_are_passed_over():
    metrics = {k: np.repeat(v, 2) for k, v in columns().items()} | {"epoch": np.arange(16.0)}
    for name in VALUES:
        metrics[name] = metrics[name].copy()
        metrics[name][::2] = np.nan
    # The fifth that was measured is the tenth epoch.
    assert sentences.dimensions(VALUES, metrics)[-1].died == 10


def test_the_likelihood_stands_between_floor_and_truth():
    values = {"likelihood/nll": 32.58, "likelihood/gap": 0.54, "likelihood/gap_error": 0.0103}
    said = sentences.likelihood(values, {"likelihood/nll": 39.71}, {"likelihood/nll": 32.06})
    assert said == (
        "A test bar has 32.58 nats; independent cells have 39.71 and the truth has 32.06. On bars "
        "drawn anew it lies 0.540 nats above the truth (standard error 0.010)."
    )
    assert sentences.likelihood({"likelihood/nll": 27.0}, {}, {}) == "A test bar has 27.00 nats."
    assert sentences.no_fault({"likelihood/nll": 27.0}) == ""
    assert "the model lies 0.54 nats above it" in sentences.no_fault(values)


def test_losses_of_the_last_epoch_and_the_highest_kl():
    rows = {
        "epoch": np.array([0.0, 0, 1, 1]), "batch": np.array([50.0, 100, 150, 200]),
        "loss/reconstruction": np.array([40.0, 36, 32, 31]),
        "kl/high": np.array([5.0, 3, 2, 2]), "kl/low": np.array([0.1, 0.4, 0.2, 0.1]),
    }  # fmt: skip
    assert sentences.losses(rows) == (
        "In the last epoch a bar costs 31.50 nats to rebuild; z_high costs 2.00 nats of KL (the "
        "most were 5.00, at batch 50) and z_low costs 0.15 nats of KL (the most were 0.40, at "
        "batch 100)."
    )
    assert sentences.losses({}) == ""


def test_styles_and_chance():
    values = {"style/probe": 0.993, "style/information": 1.548, "style/separation": 82.67}
    said = sentences.styles(values, {"style/probe": 0.2}, {"style/probe": 0.99})
    assert said.replace("\N{NO-BREAK SPACE}", " ") == (
        "A linear probe reads the style of 99.3 % of bars from z_high (the commonest style alone: "
        "20 %, a probe of the hits: 99 %); it knows 1.55 nats of it."
    )
    sure, unsure = ({**values, "style/separation_p": p} for p in (0.005, 0.4))
    assert "82.7 times that within them, more than shuffled labels do" in sentences.separation(sure)
    assert "no more than shuffled labels may (p = 0.4)" in sentences.separation(unsure)


def test_the_dimension_that_moves_most():
    values = {f"sensitivity_low/{i}": v for i, v in enumerate((0.0004, 0.052, 0.003))}
    assert sentences.traversals(values) == (
        "Dimension 1 of z_low moves most: 5.2 % of the cells change their hit; 1 of 3 moves less "
        "than one in a thousand."
    )
    deaf = {name: 0.0002 for name in values}
    assert (
        sentences.traversals(deaf) == "No dimension of z_low changes one hit in a thousand cells."
    )


def test_each_level_has_a_verdict_and_dead_ones_are_in_the_table(tmp_path: Path):
    final = VALUES | {"likelihood/nll": 33.0, "likelihood/gap": 0.5}
    summary = {"status": "finished", "final": final, "floor": {"likelihood/nll": 40.0}}
    summary |= {"ceiling": {"likelihood/nll": 32.0, "likelihood/gap": 0.0}, "verdict": None}
    made = sections(run_of(tmp_path, summary=summary, metrics=columns(likelihood_nll=[33.0] * 8)))
    judged = [part for part in made[0].parts if isinstance(part, Verdict)]
    assert [(v.word, v.tone, v.subject) for v in judged] == [
        ("losing dimensions", "mixed", "z_high, at the end"),
        ("collapsed", "bad", "z_low, at the end"),
    ]
    gauges = [part for part in made[0].parts if isinstance(part, Gauge)]
    assert [(g.name, g.floor, g.ceiling, g.share) for g in gauges] == [
        ("−log p of a bar, nats", 40.0, 32.0, 0.875),
        ("nats above the truth", 8.0, 0.0, 0.9375),
        ("dimensions of z_high worth their bits", 0.0, 2.0, 0.5),
        ("dimensions of z_low worth their bits", 0.0, 2.0, 0.0),
    ]
    table = named(made, "Which dimensions live").parts[-1]
    assert isinstance(table, SortableTable)
    assert [(row[0], row[1], row[5]) for row in table.rows] == [
        ("z_high 0", "alive", None), ("z_high 1", "in name only", None),
        ("z_low 0", "dead", None), ("z_low 1", "dead", 5),
    ]  # fmt: skip
    assert page("t", "", {}, made).count("<table") == 2


def test_a_groove_is_heard_as_long_as_it_lasts():
    hits = np.zeros((16, len(REPORT_VOICES)), bool)
    hits[::4, 0] = True
    silent = groove_of_hits(hits & False, REPORT_KIT)
    groove = groove_of_hits(hits, REPORT_KIT, tempo=120)
    with wave.open(io.BytesIO(mono_wav([groove, silent]))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, RATE, 2)
        levels = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert 4 * RATE <= len(levels) < 6 * RATE
    beats = [np.abs(beat).max() for beat in np.split(levels[: 4 * RATE], 8)]
    # Half a second a beat: a kick on each of the first four, and silence after their tails.
    assert min(beats[:4]) > 3000 > 1000 * max(beats[5:])


def test_the_bars_of_the_run_are_seen_and_heard(tmp_path: Path):
    bar = np.zeros((3, 16, len(REPORT_VOICES)), np.float32)
    bar[:2, ::4, 0] = 1
    for style in ("jazz", "hip-hop"):
        for number in range(4):
            write_bar(bar, REPORT_KIT, tmp_path / "samples/midi" / f"{style}-{number:02d}.mid")
    write_bar(np.zeros_like(bar), REPORT_KIT, tmp_path / "samples" / "midi" / "rock-00.mid")
    made = sections(run_of(tmp_path))
    sounds = [part for part in named(made, "Samples").parts if isinstance(part, Sound)]
    assert [sound.label for sound in sounds] == ["hip-hop, 2 bars", "jazz, 2 bars"]


def test_an_evaluation_of_foreign_samples(tmp_path: Path):
    """No latents: no verdict is made up; its bars and its rhythm are shown."""
    hits = np.zeros((12, 16, len(REPORT_VOICES)), bool)
    hits[:, ::4, 0] = True
    (tmp_path / "samples").mkdir()
    np.savez(tmp_path / "samples/final.npz", hits=hits, velocities=0.5 * hits, offsets=0.0 * hits)
    final = {"rhythm/valid": 0.8, "rhythm/backbone": 0.5, "overlap/density": 0.9}
    final |= {"rhythm/offbeat_snare": 0.1, "rhythm/density_snare": 2.0}
    summary = {"status": "finished", "final": final, "floor": {}, "ceiling": {"rhythm/valid": 0.95}}
    made = sections(run_of(tmp_path, summary=summary))
    assert [section.title for section in made] == ["Verdict", "Samples", "Rhythm"]
    assert Verdict("no verdict", "unknown", "There are no latents to judge.", "verdict") in (
        made[0].parts
    )
    kinds = [type(part) for part in named(made, "Samples").parts]
    assert kinds == [Picture, Sound]
    (table,) = named(made, "Rhythm").parts
    assert isinstance(table, SortableTable)
    # Of single voices there are too many to be read; a fault is no voice.
    assert {row[0] for row in table.rows} == final.keys() - {"rhythm/density_snare"}
    said = named(made, "Rhythm").text.replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "80 % of the bars have no fault (95 % of real ones) and 50 % of the bars have the backbone "
        "of rock."
    )
