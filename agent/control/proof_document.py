"""A proof as one HTML file: nothing is loaded for it, it prints on A4, and every word from outside is escaped. Pure."""

from html import escape

from agent.control import proof_plots as plots
from agent.control.proof import Proof, Start, Wall
from agent.control.proof_files import digest
from agent.control.proof_fixed import METHOD, STYLE
from agent.control.proof_record import Record
from agent.control.proof_words import amiss, counted, film_of, instant, moment, ms, percent, period, verdict
from agent.control.times import local_time
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

MOST_ROWS = 600
"""Starts that the table names: of more, those that were not as they should be, and the first of each cue."""

MOST_COLUMNS = 7


def document(proof: Proof, version: str) -> str:
    """The whole page; `version` is that of the tool that wrote it."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Proof of simultaneous screening: {said(proof.show)}</title><style>{STYLE}</style></head><body>"
    )
    parts = [_title(proof), _figures(proof), _venues(proof), _sync(proof), _starts(proof), _amiss(proof)]
    return "\n".join([head, *filter(None, parts), METHOD, _data(proof, version), "</body></html>", ""])


def said(text: str, most: int = 300) -> str:
    """A text from outside, as text."""
    return escape(printable(text, most))


def _title(proof: Proof) -> str:
    good = proof.clean and proof.complete and bool(proof.records)
    first, *rest = (said(sentence, 600) for sentence in verdict(proof))
    if amiss(proof):
        rest.append('What was not as it should be is <a href="#amiss">named below</a>.')
    more = "".join(f"<p>{sentence}</p>" for sentence in rest)
    return (
        '<header><div class="kicker">Proof of simultaneous screening</div>'
        f"<h1>{said(proof.show)}</h1>"
        f'<p class="period">{period(proof.since, proof.until)}</p>'
        f'<div class="verdict{"" if good else " bad"}"><p class="first">{first}</p>{more}</div></header>'
    )


def _figures(proof: Proof) -> str:
    worst = proof.worst_skew
    share = proof.frames_within(proof.within_us)
    present = sum(wall.records > 0 for wall in proof.walls)
    everywhere = sum(not start.missing for start in proof.starts)
    figures = [
        (f"{present} of {len(proof.walls)}" if present < len(proof.walls) else f"{present}", "walls with records"),
        (f"{len(proof.starts):,}".replace(",", "\u202f"), f"starts, {everywhere:,} in time on every wall"),
        (f"{ms(worst.skew_us)} ms" if worst else "–", "furthest apart at a start, as observed"),
        (
            "–" if share is None else percent(share),
            f"of minutes: 99 of 100 frames of every wall within {proof.within_us / 1000:g} ms",
        ),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in figures)
    return f'<div class="figures">{cells}</div>'


# --- venues ---------------------------------------------------------------------------------------


def _venues(proof: Proof) -> str:
    within = f"{proof.within_us / 1000:g}"
    heads = (
        ("wall", "clock on its wall"),
        ("starts", "in time"),
        ("late or", "missed"),
        ("frames", "shown"),
        ("frames", "dropped"),
        ("frames", "late"),
        ("median", "ms"),
        ("99 %", "ms"),
        ("worst", "ms"),
        ("clock", "± ms"),
        ("within", f"{within} ms"),
    )
    head = "".join(f'<th class="nowrap">{what}<small>{unit}</small></th>' for what, unit in heads)
    rows = "".join(_venue(index, wall, proof) for index, wall in enumerate(proof.walls))
    return (
        f'<h2>The walls</h2><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        '</div><p class="note">Errors are observed minus due: positive is late. Median and 99 % (of the frames, without'
        " sign) are those of the wall’s middle minute; worst is its worst frame, clock the widest bound in the period."
        f" The last column counts the minutes in which 99 of 100 frames were within {within} ms of their instant. A"
        " late frame was seen more than half a frame after its instant.</p>"
    )


def _venue(index: int, wall: Wall, proof: Proof) -> str:
    zone = wall.source.zone
    since, until = (said(local_time(UtcUs(at // US_PER_S * US_PER_S), zone)) for at in (proof.since, proof.until))
    local = f"{said(zone)} · {since} –<br>{until}" if since else "zone unknown"
    bad = wall.joined + wall.missed
    share = "–" if not wall.minutes else percent(wall.within / wall.minutes)
    fault = f'<small class="bad">{said(wall.source.fault)}</small>' if wall.source.fault else ""
    cells = [
        f"{wall.starts:,}",
        f'<span class="bad">{bad:,}</span>' if bad else "0",
        f"{wall.frames:,}",
        f"{wall.dropped:,}",
        f"{wall.late:,}",
        ms(wall.median_us, sign=True),
        ms(wall.p99_us),
        ms(wall.max_us, 1),
        ms(wall.bound_us, 1) if not wall.unvouched else '<span class="bad">unvouched</span>',
        share,
    ]
    name = f"{_sign(index)}<b>{said(wall.source.venue)}</b><small>{local}</small>{fault}"
    numbers = "".join(f"<td>{cell}</td>".replace(",", "\u202f") for cell in cells)
    return f"<tr><td>{name}</td>{numbers}</tr>"


def _sign(index: int) -> str:
    return f'<svg class="sign" viewBox="0 0 14 14">{plots.mark(index, 7, 7, 4.5)}</svg>'


# --- plots ----------------------------------------------------------------------------------------


def _sync(proof: Proof) -> str:
    over_time, apart, close = plots.errors_over_time(proof), plots.starts_apart(proof), plots.minutes_within(proof)
    parts = []
    if over_time:
        gap = " Hatched: no record." if proof.gaps else ""
        ring = " A red ring: joined late, or anew." if proof.joined or proof.righted else ""
        parts.append(
            f"<h2>Error over time</h2><figure>{over_time}<figcaption>UTC. The line is each minute’s median error, the"
            " darker band has 99 of 100 frames, and within the lightest the true error lies: what was observed, give or"
            " take what the clock may have been wrong by. What touches the rim goes on beyond; the table has the"
            f" widest. Marks are starts.{ring}{gap}</figcaption></figure>"
        )
    if apart:
        many = sum(start.skew_us is not None for start in proof.starts) > plots.MOST_STARTS
        what = "A mark a wall; the line from the first to the last is how far apart they were."
        legend = "".join(
            f"<span>{_sign(index)}{said(wall.source.venue)}</span>" for index, wall in enumerate(proof.walls)
        )
        legend = f'<div class="legend">{legend}</div>'
        if many:
            what, legend = "How far apart the walls were. Light: the worst, dark: the middle one of some starts.", ""
        parts.append(
            f"<h2>The walls at each start</h2><figure>{legend}{apart}<figcaption>UTC. {what}</figcaption></figure>"
        )
    if close:
        minutes = counted(len(proof.minutes), "minute", "minutes")
        parts.append(
            f"<h2>How close together</h2><figure>{close}<figcaption>Of {minutes}"
            " of the same cue that at least two walls have recorded. Dark, and in figures: in how many each of them had"
            " 99 of 100 observed frames so close to their instants. Light: in how many their medians were so close"
            " together, whatever single frames did.</figcaption></figure>"
        )
    return "".join(parts)


# --- starts ---------------------------------------------------------------------------------------


def _starts(proof: Proof) -> str:
    starts, left_out = _worth_a_row(proof)
    if not starts:
        return ""
    venues = [wall.source.venue for wall in proof.walls]
    wide = len(venues) <= MOST_COLUMNS
    heads = "".join(f"<th>{_sign(index)}<br>{said(venue)}</th>" for index, venue in enumerate(venues)) if wide else ""
    heads = heads or "<th>walls</th><th>first</th><th>last</th>"
    skip = 11 if _one_day(starts) else 0
    rows = "".join(_start(start, proof, venues if wide else None, skip) for start in starts)
    further = counted(left_out, "further start", "further starts")
    note = f'<p class="note">{further}, on every wall in time, are in the CSV.</p>' if left_out else ""
    day = moment(starts[0].due).partition(",")[0] if _one_day(starts) else ""
    return (
        '<h2>All starts</h2><div class="scroll"><table><thead><tr>'
        f'<th class="nowrap">due, UTC<small>{day}</small></th><th class="l">what</th>'
        f"{heads}<th>apart</th><th>at most</th></tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="note">Milliseconds, observed minus due. Apart: the last minus the first wall, as observed. At most:'
        f" what it can have been if both clocks were as wrong as their bounds allow.</p>{note}"
    )


def _one_day(starts: list[Start]) -> bool:
    return instant(starts[0].due)[:10] == instant(starts[-1].due)[:10]


def _worth_a_row(proof: Proof) -> tuple[list[Start], int]:
    if len(proof.starts) <= MOST_ROWS:
        return proof.starts, 0
    seen: set[str] = set()
    kept: list[Start] = []
    for start in proof.starts:
        odd = bool(start.missing) or (start.skew_us or 0) > proof.within_us or start.cue not in seen
        seen.add(start.cue)
        if odd and len(kept) < MOST_ROWS:
            kept.append(start)
    return kept, len(proof.starts) - len(kept)


def _start(start: Start, proof: Proof, venues: list[str] | None, skip: int) -> str:
    if venues is not None:
        cells = [_error(start.seen.get(venue), venue in start.missing) for venue in venues]
    else:
        errors = [record.median_us for record in start.seen.values() if record.median_us is not None]
        names = "".join(f'<small class="bad">no record: {said(venue)}</small>' for venue in start.missing)
        count = f"{len(start.seen)} of {len(start.seen) + len(start.missing)}{names}"
        cells = [count, ms(min(errors, default=None), sign=True), ms(max(errors, default=None), sign=True)]
    cells += [ms(start.skew_us), ms(start.at_most_us, 1)]
    due, film = instant(start.due, fine=True)[skip:], said(film_of(start, proof), 40)
    numbers = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><td class="nowrap">{due}</td><td class="l">{film}</td>{numbers}</tr>'


def _error(record: Record | None, missing: bool) -> str:
    if record is None:
        return '<span class="bad">no record</span>' if missing else "·"
    return ms(record.median_us, sign=True)


# --- words ----------------------------------------------------------------------------------------


def _amiss(proof: Proof) -> str:
    sentences = amiss(proof)
    if not sentences:
        what = (
            "<p>Nothing: every wall began every film in time, no minute of any wall is without a record, in each 99 of"
            f" 100 observed frames were within {proof.within_us / 1000:g} ms of their instants, none was dropped.</p>"
        )
    else:
        what = f"<ul>{''.join(f'<li>{said(sentence, 500)}</li>' for sentence in sentences)}</ul>"
    return f'<h2 id="amiss">What was not as it should be</h2>{what}'


def _data(proof: Proof, version: str) -> str:
    books = sorted({record.book for record in proof.records if record.book})
    agents = sorted({f"{wall.source.venue} {wall.source.agent}" for wall in proof.walls if wall.source.agent})
    rows = [
        ("records", f"{len(proof.records):,}".replace(",", "\u202f")),
        ("sha256 of the CSV", f"<code>{digest(proof)}</code>"),
        ("agents", said(", ".join(agents), 2000)),
        ("books", f"<code>{said(' '.join(books), 4000)}</code>"),
        ("written", f"{instant(proof.made)} UTC by framezero {said(version)}"),
    ]
    cells = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value)
    return (
        f"<h2>The data</h2><dl>{cells}</dl>"
        '<p class="note">The records themselves are what <code>framezero asrun --csv</code> writes for the same period'
        " and venues; <code>sha256sum</code> of that file is the sum above if both are of the same records.</p>"
    )
