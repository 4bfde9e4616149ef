"""Choices of the groups, each alone and with the shortest experiment."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from fontgan.gan import GAN

GANS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf/gan").glob("*.yaml"))


def built(*overrides: str) -> GAN:
    with initialize_config_module("conf", version_base="1.3"):
        return instantiate(compose("fontgan", [*overrides]).gan, _convert_="all")


@pytest.mark.parametrize("gan", GANS)
def test_a_first_look_at_any_gan(gan: str):
    sets = ["data.per_face=4"] if gan == "conditional" else []
    assert isinstance(built("+experiment=smoke", f"gan={gan}", *sets), GAN)


def test_a_gan_that_needs_sets_of_letters_says_how_to_get_them():
    with pytest.raises(InstantiationException, match=r"set data\.per_face=4 as \+experiment=cond"):
        built("gan=conditional")
