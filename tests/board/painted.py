"""The page over a made-up show, as a process: for tests that look at it in a browser.

`python painted.py PORT`: orders are told on standard output, a JSON line each; a JSON line on standard input says what
the show is to be like: `{"venues": 1000, "panic": true, "hostile": true, "refuse": "…", "standby": 4}`.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, replace
from typing import Any

from plausible import PlausibleEngine, plausible

from agent.board import page
from agent.board.engine import Done, Order, Role
from agent.board.server import application, bind, guarded, serving
from agent.board.snapshot import Board
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
        self.paint()

    def paint(self) -> None:
        board = plausible(self.wanted.get("venues", 5), utc_now(), panic=self.wanted.get("panic", False))
        deck = replace(board.deck, standby=self.wanted.get("standby", board.deck.standby))
        if self.wanted.get("gap"):
            deck = replace(deck, gap_until_us=UtcUs(board.now_us + 2 * US_PER_S))
        self.board = hostile(replace(board, deck=deck)) if self.wanted.get("hostile") else replace(board, deck=deck)

    async def changed(self, since: Board) -> Board:
        await asyncio.sleep(0.25 if self.wanted.get("venues", 5) < 100 else 1)
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


def hostile(board: Board) -> Board:
    """The same with an enemy's text wherever a text can come from outside."""
    rows = tuple(replace(row, reason=HOSTILE, program=HOSTILE, state=HOSTILE, zone=HOSTILE) for row in board.rows)
    cards = {
        row.venue: replace(board.cards[row.venue], row=row, silence=HOSTILE, decoder=HOSTILE)
        for row in rows
        if row.venue in board.cards
    }
    coming = tuple(
        replace(
            cue,
            label=HOSTILE,
            what=HOSTILE,
            by=HOSTILE,
            told=tuple(
                replace(told, venue=HOSTILE, reason=HOSTILE, detail=HOSTILE, stage="missed") for told in cue.told
            ),
        )
        for cue in board.coming
    )
    lines = tuple(replace(line, name=HOSTILE, what=HOSTILE, note=HOSTILE) for line in board.deck.lines)
    return replace(
        board,
        show=HOSTILE,
        rows=rows,
        cards=cards,
        coming=coming,
        deck=replace(board.deck, lines=lines, file=HOSTILE),
        alarms=tuple(replace(alarm, text=HOSTILE, remedy=HOSTILE, venue=HOSTILE) for alarm in board.alarms),
        said=tuple(replace(said, what=HOSTILE, by=HOSTILE) for said in board.said),
        warnings=(HOSTILE,),
    )


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


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
