"""One configured server at work: where it is, when it is asked next, what is wrong with it. Pure."""

from collections.abc import Sequence

from agent.clock.pace import Pace
from agent.clock.sample import Address
from agent.units import RawNs

MISSES_BEFORE_MOVE = 3
"""So many questions in a row have to stay unanswered before the name is looked up again, or another address tried.

An address that answers stays: each look-up of a pool's name leads to another server, whose line has to be learnt anew.
"""


class Server:
    """One name of the configuration, with the addresses behind it; the first of them is asked."""

    def __init__(self, name: str, host: str, port: int, ours: bool, salt: str) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.pace = Pace(ours, f"{salt}:{name}")
        self.addresses: tuple[Address, ...] = ()
        self.answered: Address | None = None
        self.unknown = True
        """Its name has to be looked up before it is asked again."""
        self.double_of: str | None = None
        """Another name leads to the same server, and that one has the vote."""
        self.due = RawNs(0)
        self.busy = False
        self.stopped = False
        self.misses = 0
        self.told: str | None = None
        self._tried = 0

    @property
    def address(self) -> Address | None:
        """The address that is asked now."""
        return self.addresses[0] if self.addresses else None

    def found(self, addresses: Sequence[Address]) -> None:
        """Take what the name stands for now; an address that is in use and still among them stays in use."""
        self.unknown = False
        current = self.address
        if set(addresses) != set(self.addresses):
            self._tried = 0
        self.addresses = tuple(addresses)
        if current in addresses and current is not None:
            self.turn_to(current)

    def turn_to(self, address: Address) -> None:
        """Ask at this one of its addresses from now on."""
        self.addresses = (address, *(other for other in self.addresses if other != address))

    def wait(self, seconds: float, now: RawNs) -> None:
        """Ask it again in so many seconds."""
        self.due = RawNs(now + round(seconds * 1e9))

    def missed(self, code: str, now: RawNs) -> None:
        """No sample came: slower from now on, and after some misses another address, or the same looked up anew."""
        seconds = self.pace.after(code)
        if not code.startswith("kiss_"):  # who sends a kiss is there
            self.misses += 1
            # What never answered is given up at once while there are others: half of the world's IPv6 leads nowhere.
            untried = self.answered is None and self._tried + 1 < len(self.addresses)
            if untried or self.misses >= MISSES_BEFORE_MOVE:
                self.addresses = (*self.addresses[1:], *self.addresses[:1])
                self._tried += 1
                self.misses = 0
                self.unknown = not untried
            if untried:
                seconds = 0.0
        self.wait(seconds, now)

    def again(self, now: RawNs) -> None:
        """Begin with the burst anew, now."""
        if not self.stopped:
            self.pace.again()
            # Never sooner than it asked for itself.
            self.wait(self.pace.floor_s, now)
