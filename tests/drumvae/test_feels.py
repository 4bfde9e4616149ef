import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import logistic

from drumvae.feels import LEVELS, Offsets, Velocities

BARS, FEELS = 3, 4
BAR = torch.tensor([0, 0, 0, 1, 2, 2])


def mixture(law, seed: int = 0, spread: float = 1.0):
    source = torch.Generator().manual_seed(seed)
    weights = torch.randn(BARS, FEELS, generator=source).log_softmax(1)
    return law(weights, spread * torch.randn(len(BAR), FEELS, 2, generator=source), BAR)


def offset_law(location: float, scale: float):
    """Density and distribution of one truncated logistic, by scipy."""
    law = logistic(location, scale)
    inside = law.cdf(0.5) - law.cdf(-0.5)
    return (lambda x: law.pdf(x) / inside), (lambda x: (law.cdf(x) - law.cdf(-0.5)) / inside)


def velocity_mass(location: float, scale: float) -> np.ndarray:
    """Probabilities of the levels 1 to 127, by scipy."""
    law = logistic(location, scale)
    edges = law.sf(np.arange(1, 128) - 0.5)
    return (edges - np.append(edges[1:], 0)) / law.sf(0.5)


def parameters(found):
    return found.location.double().numpy(), found.scale.double().numpy()


def test_the_likelihood_of_offsets_is_that_of_a_mixture_whose_feel_a_bar_shares():
    found = mixture(Offsets)
    values = torch.tensor([0.1, -0.2, 0.3, 0.0, -0.45, 0.05])
    location, scale = parameters(found)
    expected = []
    for bar in range(BARS):
        together = found.log_weights[bar].double().numpy().copy()
        for hit in np.flatnonzero(BAR.numpy() == bar):
            for feel in range(FEELS):
                density, _ = offset_law(location[hit, feel], scale[hit, feel])
                together[feel] += np.log(density(float(values[hit])))
        expected.append(logsumexp(together))
    assert found.log_likelihood(values).numpy() == pytest.approx(expected, abs=1e-4)


def test_the_likelihood_of_velocities_is_that_of_rounded_levels():
    found = mixture(Velocities)
    levels = np.array([1, 127, 64, 30, 126, 90])
    location, scale = parameters(found)
    expected = []
    for bar in range(BARS):
        together = found.log_weights[bar].double().numpy().copy()
        for hit in np.flatnonzero(BAR.numpy() == bar):
            for feel in range(FEELS):
                mass = velocity_mass(location[hit, feel], scale[hit, feel])
                together[feel] += np.log(mass[levels[hit] - 1])
        expected.append(logsumexp(together))
    values = torch.tensor(levels / 127).float()
    assert found.log_likelihood(values).numpy() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_the_probabilities_of_all_levels_add_up_to_one(spread):
    found = mixture(Velocities, spread=spread)
    mass = sum(
        found.log_density(torch.full(BAR.shape, level / LEVELS)).double().exp()
        for level in range(1, LEVELS + 1)
    )
    assert torch.allclose(mass, torch.ones_like(mass), atol=1e-4)


def test_half_of_the_mixture_lies_below_an_offsets_median():
    found = mixture(Offsets, spread=2.0)
    location, scale = parameters(found)
    weights = found.log_weights.double().exp().numpy()
    for hit, middle in enumerate(found.median().tolist()):
        below = sum(
            weights[BAR[hit], feel] * offset_law(location[hit, feel], scale[hit, feel])[1](middle)
            for feel in range(FEELS)
        )
        assert below == pytest.approx(0.5, abs=1e-4)


def test_a_velocitys_median_is_the_first_level_that_half_lies_at_or_below():
    found = mixture(Velocities, spread=2.0)
    location, scale = parameters(found)
    weights = found.log_weights.double().exp().numpy()
    for hit, middle in enumerate((found.median() * LEVELS).round().int().tolist()):
        mass = sum(
            weights[BAR[hit], feel] * velocity_mass(location[hit, feel], scale[hit, feel])
            for feel in range(FEELS)
        )
        assert middle == 1 + int(np.argmax(np.cumsum(mass) >= 0.5))


@pytest.mark.parametrize("law", [Velocities, Offsets])
def test_draws_follow_the_law_of_their_feel(law):
    n = 20_000
    outputs = torch.tensor([[0.3, 0.2]]).expand(n, 1, 2)
    found = law(torch.zeros(1, 1), outputs, torch.zeros(n, dtype=torch.long))
    drawn = found.draw(torch.zeros(1, dtype=torch.long), torch.Generator().manual_seed(0))
    location, scale = (values[0, 0] for values in parameters(found))
    if law is Offsets:
        places, below = (-0.2, 0.0, 0.2), offset_law(location, scale)[1]
        expected = [below(place) for place in places]
    else:
        places = (40 / LEVELS, 80 / LEVELS, 126 / LEVELS)
        mass = np.cumsum(velocity_mass(location, scale))
        expected = [mass[level - 1] for level in (40, 80, 126)]
    shares = [float((drawn <= place + 1e-6).float().mean()) for place in places]
    assert shares == pytest.approx(expected, abs=4 * math.sqrt(0.25 / n))
    assert drawn.min() >= (1 / LEVELS if law is Velocities else -0.5)
    assert drawn.max() <= (1 if law is Velocities else 0.5)


def test_hits_of_a_bar_share_a_feel_and_bars_of_a_track_too():
    bars, hits = 3000, 5
    outputs = torch.zeros(bars * hits, 2, 2)
    outputs[:, 0, 0], outputs[:, 1, 0], outputs[..., 1] = -1.0, 1.0, -20.0
    weights = torch.tensor([0.7, 0.3]).log().expand(bars, 2)
    bar = torch.arange(bars).repeat_interleave(hits)
    found, source = Offsets(weights, outputs, bar), torch.Generator().manual_seed(0)
    for tracks, size in ((None, 1), (torch.arange(bars) // 3, 3)):
        feels = found.draw_feels(source, tracks)
        late = (found.draw(feels, source) > 0).view(-1, size * hits)
        assert (late.all(1) | ~late.any(1)).all()
        n = bars // size
        assert late[:, 0].float().mean().item() == pytest.approx(0.3, abs=4 * 0.46 / math.sqrt(n))


@pytest.mark.parametrize("law", [Velocities, Offsets])
@pytest.mark.parametrize("size", [30.0, 1e3])
def test_extreme_outputs_give_numbers_and_gradients(law, size):
    source = torch.Generator().manual_seed(0)
    outputs = size * torch.randn(len(BAR), FEELS, 2, generator=source)
    outputs.requires_grad_(True)
    found = law(torch.zeros(BARS, FEELS).log_softmax(1), outputs, BAR)
    found.log_likelihood(torch.full(BAR.shape, 0.4)).sum().backward()
    assert outputs.grad.isfinite().all()
    feels = found.draw_feels(source)
    for values in (found.median(), found.draw(feels, source)):
        assert values.isfinite().all()


def test_a_bar_without_hits_has_the_likelihood_one():
    nothing = torch.zeros(0, dtype=torch.long)
    found = Offsets(torch.zeros(2, 3).log_softmax(1), torch.zeros(0, 3, 2), nothing)
    assert torch.allclose(found.log_likelihood(torch.zeros(0)), torch.zeros(2), atol=1e-6)
    assert found.median().shape == (0,)
