import base64
import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont
from PIL import Image
from starlette.testclient import TestClient

from conf.playground import download
from fontgan.data import BuiltinTypefaces
from fontgan.export import SHIPPED, load_generator
from fontgan.exported import Record, of_network
from fontgan.hand import Choice, Hands, directions_of
from fontgan.networks import ReportGenerator
from fontgan.playground import ASSETS, build


@pytest.fixture(scope="module")
def hands() -> Hands:
    return Hands(load_generator(SHIPPED)[1], BuiltinTypefaces().judge)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(build(SHIPPED), base_url="http://127.0.0.1") as it:
        yield it


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_shipped_generator_draws_what_it_is_asked_for(hands: Hands):
    read = [hands.alphabet(Choice(seed)).reading.letter for seed in range(10)]
    right = torch.stack(read) == torch.arange(26)
    assert right.float().mean() > 0.95


def test_a_mix_begins_at_one_hand_and_ends_at_the_other(hands: Hands):
    one, other = (hands.latents(Choice(seed, calm=1.0)) for seed in (1, 2))
    torch.testing.assert_close(hands.latents(Choice(1, 2, 0.0, 1.0)), one)
    torch.testing.assert_close(hands.latents(Choice(1, 2, 1.0, 1.0)), other)


def test_all_letters_share_one_code_and_calm_shrinks_it(hands: Hands):
    latents = hands.latents(Choice(3, calm=0.5))
    gaussian = hands.model.record.gaussian
    assert bool((latents[:, :gaussian] == latents[:1, :gaussian]).all())
    assert torch.equal(latents[:, gaussian:], torch.eye(26))
    whole = hands.latents(Choice(3, calm=1.0))
    torch.testing.assert_close(latents[:, :gaussian] * 2, whole[:, :gaussian])


def test_directions_are_unit_and_change_the_first_layer_most(hands: Hands):
    directions = directions_of(hands.model, 4)
    torch.testing.assert_close(directions @ directions.T, torch.eye(4), atol=1e-5, rtol=0)
    weight = next(hands.model.network.modules()).mapping[0].weight[:, : directions.shape[1]]
    change = (weight @ directions.T).norm(dim=0)
    others = torch.nn.functional.normalize(torch.randn(500, directions.shape[1]), dim=1)
    assert change[0] > (weight @ others.T).norm(dim=0).max()
    assert bool((change[:-1] >= change[1:] - 1e-5).all())


def test_a_generator_that_is_told_no_letters_gets_the_likeliest_draws():
    torch.manual_seed(0)
    network = ReportGenerator()
    record = Record({"_target_": "fontgan.networks.ReportGenerator"}, 28, 1, 100, 0)
    latents = Hands(of_network(network, record), BuiltinTypefaces().judge).latents(Choice(calm=1.0))
    assert latents.shape == (26, 100)
    pool = network.latent(3000, torch.Generator().manual_seed(1))
    assert all(bool((row == pool).all(1).any()) for row in latents)


def test_pictures_are_of_the_hand_that_was_asked_for(client: TestClient):
    first = client.get("/alphabet.png?seed=4").content
    assert picture(first).shape == (2 * 84, 13 * 84)
    assert client.get("/alphabet.png?seed=4").content == first
    assert client.get("/alphabet.png?seed=5").content != first
    mixed = client.get("/alphabet.png?seed=5&other=4&mix=1").content
    assert mixed == first


def test_words_are_as_long_as_their_letters(client: TestClient):
    one, two = (picture(client.get(f"/text.png?text={t}").content).shape[1] for t in ("H", "HH"))
    assert two == 2 * one
    assert picture(client.get("/text.png?text=h").content).shape[1] == one


def test_a_walk_ends_where_it_should(client: TestClient):
    found = client.get("/walk?path=A-C-E&seed=3").json()
    assert found["letters"][0] == "A"
    assert found["letters"][-1] == "E"
    assert "C" in found["letters"]
    assert 1 <= found["features"] <= 12
    drawn = picture(base64.b64decode(found["png"].split(",")[1]))
    assert drawn.shape == (84 + 22, 13 * 84)


def test_the_font_is_one(client: TestClient):
    answer = client.get("/font.ttf?seed=7")
    assert 'filename="modekeeper-7.ttf"' in answer.headers["content-disposition"]
    named = download(b"", "audio/midi", '日本 "a".mid').headers["content-disposition"]
    assert named.endswith("filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%22a%22.mid")
    font = TTFont(io.BytesIO(answer.content))
    assert font["name"].getDebugName(1) == "Modekeeper 7"
    assert {chr(c) for c in font.getBestCmap()} >= set("ABCXYZabcxyz ")
    assert client.get("/font.svg?seed=7").text.lstrip().startswith("<")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/alphabet.png?mix=2", "mix must be a number from 0 to 1"),
        ("/alphabet.png?seed=x", "seed must be a whole number"),
        ("/walk?path=A", "2 to 6 letters with dashes"),
        ("/walk?path=A--B", "2 to 6 letters with dashes"),
        ("/text.png?text=%C3%89", "only A-Z and spaces"),
        ("/text.png?text=", "1 to 60 letters"),
    ],
)
def test_wrong_wishes_are_refused_in_words(client: TestClient, address: str, message: str):
    answer = client.get(address)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_the_page_names_nothing_outside():
    for path in ASSETS.iterdir():
        assert not re.search(r"(https?:)?//[a-z]", path.read_text().replace("// ", "")), path
