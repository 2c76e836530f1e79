"""What the agent says at its brokers, but for its presence: status, acks, as-run records and answers."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import structlog

from agent import shots
from agent.answered import Answer, AsRunPage, Shot
from agent.effects import Now, Reply, Shoot
from agent.messages import Ask, Refusal, encode
from agent.outbox import Kind
from agent.shots import Moment, Print
from agent.told import Ack, Status

STATUS_S = 1.0
STATUS_AT_LEAST_S = 5.0
_ACK_LOGGED = {"cue", "stage", "ready", "reason", "detail", "error_us", "joined"}

log = structlog.get_logger()


class Publish(Protocol):
    """As `mqtt.Sessions.publish`."""

    def __call__(self, topic: str, payload: bytes, kind: Kind, seq: int | None = None) -> None:
        """Send a message; never waits."""


class Voice:
    """One venue's word to its brokers.

    `status` makes a new status, `judged` the answer to an ask that is about it; `now` is the present instant.
    """

    def __init__(
        self,
        venue: str,
        boot: str,
        publish: Publish,
        *,
        now: Callable[[], Now],
        status: Callable[[], Status],
        judged: Callable[[Reply], Answer],
    ) -> None:
        self._venue = venue
        self._boot = boot
        self._publish = publish
        self._now = now
        self._status = status
        self._judged = judged
        self._news = asyncio.Event()

    def changed(self) -> None:
        """Something has happened that the status may tell."""
        self._news.set()

    async def run(self) -> None:
        """The status: at most once a second, when something that matters changed, and at least every five seconds."""
        told: Status | None = None
        told_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            status = self._status()
            if told is None or loop.time() - told_at >= STATUS_AT_LEAST_S or _gist(status) != _gist(told):
                self._publish(f"venue/{self._venue}/status", encode(status), "state")
                told, told_at = status, loop.time()
            await asyncio.sleep(STATUS_S)
            # Not wait_for, which in Python 3.11 can swallow a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STATUS_AT_LEAST_S - STATUS_S):
                    await self._news.wait()

    def ack(self, ack: Ack) -> None:
        """What became of a cue, which the log has as well."""
        log.info("cue", **ack.model_dump(include=_ACK_LOGGED))
        self._publish(f"venue/{self._venue}/ack", encode(ack), "refusal" if ack.stage == "refused" else "ack")

    def record(self, body: bytes, seq: int | None) -> None:
        """An as-run record, with its number in the book."""
        self._publish(f"venue/{self._venue}/asrun", body, "asrun", seq)

    def answer(self, reply: Reply) -> None:
        """The answer to an ask that is about what the status is about, or is refused."""
        self._publish(f"venue/{self._venue}/answer", encode(self._judged(reply)), "answer")

    def pages(self, ask: Ask, found: list[AsRunPage] | Refusal) -> None:
        """What the book has of a period: each page is an answer of its own."""
        if isinstance(found, Refusal):
            self.answer(Reply(ask.ask, ask.want, found))
            return
        head = self._head(ask.ask, ask.want)
        for page in found:
            self._publish(f"venue/{self._venue}/answer", encode(head.model_copy(update={"asrun": page})), "page")

    def shot(self, order: Shoot, outcome: tuple[Print, Moment] | Refusal, latency_us: int) -> None:
        """A picture of the wall, or why there is none."""
        if isinstance(outcome, Refusal):
            log.warning("no picture", reason=outcome.code, detail=outcome.detail)
            told: Shot | Refusal = outcome
        else:
            told = shots.shot(*outcome, self._now(), latency_us)
        self._publish(f"venue/{self._venue}/answer", encode(shots.answer(self._head(order.ask, "shot"), told)), "shot")

    def _head(self, ask: str, want: str) -> Answer:
        return Answer(ask=ask, venue=self._venue, boot=self._boot, time=self._now().utc, want=want)


def _gist(status: Status) -> Status:
    """A status without what changes all the time; that a film's place is known at all is news."""
    still = {"time": None, "error_us": None, "clock": None, "host": None}
    place = {"position_us": None, "frame": None if status.frame is None else 0}
    return status.model_copy(update={**still, **place})
