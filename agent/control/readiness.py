"""Whether the walls are ready for what stands by, asked again and again over a link that stays."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from agent.control import poll as polls
from agent.control.awaited import Awaited
from agent.control.link import Link
from agent.messages import Ask, encode

EVERY_S = 5.0
PATIENCE_S = 2.0
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: a program (None: everything but films) on the venues that the patterns name."""

    program: str | None
    rev: int | None
    patterns: tuple[str, ...]


class Readiness:
    """The last answers of all venues, a row each, and what they were asked."""

    def __init__(self, link: Link, show: str) -> None:
        self._link = link
        self._show = show
        self.about: Question | None = None
        self.rows: list[polls.Row] = []

    async def keep(self, wanted: Callable[[], Question | None]) -> None:
        """Ask for what is wanted whenever that changes, and every five seconds; until cancelled."""
        asked: Question | None = None
        asked_s = -EVERY_S
        while True:
            question = wanted()
            if question is not None and (question != asked or time.monotonic() - asked_s >= EVERY_S):
                asked, asked_s = question, time.monotonic()
                await self._ask(question, wanted)
            await asyncio.sleep(LOOK_S)

    async def _ask(self, question: Question, wanted: Callable[[], Question | None]) -> None:
        view = self._link.view
        ask = Ask(
            v=1,
            ask=str(uuid.uuid4()),
            want="poll",
            program=question.program,
            rev=question.rev,
            issued=self._link.now(),
        )
        await self._publish(ask)
        patterns = list(question.patterns)
        awaited = Awaited(
            view,
            lambda: view.expected(patterns),
            lambda venue: venue in view.answers.get(ask.ask, {}) or view.gone(venue),
        )
        # The old rows stand until the new ones are whole, so that nothing flickers.
        await self._link.wait(lambda: awaited.all_told() or wanted() != question, PATIENCE_S)
        if wanted() == question:
            self.rows, self.about = polls.judge(view, ask, patterns, self._show), question
        view.answers.pop(ask.ask, None)

    async def _publish(self, ask: Ask) -> None:
        await self._link.publish(
            "ask/all", encode(ask), retain=False, expires_s=polls.EXPIRES_S, patience_s=polls.SETTLED_S
        )
