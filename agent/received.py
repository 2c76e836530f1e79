"""A message as a broker brings it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came; `retained` says that it was kept by the broker from before the subscription."""

    topic: str
    payload: bytes
    retained: bool
    url: str
