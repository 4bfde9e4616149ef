"""Every planted collapse, and that the gauntlet would notice a measure that is broken."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drumvae.gauntlet import failures, main, measured, run
from drumvae.metrics.collapse import cost_of_replacing
from drumvae.metrics.style import Separation
from drumvae.planted_cases import BITS, CASES, FREE, HEALTHY, NARROW, Case, of_a_bit
from drumvae.planted_claims import MEASURES, WRONG
from drumvae.planted_models import PlantedVAE, planted_bars
from drumvae.verdict import verdicts

REPOSITORY = Path(__file__).parents[2]
NAMED = {case.name: case for case in CASES}
KNOWN_BLIND = {
    ("both dead, still heard", "sensitivity"),
    ("z_low is its prior", "active units"),
    ("separated by scale", "separation"),
    ("separated by scale", "its p"),
    ("separated by scale", "probe"),
    ("batch-norm posterior", "active units"),
    ("batch-norm posterior", "KL"),
    ("batch-norm posterior", "information"),
    ("free bits, ignored", "active units"),
    ("free bits, ignored", "KL"),
    ("free bits, ignored", "information"),
    ("free bits, empty", "KL"),
    ("one bit shared by three", "cost"),
    ("one bit shared by three", "earning"),
    ("one bit shared by three", "sensitivity"),
    ("one bit shared by three", "dimensions"),
}
REPORT_WRONG = {
    ("z_low is its prior", "report: KL"),
    ("separated by scale", "report: 21.9"),
    ("batch-norm posterior", "report: KL"),
    ("free bits, ignored", "report: KL"),
    ("free bits, empty", "report: KL"),
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, str]]:
    return {case.name: run(case, 5) for case in CASES}


def test_every_measure_reads_what_it_must_in_every_case(outcomes: dict[str, dict[str, str]]):
    assert failures(outcomes) == []


def test_what_is_blind_is_known_and_the_verdicts_on_levels_never_are(
    outcomes: dict[str, dict[str, str]],
):
    cells = {(case, name): o for case, row in outcomes.items() for name, o in row.items()}
    assert {cell for cell, outcome in cells.items() if outcome == "blind"} == KNOWN_BLIND
    assert {cells[case, "levels"] for case in outcomes} == {"right"}


def test_the_claims_of_the_report_fail_in_public(outcomes: dict[str, dict[str, str]]):
    wrong = {
        (case, name)
        for case, row in outcomes.items()
        for name in ("report: KL", "report: 21.9")
        if row[name] == WRONG
    }
    assert wrong == REPORT_WRONG
    values = measured(NAMED["separated by scale"], 0)
    assert values["style/separation"] == pytest.approx(22, rel=1e-3)
    assert values["kl_high/0"] < 1e-6
    assert values["style/information"] < 1e-3


def test_dead_dimensions_of_both_levels_are_counted_one_by_one():
    for level in ("high", "low"):
        for dead in range(1, 5):
            found = verdicts(measured(NAMED[f"z_{level}, {dead} dead"], 7))[level]
            assert found.dead == tuple(range(4 - dead, 4))
            assert found.low == found.score == found.high == 1 - dead / 4


def kl_alone(kl: torch.Tensor, cost: torch.Tensor) -> torch.Tensor:
    return kl >= 0.1


def any_variance(means: torch.Tensor) -> torch.Tensor:
    return means.var(0) > 0


def deaf(module: Any, bars: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(4), torch.zeros(4)


def quarter(module: Any, bars: torch.Tensor, seed: int) -> Any:
    high, low = cost_of_replacing(module, bars, seed)
    return type(high)(high.mean / 4, high.error, high.whole, high.whole_error), low


def sure(means: torch.Tensor, styles: torch.Tensor, **arguments: Any) -> Separation:
    return Separation(1.0, 0.0, 0.0, 0.001)


BROKEN = [
    ("earning", kl_alone, "free bits, ignored", "earning"),
    ("active_units", any_variance, "separated by scale", "active units"),
    ("sensitivity", deaf, "z_high, 0 dead", "sensitivity"),
    ("cost_of_replacing", quarter, "z_high, 0 dead", "cost"),
    ("separation", sure, "styles shuffled", "its p"),
]


@pytest.mark.parametrize(("name", "broken", "case", "column"), BROKEN)
def test_a_broken_measure_is_wrong(
    name: str,
    broken: Callable[..., Any],
    case: str,
    column: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(f"drumvae.metrics.measures.{name}", broken)
    assert run(NAMED[case], 1)[column] == WRONG


def test_a_wrong_reading_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("drumvae.metrics.measures.earning", kl_alone)
    monkeypatch.setattr("drumvae.gauntlet.CASES", (NAMED["free bits, empty"],))
    assert main(["--seeds", "1"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "wrong: free bits, empty: earning\n"
    assert "information" in printed.out
    assert "…" not in printed.out


def test_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "drumvae.gauntlet", "--seeds", "1", "--markdown"],
        cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert lines[0] == ["case", *(measure.name for measure in MEASURES)]
    rows = {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
    assert set(rows) == set(NAMED)
    assert {(case, name) for case, row in rows.items() for name in row if row[name] == "blind"} == (
        KNOWN_BLIND
    )


def test_seeds_are_at_least_one(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["--seeds", "0"])
    assert stopped.value.code == 2
    assert "--seeds must be at least 1, got 0" in capsys.readouterr().err


def test_bars_hold_every_combination_of_bits_once():
    bars = planted_bars(3)
    majority = bars.hits.mean(2) > 0.5
    assert len(np.unique(majority, axis=0)) == len(bars) == 2**BITS
    assert (majority[:, 0] == bars.styles).all()
    # One voice of each step is flipped.
    assert ((bars.hits != majority[:, :, None]).sum(2) == 1).all()


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.5])
def test_information_of_a_bit_under_noise(ratio: float):
    noise = np.random.default_rng(0).normal(size=400_000)
    # ln 2 − H(bit | reading), by Monte Carlo from the posterior of the bit.
    p = 1 / (1 + np.exp(-2 * ratio * (ratio + noise)))
    left = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    assert of_a_bit(ratio) == pytest.approx(math.log(2) - left.mean(), abs=0.003)


@pytest.mark.parametrize("name", ["z_high, 2 dead", "both dead, still heard"])
def test_planted_costs_of_many_bars(name: str):
    case = NAMED[name]
    bars = planted_bars(0).tensor.repeat(40, 1, 1, 1)
    high, low = cost_of_replacing(PlantedVAE(case), bars)
    mean, error = (
        torch.cat(parts).numpy() for parts in ((high.mean, low.mean), (high.error, low.error))
    )
    assert (abs(mean - case.cost) <= 4 * error + 1e-4).all()
    assert (error < 0.15).all()


def test_free_bits_are_exactly_two_tenths_of_a_nat():
    case = Case("free", [FREE] * 4, [NARROW] * 4, (HEALTHY, HEALTHY))
    assert case.kl == pytest.approx(0.2)
    assert FREE.slope**2 + FREE.deviation**2 == pytest.approx(1)
