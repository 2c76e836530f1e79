"""From everything known to the next starts of the wall: pure.

The current picture is compared with what the timeline wants; where they differ the wall joins, at a frame that is due
a little later. Behind that stand the starts that the timeline has next, so that the player always knows two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from agent.contents import Contents, mismatch
from agent.localblack import black_short
from agent.messages import Cue, Panic, Play, Refusal
from agent.player.wire import Start
from agent.programs import Item, Program, Variant
from agent.schedule import Agenda, ProgramKey, program_key
from agent.timeline import Piece, Timeline, still
from agent.told import LocalBlack
from agent.units import US_PER_S, UtcUs, parse_rate

STARTS_AHEAD = 2
STILL_LEAD_US = 100_000
PREPARE_US = 500_000


@dataclass(frozen=True, slots=True)
class Film:
    """What the cache says of one film, as in agent.effects.FilmHeard."""

    path: str | None
    refusal: Refusal | None
    contents: Contents | None = None


@dataclass(frozen=True, slots=True)
class Billed:
    """A start with what it is for. `short` says why it is the slate in place of the film that was wanted."""

    start: Start
    cue: Cue | None
    piece: Piece
    short: Refusal | None

    @property
    def key(self) -> tuple[Cue | None, int, str, str]:
        """What tells one picture from another: the cue, the item in its run, and what is really shown."""
        return (self.cue, self.piece.ordinal, self.start.kind, self.start.path)


@dataclass(frozen=True, slots=True)
class World:
    """All that a plan depends on.

    `clock_short` is set where the clock is too bad for a new film to start; where `joining_from` is set too, that
    counts only for cues from that instant on: those that have begun are joined. `panic` outranks every cue, and
    `local_black` both. `conflicts`: programs that other walls may know otherwise.
    """

    agenda: Agenda
    programs: Mapping[ProgramKey, Program]
    films: Mapping[str, Film]
    venue: str
    groups: tuple[str, ...]
    slate: str
    clock_short: Refusal | None
    joining_from: UtcUs | None = None
    panic: Panic | None = None
    conflicts: Mapping[ProgramKey, Refusal] = field(default_factory=dict)
    local_black: LocalBlack | None = None

    @property
    def instead(self) -> Literal["black", "slate"] | None:
        """What is shown in the place of every cue; None where cues are."""
        if self.local_black is not None:
            return "black"
        return self.panic.to if self.panic is not None else None

    @property
    def hidden_short(self) -> Refusal | None:
        """Why no cue can be shown, whatever it plays; None where they can."""
        return self.panic_short or self.local_short

    @property
    def local_short(self) -> Refusal | None:
        """Why no cue can be shown while somebody at the wall has it black; None while nobody has."""
        return black_short(self.local_black)

    @property
    def panic_short(self) -> Refusal | None:
        """Why no cue can be shown while a panic holds; None while none does."""
        if self.panic is None:
            return None
        own = self.panic.panic
        detail = f"panic {own} holds; the wall joins what is cued once 'framezero cue panic --lift {own}' ends it"
        return Refusal(code="panic", detail=detail)

    def program_of(self, cue: Cue) -> Program | None:
        """The program that a play cue pins, when it is known."""
        return self.programs.get(program_key(cue)) if isinstance(cue.do, Play) else None

    def held_back(self, cue: Cue) -> Refusal | None:
        """Why the films of a cue that does not run here yet may not start as the clock is; None where they may."""
        return None if self.joining_from is not None and cue.at < self.joining_from else self.clock_short

    def encode_of(self, item: Item) -> Item | Variant:
        """The encode of an item that this venue plays."""
        return item.for_venue(self.venue, self.groups)

    def misfit(self, item: Item) -> Refusal | None:
        """Why the film that the cache has of an item is not the one that the item describes; None where it is."""
        encode = self.encode_of(item)
        film = self.films.get(encode.sha256)
        return mismatch(film.contents, item, encode) if film and film.path and film.contents else None

    def film(self, item: Item) -> Film:
        """What the cache has of an item; a film that is another one than its program says is as good as none."""
        film = self.films.get(self.encode_of(item).sha256, Film(None, None))
        if (misfit := self.misfit(item)) is not None:
            return Film(None, misfit)
        if film.path is None and film.refusal is None:
            return Film(None, Refusal(code="film_missing", detail=f"{item.name} is being fetched, and not here yet"))
        return film


def readiness(world: World, key: ProgramKey) -> Refusal | None:
    """Why a program could not be shown as things are, apart from clock and display; None when it could."""
    program = world.programs.get(key)
    if program is None:
        return _unknown(key)
    return next((film.refusal for film in map(world.film, program.items) if film.path is None), None)


def _unknown(key: ProgramKey) -> Refusal:
    detail = f"program {key[0]} rev {key[1]} is not known here; publish it with 'framezero publish'"
    return Refusal(code="program_unknown", detail=detail)


class Outlook:
    """The starts of one world."""

    def __init__(self, world: World, running_cue: str | None) -> None:
        self._world = world
        self._running_cue = running_cue
        self._timelines: dict[str, Timeline] = {}

    def expected(self, t: UtcUs) -> Billed:
        """What the wall should show at an instant, as a start at the instant when it was due."""
        cue = self._wanted(t)
        return self._bill(cue, self._piece(cue, t))

    def upcoming(self, t: UtcUs) -> Iterator[Billed]:
        """The starts after an instant, soonest first."""
        if self._world.instead is not None:
            return
        cue = self._wanted(t)
        change = self._world.agenda.next_change(t)
        piece = self._piece(cue, t)
        while True:
            following = self._after(cue, piece)
            if following is not None and (change is None or following.at < change):
                piece = following
            elif change is None:
                return
            else:
                cue = self._world.agenda.wanted_at(change)
                piece = self._enter(cue, change)
                change = self._world.agenda.next_change(change)
            yield self._bill(cue, piece)

    def join(self, t: UtcUs, lead_us: int) -> Billed | None:
        """The start that brings the wall to what is expected; None where the next start will do that soon enough."""
        wanted = self.expected(t)
        at = UtcUs(t + (lead_us if wanted.start.path else STILL_LEAD_US))
        following = next(self.upcoming(t), None)
        # The same deck has to be made ready for what follows: a boundary is never missed for a join's sake.
        if following is not None and following.start.at <= at + (PREPARE_US if wanted.start.path else 0):
            return None
        billed = self._bill(wanted.cue, self._enter(wanted.cue, at))
        return None if following is not None and following.start.at <= billed.start.at else billed

    # --- pieces -------------------------------------------------------------------------------

    def _wanted(self, t: UtcUs) -> Cue | None:
        return None if self._world.instead is not None else self._world.agenda.wanted_at(t)

    def _timeline(self, cue: Cue | None) -> Timeline | None:
        program = self._world.program_of(cue) if cue else None
        if cue is None or program is None or not isinstance(cue.do, Play):
            return None
        if cue.cue not in self._timelines:
            self._timelines[cue.cue] = Timeline(cue, cue.do, program)
        return self._timelines[cue.cue]

    def _piece(self, cue: Cue | None, t: UtcUs) -> Piece:
        if self._world.instead is not None:
            return Piece(kind=self._world.instead, at=UtcUs(0), until=None)
        timeline = self._timeline(cue)
        return timeline.piece_at(t) if timeline else still(cue)

    def _after(self, cue: Cue | None, piece: Piece) -> Piece | None:
        timeline = self._timeline(cue)
        return timeline.after(piece) if timeline else None

    def _enter(self, cue: Cue | None, t: UtcUs) -> Piece:
        """The piece that holds at `t`, from `t` on: at its own beginning where that is now, else joined."""
        piece = self._piece(cue, t)
        if piece.at == t:
            return piece
        timeline = self._timeline(cue)
        if timeline is None:
            return replace(piece, at=t, joined=True)
        joined = timeline.join(piece, t)
        return joined or timeline.after(piece) or piece

    def _bill(self, cue: Cue | None, piece: Piece) -> Billed:
        identity = f"{cue.cue if cue else 'none'}:{piece.ordinal}:{piece.at}"
        if piece.kind != "film" or piece.item is None:
            short = self._world.hidden_short
            if cue is not None and isinstance(cue.do, Play) and self._world.program_of(cue) is None:
                short = _unknown(program_key(cue))
            path = self._world.slate if piece.kind == "slate" else ""
            return Billed(
                Start(id=f"{identity}:{piece.kind}", kind=piece.kind, at=piece.at, path=path), cue, piece, short
            )
        assert cue is not None, "only a cue has films"
        program = self._world.program_of(cue)
        assert program is not None, "only a known program has films"
        item = program.items[piece.item]
        encode = self._world.encode_of(item)
        film = self._world.film(item)
        short = film.refusal if film.path is None else None
        if short is None and cue.cue != self._running_cue:
            short = self._world.held_back(cue)
        if short is not None or film.path is None:
            start = Start(id=f"{identity}:slate", kind="slate", at=piece.at, path=self._world.slate)
            return Billed(start, cue, piece, short)
        start = Start(
            id=f"{identity}:film:{film.path.rpartition('/')[2][:8]}",
            kind="film",
            at=piece.at,
            path=film.path,
            position_us=piece.position_us,
            begins_us=encode.begins_us,
            frame_us=float(US_PER_S / parse_rate(item.fps)) if item.fps else 0.0,
            held=piece.held,
            sound=item.sound if encode.sound is None else encode.sound,
            codec=encode.codec or item.codec,
        )
        return Billed(start, cue, piece, None)
