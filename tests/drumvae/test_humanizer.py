from functools import partial

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from drumvae.bars import Bars
from drumvae.grooves import GMD_KIT
from drumvae.humanizer import Humanizer
from drumvae.passages import Passages, around

# `conf.run` leaves these out too: data lie in memory, and the averaged weights are not trained.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]
KICK, SNARE, CRASH = 0, 1, 7
SMALL = partial(Humanizer, width=32, blocks=1, detail=8, feels=4, rank=4, dropout=0.0, blank=0.0)


def played(n: int = 192, seed: int = 0) -> Bars:
    """Kicks are late; snares are loud in every other bar, and early before a bar with a crash."""
    rng = np.random.default_rng(seed)
    hits = np.zeros((n, 16, 9), bool)
    hits[:, ::4, KICK] = hits[:, 4::8, SNARE] = True
    hits[:, 0, CRASH] = rng.random(n) < 0.5
    velocities, offsets = 0.5 * hits.astype(np.float32), np.zeros(hits.shape, np.float32)
    before_crash = np.append(hits[1:, 0, CRASH], False)
    offsets[:, :, KICK] = 0.2
    offsets[:, :, SNARE] = np.where(before_crash, -0.3, 0.1)[:, None]
    velocities[:, :, SNARE] = np.where(rng.random(n) < 0.5, 0.9, 0.3)[:, None]
    offsets += rng.normal(0, 0.01, hits.shape).astype(np.float32)
    zeros = np.zeros(n, np.int64)
    tempos = rng.uniform(90, 140, n).astype(np.float32)
    return Bars(hits, velocities * hits, offsets * hits, zeros, zeros, tempos, ("rock",), GMD_KIT)


def fit(module: Humanizer, bars: Bars, folder, epochs: int, ckpt_path: str | None = None):
    batches = torch.arange(len(bars)).split(16)
    loader = DataLoader(Passages(bars), sampler=list(batches), batch_size=None)  # pyright: ignore
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, loader, ckpt_path=ckpt_path, weights_only=True)
    return trainer


@pytest.fixture(scope="module")
def bars() -> Bars:
    return played()


@pytest.fixture(scope="module")
def trained(bars, tmp_path_factory) -> Humanizer:
    torch.manual_seed(3)
    module = SMALL(optimizer=partial(torch.optim.Adam, lr=1e-2), average=0.9)
    fit(module, bars, tmp_path_factory.mktemp("run"), epochs=50)
    return module


def everything(bars: Bars) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    seen = around(torch.from_numpy(bars.hits), torch.from_numpy(bars.performances))
    return torch.from_numpy(bars.hits), torch.from_numpy(bars.tempos), seen


def test_the_neighbours_of_a_bar_are_those_of_its_track():
    hits = torch.arange(1, 5).float()[:, None, None].expand(4, 2, 3)
    found = around(hits, torch.tensor([7, 7, 7, 2]))[:, :, 0, 0]
    assert found.tolist() == [[0, 2], [1, 3], [2, 0], [0, 0]]


def test_it_learns_what_the_hits_tell(trained, bars):
    hits, tempos, _ = everything(bars)
    median = trained.median(hits, tempos)
    assert torch.equal(median[:, 0] > 0, hits)
    assert not median[:, 1:][~hits[:, None].expand(-1, 2, -1, -1)].any()
    assert (median[:, 2, ::4, KICK] - 0.2).abs().mean() < 0.02


def test_in_context_it_knows_what_comes(trained, bars):
    hits, tempos, seen = everything(bars)
    real = torch.from_numpy(bars.offsets)[:, 4, SNARE]
    alone, informed = (
        (trained.median(hits, tempos, around)[:, 2, 4, SNARE] - real).abs().mean()
        for around in (None, seen)
    )
    assert informed < 0.05
    assert alone > 0.15


def test_snares_of_a_bar_are_loud_together_in_half_of_the_bars(trained, bars):
    hits, tempos, _ = everything(bars)
    drawn = trained.sample(hits, tempos, torch.Generator().manual_seed(0))
    loud = drawn[:, 1, 4::8, SNARE] > 0.6
    # By chance two of them would differ in half of the bars.
    assert (loud[:, 0] == loud[:, 1]).float().mean() > 0.95
    assert loud.float().mean().item() == pytest.approx(0.5, abs=0.1)
    one = torch.zeros(len(hits), dtype=torch.long)
    together = trained.sample(hits, tempos, torch.Generator().manual_seed(0), tracks=one)
    share = (together[:, 1, 4::8, SNARE] > 0.6).float().mean().item()
    assert share < 0.05 or share > 0.95


def test_draws_are_as_good_as_their_source_of_chance(trained, bars):
    hits, tempos, _ = everything(bars)
    first, again, other = (
        trained.sample(hits, tempos, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first[:, 0] > 0, hits)


def test_the_median_is_the_median_of_draws():
    torch.manual_seed(3)
    module, n = SMALL(), 4000
    hits = torch.zeros(1, 16, 9, dtype=torch.bool)
    hits[0, ::2, KICK] = True
    middle = module.median(hits, torch.tensor([100.0]))[0]
    drawn = module.sample(
        hits.expand(n, -1, -1), torch.full((n,), 100.0), torch.Generator().manual_seed(0)
    )
    for channel in (1, 2):
        below = (drawn[:, channel] < middle[channel]).float().mean(0)[hits[0]]
        at_most = (drawn[:, channel] <= middle[channel]).float().mean(0)[hits[0]]
        error = 4 * 0.5 / n**0.5
        assert (below < 0.5 + error).all() and (at_most > 0.5 - error).all()


def test_the_loss_is_what_the_likelihood_of_the_same_weights_says(bars):
    torch.manual_seed(1)
    module = SMALL(tempo_jitter=0.0, alone=0.0)
    _, tempos, seen = everything(bars)
    loss = module.training_step((bars.tensor, seen, tempos), 0)
    expected = -module.log_likelihood(bars.tensor, tempos, seen).mean()
    assert loss["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    parts = loss["loss/velocity"] + loss["loss/offset"]
    assert parts.item() == pytest.approx(loss["loss"].item(), rel=1e-5)


def test_a_resumed_run_equals_one_that_was_never_stopped(bars, tmp_path):
    some, sizes = (
        bars[np.arange(96)],
        {"width": 16, "blocks": 1, "detail": 4, "feels": 3, "rank": 2},
    )
    torch.manual_seed(0)
    whole = Humanizer(**sizes)
    fit(whole, some, tmp_path, epochs=4)
    torch.manual_seed(0)
    half = StopsEarly(**sizes)  # after two of the four epochs
    fit(half, some, tmp_path, epochs=4).save_checkpoint(tmp_path / "half.ckpt")
    assert int(half.batches) == 12
    torch.manual_seed(1)
    resumed = Humanizer(**sizes)
    fit(resumed, some, tmp_path, epochs=4, ckpt_path=str(tmp_path / "half.ckpt"))
    other = resumed.state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, other[name]), name


def test_a_longer_run_goes_on_with_a_rate_that_falls(bars, tmp_path):
    some, sizes = (
        bars[np.arange(96)],
        {"width": 16, "blocks": 1, "detail": 4, "feels": 3, "rank": 2},
    )
    fit(Humanizer(**sizes), some, tmp_path, epochs=2).save_checkpoint(tmp_path / "a.ckpt")
    rates: list[float] = []

    class Watched(Humanizer):
        def on_train_epoch_end(self) -> None:
            rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])

    fit(Watched(**sizes), some, tmp_path, epochs=4, ckpt_path=str(tmp_path / "a.ckpt"))
    full = rates[0] / ((1 + np.cos(np.pi * 3 / 4)) / 2)
    assert rates == pytest.approx([0.146 * full, 0], rel=0.01, abs=1e-6)


class StopsEarly(Humanizer):
    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = self.current_epoch == 1


def test_what_does_not_fit_is_refused():
    module = SMALL()
    with pytest.raises(ValueError, match="16 steps, 9 voices"):
        module.median(torch.zeros(2, 12, 9), torch.full((2,), 100.0))
    with pytest.raises(ValueError, match="n tempos"):
        module.median(torch.zeros(2, 16, 9), torch.full((1,), 100.0))
    with pytest.raises(ValueError, match=r"drumvae\.passages"):
        module.training_step((torch.zeros(2, 3, 16, 9), torch.zeros(2)), 0)
    with pytest.raises(ValueError, match="sizes of 1 or more"):
        SMALL(steps=0)
    with pytest.raises(ValueError, match="shares"):
        Humanizer(dropout=1.0)
