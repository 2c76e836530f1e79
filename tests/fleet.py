"""Thousands of venues that are only connections: each has its own to the broker, says that it is there, and answers.

`python tests/fleet.py PORT FIRST COUNT HEARTBEAT_S [lively]` is one process of them; it prints `ready` when all are
there, and ends with its standard input. What they say is canned: encoded once, with each venue's name put in. MQTT 5 is
written out here, packet by packet (sections 3.1 to 3.9 of the standard): a client library of this many connections
would be what is measured.

Lively ones play: each status is as long as a real wall's, with other figures than the last one, and two of them, the
frame and the p99 of the frame errors, tell when it was said (`stamp_of`), so that whoever shows them can be measured.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import resource
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from fake_venue import BOOT, ROOT, presence, status

from agent.answered import Answer, Poll
from agent.messages import encode
from agent.told import Ack, ClockSource, ClockStatus, ErrorWindow, HostStatus, Told
from agent.units import UtcUs, format_utc

PLACEHOLDER = "venue-of-the-fleet"
PER_PROCESS = 2500
CONNECTING = 64  # at once: a broker's backlog of connections is short
CUE_S, POLL_S, MEMORY_MB = 5.0, 3.0, 300
BROKER_LINES = ("max_queued_messages 100000",)
"""As in deploy/broker: with the default of 1 000 an operator misses acks of a large fleet."""

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, CONNACK, SUBACK = 0x10, 0x30, 0x40, 0x82, 0x20, 0x90
QOS_1, RETAIN = 0x02, 0x01


def name_of(number: int) -> str:
    """The venue of a number."""
    return f"fleet-{number:05}"


# --- packets ------------------------------------------------------------------------------------


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    """A control packet: its kind and flags, the length as a variable byte integer (section 1.5.5), the body."""
    left, length = len(body), b""
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def connect(identifier: str) -> bytes:
    """A clean start without keepalive and properties."""
    return _packet(CONNECT, _text("MQTT") + b"\x05\x02" + struct.pack(">H", 0) + b"\x00" + _text(identifier))


def subscribe(topics: list[str]) -> bytes:
    """With QoS 1, as agents do."""
    return _packet(SUBSCRIBE, struct.pack(">H", 1) + b"\x00" + b"".join(_text(topic) + b"\x01" for topic in topics))


def publish(topic: str, payload: bytes, *, retain: bool) -> bytes:
    """With QoS 1, always under the same number: nothing is sent again here."""
    kind = PUBLISH | QOS_1 | (RETAIN if retain else 0)
    return _packet(kind, _text(topic) + struct.pack(">H", 2) + b"\x00" + payload)


def packets(data: bytearray) -> Iterator[tuple[int, bytes]]:
    """The whole packets at the head of what has arrived, taken out of it."""
    while len(data) >= 2:
        length = shift = 0
        for place in range(1, min(5, len(data))):
            length |= (data[place] & 0x7F) << shift
            shift += 7
            if not data[place] & 0x80:
                break
        else:
            return
        end = place + 1 + length
        if len(data) < end:
            return
        yield data[0], bytes(data[place + 1 : end])
        del data[:end]


# --- one venue ----------------------------------------------------------------------------------


def _now() -> UtcUs:
    return UtcUs(time.time_ns() // 1000)


def _canned(message: Told) -> bytes:
    return encode(message).replace(format_utc(UtcUs(0)).encode(), b"%TIME%")


class Speaker(TypedDict):
    """What every answer says of who gives it."""

    venue: str
    boot: str
    time: UtcUs


SPEAKER: Speaker = {"venue": PLACEHOLDER, "boot": BOOT, "time": UtcUs(0)}
PRESENCE = _canned(presence(PLACEHOLDER))
_STATUS = status(PLACEHOLDER, at=UtcUs(0))
STATUS = _canned(_STATUS)
POLL = Poll(
    go=True,
    reasons=[],
    films=None,
    clock=_STATUS.clock,
    state=_STATUS.state,
    cue=None,
    next=_STATUS.next,
    pending=1,
    panic=None,
    display=None,
    decoder=None,
    disk_free_gb=10.0,
    brokers={},
    unsigned=True,
)


STAMP_MS, STAMPS = 20, 1000
"""A stamp is when it was said, in steps of so many ms, and begins again after so many (20 s)."""

FRAME, P99, BOUND, LATE = 987_654_321, 876_543_210, 765_432_109, 654_321_098  # in the places of what changes
_SOURCES = [
    ClockSource(
        name=f"ntp{number}.example",
        ours=number == 0,
        agrees=True,
        why="in the vote",
        address=f"192.0.2.{number}",
        offset_us=120,
        error_us=2_100,
        delay_us=11_000,
        distance_us=7_600,
        stratum=2,
        samples=8,
        age_s=3.5,
        interval_s=16.0,
    )
    for number in range(5)
]
LIVELY = _canned(
    status(
        PLACEHOLDER,
        at=UtcUs(0),
        state="playing",
        cue=BOOT,
        program="winners-reel",
        rev=3,
        item=2,
        position_us=12_345_678,
        frame=FRAME,
        error_us=ErrorWindow(median=180, p99=P99, window_s=60),
        late=LATE,
        clock=ClockStatus(
            state="SYNC", bound_us=BOUND, frames=0.25, sources=5, agreeing=5, offset_host_us=-1_200, per_source=_SOURCES
        ),
        next=None,
        pending=0,
        decoder="vaapi",
        display="1920x1080@60",
        host=HostStatus(cpu=0.21, mem_mb=180, disk_free_gb=88.0, temp_c=51.0, throttled=False),
        brokers={"mqtts://cue-a.example:8883": True, "mqtts://cue-b.example:8883": True},
        unsigned=False,
    )
)


def stamp(now_ms: int) -> int:
    """What tells this instant."""
    return now_ms // STAMP_MS % STAMPS


def stamp_of(frame: int | None = None, p99_ms: float | None = None) -> int:
    """The stamp in a frame, or in a p99 (5 to 15 ms)."""
    return frame if frame is not None else round(((p99_ms or 0.0) - 5) * 100)


def lively(venue: str) -> bytes:
    """The status of a wall that plays, of now."""
    now_ms = time.time_ns() // 1_000_000
    told = stamp(now_ms)
    chance = hash((venue, now_ms // 5000)) % 1000
    body = said(LIVELY, venue)
    for place, value in (
        (FRAME, told),
        (P99, 5000 + 10 * told),
        (BOUND, 4000 + 9 * chance),
        (LATE, now_ms // 60_000 % 9),
    ):
        body = body.replace(str(place).encode(), str(value).encode())
    return body


def said(template: bytes, venue: str) -> bytes:
    """A canned message in a venue's name, of now."""
    return template.replace(PLACEHOLDER.encode(), venue.encode()).replace(b"%TIME%", format_utc(_now()).encode())


@lru_cache(maxsize=64)
def answer_to(topic: str, payload: bytes) -> tuple[str, bytes] | None:
    """The last level of the topic and the canned body of what a venue answers; None where it has nothing to say."""
    if not payload or topic.endswith("_hello"):
        return None
    body = json.loads(payload)
    if "payload" in body:  # an envelope: whether the signature holds is not asked here
        body = json.loads(base64.b64decode(body["payload"]))
    if "ask" in body:
        return "answer", _canned(Answer(ask=body["ask"], want="poll", poll=POLL, **SPEAKER))
    return "ack", _canned(Ack(cue=body["cue"], stage="accepted", ready=True, **SPEAKER))


class Venue(asyncio.Protocol):
    """One connection; `there` is set when it is subscribed and has said so."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.there = asyncio.get_running_loop().create_future()
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(connect(self.venue))

    def say(self, kind: str, body: bytes, *, retain: bool) -> None:
        """Publish below this venue's own topic."""
        self.say_to(f"venue/{self.venue}/{kind}", said(body, self.venue), retain=retain)

    def say_to(self, topic: str, body: bytes, *, retain: bool) -> None:
        """Publish below the root."""
        assert self._transport is not None
        self._transport.write(publish(f"{ROOT}/{topic}", body, retain=retain))

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        for kind, body in packets(self._data):
            if kind == CONNACK:
                self._transport.write(subscribe([f"{ROOT}/cue/#", f"{ROOT}/ask/all", f"{ROOT}/ask/{self.venue}"]))
                self.say("presence", PRESENCE, retain=True)
                self.say("status", STATUS, retain=True)
            elif kind == SUBACK and not self.there.done():
                self.there.set_result(None)
            elif kind & 0xF0 == PUBLISH:
                self._take(kind, body)

    def _take(self, kind: int, body: bytes) -> None:
        assert self._transport is not None
        length = struct.unpack_from(">H", body)[0]
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        if kind & 0x06:
            self._transport.write(_packet(PUBACK, rest[:2]))
            rest = rest[2:]
        answer = answer_to(topic.removeprefix(f"{ROOT}/"), rest[1 + rest[0] :])
        if answer is not None:
            self.say(*answer, retain=False)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.there.done():
            self.there.set_exception(ConnectionError(f"{self.venue}: {exc or 'closed by the broker'}"))


async def _live(port: int, first: int, count: int, heartbeat_s: float, *, playing: bool) -> None:
    loop = asyncio.get_running_loop()
    turn = asyncio.Semaphore(CONNECTING)

    async def arrive(number: int) -> Venue:
        async with turn:
            _, venue = await loop.create_connection(lambda: Venue(name_of(number)), "127.0.0.1", port)
            await venue.there
            return venue

    venues = await asyncio.gather(*(arrive(number) for number in range(first, first + count)))
    venues[0].say_to("cue/_hello", b"{}", retain=True)
    print("ready", flush=True)  # noqa: T201
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        for number, venue in enumerate(venues):  # spread over the whole period, as those of real venues are
            if number % max(1, count // 50) == 0:
                await asyncio.wait([ended], timeout=heartbeat_s / 50)
            venue.say("status", lively(venue.venue) if playing else STATUS, retain=True)


# --- the fleet, and what the tool makes of it ----------------------------------------------------


def allow_connections(count: int) -> None:
    """Raise the limit of open files, which the broker started after this inherits. Raises OSError where it is less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 200:
        if hard != resource.RLIM_INFINITY and hard < count + 200:
            raise OSError(f"{count} connections need {count + 200} open files, the limit is {hard}: ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, hard))


def _environment() -> dict[str, str]:
    """This tree's code and its test helpers for a process of ours, and nobody's profile."""
    tests = Path(__file__).parent
    path = os.pathsep.join(str(folder) for folder in (tests.parent, tests, tests / "control"))
    return {**os.environ, "PYTHONPATH": path, "HOME": "/nonexistent"}


@contextmanager
def fleet(port: int, count: int, heartbeat_s: float = 5.0, *, playing: bool = False) -> Iterator[list[int]]:
    """That many venues at the broker, until the block ends; the processes that they are.

    Raises OSError where they do not all get there.
    """
    processes: list[subprocess.Popen[str]] = []
    try:
        for first in range(0, count, PER_PROCESS):
            argv = [sys.executable, __file__, str(port), str(first), str(min(PER_PROCESS, count - first))]
            argv += [str(heartbeat_s), *(["lively"] if playing else [])]
            processes.append(
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())
            )
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise OSError("the venues did not all get a connection; what they said stands above")
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            with contextlib.suppress(OSError):
                process.communicate(timeout=10)
            process.kill()


@dataclass(frozen=True)
class Figures:
    """One run of the tool, measured from outside: exit code, seconds with its start and of processor time, peak MB.

    `answered_s` is its own word: from the cue's or ask's publication to the last answer counted.
    """

    command: str
    code: int
    venues: int
    seconds: float
    cpu_s: float
    mb: float
    answered_s: float | None
    limit_s: float | None
    expected: int

    @property
    def fault(self) -> str:
        """What is not as it should be; empty where all is."""
        if self.code != 0 or self.venues != self.expected:
            return f"exit {self.code}, {self.venues} of {self.expected} venues"
        if self.limit_s is not None and (self.answered_s is None or self.answered_s > self.limit_s):
            return f"later than {self.limit_s:g} s"
        return f"more than {MEMORY_MB} MB" if self.mb > MEMORY_MB else ""


class _Peak(threading.Thread):
    """The most memory that a process has had since it became what it is.

    The kernel's own figure at its end (ru_maxrss) counts what it was before: a copy of whoever started it.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._kb = 0
        self.start()

    def run(self) -> None:
        # Until it is gone: a process that has ended has no memory any more.
        while match := re.search(r"^VmHWM:\s+(\d+)", self._text(), re.MULTILINE):
            self._kb = int(match[1])
            time.sleep(0.05)

    def mb(self) -> float:
        """In megabytes, once it has ended."""
        self.join()
        return self._kb / 1024

    def _text(self) -> str:
        try:
            return self._status.read_text()
        except OSError:
            return ""


def framezero(port: int, arguments: list[str], expected: int, limit_s: float | None) -> Figures:
    """Run an operator's command as a process of its own."""
    argv = [sys.executable, "-m", "agent.cli", *arguments, "--json", "--broker", f"mqtt://127.0.0.1:{port}"]
    began_s = time.monotonic()
    process = subprocess.Popen([*argv, "--show", "demo"], stdout=subprocess.PIPE, text=True, env=_environment())
    assert process.stdout is not None
    peak = _Peak(process.pid)
    out = process.stdout.read()
    _, state, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(state)
    took_s = time.monotonic() - began_s
    told = json.loads(out)
    venues = [venue for venue in told.get("venues", []) if not venue.get("silent")]
    return Figures(
        command=" ".join(arguments[:2]),
        code=process.returncode,
        venues=len(venues),
        seconds=took_s,
        cpu_s=use.ru_utime + use.ru_stime,
        mb=peak.mb(),
        answered_s=told.get("waited_s"),
        limit_s=limit_s,
        expected=expected,
    )


def measure(port: int, venues: int, cues: int) -> list[Figures]:
    """What the commands take while the fleet is up."""
    rows = [framezero(port, ["cue", "black", "--in", "30s"], venues, CUE_S) for _ in range(cues)]
    return [*rows, framezero(port, ["status"], venues, None), framezero(port, ["poll", "reel"], venues, POLL_S)]


if __name__ == "__main__":
    asyncio.run(
        _live(
            int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), playing="lively" in sys.argv[5:]
        )
    )
