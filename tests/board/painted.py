"""The page over a made-up show, as a process: for tests that look at it in a browser.

`python painted.py PORT`: orders are told on standard output, a JSON line each; a JSON line on standard input says what
the show is to be like: `{"venues": 1000, "panic": true, "hostile": true, "refuse": "…", "standby": 4}`.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_type_hints

from plausible import PlausibleEngine, plausible

from agent.board import page
from agent.board.engine import Done, Order, Role
from agent.board.server import application, bind, guarded, serving
from agent.board.snapshot import Board, BoundPoint, ErrorPoint, Picture
from agent.board.tokens import Tokens
from agent.units import US_PER_S, UtcUs

OPERATOR, GUEST = "operator-token-0123456789", "guest-token-0123456789"
HOSTILE = "<img src=x onerror='window.pwned=1'>{{window.pwned=1}}<script>window.pwned=1</script>"


def utc_now() -> UtcUs:
    return UtcUs(time.time_ns() // 1000)


class Painted(PlausibleEngine):
    """A show that moves on in real time, and takes orders; `wanted` is the newest line from outside."""

    def __init__(self) -> None:
        super().__init__(5)
        self.wanted: dict[str, Any] = {}
        self.watching = 0
        self.paint()

    def paint(self) -> None:
        board = plausible(self.wanted.get("venues", 5), utc_now(), panic=self.wanted.get("panic", False))
        deck = replace(board.deck, standby=self.wanted.get("standby", board.deck.standby))
        if self.wanted.get("gap"):
            deck = replace(deck, gap_until_us=UtcUs(board.now_us + 2 * US_PER_S))
        self.board = hostile(replace(board, deck=deck)) if self.wanted.get("hostile") else replace(board, deck=deck)

    async def changed(self, since: Board) -> Board:
        self.watching += 1
        try:
            return await self._changed(since)
        finally:
            self.watching -= 1

    async def _changed(self, since: Board) -> Board:
        await asyncio.sleep(0.25 if self.wanted.get("venues", 5) < 50 else 1)
        if self.board is since:
            self.paint()
        return self.board

    async def do(self, order: Order, role: Role) -> Done:
        if role == "guest":
            return Done(False, "a guest only looks; open the page with the operator's address")
        sys.stdout.write(json.dumps(asdict(order)) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(self.wanted.get("slow_s", 0))
        if "refuse" in self.wanted:
            return Done(False, self.wanted["refuse"])
        return Done(True, f"{order.deed} is out")


_hints = cache(get_type_hints)


def hostile(found: Any, said: object = str) -> Any:
    """The same with an enemy's text before every text that is not one of a few words of ours (`said`: its type)."""
    if is_dataclass(found) and not isinstance(found, type):
        hints = _hints(type(found))
        texts = {one.name: hostile(getattr(found, one.name), hints[one.name]) for one in fields(found)}
        if "stage" in texts:
            texts["stage"] = "missed"  # so that there is something to be said of it
        return replace(found, **texts)
    kinds = get_args(said)
    if isinstance(found, str):
        return HOSTILE + found if said is str or str in kinds else found
    if isinstance(found, ErrorPoint | BoundPoint):
        return found
    if isinstance(found, Picture):
        return replace(found, tag="", refused=HOSTILE)  # the tag is made here, and a picture that is not there costs
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        hints = _hints(type(found))
        return type(found)(*(hostile(one, hints[name]) for name, one in zip(found._fields, found, strict=True)))
    if isinstance(found, tuple):
        return tuple(hostile(one, kinds[0]) for one in found)
    if isinstance(found, Mapping):
        return {HOSTILE + key: hostile(one, kinds[1]) for key, one in found.items()}
    return found


class NoPictures:
    """There are none."""

    def jpeg(self, venue: str) -> tuple[str, bytes] | None:
        return None


async def main(port: int) -> None:
    engine = Painted()
    app = application(engine, page.install, lambda: (utc_now(), 8900), NoPictures())
    guard = guarded(app, Tokens(OPERATOR, GUEST), frozenset(), port, secure=False)
    async with serving(guard, bind("127.0.0.1", port), None):
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            engine.wanted = json.loads(line)
            if engine.wanted.get("count"):
                sys.stdout.write(json.dumps({"deed": "count", "watching": engine.watching}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
