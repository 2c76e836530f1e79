"""What a broker has not taken yet, so that a cut line loses no ack and no as-run record.

Retained messages say how things are: of these only the newest on each topic is worth sending. All others are records:
they are kept in order until the broker has taken them, and the oldest is given up when there are too many.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out; the topic is below the root."""

    topic: str
    payload: bytes
    retain: bool


class Outbox:
    """The messages for one broker. Pure: it neither waits nor logs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._held: dict[int, Outgoing] = {}  # in order of arrival
        self._newest: dict[str, int] = {}  # retained topic → its number
        self._records = 0
        self._unsent: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, message: Outgoing) -> Outgoing | None:
        """Keep a message; returns the record that had to be given up for it, if any."""
        self._count += 1
        if message.retain:
            self._held.pop(self._newest.get(message.topic, 0), None)
            self._newest[message.topic] = self._count
        else:
            self._records += 1
        self._held[self._count] = message
        self._unsent.append(self._count)
        if len(self._unsent) > 2 * len(self._held) + 64:  # numbers of replaced states, while nothing is taken for days
            self._unsent = deque(number for number in self._unsent if number in self._held)
        return self._drop_oldest() if self._records > self._limit else None

    def take(self) -> tuple[int, Outgoing] | None:
        """The next message to send, with its number; None when all that is held is on its way."""
        while self._unsent:
            number = self._unsent.popleft()
            if number in self._held:
                return number, self._held[number]
        return None

    def taken(self, number: int) -> None:
        """The broker has answered for this message: forget it."""
        message = self._held.pop(number, None)
        if message is not None and not message.retain:
            self._records -= 1

    def rewind(self) -> None:
        """A new connection: all that is held is to be sent (again), in its order."""
        self._unsent = deque(self._held)

    def _drop_oldest(self) -> Outgoing:
        number = next(number for number, message in self._held.items() if not message.retain)
        self._records -= 1
        return self._held.pop(number)
