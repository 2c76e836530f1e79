"""What the venues make of a cue or a panic, a row a venue."""

from rich.markup import escape
from rich.table import Column, Table

from agent.control.cue import Sent
from agent.control.options import screen
from agent.control.view import Answer
from agent.told import Presence

_WORDS = {
    "ok": "[green]ok[/]",
    "no-go": "[red]NO-GO[/]",
    "bad": "[red]BAD[/]",
    "late": "[yellow]LATE[/]",
    "silent": "[red]SILENT[/]",
}


def show(sent: Sent, presences: dict[str, Presence], wanted: str) -> None:
    """The table of what the venues make of it, and below it what is wrong and who it is wrong with."""
    grid = Table(Column("venue", no_wrap=True), "", "stage", "ready", "error", "bound", "reason")
    for answer in sent.answers:
        grid.add_row(*_row(answer, presences.get(answer.venue)))
    if sent.answers:
        screen().print(grid)
        # Below the table: beside it the sentences would leave no room for the rest on 80 columns.
        for answer in sent.answers:
            if answer.ack is not None and answer.ack.detail:
                screen().print(f"  {escape(answer.venue)}: {escape(answer.ack.detail)}")
    elif any(delivery.taken for delivery in sent.deliveries):
        who = "no venue that it names is known" if presences else "no venue is known at the broker"
        screen().print(f"[red]{who}, and none has answered[/]; the {sent.kind} is kept for those that come")
    for verdict, sentence in (
        ("silent", "SILENT, no answer"),
        ("late", f"LATE, not {wanted} yet"),
        ("no-go", "NO-GO, not ready"),
        ("bad", "BAD, refused, missed or overtaken"),
    ):
        named = [answer.venue for answer in sent.answers if answer.verdict == verdict]
        if named:
            screen().print(f"[red]{sentence}:[/] {escape(', '.join(named))}")


def _row(answer: Answer, presence: Presence | None) -> tuple[str, ...]:
    ack = answer.ack
    if ack is None:
        away = "offline" if presence is not None and not presence.online else "no answer"
        return escape(answer.venue), _WORDS[answer.verdict], "–", "–", "–", "–", away
    return (
        escape(answer.venue),
        _WORDS[answer.verdict],
        ack.stage + (" (joined)" if ack.joined else ""),
        "–" if ack.ready is None else "yes" if ack.ready else "no",
        "–" if ack.error_us is None else f"{ack.error_us / 1000:+.2f} ms",
        "–" if ack.bound_us is None else f"±{ack.bound_us / 1000:.1f} ms",
        escape(ack.reason or "–"),
    )
