"""A real browser on a real server, for the pages that people use."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[str, Path], str]]:
    """Starts a playground as its own process, and gives its address."""
    started = []

    def start(app: str, source: Path) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", f"{app}.playground", str(source)]
        process = subprocess.Popen(
            [*command, "--no-browser", "--port", str(port)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}/"
            time.sleep(0.05)
        raise AssertionError("the playground does not listen")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page and sees to it that it asks for nothing elsewhere and complains of nothing."""
    pages, complaints = [], []

    def open_page(address: str, width: int = 1280) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, accept_downloads=True)
        page.set_default_timeout(60_000)

        def asked(request: Any) -> None:
            if not request.url.startswith((address, "blob:", "data:")):
                complaints.append(request.url)

        # A wish that is refused is an error to the console, and none of the page.
        def said(message: Any) -> None:
            if message.type == "error" and "400" not in message.text:
                complaints.append(message.text)

        page.on("console", said)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        page.goto(address)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not complaints
