"""What is told of messages that are refused, so that whoever sends rubbish fills neither log, outbox nor memory: pure.

Each refused message is told once (a retained one comes again with every reconnect), and of each kind at most
`BURST` at once and `PER_MINUTE` on the average. What is beyond that is counted, and said in one line a minute.
"""

from hashlib import sha256

from agent.effects import Effect, Note, Now

KEPT = 1000
PER_MINUTE = 60
BURST = 30
_NS_PER_MINUTE = 60_000_000_000


class Refusals:
    """The refusals of one venue. A kind is what was refused: `cue`, `program`, `panic`, `topic`."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}  # in the order in which they came
        self._allowance: dict[str, float] = {}
        self._counted_ns: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}
        self._since_ns = 0

    def tell(self, kind: str, payload: bytes, now: Now, *, where: str = "") -> bool:
        """Whether this refusal is to be told: it is new, and there were not too many; `where` is its topic."""
        mark = sha256(f"{kind} {len(where)} {where}".encode() + payload).hexdigest()
        if mark in self._seen:
            return False
        if not self._admit(kind, now.raw):
            # Not remembered: when it comes again in a quieter moment it is told.
            self._since_ns = self._since_ns if self._suppressed else now.raw
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return False
        self._seen[mark] = None
        if len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]
        return True

    def summary(self, now: Now) -> list[Effect]:
        """How many refusals of each kind were not told, a minute after the first of them."""
        if not self._suppressed or now.raw - self._since_ns < _NS_PER_MINUTE:
            return []
        told: list[Effect] = [
            Note("warning", f"{kind} refused, and not told one by one: too many", (("kind", kind), ("count", count)))
            for kind, count in self._suppressed.items()
        ]
        self._suppressed = {}
        return told

    def forget(self) -> None:
        """What was refused is judged anew, and told anew."""
        self._seen.clear()

    def _admit(self, kind: str, raw_ns: int) -> bool:
        gained = (raw_ns - self._counted_ns.get(kind, raw_ns)) * PER_MINUTE / _NS_PER_MINUTE
        allowance = min(float(BURST), self._allowance.get(kind, float(BURST)) + gained)
        self._counted_ns[kind] = raw_ns
        self._allowance[kind] = allowance - 1.0 if allowance >= 1.0 else allowance
        return allowance >= 1.0
