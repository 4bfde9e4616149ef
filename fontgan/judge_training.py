"""Train a letter judge on training groups only, and calibrate it on validation."""

from typing import cast

import torch
import torch.nn.functional as F
from rich.progress import Progress
from torch import Generator, Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fontgan.glyphs import GlyphSet
from fontgan.judge import REFUSED, Judge
from fontgan.junk import TRAINED, blend, blurred, uniform
from fontgan.near_letters import NearLetters

# Kinds drawn more often are the ones hardest to tell from letters.
_WEIGHTS = {
    "blend": 3.0,
    "broken": 1.5,
    "halves": 1.0,
    "mirrored": 2.0,
    "overlay": 1.5,
    "shuffled": 2.0,
}
_NEAR_WEIGHT = 2.0
TensorList = tuple[Tensor, ...] | list[Tensor]
_BLENDS = 0.02  # share of blends of validation letters that the threshold lets pass
_LOWEST = 0.05  # threshold where blends alone would allow a lower one


def disturbed(glyphs: Tensor, generator: Generator) -> Tensor:
    """Letters as they may also be drawn: moved, leaning, heavier, softer, paler.

    Args:
        glyphs: float in [0, 1], shape (n, 1, size, size).
        generator: the source of chance.
    """
    n = len(glyphs)
    angle = uniform(generator, (n,), -7, 7).deg2rad()
    shear = uniform(generator, (n,), -0.15, 0.15)
    width, height = uniform(generator, (n,), 0.9, 1.2), uniform(generator, (n,), 0.92, 1.15)
    shift = uniform(generator, (n, 2), -0.09, 0.09)
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack(
        [
            torch.stack([width * cos, shear - sin, shift[:, 0]], 1),
            torch.stack([sin, height * cos, shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(rows, list(glyphs.shape), align_corners=False)
    moved = F.grid_sample(glyphs, grid, mode="bilinear", align_corners=False)
    weight = uniform(generator, (n, 1, 1, 1), -0.5, 0.5)  # towards eroded or dilated strokes
    heavy = F.max_pool2d(moved, 3, 1, 1)
    light = -F.max_pool2d(-moved, 3, 1, 1)
    # Thin strokes would vanish: only as much is taken off as the picture can lose.
    spare = (light.flatten(1).sum(1) / moved.flatten(1).sum(1).clamp(min=1)).view(n, 1, 1, 1)
    moved = torch.where(weight > 0, moved.lerp(heavy, weight), moved.lerp(light, -weight * spare))
    soft = blurred(moved, uniform(generator, (n,), 0.05, 0.7))
    pale = soft * uniform(generator, (n, 1, 1, 1), 0.8, 1.15)
    changed = torch.rand((n, 1, 1, 1), generator=generator) < 0.85
    return torch.where(changed, pale, glyphs).clamp(0, 1)


def grained(pictures: Tensor, generator: Generator) -> Tensor:
    """Pictures without their faintest pixels, with a little noise, with both or as they are.

    Letters and junk alike go through it, so that noise tells nothing: of letters that all carry
    some (`data=report`) a judge without it refuses 92 % once their noise is taken off, and one
    that has seen noise on letters alone accepts eight times as many noisy blends as clean ones.
    """
    n = len(pictures)
    floor = uniform(generator, (n, 1, 1, 1), -0.08, 0.15).clamp(min=0)
    cleared = (pictures - floor).clamp(min=0) / (1 - floor)
    grain = uniform(generator, (n, 1, 1, 1), -0.05, 0.07).clamp(min=0)
    return (cleared + grain * torch.randn(pictures.shape, generator=generator)).clamp(0, 1)


def junk_batch(glyphs: Tensor, letters: Tensor, near: Tensor, generator: Generator) -> Tensor:
    """Pictures to refuse, of all trained kinds, and near-letters: float, shape of `glyphs`."""
    kinds = [*TRAINED, "near"]
    weights = torch.tensor([_WEIGHTS.get(kind, 1.0) for kind in TRAINED] + [_NEAR_WEIGHT])
    counts = torch.bincount(
        torch.multinomial(weights, len(glyphs), replacement=True, generator=generator),
        minlength=len(kinds),
    ).tolist()
    parts = []
    for kind, glyph, letter in zip(kinds, glyphs.split(counts), letters.split(counts), strict=True):
        if not len(glyph):
            continue
        if kind == "near":
            chosen = torch.randint(len(near), (len(glyph),), generator=generator)
            parts.append(disturbed(near[chosen].float() / 255, generator))
        else:
            parts.append(TRAINED[kind](glyph, letter, generator))
    return torch.cat(parts)


def train(
    letters: GlyphSet,
    validation: GlyphSet,
    near: NearLetters,
    data: str,
    steps: int = 4000,
    batch: int = 128,
    seed: int = 0,
    progress: bool = True,
) -> Judge:
    """Fit a judge, then calibrate its temperature and threshold on validation letters.

    Args:
        letters: training letters.
        validation: letters of other groups.
        near: near-letters of training groups, refused too.
        data: fingerprint of the data, recorded in the judge.
        steps: batches of `batch` letters and as many junk pictures.
        batch: letters in a batch.
        seed: of initial weights and all chance.
        progress: show a bar.
    """
    generator = Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge(letters.images.shape[-1], data=data)
    average = AveragedModel(judge, multi_avg_fn=_warming_average, use_buffers=True)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    targets = torch.cat([torch.zeros(batch), torch.full((batch,), REFUSED)]).long()
    near_images = resized(torch.from_numpy(near.glyphs)[:, None], judge.size)
    with Progress(disable=not progress) as bar:
        task = bar.add_task("judge", total=steps)
        for _ in range(steps):
            chosen = torch.randint(len(letters.letters), (2 * batch,), generator=generator)
            glyphs, names = letters.images[chosen].float() / 255, letters.letters[chosen]
            good = disturbed(glyphs[:batch], generator)
            bad = junk_batch(glyphs[batch:], names[batch:], near_images, generator)
            targets[:batch] = names[:batch]
            logits, _ = judge(grained(torch.cat([good, bad]), generator))
            loss = F.cross_entropy(logits, targets, label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(judge)
            bar.update(task, advance=1, description=f"judge, loss {loss.item():.3f}")
    fitted = cast(Judge, average.module).eval().requires_grad_(False)
    # What is saved, in half precision, is what is calibrated.
    state = fitted.state_dict()
    fitted.load_state_dict({k: w.half() if w.is_floating_point() else w for k, w in state.items()})
    calibrate(fitted, validation)
    return fitted


def _warming_average(averaged: TensorList, current: TensorList, count: Tensor | int) -> None:
    """Moving average whose memory grows with the run, up to 500 batches."""
    decay = min(0.998, float((1 + count) / (10 + count)))
    get_ema_multi_avg_fn(decay)(averaged, current, count)


def resized(images: Tensor, size: int) -> Tensor:
    """Pictures at the judge's size, shape (n, 1, size, size), where they have another: uint8."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images.float(), (size, size), mode="area").round().to(torch.uint8)


def calibrate(judge: Judge, validation: GlyphSet, seed: int = 0) -> None:
    """Set the temperature by likelihood of validation letters, and the threshold by their blends.

    Blends are the kind that is hardest to refuse among those that are surely no letters: the
    threshold lets `_BLENDS` of them pass, and how many letters pass then is what it is.
    """
    with torch.no_grad():
        letters = _logits(judge, validation.images.float() / 255)
        candidates = torch.linspace(0.3, 2.0, 171)
        losses = [F.cross_entropy(letters[:, :REFUSED] / t, validation.letters) for t in candidates]
        judge.temperature.fill_(candidates[int(torch.stack(losses).argmin())])
        generator = Generator().manual_seed(seed)
        order = torch.randperm(len(validation.letters), generator=generator)
        blends = [
            blend(validation.images[part].float() / 255, validation.letters[part], generator)
            for part in order.split(250)
        ]
        logits = _logits(judge, torch.cat(blends))
        best = (logits / judge.temperature).softmax(1)[:, :REFUSED].amax(1)
        judge.threshold.fill_(max(_LOWEST, float(best.quantile(1 - _BLENDS))))


def _logits(judge: Judge, images: Tensor) -> Tensor:
    return torch.cat([judge(part)[0] for part in images.split(500)])
