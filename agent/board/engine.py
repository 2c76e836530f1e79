"""What a page may see and do: the whole of what stands between it and everything below.

`agent.board.page.install(engine)` adds the page at `/`. Whoever looks at it is an operator or a guest, as
`request.state.role` (see `agent.board.guard`) says; what stands beside the page is `/time`, as
`{"utc_us": …, "error_us": … or null}`, and `/picture/{venue}`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from agent.board.snapshot import Board, Card

Deed = Literal["go", "standby", "hold", "resume", "black", "stop", "panic", "lift", "identify", "picture"]
Role = Literal["operator", "guest"]


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody at the page wants done.

    `line` is the index in the cue list for `go` (None: what is in standby) and for `standby`; `venues` are ids,
    `@group` or `*`; `panic` is the id that a `lift` is for; `to` is what a `panic` shows.
    """

    deed: Deed
    line: int | None = None
    venues: tuple[str, ...] = ("*",)
    panic: str = ""
    to: Literal["black", "slate"] = "black"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an order: `good` and what was sent, or why not, in words with the remedy."""

    good: bool
    text: str
    cue: str = ""


class Engine(Protocol):
    """The board below the page. A new `Board` is made four times a second; reading it costs nothing."""

    @property
    def board(self) -> Board:
        """The newest one. What has not changed is the same object as before (`is`)."""

    def card(self, venue: str) -> Card | None:
        """Everything about one venue, for the venues of a table that is too long for cards; None: unknown."""

    async def changed(self, since: Board) -> Board:
        """Wait until there is another one than `since`, and return it."""

    async def do(self, order: Order, role: Role) -> Done:
        """Do it, or say why not: a guest's order is refused here, whatever the page has drawn."""
