"""Cues, programs and instants for tests: the shortest valid ones, with what a test cares about given by name."""

import json
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.clock.mapping import ClockState
from agent.effects import Now
from agent.intake import Venue
from agent.messages import Cue, Panic, Refusal, decode
from agent.programs import Program
from agent.trust import PublicKey, Role, Trust
from agent.units import RawNs, UtcUs, format_utc, parse_utc

T0 = parse_utc("2025-06-02T12:00:00Z")
S = 1_000_000
VENUE = Venue("paris", ("west",), "reel-show")
ANYBODY = Trust(require=False)


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


@cache
def private(number: int) -> Ed25519PrivateKey:
    """A private key that is the same in every run, and secret to nobody."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"test %d" % number).digest())


def key_of(number: int, role: Role = "show", not_after: int | None = None) -> PublicKey:
    """The public half of `private(number)`, trusted in a role."""
    end = None if not_after is None else UtcUs(not_after)
    return PublicKey(f"{role}-{number}", role, private(number).public_key().public_bytes_raw(), end)


def cue_body(number: int = 1, at: int = T0, do: dict[str, Any] | None = None, **changes: Any) -> bytes:
    body: dict[str, Any] = {
        "v": 1,
        "cue": uuid_of(number),
        "show": "reel-show",
        "venues": ["*"],
        "at": format_utc(UtcUs(at)),
        "issued": format_utc(UtcUs(T0 - 600 * S)),
        "expires": format_utc(UtcUs(T0 + 7 * 86_400 * S)),
        "do": do or {"action": "play", "program": "reel", "rev": 1},
    }
    return json.dumps({**body, **changes}).encode()


def panic_body(number: int = 1, to: str = "black", issued: int = T0, **changes: Any) -> bytes:
    body = {"v": 1, "panic": uuid_of(number), "show": "reel-show", "venues": ["*"], "to": to}
    return json.dumps({**body, "issued": format_utc(UtcUs(issued)), **changes}).encode()


def lift_body(number: int = 1, issued: int = T0, **changes: Any) -> bytes:
    body = {"v": 1, "lift": uuid_of(number), "show": "reel-show", "venues": ["*"]}
    return json.dumps({**body, "issued": format_utc(UtcUs(issued)), **changes}).encode()


def panic(number: int = 1, to: str = "black", issued: int = T0) -> Panic:
    made = decode(Panic, panic_body(number, to, issued))
    assert not isinstance(made, Refusal), made
    return made


def cue(number: int = 1, at: int = T0, do: dict[str, Any] | None = None, **changes: Any) -> Cue:
    made = decode(Cue, cue_body(number, at, do, **changes))
    assert not isinstance(made, Refusal), made
    return made


def item_body(letter: str, frames: int = 90, fps: str = "30", **changes: Any) -> dict[str, Any]:
    body = {
        "name": f"{letter}.mp4",
        "sha256": letter * 64,
        "size": 1000,
        "codec": "h264",
        "width": 320,
        "height": 180,
        "fps": fps,
        "frames": frames,
        "sound": False,
        "urls": [f"http://films.example/{letter}.mp4"],
    }
    return {**body, **changes}


def program_body(items: list[dict[str, Any]] | None = None, rev: int = 1, **changes: Any) -> bytes:
    body = {
        "v": 1,
        "program": "reel",
        "rev": rev,
        "show": "reel-show",
        "issued": format_utc(UtcUs(T0 - 3600 * S)),
        "items": items or [item_body("a"), item_body("b", 240, "60")],
    }
    return json.dumps({**body, **changes}).encode()


def program(items: list[dict[str, Any]] | None = None, rev: int = 1) -> Program:
    made = decode(Program, program_body(items, rev))
    assert not isinstance(made, Refusal), made
    return made


def now_at(utc: int | None, bound_us: int | None = 1000, clock: ClockState = ClockState.SYNC) -> Now:
    raw = RawNs((utc or 0) * 1000)
    if utc is None:
        return Now(raw, None, None, ClockState.UNSYNC, "no time server has answered yet")
    return Now(raw, UtcUs(utc), bound_us, clock, "3 of 3 time servers agree")
