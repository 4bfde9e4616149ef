import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fontgan.metrics import Collected, neighbours

SCRIPT = """
import sys, torch
from dataclasses import asdict
import torch.distributed as dist
from fontgan.metrics import Collected, LetterCoverage, bins, different_bins, neighbours, vendi_score

rank, meeting = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
real = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.double)
made = torch.randn(333, 6, generator=torch.Generator().manual_seed(1), dtype=torch.double)
read = torch.arange(333) % 27 - 1
cells = bins(real, 10)

def measure(features, letters):
    different = different_bins(cells.counts, cells.occupied(features))
    return {
        **asdict(neighbours(features, real)),
        **asdict(different),
        "vendi": vendi_score(features),
        "junk": float((letters < 0).sum()),
    }

collected, coverage = Collected(measure), LetterCoverage(torch.ones(26))
if rank < 0:
    parts = [slice(0, 333)]
else:
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=2)
    # 266 against 67, in batches of uneven sizes; or all against none.
    cut = 266 if sys.argv[3] == "uneven" else 333
    parts = [[slice(0, 100), slice(100, cut)], [slice(266, 333)] if cut == 266 else []][rank]
for part in parts:
    collected.update(made[part], read[part])
    coverage.update(read[part])
found = {**collected.compute(), **coverage.compute()}
print({name: value.item() for name, value in found.items()})
if rank >= 0:
    dist.destroy_process_group()
"""


def found(rank: int, meeting: Path, how: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(rank), str(meeting), how],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["uneven", "one has none"])
def test_two_processes_with_uneven_batches_find_what_one_finds(how: str, tmp_path: Path):
    values = []
    two = [found(rank, tmp_path / "meet", how) for rank in (0, 1)]
    for processes in ([found(-1, tmp_path)], two):
        for process in processes:
            out, error = process.communicate(timeout=300)
            assert process.returncode == 0, error
            values.append(eval(out, {"inf": float("inf")}))  # The printed dictionary.
    one, *two = values
    assert len(one) > 40 and one["junk"] == 13
    for other in two:
        assert other == pytest.approx(one, rel=1e-12)


def test_batches_are_measured_as_one():
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    real = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    metric = Collected(lambda x, letters: {"recall": neighbours(x, real).recall})
    for part in features.split(13):
        metric.update(part)
    assert metric.compute()["recall"].item() == neighbours(features, real).recall
    metric.reset()
    with (
        pytest.warns(UserWarning, match="before the ``update``"),
        pytest.raises(ValueError, match="call update first"),
    ):
        metric.compute()
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(4,\)"):
        metric.update(torch.zeros(3, 2), torch.zeros(4))
