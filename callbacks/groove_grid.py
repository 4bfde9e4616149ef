"""Samples of each style as step-sequencer pictures, and as MIDI files, at the end of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.draws import groove_data, undisturbed, write_arrays
from callbacks.figures import drawing
from callbacks.grooves import draw_bar


class GrooveGrid(Callback):
    """Draws bars in every style, from the z_high of test bars of that style and a fresh z_low.

    ```yaml
    groove_grid:
      _target_: callbacks.groove_grid.GrooveGrid
      per_style: 10
      final_samples: 5000   # bars from the prior; kept in samples/final.npz
      seed: 0
      write:                # writes one bar as a MIDI file
        _target_: drumvae.midi.write_bar
        _partial_: true
    ```

    Writes `figures/samples_final.png`, `samples/midi/<style>-<number>.mid`, and `samples/final.npz`
    with `hits`, `velocities` and `offsets` (n, steps, voices) drawn from the prior.
    """

    def __init__(
        self,
        write: Callable[..., None],
        per_style: int = 10,
        final_samples: int = 5000,
        seed: int = 0,
    ) -> None:
        if per_style < 1 or final_samples < 1:
            raise ValueError("groove_grid needs per_style and final_samples of 1 or more")
        self.write, self.per_style = write, per_style
        self.final_samples, self.seed = final_samples, seed

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        data = cast(Any, groove_data(trainer))
        generator = torch.Generator(pl_module.device).manual_seed(self.seed)
        bars = data.reference("test")
        with undisturbed(pl_module), torch.no_grad():
            final = cast(Any, pl_module).sample(self.final_samples, generator).cpu().numpy()
            drawn = styled(pl_module, bars, self.per_style, generator)
        folder = Path(trainer.default_root_dir) / "samples"
        write_arrays(
            folder / "final.npz",
            hits=final[:, 0].astype(bool), velocities=final[:, 1], offsets=final[:, 2],
        )  # fmt: skip
        for style, some in drawn.items():
            for number, bar in enumerate(some.numpy()):
                self.write(bar, data.kit, folder / "midi" / f"{style}-{number:02d}.mid")
        self._draw(trainer, drawn, data.kit.voices)

    def _draw(self, trainer: Trainer, drawn: dict[str, Tensor], voices: tuple[str, ...]) -> None:
        rows, columns = len(drawn), self.per_style
        with drawing(trainer, "samples_final", 2.2 * columns + 1, 2.3 * rows) as figure:
            grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
            for row, (style, some) in zip(grid, drawn.items(), strict=True):
                for column, (axes, bar) in enumerate(zip(row, some, strict=True)):
                    draw_bar(axes, bar, voices)
                    if column == 0:
                        axes.set_title(style, fontsize=13)
            figure.suptitle("Samples of each style: a test bar's z_high, fresh detail", fontsize=14)


def styled(module: Any, bars: Any, per_style: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Bars by style: z_high of test bars of that style, z_low from its prior.

    Returns:
        style -> bars, shape (per_style, 3, steps, voices), for the styles that the bars have.
    """
    drawn = {}
    for number, style in enumerate(bars.style_names):
        mine = np.flatnonzero(bars.styles == number)
        if not len(mine):
            continue
        chosen = torch.randint(
            len(mine), (per_style,), generator=generator, device=generator.device
        ).cpu()
        z_high, _ = module.central(bars.tensor[mine[chosen.numpy()]].to(module.device))
        z_low = module.detail_prior(z_high).draw(generator)
        drawn[style] = module.likelihood.draw(module.decode(z_high, z_low), generator).cpu()
    return drawn
