"""Going to each broker as the agent would, under a name of its own, so that a running agent is not pushed out."""

import asyncio
import contextlib
import secrets
import socket
import ssl
import stat
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.access import Access, BrokerError, address, tls_context
from agent.config import Config
from agent.connection import Connection, connect
from agent.technician.channel import Certificate, Facts, Visit

HELLO_S = 5.0
ANSWER_S = 5.0
MOST_PEM_BYTES = 1 << 20
WHOLE_S = 30.0
OWN = ("presence", "status", "ack", "asrun", "answer")


def look(config: Config) -> Facts:
    """Visit every broker, and read the certificates' files. Takes as long as the slowest of them."""
    return replace(files(config), visits=tuple(asyncio.run(_visits(config))))


def files(config: Config) -> Facts:
    """Only the certificates' files, which need no network."""
    broker = config.broker
    key = broker.key or broker.cert
    return Facts(
        (),
        client=_certificate(broker.cert),
        authority=_certificate(broker.ca),
        loose_key=key if _read_by_others(key) else "",
    )


async def _visits(config: Config) -> list[Visit]:
    broker = config.broker
    accesses = [
        Access(url, broker.username or config.venue, broker.password_file, broker.ca, broker.cert, broker.key)
        for url in dict.fromkeys(broker.urls)
    ]
    return list(await asyncio.gather(*(_visit(access, broker.root, config.venue) for access in accesses)))


async def _visit(access: Access, root: str, venue: str) -> Visit:
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(WHOLE_S),
            connect(access, identifier=f"framezero-check-{venue}-{secrets.token_hex(4)}") as connection,
        ):
            took_ms = (time.monotonic() - began) * 1e3
            topics = ["cue/#", "program/+/+", "panic/#", f"ask/{venue}", "ask/all"]
            refused = await connection.subscribe([f"{root}/{topic}" for topic in topics])
            return Visit(
                access.url,
                took_ms=took_ms,
                hello=await _hello_comes(connection, f"{root}/cue/_hello"),
                refused=tuple(refused),
                unwritable=await _unwritable(connection, f"{root}/venue/{venue}"),
                until=await asyncio.to_thread(_server_until, access),
            )
    except BrokerError as error:
        return Visit(access.url, fault=str(error))
    except TimeoutError:
        return Visit(access.url, fault="it answers, but far too slowly; check the network and the broker's load")


async def _hello_comes(connection: Connection, topic: str) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HELLO_S):
            async for message in connection.messages():
                if message.topic == topic:
                    return True
    return False


async def _unwritable(connection: Connection, below: str) -> tuple[str, ...]:
    """Which of the venue's topics are refused. What is sent is empty and not retained: it tells nobody anything."""
    verdicts = {f"{below}/{kind}": connection.send(f"{below}/{kind}", b"", retain=False) for kind in OWN}
    await asyncio.wait(verdicts.values(), timeout=ANSWER_S)
    return tuple(topic for topic, verdict in verdicts.items() if not verdict.done() or verdict.result())


def _server_until(access: Access) -> datetime | None:
    """When the broker's own certificate ends; None without TLS, and where it cannot be had."""
    host, port, tls = address(access.url)
    if not tls:
        return None
    try:
        with (
            socket.create_connection((host, port), ANSWER_S) as line,
            tls_context(access).wrap_socket(line, server_hostname=host) as wrapped,
        ):
            ends = (wrapped.getpeercert() or {}).get("notAfter")
    except OSError:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None


def _certificate(file: str) -> Certificate | None:
    """The first certificate in a PEM file; None where none can be read, which the visit tells in its own words."""
    if not file:
        return None
    try:
        with Path(file).open("rb") as opened:
            found = x509.load_pem_x509_certificate(opened.read(MOST_PEM_BYTES))
    except (OSError, ValueError):
        return None
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    return Certificate(file, name, found.not_valid_before_utc, found.not_valid_after_utc)


def _read_by_others(file: str) -> bool:
    try:
        return bool(file) and bool(Path(file).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
    except OSError:
        return False
