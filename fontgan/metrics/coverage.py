"""Which letters a generator still draws, counted on what a judge accepts."""

import math

import torch
from torch import Tensor
from torchmetrics import Metric

from fontgan import LETTERS

THRESHOLD = 0.25
"""A letter is alive from this part of its fair share on."""
MISREAD = 0.08
"""A letter is alive above this part of the commonest's count: fewer may be misreadings of that.

The shipped judge reads 6.8 U among V of unseen validation families for 100 that it reads as V,
5.1 V among U, and of any other pair of letters at most 4.1.
"""
Z = 1.959964
"""Standard deviations to either side that hold 95 % of a Gaussian."""


def alive(counts: Tensor, drawn: int, data: Tensor, threshold: float = THRESHOLD) -> Tensor:
    r"""Which letters are alive: accepted often enough to be neither accident nor misreading.

    .. math:: n_c \ge \tau \, N \, p_c, \quad p_c = m_c / \sum_c m_c,
        \qquad n_c / p_c > \varepsilon \max_{c'} n_{c'} / p_{c'}

    `N` is the number of samples *drawn*, refused ones included, so junk lowers it. The second rule
    (ε is `MISREAD`) binds where one letter is an eighth of all samples or more: of a generator that
    draws Q alone some are read as O, and that is not a second letter.

    Args:
        counts: accepted samples of each letter :math:`n_c`, shape (letters,).
        drawn: samples drawn :math:`N`, accepted or not, at least 1.
        data: glyphs of each letter in the data :math:`m_c`, all positive, shape (letters,).
        threshold: part of the fair share that is asked for :math:`\tau`.

    Returns:
        Bool, shape (letters,).

    Raises:
        ValueError: a letter is missing in the data, or the counts do not fit `drawn`.
    """
    counts, data = _checked(counts, drawn, data)
    # Multiplied out: the products are exact, so 25 of 2,600 samples do meet a quarter of 1/26.
    often = counts * data.sum() >= threshold * drawn * data
    relative = counts / data
    return often & (relative > MISREAD * relative.max())


def coverage(counts: Tensor, drawn: int, data: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Number of letters that are `alive`, float64 scalar; arguments and errors are the same."""
    return alive(counts, drawn, data, threshold).double().sum()


def wilson(counts: Tensor, drawn: float, z: float = Z) -> tuple[Tensor, Tensor]:
    r"""Wilson score interval of each share :math:`n_c / N` (Wilson 1927).

    .. math:: \frac{n_c + z^2/2 \pm z \sqrt{n_c (N - n_c) / N + z^2 / 4}}{N + z^2}

    Args:
        counts: successes :math:`n_c`, shape (n,).
        drawn: trials :math:`N`, at least 1; of dependent ones their effective number.
        z: standard deviations; 1.96 gives 95 %.

    Returns:
        Lower and upper ends, float64, each of shape (n,), in [0, 1].
    """
    n = counts.double()
    middle = n + z**2 / 2
    half = z * (n * (drawn - n) / drawn + z**2 / 4).sqrt()
    low, high = (middle - half) / (drawn + z**2), (middle + half) / (drawn + z**2)
    return low.clamp(min=0), high.clamp(max=1)


def certain(counts: Tensor, drawn: int, data: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Number of `alive` letters whose 95 % Wilson interval lies wholly above the threshold.

    Few samples make this fall behind `coverage`: they cannot tell.

    Args:
        counts: accepted samples of each letter, shape (letters,).
        drawn: samples drawn, accepted or not, at least 1.
        data: glyphs of each letter in the data, all positive, shape (letters,).
        threshold: part of the fair share that is asked for.

    Returns:
        The number of letters, float64 scalar.

    Raises:
        ValueError: as `coverage`.
    """
    living = alive(counts, drawn, data, threshold)
    sure = wilson(counts, drawn)[0] > threshold * data.double() / data.sum()
    return (living & sure).double().sum()


def entropy(counts: Tensor) -> Tensor:
    """Entropy of the accepted letters over its greatest value, ln(letters).

    Args:
        counts: accepted samples of each letter, shape (letters,).

    Returns:
        Float64 scalar in [0, 1]; 0 where none was accepted, as for one letter only.
    """
    if not counts.any():
        return torch.zeros((), dtype=torch.double)
    share = counts.double() / counts.sum()
    return -torch.special.xlogy(share, share).sum() / math.log(len(counts))


def divergence(counts: Tensor, data: Tensor) -> Tensor:
    r"""KL(generated ‖ data) of the accepted letters, in nats.

    .. math:: \sum_c q_c \ln (q_c / p_c)

    Where no sample was accepted there is no :math:`q`; the value is then the worst that any
    generator can get, :math:`\ln(1 / \min_c p_c)`: all samples on the rarest letter.

    Args:
        counts: accepted samples of each letter, shape (letters,).
        data: glyphs of each letter in the data, all positive, shape (letters,).

    Returns:
        Float64 scalar in [0, ln(1 / min p)].

    Raises:
        ValueError: a letter is missing in the data.
    """
    counts, data = _checked(counts, int(counts.sum()), data)
    fair = data / data.sum()
    if not counts.any():
        return -fair.min().log()
    share = counts / counts.sum()
    # Rounding may leave -1e-17 where the two are equal.
    return torch.special.xlogy(share, share / fair).sum().clamp(min=0)


def corrected_divergence(counts: Tensor, data: Tensor) -> Tensor:
    r"""KL(generated ‖ data) without the bias that few samples bring, in nats.

    The plug-in value of `divergence` is too large by :math:`(K - 1) / 2n` on average, to first
    order, for n accepted samples of a generator of K letters (Paninski 2003, "Estimation of Entropy
    and Mutual Information", eq. 4). That is taken off, K being the letters *seen*: a dead one adds
    no bias. A generator with the data's own shares gets 0 on average, so that single values lie on
    both sides of it; 26 letters want 100 samples or more for that (0.01 nat is left of 100, 0.07 of
    50, 0.26 of 26).

    Args:
        counts: accepted samples of each letter, shape (letters,).
        data: glyphs of each letter in the data, all positive, shape (letters,).

    Raises:
        ValueError: a letter is missing in the data.
    """
    n = int(counts.sum())
    return divergence(counts, data) - (((counts > 0).sum() - 1) / (2 * n) if n else 0)


def total_variation(counts: Tensor, data: Tensor) -> Tensor:
    r"""Total variation distance of the accepted letters from the data.

    .. math:: \tfrac12 \sum_c |q_c - p_c|

    Args:
        counts: accepted samples of each letter, shape (letters,).
        data: glyphs of each letter in the data, all positive, shape (letters,).

    Returns:
        Float64 scalar in [0, 1]; 1 where none was accepted.

    Raises:
        ValueError: a letter is missing in the data.
    """
    counts, data = _checked(counts, int(counts.sum()), data)
    if not counts.any():
        return torch.ones((), dtype=torch.double)
    return (counts / counts.sum() - data / data.sum()).abs().sum() / 2


def _checked(counts: Tensor, drawn: int, data: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64 once they make sense together."""
    if counts.shape != data.shape or counts.ndim != 1:
        raise ValueError(f"counts {tuple(counts.shape)} and data {tuple(data.shape)} must be (n,)")
    if not (data > 0).all():
        missing = torch.nonzero(data <= 0).flatten().tolist()
        raise ValueError(f"the reference has no glyph of classes {missing}; it needs every letter")
    if counts.sum() > drawn:
        raise ValueError(f"{int(counts.sum())} samples accepted, but only {drawn} drawn")
    return counts.double(), data.double()


class LetterCoverage(Metric):
    """All measures of which letters are drawn, over batches: counts are kept, and they add up.

    >>> metric = LetterCoverage(torch.ones(26))
    >>> metric.update(torch.tensor([0, 1, -1, 1]))
    >>> measures = metric.compute()
    >>> measures["coverage/letters"].item(), measures["coverage/accepted"].item()
    (2.0, 0.75)

    Args:
        data: glyphs of each letter in the data, in the order of the alphabet, shape (26,).
    """

    full_state_update = False
    counts: Tensor
    drawn: Tensor
    data: Tensor

    def __init__(self, data: Tensor, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        if len(data) != len(LETTERS):
            raise ValueError(f"expected counts of {len(LETTERS)} letters, found {len(data)}")
        self.register_buffer("data", data, persistent=False)
        self.add_state("counts", torch.zeros(len(data), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("drawn", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, letters: Tensor) -> None:
        """Count a batch: letters (n,) long, -1 where refused."""
        classes = len(self.counts)
        if letters.numel() and not -1 <= letters.min() <= letters.max() < classes:
            found = f"[{letters.min()}, {letters.max()}]"
            raise ValueError(f"letters must lie in [-1, {classes}), found {found}")
        self.counts += torch.bincount(letters[letters >= 0], minlength=classes)
        self.drawn += letters.numel()

    def compute(self) -> dict[str, Tensor]:
        drawn = int(self.drawn)
        if drawn < 1:
            raise ValueError("coverage of no sample at all; call update first")
        shares = self.counts.double() / drawn
        return {
            "coverage/letters": coverage(self.counts, drawn, self.data),
            "coverage/any": (self.counts > 0).double().sum(),
            "coverage/certain": certain(self.counts, drawn, self.data),
            "coverage/accepted": self.counts.double().sum() / drawn,
            "coverage/entropy": entropy(self.counts),
            "coverage/kl": divergence(self.counts, self.data),
            "coverage/kl_corrected": corrected_divergence(self.counts, self.data),
            "coverage/total_variation": total_variation(self.counts, self.data),
            **{f"letters/{letter}": share for letter, share in zip(LETTERS, shares, strict=True)},
        }
