"""Whether a show could begin: its file against brokers, walls, keys and clocks, a finding each. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent.control.cue import resolve
from agent.control.draft import CueError
from agent.control.poll import Row
from agent.control.presences import version_fault
from agent.control.showfile import CueLine, ShowFile, instant_of
from agent.control.signing import Pen
from agent.control.spans import show_span
from agent.control.status import Wall, clock_warning
from agent.control.times import local_time
from agent.control.view import View
from agent.trust import Trust, key_id
from agent.units import US_PER_S, UtcUs, format_utc

Verdict = Literal["ok", "warning", "fault", "silent"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is `about`, `what` is found, and what mends it."""

    area: Literal["file", "key", "program", "cue", "venue", "clock", "broker"]
    about: str
    verdict: Verdict
    what: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "area": self.area,
            "about": self.about,
            "verdict": self.verdict,
            "what": self.what,
            "mend": self.mend,
        }


def exit_code(findings: Sequence[Finding]) -> int:
    """0 all is well, or only warnings · 1 there is a fault, which outranks: · 3 a venue is silent."""
    verdicts = {finding.verdict for finding in findings}
    return 1 if "fault" in verdicts else 3 if "silent" in verdicts else 0


def of_file(show: ShowFile, source: str, now: UtcUs) -> Iterator[Finding]:
    """What the file says, which was read without a fault, and which of its instants are near or over."""
    counts = f"cues {len(show.cue)}, programs {len(show.programs)}, venues {len(show.venue)}"
    yield Finding("file", source, "ok", f"{counts}; a GO every {show.min_gap / US_PER_S:g} s at most")
    if not show.venue:
        detail = "names no [[venue]], so that a wall that is not there is missed by nobody"
        yield Finding("file", source, "warning", detail, "name the venues of the show")
    for line in show.cue:
        if line.at is None:
            continue
        at = instant_of(line.at, now)
        when = f"{format_utc(at)[:19]}Z"
        if at <= now:
            ago = f"its instant {when} was {show_span(now - at)} ago"
            yield Finding("cue", line.label, "warning", ago, "give it another instant, or leave the line out")
        else:
            yield Finding("cue", line.label, "ok", f"at {when}, in {show_span(at - now)}")


def of_keys(pen: Pen, trust: Trust | None) -> Iterator[Finding]:
    """Whether what is sent from here will count; `trust` are the keys that the profile knows, if it names any."""
    if not pen.keys:
        detail = "no key: cues go unsigned, and walls take them only with trust.require = false"
        yield Finding("key", "signing key", "warning", detail, "give a show key with --key FILE, or key in the profile")
        return
    known = {key.id: key for key in trust.keys} if trust is not None else {}
    for key in pen.keys:
        what = f"{key.name} ({key.role or 'any role'}, {key.id})"
        if lacking := Pen((key,)).lacks("cue"):
            if pen.lacks("cue"):
                yield Finding("key", what, "fault", "signs no cue", lacking)
            else:
                yield Finding("key", what, "ok", "signs no cue, and another key does")
        elif trust is not None and key_id(key.private.public_key().public_bytes_raw()) not in known:
            remedy = "install its public half at the venues and in the profile's trust, or sign with another"
            yield Finding("key", what, "fault", "is not among the keys that the profile trusts", remedy)
        elif trust is not None and known[key.id].role != "show":
            detail = f"is trusted as a {known[key.id].role} key, and signs no cue"
            yield Finding("key", what, "fault", detail, "sign with a show key")
        else:
            yield Finding("key", what, "ok", "signs cues")


def of_programs(show: ShowFile, target: str, view: View) -> Iterator[Finding]:
    """Whether the brokers keep what the list plays, in the revision and the length that the file expects."""
    for name in show.programs:
        named = next((found for found in show.program if found.id == name), None)
        newest = view.newest_rev(name)
        rev = named.rev if named is not None and named.rev is not None else newest
        if rev is None:
            yield Finding(
                "program", name, "fault", "no broker keeps it", "publish it: framezero publish … --program " + name
            )
            continue
        program = view.program(name, rev)
        if program is None:
            detail = f"no broker keeps rev {rev}, the newest is {newest if newest is not None else 'none'}"
            yield Finding("program", name, "fault", detail, "publish it again, or correct rev in the file")
            continue
        films = len(program.items)
        length = show_span(sum(item.length_us for item in program.items))
        if program.show != target:
            detail = f"rev {rev} was published for show {program.show!r}"
            yield Finding("program", name, "fault", detail, f"publish it for {target!r}: its walls know no other")
        elif named is not None and named.films is not None and named.films != films:
            detail = f"rev {rev} has films {films}, and the file expects {named.films}"
            yield Finding("program", name, "fault", detail, "publish all films, or correct films in the file")
        elif newest is not None and newest > rev:
            detail = f"rev {rev} is pinned, and rev {newest} is published"
            yield Finding("program", name, "warning", detail, "take the pin away if the newest is meant")
        else:
            yield Finding("program", name, "ok", f"rev {rev}, films {films}, {length}")


def of_lines(show: ShowFile, target: str, view: View) -> Iterator[Finding]:
    """Lines that could not be sent as they are."""
    for line in show.cue:
        if fault := _unplayable(show, line, target, view):
            yield Finding("cue", line.label, "fault", fault, "correct the line")


def _unplayable(show: ShowFile, line: CueLine, target: str, view: View) -> str:
    rev = show.pinned(line)
    known = line.program is not None and (view.newest_rev(line.program) if rev is None else rev)
    if line.program is None or not known or view.program(line.program, known) is None:
        return ""  # that is said of the program
    try:
        resolve(view, line.program, rev, loop=line.loop, from_us=line.from_us, show=target)
    except CueError as error:
        return str(error)
    return ""


def of_venues(
    show: ShowFile, target: str, walls: Sequence[Wall], rows: Sequence[tuple[str, Row]], *, rehearsing: bool
) -> Iterator[Finding]:
    """Whether the walls are there and ready for every program; `rows` are (program, what a venue answered)."""
    seen = {wall.venue: wall for wall in walls}
    names = [place.id for place in show.venue] if not rehearsing else []
    names += [wall.venue for wall in walls if wall.presence is not None and wall.presence.show == target]
    ready, silent = 0, 0
    for venue in dict.fromkeys(names):
        place = show.place(venue)
        what = f"{venue}{f' ({place.city})' if place is not None and place.city else ''}"
        found = list(_of_venue(what, seen.get(venue), target, [(p, row) for p, row in rows if row.venue == venue]))
        ready += all(finding.verdict in ("ok", "warning") for finding in found)
        silent += {finding.verdict for finding in found} - {"ok", "warning"} == {"silent"}
        yield from found
    need = show.expect.ready if show.expect.ready is not None else len(show.venue)
    if ready < need and not rehearsing:
        detail = f"{ready} of the {need} walls that are expected are ready"
        # Where only silence stands in the way nobody has said no.
        yield Finding("venue", "all", "silent" if ready + silent >= need else "fault", detail, "mend what is named")


def on_real_walls(show: ShowFile, target: str, view: View) -> Iterator[Finding]:
    """Walls of the show that are set to its rehearsal's: what is rehearsed is seen there, and the show is not."""
    for place in show.venue:
        presence = view.presences.get(place.id)
        if target != show.show and presence is not None and presence.show == target:
            detail = f"a wall of the show, and set to {target!r}: what is rehearsed is seen on it"
            remedy = f"set show = {show.show!r} in its agent.toml, if people see it or before the show begins"
            yield Finding("venue", place.id, "warning", detail, remedy)


def _of_venue(what: str, wall: Wall | None, target: str, rows: Sequence[tuple[str, Row]]) -> Iterator[Finding]:
    if wall is None:
        remedy = "is its id right, and its agent running? 'framezero check' there tells"
        yield Finding("venue", what, "silent", "no broker has ever heard of it", remedy)
        return
    if wall.silent or wall.status is None:
        away = wall.presence is not None and not wall.presence.online
        detail = "offline: its connection to the broker has ended" if away else "silent: no status for 12 s"
        yield Finding("venue", what, "silent", detail, "is the player running, and its network up?")
        return
    if wall.presence is not None and wall.presence.show != target:
        detail = f"plays show {wall.presence.show!r} and refuses cues for {target!r}"
        yield Finding("venue", what, "fault", detail, "correct show in its agent.toml, or in the file")
        return
    faults = 0
    if wall.presence is not None and (fault := version_fault(wall.presence)):
        faults += 1
        yield Finding("venue", what, "fault", fault, "bring both to the same version")
    told: dict[str, list[str]] = {}
    unanswered: list[str] = []
    for program, row in rows:
        if row.verdict == "silent":
            unanswered.append(program)
        for reason in row.reasons:
            told.setdefault(f"{reason.code}: {reason.detail}", []).append(program)
    if unanswered:
        faults += 1
        detail = f"tells its status, and did not answer when asked whether it is ready for {', '.join(unanswered)}"
        yield Finding("venue", what, "silent", detail, "check again; if it stays so, look at the way to it")
    for detail, programs in told.items():
        faults += 1
        about = "" if len(programs) == len({program for program, _ in rows}) else f" ({', '.join(programs)})"
        code, _, sentence = detail.partition(": ")
        yield Finding("venue", what, "fault", f"NO-GO {code}{about}", sentence or "ask again")
    if wall.status.unsigned:
        remedy = "set trust.require = true in its agent.toml"
        yield Finding("venue", what, "warning", "takes cues from anybody, unsigned", remedy)
    if not faults:
        named = ", ".join(dict.fromkeys(program for program, _ in rows))
        yield Finding("venue", what, "ok", f"ready for {named or 'what needs no program'}")


def of_clocks(show: ShowFile, walls: Sequence[Wall]) -> Iterator[Finding]:
    """The walls' clocks against the bound that the file expects, and this host's against theirs."""
    limit_us = show.expect.clock_bound_ms * 1000
    for wall in walls:
        if wall.silent or wall.status is None:
            continue
        clock = wall.status.clock
        if clock.bound_us is None or clock.bound_us > limit_us:
            bound = (
                "nobody vouches for it" if clock.bound_us is None else f"may be {clock.bound_us / 1000:.1f} ms wrong"
            )
            detail = f"{clock.state}: {bound}, and {show.expect.clock_bound_ms:g} ms are expected"
            yield Finding("clock", wall.venue, "fault", detail, "framezero status --clock tells of its time servers")
    if warning := clock_warning(list(walls)):
        yield Finding("clock", "this host", "warning", warning, "set it: instants are given by this clock")
    elif all(wall.silent for wall in walls):
        detail = "no wall is heard that could tell whether it is right"
        yield Finding("clock", "this host", "warning", detail, "check again when walls are there")
    else:
        yield Finding("clock", "this host", "ok", "agrees with the walls that are heard")


def local_times(at: UtcUs, walls: Sequence[Wall]) -> list[str]:
    """An instant as the clocks at the walls show it, each zone once."""
    zones = dict.fromkeys(wall.presence.timezone for wall in walls if wall.presence is not None)
    return [text for zone in zones if (text := local_time(at, zone))]
