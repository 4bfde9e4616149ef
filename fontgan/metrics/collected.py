"""Any measure of features and letters as a torchmetrics Metric, over batches and processes."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

Measure = Callable[[Tensor, Tensor], Mapping[str, float]]


class Collected(Metric):
    """Keeps what every batch brings, and measures all of it at once.

    Measures of neighbourhoods, bins or eigenvalues do not add up over batches; what is kept does.
    On several processes each computes the same value, that of all their samples together, however
    unevenly these are dealt out; one may have got none.

    >>> from fontgan.metrics import vendi_score
    >>> metric = Collected(lambda features, letters: {"vendi": vendi_score(features)})
    >>> metric.update(torch.eye(3)), metric.update(torch.eye(3))
    (None, None)
    >>> round(metric.compute()["vendi"], 6)
    3.0

    Args:
        measure: (features (n, d), letters (n,)) → values by name.
        arguments: of `torchmetrics.Metric`.
    """

    full_state_update = False
    features: list[Tensor]
    letters: list[Tensor]

    def __init__(self, measure: Measure, **arguments: Any) -> None:
        super().__init__(**{"dist_sync_fn": _gathered, **arguments})
        self.measure = measure
        self.add_state("features", default=[], dist_reduce_fx="cat")
        self.add_state("letters", default=[], dist_reduce_fx="cat")

    def update(self, features: Tensor, letters: Tensor | None = None) -> None:
        """Keep a batch.

        Args:
            features: shape (n, d).
            letters: what a judge reads, -1 where it refuses, shape (n,); all -1 by default.

        Raises:
            ValueError: other shapes.
        """
        if letters is None:
            letters = torch.full((len(features),), -1, device=features.device)
        if features.ndim != 2 or letters.shape != features.shape[:1]:
            raise ValueError(
                f"a batch has features (n, d) and letters (n,), got {tuple(features.shape)} and "
                f"{tuple(letters.shape)}"
            )
        self.features.append(features)
        self.letters.append(letters)

    def compute(self) -> dict[str, Tensor]:
        if not len(self.features):
            raise ValueError("nothing to measure; call update first")
        features, letters = dim_zero_cat(self.features), dim_zero_cat(self.letters)
        found = self.measure(features, letters)
        return {name: torch.tensor(value, dtype=torch.double) for name, value in found.items()}


def _gathered(kept: Tensor, group: Any = None) -> list[Tensor]:
    """What each process has kept: tensors of any length, and of those without any sample none."""
    found: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, kept.cpu(), group=group)
    return [each.to(kept.device) for each in found if each.numel()] or [kept]
