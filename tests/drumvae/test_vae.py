import copy
import math
from functools import partial

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from drumvae.annealing import Annealing, linear, none
from drumvae.drawn import Recipes
from drumvae.gaussian import standard
from drumvae.likelihoods import Expressive, Hits
from drumvae.metrics import negative_log_likelihood
from drumvae.networks import Decoder, Encoder, ReportDecoder, ReportEncoder
from drumvae.posterior import BottomUp, TopDown
from drumvae.vae import HierarchicalVAE

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
    pytest.mark.filterwarnings("ignore:.*is smaller than the logging interval.*"),
    pytest.mark.filterwarnings("ignore:.*Checkpoint directory .* exists.*"),
]


def model(likelihood=None, inference=TopDown, schedule=none, **options) -> HierarchicalVAE:
    torch.manual_seed(0)
    return HierarchicalVAE(
        partial(Encoder, width=32, blocks=1),
        partial(Decoder, width=32, blocks=1),
        inference,
        likelihood or Hits(),
        Annealing(schedule, schedule),
        partial(torch.optim.Adam, lr=3e-3),
        **options,
    )


def bars(n: int = 64) -> torch.Tensor:
    return Recipes(train=max(5, n)).reference("train").tensor[:n]


def trainer(folder, epochs: int = 2) -> Trainer:
    return Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip


def data() -> Recipes:
    return Recipes(batch_size=32, batches_per_epoch=25)


@pytest.mark.parametrize("redraw", [False, True])
def test_the_decoder_may_see_draws_of_its_own(redraw: bool, monkeypatch: pytest.MonkeyPatch):
    vae, x, seen = model(inference=BottomUp, redraw=redraw), bars(512), []
    vae.planned_batches = lambda: 10
    posterior, outputs = vae.networks.posterior, vae.networks.outputs
    monkeypatch.setattr(
        vae.networks, "posterior", lambda *given: seen.append(posterior(*given)) or seen[-1]
    )
    monkeypatch.setattr(
        vae.networks, "outputs", lambda *given: seen.append(given) or outputs(*given)
    )
    losses = vae.losses(x)
    q, (z_high, z_low) = seen
    assert torch.equal(z_high, q.z_high) != redraw and torch.equal(z_low, q.z_low) != redraw
    # They are draws of the same posteriors, and the KL is that of the first ones.
    for level, z in ((q.high, z_high), (q.low, z_low)):
        noise = ((z - level.mean) / level.deviation).detach()
        assert abs(float(noise.mean())) < 0.1 and float(noise.std()) == pytest.approx(1, abs=0.05)
    assert torch.equal(losses["kl/low"], q.low.kl(q.low_prior).sum(1).mean())
    with pytest.raises(ValueError, match=r"redraw goes with one draw .* vae\.draws=2"):
        model(redraw=True, draws=2)


@pytest.mark.parametrize("inference", [TopDown, BottomUp, partial(BottomUp, reads_draw=True)])
@pytest.mark.parametrize("likelihood", [Hits(), Expressive()])
def test_shapes_and_a_gradient_everywhere(inference, likelihood):
    vae, x = model(likelihood, inference), bars(8)
    vae.planned_batches = lambda: 10
    losses = vae.losses(x)
    losses["loss/total"].backward()
    idle = [n for n, p in vae.networks.named_parameters() if p.grad is None]
    assert idle == []
    q = vae.encode(x, k=3)
    assert q.z_high.shape == q.high.mean.shape == (24, 4)
    assert q.z_low.shape == q.low.mean.shape == q.low_prior.mean.shape == (24, 12)
    assert vae.sample(5).shape == (5, 3, 16, 9)
    assert vae.reconstruct(x).shape == x.shape
    assert vae.central(x)[1].shape == (8, 12)


def test_the_loss_is_the_negative_bound():
    # With β = 1 the loss, averaged over draws, is −E[log p(x, z) − log q(z | x)].
    vae, x = model(), bars(4)
    vae.planned_batches = lambda: 10
    vae.eval()
    torch.manual_seed(0)
    losses = torch.stack([vae.losses(x)["loss/total"].detach() for _ in range(400)])
    vae.averaged = vae.networks
    q, k = vae.encode(x, 20_000), 20_000
    again = x.repeat_interleave(k, 0)
    log_p = vae.log_density(again, q.z_high, q.z_low)
    log_p = log_p + standard(q.z_high).log_density(q.z_high).sum(1)
    log_p = log_p + q.low_prior.log_density(q.z_low).sum(1)
    log_q = q.high.log_density(q.z_high).sum(1) + q.low.log_density(q.z_low).sum(1)
    bound = (log_p - log_q).detach()
    error = float(losses.std()) / 20 + float(bound.std()) / math.sqrt(len(bound))
    assert float(losses.mean()) == pytest.approx(-float(bound.mean()), abs=4 * error)


@pytest.mark.parametrize("draws", [1, 5])
def test_several_draws_train_the_decoder_on_their_weighted_bound(draws: int):
    """Inference networks climb the mean of single bounds, generative ones the bound of all."""
    vae, x = model(draws=draws), bars(16)
    vae.planned_batches = lambda: 10
    vae.manual_backward = lambda loss, **options: loss.backward(**options)
    losses = vae.losses(x)
    weighted = losses.get("loss/weighted", losses["loss/total"])
    single = dict(vae.networks.named_parameters())
    inference = [n for n in single if n.startswith(("encoder", "inference"))]
    generative = [n for n in single if n.startswith(("prior", "decoder"))]
    assert len(inference) + len(generative) == len(single)
    expected = {}
    for names, loss in ((inference, losses["loss/total"]), (generative, weighted)):
        found = torch.autograd.grad(loss, [single[n] for n in names], retain_graph=True)
        expected |= dict(zip(names, found, strict=True))
    vae._backward(losses)
    for name, gradient in expected.items():
        assert torch.equal(single[name].grad, gradient), name  # type: ignore[arg-type]


def test_the_weighted_bound_is_the_importance_weighted_likelihood():
    """Measured by the evaluation's own code, on the same weights: Burda et al. 2016, eq. 8."""
    vae, x, k = model(draws=50), bars(32), 50
    vae.planned_batches = lambda: 10
    vae.networks.eval()
    vae.averaged = vae.networks
    with torch.no_grad():
        runs = [vae.losses(x) for _ in range(40)]
    bounds = torch.stack([run["loss/weighted"] for run in runs])
    error = float(bounds.std()) / math.sqrt(40)
    again = torch.stack([negative_log_likelihood(vae, x, k, seed).mean() for seed in range(40)])
    assert float(bounds.mean()) == pytest.approx(float(again.mean()), abs=6 * error)
    # Jensen: more draws give a tighter bound of the same thing.
    totals = torch.stack([run["loss/total"] for run in runs])
    assert float(bounds.mean()) < float(totals.mean()) - 10 * error


def test_weights_of_draws_need_plain_kl_terms():
    with pytest.raises(ValueError, match="free bits"):
        HierarchicalVAE(
            partial(Encoder, width=8, blocks=1), partial(Decoder, width=8, blocks=1), TopDown,
            Hits(), Annealing(none, none, free=0.1), partial(torch.optim.Adam, lr=1e-3), draws=2,
        )  # fmt: skip
    with pytest.raises(ValueError, match="draws=0"):
        model(draws=0)


def test_the_top_down_posterior_is_the_prior_where_the_bar_says_nothing():
    inference = TopDown(8)
    with torch.no_grad():
        inference.to_low.weight.zero_()
        inference.to_low.bias[:12], inference.to_low.bias[12:] = 0.0, 1e9  # as wide as can be
    prior = model().detail_prior(torch.randn(5, 4))
    low = inference.low(torch.randn(5, 8), prior)
    assert torch.allclose(low.mean, prior.mean, atol=0.05)
    assert (low.log_variance - prior.log_variance).abs().max() < 0.05


def test_the_bottom_up_levels_are_chained_by_z_lows_mean():
    inference = BottomUp(8)
    features = torch.randn(3, 8)
    assert torch.equal(inference.high(features).mean, inference.high(features).mean)
    noisy = BottomUp(8, reads_draw=True)
    assert not torch.equal(noisy.high(features).mean, noisy.high(features).mean)


def test_training_learns_and_counts_batches(tmp_path):
    vae, source = model(average=0.9), data()
    run = trainer(tmp_path, 4)
    vae.planned_batches = lambda: 100
    before = float(vae.losses(bars())["loss/total"].detach())
    del vae.planned_batches
    run.fit(vae, datamodule=source)
    assert int(vae.batches) == 100
    vae.planned_batches = lambda: 100
    assert float(vae.losses(bars())["loss/total"].detach()) < before - 10


def test_the_average_follows_the_weights():
    vae = model(average=0.5)
    vae.batches += 100
    start = copy.deepcopy(vae.averaged.state_dict())
    with torch.no_grad():
        for weight in vae.networks.parameters():
            weight.add_(1)
    vae._update_average()
    for name, weight in vae.averaged.named_parameters():
        assert torch.allclose(weight, start[name] + 0.5, atol=1e-6)


class StopAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def test_a_resumed_run_equals_one_never_stopped(tmp_path):
    def fit(folder, epochs: int, ckpt=None) -> HierarchicalVAE:
        vae = model(schedule=partial(linear, over=0.8))
        torch.manual_seed(7)
        run = Trainer(
            max_epochs=4, accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=folder,
            callbacks=[ModelCheckpoint(folder, save_last=True, save_on_train_epoch_end=True,
                                       enable_version_counter=False)],
        )  # fmt: skip
        if epochs < 4:
            run.callbacks.insert(0, StopAfter(epochs))
        run.fit(vae, datamodule=data(), ckpt_path=ckpt, weights_only=True)
        return vae

    whole = fit(tmp_path / "whole", 4)
    fit(tmp_path / "half", 2)
    resumed = fit(tmp_path / "half", 4, ckpt=tmp_path / "half" / "last.ckpt")
    assert int(resumed.batches) == int(whole.batches) == 100
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_batch_with_nan_stops_the_run_before_a_weight_is_touched(tmp_path):
    vae, source = model(), data()
    source.reference("train").tensor[3, 0, 2, 1] = math.nan
    with pytest.raises(ValueError, match="1 values that are no numbers"):
        trainer(tmp_path).fit(vae, datamodule=source)
    assert all(p.isfinite().all() for p in vae.networks.parameters())


def test_bars_of_another_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"made\s+for \(3, 32, 9\)"):
        trainer(tmp_path).fit(model(steps=32), datamodule=data())


def test_a_run_without_an_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match="max_epochs"):
        trainer(tmp_path, -1).fit(model(), datamodule=data())


def test_bfloat16_trains(tmp_path):
    vae = model(Expressive())
    run = Trainer(
        max_epochs=1, accelerator="cpu", precision="bf16-mixed", logger=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    run.fit(vae, datamodule=data())
    assert all(p.isfinite().all() for p in vae.networks.parameters())


@pytest.mark.parametrize(
    "options", [{"high": 0}, {"low": 0}, {"steps": 0}, {"average": 1.0}, {"clip": 0.0}]
)
def test_nonsense_is_refused(options):
    with pytest.raises(ValueError, match="needs"):
        model(**options)


def test_the_reports_networks_have_its_shapes():
    encoder = ReportEncoder(1, 16, 9)
    assert encoder(torch.zeros(2, 1, 16, 9)).shape == (2, encoder.width)
    assert ReportDecoder(16, 1, 16, 9)(torch.zeros(2, 16)).shape == (2, 1, 16, 9)
