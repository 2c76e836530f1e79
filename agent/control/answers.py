"""What the venues make of a cue or a panic, a row a venue."""

from collections.abc import Mapping, Sequence

from agent.control.cue import Sent
from agent.control.options import screen, shown
from agent.control.tables import few, fitting, shortlist
from agent.control.times import local_time
from agent.control.verdict import Outcome
from agent.told import Presence
from agent.units import UtcUs

NAMED = 50
"""So many venues are named in a line at most."""

_WORDS = {
    "ok": "[green]ok[/]",
    "no-go": "[red]NO-GO[/]",
    "bad": "[red]BAD[/]",
    "late": "[yellow]LATE[/]",
    "silent": "[red]SILENT[/]",
}


_LAYOUTS = (
    ("venue", "verdict", "stage", "ready", "error", "bound", "reason"),
    ("venue", "verdict", "stage", "ready", "error", "reason"),
    ("venue", "verdict", "stage", "reason"),
    ("venue", "verdict", "stage"),
    ("venue", "verdict"),
)
_HEADS = {"verdict": ""}


def show(sent: Sent, presences: dict[str, Presence], wanted: str) -> None:
    """The table of what the venues make of it, and below it what is wrong and who it is wrong with."""
    drawn, rest = shortlist(sent.outcomes, lambda outcome: outcome.verdict == "ok")
    if sent.outcomes:
        rows = [_cells(outcome, presences.get(outcome.venue)) for outcome in drawn]
        screen().print(fitting(rows, _LAYOUTS, _HEADS, screen().width))
        if rest:
            screen().print(rest)
        # Below the table: beside it the sentences would leave no room for the rest on 80 columns.
        for outcome in drawn:
            if outcome.ack is not None and outcome.ack.detail:
                screen().print(f"  {shown(outcome.venue)}: {shown(outcome.ack.detail)}")
    elif any(delivery.taken for delivery in sent.deliveries):
        who = "no venue that it names is known" if presences else "no venue is known at the broker"
        screen().print(f"[red]{who}, and none has answered[/]; the {sent.kind} is kept for those that come")
    for verdict, sentence in (
        ("silent", "SILENT, no answer"),
        ("late", f"LATE, not {wanted} yet"),
        ("no-go", "NO-GO, not ready"),
        ("bad", "BAD, refused, missed or overtaken"),
    ):
        named = [outcome.venue for outcome in sent.outcomes if outcome.verdict == verdict]
        if named:
            screen().print(f"[red]{sentence}:[/] {shown(few(named, NAMED))}")
    unsigned = [found.venue for found in sent.outcomes if found.venue in presences and presences[found.venue].unsigned]
    if unsigned:
        screen().print(unsigned_line(unsigned))


def local_lines(at: UtcUs, venues: Sequence[str], presences: Mapping[str, Presence]) -> list[str]:
    """An instant as the clocks at the venues show it, a line a zone; its name where this host does not know it."""
    zones: dict[str, list[str]] = {}
    for venue in venues:
        if venue in presences:
            zones.setdefault(presences[venue].timezone, []).append(venue)
    return [
        f"  {shown(local_time(at, zone) or zone)}  {shown(few(there, NAMED))}" for zone, there in sorted(zones.items())
    ]


def unsigned_line(venues: list[str]) -> str:
    """What is shouted wherever a venue shows that takes cues without a signature."""
    return f"[bold red]UNSIGNED, takes cues from anybody:[/] {shown(few(venues, NAMED))}"


def _cells(outcome: Outcome, presence: Presence | None) -> dict[str, str]:
    ack = outcome.ack
    cells = {"venue": f"[bold]{shown(outcome.venue)}[/]", "verdict": _WORDS[outcome.verdict]}
    if ack is None:
        away = "offline" if presence is not None and not presence.online else "no answer"
        return cells | dict.fromkeys(("stage", "ready", "error", "bound"), "–") | {"reason": away}
    return cells | {
        "stage": ack.stage + (" (joined)" if ack.joined else ""),
        "ready": "–" if ack.ready is None else "yes" if ack.ready else "no",
        "error": "–" if ack.error_us is None else f"{ack.error_us / 1000:+.2f} ms",
        "bound": "–" if ack.bound_us is None else f"±{ack.bound_us / 1000:.1f} ms",
        "reason": shown(ack.reason or "–"),
    }
