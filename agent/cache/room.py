"""Which films have to go so that another one fits: pure.

Least recently used goes first. What the program of a running or coming cue names is pinned. What only the newest
revision of some program names is nice to have: it goes for a film that is cued, never for one that is nice to have
itself, so that two programs cannot push each other out for ever.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Claim(IntEnum):
    """Who needs a film, the strongest claim on it."""

    NOBODY = 0
    NICE = 1
    CUED = 2


@dataclass(frozen=True, slots=True)
class Held:
    """Something in the cache that takes space. `used` grows with each use; `name` is what the cache calls it."""

    name: str
    size: int
    claim: Claim
    used: int


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes: free on the disk, of which `reserve` must stay so, and taken by the cache, of at most `quota`."""

    free: int
    reserve: int
    used: int
    quota: int


@dataclass(frozen=True, slots=True)
class Shortfall:
    """So many bytes are lacking, whatever goes; `limit` is what forbids them."""

    size: int
    limit: Literal["quota", "reserve"]


def make_room(size: int, claim: Claim, held: Iterable[Held], space: Space) -> Sequence[Held] | Shortfall:
    """What has to go before `size` bytes more may come, in this order; nothing goes where all would not be enough."""
    lacks = {"reserve": size + space.reserve - space.free, "quota": size + space.used - space.quota}
    lack = max(lacks.values())
    going: list[Held] = []
    for one in sorted(held, key=lambda one: (one.claim, one.used, one.name)):
        if lack <= 0:
            break
        if one.size and (one.claim is Claim.NOBODY or one.claim < claim):
            going.append(one)
            lack -= one.size
    if lack <= 0:
        return going
    return Shortfall(lack, "reserve" if lacks["reserve"] >= lacks["quota"] else "quota")
