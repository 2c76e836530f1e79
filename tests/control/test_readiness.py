import asyncio

from brokers import Mosquitto
from fake_venue import polled, venue
from test_operate import opened

from agent.control.readiness import Question, Readiness


async def about(readiness: Readiness, question: Question) -> None:
    async with asyncio.timeout(20):
        while readiness.about != question:  # noqa: ASYNC110 - it tells by no event
            await asyncio.sleep(0.05)


async def test_what_stands_by_is_asked_about_and_what_is_chosen_next_too(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    wanted = Question("reel", None, ("*",))
    async with venue(mosquitto, "tokyo", poll=polled(go=False)), opened(mosquitto.url) as link:
        readiness = Readiness(link, "demo")
        task = asyncio.create_task(readiness.keep(lambda: wanted))
        try:
            await about(readiness, wanted)
            (row,) = readiness.rows
            assert (row.venue, row.verdict, row.reasons[0].code) == ("tokyo", "no-go", "film_missing")
            wanted = Question(None, None, ("tokyo", "oslo"))
            await about(readiness, wanted)
            assert {row.venue: row.verdict for row in readiness.rows} == {"tokyo": "no-go", "oslo": "silent"}
        finally:
            task.cancel()
