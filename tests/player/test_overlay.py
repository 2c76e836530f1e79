"""The overlay on an easel without a display, in a time that the test makes pass."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from easels import FakeEasel, Picture
from makers import T0, S

from agent.clock.mapping import ClockState, Mapping
from agent.player.layout import CELLS, lay_out, letters
from agent.player.overlay import AHEAD_US, QUIET_US, Overlay
from agent.player.sheet import DARK, GROUND, LIT
from agent.player.wire import Identify
from agent.player.wording import words
from agent.units import NS_PER_US, RawNs, UtcUs

CLOCK = Mapping(RawNs(0), T0 * NS_PER_US, 0.0, 0.0, 900.0, ClockState.SYNC, "true")
ORDER = Identify(venue="paris", zone="Europe/Paris", at=UtcUs(T0), until=UtcUs(T0 + 5 * S))
STEP_US = 150
"""How long a step takes in these tests."""


@dataclass
class Bench:
    easel: FakeEasel = field(default_factory=FakeEasel)
    latency_us: int = 0
    start: UtcUs | None = None
    clock: Mapping = CLOCK
    now_us: int = -3 * S
    """The raw counter in microseconds; 0 is T0 by CLOCK."""

    def __post_init__(self) -> None:
        self.overlay = Overlay(self.easel, self.latency_us, lambda: self.start)

    def run(self, until_us: int) -> Iterator[int]:
        """Step whenever the overlay wants to be woken, until the counter is there; yields the counter behind each."""
        steps = 0
        while self.now_us < until_us:
            self.overlay.step(RawNs(self.now_us * NS_PER_US), self.clock)
            yield self.now_us
            wake = self.overlay.wake_raw()
            due_us = until_us if wake is None else -(-wake // NS_PER_US)
            self.now_us = min(until_us, max(self.now_us + STEP_US, due_us))
            steps += 1
            assert steps < 2000, "it never rests"

    def go(self, until_us: int) -> None:
        for _ in self.run(until_us):
            pass

    @property
    def seen(self) -> Picture:
        assert self.easel.top is not None
        return self.easel.top.seen


def expected(order: Identify, utc: int, clock: Mapping = CLOCK, size: tuple[int, int] = (320, 180)) -> Picture:
    """The panel at an instant, drawn afresh."""
    second = UtcUs(utc - utc % S)
    said = words(order, second, ZoneInfo(order.zone), clock.state, clock.bound_us)
    layout = lay_out(*size, said)
    assert layout is not None
    picture = np.full((layout.panel.height, layout.panel.width), GROUND, np.int32)
    cell = utc % S // (S // CELLS)
    parts = [(LIT if cell == number else DARK, rect) for number, rect in enumerate(layout.cells)]
    parts.append((LIT if cell == 0 else DARK, layout.flash))
    parts += [(letter.colour, rect) for letter in letters(layout, said).values() for rect in letter.lit()]
    for colour, rect in parts:
        picture[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width] = colour
    return picture


def test_at_every_instant_the_wall_shows_that_instant() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    compared = 0
    for now_us in bench.run(5 * S):
        assert (bench.easel.top is not None) == (now_us >= 0)
        if bench.easel.top is not None:
            assert (bench.seen == expected(ORDER, T0 + now_us)).all()
            compared += 1
    assert compared > 50
    bench.go(6 * S)
    assert bench.easel.open == 0
    assert bench.overlay.wake_raw() is None


def test_it_wakes_exactly_on_each_tenth_of_a_second() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    woken = {now_us for now_us in bench.run(3 * S) if now_us >= 0}
    assert {number * S // CELLS for number in range(3 * CELLS)} <= woken


def test_what_is_to_be_drawn_waits_for_a_flash_that_is_near() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(2 * S - 2500)
    bench.easel.log.clear()
    bench.overlay.order(ORDER.model_copy(update={"venue": "avenue-de-l-opera"}))
    bench.go(2 * S)
    assert bench.easel.log == []
    bench.go(2 * S + 20_000)
    assert bench.easel.log[:2] == ["light", "light"]
    assert "paint" in bench.easel.log


def test_a_panel_that_was_never_shown_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(-S)
    assert bench.easel.open == 1
    bench.overlay.order(ORDER.model_copy(update={"venue": "avenue-de-l-opera"}))
    bench.go(S)
    assert bench.easel.open == 1
    bench.go(6 * S)
    assert bench.easel.open == 0


def test_on_a_wall_that_shows_late_everything_is_early() -> None:
    bench = Bench(latency_us=30_000)
    bench.overlay.order(ORDER)
    begun = next(now_us for now_us in bench.run(S) if bench.easel.top is not None)
    assert begun == -30_000
    bench.go(S - 30_000)
    bench.overlay.step(RawNs((S - 30_000) * NS_PER_US), CLOCK)
    assert (bench.seen == expected(ORDER, T0 + S)).all()


def test_it_is_drawn_ahead_so_that_at_its_instant_it_is_only_shown() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(0)
    assert bench.easel.top is None
    assert "paint" in bench.easel.log
    bench.easel.log.clear()
    bench.overlay.step(RawNs(0), CLOCK)
    assert bench.easel.log[0] == "lift"
    assert "paint" not in bench.easel.log


def test_a_far_order_is_let_alone_until_it_is_near() -> None:
    bench = Bench(now_us=-10 * S)
    bench.overlay.order(ORDER)
    bench.overlay.step(RawNs(bench.now_us * NS_PER_US), CLOCK)
    assert bench.overlay.wake_raw() == -AHEAD_US * NS_PER_US
    assert bench.easel.log == []


@pytest.mark.parametrize("start_us", [2 * S, 2 * S + 20_000, 2 * S - 1])
def test_near_a_start_nothing_is_drawn_and_afterwards_all_is_caught_up(start_us: int) -> None:
    bench = Bench(start=UtcUs(T0 + start_us))
    bench.overlay.order(ORDER)
    bench.go(start_us - QUIET_US)
    bench.easel.log.clear()
    for asleep_us in range(0, QUIET_US + 5000, 1000):
        bench.overlay.step(RawNs((start_us - QUIET_US + asleep_us) * NS_PER_US), CLOCK)
        assert bench.overlay.wake_raw() is None
    assert bench.easel.log == []
    bench.start = None
    bench.now_us = start_us + 5000
    wake = bench.overlay.wake_raw()
    assert wake is not None and wake <= bench.now_us * NS_PER_US
    bench.go(start_us + 40_000)
    assert (bench.seen == expected(ORDER, T0 + start_us + 40_000)).all()


def test_an_order_that_has_ended_takes_the_overlay_away() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(2 * S)
    assert bench.easel.open == 1
    bench.overlay.order(ORDER.model_copy(update={"until": UtcUs(T0 + S)}))
    bench.overlay.step(RawNs(bench.now_us * NS_PER_US), CLOCK)
    assert bench.easel.open == 0
    assert bench.overlay.wake_raw() is None


def test_a_newer_order_takes_the_place_of_the_one_before() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(S + S // 2)
    newer = ORDER.model_copy(update={"venue": "avenue-de-l-opera"})
    bench.overlay.order(newer)
    bench.go(S + S // 2 + 90_000)
    assert (bench.seen == expected(newer, T0 + bench.now_us)).all()
    assert bench.easel.open == 1
    same_shape = newer.model_copy(update={"venue": "avenue-de-l-opere"})
    bench.overlay.order(same_shape)
    bench.go(bench.now_us + 90_000)
    assert (bench.seen == expected(same_shape, T0 + bench.now_us)).all()


def test_a_newer_order_for_later_hides_what_is_shown() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(S)
    bench.overlay.order(ORDER.model_copy(update={"at": UtcUs(T0 + 3 * S)}))
    bench.go(3 * S)
    assert bench.easel.top is None
    bench.overlay.step(RawNs(3 * S * NS_PER_US), CLOCK)
    assert bench.easel.top is not None


def test_an_order_that_is_under_way_already_is_shown_as_soon_as_it_is_drawn() -> None:
    bench = Bench(now_us=2 * S + S // 2)
    bench.overlay.order(ORDER)
    bench.go(2 * S + S // 2 + 30_000)
    assert (bench.seen == expected(ORDER, T0 + bench.now_us)).all()


def test_when_the_next_change_has_come_it_tells_until_when_it_stays() -> None:
    order = ORDER.model_copy(update={"next_at": UtcUs(T0 + 2 * S), "next_what": "play reel"})
    bench = Bench()
    bench.overlay.order(order)
    for now_us in bench.run(4 * S):
        if bench.easel.top is not None:
            assert (bench.seen == expected(order, T0 + now_us)).all()
    assert bench.easel.open == 1


def test_a_clock_that_steps_takes_the_overlay_with_it() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(S + S // 3)
    for moved_us in (2 * S, -S):
        bench.clock = replace(CLOCK, utc0_ns=(T0 + moved_us) * NS_PER_US)
        bench.go(bench.now_us + 150_000)
        bench.go(bench.now_us + 20_000)
        assert (bench.seen == expected(ORDER, T0 + moved_us + bench.now_us)).all()


def test_a_clock_that_gets_worse_is_told_as_soon_as_words_are_drawn_anew() -> None:
    bench = Bench()
    bench.overlay.order(ORDER)
    bench.go(S + S // 2)
    bench.clock = replace(CLOCK, state=ClockState.HOST)
    bench.go(3 * S + S // 2)
    assert (bench.seen == expected(ORDER, T0 + bench.now_us - 1, bench.clock)).all()


def test_no_work_is_done_without_a_display_or_where_there_is_no_room() -> None:
    without = Overlay(None, 0, lambda: None)
    without.order(ORDER)
    without.step(RawNs(0), CLOCK)
    assert without.wake_raw() is None
    bench = Bench(easel=FakeEasel(16, 16))
    bench.overlay.order(ORDER)
    bench.go(4 * S)
    assert bench.easel.log == []


def test_without_a_clock_it_waits() -> None:
    overlay = Overlay(FakeEasel(), 0, lambda: None)
    overlay.order(ORDER)
    assert overlay.wake_raw() is None
