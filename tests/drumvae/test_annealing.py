import itertools
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate

import conf
from conf.errors import experiments
from drumvae.annealing import (
    Annealing,
    aggressive,
    capacity,
    cosine,
    cyclical,
    free_bits,
    linear,
    none,
    sigmoid,
    warm_up,
)

GROUP = Path(conf.__file__).parent / "annealing"
RISING = [none, linear, warm_up, sigmoid, cosine, aggressive]


@pytest.mark.parametrize("schedule", [*RISING, cyclical])
def test_every_schedule_stays_between_nothing_and_its_end_and_reaches_it(schedule):
    values = [schedule(b, 1000, end=0.2) for b in range(1001)]
    assert min(values) >= 0
    assert max(values) <= 0.2 + 1e-12
    assert values[-1] == pytest.approx(0.2, rel=1e-6)


@pytest.mark.parametrize("schedule", RISING)
def test_all_but_the_saw_never_fall(schedule):
    values = [schedule(b, 1000) for b in range(1001)]
    assert all(later >= earlier for earlier, later in itertools.pairwise(values))


@pytest.mark.parametrize(
    ("schedule", "batch", "expected"),
    [
        (none, 0, 1.0),
        (partial(linear, over=0.5, start=0.1, end=1.0), 0, 0.1),
        (partial(linear, over=0.5, start=0.1, end=1.0), 250, 0.55),
        (partial(linear, over=0.5, start=0.1, end=1.0), 600, 1.0),
        (partial(warm_up, wait=0.1, over=0.4), 100, 0.0),
        (partial(warm_up, wait=0.1, over=0.4), 300, 0.5),
        (partial(sigmoid, middle=0.25), 250, 0.5),
        (partial(cosine, over=0.5), 250, 0.5),
        (partial(cosine, over=0.5), 125, 0.14644660940672627),
        (partial(cyclical, cycles=4, ramp=0.5), 0, 0.0),
        (partial(cyclical, cycles=4, ramp=0.5), 62, 0.496),
        (partial(cyclical, cycles=4, ramp=0.5), 125, 1.0),
        (partial(cyclical, cycles=4, ramp=0.5), 249, 1.0),
        (partial(cyclical, cycles=4, ramp=0.5), 250, 0.0),
        (partial(aggressive, after=50), 25, 0.5),
        (partial(aggressive, after=50), 50, 1.0),
    ],
)
def test_values_by_hand(schedule, batch, expected):
    assert schedule(batch, 1000) == pytest.approx(expected)


def test_aggressive_counts_batches_and_the_others_shares_of_the_run():
    assert aggressive(25, 1000) == aggressive(25, 10)
    assert linear(50, 100) == linear(500, 1000)


def test_free_bits_by_hand():
    kl = torch.tensor([[0.0, 1.0, 3.0], [0.2, 1.0, 1.0]])  # means 0.1, 1, 2
    assert free_bits(kl, 0.5).item() == pytest.approx(0.5 + 1 + 2)
    assert free_bits(kl, 0.0).item() == pytest.approx(3.1)
    assert free_bits(kl, 4.0, per="level").item() == pytest.approx(4)
    assert free_bits(kl, 3.0, per="level").item() == pytest.approx(3.1)


def test_free_nats_have_no_gradient():
    kl = torch.tensor([[0.1, 1.0]], requires_grad=True)
    free_bits(kl, 0.5).backward()
    assert kl.grad.tolist() == [[0.0, 1.0]]


def test_capacity_by_hand():
    kl = torch.tensor([[1.0, 1.0], [2.0, 2.0]])  # 3 nats
    assert capacity(kl, 5.0, gamma=10).item() == pytest.approx(20)
    assert capacity(kl, 2.0, gamma=10).item() == pytest.approx(10)


def test_the_cost_of_both_levels():
    annealing = Annealing(partial(none, end=0.5), partial(none, end=2.0), free=0.3)
    high, low = torch.tensor([[0.1, 1.0]]), torch.tensor([[0.4]])
    assert annealing.cost(high, low, annealing.weights(3, 10)).item() == pytest.approx(
        0.5 * 1.3 + 2 * 0.4
    )
    assert annealing.weights(3, 10) == (0.5, 2.0)
    aimed = Annealing(none, linear, capacity_low=8.0, gamma=2.0)
    # At half of the line, 0.25 of the run, the target is half of 8.
    assert aimed.cost(high, low, aimed.weights(25, 100)).item() == pytest.approx(
        1.1 + 2 * abs(0.4 - 4)
    )


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"annealing\.per"):
        Annealing(none, none, per="batch")
    with pytest.raises(ValueError, match=r"annealing\.free"):
        Annealing(none, none, free=-1)


@pytest.mark.parametrize("annealing", sorted(f.stem for f in GROUP.glob("*.yaml")))
@pytest.mark.parametrize("experiment", sorted({*experiments("drumvae")} - {"humanize"}))
def test_any_schedule_goes_over_any_experiment(experiment, annealing):
    words = [f"+experiment={experiment}", f"annealing={annealing}"]
    with initialize_config_module("conf", version_base="1.3"):
        schedules = instantiate(compose("drumvae", words).annealing)
    betas = [schedules.weights(batch, 1000) for batch in (0, 500, 1000)]
    assert all(0 <= beta <= 1 for pair in betas for beta in pair)
    assert min(betas[-1]) >= 0.2
