"""No sample, one, two, all alike, no numbers: a value that is defined, or a clear error."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch

from fontgan.metrics import (
    bins,
    different_bins,
    frechet_distance,
    kernel_distance,
    likeness,
    moments,
    neighbours,
    style_coverage,
    styles,
    support,
    vendi_score,
)

REAL = torch.randn(260, 5, generator=torch.Generator().manual_seed(0))
LETTERS = torch.arange(26).repeat(10)
CELLS, STYLES = bins(REAL, 10), styles(REAL, LETTERS, 3)


def _style(x: torch.Tensor) -> Any:
    return style_coverage(STYLES.counts, STYLES.cells(x, torch.zeros(len(x))), max(1, len(x)))


MEASURES: dict[str, Callable[[torch.Tensor], Any]] = {
    "neighbours": lambda x: neighbours(x, REAL.to(x)),
    "frechet": lambda x: float(frechet_distance(moments(x), moments(REAL))),
    "kernel": lambda x: kernel_distance(x, REAL[: len(x)].to(x)),
    "bins": lambda x: different_bins(CELLS.counts, CELLS.occupied(x)),
    "vendi": vendi_score,
    "styles": _style,
    "likeness": lambda x: likeness(x.view(len(x), 1, 1, 5)),
    "support": lambda x: asdict(support(x.view(len(x), 1, 1, 5), 0.1)) | {"size": 0.0},
}
INPUTS = {
    "none": torch.zeros(0, 5),
    "one": REAL[:1],
    "two": REAL[:2],
    "all alike": REAL[:1].repeat(100, 1),
    "zeros": torch.zeros(100, 5),
    "NaN": torch.full((100, 5), math.nan),
    "one infinite": torch.cat([REAL[:99], torch.full((1, 5), math.inf)]),
}
# All of these need more; every other pair has a value.
REFUSED = {
    *(("neighbours", few) for few in ("none", "one", "two")),
    *((measure, "none") for measure in ("frechet", "kernel", "bins", "vendi")),
    *((measure, few) for measure in ("likeness", "support") for few in ("none", "one")),
    *((measure, "one") for measure in ("frechet", "kernel")),
    *((measure, bad) for measure in MEASURES for bad in ("NaN", "one infinite")),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("kind", INPUTS)
def test_a_defined_value_or_a_clear_error(name: str, kind: str):
    if (name, kind) in REFUSED:
        with pytest.raises(ValueError, match=r"need|compare|hold|got|finite|pairs|calibrated"):
            MEASURES[name](INPUTS[kind])
        return
    found = MEASURES[name](INPUTS[kind])
    values = (
        [found]
        if isinstance(found, float)
        else [*(found if isinstance(found, dict) else asdict(found)).values()]
    )
    assert all(math.isfinite(value) for value in values), found


@pytest.mark.parametrize("name", MEASURES)
def test_precision_of_the_input_does_not_matter(name: str):
    x = REAL[:100] + 0.1
    first, second = MEASURES[name](x.float()), MEASURES[name](x.float().double())
    if not isinstance(first, float | dict):
        first, second = asdict(first), asdict(second)
    assert second == pytest.approx(first, rel=1e-5)
