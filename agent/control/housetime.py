"""The walls are asked what time it is, so that a computer whose clock is wrong gives right instants."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.control.houseclock import Fix, HouseClock, sighting
from agent.control.link import Link, utc_now
from agent.messages import Ask, encode
from agent.units import UtcUs

EVERY_S, FIRST_S, FIRST_ASKS = 15.0, 0.5, 6
PATIENCE_S = 3.0
EXPIRES_S = 10


class HouseTime:
    """The time of the walls of one show; the link listens to their presences, statuses and answers."""

    def __init__(self, link: Link, show: str) -> None:
        self._link = link
        self._show = show
        self._house = HouseClock()

    @property
    def fix(self) -> Fix | None:
        """What they agree on; None where none has told, or no majority agrees."""
        return self._house.fix(time.monotonic())

    @property
    def disagreement(self) -> bool:
        """Whether walls were asked and no majority of them agrees."""
        return self._house.disagreement

    def now(self) -> UtcUs:
        """UTC: by this computer's clock, or by the walls' where they know that it is wrong."""
        fix, own, mono_us = self.fix, utc_now(), time.monotonic_ns() // 1000
        return own if fix is None else fix.judge(own, mono_us)

    async def keep(self) -> None:
        """Ask a wall what time it is, at first a few quickly, then one now and then; until cancelled."""
        asked = 0
        while True:
            await asyncio.sleep(FIRST_S if asked < FIRST_ASKS else EVERY_S)
            sure = self.sure()
            if not sure or not any(self._link.brokers.values()):
                continue
            await self._exchange(sure[asked * 7919 % len(sure)])
            asked += 1

    def sure(self) -> list[str]:
        """The walls that are there and whose clock somebody vouches for."""
        view, now_s = self._link.view, time.monotonic()
        return [
            venue
            for venue, presence in view.presences.items()
            if (not self._show or presence.show == self._show)
            and (heard := view.statuses.get(venue)) is not None
            and heard.status.clock.state == "SYNC"
            # Whether a status that a broker had kept is old, only a clock could tell that may be wrong.
            and (heard.live_at_s is None or not view.silent(venue, utc_now(), now_s))
            and not view.gone(venue)
        ]

    async def _exchange(self, venue: str) -> None:
        # Without `issued`: that would be judged by the wall's clock, and ours may be wrong.
        ask = Ask(v=1, ask=str(uuid.uuid4()), want="poll")
        answers = self._link.view.answers
        sent_s = time.monotonic()
        publishing = asyncio.create_task(
            self._link.publish(f"ask/{venue}", encode(ask), retain=False, expires_s=EXPIRES_S, patience_s=EXPIRES_S)
        )
        try:
            if not await self._link.wait(lambda: venue in answers.get(ask.ask, ()), PATIENCE_S):
                return
            came_s = time.monotonic()
            answer = answers[ask.ask][venue]
            bound_us = answer.poll.clock.bound_us if answer.poll else None
            if answer.time is not None and bound_us is not None and bound_us >= 0:
                self._house.take(sighting(venue, answer.time, bound_us, sent_s, came_s))
        finally:
            self._link.view.forget_answers(ask.ask)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)


@asynccontextmanager
async def asking_time(link: Link, show: str) -> AsyncIterator[HouseTime]:
    """Reckon by the walls' time what is sent over this link, until the block ends."""
    house = HouseTime(link, show)
    link.now = house.now
    keeping = asyncio.create_task(house.keep())
    try:
        yield house
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
