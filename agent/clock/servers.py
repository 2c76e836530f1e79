"""One configured server at work: where it is, when it is asked next, what is wrong with it. Pure."""

from collections.abc import Sequence

from agent.clock.pace import Pace
from agent.clock.sample import Address
from agent.units import RawNs

LOOKUP_S = 3600.0
"""A name is looked up again so often, even while its address answers: servers move, and names with them."""

MISSES_BEFORE_MOVE = 3
"""So many questions in a row have to stay unanswered before another address of the same name is tried."""


class Server:
    """One name of the configuration, with the addresses behind it."""

    def __init__(self, name: str, host: str, port: int, ours: bool, salt: str) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.ours = ours
        self.pace = Pace(ours, f"{salt}:{name}")
        self.addresses: tuple[Address, ...] = ()
        self.answered: Address | None = None
        self.looked_up: RawNs | None = None
        self.due = RawNs(0)
        self.busy = False
        self.stopped = False
        self.misses = 0
        self.told: str | None = None

    @property
    def address(self) -> Address | None:
        """The address that is asked now."""
        return self.addresses[0] if self.addresses else None

    def needs_lookup(self, now: RawNs) -> bool:
        """Whether its name has to be looked up before it is asked again."""
        if not self.addresses or self.looked_up is None:
            return True
        return (now - self.looked_up) / 1e9 > LOOKUP_S

    def found(self, addresses: Sequence[Address], now: RawNs) -> None:
        """Take what the name stands for now; an address that is in use and still among them stays in use."""
        self.looked_up = now
        current = self.address
        rest = [address for address in addresses if address != current]
        self.addresses = (current, *rest) if current in addresses and current is not None else tuple(rest)

    def wait(self, seconds: float, now: RawNs) -> None:
        """Ask it again in so many seconds."""
        self.due = RawNs(now + round(seconds * 1e9))

    def missed(self, code: str, now: RawNs) -> None:
        """No sample came: slower from now on, and another address after some misses."""
        self.misses += 1
        seconds = self.pace.after(code)
        # What never answered is given up at once while there are others: half of the IPv6 of this world leads nowhere.
        if len(self.addresses) > 1 and self.answered is None:
            self.addresses = self.addresses[1:]
            seconds = 0.0
        elif self.misses >= MISSES_BEFORE_MOVE:
            self.addresses = self.addresses[1:]
            self.misses = 0
        self.wait(seconds, now)

    def again(self, now: RawNs) -> None:
        """Begin with the burst anew, now."""
        if not self.stopped:
            self.pace.again()
            # Never sooner than it asked for itself.
            self.wait(self.pace.floor_s, now)
