"""show.toml: a show's cue list with its standby order, its programs, its venues, and what is expected of them. Pure.

Strict, all faults at once, each with its key and, where the file has it, its line: a show file is written in a hurry,
and read again on the evening.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent.control.alarm_rules import Rules
from agent.control.times import TimeError, parse_instant, parse_position, parse_span
from agent.messages import MAX_IDENTIFY_S, Name, Positive, Remark, VenuePattern, in_words
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

MAX_BYTES = 1024 * 1024
LABEL_CHARS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYTIME = re.compile(r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(?P<zone>\S+)")
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})")


class ShowFileError(Exception):
    """The show file cannot be used; `faults` says every reason, one line each, with the remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _span(value: Any) -> Any:
    return parse_span(value) if isinstance(value, str) else value


def _lasting(value: Any) -> Any:
    if not isinstance(value, str) or value == "program":
        return value
    if not (span := parse_span(value)):
        raise ValueError("0 s would never be seen")
    return span


def _position(value: Any) -> Any:
    return parse_position(value) if isinstance(value, str) else value


def _when(value: Any) -> Any:
    """TOML has instants of its own, and a time of a day."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, time | date):
        raise ValueError('write a text with a zone, such as "20:00 Asia/Tokyo" or "2025-06-02T20:00:00+08:00"')
    return value


def _readable(text: str) -> str:
    instant_of(text, UtcUs(86_400 * 366 * 30 * US_PER_S))
    return text


def _line(text: str) -> str:
    if printable(text) != text:
        raise ValueError("is to be one line without control characters")
    return text


Span = Annotated[int, BeforeValidator(_span), Field(ge=0)]
Words = Annotated[str, Field(max_length=500), AfterValidator(_line)]
Action = Literal["play", "stop", "black", "hold", "resume", "seek", "identify"]
Colour = Literal["red", "orange", "yellow", "green", "blue", "purple", "grey"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Place(_Table):
    """A venue that the show expects, and what people call it."""

    id: Name
    name: Words = ""
    city: Words = ""
    groups: list[Name] = []


class ProgramLine(_Table):
    """A program of the show. Without `rev` the newest is played; `films`: so many are expected in it."""

    id: Name
    rev: Positive | None = None
    films: Positive | None = None


class Expect(_Table):
    """What has to hold before the show and while it runs. `ready`: so many venues at least; by default all."""

    ready: Positive | None = None
    clock_bound_ms: Annotated[float, Field(gt=0)] = 30.0
    sync_error_ms: Annotated[float, Field(gt=0)] = 20.0


class Rehearsal(_Table):
    """The show that a dry run goes to: its own name, and its own key, for the walls of the real one refuse both."""

    show: Name
    key: list[str] = []


class CueLine(_Table):
    """One line of the cue list: what GO sends when it stands by.

    Without `at` the instant is `lead` after GO (by default the show's, or its quick one where that is for what runs).
    With `at` the cue is for that instant, and may be sent long before.
    `lasts`: then what it was laid over is shown again, at the frame that is due there by then; `program` is for as long
    as its program lasts.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,8}$")]
    name: Remark
    note: Words = ""
    colour: Colour | None = None
    action: Action
    program: Name | None = None
    rev: Positive | None = None
    loop: bool = False
    from_us: Annotated[int, BeforeValidator(_position), Field(ge=0, alias="from")] = 0
    to: str | None = None
    seconds: Annotated[int, Field(ge=1, le=MAX_IDENTIFY_S)] = 10
    at: Annotated[str | None, BeforeValidator(_when), AfterValidator(lambda text: text and _readable(text))] = None
    lead: Span | None = None
    lasts: Annotated[int | Literal["program"] | None, BeforeValidator(_lasting)] = None
    venues: Annotated[list[VenuePattern], Field(min_length=1, max_length=1000)] = ["*"]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set
        takes = {"play": {"program", "rev", "loop", "from_us"}, "seek": {"to"}, "identify": {"seconds"}}
        for keys in takes.values():
            if wrong := sorted(key for key in keys & given if key not in takes.get(self.action, set())):
                names = ", ".join(key.removesuffix("_us") for key in wrong)
                raise ValueError(f"{names}: means nothing with action {self.action!r}; remove it")
        if self.action == "play" and self.program is None:
            raise ValueError("play needs a program")
        if self.action == "seek" and self.to is None:
            raise ValueError('seek needs a position: to = "01:30", or "+5s" and "-5s" from where it is')
        if self.at is not None and self.lead is not None:
            raise ValueError("give either at or lead, not both")
        if self.lasts is not None and self.action not in ("play", "stop", "black"):
            raise ValueError(f"lasts: means nothing with action {self.action!r}; remove it")
        if self.lasts == "program" and (self.action != "play" or self.loop):
            raise ValueError('lasts = "program" is for a play that does not loop; write a time such as "20s"')
        if self.at is not None and self.action in ("hold", "resume", "seek"):
            raise ValueError(f"{self.action} is reckoned from what runs at GO; leave at out")
        return self

    @property
    def label(self) -> str:
        """What every desk and report calls the cue: its number and name; by it the desks find its line."""
        return f"{self.id} {self.name}"[:LABEL_CHARS]

    @property
    def words(self) -> str:
        """What it does, in a few words."""
        match self.action:
            case "play":
                start = f" from {self.from_us / US_PER_S:g} s" if self.from_us else ""
                over = ", then back" if self.lasts is not None else ""
                loop = " loop" if self.loop else ""
                return f"play {self.program}{f' r{self.rev}' if self.rev else ''}{loop}{start}{over}"
            case "seek":
                return f"seek {self.to}"
            case "identify":
                return f"identify {self.seconds} s"
            case _:
                return self.action


class ShowFile(_Table):
    """A show as its operators run it. `min_gap`: so long after a GO a further one is refused, whoever presses.

    `lead`: so far ahead of its instant a cue is sent at GO. `quick_lead`: the same for hold, resume, seek and identify,
    and for black and stop by their keys.
    `alarms`: instead of those of the profile.
    """

    show: Name
    title: Words = ""
    min_gap: Span = 2 * US_PER_S
    lead: Span = 5 * US_PER_S
    quick_lead: Span = 2 * US_PER_S
    rehearsal: Rehearsal | None = None
    expect: Expect = Expect()
    alarms: Rules | None = None
    venue: Annotated[list[Place], Field(max_length=10_000)] = []
    program: Annotated[list[ProgramLine], Field(max_length=1000)] = []
    cue: Annotated[list[CueLine], Field(min_length=1, max_length=1000)]

    def place(self, venue: str) -> Place | None:
        """What the file says of a venue."""
        return next((place for place in self.venue if place.id == venue), None)

    def expected(self, line: CueLine) -> list[Place]:
        """The venues of the file that a line is for."""
        names = set(line.venues)
        return [
            place
            for place in self.venue
            if "*" in names or place.id in names or names & {f"@{group}" for group in place.groups}
        ]

    def lead_of(self, line: CueLine) -> int:
        """How far ahead of its instant a line is sent at GO: what is reckoned from the running film is sent quickly."""
        if line.lead is not None:
            return line.lead
        return self.quick_lead if line.action in ("hold", "resume", "seek", "identify") else self.lead

    def pinned(self, line: CueLine) -> int | None:
        """The revision that a line plays: its own, else the one that the program is pinned to, else the newest."""
        return line.rev or next((found.rev for found in self.program if found.id == line.program), None)

    @property
    def programs(self) -> list[str]:
        """Every program that the list plays or the file names, in their order."""
        played = [line.program for line in self.cue if line.program is not None]
        return list(dict.fromkeys([*(found.id for found in self.program), *played]))


def instant_of(text: str, now: UtcUs) -> UtcUs:
    """Read `at`: what `--at` reads, or a time of day with its zone, whose next one after `now` is meant.

    `20:00 Asia/Tokyo`, `12:00 Z` and `20:00:00 +08:00` are such. Raises TimeError with the remedy.
    """
    match = _DAYTIME.fullmatch(text.strip())
    if match is None:
        return parse_instant(text, now)
    try:
        clock = time.fromisoformat(match["clock"].zfill(len(match["clock"]) + (match["clock"][1] == ":")))
    except ValueError:
        raise TimeError(f"{text!r} is not a time of day; write 20:00 Asia/Tokyo, or 20:00:00 +08:00") from None
    zone = _zone(match["zone"], text)
    today = (_EPOCH + timedelta(microseconds=now)).astimezone(zone).date()
    for day in range(3):  # an hour that a zone leaves out in spring moves, and so may lie behind `now` once more
        moment = datetime.combine(today + timedelta(days=day), clock, tzinfo=zone)
        instant = UtcUs((moment - _EPOCH) // timedelta(microseconds=1))
        if instant > now:
            return instant
    raise TimeError(f"{text!r} comes at no time that can be reckoned")  # pragma: no cover - one of three days is later


def _zone(name: str, text: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if name.upper() in ("Z", "UTC"):
        return UTC
    if offset:
        span = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        if span < timedelta(days=1):
            return timezone(-span if offset["sign"] == "-" else span)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeError(f"{text!r}: {name!r} is no zone; write 20:00 Asia/Tokyo, 20:00 +08:00 or 12:00 Z") from None


def parse_show(data: bytes, source: str) -> ShowFile:
    """Read a show file; `source` names it in the faults. Raises ShowFileError with all of them."""
    if len(data) > MAX_BYTES:
        raise ShowFileError([f"{source}: {len(data)} bytes; a show file has at most {MAX_BYTES}"])
    try:
        text = data.decode()
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ShowFileError([f"{source}: not TOML: {error}"]) from error
    try:
        found = ShowFile.model_validate(tree)
    except ValidationError as error:
        raise ShowFileError([_fault(fault, tree, text, source) for fault in error.errors(include_url=False)]) from error
    lines = text.splitlines()
    if wrong := [f"{_at(source, where, lines)}: {fault}" for where, fault in _contradictions(found)]:
        raise ShowFileError(wrong)
    return found


def _contradictions(show: ShowFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What no field says by itself: where, and what is wrong with it."""
    tables: tuple[tuple[str, Sequence[CueLine | Place | ProgramLine]], ...] = (
        ("cue", show.cue),
        ("venue", show.venue),
        ("program", show.program),
    )
    for table, entries in tables:
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            if entry.id in seen:
                yield (table, index), f"{table}.id {entry.id!r} stands twice; each {table} has an id of its own"
            seen.setdefault(entry.id, index)
    known = {found.id for found in show.program}
    for index, line in enumerate(show.cue):
        if known and line.program is not None and line.program not in known:
            yield (
                ("cue", index),
                f"cue {line.id}: program {line.program!r} stands in no [[program]]{_near(line.program, known)}",
            )
        if show.venue:
            names = {place.id for place in show.venue} | {f"@{group}" for place in show.venue for group in place.groups}
            for pattern in line.venues:
                if pattern != "*" and pattern not in names:
                    yield (
                        ("cue", index),
                        f"cue {line.id}: {pattern!r} stands in no [[venue]]{_near(pattern, names)}",
                    )
    if show.rehearsal is not None and show.rehearsal.show == show.show:
        yield ("rehearsal",), "rehearsal.show is the show itself; the real walls would play along; name another"
    if show.expect.ready is not None and show.venue and show.expect.ready > len(show.venue):
        yield ("expect",), f"expect.ready is {show.expect.ready}, and there are {len(show.venue)} [[venue]] tables"


def _near(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _fault(fault: Any, tree: dict[str, Any], text: str, source: str) -> str:
    place = tuple(step for step in fault["loc"])
    head = _at(source, place, text.splitlines())
    field = _named(place, tree)
    if fault["type"] == "extra_forbidden":
        hint = _near(str(place[-1]), _keys_beside(place)) or "; remove it"
        return f"{head}: {field}: unknown key{hint}"
    if fault["type"] == "missing":
        return f"{head}: {field}: is missing; add it"
    said = in_words(fault["msg"])
    return f"{head}: {field}: {said}" + ("" if isinstance(fault["input"], dict) else f" (found {fault['input']!r:.60})")


def _keys_beside(place: tuple[str | int, ...]) -> set[str]:
    tables: dict[str, type[BaseModel]] = {
        "cue": CueLine,
        "venue": Place,
        "program": ProgramLine,
        "expect": Expect,
        "rehearsal": Rehearsal,
        "alarms": Rules,
    }
    model = tables.get(str(place[0]), ShowFile) if len(place) > 1 else ShowFile
    return {field.alias or name for name, field in model.model_fields.items()}


def _named(place: tuple[str | int, ...], tree: dict[str, Any]) -> str:
    """The path to a key as people look for it: the tables of a list by their ids."""
    steps = list(place)
    if len(steps) > 1 and isinstance(steps[1], int):
        try:
            entry = tree[str(steps[0])][steps[1]]
        except (KeyError, IndexError, TypeError):
            entry = None
        name = entry.get("id") if isinstance(entry, dict) else None
        steps[:2] = [f"{steps[0]} {name if isinstance(name, str) else f'number {int(steps[1]) + 1}'}"]
    return printable(".".join(str(step) for step in steps), 120)


def _at(source: str, place: tuple[str | int, ...], lines: Sequence[str]) -> str:
    """The file with the line that a key stands on, as far as it is found by looking."""
    begin, end = 0, len(lines)
    if len(place) > 1 and isinstance(place[1], int):
        heads = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{re.escape(str(place[0]))}\s*\]\]", line)]
        if place[1] >= len(heads):
            return source
        begin = heads[place[1]]
    elif len(place) > 1 or (place and str(place[0]) in ("rehearsal", "expect", "alarms")):
        heads = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\s*{re.escape(str(place[0]))}\s*\]", line)]
        if not heads:
            return source
        begin = heads[0]
    if begin:
        end = next((n for n in range(begin + 1, len(lines)) if re.match(r"\s*\[", lines[n])), len(lines))
    keys = [str(step) for step in place if isinstance(step, str)]
    for n in range(begin, end):
        if keys and re.match(rf"\s*[\"']?{re.escape(keys[-1])}[\"']?\s*=", lines[n]):
            return f"{source}, line {n + 1}"
    return f"{source}, line {begin + 1}" if begin else source
