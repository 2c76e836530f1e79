"""The real player on a real X server, judged by the pixels: what it says of itself is only compared with them."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import pytest

from agent.clock.kernel import raw_now_ns, real_now_ns
from agent.clock.mapping import ClockState, Mapping
from agent.lab import barcode, displays, films
from agent.lab.displays import Display
from agent.lab.films import Film
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Processes
from agent.player.proxy import PlayerProxy
from agent.player.wire import Armed, Covered, Failed, Fired, Hello, Missed, Report, Running, Screen, Start
from agent.units import MediaUs, UtcUs

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg"), pytest.mark.timeout(90)]

S = 1_000_000
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Look:
    at: int
    clip: int
    frame: int
    black: bool


class Eye(threading.Thread):
    """Looks at a framebuffer about once a millisecond and keeps what changed; clip 0 means no valid film frame."""

    def __init__(self, framebuffer: Path) -> None:
        super().__init__(daemon=True)
        self._screen = Framebuffer.open(framebuffer)
        self._upper, self._lower = self._screen.barcode_slices()
        self.looks: list[Look] = []
        self.open = True

    def run(self) -> None:
        memory = self._screen.memory
        while self.open:
            upper, lower = memory[self._upper], memory[self._lower]
            clip, frame = barcode.decode(upper, lower) or (0, 0)
            black = not any(upper) and not any(lower)
            look = Look(real_now_ns() // 1000, clip, frame, black)
            if not self.looks or (look.clip, look.frame, look.black) != (
                self.looks[-1].clip,
                self.looks[-1].frame,
                self.looks[-1].black,
            ):
                self.looks.append(look)
            time.sleep(0.0005)

    def between(self, begin: int, end: int) -> list[Look]:
        return [look for look in self.looks if begin <= look.at < end]


class Bench:
    """A player behind its proxy, with a mapping that says the host's clock is true."""

    def __init__(self, screen: Screen) -> None:
        self.heard: list[Report] = []
        self.player = PlayerProxy(screen, self.heard.append)
        self._task = asyncio.create_task(self.player.run())
        self.renew_clock()

    def renew_clock(self) -> None:
        self.player.clock(Mapping(raw_now_ns(), real_now_ns(), 0.0, 1e-6, 50.0, ClockState.SYNC, "true"))

    async def hear(self, kind: type[R], start: str | None = None, seconds: float = 15) -> R:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for report in self.heard:
                if isinstance(report, kind) and getattr(report, "id", None) == start:
                    return report
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {kind.__name__} for {start} within {seconds} s; heard {self.heard}")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture(scope="module")
def reel(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    folder = tmp_path_factory.mktemp("films")
    size = {"width": 320, "height": 180}
    made = [Film(folder / "a.mp4", 1, 90, Fraction(30), **size), Film(folder / "b.mp4", 2, 180, Fraction(60), **size)]
    films.make_all(made)
    return made


@pytest.fixture
def display(tmp_path: Path) -> Iterator[Display]:
    with Processes(tmp_path / "logs") as processes:
        yield displays.start(processes, ["wall"], (320, 180), tmp_path / "displays")[0]


@pytest.fixture
def eye(display: Display) -> Iterator[Eye]:
    looking = Eye(display.framebuffer)
    looking.start()
    yield looking
    looking.open = False
    looking.join()


def screen_on(name: str, **changes: object) -> Screen:
    plain: dict[str, object] = {
        "output": "x11",
        "name": name,
        "region": "",
        "fit": "contain",
        "rotate": 0,
        "latency_us": 0,
        "decoder": "auto",
        "volume": 0,
        "slate": "",
    }
    return Screen.model_validate({**plain, **changes})


def film_start(name: str, film: Film, at: int, frame: int = 0, *, held: bool = False) -> Start:
    frame_us = 1e6 / float(film.fps)
    return Start(
        id=name,
        kind="film",
        at=UtcUs(at),
        path=str(film.path),
        position_us=MediaUs(round(frame * frame_us)),
        frame_us=frame_us,
        held=held,
    )


def in_us(seconds: float) -> int:
    return real_now_ns() // 1000 + round(seconds * S)


async def test_two_decks_take_turns_without_black_and_without_a_frame_too_early(
    display: Display, eye: Eye, reel: list[Film]
) -> None:
    bench = Bench(screen_on(display.name))
    try:
        hello = await bench.hear(Hello)
        assert (hello.display, hello.profile, hello.note) == ("320x180", "software", "")
        t0 = in_us(2)
        a, b = film_start("a", reel[0], t0), film_start("b", reel[1], t0 + 3 * S)
        black = Start(id="black", kind="black", at=UtcUs(t0 + 6 * S))
        bench.player.plan([a, b])
        await bench.hear(Armed, "a")
        await bench.hear(Fired, "a")
        bench.renew_clock()
        bench.player.plan([b, black])
        await bench.hear(Fired, "b")
        bench.renew_clock()
        bench.player.plan([black])
        fired = await bench.hear(Fired, "black")
        await asyncio.sleep(0.2)
    finally:
        await bench.close()
    before = eye.between(0, t0 - 1000)
    assert all(look.clip == 0 for look in before), "a film frame stood on the wall before its instant"
    shown = eye.between(t0 - 1000, t0 + 6 * S - 1000)
    assert (shown[0].clip, shown[0].frame) == (1, 0)
    torn = [look for look in shown if look.clip == 0]
    assert not torn, f"black or unreadable in the middle of the show: {torn[:3]}"
    order = [(look.clip, look.frame) for look in shown]
    assert order == sorted(order), "a frame came back"
    assert len(set(order)) >= 0.98 * (90 + 180)
    # mpv's output would hold a film's last frame back until the next film is due (see Stage.nudge).
    last = next(look for look in shown if (look.clip, look.frame) == (1, 89))
    assert last.at < t0 + 3 * S - 15_000
    assert abs(shown[0].at - t0) < 15_000
    first_b = next(look for look in shown if look.clip == 2)
    assert first_b.frame == 0
    assert abs(first_b.at - (t0 + 3 * S)) < 15_000
    assert eye.looks[-1].black
    assert abs(fired.error_us) < 15_000


async def test_it_joins_at_a_frame_in_the_middle(display: Display, eye: Eye, reel: list[Film]) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        t0 = in_us(1.5)
        bench.player.plan([film_start("join", reel[1], t0, frame=97)])
        await bench.hear(Running, "join")
    finally:
        await bench.close()
    first = next(look for look in eye.looks if look.clip)
    assert (first.clip, first.frame) == (2, 97)
    later = [look for look in eye.between(t0 + S // 2, t0 + S) if look.clip]
    assert later
    assert all(abs(look.at - (t0 + (look.frame - 97) * S / 60)) < 20_000 for look in later)


async def test_held_stands_still(display: Display, eye: Eye, reel: list[Film]) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        bench.player.plan([film_start("held", reel[0], in_us(1), frame=40, held=True)])
        await bench.hear(Fired, "held")
        await asyncio.sleep(0.5)
    finally:
        await bench.close()
    assert {(look.clip, look.frame) for look in eye.looks if look.clip} == {(1, 40)}


async def test_the_slate_is_not_black_and_a_latent_wall_starts_early(
    display: Display, eye: Eye, reel: list[Film]
) -> None:
    bench = Bench(screen_on(display.name, latency_us=100_000))
    try:
        await bench.hear(Hello)
        t0 = in_us(1.5)
        slate = Start(id="slate", kind="slate", at=UtcUs(t0 + S))
        bench.player.plan([film_start("a", reel[0], t0), slate])
        fired = await bench.hear(Fired, "a")
        await bench.hear(Fired, "slate")
        await asyncio.sleep(0.2)
        last = eye.looks[-1]
    finally:
        await bench.close()
    first = next(look for look in eye.looks if look.clip)
    assert abs(first.at - (t0 - 100_000)) < 15_000
    assert abs(fired.error_us) < 15_000
    assert (last.clip, last.black) == (0, False)


async def test_on_a_display_whose_refresh_is_known_a_start_is_half_a_refresh_early(
    display: Display, eye: Eye, reel: list[Film]
) -> None:
    bench = Bench(screen_on(display.name, mode_hz=20.0))
    try:
        hello = await bench.hear(Hello)
        t0 = in_us(1.5)
        bench.player.plan([film_start("a", reel[0], t0)])
        fired = await bench.hear(Fired, "a")
        running = await bench.hear(Running, "a")
    finally:
        await bench.close()
    assert hello.display == "320x180@20"
    first = next(look for look in eye.looks if look.clip)
    assert abs(first.at - (t0 - 25_000)) < 15_000
    assert abs(fired.error_us) < 15_000, "seen on average when it is due"
    assert (fired.decoder, running.decoder) == ("software", "software")


async def test_graphics_that_cannot_draw_here_cost_no_picture(display: Display, eye: Eye, reel: list[Film]) -> None:
    """Where no GPU is, mpv passes over vo=gpu and over a decoder that has no hardware."""
    bench = Bench(screen_on(display.name, decoder="vaapi"))
    try:
        hello = await bench.hear(Hello)
        bench.player.plan([film_start("a", reel[0], in_us(1.5))])
        fired = await bench.hear(Fired, "a")
        await bench.hear(Running, "a")
    finally:
        await bench.close()
    assert hello.note == ""
    assert fired.decoder == "software", "what is used, not what was wished"
    assert [look for look in eye.looks if look.clip == 1]


async def test_what_mpv_cannot_play_is_missed_and_the_wall_keeps_its_picture(
    display: Display, eye: Eye, reel: list[Film], tmp_path: Path
) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(os.urandom(5000))
    broken = Film(noise, 9, 90, Fraction(30), 320, 180)
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        t0 = in_us(1)
        bench.player.plan([film_start("a", reel[0], t0), film_start("broken", broken, t0 + S)])
        await bench.hear(Fired, "a")
        missed = await bench.hear(Missed, "broken")
        await asyncio.sleep((t0 + 1.6 * S - in_us(0)) / S)
    finally:
        await bench.close()
    assert missed.reason == "film_broken"
    assert eye.looks[-1].clip in (0, 1)
    assert [look for look in eye.between(t0 + S + 100_000, t0 + S * 3 // 2) if look.clip == 1]


async def test_a_killed_player_is_replaced_and_has_the_clock(display: Display, reel: list[Film]) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        assert bench.player.pid is not None
        os.kill(bench.player.pid, signal.SIGKILL)
        failed = await bench.hear(Failed)
        assert (failed.reason, "SIGKILL" in failed.detail) == ("player_died", True)
        bench.heard.clear()
        await bench.hear(Hello)
        bench.player.plan([film_start("again", reel[0], in_us(1))])
        await bench.hear(Fired, "again")
    finally:
        await bench.close()


async def test_a_player_that_hangs_is_killed_and_replaced_and_one_that_lives_is_not(
    display: Display, reel: list[Film]
) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        bench.player.plan([film_start("a", reel[0], in_us(1))])
        await bench.hear(Running, "a")
        first = bench.player.pid
        assert first is not None
        assert not [report for report in bench.heard if isinstance(report, Failed)], "it was never silent"
        bench.heard.clear()
        os.kill(first, signal.SIGSTOP)
        assert (await bench.hear(Failed)).reason == "player_hung"
        await bench.hear(Hello)
        assert bench.player.pid != first
    finally:
        await bench.close()


async def test_a_panic_makes_the_wall_black_whether_the_player_obeys_hangs_or_dies(
    display: Display, eye: Eye, reel: list[Film], record_property: Callable[[str, object], None]
) -> None:
    took_ms = []
    for hung in (False, True):
        bench = Bench(screen_on(display.name))
        try:
            await bench.hear(Hello)
            bench.player.plan([film_start("a", reel[0], in_us(1))])
            await bench.hear(Fired, "a")
            await asyncio.sleep(0.2)
            assert eye.looks[-1].clip == 1
            if hung:
                assert bench.player.pid is not None
                os.kill(bench.player.pid, signal.SIGSTOP)
                await asyncio.sleep(0.1)
            began = in_us(0)
            bench.player.cover("black")
            if hung:
                await bench.hear(Failed)
                bench.heard.clear()
                await bench.hear(Hello)
                bench.renew_clock()
                bench.player.plan([film_start("b", reel[1], in_us(1))])
                await bench.hear(Fired, "b")  # made underneath
            await bench.hear(Covered)
            await asyncio.sleep(0.2)
            after = eye.between(began, in_us(0))
            black = next(look for look in after if look.black)
            took_ms.append((black.at - began) / 1000)
            assert all(look.black for look in after[after.index(black) :]), "something was shown in a panic"
            bench.player.cover("")
            await asyncio.sleep(0.2)
            assert eye.looks[-1].clip == (2 if hung else 1), "what was made underneath is seen again"
        finally:
            await bench.close()
    record_property("figure", f"panic: black after {took_ms[0]:.0f} ms, {took_ms[1]:.0f} ms where the player hangs")
    assert took_ms[0] < took_ms[1], "a player that obeys is not killed first"


async def test_the_player_that_comes_back_shows_black_first_and_nothing_else(
    display: Display, eye: Eye, reel: list[Film]
) -> None:
    bench = Bench(screen_on(display.name))
    try:
        await bench.hear(Hello)
        bench.player.plan([film_start("a", reel[0], in_us(1))])
        await bench.hear(Fired, "a")
        assert bench.player.pid is not None
        os.kill(bench.player.pid, signal.SIGKILL)
        killed = in_us(0)
        await bench.hear(Failed)
        bench.heard.clear()
        await bench.hear(Hello)
        await asyncio.sleep(0.2)
    finally:
        await bench.close()
    after = eye.between(killed, in_us(0))
    assert after[-1].black
    assert all(look.black for look in after[[look.black for look in after].index(True) :])


async def test_a_display_that_dies_is_said_and_returned_to(tmp_path: Path, reel: list[Film]) -> None:
    with Processes(tmp_path / "logs") as processes:
        first = displays.start(processes, ["wall"], (320, 180), tmp_path / "displays")[0]
        bench = Bench(screen_on(first.name))
        try:
            await bench.hear(Hello)
            await asyncio.to_thread(processes.end, first.child)
            await bench.hear(Failed)
            await asyncio.sleep(1)
            assert [report for report in bench.heard if isinstance(report, Failed)][-1].reason == "display_absent"
        finally:
            await bench.close()


async def test_a_display_that_is_not_there_is_named_with_the_remedy() -> None:
    bench = Bench(screen_on(":4711"))
    try:
        failed = await bench.hear(Failed)
    finally:
        await bench.close()
    assert failed.reason == "display_absent"
    assert ":4711" in failed.detail
    assert "display.name" in failed.detail


async def test_a_region_is_all_that_the_film_touches(display: Display, reel: list[Film]) -> None:
    bench = Bench(screen_on(display.name, region="160,0,160,90"))
    try:
        await bench.hear(Hello)
        bench.player.plan([film_start("a", reel[0], in_us(1))])
        await bench.hear(Fired, "a")
        await asyncio.sleep(0.5)
        picture = Framebuffer.open(display.framebuffer).snapshot()
    finally:
        await bench.close()
    assert picture[:90, 160:].max() > 100
    assert picture[90:].max() == 0
    assert picture[:, :160].max() == 0


async def test_without_a_display_the_null_output_keeps_time(reel: list[Film]) -> None:
    bench = Bench(screen_on("", output="null"))
    try:
        await bench.hear(Hello)
        bench.player.plan([film_start("a", reel[0], in_us(1))])
        fired = await bench.hear(Fired, "a")
        running = await bench.hear(Running, "a")
    finally:
        await bench.close()
    assert abs(fired.error_us) < 15_000
    assert abs(running.frame - 30) <= 3


async def test_no_player_process_is_left_behind(display: Display) -> None:
    bench = Bench(screen_on(display.name))
    await bench.hear(Hello)
    pid = bench.player.pid
    await bench.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
