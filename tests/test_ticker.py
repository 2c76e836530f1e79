"""How often the conductor is shown the time."""

import asyncio

from agent.ticker import LEAST_S, REST_S, TICK_S, Ticker


def patience_s(left_s: float | None, resting: bool) -> float:
    return Ticker(lambda: left_s, lambda: resting, lambda: None).patience_s()


def test_it_ticks_at_the_deadline_often_while_something_runs_and_seldom_at_rest() -> None:
    assert patience_s(None, resting=False) == patience_s(100.0, resting=False) == TICK_S
    assert patience_s(None, resting=True) == patience_s(100.0, resting=True) == REST_S
    assert patience_s(0.1, resting=True) == patience_s(0.1, resting=False) == 0.1
    assert patience_s(-1.0, resting=False) == LEAST_S, "a deadline that has passed"


async def test_who_rests_and_hears_of_something_looks_at_the_next_deadline_anew() -> None:
    left_s: list[float | None] = [None]
    ticked = asyncio.Event()
    ticker = Ticker(lambda: left_s[0], lambda: left_s[0] is None, ticked.set)
    patience: list[float] = []
    told = ticker.patience_s

    def patience_s() -> float:
        patience.append(told())
        return patience[-1]

    ticker.patience_s = patience_s  # type: ignore[method-assign]  # only listened to
    running = asyncio.create_task(ticker.run())
    await asyncio.sleep(0)
    left_s[0] = 0.01
    ticker.moved()
    async with asyncio.timeout(10):
        await ticked.wait()
    running.cancel()
    assert patience[:2] == [REST_S, 0.01]
