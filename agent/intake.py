"""What comes off the broker → a cue, a program or a panic that this venue takes, or why it does not.

The order of the checks is part of the trust model: size, signatures, strict form, show; then whether the id is new,
which the conductor knows; then venues from the body (never from the topic), and expiry. The id goes before the venues,
so that of two bodies under one id the same one counts at all venues, whichever they name.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from agent.effects import Now
from agent.messages import MAX_BODY_BYTES, UUID_PATTERN, Cue, Lift, Name, Panic, Refusal, decode
from agent.programs import Program
from agent.trust import KeyId, Kind, Opened, Trust, open_body, unverified_body
from agent.units import UtcUs, format_utc

T = TypeVar("T", Cue, Program, Panic, Lift)
P = TypeVar("P", Panic, Lift)


@dataclass(frozen=True, slots=True)
class Venue:
    """Who this agent is, as cues, programs and panics see it; the timezone is for people at the wall."""

    name: Name
    groups: tuple[Name, ...]
    show: Name
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """A message that counts here, with the exact body that was signed, its hash, and the keys that signed it."""

    message: T
    body: bytes
    digest: str
    signers: frozenset[KeyId] = frozenset()


@dataclass(frozen=True, slots=True)
class Declined:
    """A cue or panic that can never count here; `cue` is its id as far as it could be read."""

    cue: str
    refusal: Refusal


def take_cue(payload: bytes, topic_id: str | None, venue: Venue, trust: Trust, now: Now) -> Taken[Cue] | Declined:
    """Judge a cue of this show, be it for this venue or for others."""
    named = _uuid(topic_id) if topic_id is not None else None
    opened = open_body(payload, ("cue",), trust, now.vouched, floor=now.floor)
    if isinstance(opened, Refusal):
        return Declined(named or _claimed(payload, "cue"), opened)
    cue = decode(Cue, opened.body)
    if isinstance(cue, Refusal):
        return Declined(named or _id_in(opened.body, "cue"), cue)
    if topic_id is not None and topic_id != cue.cue:
        shown = named or "no id of a cue"
        return Declined(cue.cue, Refusal(code="schema", detail=f"cue: the topic says {shown}; they must be equal"))
    if cue.show != venue.show:
        return Declined(cue.cue, _other_show(cue.show, venue))
    return _taken(cue, opened)


def expired(cue: Cue, at_least: UtcUs) -> Refusal | None:
    """That a cue exists for nobody any more; None where it may still count. `at_least` is what the time surely is."""
    if at_least < cue.expires:
        return None
    detail = f"expires: {format_utc(cue.expires)} has passed; send it again under a new id"
    return Refusal(code="expired", detail=detail)


def take_program(
    payload: bytes, topic: tuple[str, str], venue: Venue, trust: Trust, now: Now
) -> Taken[Program] | Refusal | None:
    """Judge a program against the id and revision in its topic; None when it is another show's."""
    opened = open_body(payload, ("program",), trust, now.vouched, floor=now.floor)
    if isinstance(opened, Refusal):
        return opened
    program = decode(Program, opened.body)
    if isinstance(program, Refusal):
        return program
    if topic != (program.program, str(program.rev)):
        detail = f"program: the topic says {'/'.join(topic)[:80]}, the body {program.program}/{program.rev}"
        return Refusal(code="schema", detail=detail)
    if program.show != venue.show:
        return None
    return _taken(program, opened)


def take_panic(payload: bytes, venue: Venue, trust: Trust, now: Now) -> Taken[Panic] | Taken[Lift] | Declined | None:
    """Judge a panic or a lift; None when it is for other venues. Neither needs a clock nor expires."""
    # Nobody waits for a time server with a panic: a key whose end is not known to have passed will do.
    opened = open_body(payload, ("panic", "lift"), trust, now.at_least)
    if isinstance(opened, Refusal):
        return Declined(_claimed(payload, "panic", "lift"), opened)
    kind = panic_kind(opened)
    named = _id_in(opened.body, kind)
    if kind == "lift":
        return _meant(decode(Lift, opened.body), named, opened, venue)
    return _meant(decode(Panic, opened.body), named, opened, venue)


def panic_kind(opened: Opened) -> Kind:
    """Whether an opened message of the topic `panic` is a panic or a lift.

    A bare body says so itself. Of a signed one only the envelope counts: the roles that may sign hang on it.
    """
    return opened.kind or ("lift" if "lift" in _tree(opened.body) else "panic")


def _meant(message: P | Refusal, named: str, opened: Opened, venue: Venue) -> Taken[P] | Declined | None:
    if isinstance(message, Refusal):
        return Declined(named, message)
    if message.show != venue.show:
        return Declined(named, _other_show(message.show, venue))
    return _taken(message, opened) if message.names(venue.name, venue.groups) else None


def _taken(message: T, opened: Opened) -> Taken[T]:
    return Taken(message, opened.body, sha256(opened.body).hexdigest(), opened.signers)


def _other_show(show: Name, venue: Venue) -> Refusal:
    return Refusal(code="show", detail=f"show: {show!r} is not {venue.show!r}, the show of this venue")


def _tree(payload: bytes) -> dict[str, Any]:
    """What a message says before anything in it is believed; empty where it says nothing."""
    if len(payload) > MAX_BODY_BYTES:
        return {}
    try:
        tree = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _claimed(payload: bytes, *keys: str) -> str:
    """The id that a message claims whose signatures were refused: nothing hangs on it but to whom it is told."""
    return _id_in(unverified_body(payload) or payload, *keys)


def _id_in(body: bytes, *keys: str) -> str:
    """The id of a message that is refused anyway, for the acknowledgement; '?' where none can be read."""
    tree = _tree(body)
    found = next((tree[key] for key in keys if key in tree), None)
    return (_uuid(found) if isinstance(found, str) else None) or "?"


def _uuid(text: str) -> str | None:
    """A text from outside as an id, if it is one: nothing else is repeated to anybody."""
    return text if re.fullmatch(UUID_PATTERN, text) else None
