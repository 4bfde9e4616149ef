"""The report's vanilla GAN: binary cross-entropy, Adam, nothing against collapse.

Paper: Goodfellow et al. 2014, "Generative Adversarial Nets"; networks after Radford et al. 2016.
"""

from typing import Any

from torch import nn

from fontgan.gan import GAN


class VanillaGAN(GAN):
    """The report's recipe, sampled from the generator itself, without a moving average.

    Args:
        *arguments: see `GAN`.
        freeze_after: the report's slip: from this batch on the generator's batch norm stays in
            evaluation mode, as if measuring had forgotten to switch back. None trains properly. The
            report's vanilla froze after its first epoch (82), its fixed after the tenth (820).
        **options: see `GAN`.
    """

    def __init__(self, *arguments: Any, freeze_after: int | None = None, **options: Any) -> None:
        super().__init__(*arguments, **{"average": 0.0, **options})
        if freeze_after is not None and freeze_after < 0:
            raise ValueError(f"freeze_after counts batches, got {freeze_after}")
        self.freeze_after = freeze_after

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.freeze_after is not None and self.batches >= self.freeze_after:
            for layer in self.generator.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
