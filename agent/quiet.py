"""Whether a wall is in use, or will be within some time: pure. Upgrades ask before they restart anything.

In use is a wall whose cue's film runs (held ones too, and one whose program is not known here yet: it may come any
moment), one that a panic or a local black keeps dark (somebody is at work there), and one with cues while the time is
not known. Soon in use is one that a cue changes within the time, be it to black. A slate or a black that nothing
follows is quiet: a restart does not show.
"""

from dataclasses import replace

from agent.localwire import Use
from agent.messages import Cue, Play
from agent.planner import Outlook, World
from agent.units import US_PER_S, UtcUs
from agent.wall import Wall

MOST_USES = 8
"""More are not told: one is enough to wait."""


def uses(world: World, wall: Wall, utc: UtcUs | None, within_s: int) -> list[Use]:
    """What the wall is used for at an instant, and within so many seconds after it; empty where it is quiet."""
    found = []
    if world.panic is not None:
        detail = "a panic holds, so somebody deals with something"
        found.append(Use(what="panic", detail=detail, at=world.panic.issued, cue=world.panic.panic))
    if world.local_black is not None:
        detail = f"{world.local_black.by} has this wall black"
        found.append(Use(what="local_black", detail=detail, at=world.local_black.since))
    if utc is None:
        if len(world.agenda):
            detail = f"the time is not known yet, and {len(world.agenda)} cues are here that may run"
            found.append(Use(what="unknown", detail=detail))
        return found
    below = replace(world, panic=None, local_black=None)
    wanted = below.agenda.wanted_at(utc)
    shown = wall.on_wall.cue if wall.on_wall is not None and wall.on_wall.start.kind == "film" else None
    if wanted is not None and _plays(below, wanted, utc):
        found.append(_running(wanted))
    elif shown is not None:
        found.append(_running(shown))
    change = below.agenda.next_change(utc)
    while change is not None and change <= utc + within_s * US_PER_S and len(found) < MOST_USES:
        cue = below.agenda.wanted_at(change)
        if cue is not None:
            found.append(Use(what="start", detail=_deed(cue), at=change, cue=cue.cue))
        change = below.agenda.next_change(change)
    return found


def _plays(world: World, cue: Cue, utc: UtcUs) -> bool:
    """Whether the cue's films are not over; a program that nobody knows here yet may be of any length."""
    if not isinstance(cue.do, Play):
        return False
    return world.program_of(cue) is None or Outlook(world, None).expected(utc).piece.kind == "film"


def _running(cue: Cue) -> Use:
    return Use(what="cue", detail=_deed(cue), at=cue.at, cue=cue.cue)


def _deed(cue: Cue) -> str:
    if isinstance(cue.do, Play):
        return f"cue {cue.cue}: {cue.do.program} rev {cue.do.rev}{', in a loop' if cue.do.loop else ''}"
    return f"cue {cue.cue}: {cue.do.action}"
