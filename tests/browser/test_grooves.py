from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drumvae.creative.loading import SHIPPED
from drumvae.grooves import GMD_KIT
from drumvae.midi import read_midi

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(served: Callable[[str, Path], str]) -> str:
    return served("drumvae", SHIPPED)


def shown(page: Any) -> str:
    """The sequencer, once there is a groove in it."""
    page.wait_for_selector("#sequencer table")
    return page.inner_html("#sequencer")


def changed(page: Any, before: str) -> None:
    page.wait_for_function(
        "before => document.querySelector('#sequencer').innerHTML !== before", arg=before
    )


def test_every_control_changes_the_groove(opened: Callable[..., Any], address: str):
    page = opened(address)
    for act in (
        lambda: page.select_option("#style", "jazz"),
        lambda: page.fill("#bars", "2"),
        lambda: page.fill("#seed", "9"),
        lambda: page.fill("#variation", "0.9"),
        lambda: page.fill("#feel", "0.1"),
        lambda: page.check("#ask"),
        lambda: page.fill("#complexity", "0.9"),
        lambda: page.select_option("#other", "rock"),
        lambda: page.fill("#mix", "1"),
        lambda: page.click("#again"),
    ):
        before = shown(page)
        act()
        changed(page, before)
    assert page.locator("#sequencer table").count() == 2


def test_what_is_downloaded_is_what_is_shown(
    opened: Callable[..., Any], address: str, tmp_path: Path
):
    page = opened(address)
    shown(page)
    with page.expect_download() as download:
        page.click("#midi")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    groove, _ = read_midi(path, GMD_KIT)
    assert page.locator("#sequencer i.hit").count() == int(np.sum(groove.hits))


def test_the_player_has_sound(opened: Callable[..., Any], address: str):
    page = opened(address)
    page.wait_for_function("() => document.querySelector('#player').duration > 1")


def test_ones_own_midi_is_played_and_a_broken_one_explained(
    opened: Callable[..., Any], address: str, tmp_path: Path
):
    page = opened(address)
    shown(page)
    with page.expect_download() as download:
        page.click("#midi")
    download.value.save_as(tmp_path / "mine.mid")
    before = shown(page)
    page.set_input_files("#file", tmp_path / "mine.mid")
    changed(page, before)
    page.wait_for_function(
        "() => document.querySelector('#title').textContent.startsWith('yours as')"
    )
    (tmp_path / "broken.mid").write_bytes(b"no song")
    page.set_input_files("#file", tmp_path / "broken.mid")
    page.wait_for_function(
        "() => document.querySelector('#error').textContent.includes('broken.mid')"
    )
    page.click("#forget")
    page.wait_for_function("() => document.querySelector('#error').textContent === ''")


def test_nothing_sticks_out_on_a_phone(opened: Callable[..., Any], address: str):
    page = opened(address, width=390)
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
