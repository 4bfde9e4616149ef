from functools import partial
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch import Tensor

from fontgan import LETTERS
from fontgan.data import GlyphData
from fontgan.glyphs import GlyphSet
from fontgan.networks import Discriminator, Generator
from fontgan.variants import ConditionalGAN, SetDiscriminator

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training.*"),
]

ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.0, 0.99))


class Pictures(GlyphData):
    def sets(self) -> dict[str, GlyphSet]:
        images = torch.randint(256, (78, 1, 8, 8), generator=torch.Generator().manual_seed(3))
        faces = torch.arange(3).repeat_interleave(26)
        return {"train": GlyphSet(images.byte(), torch.arange(78) % 26, faces)}


def discriminator(per_face: int = 4) -> SetDiscriminator:
    return SetDiscriminator(Discriminator(8, width=8, group=0), per_face, hand=6)


def conditional(modes: int = 26, **options: Any) -> ConditionalGAN:
    torch.manual_seed(0)
    generator = Generator(8, dimensions=5, modes=modes, width=8)
    return ConditionalGAN(
        generator,
        discriminator(),
        generator_optimizer=ADAM,
        discriminator_optimizer=ADAM,
        **options,
    )


def labelled(n: int) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    return torch.randn(n, 1, 8, 8, generator=source), torch.randint(26, (n,), generator=source)


def test_a_set_has_no_order_but_labels_belong_to_their_pictures():
    torch.manual_seed(0)
    network, (pictures, letters) = discriminator(), labelled(8)
    logits = network(pictures, letters)
    assert logits.shape == (2,)
    within = torch.tensor([2, 0, 3, 1, 4, 6, 5, 7])
    torch.testing.assert_close(network(pictures[within], letters[within]), logits)
    assert not torch.allclose(network(pictures, letters[within]), logits)


def test_without_the_comparison_a_logit_is_the_mean_of_projections():
    torch.manual_seed(0)
    network, (pictures, letters) = discriminator(), labelled(8)
    torch.nn.init.zeros_(network.compare[2].weight)
    torch.nn.init.zeros_(network.compare[2].bias)
    h = network.trunk.features(pictures)
    single = [
        h[i] @ (network.trunk.head.weight[0] + network.letter.weight[letters[i]])
        + network.trunk.head.bias[0]
        for i in range(8)
    ]
    torch.testing.assert_close(network(pictures, letters), torch.stack(single).view(2, 4).mean(1))


def test_sets_of_one_hand_are_told_from_mixed_ones_by_the_comparison_alone():
    # Two sets of the same pictures, dealt differently: projections cannot tell, deviations do.
    torch.manual_seed(0)
    network, (pictures, letters) = discriminator(), labelled(8)
    dealt = torch.tensor([0, 1, 4, 5, 2, 3, 6, 7])
    one, other = (network(pictures[i], letters[i]).sum().item() for i in (torch.arange(8), dealt))
    assert abs(one - other) > 1e-4
    torch.nn.init.zeros_(network.compare[2].weight)
    one, other = (network(pictures[i], letters[i]).sum().item() for i in (torch.arange(8), dealt))
    assert abs(one - other) < 1e-5


def test_training_draws_the_letters_of_the_batch_with_one_code_for_each_set():
    module = conditional()
    seen: list[Tensor] = []
    module.generator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    data = Pictures(batch_size=12, batches_per_epoch=1, size=8, per_face=4)
    Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    ).fit(module, datamodule=data)  # fmt: skip
    ((_, letters, _),) = data.train_dataloader()
    (latents,) = seen
    styles = latents[:, :5].view(3, 4, 5)
    assert bool((styles == styles[:, :1]).all())
    assert len(styles[:, 0].unique(dim=0)) == 3
    assert torch.equal(latents[:, 5:].argmax(1), letters)
    assert bool((latents[:, 5:].sum(1) == 1).all())


def test_an_alphabet_is_each_letter_of_one_code():
    module = conditional()
    styles = module.styles(2, torch.Generator().manual_seed(4))
    alphabets = module.alphabets(styles)
    assert alphabets.shape == (2, 26, 1, 8, 8)
    q = torch.cat([styles[1], torch.eye(26)[LETTERS.index("Q")]])[None]
    torch.testing.assert_close(alphabets[1, LETTERS.index("Q")], module.decode(q)[0])


def test_data_without_sets_are_refused():
    module = conditional()
    images, letters = torch.rand(8, 1, 8, 8), torch.arange(8)
    for faces in (torch.arange(8), torch.zeros(8).long()[:6]):
        with pytest.raises(ValueError, match=r"set data\.per_face=4"):
            module.training_step((images[: len(faces)], letters[: len(faces)], faces), 0)


def test_a_generator_of_other_modes_and_sets_of_one_are_refused():
    with pytest.raises(ValueError, match=r"set gan\.generator\.modes=26, not 20"):
        conditional(modes=20)
    with pytest.raises(ValueError, match="2 letters or more"):
        discriminator(per_face=1)
