"""What somebody at the wall is answered: who it was, how far the order has got, and what is left undone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_venue import status
from makers import T0, panic_body, uuid_of
from test_config import LEAST
from walls import FakeWall

from agent import localdesk
from agent.config import parse
from agent.effects import Event, LocalOrdered
from agent.local import Peer
from agent.localdesk import LocalDesk
from agent.localwire import Order, Reply
from agent.messages import Refusal
from agent.told import LocalBlack

ROOT, SOMEBODY = Peer(1, 0), Peer(2, 4_000_000_001)
FULL = Refusal(code="journal", detail="the disk is full")


class Counter:
    """A desk at a wall in memory, where hardly any time is given to disk and player."""

    def __init__(self, tmp_path: Path, handle: Callable[[Event], None] | None = None) -> None:
        self.wall = FakeWall()
        self.wall.start_player()
        self.brokers = {"mqtt://a": False, "mqtt://b": True}
        self.desk = LocalDesk(
            parse(LEAST, "agent.toml"),
            tmp_path,
            self.wall.conductor,
            now=self.wall.now,
            status=lambda: status("paris"),
            connected=lambda: self.brokers,
            handle=handle or self.wall.give,
        )

    async def asks(self, want: str, peer: Peer = ROOT, **more: object) -> Reply:
        """The answer."""
        return await self.desk._answer(Order.model_validate({"want": want, **more}), peer)


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter:
    monkeypatch.setattr(localdesk, "SETTLE_S", 0.05)
    return Counter(tmp_path)


async def test_black_and_resume_say_what_was_done_and_by_whom(counter: Counter) -> None:
    reply = await counter.asks("black", by="alice")
    assert reply.black is not None
    assert (reply.refused, reply.black.by, reply.black.since) == (None, "alice (by sudo)", counter.wall.t)
    assert reply.said.startswith("the wall is black;") and "framezero local resume" in reply.said
    again = await counter.asks("black", by="bob")
    assert again.black == reply.black and "already, by the order of alice" in again.said
    assert (await counter.asks("resume")).said == "the wall joins what is cued"
    assert (await counter.asks("resume")).said == "no local black was in force here"
    assert counter.wall.covers == ["black", ""]


async def test_only_root_may_say_for_whom_it_asks(counter: Counter) -> None:
    reply = await counter.asks("black", SOMEBODY, by="root")
    assert reply.black is not None and reply.black.by == "uid 4000000001"


@pytest.mark.parametrize(("hangs", "why"), [(True, "has not answered yet"), (False, "the disk is full")])
async def test_what_is_on_no_disk_is_done_and_said(counter: Counter, hangs: bool, why: str) -> None:
    counter.wall.disk, counter.wall.disk_fault = not hangs, FULL
    reply = await counter.asks("black")
    assert reply.refused is not None and reply.black is not None
    assert (reply.refused.code, "a restart of the agent ends it" in reply.refused.detail) == ("journal", True)
    assert why in reply.refused.detail
    ended = await counter.asks("resume")
    assert ended.refused is not None and "the wall is black again" in ended.refused.detail
    assert counter.wall.covers == ["black", ""]


async def test_without_a_player_nobody_claims_that_the_wall_is_black(tmp_path: Path, counter: Counter) -> None:
    counter.wall.alive = False
    reply = await counter.asks("black")
    assert reply.refused is None and reply.said.startswith("whatever comes on the wall now is black; but look at it")


async def test_a_panic_that_holds_is_named_to_who_gives_the_wall_back(counter: Counter) -> None:
    await counter.asks("black")
    counter.wall.receive("panic", panic_body(50, "black"))
    reply = await counter.asks("resume")
    assert reply.refused is not None and f"--lift {uuid_of(50)}" in reply.refused.detail
    assert counter.wall.covers == ["black"]


async def test_who_is_crossed_by_somebody_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localdesk, "SETTLE_S", 0.05)

    def crossed(event: Event) -> None:
        made.wall.give(event)
        assert isinstance(event, LocalOrdered)
        made.wall.give(LocalOrdered(None if event.black else LocalBlack(by="bob", since=T0)))

    made = Counter(tmp_path, crossed)
    black = await made.asks("black")
    assert black.refused is not None and (black.refused.code, black.black) == ("resumed", None)
    resumed = await made.asks("resume")
    assert resumed.refused is not None and resumed.refused.code == "black"


async def test_status_and_quiet_tell_of_this_wall(counter: Counter) -> None:
    reply = await counter.asks("status")
    assert reply.status is not None and reply.status.state == "slate"
    assert (reply.venue, reply.time) == (LEAST["venue"], counter.wall.t)
    quiet = await counter.asks("quiet")
    assert (quiet.uses, quiet.offline) == ([], False)
    counter.brokers = {"mqtt://a": False}
    await counter.asks("black")
    quiet = await counter.asks("quiet", within_s=5)
    assert ([use.what for use in quiet.uses], quiet.offline) == (["local_black"], True)
