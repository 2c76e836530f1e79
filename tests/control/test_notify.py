"""Alarms on their way to programs and web addresses: what arrives, and what a bad target can do (nothing)."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.control import notify
from agent.control.addresses import parse_address
from agent.control.alarms import Alarm, Changes, Rules
from agent.control.notice import as_json, environment, notices
from agent.control.notify import Command, Notifier, Target, Webhook, targets_of
from agent.control.post import PostError, post
from agent.units import UtcUs, parse_utc

NOW = parse_utc("2025-06-02T12:00:00Z")
ALARM = Alarm("silent", "tokyo", "critical", NOW, "tokyo is silent for 13.0 s: $(reboot) \x1b[2J`id`", "call the venue")
MANY = tuple(replace(ALARM, about=str(number)) for number in range(50))

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()


def answering(status: str, got: list[bytes]) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        got.append(head + await reader.readexactly(length))
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        await writer.drain()

    return serve


@asynccontextmanager
async def sending(targets: list[Target]) -> AsyncIterator[tuple[Notifier, list[str]]]:
    said: list[str] = []
    notifier = Notifier(targets, "demo", said.append)
    task = asyncio.create_task(notifier.run())
    try:
        yield notifier, said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of its own and its key, for 127.0.0.1."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def test_a_notice_is_a_line_for_people_and_fields_for_machines_without_escape_sequences() -> None:
    told = as_json("raised", [ALARM], NOW, "demo")
    assert told["text"] == "[critical] tokyo is silent for 13.0 s: $(reboot) `id` – call the venue"
    assert (told["event"], told["code"], told["venue"], told["since"]) == (
        "raised",
        "silent",
        "tokyo",
        "2025-06-02T12:00:00.000000Z",
    )
    later = UtcUs(NOW + 75_000_000)
    assert as_json("cleared", [ALARM], later, None)["text"].startswith("[over after 1 m 15 s] tokyo")
    assert environment(told)["FRAMEZERO_ALARM_SEVERITY"] == "critical"
    assert environment(as_json("raised", [ALARM], NOW, None))["FRAMEZERO_ALARM_SHOW"] == ""


def test_what_many_venues_have_at_once_is_one_notice_that_names_them() -> None:
    alarms = [replace(ALARM, venue=f"wall-{number}", since=UtcUs(NOW - number)) for number in range(7)]
    [(event, alike)] = notices(Changes(raised=tuple(alarms)))
    told = as_json(event, alike, NOW, "demo")
    names = "wall-0, wall-1, wall-2, wall-3, wall-4 and 2 more"
    assert told["text"].startswith(f"[critical] 7 venues ({names}), such as: tokyo")
    assert (told["venue"], len(told["venues"]), told["since"]) == (None, 7, "2025-06-02T11:59:59.999994Z")
    assert environment(told)["FRAMEZERO_ALARM_VENUES"] == ",".join(f"wall-{number}" for number in range(7))
    assert len(notices(Changes(raised=tuple(alarms[:3]), cleared=tuple(alarms[3:6])))) == 6


@pytest.mark.parametrize(
    ("url", "shown", "target"),
    [
        ("https://chat.example/hooks/s3cret?t=1", "https://chat.example/…", "/hooks/s3cret?t=1"),
        ("http://[::1]:8080", "http://[::1]:8080/…", "/"),
        ("https://a.example?x", "https://a.example/…", "/?x"),
    ],
)
def test_of_an_address_only_the_host_is_shown(url: str, shown: str, target: str) -> None:
    address = parse_address(url)
    assert (address.shown, address.target) == (shown, target)


@pytest.mark.parametrize(
    "url", ["ftp://a/", "https://", "https://a b/", "https://me:pw@a/", "http://a:99999/", "http://a/\r\nX: y"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write a web address"):
        parse_address(url)
    with pytest.raises(ValueError, match="write a web address"):
        Rules(webhooks=[url])


async def test_a_program_gets_it_on_standard_input_and_in_variables_and_no_shell_sees_it(tmp_path: Path) -> None:
    script = tmp_path / "take"
    script.write_text(f'#!/bin/sh\ncat > {tmp_path}/in\nprintf %s "$FRAMEZERO_ALARM_SENTENCE|$1" > {tmp_path}/env\n')
    script.chmod(0o755)
    async with sending([Command((str(script), "an argument; ls"))]) as (notifier, said):
        notifier.tell(Changes(raised=(ALARM,)), NOW)
        await notifier.flush(10)
    assert json.loads((tmp_path / "in").read_text())["code"] == "silent"
    assert (tmp_path / "env").read_text() == "tokyo is silent for 13.0 s: $(reboot) `id`|an argument; ls"
    assert said == []


async def test_a_program_that_does_not_end_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    script = tmp_path / "hang"
    script.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\nwait\n")
    script.chmod(0o755)
    with pytest.raises(PostError, match="did not end within 1 s"):
        await Command((str(script),), timeout_s=1).send(as_json("raised", [ALARM], NOW, None))
    child = int((tmp_path / "pid").read_text())
    assert not alive(child)


@pytest.mark.parametrize(("argv", "why"), [(("/nowhere",), "cannot be started"), (("false",), "ended with 1")])
async def test_a_program_that_fails_is_said_so(argv: tuple[str, ...], why: str) -> None:
    with pytest.raises(PostError, match=why):
        await Command(argv).send(as_json("raised", [ALARM], NOW, None))


async def test_a_webhook_gets_json_with_a_text() -> None:
    got: list[bytes] = []
    async with (
        server(answering("200 OK", got)) as port,
        sending([Webhook(f"http://127.0.0.1:{port}/hooks/s3cret")]) as (notifier, said),
    ):
        notifier.tell(Changes(raised=(ALARM,), cleared=(ALARM,)), NOW)
        await notifier.flush(10)
    heads, bodies = zip(*(message.split(b"\r\n\r\n", 1) for message in got), strict=True)
    assert heads[0].startswith(b"POST /hooks/s3cret HTTP/1.1\r\n") and b"Content-Type: application/json" in heads[0]
    told = [json.loads(body) for body in bodies]
    assert [(one["event"], one["lost"]) for one in told] == [("raised", 0), ("cleared", 0)]
    assert said == []


@pytest.mark.parametrize(
    ("status", "why", "final"),
    [
        ("404 Not Found", "it answers 404", True),
        ("503 Busy", "it answers 503", False),
        ("429 Slow", "it answers 429", False),
        ("302 Found\r\nLocation: http://elsewhere/", "it redirects", True),
    ],
)
async def test_what_a_server_refuses(status: str, why: str, final: bool) -> None:
    async with server(answering(status, [])) as port:
        with pytest.raises(PostError, match=why) as caught:
            await post(f"http://127.0.0.1:{port}/", b"{}")
    assert caught.value.final is final


async def test_no_server_can_hold_anybody_up() -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with server(drips) as port:
        with pytest.raises(PostError, match="no answer within 1 s"):
            await post(f"http://127.0.0.1:{port}/", b"{}", timeout_s=1)
    async with server(floods) as port:
        with pytest.raises(PostError, match="cannot be reached"):
            await post(f"http://127.0.0.1:{port}/", b"{}")


@pytest.mark.needs("openssl")
async def test_https_takes_no_certificate_that_nobody_has_signed(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    got: list[bytes] = []
    async with server(answering("200 OK", got), context) as port:
        with pytest.raises(PostError, match="its certificate is not trusted"):
            await post(f"https://127.0.0.1:{port}/", b"{}")
        assert got == []
        await post(f"https://127.0.0.1:{port}/", b"{}", ca=str(cert))
        with pytest.raises(PostError, match="its certificate is not trusted"):  # it is another's name
            await post(f"https://localhost:{port}/", b"{}", ca=str(cert))
    assert len(got) == 1


class Fake:
    """A target that fails as often as it is told to."""

    name = "https://chat.example/…"

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.got: list[dict[str, Any]] = []

    async def send(self, notice: dict[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise PostError("it answers 503")
        self.got.append(notice)


async def test_it_is_tried_again_and_a_failure_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "FIRST_PAUSE_S", 0.0)
    flaky, well = Fake(failures=3), Fake()
    async with sending([flaky, well]) as (notifier, said):
        notifier.tell(Changes(raised=MANY[:2]), NOW)
        await notifier.flush(10)
    assert (len(flaky.got), len(well.got)) == (2, 2)
    assert said == [
        "alarms do not reach https://chat.example/…: it answers 503; it is tried again with each alarm",
        "alarms reach https://chat.example/… again",
    ]


async def test_what_is_given_up_is_counted_and_told_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(notify, "QUEUED", 3)
    target = Fake(failures=notify.ATTEMPTS)
    async with sending([target]) as (notifier, _):
        notifier.tell(Changes(raised=MANY[:5]), NOW)
        assert notifier.faults == {}
        await notifier.flush(10)
    assert [one["lost"] for one in target.got] == [3, 0]  # two that found no room, and one that was refused too often


async def test_what_finds_no_room_during_a_delivery_is_counted_and_the_delivery_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notify, "QUEUED", 2)
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Fake):
        async def send(self, notice: dict[str, Any]) -> None:
            begun.set()
            await go_on.wait()
            await super().send(notice)

    target = Slow()
    async with sending([target]) as (notifier, _):
        notifier.tell(Changes(raised=MANY[:1]), NOW)
        await begun.wait()
        notifier.tell(Changes(raised=MANY[1:4]), NOW)
        go_on.set()
        await notifier.flush(10)
    assert [(one["venue"], one["lost"]) for one in target.got] == [
        (MANY[0].venue, 0),
        (MANY[2].venue, 1),
        (MANY[3].venue, 0),
    ]


async def test_a_flood_is_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PER_MINUTE", 0.001)
    target = Fake()
    async with sending([target]) as (notifier, _):
        notifier.tell(Changes(raised=MANY), NOW)
        await notifier.flush(0.5)
    assert len(target.got) == notify.BURST


def test_where_alarms_go_by_the_rules() -> None:
    rules = Rules(command=["logger", "-t", "walls"], webhooks=["https://a.example/x", "https://a.example/x"])
    assert targets_of(rules) == [Command(("logger", "-t", "walls")), Webhook("https://a.example/x")]
    assert targets_of(Rules()) == []
