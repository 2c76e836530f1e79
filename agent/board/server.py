"""The web server of the board: the page, the time and the pictures behind one door, on a socket of its own."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# An application that we do not own keeps its files where it is started; here it has none to keep.
os.environ.setdefault("NICEGUI_STORAGE_PATH", os.devnull)

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from nicegui import ui
from starlette.types import ASGIApp

from agent.board.engine import Engine
from agent.board.guard import Guard
from agent.board.tokens import Tokens
from agent.units import UtcUs

BACKLOG = 128
GOODBYE_S = 2
CHECK_S = 0.05


class Pictures(Protocol):
    """Where the newest pictures of the walls are."""

    def jpeg(self, venue: str) -> tuple[str, bytes] | None:
        """The tag and the picture; None: there is none."""


class Clock(Protocol):
    """The best time that the board knows."""

    def __call__(self) -> tuple[UtcUs, int | None]:
        """UTC, and how wrong it may be in microseconds (None: nobody knows)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files with which the board speaks TLS."""

    cert: Path
    key: Path


def application(
    engine: Engine, install: Callable[[Engine], None], clock: Clock, pictures: Pictures, *, near: bool = True
) -> FastAPI:
    """Everything behind the door; `install` adds the page. What only goes to a browser `near` by is not packed."""
    app = FastAPI(openapi_url=None)

    @app.get("/time")
    def tell_time() -> Response:
        # The last thing that happens before it goes out is the look at the clock.
        utc_us, error_us = clock()
        return JSONResponse({"utc_us": utc_us, "error_us": error_us}, headers={"cache-control": "no-store"})

    @app.get("/picture/{venue}")
    def picture(venue: str, request: Request) -> Response:
        found = pictures.jpeg(venue)
        if found is None:
            return Response(status_code=404)
        tag, data = found
        headers = {"etag": f'"{tag}"', "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/jpeg", headers=headers)

    install(engine)
    ui.run_with(
        app,
        title="framezero",
        dark=True,
        favicon="🎬",
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
        gzip_middleware_factory=None if near else _packed,
        show_welcome_message=False,
    )
    return app


def _packed(app: ASGIApp) -> GZipMiddleware:
    """As lightly as can be: packing a megabyte well would hold up the board for longer than the line takes."""
    return GZipMiddleware(app, minimum_size=1024, compresslevel=1)


def guarded(app: FastAPI, tokens: Tokens, names: frozenset[str], port: int, *, secure: bool) -> Guard:
    """The application behind its door."""
    return Guard(app, tokens, names, port, secure=secure)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class _Server(uvicorn.Server):
    """One that leaves the signals to the command it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Guard, sock: socket.socket, certificate: Certificate | None) -> AsyncIterator[None]:
    """Serve until the block ends; who is connected then is given `GOODBYE_S`. Raises what broke the server."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=GOODBYE_S,
        ws_max_size=256 * 1024,
        h11_max_incomplete_event_size=32 * 1024,
        ssl_certfile=certificate.cert if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([sock]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(CHECK_S)
        if task.done():
            await task
        yield
    finally:
        server.should_exit = True
        await task


def check_certificate(certificate: Certificate) -> str:
    """Why these files are of no use; empty where they are."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate.cert, certificate.key, lambda: "")
    except (OSError, ssl.SSLError) as error:
        return f"{certificate.cert}, {certificate.key}: {error}"
    return ""
