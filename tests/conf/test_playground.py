from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from conf import playground


def half(request: Request) -> Response:
    return JSONResponse({"half": playground.number(request, "x", 1.0) / 2})


def count(request: Request) -> Response:
    return JSONResponse({"n": playground.whole(request, "n", 3, 1, 9)})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "index.html").write_text("<!doctype html><title>here</title>")
    (tmp_path / "page.js").write_text("export const here = 1;")
    routes = [Route("/half", half), Route("/count", count)]
    with TestClient(playground.application(routes, tmp_path), base_url="http://localhost") as it:
        yield it


def test_the_page_and_its_assets_come_from_here(client: TestClient):
    page = client.get("/")
    assert "here" in page.text
    assert page.headers["content-type"].startswith("text/html")
    assert client.get("/assets/page.js").text == "export const here = 1;"
    for shared in ("playground.css", "playground.js"):
        content = client.get(f"/shared/{shared}")
        assert content.status_code == 200
        assert "http" not in content.text


def test_every_answer_forbids_what_comes_from_elsewhere(client: TestClient):
    for address in ("/", "/half", "/half?x=7", "/nowhere", "/shared/playground.js"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/half?x=2", "x must be a number from 0 to 1, not '2'"),
        ("/half?x=nan", "x must be a number from 0 to 1, not 'nan'"),
        ("/half?x=much", "x must be a number from 0 to 1, not 'much'"),
        ("/count?n=10", "n must be a whole number from 1 to 9, not '10'"),
        ("/count?n=2.5", "n must be a whole number from 1 to 9, not '2.5'"),
    ],
)
def test_a_wrong_wish_is_answered_in_words(client: TestClient, address: str, message: str):
    answer = client.get(address)
    assert answer.status_code == 400
    assert answer.json() == {"error": message}


def test_a_right_wish_is_fulfilled(client: TestClient):
    assert client.get("/half?x=0.5").json() == {"half": 0.25}
    assert client.get("/half").json() == {"half": 0.5}
    assert client.get("/count?n=9").json() == {"n": 9}


def test_an_unknown_address_is_said_to_be_one(client: TestClient):
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json() == {"error": "Not Found"}


def test_a_foreign_name_gets_no_answer(client: TestClient):
    assert client.get("/half", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/half", headers={"host": "127.0.0.1:7860"}).status_code == 200


def test_a_source_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]):
    def build(source: Path | None, hosts: object) -> None:
        raise FileNotFoundError(f"no model at {source}")

    with pytest.raises(SystemExit, match="error: no model at missing"):
        playground.main("drumvae", "A page.", build, ["missing", "--no-browser"])
    assert capsys.readouterr().out == ""
