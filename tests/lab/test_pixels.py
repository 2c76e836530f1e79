import asyncio
import json
import sys
from fractions import Fraction

from agent.lab.pixels import Pixels, Seen, judge
from agent.lab.processes import Processes
from agent.lab.programme import Item, Programme

SECOND = 1_000_000_000
DUE = 1000 * SECOND
SHOW = Programme(
    [Item("a", 1, Fraction(30), 60), Item("b", 2, Fraction(60), 120)], due_ns=DUE, loop=True, end_ns=DUE + 60 * SECOND
)


def test_a_frame_is_placed_in_its_showing() -> None:
    # Frame 60 of the second film in the second loop is due 4 + 2 + 1 s after the first instant.
    state = {"value": [2, 60], "since_ns": DUE + 7 * SECOND + 1_500_000, "changes": 9}
    assert judge(state, SHOW) == Seen(2, 60, 1.5)


def test_what_is_no_film_of_the_programme_is_nothing() -> None:
    assert judge({"value": None, "since_ns": DUE}, SHOW) is None
    assert judge({"value": [77, 1], "since_ns": DUE}, SHOW) is None


def test_without_barcodes_only_the_nearest_frame_is_known() -> None:
    seen = judge({"value": "ab12", "since_ns": DUE + SECOND + 2_000_000}, SHOW)
    assert seen == Seen(None, None, 2.0)


async def test_the_newest_word_of_the_meter_counts(processes: Processes) -> None:
    def line(frame: int) -> str:
        state = {"value": [1, frame], "since_ns": DUE + frame * SECOND // 30, "changes": frame}
        return json.dumps({"time_ns": DUE, "displays": {"tokyo": state, "paris": {"value": None, "since_ns": DUE}}})

    script = f"import time; print({line(3)!r}); print({line(4)!r}, flush=True); time.sleep(600)"
    pixels = Pixels(processes.start("meter", [sys.executable, "-c", script], talks=True), SHOW)
    async with asyncio.timeout(5):
        while not pixels.seen:  # noqa: ASYNC110  # there is no event: the table looks when it is drawn
            await asyncio.sleep(0.01)
    assert pixels.seen["tokyo"].frame == 4
    assert "paris" not in pixels.seen
    pixels.close()
