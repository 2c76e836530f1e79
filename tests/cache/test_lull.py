import asyncio
import threading
from pathlib import Path

import pytest
from fetching import FILM, SHA256, Bench, serving, wanted

from agent.cache.fetch import Presence
from agent.cache.lull import MOST_S, Lull


def test_work_rests_while_the_wall_wants_quiet() -> None:
    left = [0.0]
    lull = Lull(lambda _: left[0], "")
    assert lull.left_s(10.0) == 0.0
    left[0] = 6.0
    assert lull.left_s(11.0) == 6.0
    left[0] = 0.0
    assert lull.left_s(12.0) == 0.0


def test_starts_that_follow_each_other_closely_cannot_stop_work_for_ever() -> None:
    lull = Lull(lambda _: 5.0, "")
    rested = [lull.left_s(float(second)) > 0 for second in range(600)]
    assert rested[: int(MOST_S)] == [True] * int(MOST_S)
    assert 0.4 < sum(rested) / len(rested) < 0.6


def test_a_thread_that_has_been_ended_does_not_rest_on() -> None:
    ended = threading.Event()
    ended.set()
    Lull(lambda _: 3600.0, "").hold(ended)


async def test_a_download_rests_before_each_piece_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cache.lull.STEP_S", 0.01)
    async with serving() as site:
        bench = Bench(tmp_path)
        quiet = True
        bench.fetcher._rest_s = lambda _: 5.0 if quiet else 0.0
        bench.part(FILM[:1000])
        bench.fetcher.want([wanted(site.serve("/koi.mp4", FILM))])
        async with bench.running():
            await bench.until(SHA256, Presence.FETCHING)
            await asyncio.sleep(0.1)
            assert not site.asked, "not even asked, though it is a film that was begun"
            quiet = False
            await bench.until(SHA256, Presence.PRESENT)


async def test_the_film_that_the_wall_waits_for_comes_all_the_same(tmp_path: Path) -> None:
    async with serving() as site:
        bench = Bench(tmp_path)
        bench.fetcher._rest_s = lambda sha256: 0.0 if sha256 == SHA256 else 3600.0
        assert (await bench.outcome(site.serve("/koi.mp4", FILM))).presence is Presence.PRESENT
