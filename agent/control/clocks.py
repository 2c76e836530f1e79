"""The walls' clocks for an operator: each venue's state and bound, and what each of its time sources says."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.control.options import shown
from agent.control.status import Wall
from agent.printable import printable
from agent.told import ClockSource, ClockStatus
from agent.units import UtcUs


def page_of_clocks(found: list[Wall], now: UtcUs, width: int) -> Group:
    """A heading and a table a venue; `now` and `width` are those of the usual page, and not needed here."""
    parts: list[Text | Table] = []
    for wall in found:
        if wall.silent or wall.status is None:
            parts.append(Text.assemble((printable(wall.venue), "bold"), "  ", ("SILENT", "red")))
            continue
        clock = wall.status.clock
        parts.append(_head(wall.venue, clock))
        if clock.per_source:
            parts.append(_sources(clock.per_source))
        else:
            parts.append(Text("  its agent is older and does not tell of its sources", "dim"))
    return Group(*parts)


def _head(venue: str, clock: ClockStatus) -> Text:
    bound = "nobody vouches for it" if clock.bound_us is None else f"at most {clock.bound_us / 1000:.1f} ms wrong"
    rate = "" if clock.freq_ppm is None else f", rate {clock.freq_ppm:+.2f} ± {clock.skew_ppm or 0:.2f} ppm"
    host = "" if clock.offset_host_us is None else f", host {clock.offset_host_us / 1000:+.1f} ms"
    colour = "green" if clock.state == "SYNC" else "yellow"
    state, reason = (printable(clock.state), colour), (f"  {printable(clock.reason)}", "dim")
    return Text.assemble((printable(venue), "bold"), "  ", state, f"  {bound}{rate}{host}\n", reason)


def _sources(sources: list[ClockSource]) -> Table:
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", no_wrap=True)
    grid.add_column("server", overflow="fold")
    grid.add_column("offset ± error ms", justify="right", no_wrap=True)
    grid.add_column("delay ms", justify="right", no_wrap=True)
    grid.add_column("why", overflow="fold", min_width=12)
    for source in sources:
        mark = Text("✓", "green") if source.agrees else Text("✗" if source.samples else "·", "red")
        offset = "–" if source.offset_us is None else f"{source.offset_us / 1000:+.3f}"
        error = "" if source.error_us is None else f" ± {source.error_us / 1000:.1f}"
        delay = "–" if source.delay_us is None else f"{source.delay_us / 1000:.1f}"
        grid.add_row(mark, shown(source.name), offset + error, delay, shown(source.why))
    return grid
