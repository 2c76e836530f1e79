"""The identify overlay of the real player on a real X server, judged by the pixels."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from test_process import Bench, Eye, display, eye, film_start, in_us, reel, screen_on

from agent.clock.kernel import real_now_ns
from agent.clock.mapping import ClockState
from agent.lab.displays import Display
from agent.lab.films import Film
from agent.lab.framebuffer import Framebuffer
from agent.player.layout import CELLS, Layout, lay_out
from agent.player.raster import Rect
from agent.player.wire import Cover, Covered, Fired, Hello, Identify, Running
from agent.player.wording import words
from agent.units import UtcUs

__all__ = ["display", "eye", "reel"]

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg"), pytest.mark.timeout(90)]

S = 1_000_000
SIZE = (320, 180)
LATE_US = 15_000
"""What a busy machine may take; the tests print what it took."""


def order(at: int, until: int) -> Identify:
    return Identify(venue="tokyo-shibuya", zone="Asia/Tokyo", at=UtcUs(at), until=UtcUs(until))


def layout_of(wanted: Identify) -> Layout:
    said = words(wanted, wanted.at, ZoneInfo(wanted.zone), ClockState.SYNC, 50.0)
    found = lay_out(*SIZE, said)
    assert found is not None
    return found


class Flashes(threading.Thread):
    """When the flash turned white and dark again, and which cells were lit when, in microseconds of UTC."""

    def __init__(self, framebuffer: Path, layout: Layout) -> None:
        super().__init__(daemon=True)
        self._screen = Framebuffer.open(framebuffer)
        self._spots = [self._spot(layout.panel, part) for part in (layout.flash, *layout.cells)]
        self.changes: list[tuple[int, bool, tuple[int, ...]]] = []
        self.open = True

    def _spot(self, panel: Rect, part: Rect) -> slice:
        x, y = panel.x + part.x + part.width // 2, panel.y + part.y + part.height // 2
        return self._screen._slice(y, x, 1, 1)

    def run(self) -> None:
        memory = self._screen.memory
        while self.open:
            flash, *cells = (memory[spot][0] > 128 for spot in self._spots)
            found = flash, tuple(number for number, lit in enumerate(cells) if lit)
            if not self.changes or self.changes[-1][1:] != found:
                self.changes.append((real_now_ns() // 1000, *found))
            time.sleep(0.0005)

    def edges(self, white: bool, begin: int, end: int) -> list[int]:
        """The instants between these at which the flash turned white, or dark."""
        pairs = zip(self.changes, self.changes[1:], strict=False)
        return [after[0] for before, after in pairs if before[1] != after[1] == white and begin <= after[0] < end]

    def stop(self) -> None:
        self.open = False
        self.join()


def tell(bench: Bench, what: Identify | Cover) -> None:
    if isinstance(what, Identify):
        bench.player.identify(what)
    else:
        bench.player.cover(what.what)


async def until(utc: int) -> None:
    await asyncio.sleep(max(0.0, (utc - in_us(0)) / S))


async def test_it_flashes_on_the_second_over_a_film_that_goes_on(
    display: Display, eye: Eye, reel: list[Film], record_property: Callable[[str, object], None]
) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        t0 = in_us(3) // S * S
        wanted = order(t0 - S, t0 + 5 * S)
        flashes = Flashes(display.framebuffer, layout_of(wanted))
        # The last one begins off the beat, so that the overlay has to give way.
        bench.player.plan([film_start("b", reel[1], t0), film_start("a", reel[0], t0 + 3 * S + 20_000)])
        tell(bench, wanted)
        await until(t0 - S - 100_000)
        before = Framebuffer.open(display.framebuffer).snapshot()
        flashes.start()
        second = await bench.hear(Fired, "a")
        first = await bench.hear(Fired, "b")
        running = await bench.hear(Running, "b")
        await until(t0 + 5 * S + 200_000)
        flashes.stop()
        after = eye.looks[-1]
    finally:
        await bench.close()
    assert before.max() == 0, "something was seen before its instant"
    white, dark = (flashes.edges(lit, t0 - S - 50_000, t0 + 5 * S) for lit in (True, False))
    late = [at - round(at / S) * S for at in white]
    assert len(white) == 6, white
    assert min(late) >= -1000, late
    assert median(late) < LATE_US / 3, late
    lengths = [off - on for on, off in zip(white, dark, strict=True)]
    assert abs(median(lengths) - S // CELLS) < LATE_US, lengths
    lit = [(at, cells[0]) for at, _, cells in flashes.changes if len(cells) == 1 and t0 - S <= at < t0 + 5 * S]
    astray = [(at, cell) for at, cell in lit if (at + 1000) % S // (S // CELLS) != cell]
    assert len(astray) <= len(lit) // 20, astray
    record_property(
        "figure", f"identify: the flash is white {median(late) / 1000:.2f} ms late, at most {max(late) / 1000:.2f} ms"
    )
    assert abs(first.error_us) < LATE_US and abs(second.error_us) < LATE_US
    shown = [look for look in eye.between(t0 - 1000, t0 + 3 * S) if look.clip]
    assert (shown[0].clip, shown[0].frame) == (2, 0)
    assert len({look.frame for look in shown}) >= 0.97 * 180
    error = sorted(abs(look.at - t0 - look.frame * S // 60) for look in shown)
    assert error[int(0.95 * len(error))] < 20_000, error[-10:]
    assert running.late <= 3
    assert after.clip == 1, "the film is seen again below"


async def test_it_lies_above_a_cover_and_a_past_order_takes_it_away(display: Display, eye: Eye) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        t0 = in_us(1) // S * S + S
        wanted = order(t0, t0 + 60 * S)
        panel = layout_of(wanted).panel
        tell(bench, wanted)
        await until(t0 + 150_000)
        tell(bench, Cover(what="black"))
        await bench.hear(Covered)
        covered = Framebuffer.open(display.framebuffer).snapshot()
        tell(bench, order(t0, t0))
        await until(in_us(0.2))
        gone = Framebuffer.open(display.framebuffer).snapshot()
    finally:
        await bench.close()
    inside = (slice(panel.y, panel.y + panel.height), slice(panel.x, panel.x + panel.width))
    assert covered[inside].min() > 0
    assert covered[inside].max() == 255
    assert gone.max() == 0
