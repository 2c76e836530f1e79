"""What the agent answers to those at the wall, who ask through its local socket."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

import structlog

from agent import __version__
from agent.conductor import Conductor
from agent.config import Config
from agent.effects import Event, LocalOrdered, Now
from agent.local import LocalSocket, Peer
from agent.localblack import Standing
from agent.localwire import Order, Reply
from agent.messages import Refusal
from agent.told import LocalBlack, Status

log = structlog.get_logger()

SETTLE_S = 2.0
"""So long a disk may take, and a player that is being replaced, before it is said how far things have got."""
LOOK_S = 0.01


class LocalDesk:
    """One agent's desk at the wall: `socket` has to be run."""

    def __init__(
        self,
        config: Config,
        runtime: Path,
        conductor: Conductor,
        *,
        now: Callable[[], Now],
        status: Callable[[], Status],
        connected: Callable[[], dict[str, bool]],
        handle: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._conductor = conductor
        self._now = now
        self._status = status
        self._connected = connected
        self._handle = handle
        self.socket = LocalSocket(runtime, config.state_dir, self._answer)

    async def _answer(self, order: Order, peer: Peer) -> Reply:
        by = f"{order.by} (by sudo)" if order.by and peer.uid == 0 else peer.name
        match order.want:
            case "status":
                scene = self._conductor.snapshot(self._now())
                return self._reply(status=self._status(), film=scene.film, next_program=scene.next_program)
            case "quiet":
                uses = self._conductor.uses(self._now(), order.within_s)
                return self._reply(uses=uses, offline=not any(self._connected().values()))
            case "black":
                log.warning("local order", want=order.want, by=by, uid=peer.uid, pid=peer.pid)
                before = self._conductor.standing().black
                self._handle(LocalOrdered(LocalBlack(by=by, since=self._now().utc)))
                return self._blackened(before, await self._settled(dark=True))
            case "resume":
                log.warning("local order", want=order.want, by=by, uid=peer.uid, pid=peer.pid)
                before = self._conductor.standing().black
                self._handle(LocalOrdered(None))
                return self._resumed(before, await self._settled(dark=False))
            case _:
                assert_never(order.want)

    async def _settled(self, *, dark: bool) -> Standing:
        """How far it has got once the journal has answered and, with `dark`, the wall is covered, or the time is up."""
        end = asyncio.get_running_loop().time() + SETTLE_S
        while True:
            standing = self._conductor.standing()
            done = not standing.waiting and (standing.dark or not dark)
            if done or asyncio.get_running_loop().time() > end:
                return standing
            await asyncio.sleep(LOOK_S)

    def _blackened(self, before: LocalBlack | None, now: Standing) -> Reply:
        if now.black is None:
            return self._reply(
                refused=Refusal(code="resumed", detail="somebody else has given the wall back meanwhile")
            )
        said = f"the wall was black already, by the order of {before.by}" if before else "the wall is black"
        if not now.dark:
            why = now.fault.detail if now.fault is not None else "its player has not said yet that it is black"
            said = f"whatever comes on the wall now is black; but look at it: {why}"
        said += "; it stays so, over a reboot too, until: sudo framezero local resume"
        return self._reply(said=said, black=now.black, refused=_unkept(now, "a restart of the agent ends it"))

    def _resumed(self, before: LocalBlack | None, now: Standing) -> Reply:
        if now.black is not None:
            return self._reply(refused=Refusal(code="black", detail="somebody else has it black again meanwhile"))
        said = "the wall joins what is cued" if before is not None else "no local black was in force here"
        if now.panic is not None:
            detail = f"panic {now.panic} still holds here; an operator ends it: framezero cue panic --lift {now.panic}"
            return self._reply(said=said, refused=Refusal(code="panic", detail=detail))
        return self._reply(said=said, refused=_unkept(now, "after a restart of the agent the wall is black again"))

    def _reply(self, **more: Any) -> Reply:
        reply = Reply(venue=self._config.venue, timezone=self._config.timezone, agent=__version__, time=self._now().utc)
        return reply.model_copy(update=more)


def _unkept(now: Standing, what: str) -> Refusal | None:
    """That an order was carried out and is on no disk."""
    if now.unkept is not None:
        return Refusal(code=now.unkept.code, detail=f"{what}: {now.unkept.detail}")
    if now.waiting:
        return Refusal(code="journal", detail=f"{what}: the disk of state_dir has not answered yet")
    return None
