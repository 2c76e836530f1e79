"""Which films a venue wants in its cache, and when its downloads have to rest: pure.

The films of a program that a cue shows now or later are pinned. Those of the newest revision of every other program are
nice to have: somebody may cue it any moment.
"""

from agent.effects import Effect, Fetch, Rest, Wish
from agent.messages import Cue, Play
from agent.planner import World
from agent.programs import Item, Program
from agent.timeline import Timeline
from agent.units import US_PER_S, UtcUs

QUIET_BEFORE_US = 5 * US_PER_S
QUIET_AFTER_US = 1 * US_PER_S
NO_REST = Rest(UtcUs(0), UtcUs(0))


class Wishlist:
    """What is wanted, worked out anew only when cues, programs or what may still be shown have changed."""

    def __init__(self) -> None:
        self.wishes: tuple[Wish, ...] = ()
        self.items: tuple[Item, ...] = ()
        self._changes: tuple[int, bool] | None = None
        self._key: tuple[list[Program], list[Program]] | None = None
        self._until: UtcUs | None = None
        self._rest = NO_REST
        self._around: tuple[UtcUs | None, Cue | None, Program | None] | None = None

    def update(self, world: World, utc: UtcUs | None) -> list[Effect]:
        """What has changed since the last time."""
        return [*self._fetch(world, utc), *self._quiet(world, utc)]

    def _fetch(self, world: World, utc: UtcUs | None) -> list[Effect]:
        changes = (world.agenda.changes, utc is None)
        passed = utc is not None and self._until is not None and utc >= self._until
        known = list(world.programs.values())
        if changes == self._changes and not passed and self._key is not None and self._key[1] == known:
            return []
        self._changes = changes
        self._until = None if utc is None else world.agenda.next_change(utc)
        # Without a clock nobody knows which cues are over.
        cued = world.agenda.programs() if utc is None else world.agenda.programs_ahead(utc)
        pinned = [program for program in map(world.programs.get, cued) if program is not None]
        if (pinned, known) == self._key:  # a further cue of the same programs
            return []
        self._key = (pinned, known)
        newest = {name: program for (name, _), program in sorted(world.programs.items())}
        items = [(item, True) for program in pinned for item in program.items]
        items += [(item, False) for program in newest.values() for item in program.items]
        films: dict[str, Wish] = {}
        for item, is_cued in items:
            encode = world.encode_of(item)
            wish = Wish(encode.sha256, encode.size, item.name, tuple(encode.urls), is_cued)
            films.setdefault(encode.sha256, wish)
        wishes = tuple(films.values())
        self.items = tuple(item for item, _ in items)
        if wishes == self.wishes:
            return []
        self.wishes = wishes
        return [Fetch(wishes)]

    def _quiet(self, world: World, utc: UtcUs | None) -> list[Effect]:
        """Around the instant at which a cue begins that shows a film.

        Not around every cut of a program: a loop of short films would leave no time in which a film could come.
        """
        if utc is None or self._rest.since <= utc < self._rest.until:
            return []
        change = world.agenda.next_change(utc)
        following = world.agenda.wanted_at(change) if change is not None else None
        around = (change, following, world.program_of(following) if following is not None else None)
        if around == self._around:
            return []
        self._around = around
        rest = NO_REST
        if change is not None and following is not None and isinstance(following.do, Play):
            first = _first_film(world, following, following.do, change)
            rest = Rest(UtcUs(change - QUIET_BEFORE_US), UtcUs(change + QUIET_AFTER_US), first)
        if rest == self._rest:
            return []
        self._rest = rest
        return [rest]


def _first_film(world: World, cue: Cue, play: Play, t: UtcUs) -> str:
    """The sha256 of the film that a cue shows at an instant; '' where that is none, or not known."""
    program = world.program_of(cue)
    piece = Timeline(cue, play, program).piece_at(t) if program is not None else None
    return world.encode_of(program.items[piece.item]).sha256 if program and piece and piece.item is not None else ""
