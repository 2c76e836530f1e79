"""`framezero cue list` and `cue cancel`: what the brokers keep, and how to be rid of it."""

import asyncio
import time
from typing import Annotated, Any

import typer
from rich.text import Text

from agent.control import answers, cancel, kept
from agent.control import cue as cues
from agent.control.link import Delivery, Link, deliveries_json, untaken, utc_now
from agent.control.options import (
    BrokerOptions,
    SenderOptions,
    line_to,
    pen_of,
    print_json,
    screen,
    show_of,
    shown,
    takes,
    warn,
)
from agent.control.remarks import understood
from agent.control.tables import few, fitting
from agent.control.times import local_time, parse_instant, parse_span, show_span
from agent.control.verdict import Count
from agent.control.view import Kept, View
from agent.control.waiting import progress_of, waiting
from agent.messages import Cancel
from agent.units import US_PER_S, UtcUs, format_utc

LIST_TOPICS = ["venue/+/presence", "venue/+/status", "program/+/+", "cue/#"]

_LAYOUTS = (
    ("at", "in", "state", "what", "by", "venues", "key", "expires", "cue"),
    ("at", "in", "state", "what", "by", "venues", "key", "cue"),
    ("at", "in", "state", "what", "by", "venues", "cue"),
    ("at", "in", "state", "what", "venues", "cue"),
    ("at", "state", "what", "venues", "cue"),
    ("at", "state", "what", "cue"),
    ("in", "state", "what", "cue"),
    ("state", "what", "cue"),
    ("at", "state", "cue"),
)
_HEADS = {"at": "at (UTC)", "key": "signed by"}
_COLOURS = {"running": "green", "pending": "cyan", "cancelled": "yellow", "cancel": "yellow"}
_COLOURS |= {"not taken": "bold red", "not shown": "bold red"}


_MISSED = {
    "not_taken": "knows of no such cue: it has refused it, or has not got it; send it again, and see its answer",
    "not_shown": "shows something else; 'framezero status' has its reasons",
}


@takes(BrokerOptions)
def list_(
    given: BrokerOptions,
    venues: Annotated[str, typer.Option("--venues", metavar="a,@group", help="Only cues for these.")] = "*",
    clean: Annotated[
        bool, typer.Option("--clean", help="Have the brokers keep expired and cancelled cues no longer.")
    ] = False,
) -> None:
    """Show the cues that the brokers keep: what runs, what is to come, what was taken back, and when it all expires.

    Of every show, or of one with --show. A key with '?' is the cue's own word; `trust` in the profile has it proved.
    A state with '?' is what should be: only some of it can be seen in a venue's status, and acks are not kept.
    """
    found = given.settings()
    patterns = cues.patterns_of(venues)

    async def run() -> int:
        async with line_to(found, LIST_TOPICS) as link:
            warnings = await link.settle()
            now = utc_now()
            entries = kept.entries(link.view, patterns, found.show, now, time.monotonic())
            short = kept.short_ids(link.view)
            cleared: dict[str, list[Delivery]] = {}
            if clean:
                sure = kept.agreed(link.view, now)
                mine = {entry.cue.cue for entry in entries}
                ended = [key for key in kept.over(link.view, sure) if key in mine]
                unsure = [key for key in kept.over(link.view, now) if key in mine and key not in ended]
                cleared = {key: await cancel.clear(link, key) for key in ended}
                cleared |= await _clear_unsigned(link, warnings)
                if unsure:
                    warnings.append(
                        f"no venue says that it is later than {format_utc(sure)}: what ends after that stays; "
                        "is this host's clock right?"
                    )
            code = 0 if all(delivery.taken for found in cleared.values() for delivery in found) else 1
            warnings += [text for found in cleared.values() for text in untaken(found)]
            warnings += [f"{url}: {detail}" for url, detail in link.faults.items()] + link.view.warnings
            if given.json:
                print_json(_as_json(link, entries, cleared, now, code) | {"warnings": warnings})
            else:
                warn(warnings)
                _draw(link.view, entries, short, now)
                for cue_id in cleared:
                    screen().print(f"cleared: {shown(short.get(cue_id, f'{cue_id}, unsigned'))}")
            return code

    raise typer.Exit(asyncio.run(run()))


@takes(SenderOptions)
def cancel_(
    given: SenderOptions,
    cue: Annotated[str, typer.Argument(metavar="CUE", help="Its id, or the beginning of it; see 'cue list'.")],
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="From this instant on \\[now].")] = None,
    venues: Annotated[
        str | None, typer.Option("--venues", metavar="a,@group", help="Only there \\[wherever the cue counts].")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SPAN", help="Wait no longer for the venues \\[10s].")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take the id as it is, though nobody knows of such a cue.")
    ] = False,
) -> None:
    """Take a cue back, whether or not it runs: the walls show what they would without it."""
    found = given.settings()
    show, pen = show_of(found), pen_of(found, "cue")
    timeout_s = parse_span(timeout) / US_PER_S if timeout is not None else cues.ANSWER_S
    patterns = cues.patterns_of(venues) if venues is not None else None
    instant = parse_instant(at, utc_now()) if at is not None else None

    async def run() -> int:
        async with line_to(found, cues.KEPT_TOPICS, pen=pen) as link:
            warnings = await link.settle()
            now = utc_now()
            draft, own = cancel.draft(link.view, cue, show, now, time.monotonic(), force=force)
            made = cues.build(draft, show=show, venues=patterns or own, at=instant or now, now=now, by=given.me(found))
            made, plain = understood(link.view, made)
            before = link.view.cues.get(cancel.named(made))
            if not given.json:
                what = f" ({shown(kept.words(before))} at {format_utc(before.at)})" if before else ""
                screen().print(
                    f"cancel of cue [bold]{shown(cancel.named(made))}[/]{what} from {format_utc(made.at)} on"
                )
                for line in answers.local_lines(made.at, link.view.expected(made.venues), link.view.presences):
                    screen().print(line)
            count = Count(link.view, made.cue, made.venues, "accepted")
            async with waiting(progress_of(count, "accepted", None, utc_now), "the cancel is out, or on its way"):
                cancelled = await cancel.send(link, made, timeout_s)
            cancelled.warnings[:0] = [*warnings, *plain, *cues.nobody_for(link.view, made.venues)]
            cancelled.warnings.extend([*untaken(cancelled.sent.deliveries), *untaken(cancelled.cleared or [])])
            cancelled.warnings.extend([*link.view.other_versions(), *link.view.warnings])
            if given.json:
                print_json(cancel.as_json(link, cancelled))
            else:
                warn(cancelled.warnings)
                answers.show(cancelled.sent, link.view.presences, "cancelled")
            return cancelled.exit_code

    raise typer.Exit(asyncio.run(run()))


async def _clear_unsigned(link: Link, warnings: list[str]) -> dict[str, list[Delivery]]:
    """Clear the bare cues that `trust` passes over; not where a venue takes such cues, for it may show one."""
    topics = list(link.view.unsigned)
    takers = [venue for venue, presence in link.view.presences.items() if presence.unsigned]
    if topics and takers:
        warnings.append(f"unsigned cues stay at the brokers: {few(takers)} takes them, so they may count there")
        return {}
    return {topic.rpartition("/")[2]: await link.clear(topic) for topic in topics}


def _draw(view: View, entries: list[kept.Entry], short: dict[str, str], now: UtcUs) -> None:
    rows = [_cells(view, entry, short[entry.cue.cue], now) for entry in entries]
    screen().print(fitting(rows, _LAYOUTS, _HEADS, screen().width))
    lines = [*_local_lines(view, entries), *_notes(view, entries, short)]
    for line in lines:
        screen().print(Text.from_markup(line, emoji=False))
    if not entries:
        screen().print("the brokers keep no such cue")


def _cells(view: View, entry: kept.Entry, short: str, now: UtcUs) -> dict[str, str]:
    cue = entry.cue
    states = list(entry.in_words)
    state = states[0] if len(states) == 1 else "mixed"
    colour = _COLOURS.get(state.rstrip("?"), "white") if state[-1] != "?" else "yellow"
    left_us = cue.expires - now
    soon = left_us < kept.SOON_US and state != "expired"
    lasts = f"in {show_span(left_us)}" if left_us > 0 else f"{show_span(-left_us)} ago"
    return {
        "at": format_utc(cue.at)[:19].replace("T", " "),
        "in": show_span(cue.at - now),
        "state": f"[{colour}]{state}[/]",
        "what": (f"[bold]{shown(cue.label)}[/] " if cue.label else "") + shown(kept.words(cue, len(short))),
        "by": shown(cue.by or "–"),
        "venues": shown(few(cue.venues)),
        "key": _signers(view, entry.kept),
        "expires": f"[yellow]{lasts}[/]" if soon else lasts,
        "cue": short,
    }


def _signers(view: View, found: Kept) -> str:
    if not found.keyids:
        return "[bold red]UNSIGNED[/]"
    known = {key.id: key.name for key in view.trust.keys}
    names = shown(", ".join(known.get(key, key[:16]) for key in found.keyids))
    return f"[green]{names}[/]" if found.proved else f"[dim]{names}[/] ?"


def _local_lines(view: View, entries: list[kept.Entry]) -> list[str]:
    """The instants to come, as the clocks of the venues show them that they are for."""
    zones: dict[UtcUs, dict[str, list[str]]] = {}
    for entry in entries:
        for venue, state in entry.states.items():
            if state == "pending" and venue in view.presences and not isinstance(entry.cue.do, Cancel):
                whole_s = UtcUs(entry.cue.at // US_PER_S * US_PER_S)
                there = zones.setdefault(whole_s, {}).setdefault(view.presences[venue].timezone, [])
                there += [] if venue in there else [venue]
    return [
        f"[dim]{format_utc(at)[11:19]}Z is[/] "
        + "[dim];[/] ".join(
            f"{shown(local_time(at, zone) or zone)} [dim]{shown(few(venues))}[/]" for zone, venues in found.items()
        )
        for at, found in zones.items()
    ]


def _notes(view: View, entries: list[kept.Entry], short: dict[str, str]) -> list[str]:
    lines = []
    for entry in entries:
        name = f"[bold]{short[entry.cue.cue]}[/]:"
        if len(entry.in_words) > 1:
            parts = (f"{state} at {shown(few(venues))}" for state, venues in entry.in_words.items())
            lines.append(f"{name} {'; '.join(parts)}")
        for state, why in _MISSED.items():
            if venues := entry.by_state.get(state):
                lines.append(f"{name} [red]{shown(few(venues))}[/] {why}")
        if entry.program_kept is False and {"pending", "running"} & set(entry.states.values()):
            lines.append(f"{name} [red]no broker keeps its program[/]; publish it again, for players that come later")
    if any(word.endswith("?") for entry in entries for word in entry.in_words):
        lines.append("[dim]?: what should be there; the venue's status does not tell, or it is silent[/]")
    return lines


def _as_json(
    link: Link, entries: list[kept.Entry], cleared: dict[str, list[Delivery]], now: UtcUs, code: int
) -> dict[str, Any]:
    presences = link.view.presences
    return {
        "exit": code,
        "now": format_utc(now),
        "brokers": link.brokers,
        "cues": [
            {
                "cue": entry.cue.model_dump(mode="json"),
                "states": entry.states,
                "confirmed": {venue: entry.confirmed.get(venue) for venue in entry.states},
                "program_kept": entry.program_kept,
                "signed_by": list(entry.kept.keyids),
                "proved": entry.kept.proved,
                "brokers": sorted({url for url, _ in entry.kept.where}),
                "local": {
                    presences[venue].timezone: local_time(entry.cue.at, presences[venue].timezone)
                    for venue in entry.states
                    if venue in presences
                },
            }
            for entry in entries
        ],
        "cleared": {cue_id: deliveries_json(found) for cue_id, found in cleared.items()},
    }
