"""Who may look and who may act: tokens, what a browser keeps of them, and how often somebody may guess. Pure.

A browser keeps not the token but something that only its holder can have made: it survives a restart of the board with
the same token, and dies with it.
"""

import hashlib
import hmac
from dataclasses import dataclass

from agent.board.engine import Role

LEAST_CHARS = 16
GUESSES = 5
PER_S = 60.0
REMEMBERED = 1000
_COOKIE = b"framezero board, kept by a browser"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token of each role; an empty one lets nobody in."""

    operator: str
    guest: str

    def role_of(self, token: str) -> Role | None:
        """Whose token this is; None: nobody's."""
        return self._match(token, self.operator, self.guest)

    def kept(self, role: Role) -> str:
        """What the browser of somebody with this role keeps."""
        return _derived(self.operator if role == "operator" else self.guest)

    def role_by_kept(self, value: str) -> Role | None:
        """Whose browser this is; None: nobody's."""
        return self._match(value, *(_derived(token) if token else "" for token in (self.operator, self.guest)))

    @staticmethod
    def _match(given: str, operator: str, guest: str) -> Role | None:
        # Both are always compared, in a time that tells nothing of how much of them is right.
        data = given.encode("utf-8", "surrogateescape")
        is_operator = hmac.compare_digest(data, operator.encode()) and operator != ""
        is_guest = hmac.compare_digest(data, guest.encode()) and guest != ""
        return "operator" if is_operator else "guest" if is_guest else None


def _derived(token: str) -> str:
    return hmac.new(token.encode(), _COOKIE, hashlib.sha256).hexdigest()


class Guesses:
    """At most `GUESSES` wrong tokens a minute from one address; of the addresses the newest are remembered."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, float]] = {}  # address → how many since when

    def wait_s(self, address: str, now_s: float) -> float:
        """How long nothing from there is looked at; 0: it may try."""
        count, since_s = self._wrong.get(address, (0, now_s))
        return max(0.0, since_s + PER_S - now_s) if count >= GUESSES else 0.0

    def wrong(self, address: str, now_s: float) -> None:
        """Count one that was wrong."""
        count, since_s = self._wrong.pop(address, (0, now_s))
        if now_s - since_s >= PER_S:
            count, since_s = 0, now_s
        self._wrong[address] = (count + 1, since_s)
        if len(self._wrong) > REMEMBERED:
            del self._wrong[next(iter(self._wrong))]


def read_tokens(text: str) -> Tokens | str:
    """The tokens of a file: the operator's on the first line, the guests' on the second, if there is one.

    Returns the fault, in words, where they are of no use.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not 1 <= len(lines) <= 2:
        return f"{len(lines)} lines; write the operator's token on the first, the guests' on the second (if any)"
    for number, token in enumerate(lines, 1):
        if len(token) < LEAST_CHARS or not token.isascii() or not token.isprintable() or " " in token:
            return f"token {number} is too short or odd; {LEAST_CHARS} letters and digits at least"
    if len(set(lines)) < len(lines):
        return "both tokens are the same, so that every guest would be an operator; write two"
    return Tokens(lines[0], lines[1] if len(lines) == 2 else "")
