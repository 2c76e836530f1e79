"""Cues → the one cue that a venue shows at an instant, and when that changes.

The state at t is the cue with the greatest `(at, cue)` among those with `at ≤ t < expires` that no cancel with
`at ≤ t` names; none means the slate. So neither the order of arrival nor duplicates can change it. From its own
`expires` on a cancel exists for nobody either, and what it named counts again. A cancel cannot be taken back: one that
names another cancel changes nothing.

Each cue counts in one stretch from its instant to its end, or to the first cancel that names it. Only a cancel that
ends before its cue leaves a further stretch behind it. The first stretches stand in the order of `(at, cue)`, so that
what holds, what comes next and what is pending are found by bisection, however many cues wait.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from agent.messages import Cancel, Cue, Identify, Play
from agent.units import UtcUs

STATELESS = (Cancel, Identify)
"""Actions that no wall can be in: they are never the cue that holds, and none is superseded by another."""

ProgramKey = tuple[str, int]
_Place = tuple[UtcUs, str]


def program_key(cue: Cue) -> ProgramKey:
    """The program and revision that a play cue pins."""
    assert isinstance(cue.do, Play), "only play cues have a program"
    return cue.do.program, cue.do.rev


class Agenda:
    """The cues that count at one venue, each id once. `changes` grows with everything that is put in or taken out.

    With n cues a question costs O(log n), and as many steps as cues began before the instant, with a greater `(at,
    cue)` than what holds, and are over. Taking a cue in moves at most n entries of a list, which costs microseconds.
    """

    def __init__(self, cues: Iterable[Cue] = ()) -> None:
        self.changes = 0
        self._cues: dict[str, Cue] = {}
        self._begins: list[_Place] = []  # where the first stretch of each cue begins that has one at its own instant
        self._ends: dict[str, UtcUs] = {}  # and where that ends
        self._later: list[tuple[UtcUs, UtcUs, str]] = []  # further stretches: from, until, cue
        self._cancels: dict[str, dict[str, Cue]] = {}  # named cue → the cancels that name it, by their own ids
        self._overlays: list[_Place] = []  # identify cues
        self._plays: dict[ProgramKey, list[_Place]] = {}
        self._expiries: list[_Place] = []
        for cue in cues:
            self.put(cue)

    def __len__(self) -> int:
        return len(self._cues)

    def __iter__(self) -> Iterator[Cue]:
        return iter(self._cues.values())

    def get(self, cue_id: str) -> Cue | None:
        """The cue of an id; None where none is known."""
        return self._cues.get(cue_id)

    def put(self, cue: Cue) -> None:
        """Take a cue in, in place of what stood under its id."""
        if self._cues.get(cue.cue) == cue:
            return
        self.drop(cue.cue)
        self.changes += 1
        self._cues[cue.cue] = cue
        insort(self._expiries, (cue.expires, cue.cue))
        match cue.do:
            case Cancel(cue=named):
                self._cancels.setdefault(named, {})[cue.cue] = cue
                self._lay_out(named)
            case Identify():
                insort(self._overlays, (cue.at, cue.cue))
            case Play():
                insort(self._plays.setdefault(program_key(cue), []), (cue.at, cue.cue))
        self._lay_out(cue.cue)

    def drop(self, cue_id: str) -> None:
        """Take a cue out, if it is there."""
        cue = self._cues.pop(cue_id, None)
        if cue is None:
            return
        self.changes += 1
        _remove(self._expiries, (cue.expires, cue_id))
        self._clear(cue)
        match cue.do:
            case Cancel(cue=named):
                del self._cancels[named][cue_id]
                if not self._cancels[named]:
                    del self._cancels[named]
                self._lay_out(named)
            case Identify():
                _remove(self._overlays, (cue.at, cue_id))
            case Play():
                places = self._plays[program_key(cue)]
                _remove(places, (cue.at, cue_id))
                if not places:
                    del self._plays[program_key(cue)]

    def expire(self, t: UtcUs) -> list[str]:
        """Take out every cue whose time is over at `t`; their ids."""
        over = [cue_id for _, cue_id in self._expiries[: bisect_left(self._expiries, _behind(t))]]
        for cue_id in over:
            self.drop(cue_id)
        return over

    # --- questions ----------------------------------------------------------------------------

    def wanted_at(self, t: UtcUs) -> Cue | None:
        """The cue that holds at an instant; None means the slate."""
        place = self._holding(t)
        return self._cues[place[1]] if place else None

    def next_change(self, t: UtcUs) -> UtcUs | None:
        """The first instant after `t` at which another cue holds; None when nothing more is known to change."""
        holding = self._holding(t)
        following = bisect_left(self._begins, _behind(t))
        ahead = [self._begins[following][0]] if following < len(self._begins) else []
        if holding:
            ahead.append(self._until(holding[1], t))
        ahead += [
            begin
            for begin, _, cue_id in self._later
            if begin > t and (holding is None or (self._cues[cue_id].at, cue_id) > holding)
        ]
        return min(ahead, default=None)

    def pending(self, t: UtcUs) -> Iterator[Cue]:
        """Cues that are still to come, change what is shown, and are not taken back at their instant; soonest first."""
        for index in range(bisect_left(self._begins, _behind(t)), len(self._begins)):
            yield self._cues[self._begins[index][1]]

    def count_pending(self, t: UtcUs) -> int:
        """How many cues are pending."""
        return len(self._begins) - bisect_left(self._begins, _behind(t))

    def cancelled(self, cue_id: str, t: UtcUs) -> bool:
        """Whether a cue is taken back at an instant, be it known here or not."""
        cue = self._cues.get(cue_id)
        if cue is not None and isinstance(cue.do, Cancel):
            return False
        return any(cancel.at <= t < cancel.expires for cancel in self.cancels_of(cue_id))

    def cancels_of(self, cue_id: str) -> Iterable[Cue]:
        """The cancels that name a cue."""
        return self._cancels.get(cue_id, {}).values()

    def overlays(self, t: UtcUs) -> Iterator[Cue]:
        """Identify cues that begin after `t`, taken back or not, soonest first."""
        for index in range(bisect_left(self._overlays, _behind(t)), len(self._overlays)):
            yield self._cues[self._overlays[index][1]]

    def programs(self) -> list[ProgramKey]:
        """The programs that are cued at all, in the order of their first cues."""
        return sorted(self._plays, key=lambda key: self._plays[key][0])

    def programs_pending(self, t: UtcUs) -> list[ProgramKey]:
        """The programs of pending cues, in the order of the first of these."""
        found = []
        for key, places in self._plays.items():
            ahead = range(bisect_left(places, _behind(t)), len(places))
            first = next((places[index] for index in ahead if places[index][1] in self._ends), None)
            if first is not None:
                found.append((first, key))
        return [key for _, key in sorted(found)]

    def programs_ahead(self, t: UtcUs) -> list[ProgramKey]:
        """The programs of cues that hold at an instant or at a later one; of the one that holds first, then of pending
        ones, then of those that come back when later ones are over.
        """
        back = self._coming_back(t)
        keys = [program_key(cue) for cue in back[:1] if isinstance(cue.do, Play)] + self.programs_pending(t)
        return list(dict.fromkeys([*keys, *(program_key(cue) for cue in back if isinstance(cue.do, Play))]))

    # --- stretches ----------------------------------------------------------------------------

    def _holding(self, t: UtcUs) -> _Place | None:
        best: _Place | None = None
        for index in range(bisect_left(self._begins, _behind(t)) - 1, -1, -1):
            if self._ends[self._begins[index][1]] > t:
                best = self._begins[index]
                break
        for begin, until, cue_id in self._later:
            place = (self._cues[cue_id].at, cue_id)
            if begin <= t < until and (best is None or place > best):
                best = place
        return best

    def _coming_back(self, t: UtcUs) -> list[Cue]:
        """The cues that began by `t` and hold then or later, the one that holds at `t` first, if one does."""
        found = []
        ahead = bisect_left(self._begins, _behind(t))
        covered = t  # until here greater cues hold from `t` on, without a gap
        for index in range(bisect_left(self._begins, _behind(t)) - 1, -1, -1):
            end = self._ends[self._begins[index][1]]
            while ahead < len(self._begins) and self._begins[ahead][0] <= covered:
                covered = max(covered, self._ends[self._begins[ahead][1]])
                ahead += 1
            if end > covered:
                found.append(self._cues[self._begins[index][1]])
                covered = end
        # Further stretches are rare: it does no harm to take one for shown that is not.
        return [*found, *(self._cues[cue_id] for _, until, cue_id in self._later if until > t)]

    def _until(self, cue_id: str, t: UtcUs) -> UtcUs:
        """Where the stretch of a cue ends that holds at `t`."""
        if self._ends.get(cue_id, t) > t:
            return self._ends[cue_id]
        return next(until for begin, until, of in self._later if of == cue_id and begin <= t < until)

    def _lay_out(self, cue_id: str) -> None:
        """Find the stretches of a cue anew; what is not known, or changes nothing that is shown, has none."""
        cue = self._cues.get(cue_id)
        if cue is None or isinstance(cue.do, STATELESS):
            return
        self._clear(cue)
        begin = cue.at
        for cancel in [*sorted(self.cancels_of(cue_id), key=lambda cancel: cancel.at), None]:
            until = min(cancel.at, cue.expires) if cancel else cue.expires
            if begin < until and begin == cue.at:
                insort(self._begins, (cue.at, cue_id))
                self._ends[cue_id] = until
            elif begin < until:
                insort(self._later, (begin, until, cue_id))
            if cancel:
                begin = max(begin, cancel.expires)

    def _clear(self, cue: Cue) -> None:
        if self._ends.pop(cue.cue, None) is not None:
            _remove(self._begins, (cue.at, cue.cue))
        self._later = [stretch for stretch in self._later if stretch[2] != cue.cue]


def _behind(t: UtcUs) -> _Place:
    """The place before all that comes after an instant, and behind all at it."""
    return UtcUs(t + 1), ""


def _remove(places: list[_Place], place: _Place) -> None:
    del places[bisect_left(places, place)]
