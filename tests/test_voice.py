"""Each thing that an agent says goes to its topic, as the kind that the outbox keeps room for."""

import asyncio
from typing import Any

import pytest
from makers import T0, now_at, uuid_of
from test_asks import status
from walls import FakeWall

from agent import voice as module
from agent.answered import Answer, AsRunPage
from agent.effects import Reply, Shoot
from agent.messages import Ask, Refusal, decode
from agent.outbox import Kind
from agent.shots import Moment, Print
from agent.told import Ack, Status
from agent.voice import Voice

BUSY = Refusal(code="busy", detail="ask again")
PAGE = AsRunPage(book=uuid_of(7), page=0, count=0, records="", next=None, left=0, kept_from=None)


class Broker:
    """What is said, and the status that it is said of."""

    def __init__(self, status: Status) -> None:
        self.said: list[tuple[str, bytes, Kind, int | None]] = []
        self.status = status
        self.voice = Voice(
            "paris",
            uuid_of(2),
            self.publish,
            now=lambda: now_at(T0),
            status=lambda: self.status,
            judged=lambda reply: Answer(
                ask=reply.ask, venue="paris", boot=uuid_of(2), time=None, want=reply.want, refused=reply.refused
            ),
        )

    def publish(self, topic: str, payload: bytes, kind: Kind, seq: int | None = None) -> None:
        self.said.append((topic, payload, kind, seq))

    @property
    def kinds(self) -> list[tuple[str, Kind]]:
        return [(topic, kind) for topic, _, kind, _ in self.said]

    def answers(self) -> list[Answer]:
        found = [decode(Answer, payload) for _, payload, _, _ in self.said]
        return [answer for answer in found if isinstance(answer, Answer)]


@pytest.fixture
def broker() -> Broker:
    return Broker(status())


def ack(stage: Any) -> Ack:
    return Ack(cue=uuid_of(1), venue="paris", boot=uuid_of(2), stage=stage, time=None)


def test_acks_refusals_and_records_have_rooms_of_their_own(broker: Broker) -> None:
    broker.voice.ack(ack("accepted"))
    broker.voice.ack(ack("refused"))
    broker.voice.record(b"{}", 5)
    assert broker.kinds == [("venue/paris/ack", "ack"), ("venue/paris/ack", "refusal"), ("venue/paris/asrun", "asrun")]
    assert broker.said[2][3] == 5


def test_pages_and_pictures_are_answers_that_wait_for_all_else(broker: Broker) -> None:
    ask = Ask(v=1, ask=uuid_of(3), want="asrun")
    broker.voice.pages(ask, [PAGE, PAGE.model_copy(update={"page": 1})])
    broker.voice.pages(ask, BUSY)
    order, made = Shoot(uuid_of(4), 320), Print("/9j/", 320, 180, 1920, 1080)
    wall = FakeWall()
    broker.voice.shot(order, (made, Moment(now_at(T0), wall.conductor.snapshot(wall.now()))), 0)
    broker.voice.shot(order, BUSY, 0)
    broker.voice.answer(Reply(uuid_of(5), "poll", BUSY))
    topic = "venue/paris/answer"
    assert broker.kinds == [(topic, kind) for kind in ("page", "page", "answer", "shot", "shot", "answer")]
    first, second, refused, picture, none, poll = broker.answers()
    assert [one.asrun and one.asrun.page for one in (first, second)] == [0, 1]
    assert (refused.want, refused.refused, none.refused, poll.refused) == ("asrun", BUSY, BUSY, BUSY)
    assert picture.shot is not None and (picture.ask, picture.want, picture.shot.width) == (uuid_of(4), "shot", 320)


async def test_a_status_is_said_when_something_matters_and_now_and_then(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STATUS_S", 0.0)

    async def said(count: int) -> None:
        async with asyncio.timeout(10):
            while len(broker.said) < count:  # noqa: ASYNC110 - it is published by a call
                await asyncio.sleep(0.001)

    task = asyncio.create_task(broker.voice.run())
    await said(1)
    broker.status = broker.status.model_copy(update={"time": T0, "position_us": 5})
    broker.voice.changed()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(broker.said) == 1, "that time passes is no news"
    broker.status = broker.status.model_copy(update={"pending": 9})
    broker.voice.changed()
    await said(2)
    monkeypatch.setattr(module, "STATUS_AT_LEAST_S", 0.01)
    broker.voice.changed()
    await said(4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {kind for _, kind in broker.kinds} == {"state"}
