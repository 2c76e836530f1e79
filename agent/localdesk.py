"""What the agent answers to those at the wall, who ask through its local socket."""

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

import structlog

from agent.clock.kernel import raw_now_ns
from agent.conductor import Conductor
from agent.config import Config
from agent.effects import Now
from agent.local import LocalSocket, Peer
from agent.localwire import MOST_AGE_NS, Order, Reply
from agent.told import Status

log = structlog.get_logger()


class LocalDesk:
    """One agent's desk at the wall."""

    def __init__(
        self,
        config: Config,
        runtime: Path,
        conductor: Conductor,
        now: Callable[[], Now],
        status: Callable[[], Status],
        connected: Callable[[], dict[str, bool]],
    ) -> None:
        self._config = config
        self._conductor = conductor
        self._now = now
        self._status = status
        self._connected = connected
        self.socket = LocalSocket(runtime, config.state_dir, self._answer)

    async def _answer(self, order: Order, peer: Peer) -> Reply | None:
        if order.sent_ns is not None and raw_now_ns() - order.sent_ns > MOST_AGE_NS:
            log.warning("local order is too old, and dropped: the agent hung", want=order.want, uid=peer.uid)
            return None
        match order.want:
            case "status":
                return self._told()
            case "quiet":
                uses = self._conductor.uses(self._now(), order.within_s)
                return self._reply(uses=uses, offline=not any(self._connected().values()))
            case "black" | "resume":
                return None
            case _:
                assert_never(order.want)

    def _told(self) -> Reply:
        now = self._now()
        scene = self._conductor.snapshot(now)
        return self._reply(status=self._status(), film=scene.film, next_program=scene.next_program)

    def _reply(self, **more: object) -> Reply:
        reply = Reply(venue=self._config.venue, timezone=self._config.timezone, time=self._now().utc)
        return reply.model_copy(update=more)
