"""Which model plays velocities and offsets, if there is one."""

from collections.abc import Callable
from pathlib import Path

import torch

from drumvae.creative.loading import newest
from drumvae.grooves import Groove

Humanize = Callable[[Groove, float, torch.Generator], Groove]
HUMANIZER = "drumvae.humanizer.Humanizer"
SHIPPED = Path(__file__).parent / "assets" / "humanizer.safetensors"


def find_humanize(named: str | None) -> Humanize | None:
    """The humanizer that is named, else the newest run's, else the shipped one, else None.

    Args:
        named: a run's checkpoint or a .safetensors file.

    Raises:
        FileNotFoundError: what is named is not there.
        ValueError: it is no humanizer.
    """
    path = Path(named).expanduser() if named else newest(HUMANIZER) or SHIPPED
    if not named and not path.is_file():
        return None
    # Slow, and most wishes do without.
    from drumvae.humanize import humanize, load_humanizer

    model = load_humanizer(path)

    def play(groove: Groove, amount: float, generator: torch.Generator) -> Groove:
        return humanize(model, groove, amount, generator)

    return play
