import base64
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from callbacks.figures import styled_figure
from callbacks.page import (
    Code,
    Gauge,
    Listing,
    Picture,
    Section,
    SortableTable,
    Sound,
    Verdict,
    aligned,
    cell,
    page,
    png,
)

TABLE = SortableTable(
    ("measure", "value", "note"),
    (("b/ten", 10.0, "x"), ("a/none", None, None), ("c/nine", 9.0, "y"), ("d/nan", math.nan, "z")),
    "Some measures.",
)


def chart() -> bytes:
    with styled_figure(4, 2, dpi=60) as figure:
        figure.subplots().plot([1, 2, 3])
        return png(figure)


@pytest.fixture(scope="module")
def sections() -> list[Section]:
    parts = (Picture(chart(), "a line that rises", "Caption."), TABLE, Sound(b"RIFFwav", "a kick"))
    return [
        Section("Losses & more", "First.\n\nSecond <b>.", parts),
        Section(
            "Verdict", "", (Verdict("collapsed", "bad", "two letters"), Gauge("share", 1, 0, 4))
        ),
        Section("Trace", "", (Listing("line 1\n  line 2", "Where"),)),
    ]


@pytest.fixture(scope="module")
def html(sections: list[Section]) -> str:
    return page("A & B", "Lead.", {"seed": "3", "command": Code("python -m x 'a<b'")}, sections)


class Tags(HTMLParser):
    """All tags with their attributes, and whether every one that was opened is closed again."""

    EMPTY = frozenset({"meta", "link", "img", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_all_is_in_the_file_and_well_formed(html: str, sections: list[Section]):
    tags = Tags(html)
    assert tags.open == []
    links = [a[k] for _, a in tags.found for k in ("src", "href") if a.get(k)]
    assert links and all(link.startswith(("data:", "#")) for link in links if link)
    assert "http:" not in html and "https:" not in html and "url(" not in html
    (picture,) = (a for a in tags.all("img") if "src" in a)
    assert picture["alt"] == "a line that rises"
    assert picture["src"] is not None
    kind, _, data = picture["src"].partition(";base64,")
    assert kind == "data:image/png"
    assert base64.b64decode(data) == sections[0].parts[0].png  # pyright: ignore
    assert tags.all("audio")[0]["src"] == "data:audio/wav;base64," + base64.b64encode(
        b"RIFFwav"
    ).decode("ascii")


def test_what_is_text_stays_text(html: str):
    assert "<h1>A &amp; B</h1>" in html
    assert "<p>First.</p>" in html and "<p>Second &lt;b&gt;.</p>" in html
    assert "<code>python -m x &#39;a&lt;b&#39;</code>" in html
    assert "line 1\n  line 2</pre>" in html


def test_the_verdict_comes_first_then_the_facts(html: str):
    places = [
        html.index(text) for text in ("✕", "two letters", "<dt>seed", "Losses &amp; more</h2>")
    ]
    assert places == sorted(places)
    anchors = {a["id"] for a in Tags(html).all("section") if "id" in a}
    assert (
        {f"#{name}" for name in anchors}
        == {a["href"] for a in Tags(html).all("a")}
        == {"#1-losses-more", "#2-trace"}
    )


def test_a_page_without_anything_but_a_title():
    tags = Tags(page("Only this", "", {}, []))
    assert tags.open == [] and not tags.all("dl") and not tags.all("nav")


def test_columns_of_numbers_know_it():
    assert TABLE.numeric == (False, True, False)
    assert SortableTable(("a", "b"), ((None, "x"),)).numeric == (True, False)
    long = SortableTable(("a", "b"), (("short", "a text that is too long for a line"),))
    assert long.wordy == (False, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "–"), (26.0, "26"), (0.91759, "0.9176"),
        (667282.5625, "667,283"), (14000, "14,000"), (6.66e-5, "6.66e-05"), (math.inf, "inf"),
        ("1.0", "1.0"), (0.0, "0"), (-0.00012345, "-0.0001234"),
    ],
)  # fmt: skip
def test_a_cell_is_short(value: Any, text: str):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([3.34, 3.4, 12.0, 0.0, None], ["3.34", "3.40", "12", "0", "–"]),
        ([0.0639, -0.06, math.nan], ["0.0639", "-0.0600", "–"]),
        ([2.0990036, 0.712346, 3.0], ["2.0990", "0.7123", "3"]),  # real digits, none made up
        ([26, 14, 1], ["26", "14", "1"]),
        ([506.4, 0.0121], ["506.4", "0.0121"]),  # of other sizes
        ([0.02, 1e-5], ["0.02", "1e-05"]),
        (["v1.25", 0.5, 0.25], ["v1.25", "0.50", "0.25"]),
        ([123456.0, 99999.5], ["123,456", "1e+05"]),
        ([math.inf, 0.5], ["inf", "0.5"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_share_their_decimals(column: list[Any], said: list[str]):
    assert aligned(column) == said


@pytest.mark.parametrize(
    ("gauge", "share"),
    [
        (Gauge("", 13, 0, 26), 0.5),
        (Gauge("", 33, 39, 31), 0.75),
        (Gauge("", 30, 0, 26), 1.0),
        (Gauge("", 40, 39, 31), 0.0),
        (Gauge("", 1, 0, None), None),
        (Gauge("", 1, 2, 2), None),
        (Gauge("", 1, 0, 2, barred=False), None),
        (Gauge("", math.nan, 0, 2), None),
    ],
)
def test_a_gauge_goes_from_floor_to_ceiling_whichever_is_larger(gauge: Gauge, share: float | None):
    assert gauge.share == share


def test_an_unknown_tone_is_refused():
    with pytest.raises(ValueError, match="one of good, mixed, bad, unknown, got 'red'"):
        Verdict("healthy", "red")


@pytest.mark.slow
def test_in_a_browser(browser: Any, html: str, tmp_path: Path):
    """No request, no error, no overflow; tables sort by mouse and keyboard, pictures enlarge."""
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    for width in (1440, 390):
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            view = context.new_page()
            said: list[str] = []
            asked: list[str] = []
            view.on("console", lambda message, said=said: said.append(message.text))
            view.on("pageerror", lambda error, said=said: said.append(str(error)))
            view.on("request", lambda request, asked=asked: asked.append(request.url))
            view.goto(path.as_uri())
            assert view.evaluate("document.documentElement.scrollWidth") == width
            paper = view.evaluate("getComputedStyle(document.body).backgroundColor")
            dark = max(map(int, re.findall(r"\d+", paper))) < 128
            assert dark == (scheme == "dark")
            _sorts(view)
            _enlarges(view)
            assert said == []
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            context.close()


@pytest.mark.slow
def test_numbers_in_texts_sort_as_numbers(browser: Any, tmp_path: Path):
    texts = [
        "0.401 to 0.5",
        "0.1815 to 1",
        "0.07847 to 1",
        "-2 to 1",
        "lr=0.01",
        "lr=2e-4",
        "lr=0.2",
    ]
    table = SortableTable(("interval",), tuple((text,) for text in texts))
    path = tmp_path / "page.html"
    path.write_text(page("a", "", {}, [Section("b", "", (table,))]), encoding="utf-8")
    view = browser.new_page()
    view.goto(path.as_uri())
    view.locator("th button").click()
    assert _column(view, 1) == [
        "-2 to 1", "0.07847 to 1", "0.1815 to 1", "0.401 to 0.5", "lr=2e-4", "lr=0.01", "lr=0.2"
    ]  # fmt: skip
    view.close()


def _column(view: Any, number: int) -> list[str]:
    return view.locator(f"tbody td:nth-child({number})").all_inner_texts()


def _sorts(view: Any) -> None:
    names, values, _ = view.locator("th button").all()
    values.click()
    assert _column(view, 2) == ["9", "10", "–", "–"]
    assert view.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    values.focus()
    view.keyboard.press("Enter")
    assert _column(view, 2) == ["10", "9", "–", "–"]
    assert view.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    view.keyboard.press("Shift+Tab")
    view.keyboard.press("Space")
    assert _column(view, 1) == ["a/none", "b/ten", "c/nine", "d/nan"]
    assert view.locator("th[aria-sort]").count() == 1
    assert names.evaluate("button => button === document.activeElement")


def _enlarges(view: Any) -> None:
    view.locator("figure button").first.click()
    assert view.locator("dialog[open] img").get_attribute("alt") == "a line that rises"
    view.keyboard.press("Escape")
    assert view.locator("dialog[open]").count() == 0
