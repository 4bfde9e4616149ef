import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from drumvae.creative.loading import SHIPPED
from drumvae.grooves import GMD_KIT
from drumvae.midi import read_midi
from drumvae.playground import ASSETS, build

WISH = "style=jazz&bars=3&seed=5"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(build(SHIPPED), base_url="http://127.0.0.1") as it:
        yield it


def cells(bars: list[Any]) -> list[tuple[int, int]]:
    return [(16 * n + step, voice) for n, bar in enumerate(bars) for step, voice, _, _ in bar]


def midi_of(client: TestClient, wish: str, path: Path) -> Any:
    answer = client.get(f"/groove.mid?{wish}")
    assert "attachment" in answer.headers["content-disposition"]
    path.write_bytes(answer.content)
    return read_midi(path, GMD_KIT)[0]


def test_picture_midi_and_sound_are_one_groove(client: TestClient, tmp_path: Path):
    shown = client.get(f"/groove.json?{WISH}").json()
    groove = midi_of(client, WISH, tmp_path / "a.mid")
    assert sorted(cells(shown["bars"])) == [tuple(c) for c in np.argwhere(groove.hits).tolist()]
    for number, bar in enumerate(shown["bars"]):
        for step, voice, velocity, offset in bar:
            place = 16 * number + step, voice
            assert abs(groove.velocities[place] - velocity) <= 0.5 / 127 + 1e-3
            assert abs(groove.offsets[place] - offset) < 0.01
    assert groove.tempo == pytest.approx(shown["tempo"], abs=0.01)
    with wave.open(io.BytesIO(client.get(f"/groove.wav?{WISH}&loop=1").content)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
    assert seconds == pytest.approx(3 * 4 * 60 / shown["tempo"], abs=0.01)


def test_a_wish_is_always_answered_alike_and_another_take_otherwise(client: TestClient):
    first, again = (client.get(f"/groove.json?{WISH}").json() for _ in range(2))
    assert first == again
    assert client.get("/groove.json?style=jazz&bars=3&seed=6").json()["bars"] != first["bars"]


def test_without_looseness_all_hits_are_alike_and_on_the_grid(client: TestClient):
    loose = client.get(f"/groove.json?{WISH}").json()["bars"]
    stiff = client.get(f"/groove.json?{WISH}&feel=0").json()["bars"]
    assert cells(stiff) == cells(loose)
    assert {(velocity, offset) for bar in stiff for _, _, velocity, offset in bar} == {(0.8, 0.0)}


def test_complexity_is_heard(client: TestClient):
    counts = [
        np.mean([
            len(cells(client.get(f"/groove.json?style=rock&bars=4&seed={s}&complexity={c}").json()["bars"]))
            for s in range(3)
        ])
        for c in (0.1, 0.5, 0.9)
    ]  # fmt: skip
    assert counts[0] < counts[1] < counts[2]


def test_an_upload_is_humanized_with_its_own_hits(client: TestClient, tmp_path: Path):
    stiff = f"{WISH}&feel=0"
    midi_of(client, stiff, tmp_path / "mine.mid")
    with (tmp_path / "mine.mid").open("rb") as file:
        key = client.post("/source", files={"file": ("mine.mid", file)}).json()["source"]
    before = client.get(f"/groove.json?{stiff}").json()["bars"]
    after = client.get(f"/groove.json?source={key}&action=humanize&seed=1").json()["bars"]
    assert cells(after) == cells(before)
    assert len({velocity for bar in after for _, _, velocity, _ in bar}) > 3
    moved = client.get(f"/groove.json?source={key}&action=transfer&style=rock").json()
    assert moved["title"] == "yours as rock"
    assert len(moved["bars"]) == len(before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MThd", "mine.mid"),
        (b"not a song", "mine.mid"),
        (b"\0" * 2_000_001, "larger than 2,000,000 bytes"),
    ],
)
def test_a_broken_upload_is_refused_in_words(client: TestClient, content: bytes, message: str):
    answer = client.post("/source", files={"file": ("mine.mid", content)})
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("style=jaz", "did you mean 'jazz'"),
        ("bars=17", "bars must be a whole number from 1 to 16"),
        ("mix=3&other=rock", "mix must be a number from 0 to 1"),
        ("source=gone", "choose it again"),
    ],
)
def test_wrong_wishes_are_refused_in_words(client: TestClient, wish: str, message: str):
    answer = client.get(f"/groove.json?{wish}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_the_page_names_nothing_outside():
    for path in ASSETS.iterdir():
        assert not re.search(r"(https?:)?//[a-z]", path.read_text().replace("// ", "")), path
