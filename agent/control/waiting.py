"""Who is still awaited, told live while a command waits: on a terminal, on standard error, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agent.control.options import complaints, shown, warn
from agent.control.tables import few
from agent.control.times import show_span
from agent.control.verdict import Count
from agent.control.view import View
from agent.units import UtcUs

DRAWN_S = 0.25
NAMED = 4


@asynccontextmanager
async def waiting(text: Callable[[], str], sent: str = "") -> AsyncIterator[None]:
    """Draw a line while the block runs; it is made anew again and again, and gone at the end.

    Who interrupts the wait is told what has been `sent` all the same.
    """
    try:
        async with _drawn(text):
            yield
    except asyncio.CancelledError:
        if sent:
            warn([sent])
        raise


@asynccontextmanager
async def _drawn(text: Callable[[], str]) -> AsyncIterator[None]:
    console = complaints()
    if not console.is_terminal:
        yield
        return
    with console.status(shown(text())) as line:

        async def draw() -> None:
            while True:
                await asyncio.sleep(DRAWN_S)
                line.update(shown(text()))

        drawing = asyncio.create_task(draw())
        try:
            yield
        finally:
            drawing.cancel()


def awaited(names: list[str], total: int, word: str) -> str:
    """`waiting for tokyo, paris: 3 of 5 accepted`."""
    if not total:
        return "waiting for any venue"
    who = few(names, NAMED) if names else "the last word"
    return f"waiting for {who}: {total - len(names)} of {total} {word}"


def progress_of(count: Count, wanted: str, at: UtcUs | None, now: Callable[[], UtcUs]) -> Callable[[], str]:
    """The line for a cue, panic or cancel; with its instant, also how long it is until then."""

    def text() -> str:
        told = awaited(count.awaited, count.total, wanted)
        left_us = at - now() if at is not None else 0
        return f"{told}, {show_span(left_us)} to go" if left_us > 0 else told

    return text


def unanswered(view: View, ask: str, patterns: list[str]) -> Callable[[], str]:
    """The line for a poll."""

    def text() -> str:
        expected, told = view.expected(patterns), view.answers.get(ask, {})
        return awaited([venue for venue in expected if venue not in told], len(expected), "have answered")

    return text
