"""A proof in sentences: what it comes to, and what was not as it should have been, by name. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from agent.control.proof import Gap, Proof, Start
from agent.control.proof_record import Record
from agent.control.times import show_span
from agent.units import US_PER_S, UtcUs, format_utc

MOST_SENTENCES = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def ms(us: int | None, digits: int = 2, *, sign: bool = False) -> str:
    """Microseconds as milliseconds, with a true minus; a dash where there is nothing to say."""
    if us is None:
        return "–"
    rounded = round(us / 1000, digits) or 0.0  # no minus before nothing
    return f"{rounded:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def moment(at: UtcUs, day: bool = True) -> str:
    """UTC as a letter has it: `2 June 2025, 12:00`."""
    full = _EPOCH + timedelta(microseconds=at)
    clock = f"{full:%H:%M:%S}" if full.second else f"{full:%H:%M}"
    return f"{full.day} {_MONTHS[full.month - 1]} {full.year}, {clock}" if day else clock


def period(since: UtcUs, until: UtcUs) -> str:
    """From when to when, in UTC."""
    same = format_utc(since)[:10] == format_utc(until)[:10]
    return f"{moment(since)} – {moment(until, day=not same)} UTC"


def instant(at: UtcUs, *, fine: bool = False) -> str:
    """UTC for people, to the second or, `fine`, to the millisecond."""
    day, _, clock = format_utc(at).partition("T")
    return f"{day} {clock[: 12 if fine else 8]}"


def film_of(found: Start | Record, proof: Proof) -> str:
    """What is shown from then on: the film's name where a broker keeps it, else its place in its program."""
    if found.sha256 is not None and found.sha256 in proof.films:
        return proof.films[found.sha256]
    if found.program is None:
        return "no film"
    return f"{found.program} r{found.rev}" + ("" if found.item is None else f" no. {found.item + 1}")


def counted(count: int, one: str, many: str) -> str:
    """`1 start`, `2 starts`."""
    return f"{count:,} {one if count == 1 else many}".replace(",", "\u202f")


def verdict(proof: Proof) -> list[str]:
    """The whole in a few sentences: what was measured, the worst of it too, and no more than that."""
    if not proof.records:
        return ["No venue has a record of this period."]
    shared = [start for start in proof.starts if len(start.seen) + len(start.missing) > 1]
    everywhere = sum(not start.missing for start in shared)
    said = []
    if shared and everywhere == len(shared):
        said.append(f"{_all(len(shared))} began in time on every wall that it was for.")
    elif shared:
        common = counted(len(shared), "start", "starts")
        said.append(f"Of {common} that several walls had in common, {everywhere} began in time on all of them.")
    worst = proof.worst_skew
    if worst is not None:
        most = proof.at_most_us
        bound = "; for one or more, nobody vouched for a clock" if most is None else ""
        bound = bound or f", nor more than {ms(most, 1)} ms if their clocks were as wrong as they may have been"
        said.append(
            f"No wall that did so was more than {ms(proof.farthest_us)} ms from its instant by its own observation, "
            f"and no two more than {ms(worst.skew_us)} ms apart{bound}."
        )
    medians, frames = proof.medians_within(proof.within_us), proof.frames_within(proof.within_us)
    if medians is not None and frames is not None:
        minutes = counted(len(proof.minutes), "minute", "minutes")
        limit = f"{proof.within_us / 1000:g} ms"
        said.append(
            f"Of {minutes} that several walls have recorded, in {percent(frames)} each of them had 99 of 100 observed "
            f"frames within {limit} of their instants; by their medians alone, they were within {limit} of each other "
            f"in {percent(medians)}."
        )
    if shown := sum(wall.frames for wall in proof.walls):
        dropped = sum(wall.dropped for wall in proof.walls)
        said.append(f"{counted(shown, 'frame was', 'frames were')} shown, {counted(dropped, 'was', 'were')} dropped.")
    if worst is None and medians is None:
        said.append(
            "No two walls have recorded the same start or minute, so how close together they were is not known."
        )
    return said


def _all(count: int) -> str:
    return "The one start" if count == 1 else f"Each of {counted(count, 'start', 'starts')}"


def percent(share: float) -> str:
    """A share for people, never rounded up to all of it."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    return f"{min(share * 100, 99.99):.2f} %"


def amiss(proof: Proof) -> list[str]:
    """What is missing and what was late, a sentence each; empty where all is as it should be."""
    said = [f"{wall.source.venue}: {wall.source.fault}" for wall in proof.walls if wall.source.fault]
    for wall in proof.walls:
        if not wall.records and not wall.source.fault:
            said.append(f"{wall.source.venue}: has no record of this period")
        if wall.unnumbered:
            few = counted(wall.unnumbered, "record", "records")
            said.append(f"{wall.source.venue}: {few} of its book, between those that are here, are not there any more")
        if wall.unvouched:
            few = counted(wall.unvouched, "record", "records")
            said.append(f"{wall.source.venue}: {few} from a time in which nobody vouched for its clock")
        said += _missed(wall.source.venue, proof)
        if off := wall.minutes - wall.within:
            limit = f"{proof.within_us / 1000:g} ms"
            said.append(
                f"{wall.source.venue}: in {off:,} of {counted(wall.minutes, 'minute', 'minutes')} fewer than 99 of 100 "
                f"observed frames were within {limit} of their instants".replace(",", "\u202f")
            )
        if wall.dropped:
            said.append(f"{wall.source.venue}: {counted(wall.dropped, 'frame was', 'frames were')} dropped")
        righted = [record for record in proof.righted if record.venue == wall.source.venue]
        if righted:
            times = "once" if len(righted) == 1 else f"{len(righted)} times"
            said.append(
                f"{wall.source.venue}: joined a running film anew, because it was off, {times}: {_when(righted)}"
            )
    said += [_late(record, proof) for record in proof.joined]
    said += [_unrecorded(gap) for gap in proof.gaps]
    if len(said) > MOST_SENTENCES:
        return [*said[:MOST_SENTENCES], f"and {len(said) - MOST_SENTENCES} more: the JSON has all"]
    return said


def _when(records: Sequence[Record]) -> str:
    first = [instant(record.due) for record in records[:3]]
    return f"{', '.join(first)}{' …' if len(records) > 3 else ''} UTC"


def _missed(venue: str, proof: Proof) -> list[str]:
    """Starts in a row that it has no record of, as one."""
    said = []
    for missing, found in groupby(proof.starts, lambda start: venue in start.missing):
        starts: Sequence[Start] = list(found)
        if not missing:
            continue
        first, last = instant(starts[0].due), instant(starts[-1].due)
        when = f"at {first}" if len(starts) == 1 else f"from {first} to {last}"
        said.append(
            f"{venue}: no record of {counted(len(starts), 'start', 'starts')} {when} UTC, while others have one"
        )
    return said


def _late(record: Record, proof: Proof) -> str:
    film = film_of(record, proof)
    return f"{record.venue}: joined late, at {instant(record.due)} UTC, on the frame of {film} that was due by then"


def _unrecorded(gap: Gap) -> str:
    since, until = instant(gap.since), instant(gap.until)
    if since[:10] == until[:10]:
        until = until[11:]
    return f"{gap.venue}: {_length(gap.until - gap.since)} without record, {since}–{until} UTC"


def _length(us: int) -> str:
    if us < 120 * US_PER_S:
        return f"{us / US_PER_S:.0f} seconds"
    return f"{us / 60 / US_PER_S:.0f} minutes" if us < 7200 * US_PER_S else show_span(us)
