"""The identify overlay: which wall this is and what time it is there, with a flash on each full second.

It hangs on the player's mapping as starts do, and gives way to them: near a start nothing is drawn at all.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from zoneinfo import ZoneInfo

from agent.clock.mapping import Mapping
from agent.player.canvas import Easel
from agent.player.layout import CELLS, Layout, search, shape
from agent.player.sheet import Sheet
from agent.player.wire import Identify
from agent.player.wording import Words, words
from agent.units import NS_PER_US, US_PER_S, RawNs, UtcUs

QUIET_US = 50_000
"""So long before a start nothing is drawn; the wall keeps what it shows until the start is made."""
CELL_US = US_PER_S // CELLS
AHEAD_US = 2_000_000
"""The panel is drawn so long before it is shown."""
CLEAR_US = 3_000
"""No portion is drawn so shortly before a flash, which it could delay."""
SEARCH_STEPS = 10
"""So many steps of a layout's search are made at once (measured: about 0.1 ms each)."""

_AT_ONCE = UtcUs(0)


class Overlay:
    """Carries out the newest order. `next_start` is when the next start is due; `easel` is None without a display."""

    def __init__(self, easel: Easel | None, latency_us: int, next_start: Callable[[], UtcUs | None]) -> None:
        self._easel, self._latency_ns, self._next_start = easel, latency_us * NS_PER_US, next_start
        self._order: Identify | None = None
        self._zone = ZoneInfo("UTC")
        self._clock: Mapping | None = None
        self._due: UtcUs | None = None
        self._up: Sheet | None = None
        self._ahead: Sheet | None = None
        self._search: tuple[tuple[str, ...], Iterator[Layout | None]] | None = None
        self._found: Layout | None = None
        self._shown: UtcUs | None = None

    def order(self, order: Identify) -> None:
        """Take a newer order in the place of the one before."""
        if self._easel is None:
            return
        self._order, self._zone, self._due = order, ZoneInfo(order.zone), _AT_ONCE
        self._shown = None
        for sheet in (self._up, self._ahead):
            if sheet is not None:
                sheet.second = None

    @property
    def up(self) -> bool:
        """Whether it is on the wall."""
        return self._up is not None

    def wake_raw(self) -> RawNs | None:
        """When `step` has to be called next; None when nothing is to be done, or only behind the next start."""
        if self._due is None or self._clock is None or self._near_start(self._due):
            return None
        return RawNs(self._clock.raw_at(self._due) - self._latency_ns)

    def _near_start(self, utc: UtcUs) -> bool:
        start = self._next_start()
        return start is not None and utc >= start - QUIET_US

    def step(self, now: RawNs, clock: Mapping) -> None:
        """Do what is due: at most a flash and a copy of what was drawn, or one portion of what comes next."""
        self._clock = clock
        if self._easel is None or self._order is None:
            return
        utc = clock.utc_at(RawNs(now + self._latency_ns))
        if self._near_start(utc):
            self._due = utc
        elif utc >= self._order.until:
            self._take_away()
            self._order = self._due = None
        elif utc < self._order.at - AHEAD_US:
            self._take_away()
            self._due = UtcUs(self._order.at - AHEAD_US)
        else:
            self._due = self._carry_out(self._easel, self._order, clock, now, utc)

    def _carry_out(self, easel: Easel, order: Identify, clock: Mapping, now: RawNs, utc: UtcUs) -> UtcUs:
        """Show what is due, or draw a portion of what is next; returns when there is more to do."""
        second = UtcUs(utc - utc % US_PER_S)
        if utc >= order.at:
            wanted = UtcUs(second + US_PER_S) if self._shown == second else second
            busy = self._show(easel, second, utc % US_PER_S // CELL_US)
            change = UtcUs(utc - utc % CELL_US + CELL_US) if self._up else order.until
        else:
            if self._up:
                self._take_away()
            wanted, busy, change = UtcUs(order.at - order.at % US_PER_S), False, order.at
        change = min(change, order.until)
        if self._is_ready(wanted) or utc >= change - CLEAR_US:
            return change
        if not busy:
            said = words(order, wanted, self._zone, clock.state, clock.bound_at_us(now))
            if not self._prepare(easel, wanted, said):
                return change
        return utc

    @property
    def _next(self) -> Sheet | None:
        return self._ahead or self._up

    def _is_ready(self, wanted: UtcUs) -> bool:
        return self._next is not None and self._next.drawn and self._next.second == wanted

    def _show(self, easel: Easel, second: UtcUs, cell: int) -> bool:
        """Show what was drawn for this second, if it is not shown yet, and the cell; whether anything changed."""
        old, new = self._up, self._next
        turns = new is not None and self._shown != second and self._is_ready(second)
        if turns and new is not old:
            assert new is not None, "what is ready exists"
            new.lift()
            if old is not None:
                easel.drop(old.canvas)
            self._up, self._ahead = new, None
        # The flash goes first: it is what others are compared by.
        changed = self._up is not None and self._up.flash(cell)
        if turns and self._up is not None:
            self._up.turn()
            self._shown = second
        if changed or turns:
            easel.flush()
        return changed or turns

    def _prepare(self, easel: Easel, wanted: UtcUs, said: Words) -> bool:
        """A portion of the work for the next words; false where there is no room for them on this wall."""
        form = shape(said)
        if self._ahead is not None and self._ahead.shape != form:
            easel.drop(self._ahead.canvas)
            self._ahead = None
        sheet = self._next
        if sheet is None or sheet.shape != form:
            if self._search is None or self._search[0] != form:
                self._search = form, search(*easel.raster, said)
            tried = list(islice(self._search[1], SEARCH_STEPS))
            self._found = tried[-1] if tried else self._found
            if len(tried) == SEARCH_STEPS:
                return True
            if self._found is None:
                return False
            self._ahead = Sheet(easel, self._found, form)
            self._search = self._found = None
        elif not sheet.drawn:
            sheet.draw()
        else:
            sheet.write(wanted, said)
        return True

    def _take_away(self) -> None:
        for sheet in (self._up, self._ahead):
            if sheet is not None and self._easel is not None:
                self._easel.drop(sheet.canvas)
                self._easel.flush()
        self._up = self._ahead = self._shown = self._search = self._found = None
