"""What comes off the broker → a cue, a program or a panic that this venue takes, or why it does not.

The order of the checks is part of the trust model: size, signatures, strict form, show, venues from the body (never
from the topic), expiry. Whether the id is new is the conductor's question, since it owns what is known.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, Literal, TypeVar

from agent.messages import MAX_BODY_BYTES, UUID_PATTERN, Cue, Lift, Name, Panic, Program, Refusal, decode
from agent.trust import kind_in, open_body
from agent.units import UtcUs, format_utc

T = TypeVar("T", Cue, Program, Panic, Lift)
P = TypeVar("P", Panic, Lift)


@dataclass(frozen=True, slots=True)
class Venue:
    """Who this agent is, as cues, programs and panics see it; the timezone is for people at the wall."""

    name: Name
    groups: tuple[Name, ...]
    show: Name
    require_trust: bool
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """A message that counts here, with the exact body that was signed and its hash."""

    message: T
    body: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Declined:
    """A cue or panic that can never count here; `cue` is its id as far as it could be read."""

    cue: str
    refusal: Refusal


def take_cue(payload: bytes, topic_id: str | None, venue: Venue, now: UtcUs | None) -> Taken[Cue] | Declined | None:
    """Judge a cue; None when it is for other venues. Without a clock the expiry is judged later."""
    body = open_body(payload, "cue", require=venue.require_trust)
    if isinstance(body, Refusal):
        return Declined(topic_id or _id_in(payload), body)
    cue = decode(Cue, body)
    if isinstance(cue, Refusal):
        return Declined(topic_id or _id_in(body), cue)
    if topic_id is not None and topic_id != cue.cue:
        return Declined(cue.cue, Refusal(code="schema", detail=f"cue: the topic says {topic_id}; they must be equal"))
    if cue.show != venue.show:
        return Declined(cue.cue, _other_show(cue.show, venue))
    if not cue.names(venue.name, venue.groups):
        return None
    if now is not None and now >= cue.expires:
        detail = f"expires: {format_utc(cue.expires)} has passed; send it again under a new id"
        return Declined(cue.cue, Refusal(code="expired", detail=detail))
    return Taken(cue, body, sha256(body).hexdigest())


def take_program(payload: bytes, topic: tuple[str, str], venue: Venue) -> Taken[Program] | Refusal | None:
    """Judge a program against the id and revision in its topic; None when it is another show's."""
    body = open_body(payload, "program", require=venue.require_trust)
    if isinstance(body, Refusal):
        return body
    program = decode(Program, body)
    if isinstance(program, Refusal):
        return program
    if topic != (program.program, str(program.rev)):
        detail = f"program: the topic says {'/'.join(topic)}, the body {program.program}/{program.rev}"
        return Refusal(code="schema", detail=detail)
    if program.show != venue.show:
        return None
    return Taken(program, body, sha256(body).hexdigest())


def take_panic(payload: bytes, venue: Venue) -> Taken[Panic] | Taken[Lift] | Declined | None:
    """Judge a panic or a lift; None when it is for other venues. Neither needs a clock nor expires."""
    kind = panic_kind(payload)
    body = open_body(payload, kind, require=venue.require_trust)
    if isinstance(body, Refusal):
        return Declined(_id_in(payload, kind), body)
    named = _id_in(body, kind)
    if kind == "lift":
        return _meant(decode(Lift, body), named, body, venue)
    return _meant(decode(Panic, body), named, body, venue)


def panic_kind(payload: bytes) -> Literal["panic", "lift"]:
    """Which of the two a message of the topic `panic` says it is, before anything in it is believed.

    The roles that may sign hang on it: what is opened as the one and has the other's body is refused.
    """
    return "lift" if kind_in(payload) == "lift" or "lift" in _tree(payload) else "panic"


def _meant(message: P | Refusal, named: str, body: bytes, venue: Venue) -> Taken[P] | Declined | None:
    if isinstance(message, Refusal):
        return Declined(named, message)
    if message.show != venue.show:
        return Declined(named, _other_show(message.show, venue))
    return Taken(message, body, sha256(body).hexdigest()) if message.names(venue.name, venue.groups) else None


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


def _id_in(payload: bytes, key: str = "cue") -> str:
    """The id of a message that is refused anyway, for the acknowledgement; '?' where none can be read."""
    found = _tree(payload).get(key)
    return found if isinstance(found, str) and re.fullmatch(UUID_PATTERN, found) else "?"
