"""What the playgrounds of both domains share: a local web server that asks nothing of the network.

A playground is a Starlette application of one page and a few addresses that draw. It listens on the
loopback device only unless told otherwise, serves every asset itself, and forbids the browser to
load anything from elsewhere.
"""

import argparse
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHARED = Path(__file__).parent / "assets"
"""The style sheet and the script that both pages load."""
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
POLICY = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:"


class _Headers:
    """Adds the security policy to every answer, and keeps drawings out of the browser's cache."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _refusal(_: Request, error: Exception) -> Response:
    """What a user got wrong, in words that the page shows."""
    return JSONResponse({"error": str(error)}, status_code=400)


def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"error": detail}, status_code=status)


def application(
    routes: Sequence[BaseRoute], assets: Path, hosts: Sequence[str] = LOOPBACK
) -> Starlette:
    """An application that draws by `routes` and serves the files of `assets`.

    A ValueError of a route is answered with status 400 and `{"error": message}`.

    Args:
        routes: of the domain.
        assets: folder with `index.html`, its script, and no more.
        hosts: names under which it may be called; a page elsewhere that points its own name here
            (DNS rebinding) gets no answer. `*` for all.
    """

    def index(_: Request) -> Response:
        return Response((assets / "index.html").read_bytes(), media_type="text/html")

    return Starlette(
        routes=[
            Route("/", index),
            *routes,
            Mount("/shared", StaticFiles(directory=SHARED)),
            Mount("/assets", StaticFiles(directory=assets)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            Middleware(_Headers),
        ],
        exception_handlers={ValueError: _refusal, HTTPException: _http},
    )


def number(
    request: Request, name: str, default: float, low: float = 0.0, high: float = 1.0
) -> float:
    """A number of the query.

    Raises:
        ValueError: it is none, or outside of [low, high].
    """
    text = request.query_params.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {text!r}")
    return value


def whole(request: Request, name: str, default: int, low: int = 0, high: int = 2**31) -> int:
    """A whole number of the query.

    Raises:
        ValueError: it is none, or outside of [low, high].
    """
    text = request.query_params.get(name, str(default))
    if not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def download(content: bytes, media_type: str, name: str) -> Response:
    """A file that the browser saves under a name."""
    plain = name.encode("ascii", "replace").decode().replace("?", "-").replace('"', "-")
    whole = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"  # RFC 6266
    headers = {"content-disposition": whole}
    return Response(content, media_type=media_type, headers=headers)


def main(
    app: str,
    description: str,
    build: Callable[[Path | None, Sequence[str]], Any],
    arguments: Sequence[str] | None = None,
) -> None:
    """Parse a playground's command line and serve until Ctrl-C.

    Args:
        app: `fontgan` or `drumvae`.
        description: of the command.
        build: makes the application of a run directory or file (None: the newest run, else what
            ships) and of the names under which it may be called.
        arguments: the command line; `sys.argv` by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {app}.playground", description=description)
    parser.add_argument(
        "source",
        type=Path,
        nargs="?",
        metavar="RUN_OR_FILE",
        help="a run directory, a checkpoint or an exported model (the newest finished run, and "
        "where there is none the model that ships with the package)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (7860)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    options = parser.parse_args(arguments)
    try:
        import uvicorn
    except ModuleNotFoundError:
        sys.exit("error: the playground needs uvicorn; pip install 'modekeeper[playground]'")
    local = options.host in LOOPBACK
    try:
        served = build(options.source, LOOPBACK if local else ("*",))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    address = f"http://{options.host}:{options.port}/"
    print(f"{app} playground at {address} (Ctrl-C ends it)", flush=True)
    if not local:
        print("it can be reached from other machines", flush=True)
    if not options.no_browser:
        threading.Timer(1.0, webbrowser.open, [address]).start()
    uvicorn.run(served, host=options.host, port=options.port, log_level="warning")
