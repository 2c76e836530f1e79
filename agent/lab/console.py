"""What the lab says while it works: steps with the seconds they took, bars for long ones, a live table.

Everything goes to standard error where standard output is wanted for JSON. In a pipe there are lines only.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from agent.lab.agents import Place
from agent.lab.pixels import Seen
from agent.told import Status

LINE_S = 10.0
"""In a pipe a line about the walls comes this often, instead of the live table."""


class Narrator:
    """Tells people how far the lab is."""

    def __init__(self, *, json: bool) -> None:
        # In a pipe Rich would think of 80 columns, and squeeze tables for nobody.
        piped = not (sys.stderr if json else sys.stdout).isatty()
        self.console = Console(stderr=json, highlight=False, width=120 if piped else None)
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        """One step is done, or begins."""
        self.console.print(Text(f"{time.monotonic() - self._begun:6.1f} s  ", "dim") + Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something is wrong, and the lab goes on."""
        self.console.print(Text(text, "yellow"), soft_wrap=True)

    @contextmanager
    def bar(self, text: str) -> Iterator[Callable[[int, int], None]]:
        """A bar for a long step; call what this gives with how much is done and how much there is."""
        columns = (TextColumn("          {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(text, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    @contextmanager
    def live(self) -> Iterator[Callable[[Table, str], None]]:
        """A table that is shown anew in its place; call what this gives with the table and a line for pipes."""
        if not self.console.is_terminal:
            last = 0.0

            def line(_: Table, text: str) -> None:
                nonlocal last
                if time.monotonic() - last >= LINE_S:
                    last = time.monotonic()
                    self.say(text)

            yield line
            return
        with Live(Group(), console=self.console, auto_refresh=False, transient=True) as live:
            yield lambda table, text: live.update(Group(Text(text, "bold"), table), refresh=True)


def venues_table(
    places: Iterable[Place], statuses: dict[str, Status], seen: dict[str, Seen], clock_errors: dict[str, float]
) -> Table:
    """What each venue does now: by its own word, by its pixels, and its clock by the lab's measurement (in ms)."""
    table = Table(box=None, pad_edge=False)
    for name in ("venue", "state", "film", "frame", "error ms", "clock ± bound ms", "ready"):
        table.add_column(name, justify="left" if name in ("venue", "state", "ready") else "right")
    for place in places:
        venue = place.venue.venue
        status = statuses.get(venue)
        if status is None:
            table.add_row(venue, "–")
            continue
        table.add_row(
            venue,
            status.state,
            *_pixels(seen.get(venue)),
            _clock(clock_errors.get(venue), status.clock.bound_us),
            "ready" if status.ready else reasons(status),
        )
    return table


def _pixels(seen: Seen | None) -> tuple[str, str, str]:
    if seen is None:
        return "–", "–", "–"
    film = "–" if seen.film is None else str(seen.film)
    frame = "–" if seen.frame is None else str(seen.frame)
    return film, frame, "–" if seen.error_ms is None else f"{seen.error_ms:+.2f}"


def _clock(error_ms: float | None, bound_us: int | None) -> str:
    error = "–" if error_ms is None else f"{error_ms:+.2f}"
    return f"{error} ± {'–' if bound_us is None else f'{bound_us / 1000:.1f}'}"


def reasons(status: Status) -> str:
    """Why a venue is not ready, as codes."""
    return ", ".join(reason.code for reason in status.reasons) or "not ready"


def summary(statuses: dict[str, Status], seen: dict[str, Seen]) -> str:
    """All venues in one line: state, and the error of the frame that stands on the wall."""
    parts = []
    for venue, status in sorted(statuses.items()):
        found = seen.get(venue)
        error = "" if found is None or found.error_ms is None else f" {found.error_ms:+.1f} ms"
        parts.append(f"{venue} {status.state}{error}")
    return "   ".join(parts)
