"""Samples of each style as pictures, as MIDI files and as sound, at the end of a run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.draws import groove_data, undisturbed, write_arrays
from callbacks.figures import drawing
from callbacks.grooves import draw_bars
from callbacks.media import log_media


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
      play:                 # writes grooves, one after the other, as a WAV file; null for no sound
        _target_: drumvae.sound.write_wav
        _partial_: true
      heard: 2              # bars of each style in its WAV file
    ```

    Writes `figures/samples_final.png`, `samples/midi/<style>-<number>.mid`,
    `samples/audio/<style>.wav`, and `samples/final.npz` with `hits`, `velocities` and `offsets`
    (n, steps, voices) drawn from the prior. In W&B `tables/grooves` plays the sound.
    """

    def __init__(
        self,
        write: Callable[..., None],
        per_style: int = 10,
        final_samples: int = 5000,
        seed: int = 0,
        play: Callable[[Path, list[Any]], None] | None = None,
        heard: int = 2,
    ) -> None:
        if per_style < 1 or final_samples < 1 or heard < 1:
            raise ValueError("groove_grid needs per_style, final_samples and heard of 1 or more")
        self.write, self.per_style, self.play, self.heard = write, per_style, play, heard
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
        if self.play is not None:
            sounds = self._play(self.play, drawn, bars, folder / "audio")
            log_media(trainer, "tables/grooves", lambda wandb: sound_table(wandb, sounds))

    def _play(
        self,
        play: Callable[[Path, list[Any]], None],
        drawn: dict[str, Tensor],
        bars: Any,
        folder: Path,
    ) -> dict[str, Path]:
        """Write a WAV file for each style, at the tempo of a real bar of it."""
        sounds = {}
        for style, some in drawn.items():
            first = int(np.flatnonzero(bars.styles == bars.style_names.index(style))[0])
            grooves = [
                replace(bars.groove(first), hits=hits > 0.5, velocities=velocities, offsets=offsets)
                for hits, velocities, offsets in some[: self.heard].numpy()
            ]
            sounds[style] = folder / f"{style}.wav"
            play(sounds[style], grooves)
        return sounds

    def _draw(self, trainer: Trainer, drawn: dict[str, Tensor], voices: tuple[str, ...]) -> None:
        size = 2.2 * self.per_style + 1, 2.3 * len(drawn)
        with drawing(trainer, "samples_final", *size, key="samples") as figure:
            column = figure.subplots(len(drawn), 1, squeeze=False, sharex=True)[:, 0]
            for axes, (style, some) in zip(column, drawn.items(), strict=True):
                draw_bars(axes, some.numpy(), voices)
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


def sound_table(wandb: Any, sounds: dict[str, Path]) -> Any:
    """Styles with a player each; W&B's own panel of sounds would want a package more."""
    return wandb.Table(
        ["style", "sound"], [[style, wandb.Audio(path)] for style, path in sounds.items()]
    )
