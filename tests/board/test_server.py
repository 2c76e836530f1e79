"""The server with a page of its own behind the door, over a real socket."""

import asyncio
import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from plausible import PlausibleEngine

from agent.board import cli
from agent.board.engine import Engine
from agent.board.server import Certificate, application, bind, check_certificate, guarded, serving
from agent.board.tokens import Tokens
from agent.units import UtcUs

TOKENS = Tokens("operator-token-0123456789", "")


class Pictures:
    def jpeg(self, venue: str) -> tuple[str, bytes] | None:
        return ("tag1", b"\xff\xd8picture") if venue == "tokyo" else None


def nothing(engine: Engine) -> None:
    """A board without a page."""


@asynccontextmanager
async def board() -> AsyncIterator[int]:
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    app = application(PlausibleEngine(5), nothing, lambda: (UtcUs(1_000_000), 4000), Pictures())
    async with serving(guarded(app, TOKENS, frozenset(), port, secure=False), sock, None):
        yield port


async def get(port: int, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    cookie = f"framezero-board-{port}={TOKENS.kept('operator')}"
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"cookie": cookie, **headers})

    def fetch() -> Any:
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert isinstance(answer, HTTPResponse)
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers)

    return await asyncio.to_thread(fetch)


async def test_time_and_pictures_are_behind_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with board() as port:
        assert (await get(port, "/time", cookie=""))[0] == 401
        status, body, headers = await get(port, "/time")
        assert (status, json.loads(body)) == (200, {"utc_us": 1_000_000, "error_us": 4000})
        assert headers["cache-control"] == "no-store"
        status, body, headers = await get(port, "/picture/tokyo")
        assert (status, body, headers["content-type"]) == (200, b"\xff\xd8picture", "image/jpeg")
        assert (await get(port, "/picture/tokyo", **{"if-none-match": headers["etag"]}))[0] == 304
        assert (await get(port, "/picture/atlantis"))[0] == 404
        assert (await get(port, "/picture/tokyo", cookie=""))[0] == 401
        assert (await get(port, "/docs"))[0] == 404
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - and nothing else of the loop waits
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_it_speaks_tls_under_the_names_of_its_certificate(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "desk.example")
    assert check_certificate(certificate) == ""
    names = cli._names("0.0.0.0", certificate)
    assert "desk.example" in names
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    # NiceGUI is there once in a process, and another test has it.
    async with serving(guarded(FastAPI(), TOKENS, names, port, secure=True), sock, certificate):
        trusted = ssl.create_default_context(cafile=str(certificate.cert))

        def fetch(host: str) -> tuple[int, str]:
            line = http.client.HTTPSConnection("127.0.0.1", port, context=trusted, timeout=10)
            line.request("GET", f"/?token={TOKENS.operator}", headers={"host": host})
            answer = line.getresponse()
            return answer.status, answer.headers.get("set-cookie", "")

        status, cookie = await asyncio.to_thread(fetch, f"desk.example:{port}")
        assert status == 200 and cookie.endswith("; Secure")
        assert (await asyncio.to_thread(fetch, f"other.example:{port}"))[0] == 421


def self_signed(folder: Path, name: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "desk.pem", folder / "desk.key")
    found.cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    found.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return found


def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    sock = bind("127.0.0.1", 0)
    with sock, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", sock.getsockname()[1])


def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text("no certificate")
    assert str(file) in check_certificate(Certificate(file, file))
