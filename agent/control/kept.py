"""The cues that brokers keep, each with what it is to every venue now, by the venues' own code (agent.schedule). Pure.

That a broker keeps a cue does not say that a venue has taken it: it may have refused it, or not have got it yet. So
what a venue's own status says is looked at too, and where that says nothing either way, nobody here knows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from agent.control.draft import CueError
from agent.control.view import Kept, View, covers
from agent.messages import Cancel, Cue, Identify, Play
from agent.schedule import STATELESS, Agenda
from agent.timeline import Timeline
from agent.told import Status
from agent.units import US_PER_S, UtcUs, format_utc

SHORT_ID = 13
"""So many characters of an id tell cues of different milliseconds apart."""

NEAR = 5
ASSUMED = {"pending": "not_taken", "running": "not_shown"}
"""What brokers cannot know of a cue that they keep, and what it is where a venue's status says otherwise."""

TOLD_US = 5 * US_PER_S
"""So long after a cue was issued, or its instant, a status has room for it: one comes that often at least."""

SOON_US = 86_400 * US_PER_S
HEARTBEAT_US = 6 * US_PER_S
"""The newest status of a venue that lives is no older, if the clocks agree."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cue: its state at each venue that it is for, and whether a broker keeps its program (None: it has none).

    States: `pending`, `running`, `ended` (a program that is over: the slate), `superseded`, `cancelled`, `expired`, and
    `cancel` of a cancel in force; `not_taken` for a cue to come of which a venue's own status knows nothing, and
    `not_shown` for one that should run where the wall shows something else by its own word. Without any known venue
    that it is for there is one state, under `*`. `confirmed` says of each venue whether its status bears the state out;
    None: it does not tell.
    """

    kept: Kept
    states: dict[str, str]
    program_kept: bool | None
    confirmed: dict[str, bool | None] = field(default_factory=dict)

    @property
    def cue(self) -> Cue:
        """The cue itself."""
        return self.kept.cue

    @property
    def by_state(self) -> dict[str, list[str]]:
        """The venues by what it is to them."""
        found: dict[str, list[str]] = {}
        for venue, state in self.states.items():
            found.setdefault(state, []).append(venue)
        return found

    @property
    def in_words(self) -> dict[str, list[str]]:
        """The same for people: with '?' where it is what should be, and no venue's word."""
        found: dict[str, list[str]] = {}
        for venue, state in self.states.items():
            doubt = "?" if state in ASSUMED and self.confirmed.get(venue) is None else ""
            found.setdefault(state.replace("_", " ") + doubt, []).append(venue)
        return found


def entries(
    view: View, patterns: Sequence[str], show: str | None, now: UtcUs, now_s: float | None = None
) -> list[Entry]:
    """The kept cues for the venues that the patterns name, in the order of their instants; of one show, if it is given.

    With monotonic `now_s` the statuses of the venues that are not silent are looked at too. Venues that cannot differ
    share one agenda, so that thousands of them cost no more than their groups.
    """
    venues = view.expected(patterns)
    meant = {kept.cue.cue: kept for kept in view.kept.values() if show is None or kept.cue.show == show}
    singled = {pattern for kept in meant.values() for pattern in kept.cue.venues if pattern[0] not in "*@"}
    agendas: dict[tuple[str, tuple[str, ...]], Agenda] = {}
    states: dict[str, dict[str, str]] = {cue_id: {} for cue_id in meant}
    judged: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    confirmed: dict[str, dict[str, bool | None]] = {cue_id: {} for cue_id in meant}
    for venue in venues:
        presence = view.presences.get(venue)
        groups = tuple(presence.groups) if presence else ()
        alike = (venue if venue in singled else "", groups)
        if alike not in agendas:
            agendas[alike] = Agenda(kept.cue for kept in meant.values() if kept.cue.names(venue, groups))
            judged[alike] = {cue.cue: _state(view, agendas[alike], cue, now) for cue in agendas[alike]}
        status = view.statuses[venue].status if now_s is not None and not view.silent(venue, now, now_s) else None
        for cue_id, state in judged[alike].items():
            borne = _confirmed(status, agendas[alike], meant[cue_id].cue, state) if state in ASSUMED else True
            confirmed[cue_id][venue] = borne
            states[cue_id][venue] = ASSUMED[state] if borne is False else state
    found = []
    for cue_id, kept in meant.items():
        if not states[cue_id]:
            if "*" not in patterns:
                continue
            states[cue_id]["*"] = _state(view, Agenda([kept.cue, *_cancels(meant.values(), kept.cue)]), kept.cue, now)
        play = kept.cue.do if isinstance(kept.cue.do, Play) else None
        there = (play.program, play.rev) in view.programs if play else None
        found.append(Entry(kept, states[cue_id], there, confirmed[cue_id]))
    return sorted(found, key=lambda entry: (entry.cue.at, entry.cue.cue))


def _cancels(among: Iterable[Kept], cue: Cue) -> list[Cue]:
    """The cancels of a cue that reach every venue that it is for."""
    return [
        kept.cue
        for kept in among
        if isinstance(kept.cue.do, Cancel) and kept.cue.do.cue == cue.cue and covers(kept.cue.venues, cue.venues)
    ]


def _state(view: View, agenda: Agenda, cue: Cue, now: UtcUs) -> str:
    if now >= cue.expires:
        return "expired"
    if agenda.cancelled(cue.cue, max(now, cue.at)):
        return "cancelled"
    if cue.at > now:
        return "pending"
    match cue.do:
        case Cancel():
            return "cancel"
        case Identify(seconds=seconds):
            return "running" if now < cue.at + seconds * US_PER_S else "ended"
    if agenda.wanted_at(now) != cue:
        return "superseded"
    program = view.program(cue.do.program, cue.do.rev) if isinstance(cue.do, Play) else None
    if isinstance(cue.do, Play) and program and Timeline(cue, cue.do, program).position_at(now) is None:
        return "ended"
    return "running"


def _confirmed(status: Status | None, agenda: Agenda, cue: Cue, state: str) -> bool | None:
    """Whether a venue's status bears out that a kept cue is `pending` or `running` there; None where it does not tell.

    A status names the next change and counts those to come; in a panic or a local black it does not tell what runs
    below it.
    """
    if status is None or status.time is None or isinstance(cue.do, STATELESS):
        return None
    if state == "running":
        if status.cue == cue.cue:
            return True
        early = status.time < max(cue.at, cue.issued) + TOLD_US
        hidden = status.panic is not None or status.local_black is not None
        return None if early or hidden else False
    if status.next is not None and status.next.cue == cue.cue:
        return True
    if status.time < cue.issued + TOLD_US:
        return None
    if status.next is None or (cue.at, cue.cue) < (status.next.at, status.next.cue):
        return False
    return True if status.pending == agenda.count_pending(status.time) else None


def words(cue: Cue, id_chars: int = SHORT_ID) -> str:
    """What a cue does, in a few words; of an id so many characters."""
    match cue.do:
        case Play(program=program, rev=rev, loop=loop, held=held, from_us=from_us):
            at = f" from {from_us / US_PER_S:g} s" if from_us else ""
            return f"play {program} r{rev}{' loop' if loop else ''}{at}{' held' if held else ''}"
        case Cancel(cue=named):
            return f"cancel {named[:id_chars]}"
        case Identify(seconds=seconds):
            return f"identify {seconds} s"
        case _:
            return cue.do.action


def short_ids(view: View) -> dict[str, str]:
    """The ids of the kept cues, cut as short as they can be told apart."""
    ids = sorted(view.kept)
    length = SHORT_ID
    while len({cue_id[:length] for cue_id in ids}) < len(ids):
        length += 1
    return {cue_id: cue_id[:length] for cue_id in ids}


def find(view: View, text: str, show: str, now: UtcUs, now_s: float) -> str:
    """The id of the cue that an operator means by an id or its beginning. Raises CueError with the near ones.

    Known are the cues that brokers keep, and those that venues say that they show or wait for.
    """
    known = {cue_id for cue_id, kept in view.kept.items() if kept.cue.show == show}
    for venue, heard in view.statuses.items():
        presence = view.presences.get(venue)
        if not view.silent(venue, now, now_s) and presence is not None and presence.show == show:
            known |= {cue_id for cue_id in (heard.status.cue, heard.status.next and heard.status.next.cue) if cue_id}
    wanted = text.strip().lower()
    found = sorted(cue_id for cue_id in known if wanted and cue_id.startswith(wanted))
    if wanted in known or len(found) == 1:
        return wanted if wanted in known else found[0]
    if found:
        detail = f"{text!r} is the beginning of {len(found)} cues; write more of the one that is meant"
        raise CueError(detail, usage=False, choices=_told(view, found))
    _check_not_over(view, wanted, show, now)
    alike = get_close_matches(wanted, sorted(known), n=NEAR, cutoff=0.6)
    ahead = [entry.cue.cue for entry in entries(view, ["*"], show, now) if _open(entry)]
    near = _told(view, alike or ahead)
    hint = "; known are" if near else "; none is known, is --show right?"
    detail = f"no broker keeps a cue {text!r} of show {show!r}, and no venue tells of it{hint}"
    raise CueError(detail, usage=False, choices=near)


def _check_not_over(view: View, wanted: str, show: str, now: UtcUs) -> None:
    """See that no cue is meant that a cancel names, which brokers keep when the cue itself is cleared."""
    for cue in view.cues.values():
        if not isinstance(cue.do, Cancel) or cue.show != show or now >= cue.expires:
            continue
        if wanted and cue.do.cue.startswith(wanted):
            raise CueError(
                f"cue {cue.do.cue} is cancelled already, from {format_utc(cue.at)} on, for {', '.join(cue.venues)}; "
                "to have the venues asked again, give its whole id with --force",
                usage=False,
            )


def _open(entry: Entry) -> bool:
    return bool({"pending", "running"} & set(entry.states.values()))


def _told(view: View, ids: Sequence[str]) -> list[str]:
    told = []
    for cue_id in ids[:NEAR]:
        cue = view.cues.get(cue_id)
        told.append(f"{cue_id} ({words(cue)} at {format_utc(cue.at)})" if cue else cue_id)
    return told + ([f"and {len(ids) - NEAR} more"] if len(ids) > NEAR else [])


def agreed(view: View, now: UtcUs) -> UtcUs:
    """The time by which cues may be cleared: this host's, but no later than some venue says that it is.

    A host whose clock is ahead would take away what runs. Where no venue tells the time, there is only the host's.
    """
    told = [heard.status.time for heard in view.statuses.values() if heard.status.time is not None]
    return UtcUs(min(now, max(told) + HEARTBEAT_US)) if told else now


def over(view: View, now: UtcUs) -> list[str]:
    """The ids of the kept cues that count for nobody any more, so that brokers need not keep them; `now`: see `agreed`.

    These are the expired ones, and those that a cancel in force takes back at every venue that they are for, for as
    long as they live; a cancel that is not signed takes nothing signed away. A cancel itself is kept until it expires:
    the cue that it names may still be on its way.
    """
    cancels: dict[str, list[Kept]] = {}
    for kept in view.kept.values():
        if isinstance(kept.cue.do, Cancel) and kept.cue.at <= now < kept.cue.expires:
            cancels.setdefault(kept.cue.do.cue, []).append(kept)

    def ended(kept: Kept, by: Kept) -> bool:
        whole = covers(by.cue.venues, kept.cue.venues) and by.cue.expires >= kept.cue.expires
        return whole and by.cue.show == kept.cue.show and bool(by.keyids or not kept.keyids)

    return sorted(
        cue_id
        for cue_id, kept in view.kept.items()
        if now >= kept.cue.expires
        or (not isinstance(kept.cue.do, Cancel) and any(ended(kept, by) for by in cancels.get(cue_id, ())))
    )
