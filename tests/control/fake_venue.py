"""A venue that is only messages: it answers cues with the acks that a test wants."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
from brokers import Mosquitto

from agent.answered import Answer, Poll, PolledFilms, Reason
from agent.messages import Ask, Cue, Lift, Panic, Refusal, decode, encode
from agent.told import Ack, CacheStatus, ClockStatus, Fetching, HostStatus, NextCue, Presence, Status
from agent.units import US_PER_S, UtcUs

ROOT = "framezero/v1"
BOOT = "11111111-1111-4111-8111-111111111111"

Reply = Callable[[Cue], Iterable[dict[str, Any]]]


def now_us() -> UtcUs:
    return UtcUs(time.time_ns() // 1000)


def presence(
    venue: str, *, online: bool = True, groups: tuple[str, ...] = (), zone: str = "Asia/Tokyo", remarks: bool = True
) -> Presence:
    return Presence(
        venue=venue,
        online=online,
        boot=BOOT,
        agent="0",
        messages=[1],
        groups=list(groups),
        show="demo",
        timezone=zone,
        unsigned=True,
        remarks=remarks,
    )


def status(venue: str, *, at: UtcUs | None = None, ready: bool = True, **more: Any) -> Status:
    fields: dict[str, Any] = {
        "venue": venue,
        "boot": BOOT,
        "time": now_us() if at is None else at,
        "state": "slate",
        "cue": None,
        "program": None,
        "rev": None,
        "item": None,
        "position_us": None,
        "frame": None,
        "error_us": None,
        "dropped": 0,
        "late": 0,
        "reanchors": 0,
        "clock": ClockStatus(
            state="SYNC", bound_us=8200, frames=0.25, sources=5, agreeing=5, offset_host_us=0, reason=""
        ),
        "latency_us": 0,
        "ready": ready,
        "reasons": [] if ready else [Refusal(code="film_missing", detail="koi.mp4 is not here; wait for it")],
        "next": NextCue(cue=str(uuid.uuid4()), at=UtcUs(now_us() + 90 * US_PER_S), action="play"),
        "pending": 1,
        "panic": None,
        "cache": CacheStatus(films=2, bytes=10, fetching=None, missing=0 if ready else 1),
        "decoder": None,
        "display": None,
        "host": HostStatus(cpu=0.1, mem_mb=100, disk_free_gb=10.0),
        "brokers": {},
        "unsigned": True,
    }
    return Status(**{**fields, **more})


def ready(_: Cue) -> list[dict[str, Any]]:
    return [{"stage": "accepted", "ready": True}]


def not_ready(_: Cue) -> list[dict[str, Any]]:
    return [
        {"stage": "accepted", "ready": False, "reason": "film_missing", "detail": "koi.mp4 is not here; wait for it"}
    ]


def whole_way(cue: Cue) -> list[dict[str, Any]]:
    start = {"due": cue.at, "observed": UtcUs(cue.at + 180), "error_us": 180, "bound_us": 8200}
    return [{"stage": "accepted", "ready": True}, {"stage": "armed"}, {"stage": "started", **start}]


def refused(_: Cue) -> list[dict[str, Any]]:
    return [{"stage": "refused", "reason": "show", "detail": "this venue plays another show"}]


@asynccontextmanager
async def connected(broker: Mosquitto) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        yield client


async def retain(broker: Mosquitto, topic: str, payload: bytes) -> None:
    async with connected(broker) as client:
        await client.publish(f"{ROOT}/{topic}", payload, qos=1, retain=True)


async def retained(broker: Mosquitto, topic: str) -> list[tuple[str, bytes, Any]]:
    """What the broker keeps under a topic, with the message's properties."""
    found = []
    async with connected(broker) as client:
        await client.subscribe(f"{ROOT}/{topic}", qos=1)
        try:
            async with asyncio.timeout(0.5):
                async for message in client.messages:
                    found.append(  # noqa: PERF401 - what came before the timeout counts
                        (message.topic.value.removeprefix(f"{ROOT}/"), message.payload, message.properties)
                    )
        except TimeoutError:
            pass
    return found


def polled(*, go: bool = True, rev: int = 3, **more: Any) -> Poll:
    missing = Reason(question="films", code="film_missing", detail="koi.mp4 is being fetched, and not here yet")
    fields: dict[str, Any] = {
        "go": go,
        "reasons": [] if go else [missing],
        "films": PolledFilms(
            program="reel",
            rev=rev,
            films=12,
            present=12 if go else 11,
            bytes=48_318_382_080,
            bytes_present=48_318_382_080 if go else 40_100_000_000,
            fetching=None if go else Fetching(name="koi.mp4", done=1_000_000, size=8_218_382_080),
            missing=[] if go else ["koi.mp4"],
        ),
        "clock": status("any").clock,
        "state": "slate",
        "cue": None,
        "next": NextCue(cue=str(uuid.uuid4()), at=UtcUs(now_us() + 90 * US_PER_S), action="play"),
        "pending": 1,
        "panic": None,
        "display": "1920x1080@60",
        "decoder": "vaapi",
        "disk_free_gb": 88.0,
        "brokers": {"mqtts://cue-a.example:8883": True, "mqtts://cue-b.example:8883": True},
        "unsigned": False,
    }
    return Poll(**{**fields, **more})


@asynccontextmanager
async def venue(
    broker: Mosquitto, name: str, reply: Reply = ready, *, poll: Poll | Refusal | None = None, **about: Any
) -> AsyncIterator[list[Cue]]:
    """A venue that is online at one broker; yields the cues it got. It answers asks with `poll`, if it has one."""
    got: list[Cue] = []
    async with connected(broker) as client:
        await client.publish(f"{ROOT}/cue/_hello", b"{}", qos=1, retain=True)
        await client.publish(f"{ROOT}/venue/{name}/presence", encode(presence(name, **about)), qos=1, retain=True)
        await client.subscribe(
            [(f"{ROOT}/cue/#", 1), (f"{ROOT}/panic/#", 1), (f"{ROOT}/ask/all", 1), (f"{ROOT}/ask/{name}", 1)]
        )
        task = asyncio.create_task(_answer(client, name, reply, got, poll))
        try:
            yield got
        finally:
            task.cancel()


async def _answer(client: aiomqtt.Client, name: str, reply: Reply, got: list[Cue], poll: Poll | Refusal | None) -> None:
    async for message in client.messages:
        if poll is not None and isinstance(ask := decode(Ask, message.payload), Ask):
            found: dict[str, Any] = {"refused" if isinstance(poll, Refusal) else "poll": poll}
            answer = Answer(ask=ask.ask, venue=name, boot=BOOT, time=now_us(), want="poll", **found)
            await client.publish(f"{ROOT}/venue/{name}/answer", encode(answer), qos=1)
        for about, more in _alarmed(message):
            ack = Ack(cue=about, venue=name, boot=BOOT, time=now_us(), **more)
            await client.publish(f"{ROOT}/venue/{name}/ack", encode(ack), qos=1)
        cue = decode(Cue, message.payload)
        if isinstance(cue, Refusal):
            continue
        got.append(cue)
        for more in reply(cue):
            ack = Ack(**{"cue": cue.cue, "venue": name, "boot": BOOT, "time": now_us(), **more})
            await client.publish(f"{ROOT}/venue/{name}/ack", encode(ack), qos=1)


def _alarmed(message: aiomqtt.Message) -> list[tuple[str, dict[str, Any]]]:
    """A panic is obeyed, and a lift."""
    if not message.topic.matches(f"{ROOT}/panic/#") or not isinstance(message.payload, bytes):
        return []
    panic, lift = decode(Panic, message.payload), decode(Lift, message.payload)
    if isinstance(panic, Panic):
        return [(panic.panic, {"stage": "accepted", "ready": True}), (panic.panic, {"stage": "started"})]
    return [(lift.lift, {"stage": "cancelled", "ready": True})] if isinstance(lift, Lift) else []


async def framezero(*arguments: str) -> tuple[int, str, str]:
    """Run one command as an operator does; returns exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return process.returncode or 0, out.decode(), err.decode()


def told(out: str) -> Any:
    """The one object that `--json` prints."""
    return json.loads(out)
