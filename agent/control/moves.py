"""Hold, resume and seek as what they are on the wire: `play` cues that say absolutely which frame is shown from when.

Which cue a wall shows at the instant, and at which frame, follows from the cues that the brokers keep by the walls'
own code (agent.schedule, agent.timeline); so one command puts all walls on the same frame. Nothing but position and
standstill changes: the new cue lives exactly as long as the one that it takes over from. Pure.
"""

import math
from dataclasses import dataclass

from pydantic import ValidationError

from agent.control.draft import CueError, Draft
from agent.control.kept import SHORT_ID
from agent.control.spans import show_clock
from agent.control.times import TimeError, parse_position
from agent.control.view import View
from agent.messages import Cue, Play, explain
from agent.programs import Program
from agent.schedule import Agenda
from agent.timeline import Timeline
from agent.units import US_PER_S, MediaUs, UtcUs, format_utc


@dataclass(frozen=True, slots=True)
class Running:
    """What the addressed walls show at an instant: a play cue, and the position of its frame in the program."""

    cue: Cue
    play: Play
    program: Program
    at: UtcUs
    position_us: MediaUs

    def playing(self, position_us: int, *, held: bool) -> Draft:
        """The same, at another position or standing still."""
        try:
            moved = Play(
                action="play",
                program=self.play.program,
                rev=self.play.rev,
                loop=self.play.loop,
                from_us=position_us,
                held=held,
            )
        except ValidationError as error:
            raise CueError(explain(error), usage=True) from error
        return Draft(moved, self.cue.expires)


@dataclass(frozen=True, slots=True)
class Step:
    """Where to seek to; `sign` 0 means a position in the program, ±1 so far from where it is."""

    sign: int
    us: MediaUs


def parse_step(text: str) -> Step:
    """Read a position such as `01:30`, or `+5s` and `-5s` for so far from where it is. Raises TimeError."""
    compact = text.strip().replace("−", "-")
    sign = {"+": 1, "-": -1}.get(compact[:1], 0)
    try:
        return Step(sign, parse_position(compact[1:] if sign else compact))
    except TimeError:
        raise TimeError(f"{text!r} is not a position; write 90s or 01:30, or +5s and -5s from where it is") from None


def check_known(view: View, patterns: list[str], now: UtcUs, now_s: float) -> None:
    """See that no addressed wall says that it shows a cue that no broker keeps. Raises CueError."""
    for venue in view.expected(patterns):
        heard = view.statuses.get(venue)
        cue = heard.status.cue if heard is not None and not view.silent(venue, now, now_s) else None
        if cue is not None and cue not in view.cues:
            raise CueError(
                f"{venue} shows cue {cue}, which no broker keeps, so nobody can compute its position; "
                "send a play cue instead, with --from",
                usage=False,
            )


def running_at(view: View, show: str, patterns: list[str], at: UtcUs) -> Running:
    """What all addressed walls show at an instant. Raises CueError where that is nothing that moves, or differs."""
    found: dict[str, list[str]] = {}
    for venue in view.expected(patterns):
        presence = view.presences.get(venue)
        groups = tuple(presence.groups) if presence else ()
        meant = [cue for cue in view.cues.values() if cue.show == show and cue.names(venue, groups)]
        wanted = Agenda(meant).wanted_at(at)
        found.setdefault(wanted.cue if wanted else "", []).append(venue)
    if not found:
        raise CueError("no venue is known at the broker, so nobody can say what they show; name them", usage=False)
    if len(found) > 1:
        shown = "; ".join(f"{_words(view, cue)} on {', '.join(venues)}" for cue, venues in sorted(found.items()))
        raise CueError(
            f"the venues show different things at {format_utc(at)}: {shown}; say with --venues which are meant",
            usage=False,
        )
    [cue_id] = found
    cue = view.cues.get(cue_id)
    if cue is None or not isinstance(cue.do, Play):
        raise CueError(f"nothing plays at {format_utc(at)}, but {_words(view, cue_id)}", usage=False)
    program = view.program(cue.do.program, cue.do.rev)
    if program is None:
        detail = f"no broker keeps program {cue.do.program!r} rev {cue.do.rev}, without which no position is known"
        raise CueError(f"{detail}; publish it again", usage=False)
    position_us = Timeline(cue, cue.do, program).position_at(at)
    if position_us is None:
        raise CueError(f"{_words(view, cue_id)} is at its end before {format_utc(at)}", usage=False)
    return Running(cue, cue.do, program, at, position_us)


def _words(view: View, cue_id: str) -> str:
    cue = view.cues.get(cue_id)
    if cue is None:
        return "the slate (no cue holds)"
    what = f"play {cue.do.program}" if isinstance(cue.do, Play) else "the slate" if cue.do.action == "stop" else "black"
    return f"{what} ({_named(cue)})"


def _named(cue: Cue) -> str:
    """What its sender calls it, else so much of its id as `cue list` shows: enough to find it."""
    return f"cue {cue.label or cue.cue[:SHORT_ID]}"


def hold(running: Running) -> Draft:
    """Stand still at the frame that is due. Raises CueError."""
    if running.play.held:
        raise CueError(f"{running.play.program} is held already ({_named(running.cue)})", usage=False)
    return running.playing(running.position_us, held=True)


def resume(running: Running) -> Draft:
    """Play on from the frame that is held. Raises CueError."""
    if not running.play.held:
        raise CueError(
            f"{running.play.program} is not held at {show_clock(running.at)}, it plays ({_named(running.cue)})",
            usage=False,
        )
    return running.playing(running.position_us, held=False)


def seek(running: Running, step: Step) -> Draft:
    """Go to another position, at its frame; back beyond the start is the start, unless it loops. Raises CueError."""
    length_us = Timeline(running.cue, running.play, running.program).length_us
    target_us = step.us if step.sign == 0 else running.position_us + step.sign * step.us
    if running.play.loop:
        target_us = math.ceil(target_us % length_us)  # up: never into the frame before
    elif target_us >= length_us:
        raise CueError(
            f"that lies behind the end: {running.play.program} lasts {float(length_us) / US_PER_S:.1f} s", usage=True
        )
    return running.playing(max(0, target_us), held=running.play.held)
