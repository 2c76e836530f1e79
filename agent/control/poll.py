"""Go or no-go: every venue is asked whether it could show a program now, and what each answers is judged."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from rich.console import Group
from rich.text import Text

from agent.answered import Answer, Poll, PolledFilms, Reason
from agent.control.answers import unsigned_line
from agent.control.awaited import Awaited
from agent.control.cue import nobody_for
from agent.control.draft import CueError
from agent.control.link import Delivery, Link, deliveries_json, untaken, utc_now
from agent.control.options import shown
from agent.control.tables import fitting, shortlist
from agent.control.times import show_span
from agent.control.view import View
from agent.messages import Ask, encode, explain
from agent.told import Presence
from agent.units import UtcUs

PATIENCE_S = 2.5
"""From the connection on; with the start of the command and its goodbye it is three seconds."""

SETTLED_S = 1.5
LATE_S = 0.5
POURING_S = 0.5
FLEET_S = 15.0
"""Thousands of venues take longer to be heard: as long as their answers pour in they are waited for."""

EXPIRES_S = 10
"""An ask is not kept for a player that is away: who asked has gone by then."""


@dataclass(frozen=True, slots=True)
class Row:
    """One venue: `verdict` is go, no-go or silent; `reasons` say why it is no-go, the venue's own and ours."""

    venue: str
    verdict: str
    reasons: tuple[Reason, ...]
    presence: Presence | None
    answer: Answer | None

    @property
    def poll(self) -> Poll | None:
        """What the venue told, if it did."""
        return self.answer.poll if self.answer else None


@dataclass(frozen=True, slots=True)
class Polled:
    """All venues that were expected to answer, and what is said besides."""

    ask: Ask
    rows: list[Row]
    deliveries: list[Delivery]
    warnings: list[str]
    waited_s: float
    """From the asking to the last answer that was waited for, or to the end of patience."""

    @property
    def exit_code(self) -> int:
        """0 all go · 1 one is no-go, which outranks: · 3 one is silent, or none is known."""
        verdicts = {row.verdict for row in self.rows}
        if "no-go" in verdicts:
            return 1
        return 0 if verdicts == {"go"} else 3


def build_ask(program: str, rev: int | None, now: UtcUs) -> Ask:
    """The ask for a poll. Raises CueError."""
    try:
        return Ask(v=1, ask=str(uuid.uuid4()), want="poll", program=program, rev=rev, issued=now)
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def topics(program: str) -> list[str]:
    """What has to be listened to."""
    return ["venue/+/presence", "venue/+/answer", f"program/{program}/+"]


async def ask_all(link: Link, ask: Ask, patterns: list[str], show: str | None) -> Polled:
    """Ask the venues that the patterns name, and wait until all have answered or the time is over.

    The link is in a hurry: a broker that is slow to connect is asked once it has, and never waited for.
    """
    began_s = time.monotonic()
    end_s = began_s + PATIENCE_S
    # A broker that hangs must not keep the others' venues from being heard.
    asked, _ = await asyncio.gather(_publish(link, ask, patterns, SETTLED_S), link.settle(SETTLED_S))
    deliveries = {found.url: found for found in asked}

    awaited = Awaited(
        link.view,
        lambda: link.view.expected(patterns),
        lambda venue: venue in link.view.answers.get(ask.ask, {}) or link.view.gone(venue),
    )

    if any(connected and url not in deliveries for url, connected in link.brokers.items()):
        # To those that came late; the same ask again is passed over where it is known.
        deliveries |= {found.url: found for found in await _publish(link, ask, patterns, LATE_S)}
    told = await link.wait(awaited.all_told, max(0.0, end_s - time.monotonic()))
    while not told and link.quiet_s < POURING_S and time.monotonic() < end_s + FLEET_S:
        told = await link.wait(awaited.all_told, POURING_S)
    waited_s = round(time.monotonic() - began_s, 3)
    for url, connected in link.brokers.items():
        if not connected:
            deliveries[url] = Delivery(url, False, link.faults.get(url, "does not answer yet; nobody was asked there"))
    found = sorted(deliveries.values(), key=lambda delivery: delivery.url)
    rows = judge(link.view, ask, patterns, show)
    assert ask.program is not None, "a poll from here names a program"
    said = [*link.doubts, *nobody_for(link.view, patterns), *untaken(found)]
    said += [*link.view.other_versions(), *link.view.warnings]
    if rows and ask.rev is None and link.view.newest_rev(ask.program) is None:
        said.append(f"no broker keeps program {ask.program!r}: a venue that is new cannot learn of it; publish it")
    return Polled(ask, rows, found, said, waited_s)


async def _publish(link: Link, ask: Ask, patterns: Sequence[str], patience_s: float) -> list[Delivery]:
    """To all at once where more than single venues are meant; those that are not are not looked at then."""
    single = not any(pattern[0] in "*@" for pattern in patterns)
    names = dict.fromkeys(patterns) if single else {"all": None}
    given = [
        link.publish(f"ask/{name}", encode(ask), retain=False, expires_s=EXPIRES_S, patience_s=patience_s)
        for name in names
    ]
    return [max(same, key=lambda found: not found.taken) for same in zip(*await asyncio.gather(*given), strict=True)]


def judge(view: View, ask: Ask, patterns: Sequence[str], show: str | None) -> list[Row]:
    """One row for each expected venue. Pure.

    Where no revision was asked for, the newest is that which a broker keeps or any venue knows: who knows only an
    older one is no-go.
    """
    told = view.answers.get(ask.ask, {})
    rows = []
    revs = [answer.poll.films.rev for answer in told.values() if answer.poll and answer.poll.films]
    newest = max([*revs, view.newest_rev(ask.program or "") or 0])
    for venue in view.expected(patterns):
        presence, answer = view.presences.get(venue), told.get(venue)
        if answer is None:
            rows.append(Row(venue, "silent", (), presence, None))
            continue
        reasons = list(answer.poll.reasons) if answer.poll else []
        if answer.refused is not None:
            reasons.append(Reason(question="agent", code=answer.refused.code, detail=answer.refused.detail))
        films = answer.poll.films if answer.poll else None
        if ask.rev is None and films is not None and films.rev < newest:
            detail = f"it knows rev {films.rev}, and rev {newest} is published; wait for it, or look at its brokers"
            reasons.append(Reason(question="films", code="program_old", detail=detail))
        if show is not None and presence is not None and presence.show != show:
            detail = f"it plays show {presence.show!r} and refuses cues for {show!r}; correct --show, or its agent.toml"
            reasons.append(Reason(question="agent", code="show", detail=detail))
        go = not reasons and answer.poll is not None and answer.poll.go
        rows.append(Row(venue, "go" if go else "no-go", tuple(reasons), presence, answer))
    return rows


def as_json(polled: Polled) -> dict[str, Any]:
    """Everything, for `--json`."""
    return {
        "exit": polled.exit_code,
        "go": polled.exit_code == 0,
        "ask": polled.ask.model_dump(mode="json"),
        "brokers": deliveries_json(polled.deliveries),
        "venues": [
            {
                "venue": row.venue,
                "verdict": row.verdict,
                "reasons": [reason.model_dump(mode="json") for reason in row.reasons],
                "online": row.presence.online if row.presence else None,
                "answer": row.answer.model_dump(mode="json") if row.answer else None,
            }
            for row in polled.rows
        ],
        "waited_s": polled.waited_s,
        "warnings": polled.warnings,
    }


# --- for people -----------------------------------------------------------------------------------

_LAYOUTS = (
    ("venue", "verdict", "films", "clock in frames", "display", "disk", "brokers", "next"),
    ("venue", "verdict", "films", "clock", "display", "disk", "brokers", "next"),
    ("venue", "verdict", "films", "clock", "display", "brokers", "next"),
    ("venue", "verdict", "films", "clock", "display", "next"),
    ("venue", "verdict", "films", "clock", "display"),
    ("venue", "verdict", "films", "clock"),
    ("venue", "verdict"),
)
_HEADS = {"verdict": "", "clock in frames": "clock", "disk": "free"}
_WORDS = {"go": "[green]GO[/]", "no-go": "[red]NO-GO[/]", "silent": "[red]SILENT[/]"}


def page(polled: Polled, width: int) -> Group:
    """The table, a line for each reason, and below it the verdict over all."""
    now = utc_now()
    rows, rest = shortlist(polled.rows, lambda row: row.verdict == "go")
    grid = fitting([_cells(row, now) for row in rows], _LAYOUTS, _HEADS, width)
    lines = [rest] if rest else []
    for row in rows:
        venue = f"[bold]{shown(row.venue)}[/]:"
        if row.verdict == "silent":
            lines.append(f"{venue} [red]SILENT[/] – {_silence(row)}")
        lines += [f"{venue} [red]{shown(reason.code)}[/] – {shown(reason.detail)}" for reason in row.reasons]
    unsigned = [row.venue for row in polled.rows if row.poll is not None and row.poll.unsigned]
    lines += [unsigned_line(unsigned)] if unsigned else []
    return Group(grid, *(Text.from_markup(line, emoji=False) for line in [*lines, _sum(polled)]))


def _sum(polled: Polled) -> str:
    count = {verdict: sum(row.verdict == verdict for row in polled.rows) for verdict in _WORDS}
    if polled.exit_code == 0:
        return f"[bold green]GO[/]: {count['go']} of {len(polled.rows)}"
    if not polled.rows:
        return "[bold red]NO-GO[/]: no venue is known at the broker; are agents running, and is --root right?"
    away = f", {count['silent']} silent" if count["silent"] else ""
    return f"[bold red]NO-GO[/]: {count['go']} of {len(polled.rows)} go, {count['no-go']} no-go{away}"


def _silence(row: Row) -> str:
    if row.presence is not None and not row.presence.online:
        return "offline: its broker connection has ended; is the player running, and its network up?"
    return f"no answer within {PATIENCE_S:g} s; 'framezero status' shows when it was last heard"


def _cells(row: Row, now: UtcUs) -> dict[str, str]:
    cells = {"venue": f"[bold]{shown(row.venue)}[/]", "verdict": _WORDS[row.verdict]}
    poll = row.poll
    if poll is None:
        return cells
    asked = {reason.question for reason in row.reasons}

    def cell(question: str, text: str) -> str:
        return f"[red]{shown(text)}[/]" if question in asked else shown(text)

    clock = poll.clock.state + (f" ±{poll.clock.bound_us / 1000:.1f} ms" if poll.clock.bound_us is not None else "")
    frames = f" ({poll.clock.frames:.2f} f)" if poll.clock.frames is not None else ""
    there = sum(poll.brokers.values())
    brokers = f"{there}/{len(poll.brokers)}"
    return cells | {
        "films": cell("films", _films(poll.films)),
        "clock": cell("clock", clock),
        "clock in frames": cell("clock", clock + frames),
        "display": cell("display", poll.display or "–"),
        "disk": cell("disk", "–" if poll.disk_free_gb is None else f"{poll.disk_free_gb:.0f} GB"),
        "brokers": f"[yellow]{brokers}[/]" if there < len(poll.brokers) else cell("broker", brokers),
        "next": f"{shown(poll.next.action)} in {show_span(poll.next.at - now)}" if poll.next else "–",
    }


def _films(films: PolledFilms | None) -> str:
    if films is None:
        return "unknown"
    text = f"r{films.rev} {films.present}/{films.films} "
    if films.present == films.films:
        return text + _bytes(films.bytes)
    done = films.bytes_present + (films.fetching.done if films.fetching else 0)
    return f"{text}{_bytes(done)} of {_bytes(films.bytes)}" + ("…" if films.fetching else "")


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
