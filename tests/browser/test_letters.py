import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from fontgan.export import SHIPPED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(served: Callable[[str, Path], str]) -> str:
    return served("fontgan", SHIPPED)


def drawn(page: Any, image: str) -> str:
    """What an image shows now, once it has been drawn."""
    page.wait_for_function(
        f"() => document.querySelector('#{image}').naturalWidth > 0 && "
        f"!document.querySelector('#{image}').closest('figure').hasAttribute('aria-busy')"
    )
    return page.eval_on_selector(f"#{image}", "image => image.src")


def test_every_control_changes_what_is_drawn(opened: Callable[..., Any], address: str):
    page = opened(address)
    for control, value in (
        ("#mix", "0.6"),
        ("#calm", "0.3"),
        *((f"#move{i}", "2") for i in range(4)),
    ):
        before = {image: drawn(page, image) for image in ("alphabet", "words")}
        page.eval_on_selector(
            control,
            "(range, value) => {range.value = value;"
            " range.dispatchEvent(new Event('input', {bubbles: true}))}",
            value,
        )
        for image, source in before.items():
            page.wait_for_function(
                "([image, source]) => document.querySelector('#' + image).src !== source",
                arg=[image, source],
            )
    page.fill("#text", "QUIET")
    page.click("#dice")
    assert page.input_value("#seed") != "1"


def test_the_keyboard_reaches_every_control(opened: Callable[..., Any], address: str):
    page = opened(address)
    page.focus("#seed")
    reached = {"seed"}
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    wanted = {"other", "dice", "mix", "calm", "move0", "move3", "home", "ttf", "svg", "text",
              "path", "go"}  # fmt: skip
    assert wanted <= reached


def test_the_font_that_is_downloaded_is_the_hand_that_is_shown(
    opened: Callable[..., Any], address: str
):
    page = opened(address)
    page.fill("#seed", "42")
    page.wait_for_function("() => document.querySelector('#ttf').href.includes('seed=42')")
    with page.expect_download() as download:
        page.click("#ttf")
    assert download.value.suggested_filename == "modekeeper-42.ttf"
    font = TTFont(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert font["name"].getDebugName(1) == "Modekeeper 42"


def test_a_walk_goes_where_it_is_sent_and_a_wrong_path_is_explained(
    opened: Callable[..., Any], address: str
):
    page = opened(address)
    page.fill("#path", "H-I")
    page.press("#path", "Enter")
    page.wait_for_function(
        "() => document.querySelector('#smooth').textContent.includes('Passes H')"
    )
    page.fill("#path", "H")
    page.click("#go")
    page.wait_for_function("() => document.querySelector('#error').textContent.includes('dashes')")


def test_nothing_sticks_out_on_a_phone(opened: Callable[..., Any], address: str):
    page = opened(address, width=390)
    drawn(page, "alphabet")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
